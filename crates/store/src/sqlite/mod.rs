//! The SQLite store: one file in WAL mode, one connection that writes and several that read.

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
#[cfg(test)]
mod tests;
pub(crate) mod transfer;
mod write;

use std::fmt;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, SqlitePool, SqliteTransaction};

use crate::error::{Place, StoreError};
use crate::event::Subscriptions;
use crate::fault::Fault;
use crate::ids::Ids;
use migrate::Schema;

/// Connections that read: each is a thread and up to 2 MB of cache. Reads are short, so a few
/// serve many requests.
const READERS: u32 = 4;

/// How long to wait for another program that is writing: far longer than any batch takes.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// How soon to try again to open a file that several programs are opening: a few times what it takes.
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What the writing connection keeps of the file in memory: 64 MiB (negative: in KiB). The pages
/// that a batch of unordered call ids touches must fit, or they are written twice.
const WRITER_CACHE: &str = "-65536";

/// What the log that runs ahead of the file may grow to between two checkpoints, in bytes.
const WAL_BYTES_KEPT: &str = "67108864";

/// One SQLite file. Clones share it.
#[derive(Clone)]
pub struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Something failed since the writing connection was last looked at.
    doubtful: Arc<AtomicBool>,
    place: Arc<Place>,
    ids: Arc<Ids>,
    /// Who is told of what is written.
    pub(crate) subscriptions: Arc<Subscriptions>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Sqlite {
    pub(crate) async fn open(path: &str) -> Result<Self, StoreError> {
        Self::open_waiting(path, LOCK_WAIT).await?.whole().await
    }

    /// Also where rows are being moved into the file.
    pub(crate) async fn open_half_moved(path: &str) -> Result<Self, StoreError> {
        Self::open_waiting(path, LOCK_WAIT).await
    }

    /// Refuses a file into which rows are being moved.
    async fn whole(self) -> Result<Self, StoreError> {
        let marked = async { Ok(migrate::mark(&mut *self.writer.acquire().await?).await?) };
        let Some((source_place, _)) = self.told(marked.await)? else { return Ok(self) };
        self.close().await;
        Err(StoreError::HalfMoved { place: (*self.place).clone(), source_place })
    }

    /// Runs one statement.
    pub(crate) async fn run(&self, statement: &'static str) -> Result<(), StoreError> {
        let run = async { Ok(sqlx::query(statement).execute(&self.writer).await?) };
        self.told(run.await).map(drop)
    }

    async fn open_waiting(path: &str, wait: Duration) -> Result<Self, StoreError> {
        make(path).map_err(|error| StoreError::Unusable {
            place: Place::File(path.to_owned()),
            why: error.to_string(),
        })?;
        // SQLite does not wait by itself where two programs turn a fresh file to WAL at the same time, or
        // one of them leaves as the other enters: one is told at once that the file is locked.
        let mut waited = std::pin::pin!(tokio::time::sleep(wait));
        loop {
            let outcome = Self::open_once(path, wait).await;
            if !matches!(outcome, Err(StoreError::Locked { .. })) || waited.is_elapsed() {
                return outcome;
            }
            tokio::select! {
                () = &mut waited => {}
                () = tokio::time::sleep(LOCK_PAUSE) => {}
            }
        }
    }

    async fn open_once(path: &str, wait: Duration) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // Only macOS needs it to reach the disk itself; elsewhere it changes nothing.
            .pragma("fullfsync", "1")
            .pragma("journal_size_limit", WAL_BYTES_KEPT)
            // What is erased is overwritten in the file, not only unlinked.
            .pragma("secure_delete", "1")
            .pragma("temp_store", "memory")
            .busy_timeout(wait)
            .foreign_keys(false);
        let pool =
            || SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None).test_before_acquire(false);
        let place = Place::File(path.to_owned());
        let told = |fault: Fault| fault.told(&place);
        let writer = pool()
            .max_connections(1)
            .connect_with(options.clone().pragma("cache_size", WRITER_CACHE))
            .await
            .map_err(Fault::from);
        let writer = writer.map_err(told)?;
        let mut connection = writer.acquire().await.map_err(Fault::from).map_err(told)?;
        match migrate::migrate(&mut connection).await.map_err(Fault::from).map_err(told)? {
            Schema::Current => {}
            Schema::Newer(found) => {
                return Err(StoreError::Newer { place, found, known: migrate::VERSION });
            }
            Schema::Foreign => {
                let why = "it belongs to another program";
                return Err(StoreError::NotOurs { place, why });
            }
        }
        drop(connection);
        let readers = pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "1"));
        Ok(Self {
            writer,
            readers,
            doubtful: Arc::default(),
            place: Arc::new(place),
            ids: Arc::new(Ids::new()),
            subscriptions: Arc::default(),
        })
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction in which nobody else writes.
    async fn begin(&self) -> Result<SqliteTransaction<'static>, Fault> {
        // Of a full disk or a failing one SQLite ends the transaction by itself (sqlite.org/lang_transaction.html,
        // section 3), and the driver goes on counting one that is not there: begin anew.
        if self.doubtful.swap(false, Relaxed) {
            let mut connection = self.writer.acquire().await?;
            // Whatever was still to be rolled back has been, once this is answered.
            connection.ping().await?;
            if connection.is_in_transaction() {
                connection.close().await?;
            }
        }
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Tells an inner fault to the outside, with the file it is about.
    fn told<T>(&self, outcome: Result<T, Fault>) -> Result<T, StoreError> {
        if outcome.is_err() {
            self.doubtful.store(true, Relaxed);
        }
        outcome.map_err(|fault| fault.told(&self.place))
    }
}

/// Where a path leads; what SQLite would take for something else than the path of a file is refused.
pub(crate) fn place_of(path: &str) -> Result<Place, StoreError> {
    let why = match path {
        "" => "names no file after sqlite://",
        ":memory:" => "a database in memory keeps nothing",
        _ if path.contains('?') => "has options after ?, and there are none",
        _ if path.contains('\0') => "contains U+0000",
        _ => return Ok(Place::File(path.to_owned())),
    };
    Err(StoreError::Url(format!("{why}; use sqlite://data/aftercall.db")))
}

/// Makes the folder, and an empty file that only its owner may read: comments are personal. A file that
/// is there is left alone: to close it here would drop the locks that SQLite holds on it elsewhere in
/// this process (sqlite.org/howtocorrupt.html, section 2.2).
fn make(path: &str) -> std::io::Result<()> {
    if let Some(folder) = Path::new(path).parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}
