//! A batch in one transaction: load what is known of its calls, let every write happen to that,
//! keep what changed. Few statements a tenant, whatever the batch's order.

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::stats::calendar::day_of;
use aftercall_core::{AgentId, CallId, QueueId, Score, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::error::StoreError;
use crate::ids::Ids;
use crate::rules::{Entry, Known};
use crate::sqlite::fault::Fault;
use crate::sqlite::rows::{self, AnswerRow, JsonRow, LogRow, OfferRow, QualityRow, RatingRow};
use crate::sqlite::{Sqlite, bounded, sql};
use crate::tenant::Zone;
use crate::write::{BATCH_MAX, Write, Written};

/// A tenant's part of a batch.
struct Ledger {
    zone: Zone,
    before: Calls,
    now: Calls,
    log: Vec<Entry>,
    /// When the last of it arrived.
    at: Timestamp,
}

/// Sorted, so that neighbours in an index are written together.
type Calls = BTreeMap<CallId, Known>;

/// A queue's local day, `""` for no queue: what a mark names.
type Bucket<'a> = (&'a str, Date);

impl Sqlite {
    pub(crate) async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        bounded("writes", batch.len(), BATCH_MAX)?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.told(self.commit(batch).await)
    }

    async fn commit(&self, batch: &[Write]) -> Result<Vec<Written>, Fault> {
        let mut transaction = self.begin().await?;
        let mut ledgers = load(&mut transaction, batch).await?;
        let written: Vec<Written> =
            batch.iter().map(|write| happen(&mut ledgers, &self.ids, write)).collect();
        for (tenant, ledger) in &ledgers {
            self.keep(&mut transaction, tenant, ledger).await?;
        }
        transaction.commit().await?;
        if written.iter().any(|written| matches!(written, Written::Erased(_))) {
            self.empty_log().await;
        }
        Ok(written)
    }

    /// What was erased is gone from the file's pages; here it goes from the log that runs ahead of the file,
    /// too. Where another program reads just then, the next erasure or checkpoint does it.
    async fn empty_log(&self) {
        sqlx::raw_sql(sql::EMPTY_LOG).execute(&self.writer).await.ok();
    }

    async fn keep(
        &self,
        connection: &mut SqliteConnection,
        tenant: &TenantId,
        ledger: &Ledger,
    ) -> Result<(), Fault> {
        let changes = Changes::of(ledger);
        // Guarded by key and revision: what was read a moment ago is still so, or nothing is kept.
        if put(connection, sql::INSERT_RATINGS, tenant, &changes.new_ratings).await?
            != changes.new_ratings.len()
            || put(connection, sql::UPDATE_RATINGS, tenant, &changes.changed_ratings).await?
                != changes.changed_ratings.len()
        {
            return Err(Fault::Raced);
        }
        put(connection, sql::DELETE_RATINGS, tenant, &changes.gone_ratings).await?;
        put(connection, sql::PUT_ANSWERS, tenant, &changes.answers).await?;
        put(connection, sql::DELETE_ANSWERS, tenant, &changes.gone_answers).await?;
        put(connection, sql::PUT_OFFERS, tenant, &changes.offers).await?;
        put(connection, sql::PUT_QUALITIES, tenant, &changes.qualities).await?;
        let log: Vec<LogRow<'_>> = ledger
            .log
            .iter()
            .map(|entry| LogRow::new(entry, self.ids.next(entry.arrived_at).to_string()))
            .collect();
        put(connection, sql::INSERT_LOG, tenant, &log).await?;
        mark(connection, &self.ids, tenant, touched(ledger), ledger.at).await?;
        Ok(())
    }
}

/// Lets a write happen to what is known of its call.
fn happen(ledgers: &mut BTreeMap<&TenantId, Ledger>, ids: &Ids, write: &Write) -> Written {
    let (tenant, call) = write.call();
    let Some(ledger) = ledgers.get_mut(tenant) else { return Written::UnknownTenant };
    ledger.at = ledger.at.max(write.at());
    ledger.now.entry(call.clone()).or_default().apply(write, ids, &mut ledger.log)
}

/// What is known of every call of the batch, by tenant; tenants that do not exist are left out.
async fn load<'a>(
    connection: &mut SqliteConnection,
    batch: &'a [Write],
) -> Result<BTreeMap<&'a TenantId, Ledger>, Fault> {
    let mut calls: BTreeMap<&TenantId, BTreeMap<&CallId, bool>> = BTreeMap::new();
    for write in batch {
        let (tenant, call) = write.call();
        *calls.entry(tenant).or_default().entry(call).or_default() |= write.is_about_answers();
    }
    let mut ledgers = BTreeMap::new();
    for (tenant, calls) in calls {
        if let Some((zone, before)) = known(connection, tenant, &calls).await? {
            let now = before.clone();
            ledgers.insert(tenant, Ledger { zone, before, now, log: Vec::new(), at: Timestamp::MIN });
        }
    }
    Ok(ledgers)
}

/// A tenant's zone and what is known of calls; the answers only of those whose writes ask for them (`true`).
async fn known(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    calls: &BTreeMap<&CallId, bool>,
) -> Result<Option<(Zone, Calls)>, Fault> {
    let all: Vec<&&CallId> = calls.keys().collect();
    let asked: Vec<&&CallId> = calls.iter().filter(|(_, asked)| **asked).map(|(call, _)| call).collect();
    let query = sqlx::query(sql::KNOWN).bind(tenant.as_str()).bind(json(&all)?).bind(json(&asked)?);
    let Some(row) = query.fetch_optional(connection).await? else { return Ok(None) };
    let mut known: Calls = calls.keys().map(|call| ((*call).clone(), Known::default())).collect();
    for of_call in rows::list::<JsonRow>(&row, "ratings")? {
        known.entry(rows::call(&of_call)?).or_default().rating = Some(rows::rating(&of_call)?);
    }
    for call in rows::list::<CallId>(&row, "erased")? {
        known.entry(call).or_default().erased = true;
    }
    for of_call in rows::list::<JsonRow>(&row, "offers")? {
        known.entry(rows::call(&of_call)?).or_default().offer = Some(rows::offer(&of_call)?);
    }
    for of_call in rows::list::<JsonRow>(&row, "answers")? {
        let answer = rows::answer(&of_call)?;
        known.entry(rows::call(&of_call)?).or_default().answers.insert(answer.question.clone(), answer);
    }
    Ok(Some((rows::zone(&row)?, known)))
}

/// What a ledger changes, as rows.
#[derive(Default)]
struct Changes<'a> {
    new_ratings: Vec<RatingRow<'a>>,
    changed_ratings: Vec<RatingRow<'a>>,
    gone_ratings: Vec<&'a CallId>,
    answers: Vec<AnswerRow<'a>>,
    gone_answers: Vec<&'a CallId>,
    offers: Vec<OfferRow<'a>>,
    qualities: Vec<QualityRow<'a>>,
}

impl<'a> Changes<'a> {
    fn of(ledger: &'a Ledger) -> Self {
        let mut changes = Self::default();
        for (call, before, now) in ledger.calls() {
            match (&before.rating, &now.rating) {
                (None, Some(new)) => changes.new_ratings.push(RatingRow::new(new)),
                (Some(old), Some(new)) if old != new => {
                    changes.changed_ratings.push(RatingRow::new(new));
                }
                (Some(_), None) => changes.gone_ratings.push(call),
                _ => {}
            }
            let answers =
                now.answers.values().filter(|answer| before.answers.get(&answer.question) != Some(answer));
            changes.answers.extend(answers.map(|answer| AnswerRow::new(call, answer)));
            // Answers go only all at once, by an erasure, after which none comes.
            if now.answers.is_empty() && !before.answers.is_empty() {
                changes.gone_answers.push(call);
            }
            if let Some(offer) = now.offer.as_ref().filter(|_| before.offer != now.offer) {
                changes.offers.push(OfferRow::new(offer));
            }
            changes.qualities.extend(now.quality.as_ref().map(|measured| QualityRow::new(call, measured)));
        }
        changes
    }
}

impl Ledger {
    /// Every call, as it was and as it is.
    fn calls(&self) -> impl Iterator<Item = (&CallId, &Known, &Known)> {
        self.before.iter().zip(&self.now).map(|((call, before), (_, now))| (call, before, now))
    }
}

/// The buckets whose figures a ledger changes: of a move, the one it left and the one it came to.
fn touched(ledger: &Ledger) -> BTreeSet<Bucket<'_>> {
    let rules = ledger.zone.rules();
    let mut touched = BTreeSet::new();
    for (_, before, now) in ledger.calls() {
        if counted(before) != counted(now) {
            let ratings = [&before.rating, &now.rating].into_iter().flatten();
            touched.extend(ratings.map(|rating| bucket(rating.queue.as_ref(), rating.created_at, rules)));
        }
        if before.offer != now.offer {
            let offers = [&before.offer, &now.offer].into_iter().flatten();
            touched.extend(offers.map(|offer| bucket(offer.about.queue.as_ref(), offer.offered_at, rules)));
        }
    }
    touched
}

fn bucket<'a>(queue: Option<&'a QueueId>, at: Timestamp, rules: &TimeZone) -> Bucket<'a> {
    (queue.map_or("", QueueId::as_str), day_of(at, rules))
}

/// What of a call's rating any figure depends on.
fn counted(known: &Known) -> Option<(Score, Option<&AgentId>, Option<&QueueId>, Timestamp)> {
    known.rating.as_ref().map(|r| (r.score, r.agent.as_ref(), r.queue.as_ref(), r.created_at))
}

/// Marks buckets to be counted anew.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    ids: &Ids,
    tenant: &TenantId,
    buckets: BTreeSet<Bucket<'_>>,
    at: Timestamp,
) -> Result<(), Fault> {
    let marks: Vec<(&str, String, String)> =
        buckets.into_iter().map(|(queue, day)| (queue, day.to_string(), ids.next(at).to_string())).collect();
    put(connection, sql::INSERT_MARKS, tenant, &marks).await?;
    Ok(())
}

/// Runs a statement over rows, unless there are none; tells how many rows it changed.
async fn put<T: Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    tenant: &TenantId,
    rows: &[T],
) -> Result<usize, Fault> {
    if rows.is_empty() {
        return Ok(0);
    }
    let done = sqlx::query(statement).bind(tenant.as_str()).bind(json(rows)?).execute(connection).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Fault> {
    Ok(serde_json::to_string(value)?)
}
