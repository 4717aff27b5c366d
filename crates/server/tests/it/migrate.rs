//! `aftercall migrate-store` through the real program: from the file of a server to PostgreSQL, and killed on the way.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use aftercall_store::Store;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};
use tokio::runtime::Runtime;

use crate::cluster::Database;
use crate::folder::Folder;
use crate::server::{PROGRAM, Site, eventually};

const FROM: &str = "sqlite://data/aftercall.db";

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// Its password in the environment, where the list of processes does not show it.
fn migrate(folder: &Path, url: &str, more: &[&str]) -> Command {
    let password = password(url);
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).env_clear().env("PW", password);
    command.args(["migrate-store", "--from", FROM, "--to", &url.replacen(password, "${PW}", 1)]).args(more);
    command
}

fn password(url: &str) -> &str {
    url.split(['@', ':']).nth(2).unwrap()
}

/// Exit code, stdout, stderr; none of them shows the password.
fn ended(done: Output, url: &str) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(done.stdout), text(done.stderr));
    let secret = format!(":{}@", password(url));
    assert!(!out.contains(&secret) && !err.contains(&secret), "{out}{err}");
    (done.status.code().unwrap(), out, err)
}

fn run(folder: &Path, url: &str, more: &[&str]) -> (i32, String, String) {
    ended(migrate(folder, url, more).output().unwrap(), url)
}

#[test]
fn a_server_stops_its_file_is_moved_and_it_goes_on_with_postgresql() {
    let runtime = runtime();
    let database = runtime.block_on(Database::new());
    let url = &database.url;
    let site = Site::new();
    let server = site.start();
    for (call, score) in [("c1", 5), ("c2", 1), ("c3", 4)] {
        assert_eq!(server.rate(call, score), Some(201));
    }
    assert_eq!(server.erase("c3"), 204);
    let (code, out, err) = run(site.folder(), url, &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("another program has locked the database; stop it"), "{err}");
    let before = server.json("/cc/csat/c1");
    server.stop();

    let (code, out, err) = run(site.folder(), url, &["--dry-run"]);
    assert!(code == 0 && err.contains("(it is fit for it); nothing was moved"), "{out}{err}");
    let row = |out: &str, table: &str, rows: &str| {
        let found = out.lines().any(|line| line.split_whitespace().take(3).eq([table, "default", rows]));
        assert!(found, "{table} {rows} in\n{out}");
    };
    row(&out, "cc_csat", "2");
    let (code, out, err) = run(site.folder(), url, &[]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("name it in [database] url, and start the server"), "{err}");
    row(&out, "cc_csat", "2");
    row(&out, "cc_csat_log", "4");
    // Once more there is nothing to go on with, and what is there is not touched.
    let (code, _, err) = run(site.folder(), url, &[]);
    assert!(code == 1 && err.contains("it is not empty: "), "{err}");

    let moved = Site::new().tables(&format!("[database]\nurl = \"{url}\"\n"));
    let server = moved.start();
    assert_eq!(server.json("/cc/csat/c1"), before);
    assert_eq!(server.get("/cc/csat/c3").0, 410);
    assert_eq!(server.rate("c1", 5), Some(200));
    server.stop();
}

#[test]
fn an_address_that_is_none_or_lacks_its_variable_ends_with_2_and_is_not_repeated() {
    let folder = Folder::new();
    let run = |from: &str, to: &str| {
        let mut command = Command::new(PROGRAM);
        command.current_dir(folder.path()).env_clear().args(["migrate-store", "--from", from, "--to", to]);
        let done = command.output().unwrap();
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let (code, err) = run(FROM, "postgres://u:secret@h:x/d");
    assert_eq!(code, 2);
    assert_eq!(
        err,
        "--to is not the address of a PostgreSQL database; use postgres://user:password@host:5432/name\n"
    );
    let (code, err) = run(FROM, "postgres://u:${PW}@h/d");
    assert_eq!((code, err.as_str()), (2, "--to needs the environment variable `PW`, which is not set\n"));
    assert_eq!(run("mysql://u:secret@h/d", FROM).0, 2);
    let (code, err) = run(FROM, "sqlite://other.db");
    assert!(code == 1 && err.contains("data/aftercall.db: there is no database of aftercall there"), "{err}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// So many ratings that a move takes longer than it takes to see that it has begun.
const RATINGS: usize = 40_000;

/// A file with ratings, made by the database itself.
async fn fill(path: &Path) {
    Store::open(&format!("sqlite://{}", path.display())).await.unwrap().close().await;
    let mut tool = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap();
    let insert = format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {RATINGS})
         INSERT INTO cc_csat (id, call_id, agent_id, queue_id, score, comment, created_at, tenant_id, revision, flags)
         SELECT printf('01a202cf-5994-719f-b717-%012x', n), 'c' || n, 'a' || n % 50, 'q' || n % 5, n % 5 + 1,
                CASE n % 3 WHEN 0 THEN '谢谢' END, printf('2026-%02d-11T08:00:00.%06dZ', n % 12 + 1, n), 'default', 1, ''
         FROM n"
    );
    tool.execute(AssertSqlSafe(insert)).await.unwrap();
    tool.close().await.unwrap();
}

#[test]
fn a_move_that_is_killed_goes_on_where_it_was_and_until_then_nobody_serves_the_half_of_it() {
    let runtime = runtime();
    let database = runtime.block_on(Database::new());
    let url = &database.url;
    let folder = Folder::new();
    fs::create_dir(folder.path().join("data")).unwrap();
    runtime.block_on(fill(&folder.path().join("data/aftercall.db")));
    let mut tool = runtime.block_on(PgConnection::connect(url)).unwrap();
    let mut arrived = || {
        let count = runtime.block_on(tool.fetch_one("SELECT COUNT(*) FROM cc_csat"));
        count.map_or(0, |row| row.get::<i64, _>(0)) as usize
    };
    let mut before = 0;
    for _ in 0..3 {
        let mut moving = migrate(folder.path(), url, &[]).stderr(Stdio::null()).spawn().unwrap();
        let now = eventually("rows to arrive", || Some(arrived()).filter(|rows| *rows > before));
        moving.kill().unwrap();
        moving.wait().unwrap();
        before = now.max(arrived());
    }
    assert!(before < RATINGS, "it was killed too late to try anything");
    fs::write(folder.path().join("there.toml"), format!("[database]\nurl = \"{url}\"\n")).unwrap();
    for command in ["serve", "doctor"] {
        let mut program = Command::new(PROGRAM);
        program.current_dir(folder.path()).args([command, "--config", "there.toml"]);
        let (code, out, err) = ended(program.output().unwrap(), url);
        let told = format!("{out}{err}");
        assert_eq!(code, 1, "{told}");
        assert!(
            told.contains("not everything has been moved into it yet: run `aftercall migrate-store` from /"),
            "{told}"
        );
    }
    let (code, out, err) = run(folder.path(), url, &["--dry-run"]);
    assert!(code == 0 && err.contains("(a move that goes on)"), "{out}{err}");
    let (code, out, err) = run(folder.path(), url, &[]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("of them there already"), "{err}");
    assert!(
        out.lines().any(|line| line.starts_with("cc_csat ") && line.contains(&format!(" {RATINGS} "))),
        "{out}"
    );
    assert_eq!(arrived(), RATINGS);
}
