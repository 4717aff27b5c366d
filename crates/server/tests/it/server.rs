//! The real program in a folder of its own: configured by a file, started as an operator starts it,
//! asked over HTTP, and looked into where the API does not show what it keeps.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_aftercall");

/// How often a condition is looked at before it is given up: 1,200 times 25 ms are half a minute, which
/// nothing here takes even where several builds share two cores.
const LOOKS_MAX: u32 = 1_200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// RTP ports of a server that takes few calls: 16 even ones.
const RTP_PORTS: u16 = 32;

/// Lines of a server's log that a failed test shows.
const LOG_LINES_SHOWN: usize = 60;

/// Servers that take calls do so one after another: each may have the machine to itself, and a port that
/// was free when it was chosen still is when a call needs it.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Looks until there is something to see.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(BETWEEN_LOOKS);
    }
    panic!("waited in vain for {what}");
}

/// Below the ports that the system gives away by itself.
const PORTS: Range<u16> = 10_000..32_000;

/// The first of so many ports in a row, an even one, where nobody listens. Nobody else in this process gets
/// them: its tests together take fewer than there are.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let count = count.next_multiple_of(2);
    loop {
        // Test runs at once on one machine begin at places far from each other.
        let spread = || (std::process::id().wrapping_mul(7_919) % u32::from(PORTS.end - PORTS.start)) as u16;
        let first = next.unwrap_or_else(|| (PORTS.start + spread()).next_multiple_of(2));
        let first = if first + count <= PORTS.end { first } else { PORTS.start };
        *next = Some(first + count);
        let free = |port: u16| {
            UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
        };
        if (first..first + count).all(free) {
            return first;
        }
    }
}

/// An installation: what an operator would have put into a folder.
pub(crate) struct Site {
    folder: TempDir,
    http: String,
    sip: String,
    rtp: String,
    more: String,
    rtp_ports: u16,
    log: &'static str,
    tls: Option<String>,
}

impl Site {
    /// With nothing in it but defaults.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (http, sip, rtp, more) = Default::default();
        Self { folder, http, sip, rtp, more, rtp_ports: RTP_PORTS, log: "warn", tls: None }
    }

    /// Puts `NAME.toml` into the surveys' folder.
    pub(crate) fn survey(self, name: &str, source: &str) -> Self {
        let folder = self.folder().join("surveys");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name).with_extension("toml"), source).unwrap();
        self
    }

    /// More lines of `[http]`.
    pub(crate) fn http(mut self, lines: &str) -> Self {
        self.http.push_str(lines);
        self
    }

    /// More lines of `[sip]`.
    pub(crate) fn sip(mut self, lines: &str) -> Self {
        self.sip.push_str(lines);
        self
    }

    /// More lines of `[rtp]`.
    pub(crate) fn rtp(mut self, lines: &str) -> Self {
        self.rtp.push_str(lines);
        self
    }

    /// More tables: routes, queues.
    pub(crate) fn tables(mut self, tables: &str) -> Self {
        self.more.push_str(tables);
        self
    }

    /// Takes calls over TLS as well, with this table of files.
    pub(crate) fn tls(self, table: &str) -> Self {
        Self { tls: Some(format!("tls = {table}\n")), ..self }
    }

    /// Room for exactly so many calls.
    pub(crate) fn rtp_for(mut self, calls: u16) -> Self {
        self.rtp_ports = calls * 2;
        self
    }

    /// Logs as this filter says instead of warnings only.
    pub(crate) fn log(self, log: &'static str) -> Self {
        Self { log, ..self }
    }

    /// The site's own folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the program and waits until it says where it listens.
    pub(crate) fn start(&self) -> Server {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let rtp = free_ports(self.rtp_ports);
        let config = format!(
            "data_dir = \"data\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n{}\n\
             [rtp]\nports = \"{rtp}-{}\"\n{}\n\
             [sip]\nlisten = [\"udp://127.0.0.1:0\", \"tcp://127.0.0.1:0\"{}]\n{}{}\n{}",
            self.http,
            rtp + self.rtp_ports - 1,
            self.rtp,
            if self.tls.is_some() { ", \"tls://127.0.0.1:0\"" } else { "" },
            self.tls.as_deref().unwrap_or_default(),
            self.sip,
            self.more,
        );
        let (file, log) = (self.folder().join("aftercall.toml"), self.folder().join("server.log"));
        fs::write(&file, config).unwrap();
        let log_file = File::options().create(true).append(true).open(&log).unwrap();
        let mut process = Command::new(PROGRAM)
            .args(["serve", "--log", self.log, "--config"])
            .arg(&file)
            .current_dir(self.folder())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let banner: Vec<String> =
            lines.map_while(Result::ok).take_while(|line| !line.starts_with("  try it")).collect();
        let said = |word: &str| {
            let line = banner.iter().find_map(|line| line.strip_prefix(&format!("  {word}")));
            line.unwrap_or_else(|| panic!("no {word} in the banner {banner:?}\n{}", tail(&log))).trim()
        };
        let sip = said("sip").to_owned();
        let listens = |scheme: &str| -> SocketAddr {
            let address = sip.split(' ').find_map(|listen| listen.strip_prefix(scheme));
            address.unwrap_or_else(|| panic!("no {scheme} in {sip}")).parse().unwrap()
        };
        Server {
            http: said("http").to_owned(),
            udp: listens("udp://"),
            tcp: listens("tcp://"),
            tls: self.tls.is_some().then(|| listens("tls://")),
            rtp: rtp..rtp + self.rtp_ports,
            database: self.folder().join("data/aftercall.db"),
            process,
            log,
            _alone: alone,
        }
    }
}

/// A running server.
pub(crate) struct Server {
    /// Where its API is.
    http: String,
    /// Where it takes calls.
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
    /// Its RTP ports.
    pub(crate) rtp: Range<u16>,
    process: Child,
    log: PathBuf,
    database: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Server {
    /// Where its API listens.
    pub(crate) fn http(&self) -> SocketAddr {
        self.http.trim_start_matches("http://").parse().unwrap()
    }

    /// What the API answers, with its status.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut answer = agent().get(format!("{}{path}", self.http)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    /// Rates a call; the status, or nothing when the server went away meanwhile.
    pub(crate) fn rate(&self, call: &str, score: u8) -> Option<u16> {
        let rating = format!(r#"{{"score": {score}}}"#);
        let to = agent().post(format!("{}/cc/csat/{call}", self.http));
        let answer = to.header("Content-Type", "application/json").send(rating).ok()?;
        Some(answer.status().as_u16())
    }

    /// The same of a call of this queue.
    pub(crate) fn rate_in(&self, queue: &str, call: &str, score: u8) -> u16 {
        let rating = format!(r#"{{"score": {score}, "queue_id": "{queue}"}}"#);
        let to = agent().post(format!("{}/cc/csat/{call}", self.http));
        to.header("Content-Type", "application/json").send(rating).unwrap().status().as_u16()
    }

    /// The address of its API, for a connection of one's own.
    pub(crate) fn http_address(&self) -> String {
        self.http.trim_start_matches("http://").to_owned()
    }

    /// Whether the API shows a rating of this call; nothing when the server went away meanwhile.
    pub(crate) fn shows(&self, call: &str) -> Option<bool> {
        let answer = agent().get(format!("{}/cc/csat/{call}", self.http)).call().ok()?;
        Some(answer.status().as_u16() == 200)
    }

    /// Erases what callers of this call said; returns the status.
    pub(crate) fn erase(&self, call: &str) -> u16 {
        agent().delete(format!("{}/cc/csat/{call}", self.http)).call().unwrap().status().as_u16()
    }

    /// A document of the API that must be there.
    pub(crate) fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The rating of a call, once there is one.
    pub(crate) fn rating(&self, call: &str) -> Option<Value> {
        let (status, body) = self.get(&format!("/cc/csat/{call}"));
        assert!(matches!(status, 200 | 404), "{call}: {status} {body}");
        (status == 200).then(|| serde_json::from_str(&body).unwrap())
    }

    /// What `/metrics` says of a series.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let (_, page) = self.get("/metrics");
        let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} is not in\n{page}")).parse().unwrap()
    }

    /// The most memory that the program has had, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// One column of text from the database, for a call.
    pub(crate) fn select(&self, sql: &'static str, call: &str) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let options = SqliteConnectOptions::new().filename(&self.database).read_only(true);
            let mut database = options.busy_timeout(Duration::from_secs(20)).connect().await.unwrap();
            let rows = sqlx::query_scalar(sql).bind(call).fetch_all(&mut database).await.unwrap();
            database.close().await.unwrap();
            rows
        })
    }

    /// How far a call came, as the funnel says: its state and the reason, where there is one.
    pub(crate) fn offer(&self, call: &str) -> Option<String> {
        let sql = "SELECT state || coalesce(' ' || reason, '') FROM cc_csat_offers WHERE call_id = ?";
        let mut states = self.select(sql, call);
        assert!(states.len() < 2, "{call} has {states:?}");
        states.pop()
    }

    /// The session in which a call was asked.
    pub(crate) fn session(&self, call: &str) -> String {
        self.select("SELECT session_id FROM cc_csat_offers WHERE call_id = ?", call).remove(0)
    }

    /// What is kept of a call once it is over: each score it had, and its ending. `5 completed`,
    /// `1 then 5 completed`, `- abandoned`. The API and the tables must agree.
    #[track_caller]
    pub(crate) fn record(&self, call: &str) -> String {
        let ended = "SELECT state || coalesce(' ' || reason, '') FROM cc_csat_offers
            WHERE call_id = ? AND (ended_at IS NOT NULL OR state = 'suppressed')";
        let state = eventually(&format!("the end of {call}"), || self.select(ended, call).pop());
        let scores = self.select(
            "SELECT cast(new_score AS TEXT) FROM cc_csat_log
             WHERE call_id = ? AND op IN ('created', 'amended') ORDER BY log_id",
            call,
        );
        let rows = self.select("SELECT cast(score AS TEXT) FROM cc_csat WHERE call_id = ?", call);
        let told = self.rating(call).map(|rating| rating["score"].to_string());
        assert_eq!(rows.last(), scores.last(), "{call}: the rating and its log");
        assert_eq!(rows, Vec::from_iter(told), "{call}: the table and the API");
        let scores = if scores.is_empty() { "-".to_owned() } else { scores.join(" then ") };
        format!("{scores} {state}")
    }

    /// The value of each answer, `question=value`, in the order of the questions' names.
    pub(crate) fn answers(&self, call: &str) -> Vec<String> {
        let sql = "SELECT question || '=' || value FROM cc_csat_answers WHERE call_id = ? ORDER BY question";
        self.select(sql, call)
    }

    /// Waits until no call is on.
    #[track_caller]
    pub(crate) fn until_quiet(&self) {
        eventually("every call to be gone", || (self.metric("aftercall_calls") == 0).then_some(()));
    }

    /// Ends it as an operator does; it must end well and have complained of nothing.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.until_quiet();
        self.tell_to_stop();
        self.await_end();
    }

    /// Tells it to stop: it takes no more calls and lets those end that are on.
    pub(crate) fn tell_to_stop(&self) {
        self.signal("-TERM");
    }

    /// Waits until it has stopped: well, and without a complaint.
    #[track_caller]
    pub(crate) fn await_end(mut self) {
        let status = eventually("the server to stop", || self.process.try_wait().unwrap());
        let log = fs::read_to_string(&self.log).unwrap();
        let complaints: Vec<_> =
            log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).collect();
        assert!(status.success() && complaints.is_empty(), "{status}, {complaints:?}");
    }

    /// Does something while it stands still: what is sent meanwhile it finds all at once.
    pub(crate) fn frozen<T>(&self, something: impl FnOnce() -> T) -> T {
        self.signal("-STOP");
        let done = something();
        self.signal("-CONT");
        done
    }

    /// The power is cut while others still speak with it; [`kill`](Self::kill) it then.
    pub(crate) fn die(&self) {
        self.signal("-KILL");
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(told.success(), "kill {signal}");
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    #[allow(clippy::print_stderr, reason = "a failed test shows what the server said")]
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.process.kill().ok();
            self.process.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("the server's log ends:\n{}", tail(&self.log));
        }
    }
}

/// Who asks the API: a refusal is an answer, too.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(20))).build().into()
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
