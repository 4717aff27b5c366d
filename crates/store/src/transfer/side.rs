//! One end of a move: a connection that reads and writes rows as they are, and that nobody else disturbs.

use std::path::Path;

use aftercall_core::TenantId;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use crate::Window;
use crate::error::{Place, StoreError};
use crate::fault::Fault;
use crate::results::answer::{Trust, answered};
use crate::results::{By, Question, Queues, Results};
use crate::transfer::tables::{TABLES, Table};
use crate::transfer::value::{Row, Value, key_of, shown};
use crate::transfer::{Access, Shape, Unlike, sql};
use crate::{postgres, sqlite};

/// One end of a move.
pub(crate) struct Side {
    pub(crate) place: Place,
    end: End,
}

enum End {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Asks whichever database it is, and tells what goes wrong with its name.
macro_rules! each {
    ($side:ident.$ask:ident($($argument:expr),*)) => {
        match &mut $side.end {
            End::Sqlite(connection) => sqlite::transfer::$ask(connection, $($argument),*).await,
            End::Postgres(connection) => postgres::transfer::$ask(connection, $($argument),*).await,
        }
        .map_err(|fault| fault.told(&$side.place))
    };
}

impl Side {
    /// What is read from: a database of ours, of the present schema, whole, where no server is at work. It stays as it
    /// is for as long as this lives.
    pub(super) async fn source(url: &str) -> Result<Self, StoreError> {
        let unfit =
            |place: &Place, why: String, remedy| StoreError::Unfit { place: place.clone(), why, remedy };
        let nothing = |place: &Place| {
            unfit(
                place,
                "there is no database of aftercall there".to_owned(),
                "name the one to move in --from",
            )
        };
        let place = Place::of(url)?;
        if !is_there(&place) {
            return Err(nothing(&place));
        }
        let mut side = Self::open(url, Access::Read).await?;
        match side.found().await? {
            Shape::Current => {}
            Shape::Fresh => return Err(nothing(&place)),
            Shape::Older(version) => {
                let why = format!("it has schema version {version}, an earlier one");
                return Err(unfit(
                    &place,
                    why,
                    "run `aftercall results verify` of this version on it, which brings it up to date",
                ));
            }
        }
        if let Some((source_place, _)) = side.mark().await? {
            return Err(StoreError::HalfMoved { place, source_place });
        }
        if let End::Postgres(connection) = &mut side.end {
            postgres::transfer::hold(connection).await.map_err(|fault| fault.told(&side.place))?;
        }
        Ok(side)
    }

    /// Any end, where no server is at work.
    pub(super) async fn open(url: &str, access: Access) -> Result<Self, StoreError> {
        let place = Place::of(url)?;
        let opened = async {
            Ok(match &place {
                Place::File(path) => End::Sqlite(sqlite::transfer::open(path, access).await?),
                Place::Server(_) => {
                    let mut connection = postgres::transfer::open(url).await?;
                    postgres::transfer::alone(&mut connection, &place).await?;
                    End::Postgres(connection)
                }
            })
        };
        let end = opened.await.map_err(|fault: Fault| fault.told(&place))?;
        Ok(Self { place, end })
    }

    pub(super) async fn close(self) -> Result<(), StoreError> {
        let closed = match self.end {
            End::Sqlite(connection) => connection.close().await,
            End::Postgres(connection) => connection.close().await,
        };
        closed.map_err(|error| Fault::from(error).told(&self.place))
    }

    /// What kind of database it is.
    pub(super) async fn found(&mut self) -> Result<Shape, StoreError> {
        let place = || self.place.clone();
        match each!(self.look())? {
            Ok(shape) => Ok(shape),
            Err(Unlike::Newer { found, known }) => Err(StoreError::Newer { place: place(), found, known }),
            Err(Unlike::Foreign(why)) => Err(StoreError::NotOurs { place: place(), why }),
        }
    }

    /// Makes the tables, where there are none.
    pub(super) async fn make_schema(&mut self) -> Result<(), StoreError> {
        let made = each!(self.make_schema())?;
        let why = "it changed while it was looked at";
        if made { Ok(()) } else { Err(StoreError::NotOurs { place: self.place.clone(), why }) }
    }

    /// At most so many of a tenant's rows, by the key, behind this one.
    pub(super) async fn page(
        &mut self,
        table: &'static Table,
        tenant: &str,
        behind: Option<&[Value]>,
        most: usize,
    ) -> Result<Vec<Row>, StoreError> {
        // A tenant's own row is the only one.
        if table.key.is_empty() && behind.is_some() {
            return Ok(Vec::new());
        }
        each!(self.page(table, tenant, behind, i64::try_from(most).unwrap_or(i64::MAX)))
    }

    /// The key of the last of a tenant's rows.
    pub(super) async fn last(
        &mut self,
        table: &'static Table,
        tenant: &str,
    ) -> Result<Option<Vec<Value>>, StoreError> {
        each!(self.last(table, tenant))
    }

    /// Puts rows behind the last one, which must be this still: all of them durably, or none.
    pub(super) async fn put(
        &mut self,
        table: &'static Table,
        tenant: &str,
        behind: Option<&[Value]>,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        self.keeps(table, tenant, rows)?;
        each!(self.put(table, tenant, behind, rows))
    }

    /// PostgreSQL keeps every text but those with U+0000 in them.
    fn keeps(&self, table: &'static Table, tenant: &str, rows: &[Row]) -> Result<(), StoreError> {
        let is_odd = |value: &Value| matches!(value, Value::Text(text) if text.contains('\0'));
        if matches!(self.end, End::Sqlite(_)) {
            return Ok(());
        }
        let Some(odd) = rows.iter().find(|row| row.iter().any(is_odd)) else { return Ok(()) };
        let key = shown(table, &key_of(table, odd));
        Err(StoreError::Unfit {
            place: self.place.clone(),
            why: format!("PostgreSQL keeps no U+0000: table {}, tenant \"{tenant}\", {key}", table.name),
            remedy: "take it out of the row where it comes from",
        })
    }

    /// How many rows a tenant has.
    pub(super) async fn count(&mut self, table: &'static Table, tenant: &str) -> Result<u64, StoreError> {
        each!(self.number(sql::count(table), tenant))
    }

    /// Every tenant that has a row in any table, by name.
    pub(super) async fn tenants(&mut self) -> Result<Vec<String>, StoreError> {
        let mut all: Vec<String> = Vec::new();
        loop {
            let before = all.last().map_or("", String::as_str);
            match each!(self.text(sql::next_tenant(), before))? {
                Some(next) => all.push(next),
                None => return Ok(all),
            }
        }
    }

    /// How many rows of each table there are, those without any left out.
    pub(super) async fn rows(&mut self) -> Result<Vec<(&'static Table, String, u64)>, StoreError> {
        let mut all = Vec::new();
        let tenants = self.tenants().await?;
        for table in TABLES {
            for tenant in &tenants {
                let rows = self.count(table, tenant).await?;
                if rows > 0 {
                    all.push((table, tenant.clone(), rows));
                }
            }
        }
        Ok(all)
    }

    /// From where rows are being moved into it, and how far that is.
    pub(super) async fn mark(&mut self) -> Result<Option<(String, String)>, StoreError> {
        each!(self.mark())
    }

    /// Runs statements, all or none.
    pub(super) async fn run(&mut self, statements: &[&'static str], text: &str) -> Result<(), StoreError> {
        each!(self.run(statements, text))
    }

    /// What all of a tenant's time comes to, by queue and agent.
    pub(super) async fn figures(&mut self, tenant: &TenantId, trust: Trust) -> Result<Results, StoreError> {
        let whole = Window::default();
        let question =
            Question { queues: Queues::All, windows: vec![whole], by: By::Queue, agents: Some(whole) };
        let figures = match &mut self.end {
            End::Sqlite(connection) => answered(connection, tenant, &question, trust).await,
            End::Postgres(connection) => answered(connection, tenant, &question, trust).await,
        };
        figures.map_err(|fault| fault.told(&self.place))
    }
}

/// Whether there may be a database: what opens a file would make it, otherwise.
pub(super) fn is_there(place: &Place) -> bool {
    match place {
        Place::File(path) => !matches!(Path::new(path).try_exists(), Ok(false)),
        Place::Server(_) => true,
    }
}
