//! Moving everything from one database into another: from a file to a server, back, or between two of a kind.
//!
//! Rows go over as they are, in the order of their keys, a batch a transaction; so what has arrived says how far it
//! is, and whoever was killed goes on behind the last row. What is counted of them is counted anew. Then both
//! databases are read from the first row to the last and compared. Until that is done the new one bears a mark, and no
//! server opens it.

mod side;
pub(crate) mod sql;
pub(crate) mod tables;
pub(crate) mod value;
mod verify;

use std::path::Path;

use aftercall_core::TenantId;
use jiff::Timestamp;

use crate::Store;
use crate::error::{Place, StoreError};
use crate::{Postgres, Sqlite};
use side::{Side, is_there};
pub use tables::{Column, ColumnKind, Fate, TABLES, Table};
use value::{key_of, rises, shown};

/// Rows that are read and written at once: 2,000 of 300 bytes are 600 KB, and of the longest comments 32 MB.
const ROWS_AT_ONCE: usize = 2_000;

/// Into what this table counts when it is about whether a database is empty.
const TENANTS: &str = "cc_tenants";

/// For what a connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// What a database is, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// There is nothing in it.
    Fresh,
    /// Ours, of the present schema.
    Current,
    /// Ours, of this earlier one.
    Older(i64),
}

/// Why a database is none that can be moved from, or into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unlike {
    Newer {
        found: i64,
        known: i64,
    },
    /// None of ours, and why.
    Foreign(&'static str),
}

impl Shape {
    pub(crate) fn of(found: i64, known: i64) -> Result<Self, Unlike> {
        match found.cmp(&known) {
            std::cmp::Ordering::Less => Ok(Self::Older(found)),
            std::cmp::Ordering::Equal => Ok(Self::Current),
            std::cmp::Ordering::Greater => Err(Unlike::Newer { found, known }),
        }
    }
}

/// The rows of a tenant in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock {
    /// The table.
    pub table: &'static str,
    /// The tenant, as the rows name it.
    pub tenant: String,
    /// How many there are where they come from.
    pub rows: u64,
    /// How many of them have been moved already.
    pub moved: u64,
}

/// What is to be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// From where, without a password.
    pub from: Place,
    /// To where.
    pub to: Place,
    /// Whether some of it was moved before.
    pub goes_on: bool,
    /// Table by table.
    pub stock: Vec<Stock>,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// This many more rows have arrived, durably.
    Moved(usize),
    /// Every row has arrived; this many days and months have been counted anew.
    Counted(usize),
    /// This many rows have been compared.
    Compared(usize),
}

/// Rows that are the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The table.
    pub table: &'static str,
    /// The tenant, as the rows name it.
    pub tenant: String,
    /// How many there are.
    pub rows: u64,
    /// SHA-256 of them in the order of their keys, as read back, in hexadecimal.
    pub checksum: String,
}

/// Whoever wants to know how far it is.
pub type Told<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Says what would be moved, and whether it could be. Nothing is made or changed.
///
/// # Errors
/// As [`transfer`].
pub async fn plan(from: &str, to: &str) -> Result<Plan, StoreError> {
    let identity = identity(from, to)?;
    let mut source = Side::source(from).await?;
    let place = Place::of(to)?;
    let mut goes_on = false;
    let mut destination = None;
    if is_there(&place) {
        let mut side = Side::open(to, Access::Read).await?;
        match side.found().await? {
            Shape::Fresh => {}
            Shape::Current => {
                goes_on = is_going_on(&mut side, &identity).await?;
                destination = Some(side);
            }
            Shape::Older(version) => return Err(in_use(place, version)),
        }
    }
    let stock = stock(&mut source, destination.as_mut()).await?;
    let plan = Plan { from: source.place.clone(), to: Place::of(to)?, goes_on, stock };
    source.close().await?;
    Ok(plan)
}

/// Moves everything. Called again after it was stopped at any moment, it goes on, and ends in the same.
///
/// # Errors
/// Where the source is none, is being served or is older than this program; where the destination is not empty,
/// unless this very move is going on there; and where a database fails. [`StoreError::Differs`]: what arrived is not
/// what is there. Nothing of the source is changed, whatever happens.
pub async fn transfer(
    from: &str,
    to: &str,
    now: &(dyn Fn() -> Timestamp + Sync),
    told: Told<'_>,
) -> Result<Vec<Verified>, StoreError> {
    let identity = identity(from, to)?;
    let mut source = Side::source(from).await?;
    let mut destination = claimed(to, &identity).await?;
    let tenants = source.tenants().await?;
    for table in Table::moved() {
        for tenant in &tenants {
            copy(&mut source, &mut destination, table, tenant, told).await?;
        }
    }
    let phase = destination.mark().await?.map(|(_, phase)| phase);
    destination.close().await?;
    count(to, phase.as_deref() == Some("figures"), now, told).await?;
    let mut destination = Side::open(to, Access::Write).await?;
    let verified = verify::verified(&mut source, &mut destination, told).await?;
    destination.run(&[sql::DROP_MARK], "").await?;
    destination.close().await?;
    source.close().await?;
    Ok(verified)
}

/// The name of the source in the mark, the same wherever the program is started.
fn identity(from: &str, to: &str) -> Result<String, StoreError> {
    let [source, destination] = [absolute(Place::of(from)?), absolute(Place::of(to)?)];
    if source == destination {
        return Err(StoreError::Unfit {
            place: Place::of(to)?,
            why: "it is what is to be moved".to_owned(),
            remedy: "name another database in --to",
        });
    }
    Ok(source.to_string())
}

fn absolute(place: Place) -> Place {
    match place {
        Place::File(path) => {
            let whole = Path::new(&path).canonicalize();
            Place::File(whole.ok().and_then(|whole| whole.to_str().map(str::to_owned)).unwrap_or(path))
        }
        server @ Place::Server(_) => server,
    }
}

/// The destination, marked: empty, or with what was moved into it before.
async fn claimed(to: &str, identity: &str) -> Result<Side, StoreError> {
    let mut side = Side::open(to, Access::Write).await?;
    match side.found().await? {
        Shape::Fresh => side.make_schema().await?,
        Shape::Current => {}
        Shape::Older(version) => return Err(in_use(side.place, version)),
    }
    if !is_going_on(&mut side, identity).await? {
        side.run(&[sql::MAKE_MARK, sql::INSERT_MARK, sql::DELETE_FIRST_TENANT], identity).await?;
    }
    Ok(side)
}

fn in_use(place: Place, version: i64) -> StoreError {
    let why = format!("it is a database of aftercall already, with schema version {version}");
    StoreError::Unfit { place, why, remedy: EMPTY }
}

const EMPTY: &str = "name an empty database, or a new one, in --to";

/// Whether rows of this source are being moved into a database already. One with other rows in it is refused.
async fn is_going_on(side: &mut Side, identity: &str) -> Result<bool, StoreError> {
    let unfit = |side: &Side, why| Err(StoreError::Unfit { place: side.place.clone(), why, remedy: EMPTY });
    match side.mark().await? {
        Some((source, _)) if source == identity => return Ok(true),
        Some((source, _)) => return unfit(side, format!("{source} is being moved into it")),
        None => {}
    }
    // A fresh database has one tenant, which is nobody's yet.
    let is_fresh =
        |table: &Table, tenant: &str| table.name == TENANTS && tenant == TenantId::default().as_str();
    let rows = side.rows().await?;
    let others = rows.iter().filter(|(table, tenant, _)| !is_fresh(table, tenant));
    let shown: Vec<String> = others
        .map(|(table, tenant, rows)| format!("{rows} rows of tenant \"{tenant}\" in {}", table.name))
        .collect();
    if shown.is_empty() { Ok(false) } else { unfit(side, format!("it is not empty: {}", shown.join(", "))) }
}

async fn stock(source: &mut Side, mut destination: Option<&mut Side>) -> Result<Vec<Stock>, StoreError> {
    let mut all = Vec::new();
    for (table, tenant, rows) in source.rows().await? {
        if table.fate == Fate::Moved {
            let moved = match &mut destination {
                Some(side) => side.count(table, &tenant).await?,
                None => 0,
            };
            all.push(Stock { table: table.name, tenant, rows, moved });
        }
    }
    Ok(all)
}

/// Moves a tenant's rows of a table, those behind the last that has arrived.
async fn copy(
    source: &mut Side,
    destination: &mut Side,
    table: &'static Table,
    tenant: &str,
    told: Told<'_>,
) -> Result<(), StoreError> {
    let mut arrived = destination.last(table, tenant).await?;
    let mut rows = source.page(table, tenant, arrived.as_deref(), ROWS_AT_ONCE).await?;
    while let Some(last) = rows.last() {
        let last = key_of(table, last);
        in_order(source, table, tenant, arrived.as_deref(), &rows)?;
        // The next are read while these are written.
        let (next, put) = tokio::join!(
            source.page(table, tenant, Some(&last), ROWS_AT_ONCE),
            destination.put(table, tenant, arrived.as_deref(), &rows)
        );
        put?;
        told(Progress::Moved(rows.len()));
        (rows, arrived) = (next?, Some(last));
    }
    Ok(())
}

/// What is read in the order of its keys is read once and wholly; anything else is damage.
fn in_order(
    source: &Side,
    table: &Table,
    tenant: &str,
    before: Option<&[value::Value]>,
    rows: &[value::Row],
) -> Result<(), StoreError> {
    let mut before = before.map(<[_]>::to_vec);
    for row in rows {
        let key = key_of(table, row);
        if let Some(before) = before.as_deref()
            && !rises(before, &key)
        {
            let what =
                format!("table {}, tenant \"{tenant}\": {} is out of order", table.name, shown(table, &key));
            return Err(StoreError::Damaged { place: source.place.clone(), what });
        }
        before = Some(key);
    }
    Ok(())
}

/// Counts anew what is counted of the rows.
async fn count(
    to: &str,
    is_marked: bool,
    now: &(dyn Fn() -> Timestamp + Sync),
    told: Told<'_>,
) -> Result<(), StoreError> {
    let store = match Place::of(to)? {
        Place::File(path) => Store::Sqlite(Sqlite::open_half_moved(&path).await?),
        Place::Server(_) => Store::Postgres(Postgres::open_half_moved(to).await?),
    };
    let tenants = store.tenants().await?;
    if !is_marked {
        for tenant in &tenants {
            store.doubt_all(&tenant.id, now()).await?;
        }
        match &store {
            Store::Sqlite(sqlite) => sqlite.run(sql::COUNTED).await?,
            Store::Postgres(postgres) => postgres.run(sql::COUNTED).await?,
        }
    }
    for tenant in &tenants {
        loop {
            let done = store.catch_up(&tenant.id, now()).await?;
            if done.is_idle() {
                break;
            }
            told(Progress::Counted(done.days + done.months));
        }
    }
    store.close().await;
    Ok(())
}
