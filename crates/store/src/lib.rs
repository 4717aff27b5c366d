//! What aftercall keeps: ratings, answers, the funnel of each call, tenants and keys.
//!
//! [`Store::write`] takes a batch and keeps all of it or nothing, durably; what it returns tells,
//! in order, what came of each write. Reads see what has been acknowledged. Nothing here reads a
//! clock: the time is in every write.

mod error;
mod event;
mod fault;
mod ids;
mod ledger;
mod outbox;
mod postgres;
mod quality;
mod rating;
mod read;
mod results;
mod rows;
mod rules;
mod run;
mod session;
mod sql;
mod sqlite;
mod stamp;
mod tenant;
pub mod transfer;
mod words;
mod write;

use std::ops::Range;

use aftercall_core::stats::Tally;
use aftercall_core::{CallId, TenantId};
use jiff::Timestamp;

pub use error::{NextMove, Place, StoreError};
pub use event::{Alert, Event, EventId, EventKind, EventPage, Rated, Subject as EventSubject, Subscription};
pub use outbox::{Attempt, Claimed, DELIVERIES_MAX, Deliveries, Delivery, DeliveryState, Outcome, Replayed};
pub use postgres::Postgres;
pub use quality::{Measured, Quality};
pub use rating::{Flag, Found, NotACursor, Rating, RatingCursor, RatingFilter};
pub use read::{PAGE_MAX, QUEUES_MAX, RANGES_MAX, Subject, Window};
pub use results::{
    AgentFigures, By, CaughtUp, Cell, Counted, Figures, Funnel, Group, PERIODS_MAX, Question, Queues, Results,
};
pub use run::{KeptRun, RUNS_MAX, Run, RunOutcome, RunProgress, Way};
pub use session::{About, Answer, Offer, Session};
pub use sqlite::Sqlite;
pub use tenant::{ApiKey, KeyHash, KeyUse, NewKey, NotAZone, Revoked, Role, Tenant, TenantPut, Zone};
pub use words::{
    CHANNEL_CHARS_MAX, COMMENT_CHARS_MAX, Channel, Comment, CommentFault, KeyId, NotAnId, RatedAt,
    RatedAtFault, RatingId, SESSION_CHARS_MAX, Said, SessionId, WEBHOOK_CHARS_MAX, WebhookName,
};
pub use write::{
    Actor, Answered, BATCH_MAX, Change, Ended, Erasure, NewRating, Offered, Put, Replacement, Revision,
    Started, Write, Written,
};

/// A database. Clones share it.
#[derive(Debug, Clone)]
pub enum Store {
    /// One file.
    Sqlite(Sqlite),
    /// One database of a PostgreSQL server, for any number of nodes.
    Postgres(Postgres),
}

/// Asks whichever database it is.
macro_rules! each {
    ($store:ident.$ask:ident($($argument:ident),*)) => {
        match $store {
            $crate::Store::Sqlite(sqlite) => sqlite.$ask($($argument),*).await,
            $crate::Store::Postgres(postgres) => postgres.$ask($($argument),*).await,
        }
    };
}
pub(crate) use each;

impl Place {
    /// Where a URL leads, without looking there.
    ///
    /// # Errors
    /// When it is none that [`Store::open`] takes. Nothing of it is repeated.
    pub fn of(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => sqlite::place_of(rest.strip_prefix("//").unwrap_or(rest)),
            Some(("postgres" | "postgresql", _)) => postgres::place_of(url),
            _ => Err(StoreError::Url(
                "is not the address of a database; use sqlite://data/aftercall.db or postgres://user:password@host:5432/name"
                    .to_owned(),
            )),
        }
    }
}

impl Store {
    /// Opens the database that `url` names, and brings its schema up to date: `sqlite://data/aftercall.db`, where
    /// what comes after `sqlite://` is a path, exactly, and file and folders are made; or
    /// `postgres://user:password@host:5432/name`, with `?sslmode=verify-full` and the like behind it.
    ///
    /// # Errors
    /// Says what is in the way and what to do about it.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        match Place::of(url)? {
            Place::File(path) => Ok(Self::Sqlite(Sqlite::open(&path).await?)),
            Place::Server(_) => Ok(Self::Postgres(Postgres::open(url).await?)),
        }
    }

    /// Keeps a batch: all of it, durably, or nothing. The answers are in the batch's order, and a
    /// write sees those before it in the same batch. What sessions tell and what is posted may be
    /// written again, in the same order: that changes nothing.
    ///
    /// # Errors
    /// Then nothing of the batch is kept. More than [`BATCH_MAX`] writes are refused.
    pub async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        each!(self.write(batch))
    }

    /// The rating of a call.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn rating(&self, tenant: &TenantId, call: &CallId) -> Result<Found, StoreError> {
        each!(self.rating(tenant, call))
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
        each!(self.ratings(tenant, filter, after, limit))
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
        each!(self.tally(tenant, subject, window))
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
        each!(self.tallies(tenant, subject, ranges))
    }

    /// What queues' time comes to, and who was rated there, read in one snapshot. Exact at every moment: what has changed
    /// since it was counted last is counted from the ratings.
    ///
    /// # Errors
    /// When the database cannot be read, the question names more than [`PERIODS_MAX`] windows or [`QUEUES_MAX`] queues,
    /// or its windows cut through too many days.
    pub async fn results(&self, tenant: &TenantId, question: &Question) -> Result<Results, StoreError> {
        each!(self.results(tenant, question))
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
        each!(self.tabulate(tenant, filter, windows, group))
    }

    /// What [`Store::tabulate`] found at an earlier time, from the log of changes: ratings as they were known then, when
    /// they arrived and not when they were given. It costs as much as there are ratings in the windows.
    ///
    /// # Errors
    /// As [`Store::tabulate`].
    pub async fn tabulate_then(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        windows: &[Window],
        group: Group,
        then: Timestamp,
    ) -> Result<Vec<Cell>, StoreError> {
        each!(self.tabulate_then(tenant, filter, windows, group, then))
    }

    /// Each agent's ratings in each queue within a window, as they were known at an earlier time, in the same way.
    ///
    /// # Errors
    /// As [`Store::tabulate`].
    pub async fn agents_then(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        window: &Window,
        then: Timestamp,
    ) -> Result<Vec<AgentFigures>, StoreError> {
        each!(self.agents_then(tenant, filter, window, then))
    }

    /// The same question answered twice in one snapshot: as [`Store::results`] does, and by counting every rating and
    /// offer. For whoever doubts; where the two differ, what is kept is wrong.
    ///
    /// # Errors
    /// As [`Store::results`].
    pub async fn verified(&self, tenant: &TenantId, question: &Question) -> Result<[Results; 2], StoreError> {
        each!(self.verified(tenant, question))
    }

    /// When the first and the last of a tenant's ratings and offers were; `None` where there are none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn span(&self, tenant: &TenantId) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        each!(self.span(tenant))
    }

    /// Nothing of what is kept of a tenant's results is believed any more, until [`Store::catch_up`] has counted it anew.
    /// `false`: there is no such tenant.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn doubt_all(&self, tenant: &TenantId, at: Timestamp) -> Result<bool, StoreError> {
        each!(self.doubt_all(tenant, at))
    }

    /// Counts anew some of what changed; call it until nothing was to be done. Months that are over by then are put
    /// together. Others may write and read meanwhile, and several nodes may do this at once.
    ///
    /// # Errors
    /// When the database cannot be written; nothing is lost then.
    pub async fn catch_up(&self, tenant: &TenantId, now: Timestamp) -> Result<CaughtUp, StoreError> {
        each!(self.catch_up(tenant, now))
    }

    /// How far a call came.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn offer(&self, tenant: &TenantId, call: &CallId) -> Result<Option<Offer>, StoreError> {
        each!(self.offer(tenant, call))
    }

    /// How a call's media went, where any came.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn quality(&self, tenant: &TenantId, call: &CallId) -> Result<Option<Quality>, StoreError> {
        each!(self.quality(tenant, call))
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
        each!(self.open_offers(tenant, after))
    }

    /// What was answered in a call, in the order of the questions' names.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn answers(&self, tenant: &TenantId, call: &CallId) -> Result<Vec<Answer>, StoreError> {
        each!(self.answers(tenant, call))
    }

    /// Puts a tenant in place: creates it, or changes its zone and week to these. A fresh database
    /// has the tenant `default` in UTC.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn put_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<TenantPut, StoreError> {
        each!(self.put_tenant(tenant, at))
    }

    /// Creates a tenant; one of that name stays as it is, and `false` is returned.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn create_tenant(&self, tenant: &Tenant, at: Timestamp) -> Result<bool, StoreError> {
        each!(self.create_tenant(tenant, at))
    }

    /// Every tenant, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        each!(self.tenants())
    }

    /// The tenant of that name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Tenant>, StoreError> {
        each!(self.tenant(id))
    }

    /// Creates an API key; `None` when there is no such tenant.
    ///
    /// # Errors
    /// When the database cannot be written, or the role names more than [`QUEUES_MAX`] queues.
    pub async fn create_key(&self, key: &NewKey) -> Result<Option<ApiKey>, StoreError> {
        each!(self.create_key(key))
    }

    /// A tenant's keys, oldest first, revoked and expired ones too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn keys(&self, tenant: &TenantId) -> Result<Vec<ApiKey>, StoreError> {
        each!(self.keys(tenant))
    }

    /// The key with that hash, whichever tenant's: the key is how a request tells its tenant.
    /// It may be revoked or expired: ask [`ApiKey::works`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn key_by_hash(&self, hash: &KeyHash) -> Result<Option<ApiKey>, StoreError> {
        each!(self.key_by_hash(hash))
    }

    /// Whether any tenant has ever had a key: until then the server answers without one on loopback.
    /// Revoked and expired keys count, so that no door opens by itself.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn any_key(&self) -> Result<bool, StoreError> {
        each!(self.any_key())
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
        each!(self.revoke_key(tenant, key, at))
    }

    /// Notes when keys were used; of several uses of a key, and of an earlier note, the latest stays.
    ///
    /// # Errors
    /// When the database cannot be written. More than [`BATCH_MAX`] uses are refused.
    pub async fn keys_used(&self, uses: &[KeyUse]) -> Result<(), StoreError> {
        each!(self.keys_used(uses))
    }

    /// Claims a run: of all who claim it at the same time one gets the number of the attempt. What somebody else
    /// has claimed is theirs until its time is over; what is sent or given up is nobody's any more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn claim_run(
        &self,
        run: &Run,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        each!(self.claim_run(run, now, until))
    }

    /// Keeps what came of an attempt; `false`: somebody else has taken it over meanwhile, and this changes nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn settle_run(
        &self,
        run: &Run,
        attempt: u32,
        outcome: &RunOutcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        each!(self.settle_run(run, attempt, outcome, at))
    }

    /// A report's runs, those of the latest period first; at most `limit`, itself at most [`RUNS_MAX`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn runs(
        &self,
        tenant: &TenantId,
        report: &str,
        limit: u16,
    ) -> Result<Vec<KeptRun>, StoreError> {
        each!(self.runs(tenant, report, limit))
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Says why it does not.
    pub async fn ready(&self) -> Result<(), StoreError> {
        each!(self.ready())
    }

    /// Waits for what is under way, then closes every connection. Afterwards everything is
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        each!(self.close())
    }
}
