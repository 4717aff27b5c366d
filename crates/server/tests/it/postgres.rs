//! The server on PostgreSQL: what the writer does while the database is away, nodes that die, TLS, and the commands.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use aftercall::clock::Clock;
use aftercall::metrics::Metrics;
use aftercall::recordings::Recordings;
use aftercall::writer::{NotWritten, Writer};
use aftercall_core::{CallId, Score, TenantId};
use aftercall_store::{Actor, Found, NewRating, Store, StoreError, Write, Written};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::cluster::{Cluster, Database};
use crate::folder::Folder;
use crate::server::{PROGRAM, Site};

fn rate(call: &str) -> Write {
    Write::Rate(NewRating {
        tenant: TenantId::default(),
        call: CallId::new(call).unwrap(),
        score: Score::try_from(5).unwrap(),
        comment: None,
        agent: None,
        queue: None,
        created_at: None,
        key: None,
        survey: None,
        channel: None,
        language: None,
        flags: Default::default(),
        within: None,
        actor: Actor::Keyless,
        at: "2026-11-22T08:00:00Z".parse().unwrap(),
    })
}

#[tokio::test]
async fn while_the_database_is_away_the_writer_keeps_what_it_took_and_loses_nothing_acknowledged() {
    let cluster = Cluster::start();
    let url = cluster.database().await;
    let folder = Folder::new();
    let store = Store::open(&url).await.unwrap();
    let metrics = Arc::new(Metrics::default());
    let clock = Clock::set_to("2026-11-22T08:00:00Z".parse().unwrap());
    let recordings = Recordings::within(folder.path());
    let (writer, task) = Writer::start(store.clone(), recordings, clock, Arc::clone(&metrics));
    let post = |from: u32| {
        let writer = writer.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in from..from + 300 {
                let call = format!("c{number}");
                let written: Result<Written, NotWritten> = writer.ask(rate(&call)).await;
                // One that was kept just before the server died may be told as a repeat.
                assert!(matches!(written, Ok(Written::New(_) | Written::Same(_))), "{written:?}");
                acknowledged.push(call);
            }
            acknowledged
        })
    };
    let posting: Vec<_> = (0..4).map(|n| post(n * 1_000)).collect();
    for outage in 1..=2_u64 {
        let before = metrics.writer.committed.get();
        while metrics.writer.committed.get() < before + 50 {
            tokio::task::yield_now().await;
        }
        cluster.stop();
        while metrics.writer.retries.get() < outage {
            tokio::task::yield_now().await;
        }
        assert!(!writer.is_well());
        cluster.start_again();
    }
    for acknowledged in posting {
        for call in acknowledged.await.unwrap() {
            let found = store.rating(&TenantId::default(), &CallId::new(call.as_str()).unwrap()).await;
            assert!(matches!(found, Ok(Found::Live(_))), "{call}: {found:?}");
        }
    }
    assert!(writer.is_well());
    task.drain().await;
    assert_eq!((metrics.writer.lost.get(), metrics.writer.refused.get()), (0, 0));
}

fn aftercall(folder: &Path, command: &[&str]) -> Output {
    let mut program = Command::new(PROGRAM);
    program.args(command).args(["--config", "aftercall.toml"]).current_dir(folder).output().unwrap()
}

#[tokio::test]
async fn the_commands_work_on_a_server_and_never_show_its_password() {
    let folder = Folder::new();
    let database = Database::new().await;
    let url = &database.url;
    let password = url.split(['@', ':']).nth(2).unwrap().to_owned();
    fs::write(folder.path().join("aftercall.toml"), format!("[database]\nurl = \"{url}\"\n")).unwrap();
    let commands: [(&[&str], &str); 4] = [
        (&["doctor"], "database"),
        (&["key", "create", "--role", "admin"], "kept in  postgres://"),
        (&["tenant", "create", "acme"], ""),
        (&["check"], ""),
    ];
    for (command, expected) in commands {
        let done = aftercall(folder.path(), command);
        let said = [done.stdout, done.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        assert!(said.contains(expected) && !said.contains(&format!(":{password}@")), "{command:?}: {said}");
    }
    let store = Store::open(url).await.unwrap();
    assert_eq!(store.keys(&TenantId::default()).await.unwrap().len(), 1);
    assert!(store.tenant(&"acme".parse().unwrap()).await.unwrap().is_some());
}

fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name)
}

#[tokio::test]
async fn a_server_with_a_certificate_is_spoken_to_in_secret_and_one_of_another_authority_is_refused() {
    let cluster = Cluster::start();
    let owner = fs::metadata(cluster.data()).unwrap();
    for (name, file) in [("localhost.pem", "server.crt"), ("localhost.key", "server.key")] {
        let file = cluster.data().join(file);
        fs::copy(vector(name), &file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
    let mut admin = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    admin.execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    cluster.stop();
    cluster.start_again();
    let url = cluster.database().await.replace("127.0.0.1", "localhost");
    let trusting = |mode: &str, name: &str| {
        let address = format!("{url}?sslmode={mode}&sslrootcert={}", vector(name).display());
        async move { Store::open(&address).await }
    };
    for mode in ["require", "verify-ca", "verify-full"] {
        let store = trusting(mode, "localhost.pem").await.unwrap();
        store.ready().await.unwrap();
        let mut admin = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
        let secret = "SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'aftercall' AND NOT ssl";
        assert!(admin.fetch_optional(secret).await.unwrap().is_none(), "{mode}");
        store.close().await;
    }
    for mode in ["verify-ca", "verify-full"] {
        let refused = trusting(mode, "callers-ca.pem").await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused { .. }), "{refused:?}");
        assert!(refused.to_string().contains("check sslmode and sslrootcert in [database] url"), "{refused}");
    }
}

/// Blocking, as whoever watches a real program is.
#[test]
fn a_server_on_postgresql_serves_stops_and_leaves_the_calls_of_other_nodes_alone() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let database = runtime.block_on(Database::new());
    let url = &database.url;
    let site = Site::new().tables(&format!("[database]\nurl = \"{url}\"\n"));
    let store = runtime.block_on(Store::open(url)).unwrap();
    let offered = |call: &str, at: jiff::Timestamp| {
        let session = aftercall_store::Session {
            tenant: TenantId::default(),
            call: CallId::new(call).unwrap(),
            id: aftercall_store::SessionId::new("s1").unwrap(),
            about: Default::default(),
        };
        let put = aftercall_store::Put::ToCaller;
        Write::Offered(aftercall_store::Offered { session: session.into(), put, at })
    };
    let now = Clock::system().now();
    let long_ago = now - jiff::SignedDuration::from_hours(1);
    runtime.block_on(store.write(&[offered("theirs", now), offered("nobodys", long_ago)])).unwrap();
    let server = site.start();
    assert_eq!(server.rate("c1", 4), Some(201));
    assert_eq!(server.shows("c1"), Some(true));
    assert_eq!(server.get("/readyz").0, 200);
    server.stop();
    let state = |call: &str| {
        let offer = runtime.block_on(store.offer(&TenantId::default(), &CallId::new(call).unwrap()));
        let offer = offer.unwrap().unwrap();
        (offer.state.word(), offer.reason)
    };
    assert_eq!(state("theirs"), ("offered", None));
    assert_eq!(state("nobodys"), ("failed", Some("crash".to_owned())));
}
