//! The outbox: what webhooks are to be told, from the transaction in which it happened until it is delivered or given up;
//! and the same events as whoever watches live reads them.

use std::sync::Arc;

use aftercall_core::{CallId, Score, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::event::{Alert, Event, EventId, EventKind, EventPage, Subscription, Subscriptions};
use crate::words::WebhookName;
use crate::{Store, StoreError, each};

/// The most events that one page, claim or replay has: 500 of about 300 bytes are under 200 KiB.
pub const DELIVERIES_MAX: u16 = 500;

/// What became of an event on its way to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// It is to be sent, for the first time or again.
    Waiting,
    /// The other side has it.
    Delivered,
    /// It was given up.
    Dead,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Dead];

    /// The word in the database and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// An event on its way to a webhook: a row of `cc_outbox`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Which event.
    pub event: EventId,
    /// What kind.
    pub kind: EventKind,
    /// The call it is about, if any.
    pub call: Option<CallId>,
    /// What became of it.
    pub state: DeliveryState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it is sent next; while it is being sent, when others may.
    pub due_at: Timestamp,
    /// When it was delivered or given up.
    pub settled_at: Option<Timestamp>,
    /// What the other side answered last.
    pub status: Option<u16>,
    /// Why that was no success.
    pub reason: Option<String>,
}

/// How many events a webhook has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// To be sent.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
    /// When the newest of those delivered was.
    pub last_delivered_at: Option<Timestamp>,
}

/// An event that is one's own to send until another may.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The event.
    pub event: Event,
    /// Which attempt this is, the first 1.
    pub attempt: u32,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which event.
    pub event: EventId,
    /// Which attempt.
    pub attempt: u32,
    /// What the other side answered, if it did.
    pub status: Option<u16>,
    /// Why that was no success.
    pub reason: Option<String>,
    /// What follows.
    pub outcome: Outcome,
}

impl Attempt {
    /// Of an event that is not told any more: its call was erased.
    pub(crate) fn untold(event: EventId, attempt: u32) -> Self {
        let reason = Some("the call was erased".to_owned());
        Self { event, attempt, status: None, reason, outcome: Outcome::Dead }
    }
}

/// What follows an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: the other side has it.
    Delivered,
    /// It is sent again then.
    Again(Timestamp),
    /// Nothing: it is given up.
    Dead,
}

impl Outcome {
    /// The state, and when it is sent next.
    pub(crate) fn settled(self) -> (DeliveryState, Option<Timestamp>) {
        match self {
            Self::Delivered => (DeliveryState::Delivered, None),
            Self::Again(at) => (DeliveryState::Waiting, Some(at)),
            Self::Dead => (DeliveryState::Dead, None),
        }
    }
}

/// A page of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// How many events are to be sent again.
    pub events: usize,
    /// Where the next page begins; `None`: that was all.
    pub next: Option<EventId>,
}

impl Store {
    /// The same database, telling these of what is written through it. Who is not named costs nothing.
    #[must_use]
    pub fn telling(self, subscriptions: Vec<Subscription>) -> Self {
        let subscriptions = Arc::new(Subscriptions::new(subscriptions));
        match self {
            Self::Sqlite(mut sqlite) => {
                sqlite.subscriptions = subscriptions;
                Self::Sqlite(sqlite)
            }
            Self::Postgres(mut postgres) => {
                postgres.subscriptions = subscriptions;
                Self::Postgres(postgres)
            }
        }
    }

    /// Makes events that are due one's own, at most `most`: nobody else gets them before `until`. Whoever does not come
    /// to tell what became of them by then is taken to have died.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing is claimed, or waits until `until`.
    pub async fn claim(
        &self,
        to: &Subscription,
        now: Timestamp,
        until: Timestamp,
        most: u16,
    ) -> Result<Vec<Claimed>, StoreError> {
        each!(self.claim(to, now, until, most))
    }

    /// Keeps what came of attempts. An attempt that is not the latest any more changes nothing.
    ///
    /// # Errors
    /// When the database cannot be written; then the events are sent once more.
    pub async fn settle(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        attempts: &[Attempt],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        each!(self.settle(tenant, webhook, attempts, at))
    }

    /// A page of a webhook's deliveries, the newest event first, before `before`: at most `limit`, itself at most
    /// [`DELIVERIES_MAX`] and one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        state: Option<DeliveryState>,
        before: Option<EventId>,
        limit: u16,
    ) -> Result<Vec<Delivery>, StoreError> {
        each!(self.deliveries(tenant, webhook, state, before, limit))
    }

    /// How many events wait or were given up, and when one was delivered.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivered(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
    ) -> Result<Deliveries, StoreError> {
        each!(self.delivered(tenant, webhook))
    }

    /// Sends an event again, now, whatever became of it; `None`: the webhook has no such event.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn retry(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        event: EventId,
        now: Timestamp,
    ) -> Result<Option<Delivery>, StoreError> {
        each!(self.retry(tenant, webhook, event, now))
    }

    /// Sends again what happened from `from` on, until just before `to` where there is one, under the old ids: a page of at most
    /// [`DELIVERIES_MAX`] rows. Of calls that are erased only that they are.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn replay(
        &self,
        to_whom: &Subscription,
        from: EventId,
        to: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<Replayed, StoreError> {
        let page = self.events(&to_whom.tenant, from, to, to_whom.low_score, DELIVERIES_MAX).await?;
        let wanted: Vec<Event> = page.events.into_iter().filter(|event| to_whom.wants(event)).collect();
        let wanted = wanted.as_slice();
        each!(self.send_again(to_whom, wanted, now))?;
        Ok(Replayed { events: wanted.len(), next: page.next })
    }

    /// Forgets deliveries of events from before `before` that were delivered or given up, at most `most` of each; tells
    /// how many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget(
        &self,
        tenant: &TenantId,
        webhook: &WebhookName,
        before: Timestamp,
        most: u16,
    ) -> Result<u64, StoreError> {
        each!(self.forget(tenant, webhook, before, most))
    }

    /// A page of the events from `from` on, until just before `to` where there is one: those of about `limit` rows. Not
    /// of history that was brought along, and of calls that are erased only that they are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events(
        &self,
        tenant: &TenantId,
        from: EventId,
        to: Option<Timestamp>,
        low: Score,
        limit: u16,
    ) -> Result<EventPage, StoreError> {
        each!(self.events(tenant, from, to, low, limit))
    }

    /// A place behind every event that there is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn behind_events(&self, tenant: &TenantId) -> Result<EventId, StoreError> {
        each!(self.behind_events(tenant))
    }

    /// Raises a finished day's alerts, unless that day has been looked at; `None`: it has, and nothing is raised.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn raise(
        &self,
        tenant: &TenantId,
        day: Date,
        alerts: &[Alert],
        at: Timestamp,
    ) -> Result<Option<Vec<Event>>, StoreError> {
        each!(self.raise(tenant, day, alerts, at))
    }

    /// The last local day that was looked at for alerts.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_alert_day(&self, tenant: &TenantId) -> Result<Option<Date>, StoreError> {
        each!(self.last_alert_day(tenant))
    }
}
