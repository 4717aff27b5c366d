//! Opening: what is made, what is refused, and what the refusal tells an operator to do.

use aftercall_store::{NextMove, Store, StoreError};
use sqlx::{Connection, Executor};

use crate::harness::*;

on_both! {
    a_closed_store_says_so,
    several_programs_may_open_a_fresh_database_at_once,
}

#[tokio::test]
async fn folders_and_file_are_made_and_the_file_is_for_its_owner_only() {
    let home = Home::new();
    let path = home.path().with_file_name("a folder").join("数据").join("50%.db");
    let store = Store::open(&url(&path)).await.unwrap();
    store.ready().await.unwrap();
    store.write(&[post("c1 5 comment=x", 0)]).await.unwrap();
    #[cfg(unix)]
    for suffix in ["", "-wal", "-shm"] {
        use std::os::unix::fs::PermissionsExt;
        let file = format!("{}{suffix}", path.display());
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
    }
    store.close().await;
    assert!(path.is_file());
}

#[tokio::test]
async fn what_was_written_is_there_when_the_file_is_opened_again_by_any_spelling_of_its_url() {
    let home = Home::new();
    let store = home.open().await;
    store.write(&[post("c1 5", 0)]).await.unwrap();
    store.close().await;
    for url in [home.url(), format!("sqlite:{}", home.path().display())] {
        let store = Store::open(&url).await.unwrap();
        assert_eq!(found(&store, "c1").await, "c1 5 rated=0 flags=no_call r1");
        store.close().await;
    }
}

#[tokio::test]
async fn an_address_that_names_no_file_is_refused_without_repeating_it() {
    let table = [
        (
            "",
            "is not the address of a database; use sqlite://data/aftercall.db or postgres://user:password@host:5432/name",
        ),
        (
            "data/aftercall.db",
            "is not the address of a database; use sqlite://data/aftercall.db or postgres://user:password@host:5432/name",
        ),
        (
            "mysql://u:secret@h/d",
            "is not the address of a database; use sqlite://data/aftercall.db or postgres://user:password@host:5432/name",
        ),
        ("postgres://", "names no database; use postgres://user:password@host:5432/name"),
        ("postgres://u:secret@h:5432/", "names no database; use postgres://user:password@host:5432/name"),
        (
            "postgres://u:secret@h:x/d",
            "is not the address of a PostgreSQL database; use postgres://user:password@host:5432/name",
        ),
        (
            "postgresql://u:secret@h/d?sslmode=require&passwort=x",
            "has the option `passwort`, which is none of sslmode, sslrootcert, sslcert, sslkey, host, port, application_name, options",
        ),
        ("sqlite://", "names no file after sqlite://; use sqlite://data/aftercall.db"),
        ("sqlite::memory:", "a database in memory keeps nothing; use sqlite://data/aftercall.db"),
        ("sqlite://a.db?mode=ro", "has options after ?, and there are none; use sqlite://data/aftercall.db"),
        ("sqlite://a\0b", "contains U+0000; use sqlite://data/aftercall.db"),
    ];
    for (address, why) in table {
        let refused = Store::open(address).await.unwrap_err();
        assert_eq!(refused.to_string(), format!("[database] url: {why}"), "{address:?}");
        assert_eq!(refused.next_move(), NextMove::GiveUp);
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_named_with_what_to_check() {
    let home = Home::new();
    std::fs::write(home.path(), "a file").unwrap();
    let beneath = home.path().join("aftercall.db");
    let folder = home.path().with_file_name("");
    for path in [beneath, folder, "/proc/aftercall/aftercall.db".into()] {
        let refused = Store::open(&url(&path)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Unusable { .. }), "{refused:?}");
        assert_eq!(refused.next_move(), NextMove::GiveUp);
        let told = refused.to_string();
        assert!(
            told.starts_with(&format!("{}: the database cannot be read and written: ", path.display())),
            "{told}"
        );
        assert!(told.contains("check that the folder exists and belongs to the user"), "{told}");
    }
}

#[tokio::test]
async fn a_file_of_something_else_is_left_alone() {
    let home = Home::new();
    let garbage = b"Dear diary, this is no database at all.\n".repeat(100);
    std::fs::write(home.path(), &garbage).unwrap();
    let refused = Store::open(&home.url()).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotOurs { why: "it is not a SQLite file", .. }), "{refused:?}");
    assert_eq!(std::fs::read(home.path()).unwrap(), garbage);

    let home = Home::new();
    let mut other = home.connect_new().await;
    other.execute("CREATE TABLE photos (id INTEGER)").await.unwrap();
    other.close().await.unwrap();
    let refused = Store::open(&home.url()).await.unwrap_err();
    let told = refused.to_string();
    assert!(told.contains("is not a database of aftercall (it belongs to another program)"), "{told}");
    assert_eq!(home.sql("SELECT name FROM sqlite_schema").await, ["photos"]);
}

#[tokio::test]
async fn a_database_of_a_later_version_is_left_alone() {
    let home = Home::new();
    home.open().await.close().await;
    let mut newer = home.connect().await;
    newer.execute("PRAGMA user_version = 99").await.unwrap();
    newer.close().await.unwrap();
    let refused = Store::open(&home.url()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Newer { found: 99, .. }), "{refused:?}");
    assert!(refused.to_string().contains("run the newer aftercall"), "{refused}");
    assert_eq!(refused.next_move(), NextMove::GiveUp);
}

#[tokio::test]
async fn a_damaged_file_and_a_row_that_is_none_of_ours_are_told_apart_from_everything_else() {
    let home = Home::new();
    let store = home.open().await;
    store.write(&[post("c1 5", 0)]).await.unwrap();
    let mut tool = home.connect().await;
    tool.execute("UPDATE cc_csat SET created_at = 'yesterday'").await.unwrap();
    tool.close().await.unwrap();
    let told = store.rating(&tenant(), &"c1".parse().unwrap()).await.unwrap_err();
    assert_eq!(told.next_move(), NextMove::GiveUp);
    assert!(told.to_string().contains("damaged (a value of column created_at is none of ours)"), "{told}");
    store.close().await;
    // Every page behind the first is overwritten.
    let mut bytes = std::fs::read(home.path()).unwrap();
    bytes[4096..].fill(0xA5);
    std::fs::write(home.path(), bytes).unwrap();
    let outcome = match Store::open(&home.url()).await {
        Ok(store) => store.write(&[post("c2 5", 0)]).await.map(drop),
        Err(refused) => Err(refused),
    };
    let refused = outcome.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused:?}");
    assert!(refused.to_string().contains("restore a backup"), "{refused}");
}

async fn a_closed_store_says_so(home: Home) {
    let store = home.open().await;
    let clone = store.clone();
    store.close().await;
    assert_eq!(clone.ready().await, Err(StoreError::Closed));
    assert_eq!(clone.write(&[post("c1 5", 0)]).await, Err(StoreError::Closed));
    assert_eq!(StoreError::Closed.next_move(), NextMove::GiveUp);
}

async fn several_programs_may_open_a_fresh_database_at_once(home: Home) {
    let (url, mut tasks) = (home.url(), tokio::task::JoinSet::new());
    for n in 0..8 {
        let url = url.clone();
        tasks.spawn(async move {
            let store = Store::open(&url).await.unwrap();
            store.write(&[post(&format!("c{n} 5"), 0)]).await.unwrap();
            store.close().await;
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(home.sql("SELECT COUNT(*) FROM cc_csat").await, ["8"]);
}
