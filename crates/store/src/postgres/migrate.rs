//! The schema of a PostgreSQL database, brought forward from any earlier version.

use sqlx::{Connection as _, PgConnection, Row};

use crate::fault::Fault;
use crate::transfer::sql::MARK;
use crate::transfer::{Shape, Unlike};

/// One file a version, in order. Forward only: a file that has been released is never edited.
const STEPS: &[&str] = &[include_str!("../../migrations/postgres/0001_first.sql")];

/// The version that this program works with.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// The table that says which version the others are of. It has one row.
const MAKE: &str = "CREATE TABLE cc_schema (version BIGINT NOT NULL); INSERT INTO cc_schema VALUES (0)";

/// Who holds it brings the schema forward; the others wait, and find it done.
const HOLD: &str = "LOCK TABLE cc_schema IN ACCESS EXCLUSIVE MODE";

/// Whether the schema that is used has the table, how many others it has that no extension brought, and what the
/// database keeps text as.
const LOOK: &str = "SELECT
    EXISTS (SELECT 1 FROM pg_class WHERE relname = 'cc_schema' AND relnamespace = current_schema()::regnamespace)
        AS ours,
    (SELECT COUNT(*) FROM pg_class AS c WHERE relkind IN ('r', 'p', 'v', 'm')
        AND relnamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = c.oid AND deptype = 'e')) AS tables,
    current_setting('server_encoding') = 'UTF8' AS is_utf8";

/// Whether rows are being moved into the database.
const IS_MARKED: &str = "SELECT to_regclass('cc_migration') IS NOT NULL AS is_marked";

/// What a database turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// Ours, and now of [`VERSION`].
    Current,
    /// Ours, of a later version than we know.
    Newer(i64),
    /// Another program's.
    Foreign,
    /// One that cannot keep every text.
    Encoded,
}

/// Brings the schema up to date. Any number of nodes may do so at the same time.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<Schema, Fault> {
    let row = sqlx::query(LOOK).fetch_one(&mut *connection).await?;
    let (ours, tables, is_utf8): (bool, i64, bool) =
        (row.try_get("ours")?, row.try_get("tables")?, row.try_get("is_utf8")?);
    if !is_utf8 {
        return Ok(Schema::Encoded);
    }
    if !ours && tables > 0 {
        return Ok(Schema::Foreign);
    }
    if ours {
        match version(connection).await? {
            None => return Ok(Schema::Foreign),
            Some(newer) if newer > VERSION => return Ok(Schema::Newer(newer)),
            Some(VERSION) => return Ok(Schema::Current),
            Some(_) => {}
        }
    } else if let Err(error) = make(connection).await {
        // Another node was faster: look again.
        return Err(if is_there_already(&error) { Fault::Raced } else { Fault::Sql(error) });
    }
    step(connection).await
}

/// What a database is, as it is.
pub(super) async fn look(connection: &mut PgConnection) -> Result<Result<Shape, Unlike>, Fault> {
    let row = sqlx::query(LOOK).fetch_one(&mut *connection).await?;
    let (ours, tables): (bool, i64) = (row.try_get("ours")?, row.try_get("tables")?);
    Ok(match (row.try_get("is_utf8")?, ours) {
        (false, _) => Err(Unlike::Foreign("its encoding is not UTF8")),
        (true, false) if tables > 0 => Err(Unlike::Foreign("it holds another program's tables")),
        (true, false) => Ok(Shape::Fresh),
        (true, true) => match version(connection).await? {
            None => Err(Unlike::Foreign("it holds another program's tables")),
            Some(0) => Ok(Shape::Fresh),
            Some(version) => Shape::of(version, VERSION),
        },
    })
}

/// From where rows are being moved into the database, and how far that is; `None` if they are not.
pub(super) async fn mark(connection: &mut PgConnection) -> Result<Option<(String, String)>, Fault> {
    if !sqlx::query(IS_MARKED).fetch_one(&mut *connection).await?.try_get("is_marked")? {
        return Ok(None);
    }
    let row = sqlx::query(MARK).fetch_one(connection).await?;
    Ok(Some((row.try_get("source")?, row.try_get("phase")?)))
}

async fn make(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(MAKE).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// Whoever comes first does it.
async fn step(connection: &mut PgConnection) -> Result<Schema, Fault> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(HOLD).execute(&mut *transaction).await?;
    let found = version(&mut transaction).await?;
    let done = found.and_then(|found| usize::try_from(found).ok()).unwrap_or(0);
    for sql in STEPS.iter().skip(done) {
        sqlx::raw_sql(*sql).execute(&mut *transaction).await?;
    }
    sqlx::query("UPDATE cc_schema SET version = GREATEST(version, $1)")
        .bind(VERSION)
        .execute(&mut *transaction)
        .await?;
    let version = version(&mut transaction).await?.unwrap_or(0);
    transaction.commit().await?;
    Ok(if version > VERSION { Schema::Newer(version) } else { Schema::Current })
}

/// The version of the schema; `None` where a table of that name is not ours.
async fn version(connection: &mut PgConnection) -> Result<Option<i64>, Fault> {
    let found = sqlx::query("SELECT version FROM cc_schema").fetch_optional(connection).await;
    match found {
        Ok(row) => Ok(row.and_then(|row| row.try_get(0).ok())),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42703") => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The name was taken between the look and the making: of the table, or of its type.
fn is_there_already(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("42P07" | "23505" | "42710"))
}
