//! What can only be tried from within: the connections' settings, a full disk, a locked file, and
//! the plans of the statements.

use std::time::Duration;

use aftercall_core::stats::WeekStart;
use aftercall_core::{Score, TenantId};
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::*;
use crate::error::NextMove;
use crate::rating::Found;
use crate::tenant::{Tenant, Zone};
use crate::write::{Actor, NewRating, Write, Written};

/// A folder that goes when the test does.
struct Home(std::path::PathBuf);

impl Home {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("aftercall-store-unit-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.join("aftercall.db").display().to_string()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let gone = std::fs::remove_dir_all(&self.0);
        assert!(gone.is_ok() || std::thread::panicking(), "{gone:?}");
    }
}

fn rate(call: &str, comment: &str) -> Write {
    Write::Rate(NewRating {
        tenant: TenantId::default(),
        call: call.parse().unwrap(),
        score: Score::ALL[4],
        comment: Some(comment.parse().unwrap()),
        agent: None,
        queue: None,
        created_at: None,
        key: None,
        survey: None,
        channel: None,
        language: None,
        flags: std::collections::BTreeSet::new(),
        within: None,
        actor: Actor::Keyless,
        at: "2026-11-22T08:00:00Z".parse().unwrap(),
    })
}

async fn pragma(connection: &mut SqliteConnection, statement: &'static str) -> String {
    let row = sqlx::query(statement).fetch_one(connection).await.unwrap();
    row.try_get::<i64, _>(0).map_or_else(|_| row.get(0), |number| number.to_string())
}

#[tokio::test]
async fn the_connection_that_writes_is_durable_and_those_that_read_cannot_write() {
    let home = Home::new("pragmas");
    let store = Sqlite::open(&home.path()).await.unwrap();
    let mut writer = store.writer.acquire().await.unwrap();
    assert_eq!(pragma(&mut writer, "PRAGMA journal_mode").await, "wal");
    assert_eq!(pragma(&mut writer, "PRAGMA synchronous").await, "2", "FULL: every commit reaches the disk");
    assert_eq!(pragma(&mut writer, "PRAGMA fullfsync").await, "1");
    assert_eq!(pragma(&mut writer, "PRAGMA secure_delete").await, "1");
    assert_eq!(pragma(&mut writer, "PRAGMA query_only").await, "0");
    assert_eq!(pragma(&mut writer, "PRAGMA user_version").await, migrate::VERSION.to_string());
    assert_eq!(store.writer.options().get_max_connections(), 1, "one writes");
    let mut reader = store.readers.acquire().await.unwrap();
    let refused = sqlx::query("DELETE FROM cc_csat").execute(&mut *reader).await;
    assert!(refused.unwrap_err().to_string().contains("readonly"));
}

#[tokio::test]
async fn a_full_disk_is_told_nothing_of_the_batch_is_kept_and_space_is_all_it_needs() {
    let home = Home::new("full");
    let store = Sqlite::open(&home.path()).await.unwrap();
    let tenant = TenantId::default();
    // SQLite's own quota fails as a full disk does: no page can be added to the file.
    let pages = async |most: &'static str| {
        sqlx::raw_sql(most).execute(&store.writer).await.unwrap();
    };
    pages("PRAGMA max_page_count = 120").await;
    let text = "x".repeat(2_000);
    let (mut kept, mut full) = (Vec::new(), None);
    for batch in 0..100 {
        let calls: Vec<String> = (0..10).map(|n| format!("b{batch}n{n}")).collect();
        let writes: Vec<Write> = calls.iter().map(|call| rate(call, &text)).collect();
        match store.write(&writes).await {
            Ok(written) => {
                assert!(written.iter().all(|w| matches!(w, Written::New(_))));
                kept.extend(calls);
            }
            Err(error) => {
                full = Some((error, writes));
                break;
            }
        }
    }
    let (error, refused) = full.expect("120 pages of 4 KiB cannot hold 1,000 ratings of 2 kB");
    assert_eq!(error, StoreError::Full { place: Place::File(home.path()) });
    assert_eq!(error.next_move(), NextMove::MakeSpace);
    assert!(!kept.is_empty());
    // Again and again: still told, still nothing half kept.
    for _ in 0..3 {
        assert_eq!(store.write(&refused).await, Err(error.clone()));
    }
    for write in &refused {
        assert_eq!(store.rating(&tenant, write.call().1).await.unwrap(), Found::Never);
    }
    pages("PRAGMA max_page_count = 100000").await;
    assert!(store.write(&refused).await.unwrap().iter().all(|w| matches!(w, Written::New(_))));
    let count: i64 =
        sqlx::query("SELECT COUNT(*) FROM cc_csat").fetch_one(&store.readers).await.unwrap().get(0);
    assert_eq!(usize::try_from(count).unwrap(), kept.len() + refused.len());
    let mut writer = store.writer.acquire().await.unwrap();
    assert_eq!(pragma(&mut writer, "PRAGMA integrity_check").await, "ok");
}

/// A full disk, a failing one and want of memory make SQLite end a transaction by itself. A trigger does the
/// same on demand.
#[tokio::test]
async fn a_transaction_that_sqlite_ended_by_itself_is_not_the_last_one() {
    let home = Home::new("ended");
    let store = Sqlite::open(&home.path()).await.unwrap();
    let also = |sql: &'static str| sqlx::raw_sql(sql).execute(&store.writer);
    also("CREATE TRIGGER disk BEFORE INSERT ON cc_csat BEGIN SELECT RAISE(ROLLBACK, 'no space'); END")
        .await
        .unwrap();
    let tenant = Tenant {
        id: "other".parse().unwrap(),
        time_zone: Zone::new("UTC").unwrap(),
        week_start: WeekStart::Monday,
    };
    let at = "2026-11-22T08:00:00Z".parse().unwrap();
    for again in 0..3 {
        let refused = store.write(&[rate("c1", "")]).await.unwrap_err();
        assert!(matches!(&refused, StoreError::Failed { what, .. } if what == "no space"), "{refused:?}");
        // Whoever writes next is not its victim.
        assert_eq!(store.create_tenant(&tenant, at).await, Ok(again == 0));
    }
    also("DROP TRIGGER disk").await.unwrap();
    assert!(matches!(store.write(&[rate("c1", "")]).await.unwrap()[..], [Written::New(_)]));
}

#[tokio::test]
async fn a_locked_file_is_told_with_what_to_do_and_writing_goes_on_when_it_is_free() {
    let home = Home::new("locked");
    let wait = Duration::from_millis(20);
    let store = Sqlite::open_waiting(&home.path(), wait).await.unwrap();
    let other = Sqlite::open_waiting(&home.path(), wait).await.unwrap();
    let held = other.begin().await.unwrap();
    let refused = store.write(&[rate("c1", "")]).await.unwrap_err();
    assert_eq!(refused, StoreError::Locked { place: Place::File(home.path()) });
    assert_eq!(refused.next_move(), NextMove::Retry);
    assert!(refused.to_string().contains("another program has locked the database; stop it"), "{refused}");
    drop(held);
    other.close().await;
    assert!(matches!(store.write(&[rate("c1", "")]).await.unwrap()[..], [Written::New(_)]));
    // A program that wants the file for itself is in the way of opening it, too.
    store.close().await;
    let mut alone = <SqliteConnection as sqlx::Connection>::connect(&home.path()).await.unwrap();
    sqlx::raw_sql("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT")
        .execute(&mut alone)
        .await
        .unwrap();
    let refused = Sqlite::open_waiting(&home.path(), wait).await.unwrap_err();
    assert_eq!(refused, StoreError::Locked { place: Place::File(home.path()) });
}

/// The plan of a statement, a line a step.
async fn plan(store: &Sqlite, name: &str) -> String {
    let mut all = sql::ALL.iter().chain(crate::sql::ALL);
    let (_, statement) = all.find(|(other, _)| *other == name).unwrap();
    let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let rows = sqlx::raw_sql(explained).fetch_all(&store.readers).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
}

const KEY: &str = "INDEX sqlite_autoindex_cc_csat_1 (tenant_id=? AND call_id=?)";

/// Statements, and a step that each must take.
const PLANS: &[(&str, &str)] = &[
    ("RATING", KEY),
    ("KNOWN", KEY),
    ("DELETE_RATINGS", KEY),
    ("DELETED", "cc_csat_log_deleted (tenant_id=? AND call_id=?)"),
    ("KNOWN", "cc_csat_log_deleted (tenant_id=? AND call_id=?)"),
    ("KNOWN", "cc_csat_answers USING PRIMARY KEY (tenant_id=? AND call_id=?)"),
    ("KNOWN", "cc_csat_offers USING PRIMARY KEY (tenant_id=? AND call_id=?)"),
    ("OPEN_OFFERS", "cc_csat_offers_open (tenant_id=? AND offered_at>?)"),
    ("PAGE_OF_AGENT", "cc_csat_by_agent (tenant_id=? AND agent_id=? AND created_at>? AND created_at<?)"),
    ("PAGE_OF_QUEUE", "cc_csat_by_queue (tenant_id=? AND queue_id=? AND created_at>? AND created_at<?)"),
    ("PAGE_OF_ALL", "cc_csat_by_time (tenant_id=? AND created_at>? AND created_at<?)"),
    ("TALLIES_OF_TENANT", "COVERING INDEX cc_csat_by_time (tenant_id=? AND created_at>? AND created_at<?)"),
    (
        "TALLIES_OF_AGENT",
        "COVERING INDEX cc_csat_by_agent (tenant_id=? AND agent_id=? AND created_at>? AND created_at<?)",
    ),
    (
        "TALLIES_OF_QUEUE",
        "COVERING INDEX cc_csat_by_queue (tenant_id=? AND queue_id=? AND created_at>? AND created_at<?)",
    ),
    (
        "TALLIES_OF_AGENT_IN",
        "cc_csat_by_agent (tenant_id=? AND agent_id=? AND created_at>? AND created_at<?)",
    ),
    ("MARKED", "cc_csat_mark USING PRIMARY KEY (tenant_id=? AND queue_id=? AND local_day>? AND local_day<?)"),
    (
        "MONTHS_KEPT",
        "cc_csat_month USING PRIMARY KEY (tenant_id=? AND queue_id=? AND local_month>? AND local_month<?)",
    ),
    ("SUM_OF_DAYS", "k USING PRIMARY KEY (tenant_id=? AND queue_id=? AND local_day>? AND local_day<?)"),
    ("SUM_OF_MONTHS", "k USING PRIMARY KEY (tenant_id=? AND queue_id=? AND local_month>? AND local_month<?)"),
    (
        "RAW_FIGURES",
        "COVERING INDEX cc_csat_by_queue (tenant_id=? AND queue_id=? AND created_at>? AND created_at<?)",
    ),
    ("RAW_FIGURES", "cc_csat_offers_by_queue (tenant_id=? AND queue_id=? AND offered_at>? AND offered_at<?)"),
    (
        "AGENTS_OF_MONTHS",
        "a USING PRIMARY KEY (tenant_id=? AND queue_id=? AND local_month>? AND local_month<?)",
    ),
    (
        "AGENTS_OF_RATINGS",
        "c USING COVERING INDEX cc_csat_by_queue (tenant_id=? AND queue_id=? AND created_at>? AND created_at<?)",
    ),
    ("QUEUES_OF_TENANT", "cc_csat_queue_day USING PRIMARY KEY (tenant_id=? AND queue_id>?)"),
    ("DAYS_TO_COUNT", "cc_csat_mark USING PRIMARY KEY (tenant_id=?)"),
    ("MONTHS_TO_COUNT", "cc_csat_month_stale (tenant_id=? AND local_month<?)"),
    ("DELETE_MARKS", "cc_csat_mark USING PRIMARY KEY (tenant_id=? AND queue_id=? AND local_day=?)"),
    (
        "COUNT_DAYS",
        "COVERING INDEX cc_csat_by_queue (tenant_id=? AND queue_id=? AND created_at>? AND created_at<?)",
    ),
    ("COUNT_DAYS", "cc_csat_offers_by_queue (tenant_id=? AND queue_id=? AND offered_at>? AND offered_at<?)"),
    ("COUNT_MONTHS", "d USING PRIMARY KEY (tenant_id=? AND queue_id=? AND local_day>? AND local_day<?)"),
    (
        "COUNT_AGENT_MONTHS",
        "c USING COVERING INDEX cc_csat_by_queue (tenant_id=? AND queue_id=? AND created_at>? AND created_at<?)",
    ),
    (
        "TABLE_OF_AGENT",
        "c USING INDEX cc_csat_by_agent (tenant_id=? AND agent_id=? AND created_at>? AND created_at<?)",
    ),
    (
        "TABLE_OF_QUEUES",
        "c USING INDEX cc_csat_by_queue (tenant_id=? AND queue_id=? AND created_at>? AND created_at<?)",
    ),
    ("TABLE_OF_ALL", "c USING INDEX cc_csat_by_time (tenant_id=? AND created_at>? AND created_at<?)"),
    ("TABLE_THEN", "l USING INDEX cc_csat_log_by_time (tenant_id=? AND rated_at>? AND rated_at<?)"),
    ("TABLE_THEN", "n USING INDEX cc_csat_log_changes (tenant_id=? AND call_id=?)"),
    ("AGENTS_THEN", "l USING INDEX cc_csat_log_by_time (tenant_id=? AND rated_at>? AND rated_at<?)"),
    ("AGENTS_THEN", "n USING INDEX cc_csat_log_changes (tenant_id=? AND call_id=?)"),
    ("KEYS_USED", "PRIMARY KEY (tenant_id=? AND key_id=?)"),
    ("KEY_BY_HASH", "cc_keys_by_hash (hash=?)"),
];

#[tokio::test]
async fn every_statement_on_ratings_goes_through_the_index_made_for_it() {
    let home = Home::new("plans");
    let store = Sqlite::open(&home.path()).await.unwrap();
    for (name, expected) in PLANS {
        let plan = plan(&store, name).await;
        assert!(plan.contains(expected), "{name}:\n{plan}");
        assert!(!plan.contains("SCAN cc_"), "{name}:\n{plan}");
    }
}
