//! Exports of many ratings by the real program: every row, flat memory, and never an end that is none.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Cursor, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use aftercall_core::TenantId;
use aftercall_store::{RatingFilter, Store};
use calamine::{Data, Reader as _, Xlsx};

use crate::api::export::{line, pour};
use crate::cluster::{Cluster, Database};
use crate::readers;
use crate::server::{PROGRAM, Server, Site, eventually};

/// As CSV 90 MB.
const RATINGS: u32 = 200_000;

/// What an export may add to the memory of a server that has made small ones, less than the file: 64 MiB. SQLite's four
/// readers come to 30 to 45 with their caches, PostgreSQL's to 2.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// A body that comes in chunks. Its end is an error unless the last chunk says that it is the end.
struct Chunks {
    stream: BufReader<TcpStream>,
    left: usize,
    ended: bool,
}

fn ask(http: SocketAddr, path: &str) -> Chunks {
    let mut stream = TcpStream::connect(http).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(stream.read_line(&mut head).unwrap() > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("transfer-encoding: chunked"), "{head}");
    Chunks { stream, left: 0, ended: false }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !self.ended {
            let mut size = String::new();
            self.stream.read_line(&mut size)?;
            if size.trim().is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.left = usize::from_str_radix(size.trim(), 16).unwrap();
            self.ended = self.left == 0;
        }
        if self.ended {
            return Ok(0);
        }
        let longest = into.len().min(self.left);
        let read = self.stream.read(&mut into[..longest])?;
        self.left -= read;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.left == 0 {
            self.stream.read_exact(&mut [0; 2])?;
        }
        Ok(read)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Every row of a CSV against the store, page by page as the store has them.
fn every_row_is_the_stores(body: impl Read, store: &Store, runtime: &tokio::runtime::Runtime) {
    let mut rows = csv::Reader::from_reader(body).into_records();
    let (tenant, all) = (TenantId::default(), RatingFilter::default());
    let (mut after, mut count) = (None, 0);
    loop {
        let page = store.ratings(&tenant, &all, after.as_ref(), 1_000);
        let page = runtime.block_on(page).unwrap();
        for rating in &page {
            let row = rows.next().unwrap().unwrap();
            assert_eq!(row.iter().collect::<Vec<_>>(), line(rating), "row {count}");
            count += 1;
        }
        let Some(last) = page.last() else { break };
        after = Some(last.into());
    }
    assert!(rows.next().is_none());
    assert_eq!(count, RATINGS);
}

/// What is left of an export that was begun and is not read: nothing but its place.
fn exports_of_many_ratings(url: Option<String>) {
    let runtime = runtime();
    let database = url.as_ref().map_or(String::new(), |url| format!("[database]\nurl = \"{url}\"\n"));
    let site = Site::new().tables(&database);
    let file = format!("sqlite://{}", site.folder().join("data/aftercall.db").display());
    let store = runtime.block_on(Store::open(url.as_ref().unwrap_or(&file))).unwrap();
    runtime.block_on(pour(&store, RATINGS));
    // What the server would count beside the exports takes memory, too.
    let (tenant, now) = (TenantId::default(), "2026-11-22T08:00:00Z".parse().unwrap());
    while !runtime.block_on(store.catch_up(&tenant, now)).unwrap().is_idle() {}
    let server = site.start();
    for format in ["csv", "xlsx"] {
        let body = ask(server.http(), &format!("/cc/reports/csat/export?to=2026-10-01&format={format}"));
        io::copy(&mut { body }, &mut io::sink()).unwrap();
    }
    let before = server.peak_kib();
    let body = ask(server.http(), "/cc/reports/csat/export?tz=Europe/Berlin");
    every_row_is_the_stores(body, &store, &runtime);
    let mut book = Vec::new();
    ask(server.http(), "/cc/reports/csat/export?format=xlsx").read_to_end(&mut book).unwrap();
    let grown = server.peak_kib() - before;
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB more for {RATINGS} ratings");
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(book)).unwrap();
    let range = book.worksheet_range("ratings").unwrap();
    assert_eq!(range.height() as u32, RATINGS + 1);
    let calls: std::collections::BTreeSet<_> = range.rows().skip(1).map(|row| row[14].to_string()).collect();
    assert_eq!(calls.len() as u32, RATINGS);
    assert!(matches!(range.get((RATINGS as usize, 10)), Some(Data::DateTime(_))));
    runtime.block_on(store.close());
    one_who_does_not_read_is_cut_off_at_the_end(server);
}

/// Stopping waits for nobody who reads no further, and what they have does not look complete.
fn one_who_does_not_read_is_cut_off_at_the_end(server: Server) {
    let mut slow = ask(server.http(), "/cc/reports/csat/export");
    slow.read_exact(&mut [0; 7]).unwrap();
    server.tell_to_stop();
    server.await_end();
    let rest = io::copy(&mut slow, &mut io::sink());
    assert!(rest.is_err(), "it ends as if it were complete, after {rest:?}");
}

#[test]
fn exports_of_many_ratings_on_sqlite() {
    exports_of_many_ratings(None);
}

#[test]
fn exports_of_many_ratings_on_postgresql() {
    let database = runtime().block_on(Database::new());
    exports_of_many_ratings(Some(database.url.clone()));
}

#[test]
fn an_export_is_broken_off_where_the_database_goes_away() {
    let (runtime, cluster) = (runtime(), Cluster::start());
    let url = runtime.block_on(cluster.database());
    let site = Site::new().tables(&format!("[database]\nurl = \"{url}\"\n"));
    let server = site.start();
    let store = runtime.block_on(Store::open(&url)).unwrap();
    runtime.block_on(pour(&store, 20_000));
    let mut body = ask(server.http(), "/cc/reports/csat/export");
    body.read_exact(&mut [0; 7]).unwrap();
    cluster.stop();
    assert!(io::copy(&mut body, &mut io::sink()).is_err());
    eventually("it to be logged", || {
        let log = fs::read_to_string(site.folder().join("server.log")).unwrap();
        log.contains("an export is broken off").then_some(())
    });
    server.kill();
}

#[test]
fn the_command_writes_what_the_api_sends_and_a_file_has_its_name_when_it_is_complete() {
    let (runtime, site) = (runtime(), Site::new());
    let server = site.start();
    let file = format!("sqlite://{}", site.folder().join("data/aftercall.db").display());
    let store = runtime.block_on(Store::open(&file)).unwrap();
    runtime.block_on(pour(&store, 1_200));
    let run = |arguments: &[&str]| {
        let mut program = Command::new(PROGRAM);
        let done = program.args(["export", "--config", "aftercall.toml"]).args(arguments);
        let done = done.current_dir(site.folder()).output().unwrap();
        (done.status.code().unwrap(), done.stdout, String::from_utf8(done.stderr).unwrap())
    };
    let sent = |query: &str| {
        let mut sent = Vec::new();
        ask(server.http(), &format!("/cc/reports/csat/export?{query}")).read_to_end(&mut sent).unwrap();
        sent
    };
    let narrow = ["--from", "2026-10-03", "--to", "2026-10-20", "--tz", "Asia/Tokyo", "--score", "4"];
    let query = "from=2026-10-03&to=2026-10-20&tz=Asia/Tokyo&score=4";
    let (code, out, err) = run(&[&["-"], &narrow[..]].concat());
    assert_eq!((code, out, err.as_str()), (0, sent(query), ""));
    for (name, format) in [("all.csv", "csv"), ("all.xlsx", "xlsx")] {
        assert_eq!(run(&[name]), (0, Vec::new(), String::new()));
        assert_eq!(fs::read(site.folder().join(name)).unwrap(), sent(&format!("format={format}")), "{name}");
        assert!(!site.folder().join(format!("{name}.part")).exists());
    }
    a_stranger_reads_texts_times_and_a_frozen_header(&site.folder().join("all.xlsx"));
    for (arguments, code, told) in [
        (&["all.txt"][..], 2, "all.txt: name it .csv or .xlsx, or - for stdout\n"),
        (&["-", "--score", "6"], 2, "`score` must be a whole number from 1 to 5\n"),
        (&["-", "--from", "2026-11-02", "--to", "2026-11-01"], 2, "`from` must be before `to`\n"),
        (&["-", "--tenant", "nobody"], 1, "there is no tenant \"nobody\": `aftercall tenant list`\n"),
        (
            &["no/folder.csv"],
            1,
            "no/folder.csv.part: cannot be written: No such file or directory (os error 2)\n",
        ),
    ] {
        assert_eq!(run(arguments), (code, Vec::new(), told.to_owned()), "{arguments:?}");
    }
    server.stop();
}

/// With openpyxl.
fn a_stranger_reads_texts_times_and_a_frozen_header(book: &std::path::Path) {
    let Some(mut script) = readers::script("book.py") else { return };
    let done = script.arg(book).output().unwrap();
    let read: serde_json::Value = serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)));
    let sheet =
        serde_json::json!({"name": "ratings", "rows": 1_201, "frozen": "A2", "width": 48.0, "bold": true});
    assert_eq!(read["sheets"], serde_json::json!([sheet]));
    let rows = read["rows"].as_array().unwrap();
    assert_eq!(rows[0][10]["value"], "rated_at (UTC)");
    for row in &rows[1..] {
        let kind = |place: usize| row[place]["type"].as_str().unwrap();
        assert!([10, 11].into_iter().all(|time| kind(time) == "d"), "{row}");
        assert_eq!((kind(0), kind(1)), ("s", "n"), "{row}");
        assert!((0..15).all(|place| kind(place) != "f"), "{row}");
        assert!(row[9]["value"] == "None" || row[9]["value"].as_str().unwrap().starts_with("=SUM("), "{row}");
        assert_eq!(row[10]["format"], "yyyy\\-mm\\-dd\\ hh:mm:ss");
    }
}
