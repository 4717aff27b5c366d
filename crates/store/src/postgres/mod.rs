//! The PostgreSQL store: one database for any number of nodes. Exact at READ COMMITTED, as [`write`] says.

mod cells;
mod directory;
mod encode;
pub(crate) mod fault;
mod migrate;
mod outbox;
mod read;
mod recount;
mod results;
mod run;
pub(crate) mod sql;
mod tabulate;
pub(crate) mod transfer;
mod tries;
mod write;

use std::fmt;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::{Connection as _, Executor as _, PgConnection, PgPool, PgTransaction};

use crate::error::{Place, StoreError};
use crate::event::Subscriptions;
use crate::fault::Fault;
use crate::ids::Ids;
use crate::rows::Decoded;
use migrate::Schema;
use tries::Tries;

/// Connections that write: the writer's, and one for keys and tenants.
const WRITERS: u32 = 2;

/// Connections that read. With the writers ten a node, of the hundred that a server takes unless told otherwise.
const READERS: u32 = 8;

/// How long to wait for a connection: far longer than it takes.
const CONNECT_WAIT: Duration = Duration::from_secs(5);

/// How long one try of a read or a batch may take, before the server counts as gone: far longer than any takes.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// What may follow the `?` of an address. Certificates are files.
const OPTIONS: [&str; 8] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "port", "application_name", "options"];

/// How an address is to look.
const SHAPE: &str = "use postgres://user:password@host:5432/name";

/// A statement with its values.
type Query = sqlx::query::Query<'static, sqlx::Postgres, PgArguments>;

/// One database of a PostgreSQL server. Clones share it.
#[derive(Clone)]
pub struct Postgres {
    writers: PgPool,
    readers: PgPool,
    place: Arc<Place>,
    ids: Arc<Ids>,
    /// Who is told of what is written.
    pub(crate) subscriptions: Arc<Subscriptions>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Postgres {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        match Self::open_marked(url).await? {
            (store, None) => Ok(store),
            (store, Some(source_place)) => {
                Err(StoreError::HalfMoved { place: (*store.place).clone(), source_place })
            }
        }
    }

    /// Also where rows are being moved into the database.
    pub(crate) async fn open_half_moved(url: &str) -> Result<Self, StoreError> {
        Ok(Self::open_marked(url).await?.0)
    }

    /// Runs one statement.
    pub(crate) async fn run(&self, statement: &'static str) -> Result<(), StoreError> {
        self.tried(|| async { Ok(sqlx::query(statement).execute(&self.writers).await?) }).await.map(drop)
    }

    /// The store, and from where rows are being moved into it, if they are.
    async fn open_marked(url: &str) -> Result<(Self, Option<String>), StoreError> {
        let options = options(url)?;
        let place = place(&options);
        let mut tries = Tries::default();
        let (schema, source) = loop {
            match within(CONNECT_WAIT, migrated(&options)).await {
                Ok(found) => break found,
                Err(fault) => tries.again(fault).await.map_err(|fault| fault.told(&place))?,
            }
        };
        match schema {
            Schema::Current => {}
            Schema::Newer(found) => return Err(StoreError::Newer { place, found, known: migrate::VERSION }),
            Schema::Foreign => {
                return Err(StoreError::NotOurs { place, why: "it holds another program's tables" });
            }
            Schema::Encoded => {
                return Err(StoreError::NotOurs { place, why: "its encoding is not UTF8" });
            }
        }
        let pool = |connections| {
            let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_WAIT);
            // Whoever gets a connection that is gone tries again with another.
            let pool = pool.test_before_acquire(false).after_connect(|connection, _| {
                Box::pin(async move { connection.execute(sql::SETTLE).await.map(drop) })
            });
            pool.connect_lazy_with(options.clone())
        };
        let (writers, readers) = (pool(WRITERS), pool(READERS));
        let (place, ids) = (Arc::new(place), Arc::new(Ids::new()));
        Ok((Self { writers, readers, place, ids, subscriptions: Arc::default() }, source))
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }

    async fn begin(&self) -> Result<PgTransaction<'static>, Fault> {
        Ok(self.writers.begin_with(sql::BEGIN).await?)
    }

    /// Does what may be done twice, again where that may help.
    async fn tried<T, F>(&self, work: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut tries = Tries::default();
        loop {
            match within(ANSWER_WAIT, work()).await {
                Ok(done) => return Ok(done),
                Err(fault) => tries.again(fault).await.map_err(|fault| fault.told(&self.place))?,
            }
        }
    }

    /// Every row that a statement finds.
    async fn all<T>(
        &self,
        query: impl Fn() -> Query,
        read: fn(&PgRow) -> Decoded<T>,
    ) -> Result<Vec<T>, StoreError> {
        let found = || async {
            let rows = query().fetch_all(&self.readers).await?;
            Ok(rows.iter().map(read).collect::<Result<Vec<_>, _>>()?)
        };
        self.tried(found).await
    }

    /// The row that a statement finds, if any.
    async fn one<T>(
        &self,
        query: impl Fn() -> Query,
        read: fn(&PgRow) -> Decoded<T>,
    ) -> Result<Option<T>, StoreError> {
        let found = || async {
            let row = query().fetch_optional(&self.readers).await?;
            Ok(row.as_ref().map(read).transpose()?)
        };
        self.tried(found).await
    }
}

/// What does not come in time counts as gone.
async fn within<T>(wait: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let late = |_| Fault::Sql(sqlx::Error::PoolTimedOut);
    tokio::time::timeout(wait, work).await.map_err(late)?
}

async fn migrated(options: &PgConnectOptions) -> Result<(Schema, Option<String>), Fault> {
    let mut connection = PgConnection::connect_with(options).await?;
    let schema = migrate::migrate(&mut connection).await?;
    let mark = if schema == Schema::Current { migrate::mark(&mut connection).await? } else { None };
    connection.close().await?;
    Ok((schema, mark.map(|(source, _)| source)))
}

/// Where an address leads, without connecting.
pub(crate) fn place_of(url: &str) -> Result<Place, StoreError> {
    Ok(place(&options(url)?))
}

/// Nothing of the address is repeated but the name of an option: it holds a password.
fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let fault = |why: &str| StoreError::Url(format!("{why}; {SHAPE}"));
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let keys = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|key| !key.is_empty());
    for key in keys {
        if !OPTIONS.contains(&key) {
            let known = OPTIONS.join(", ");
            return Err(StoreError::Url(format!("has the option `{key}`, which is none of {known}")));
        }
    }
    let options =
        PgConnectOptions::from_str(url).map_err(|_| fault("is not the address of a PostgreSQL database"))?;
    if options.get_database().is_none_or(str::is_empty) {
        return Err(fault("names no database"));
    }
    let named = options.get_application_name().is_some();
    Ok(if named { options } else { options.application_name("aftercall") })
}

fn place(options: &PgConnectOptions) -> Place {
    let (user, name) = (options.get_username(), options.get_database().unwrap_or_default());
    Place::Server(match options.get_socket() {
        Some(socket) => format!("postgres://{user}@/{name} in {}", socket.display()),
        None => format!("postgres://{user}@{}:{}/{name}", options.get_host(), options.get_port()),
    })
}
