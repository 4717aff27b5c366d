//! A SQLite file as one end of a move: a connection that has the file to itself.

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqliteSynchronous,
};
use sqlx::{Connection as _, Row as _, SqlStr, Sqlite, SqliteConnection};

use crate::fault::Fault;
use crate::rows::{self, Cells as _};
use crate::sqlite::migrate::{self, Schema};
use crate::sqlite::{LOCK_WAIT, WRITER_CACHE, make};
use crate::transfer::sql::{self, From, Read};
use crate::transfer::tables::{Column, Table};
use crate::transfer::value::{Row, Value, key_of, shown};
use crate::transfer::{Access, Shape, Unlike};

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// Opens a file that is there, or may be made. In this mode of locking SQLite opens it only where no other connection
/// has it open, and lets none in for as long (sqlite.org/pragma.html#pragma_locking_mode).
pub(crate) async fn open(path: &str, access: Access) -> Result<SqliteConnection, Fault> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .locking_mode(SqliteLockingMode::Exclusive)
        .busy_timeout(LOCK_WAIT)
        .foreign_keys(false)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("temp_store", "memory");
    let options = match access {
        Access::Read => options.pragma("query_only", "1"),
        Access::Write => {
            make(path).map_err(sqlx::Error::Io)?;
            options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
        }
    };
    Ok(SqliteConnection::connect_with(&options).await?)
}

pub(crate) async fn look(connection: &mut SqliteConnection) -> Result<Result<Shape, Unlike>, Fault> {
    Ok(match migrate::version(connection).await? {
        None => Err(Unlike::Foreign("it belongs to another program")),
        Some(0) => Ok(Shape::Fresh),
        Some(version) => Shape::of(version, migrate::VERSION),
    })
}

pub(crate) async fn make_schema(connection: &mut SqliteConnection) -> Result<bool, Fault> {
    Ok(migrate::migrate(connection).await? == Schema::Current)
}

pub(crate) async fn page(
    connection: &mut SqliteConnection,
    table: &'static Table,
    tenant: &str,
    behind: Option<&[Value]>,
    most: i64,
) -> Result<Vec<Row>, Fault> {
    let from = if behind.is_some() { From::Behind } else { From::TheFirst };
    let query = bound(sql::page(table, from, Read::Json), tenant, behind.unwrap_or_default());
    let row = query.bind(most).fetch_one(connection).await?;
    let found: Vec<Vec<serde_json::Value>> = rows::list(&row, "list")?;
    let read = |json: serde_json::Value, column: &'static Column| Value::of_json(json, column);
    let mut all = Vec::with_capacity(found.len());
    for cells in found {
        let before = all.last().map(|row: &Row| key_of(table, row));
        let row = cells.into_iter().zip(table.columns).map(|(json, column)| read(json, column));
        let row: Result<Row, _> = row.collect();
        let near = || shown(table, before.as_deref().or(behind).unwrap_or_default());
        all.push(row.map_err(|damage| Fault::Row { damage, table: table.name, behind: near() })?);
    }
    Ok(all)
}

pub(crate) async fn last(
    connection: &mut SqliteConnection,
    table: &'static Table,
    tenant: &str,
) -> Result<Option<Vec<Value>>, Fault> {
    let found = bound(sql::last(table), tenant, &[]).fetch_optional(connection).await?;
    let Some(row) = found else { return Ok(None) };
    let value = |place: usize| {
        let column = table.columns.get(place).ok_or(rows::Damage(table.name))?;
        let text = row.text(column.name)?.unwrap_or_default();
        Value::of_json(text.into(), column)
    };
    Ok(Some(table.key_places().map(value).collect::<Result<_, _>>()?))
}

pub(crate) async fn number(
    connection: &mut SqliteConnection,
    statement: SqlStr,
    tenant: &str,
) -> Result<u64, Fault> {
    let row = bound(statement, tenant, &[]).fetch_one(connection).await?;
    Ok(row.whole("number")?.unwrap_or_default().unsigned_abs())
}

pub(crate) async fn text(
    connection: &mut SqliteConnection,
    statement: SqlStr,
    tenant: &str,
) -> Result<Option<String>, Fault> {
    let row = bound(statement, tenant, &[]).fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

/// Puts rows behind those that are there, if the last of those is this one still.
pub(crate) async fn put(
    connection: &mut SqliteConnection,
    table: &'static Table,
    tenant: &str,
    behind: Option<&[Value]>,
    rows: &[Row],
) -> Result<(), Fault> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    if last(&mut transaction, table, tenant).await?.as_deref() != behind {
        return Err(Fault::Raced);
    }
    let put = bound(sql::put_json(table), tenant, &[]).bind(serde_json::to_string(rows)?);
    put.execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

pub(crate) async fn mark(connection: &mut SqliteConnection) -> Result<Option<(String, String)>, Fault> {
    Ok(migrate::mark(connection).await?)
}

/// All of these statements, or none; each is bound this text where it wants one.
pub(crate) async fn run(
    connection: &mut SqliteConnection,
    statements: &[&'static str],
    text: &str,
) -> Result<(), Fault> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for &statement in statements {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") { query.bind(text.to_owned()) } else { query };
        query.execute(&mut *transaction).await?;
    }
    Ok(transaction.commit().await?)
}

fn bound(statement: SqlStr, tenant: &str, key: &[Value]) -> Query {
    let query = sqlx::query(statement).bind(tenant.to_owned());
    key.iter().fold(query, |query, part| match part {
        Value::Text(text) => query.bind(text.clone()),
        other => query.bind(other.to_string()),
    })
}
