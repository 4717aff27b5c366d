//! A PostgreSQL database as one end of a move: one connection, and nobody else who writes.

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Connection as _, Executor as _, PgConnection, Postgres, Row as _, SqlStr};

use crate::error::{Place, StoreError};
use crate::fault::Fault;
use crate::postgres::cells::Stamp;
use crate::postgres::migrate::{self, Schema};
use crate::postgres::{CONNECT_WAIT, options, sql, within};
use crate::rows::{Cells as _, Damage, Decoded};
use crate::transfer::sql::{self as moving, From, Read};
use crate::transfer::tables::{Column, ColumnKind, Table};
use crate::transfer::value::{Row, Value, key_of, shown};
use crate::transfer::{Shape, Unlike};

type Query = sqlx::query::Query<'static, Postgres, PgArguments>;

/// How the connection calls itself: not as servers do, which are looked for.
const NAME: &str = "aftercall migrate-store";

/// A server that has just been stopped is seen for a moment longer: looked for this often before we refuse.
const LOOKS_MAX: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Connects, where no server of ours is at work on the database. To read it is to keep it as it is, too: until the
/// connection ends, nobody writes.
pub(crate) async fn open(url: &str) -> Result<PgConnection, Fault> {
    let options = options(url).map_err(Fault::Told)?.application_name(NAME);
    let connected = async { Ok(PgConnection::connect_with(&options).await?) };
    let mut connection = within(CONNECT_WAIT, connected).await?;
    for statement in [sql::SETTLE, sql::STAY] {
        connection.execute(statement).await?;
    }
    Ok(connection)
}

/// Refuses a database that a server works on.
pub(crate) async fn alone(connection: &mut PgConnection, place: &Place) -> Result<(), Fault> {
    for _ in 0..LOOKS_MAX {
        let row = sqlx::query(sql::SERVERS).fetch_one(&mut *connection).await?;
        if row.whole("number")? == Some(0) {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(Fault::Told(StoreError::Unfit {
        place: place.clone(),
        why: "a server of aftercall works on it".to_owned(),
        remedy: "stop every server that has it in [database] url",
    }))
}

/// From here on the database stays as it is, and is read as it is.
pub(crate) async fn hold(connection: &mut PgConnection) -> Result<(), Fault> {
    connection.execute(sql::SNAPSHOT).await?;
    connection.execute(moving::hold_all()).await?;
    Ok(())
}

pub(crate) async fn look(connection: &mut PgConnection) -> Result<Result<Shape, Unlike>, Fault> {
    migrate::look(connection).await
}

pub(crate) async fn make_schema(connection: &mut PgConnection) -> Result<bool, Fault> {
    Ok(migrate::migrate(connection).await? == Schema::Current)
}

pub(crate) async fn page(
    connection: &mut PgConnection,
    table: &'static Table,
    tenant: &str,
    behind: Option<&[Value]>,
    most: i64,
) -> Result<Vec<Row>, Fault> {
    let from = if behind.is_some() { From::Behind } else { From::TheFirst };
    let query = bound(moving::page(table, from, Read::Cells), tenant, behind.unwrap_or_default());
    let found = query.bind(most).fetch_all(connection).await?;
    let mut all = Vec::with_capacity(found.len());
    for cells in &found {
        let before = all.last().map(|row: &Row| key_of(table, row));
        let row: Result<Row, _> = table.columns.iter().map(|column| value(cells, column)).collect();
        let near = || shown(table, before.as_deref().or(behind).unwrap_or_default());
        all.push(row.map_err(|damage| Fault::Row { damage, table: table.name, behind: near() })?);
    }
    Ok(all)
}

fn value(row: &PgRow, column: &'static Column) -> Decoded<Value> {
    let name = column.name;
    let value = match column.kind {
        ColumnKind::Text => row.text(name)?.map(|text| Value::Text(text.to_owned())),
        ColumnKind::Id => row.id(name)?.map(Value::Id),
        ColumnKind::Moment => row.instant(name)?.map(Value::Moment),
        ColumnKind::Small | ColumnKind::Whole => row.whole(name)?.map(Value::Whole),
        ColumnKind::Bytes => {
            let bytes: Option<Vec<u8>> = row.try_get(name).map_err(|_| Damage(name))?;
            bytes.map(Value::Bytes)
        }
    };
    Ok(value.unwrap_or(Value::Null))
}

pub(crate) async fn last(
    connection: &mut PgConnection,
    table: &'static Table,
    tenant: &str,
) -> Result<Option<Vec<Value>>, Fault> {
    let found = bound(moving::last(table), tenant, &[]).fetch_optional(connection).await?;
    let Some(row) = found else { return Ok(None) };
    let columns = table.key_places().filter_map(|place| table.columns.get(place));
    Ok(Some(columns.map(|column| value(&row, column)).collect::<Result<_, _>>()?))
}

pub(crate) async fn number(
    connection: &mut PgConnection,
    statement: SqlStr,
    tenant: &str,
) -> Result<u64, Fault> {
    let row = bound(statement, tenant, &[]).fetch_one(connection).await?;
    Ok(row.whole("number")?.unwrap_or_default().unsigned_abs())
}

pub(crate) async fn text(
    connection: &mut PgConnection,
    statement: SqlStr,
    tenant: &str,
) -> Result<Option<String>, Fault> {
    let row = bound(statement, tenant, &[]).fetch_one(connection).await?;
    Ok(row.try_get(0)?)
}

/// Puts rows behind those that are there, if the last of those is this one still. Who was killed in the middle of this
/// may be at it for a moment longer: it is waited for.
pub(crate) async fn put(
    connection: &mut PgConnection,
    table: &'static Table,
    tenant: &str,
    behind: Option<&[Value]>,
    rows: &[Row],
) -> Result<(), Fault> {
    let mut transaction = connection.begin_with(sql::BEGIN).await?;
    sqlx::query(sql::HOLD_MARK).fetch_one(&mut *transaction).await?;
    if last(&mut transaction, table, tenant).await?.as_deref() != behind {
        return Err(Fault::Raced);
    }
    let mut query = bound(moving::put_arrays(table), tenant, &[]);
    for (place, column) in table.columns.iter().enumerate() {
        query = with_column(query, column, rows, place)?;
    }
    query.execute(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}

/// Binds one value of every row.
fn with_column(query: Query, column: &Column, rows: &[Row], place: usize) -> Result<Query, Fault> {
    let damage = Fault::Damage(Damage(column.name));
    macro_rules! all {
        ($kind:ident($value:ident) => $bound:expr) => {
            rows.iter()
                .map(|row| match row.get(place) {
                    Some(Value::Null) => Some(None),
                    Some(Value::$kind($value)) => $bound.map(Some),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
                .ok_or(damage)?
        };
    }
    Ok(match column.kind {
        ColumnKind::Text => query.bind(all!(Text(text) => Some(text.clone()))),
        ColumnKind::Id => query.bind(all!(Id(id) => Some(*id))),
        ColumnKind::Moment => query.bind(all!(Moment(at) => Some(Stamp::from(*at)))),
        ColumnKind::Small => query.bind(all!(Whole(number) => i16::try_from(*number).ok())),
        ColumnKind::Whole => query.bind(all!(Whole(number) => Some(*number))),
        ColumnKind::Bytes => query.bind(all!(Bytes(bytes) => Some(bytes.clone()))),
    })
}

pub(crate) async fn mark(connection: &mut PgConnection) -> Result<Option<(String, String)>, Fault> {
    migrate::mark(connection).await
}

/// All of these statements, or none; each is bound this text where it wants one.
pub(crate) async fn run(
    connection: &mut PgConnection,
    statements: &[&'static str],
    text: &str,
) -> Result<(), Fault> {
    let mut transaction = connection.begin_with(sql::BEGIN).await?;
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
        Value::Id(id) => query.bind(*id),
        Value::Text(text) => query.bind(text.clone()),
        other => query.bind(other.to_string()),
    })
}
