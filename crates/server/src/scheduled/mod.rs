//! Reports by schedule: when a day, week or month is over its figures go out by mail and to a URL, once, whichever of
//! several nodes sends them.
//!
//! A node claims a delivery in the database before it sends, and says there what came of it. One that dies in between
//! leaves its claim, which another takes over after ten minutes: so a report is never lost, and in that one case may
//! come twice, with the same id.

mod figures;
mod mail;
mod page;
mod post;
mod say;
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use aftercall_store::{KeptRun, Run, RunOutcome, RunProgress, Store, StoreError, Tenant, Way};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use figures::{Figures, figures};
pub use mail::Smtp;
pub use post::Post;
pub use schedule::{Due, Every, Period, Schedule};

use crate::api::reports::ranking;
use crate::api::reports::series::SERIES_COLUMNS;
use crate::api::reports::table;
use crate::clock::Clock;
use crate::config::{Config, Report};
use mail::Mail;

/// How soon it is looked again whether something is due.
const PAUSE: Duration = Duration::from_secs(15);

/// Longer than counting and sending may take: 120 s for the mail, 30 s for the URL, 30 s and more for the figures.
const CLAIM_HOLDS: SignedDuration = SignedDuration::from_mins(10);

/// Attempts: with the pauses between them half a day.
const ATTEMPTS_MAX: u32 = 14;

/// The first pause after a failure; each one after is four times as long, up to the longest.
const RETRY_FIRST: SignedDuration = SignedDuration::from_secs(30);
const RETRY_LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// The longest file that goes with a mail; of 5,000 agents it has under 1 MB.
const FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Whatever sends reports. Clones are the same.
#[derive(Debug, Clone)]
pub struct Sender {
    config: Arc<Config>,
    store: Store,
    clock: Clock,
}

impl Sender {
    /// One that sends what the configuration says.
    #[must_use]
    pub fn new(config: Arc<Config>, store: Store, clock: Clock) -> Self {
        Self { config, store, clock }
    }

    /// Sends what is due until it is told to stop; what was missed meanwhile at once.
    pub async fn keep_sending(self, stop: CancellationToken) {
        let mut is_failing = false;
        while !stop.is_cancelled() && !self.config.reports.is_empty() {
            let looked = tokio::select! {
                // What is on its way then is taken over later.
                () = stop.cancelled() => return,
                looked = self.look() => looked,
            };
            match looked {
                Ok(()) => is_failing = false,
                // Said once, not every time.
                Err(error) if !std::mem::replace(&mut is_failing, true) => {
                    tracing::warn!(%error, "it cannot be seen which reports are due: they are sent later");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(PAUSE) => {}
            }
        }
    }

    /// Sends what is due now and nobody has sent.
    ///
    /// # Errors
    /// When the database does not answer. What fails on its way is kept there, and no error.
    pub async fn look(&self) -> Result<(), StoreError> {
        for report in &self.config.reports {
            let Some(tenant) = self.store.tenant(&report.tenant).await? else { continue };
            let due = report.schedule.due(self.clock.now(), &tenant);
            for way in ways(report) {
                self.deliver(report, &tenant, &due.period, way).await?;
            }
        }
        Ok(())
    }

    async fn deliver(
        &self,
        report: &Report,
        tenant: &Tenant,
        period: &Period,
        way: Way,
    ) -> Result<(), StoreError> {
        let delivery =
            Run { tenant: tenant.id.clone(), report: report.name.clone(), period: period.id(), way };
        let now = self.clock.now();
        // Mostly it is done: that is read, and nothing is written.
        let kept = self.store.runs(&tenant.id, &report.name, KEPT_LOOKED_AT).await?;
        let kept = kept.iter().find(|kept| kept.run == delivery);
        if kept.is_some_and(|kept| is_nothing_to_do(kept, now)) {
            return Ok(());
        }
        let Some(attempt) = self.store.claim_run(&delivery, now, now + CLAIM_HOLDS).await? else {
            return Ok(());
        };
        let sent = self.send(report, tenant, period, way).await;
        let now = self.clock.now();
        let outcome = match sent {
            Ok(()) => RunOutcome::Sent,
            Err(why) if attempt >= ATTEMPTS_MAX => RunOutcome::GivenUp(why),
            Err(why) => RunOutcome::Again(now + pause_after(attempt), why),
        };
        let (report, period, way) = (&report.name, period.id(), way.word());
        match &outcome {
            RunOutcome::Sent => tracing::info!(report, period, way, "a report is sent"),
            RunOutcome::Again(at, why) => {
                tracing::warn!(report, period, way, attempt, why, %at, "a report could not be sent, and is tried again");
            }
            RunOutcome::GivenUp(why) => {
                tracing::error!(
                    report,
                    period,
                    way,
                    attempt,
                    why,
                    "a report could not be sent, and is given up: `aftercall report send` sends it"
                );
            }
        }
        self.store.settle_run(&delivery, attempt, &outcome, now).await?;
        Ok(())
    }

    /// Sends a report on one of its ways, whatever was sent before.
    ///
    /// # Errors
    /// Says why it did not get there; nothing of it names a person.
    pub async fn send(
        &self,
        report: &Report,
        tenant: &Tenant,
        period: &Period,
        way: Way,
    ) -> Result<(), String> {
        let now = self.clock.now();
        let figures = self.figures(report, tenant, period).await?;
        let id = format!("{}.{}.{}.{}", report.name, period.id(), tenant.id, way.word());
        match (way, &self.config.smtp, &report.post) {
            (Way::Mail, Some(smtp), _) => {
                let mail = Mail {
                    to: &report.to,
                    subject: say::subject(&figures),
                    text: say::plain(&figures),
                    html: page::page(&figures),
                    files: files(&figures)?,
                    id,
                    at: now,
                };
                smtp.send(&mail).await
            }
            (Way::Post, _, Some(to)) => {
                let body = json!({"type": "report.csat", "timestamp": format!("{now:.6}"), "data": figures});
                let (to, body) = (to.clone(), body.to_string());
                let posted = tokio::task::spawn_blocking(move || post::post(&to, &id, now, &body));
                posted.await.unwrap_or_else(|_| Err("the server is stopping".to_owned()))
            }
            _ => Err("the configuration says no way for it".to_owned()),
        }
    }

    /// The page of a report.
    ///
    /// # Errors
    /// When the figures cannot be read.
    pub async fn preview(&self, report: &Report, tenant: &Tenant, period: &Period) -> Result<String, String> {
        Ok(page::page(&self.figures(report, tenant, period).await?))
    }

    async fn figures(&self, report: &Report, tenant: &Tenant, period: &Period) -> Result<Figures, String> {
        let read = figures(report, tenant, period, &self.store, self.clock.now()).await;
        read.map_err(|problem| format!("the figures could not be read: {}", problem.detail()))
    }
}

/// Deliveries of a report that are looked at: those of two periods by both ways.
const KEPT_LOOKED_AT: u16 = 4;

/// The ways of a report.
#[must_use]
pub fn ways(report: &Report) -> Vec<Way> {
    let mail = (!report.to.is_empty()).then_some(Way::Mail);
    let post = report.post.as_ref().map(|_| Way::Post);
    mail.into_iter().chain(post).collect()
}

fn is_nothing_to_do(kept: &KeptRun, now: Timestamp) -> bool {
    matches!(kept.progress, RunProgress::Sent | RunProgress::Failed) || kept.not_before > now
}

fn pause_after(attempt: u32) -> SignedDuration {
    let times = 4_i32.saturating_pow(attempt.saturating_sub(1).min(15));
    RETRY_FIRST.saturating_mul(times).min(RETRY_LONGEST)
}

/// What goes with a mail: queues and agents as the API answers them.
fn files(figures: &Figures) -> Result<Vec<(String, String)>, String> {
    let fault = |_| "the figures could not be written".to_owned();
    let queues = serde_json::to_value(&figures.by_queue).map_err(fault)?;
    let agents = serde_json::to_value(&figures.ranking).map_err(fault)?;
    let named = |what: &str| format!("{}_{}_{what}.csv", figures.report, figures.period);
    let all = [
        (named("queues"), table::csv(&queues, &SERIES_COLUMNS)),
        (named("agents"), table::csv(&agents, &ranking::COLUMNS)),
    ];
    Ok(all.into_iter().filter(|(_, csv)| csv.len() <= FILE_BYTES_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_within_half_a_day() {
        let pauses: Vec<i64> = (1..ATTEMPTS_MAX).map(|attempt| pause_after(attempt).as_secs()).collect();
        assert_eq!(pauses[..5], [30, 120, 480, 1_920, 3_600]);
        assert_eq!(pauses.iter().sum::<i64>(), 34_950);
    }
}
