//! PostgreSQL for tests: a private one, started with the first test that asks for it, gone with the test run; or the
//! server that `AFTERCALL_TEST_DATABASE_URL` names. Either way each test has a database of its own.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// Names a server whose user may make databases, instead of a private one.
const SERVER: &str = "AFTERCALL_TEST_DATABASE_URL";

/// A port that was free a moment ago may be taken by now.
const PORTS_TRIED: usize = 5;

/// A server of a test's own, which it may stop and start again.
pub(crate) struct Cluster {
    port: u16,
    folder: PathBuf,
    // Its end is the end of the cluster.
    orders: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _shell: Child,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        let started = (0..PORTS_TRIED).find_map(|_| Self::start_once());
        started.unwrap_or_else(|| panic!("PostgreSQL does not start: its own words are above"))
    }

    fn start_once() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut shell = Command::new("sh");
        shell.args(["-c", include_str!("cluster.sh"), "cluster"]).arg(programs()).arg(port.to_string());
        // Whoever interrupts the tests does not interrupt its tidying up.
        shell.process_group(0).current_dir(std::env::temp_dir());
        // PostgreSQL refuses to be run by root.
        if let Some((user, group)) = somebody_else() {
            shell.uid(user).gid(group);
        }
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = shell.stdin.take().unwrap();
        let mut answers = BufReader::new(shell.stdout.take().unwrap());
        let Some(folder) = line(&mut answers) else {
            shell.wait().unwrap();
            return None;
        };
        Some(Self { port, folder: folder.into(), orders: Mutex::new((orders, answers)), _shell: shell })
    }

    /// The server dies at once, as if its power had failed.
    #[allow(dead_code, reason = "not every suite that starts a cluster stops it")]
    pub(crate) fn stop(&self) {
        self.order("stop");
    }

    /// It comes back.
    #[allow(dead_code, reason = "not every suite that starts a cluster stops it")]
    pub(crate) fn start_again(&self) {
        self.order("start");
    }

    fn order(&self, word: &str) {
        let mut channel = self.orders.lock().unwrap();
        writeln!(channel.0, "{word}").unwrap();
        assert_eq!(line(&mut channel.1).as_deref(), Some(word), "see {}/log", self.folder.display());
    }

    /// The address of a database of this server.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://aftercall:secret@127.0.0.1:{}/{database}", self.port)
    }

    /// The folder that holds its data.
    #[allow(dead_code, reason = "not every suite looks into it")]
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Makes a database, and returns its address.
    pub(crate) async fn database(&self) -> String {
        make_database(&self.url("postgres")).await
    }
}

/// A database of a test's own; where the server stays, it goes with the test.
pub(crate) struct Database {
    pub(crate) url: String,
    server: Option<String>,
}

impl Database {
    /// An empty one, on the server that this test run uses.
    pub(crate) async fn new() -> Self {
        static PRIVATE: LazyLock<Cluster> = LazyLock::new(Cluster::start);
        match std::env::var(SERVER) {
            Ok(server) => Self { url: make_database(&server).await, server: Some(server) },
            Err(_) => Self { url: PRIVATE.database().await, server: None },
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(server) = self.server.take() else { return };
        let name = self.url.rsplit('/').next().and_then(|name| name.split('?').next());
        let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", name.unwrap()));
        // A runtime of its own: this one may be the test's, and on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await.unwrap();
                sqlx::raw_sql(drop).execute(&mut connection).await.unwrap();
            });
        });
        assert!(dropping.join().is_ok() || std::thread::panicking());
    }
}

async fn make_database(server: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("aftercall_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = PgConnection::connect(server).await.unwrap();
    let create = AssertSqlSafe(format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"));
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let (before, options) = server
        .split_once('?')
        .map_or((server, String::new()), |(before, options)| (before, format!("?{options}")));
    let (host, _) = before.rsplit_once('/').unwrap();
    format!("{host}/{name}{options}")
}

/// The folder of the newest PostgreSQL's programs.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = versions.map(|entry| entry.path()).max_by_key(|path| number(path));
    let installed = newest.map(|path| path.join("bin")).filter(|bin| bin.join("initdb").exists());
    let found = installed.or_else(|| {
        let paths = std::env::var_os("PATH")?;
        std::env::split_paths(&paths).find(|path| path.join("initdb").exists())
    });
    found.unwrap_or_else(|| {
        panic!("no PostgreSQL here: install it (apt install postgresql), or name a server in {SERVER}")
    })
}

/// The user and group to run it as, where we are root.
fn somebody_else() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mut ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace();
    if ids.nth(1) != Some("0") {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let named = |name: &str| users.lines().find(|line| line.split(':').next() == Some(name));
    let user: Vec<&str> = named("postgres").or_else(|| named("nobody")).unwrap().split(':').collect();
    Some((user[2].parse().unwrap(), user[3].parse().unwrap()))
}

fn line(from: &mut impl std::io::BufRead) -> Option<String> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    Some(line.trim_end().to_owned())
}
