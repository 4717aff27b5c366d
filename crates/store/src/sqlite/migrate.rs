//! The schema of a SQLite file, brought forward from any earlier version.

use sqlx::{Row, SqliteConnection};

use crate::transfer::sql::MARK;

/// One file a version, in order; each sets `user_version` to its own number. Forward only: a file
/// that has been released is never edited.
const STEPS: &[&str] = &[
    include_str!("../../migrations/sqlite/0001_first.sql"),
    include_str!("../../migrations/sqlite/0002_open_offers.sql"),
    include_str!("../../migrations/sqlite/0003_quality.sql"),
    include_str!("../../migrations/sqlite/0004_results.sql"),
    include_str!("../../migrations/sqlite/0005_as_of.sql"),
    include_str!("../../migrations/sqlite/0006_events.sql"),
    include_str!("../../migrations/sqlite/0007_report_runs.sql"),
];

/// The version that this program works with.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// `application_id` of our files: the letters `aftc`.
const APPLICATION: i64 = 0x6166_7463;

/// Whether rows are being moved into the file, and what the mark of it says.
const IS_MARKED: &str = "SELECT COUNT(*) AS number FROM sqlite_schema WHERE name = 'cc_migration'";

/// What a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// Ours, and now of [`VERSION`].
    Current,
    /// Ours, of a later version than we know.
    Newer(i64),
    /// Another program's.
    Foreign,
}

/// Brings the schema up to date. Two programs may do so at the same time.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<Schema, sqlx::Error> {
    if let Some(settled) = settled(version(connection).await?) {
        return Ok(settled);
    }
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let outcome = step(connection).await;
    let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = sqlx::raw_sql(end).execute(&mut *connection).await;
    let schema = outcome?;
    ended?;
    Ok(schema)
}

/// Within the transaction, in which nobody else writes: whoever came first has done it.
async fn step(connection: &mut SqliteConnection) -> Result<Schema, sqlx::Error> {
    let found = version(connection).await?;
    if let Some(settled) = settled(found) {
        return Ok(settled);
    }
    let done = usize::try_from(found.unwrap_or(0)).unwrap_or(0);
    for sql in STEPS.iter().skip(done) {
        sqlx::raw_sql(*sql).execute(&mut *connection).await?;
    }
    Ok(Schema::Current)
}

/// What needs no step.
fn settled(version: Option<i64>) -> Option<Schema> {
    match version {
        Some(VERSION) => Some(Schema::Current),
        Some(newer) if newer > VERSION => Some(Schema::Newer(newer)),
        Some(older) if older >= 0 => None,
        _ => Some(Schema::Foreign),
    }
}

/// The version of the file's schema, 0 of an empty one; `None` if it is another program's.
pub(super) async fn version(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT (SELECT application_id FROM pragma_application_id),
                (SELECT user_version FROM pragma_user_version),
                (SELECT COUNT(*) FROM sqlite_schema)",
    )
    .fetch_one(connection)
    .await?;
    let (application, version, tables): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let is_empty = application == 0 && version == 0 && tables == 0;
    Ok((application == APPLICATION || is_empty).then_some(version))
}

/// From where rows are being moved into the file, and how far that is; `None` if they are not.
pub(super) async fn mark(connection: &mut SqliteConnection) -> Result<Option<(String, String)>, sqlx::Error> {
    let marks: i64 = sqlx::query(IS_MARKED).fetch_one(&mut *connection).await?.try_get("number")?;
    if marks == 0 {
        return Ok(None);
    }
    let row = sqlx::query(MARK).fetch_one(connection).await?;
    Ok(Some((row.try_get("source")?, row.try_get("phase")?)))
}
