//! Carries one webhook's events out of the outbox. One task a webhook: who is slow holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use aftercall_store::{Attempt, Claimed, Outcome, Store, StoreError};
use jiff::SignedDuration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::payload::{EventView, body};
use super::schedule::outcome;
use super::send::{Answer, Post};
use crate::clock::Clock;
use crate::config::Webhook;
use crate::metrics::Metrics;

/// Events claimed at once; what came of them is one commit.
const CLAIMED_MAX: u16 = 16;

/// Events on their way to one webhook at once, each on a thread of its own.
const IN_FLIGHT_MAX: usize = 4;

/// How often the other side's time is waited for in the worst case, until all that was claimed is sent.
const TURNS_MAX: u32 = 4;

/// How much longer a claim lasts than sending all of it may take: for the commits around it.
const CLAIM_MARGIN: Duration = Duration::from_secs(10);

/// How soon the outbox is looked into again while nothing happens here: for what other nodes wrote, and what is due again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Looks between two times of forgetting: about a minute.
const LOOKS_BETWEEN_FORGETTING: u32 = 60;

/// Deliveries forgotten at once.
const FORGOTTEN_MAX: u16 = 500;

/// Carries one webhook's events.
#[derive(Debug)]
pub struct Courier {
    store: Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    webhook: Webhook,
    post: Post,
}

impl Courier {
    /// For this webhook.
    #[must_use]
    pub fn new(store: Store, clock: Clock, metrics: Arc<Metrics>, webhook: Webhook) -> Self {
        let post = Post::to(&webhook);
        Self { store, clock, metrics, webhook, post }
    }

    /// Carries until it is told to stop; `written` changes when something happened on this node.
    pub async fn run(self, mut written: watch::Receiver<u64>, stop: CancellationToken) {
        let mut is_failing = false;
        let mut looks = 0_u32;
        while !stop.is_cancelled() {
            looks = looks.wrapping_add(1);
            match self.round(&stop).await {
                // There may be more at once.
                Ok(sent) if sent >= usize::from(CLAIMED_MAX) => continue,
                Ok(_) => is_failing = false,
                // Said once, not every second.
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    let webhook = self.webhook.subscription.webhook.as_str();
                    tracing::warn!(%error, webhook, "nothing can be sent while the database does not answer");
                }
                Err(_) => {}
            }
            if looks.is_multiple_of(LOOKS_BETWEEN_FORGETTING) && self.forget().await.is_err() {
                tracing::debug!("old deliveries are forgotten later");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep(LOOK_AGAIN) => {}
                Ok(()) = written.changed() => {}
            }
        }
    }

    /// Sends what is due now, some of it, and keeps what came of it; tells how many.
    ///
    /// # Errors
    /// When the database does not answer; what was sent then is sent once more.
    pub async fn round(&self, stop: &CancellationToken) -> Result<usize, StoreError> {
        let to = &self.webhook.subscription;
        let now = self.clock.now();
        let lasts = self.webhook.timeout * TURNS_MAX + CLAIM_MARGIN;
        let until = now.saturating_add(SignedDuration::try_from(lasts).unwrap_or_default()).unwrap_or(now);
        let claimed = self.store.claim(to, now, until, CLAIMED_MAX).await?;
        let mut sending = JoinSet::new();
        let mut attempts = Vec::with_capacity(claimed.len());
        for one in claimed {
            if sending.len() >= IN_FLIGHT_MAX {
                attempts.extend(self.one_of(&mut sending).await);
            }
            // What is left stays claimed, and is sent when that is over.
            if stop.is_cancelled() {
                break;
            }
            let (post, at) = (self.post.clone(), self.clock.now());
            sending.spawn_blocking(move || {
                let view = EventView::from(&one.event);
                let answer = post.send(&view.id, &body(&view), at);
                (one, answer)
            });
        }
        while !sending.is_empty() {
            attempts.extend(self.one_of(&mut sending).await);
        }
        if !attempts.is_empty() {
            self.store.settle(&to.tenant, &to.webhook, &attempts, self.clock.now()).await?;
        }
        Ok(attempts.len())
    }

    /// Forgets some of what was settled long enough ago.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget(&self) -> Result<u64, StoreError> {
        let to = &self.webhook.subscription;
        let keep = SignedDuration::try_from(self.webhook.keep).unwrap_or_default();
        let before = self.clock.now().saturating_sub(keep).unwrap_or_default();
        self.store.forget(&to.tenant, &to.webhook, before, FORGOTTEN_MAX).await
    }

    /// The next one that comes back. A thread that broke off has told nothing: its claim runs out.
    async fn one_of(&self, sending: &mut JoinSet<(Claimed, Answer)>) -> Option<Attempt> {
        let (claimed, answer) = sending.join_next().await?.ok()?;
        let (event, attempt) = (claimed.event.id, claimed.attempt);
        let outcome = outcome(event, attempt, answer.status, answer.retry_after, self.clock.now());
        let webhook = self.webhook.subscription.webhook.as_str();
        let counted = &self.metrics.webhooks;
        match outcome {
            Outcome::Delivered => counted.delivered.add(1),
            Outcome::Again(_) => {
                counted.failed.add(1);
                tracing::debug!(webhook, status = answer.status, attempt, "an event was not taken");
            }
            Outcome::Dead => {
                counted.dead.add(1);
                tracing::warn!(webhook, status = answer.status, attempt, "an event was given up");
            }
        }
        Some(Attempt { event, attempt, status: answer.status, reason: answer.reason, outcome })
    }
}
