//! What aftercall keeps: ratings, answers, the funnel of each call, tenants and keys.
//!
//! [`Store::write`] takes a batch and keeps all of it or nothing, durably; what it returns tells,
//! in order, what came of each write. Reads see what has been acknowledged. Nothing here reads a
//! clock: the time is in every write.

mod error;
mod ids;
mod ledger;
mod quality;
mod rating;
mod read;
mod results;
mod rows;
mod rules;
mod session;
mod sqlite;
mod stamp;
mod tenant;
mod words;
mod write;

use std::ops::Range;

use aftercall_core::stats::Tally;
use aftercall_core::{AgentId, CallId, QueueId, TenantId};
use jiff::Timestamp;

pub use error::{NextMove, StoreError};
pub use quality::{Measured, Quality};
pub use rating::{Flag, Found, NotACursor, Rating, RatingCursor, RatingFilter};
pub use read::{PAGE_MAX, QUEUES_MAX, RANGES_MAX, Subject, Window};
pub use results::{
    AgentFigures, By, CaughtUp, Cell, Counted, Figures, Funnel, Group, PERIODS_MAX, Question, Queues, Results,
};
pub use session::{About, Answer, Offer, Session};
pub use sqlite::Sqlite;
pub use tenant::{ApiKey, KeyHash, KeyUse, NewKey, NotAZone, Revoked, Role, Tenant, TenantPut, Zone};
pub use words::{
    CHANNEL_CHARS_MAX, COMMENT_CHARS_MAX, Channel, Comment, CommentFault, KeyId, NotAnId, RatedAt,
    RatedAtFault, RatingId, SESSION_CHARS_MAX, Said, SessionId,
};
pub use write::{
    Actor, Answered, BATCH_MAX, Change, Ended, Erasure, NewRating, Offered, Put, Replacement, Started, Write,
    Written,
};

/// A database. Clones share it.
#[derive(Debug, Clone)]
pub enum Store {
    /// One file.
    Sqlite(Sqlite),
}

impl Store {
    /// Opens the database that `url` names, `sqlite://data/aftercall.db`, and brings its schema up
    /// to date. What comes after `sqlite://` is a path, exactly; file and folders are made.
    ///
    /// # Errors
    /// Says what is in the way and what to do about it.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                Ok(Self::Sqlite(Sqlite::open(path).await?))
            }
            Some(("postgres" | "postgresql", _)) => Err(StoreError::Url(
                "this version keeps its data in SQLite only; use sqlite://data/aftercall.db".to_owned(),
            )),
            _ => Err(StoreError::Url(
                "is not the address of a database; use sqlite://data/aftercall.db".to_owned(),
            )),
        }
    }

    /// Keeps a batch: all of it, durably, or nothing. The answers are in the batch's order, and a
    /// write sees those before it in the same batch. What sessions tell and what is posted may be
    /// written again, in the same order: that changes nothing.
    ///
    /// # Errors
    /// Then nothing of the batch is kept. More than [`BATCH_MAX`] writes are refused.
    pub async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.write(batch).await,
        }
    }

    /// The rating of a call.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn rating(&self, tenant: &TenantId, call: &CallId) -> Result<Found, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.rating(tenant, call).await,
        }
    }

    /// A page of ratings, newest first: at most `limit`, itself at most [`PAGE_MAX`], behind `after`.
    ///
    /// # Errors
    /// When the database cannot be read, or the filter names too many queues.
    pub async fn ratings(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        after: Option<&RatingCursor>,
        limit: u16,
    ) -> Result<Vec<Rating>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ratings(tenant, filter, after, limit).await,
        }
    }

    /// How many ratings of each score there are.
    ///
    /// # Errors
    /// When the database cannot be read, or the subject names too many queues.
    pub async fn tally(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        window: &Window,
    ) -> Result<Tally, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tally(tenant, subject, window).await,
        }
    }

    /// The same for each of several ranges of time, in their order: a trend's days.
    ///
    /// # Errors
    /// When the database cannot be read, or there are more than [`RANGES_MAX`] ranges.
    pub async fn tallies(
        &self,
        tenant: &TenantId,
        subject: &Subject,
        ranges: &[Range<Timestamp>],
    ) -> Result<Vec<Tally>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tallies(tenant, subject, ranges).await,
        }
    }

    /// Each agent's ratings within a queue, by agent. Ratings without an agent are nobody's.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn queue_agents(
        &self,
        tenant: &TenantId,
        queue: &QueueId,
        window: &Window,
    ) -> Result<Vec<(AgentId, Tally)>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.queue_agents(tenant, queue, window).await,
        }
    }

    /// What queues' time comes to, and who was rated there, read in one snapshot. Exact at every moment: what has changed
    /// since it was counted last is counted from the ratings.
    ///
    /// # Errors
    /// When the database cannot be read, the question names more than [`PERIODS_MAX`] windows or [`QUEUES_MAX`] queues,
    /// or its windows cut through too many days.
    pub async fn results(&self, tenant: &TenantId, question: &Question) -> Result<Results, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.results(tenant, question).await,
        }
    }

    /// Counts ratings one by one, of those that pass a filter (its own window is not looked at), in each window, by group:
    /// for what no kept figure answers. It costs as much as there are ratings of the narrowest of agent, queues or time.
    ///
    /// # Errors
    /// When the database cannot be read, or the question names too many queues or windows.
    pub async fn tabulate(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        windows: &[Window],
        group: Group,
    ) -> Result<Vec<Cell>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tabulate(tenant, filter, windows, group).await,
        }
    }

    /// The same question answered twice in one snapshot: as [`Store::results`] does, and by counting every rating and
    /// offer. For whoever doubts; where the two differ, what is kept is wrong.
    ///
    /// # Errors
    /// As [`Store::results`].
    pub async fn verified(&self, tenant: &TenantId, question: &Question) -> Result<[Results; 2], StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.verified(tenant, question).await,
        }
    }

    /// When the first and the last of a tenant's ratings and offers were; `None` where there are none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn span(&self, tenant: &TenantId) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.span(tenant).await,
        }
    }

    /// Nothing of what is kept of a tenant's results is believed any more, until [`Store::catch_up`] has counted it anew.
    /// `false`: there is no such tenant.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn doubt_all(&self, tenant: &TenantId, at: Timestamp) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.doubt_all(tenant, at).await,
        }
    }

    /// Counts anew some of what changed; call it until nothing was to be done. Months that are over by then are put
    /// together. Others may write and read meanwhile, and several nodes may do this at once.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is lost then.
    pub async fn catch_up(&self, tenant: &TenantId, now: Timestamp) -> Result<CaughtUp, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.catch_up(tenant, now).await,
        }
    }

    /// How far a call came.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn offer(&self, tenant: &TenantId, call: &CallId) -> Result<Option<Offer>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.offer(tenant, call).await,
        }
    }

    /// How a call's media went, where any came.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn quality(&self, tenant: &TenantId, call: &CallId) -> Result<Option<Quality>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.quality(tenant, call).await,
        }
    }

    /// Offers whose session has not ended, oldest first, those behind `after`; at most [`PAGE_MAX`]. Suppressed
    /// ones have no session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_offers(
        &self,
        tenant: &TenantId,
        after: Option<&Offer>,
    ) -> Result<Vec<Offer>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.open_offers(tenant, after).await,
        }
    }

    /// What was answered in a call, in the order of the questions' names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn answers(&self, tenant: &TenantId, call: &CallId) -> Result<Vec<Answer>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.answers(tenant, call).await,
        }
    }

    /// Puts a tenant in place: creates it, or changes its zone and week to these. A fresh database
    /// has the tenant `default` in UTC.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<TenantPut, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.put_tenant(tenant, at).await,
        }
    }

    /// Creates a tenant; one of that name stays as it is, and `false` is returned.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn create_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.create_tenant(tenant, at).await,
        }
    }

    /// Every tenant, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tenants().await,
        }
    }

    /// The tenant of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.tenant(id).await,
        }
    }

    /// Creates an API key; `None` when there is no such tenant.
    ///
    /// # Errors
    /// When the database cannot be written, or the role names more than [`QUEUES_MAX`] queues.
    pub async fn create_key(&self, key: &NewKey) -> Result<Option<ApiKey>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.create_key(key).await,
        }
    }

    /// A tenant's keys, oldest first, revoked and expired ones too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.keys(tenant).await,
        }
    }

    /// The key with that hash, whichever tenant's: the key is how a request tells its tenant.
    /// It may be revoked or expired: ask [`ApiKey::works`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.key_by_hash(hash).await,
        }
    }

    /// Whether any tenant has ever had a key: until then the server answers without one on loopback.
    /// Revoked and expired keys count, so that no door opens by itself.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn any_key(&self) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.any_key().await,
        }
    }

    /// Revokes a key for good.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn revoke_key(
        &self,
        tenant: &TenantId,
        key: KeyId,
        at: Timestamp,
    ) -> Result<Revoked, StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.revoke_key(tenant, key, at).await,
        }
    }

    /// Notes when keys were used; of several uses of a key, and of an earlier note, the latest stays.
    ///
    /// # Errors
    /// When the database cannot be written. More than [`BATCH_MAX`] uses are refused.
    pub async fn keys_used(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.keys_used(uses).await,
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Says why it does not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ready().await,
        }
    }

    /// Waits for what is under way, then closes every connection. Afterwards everything is
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
        }
    }
}
