//! A batch of writes as a database carries it out: what is known of its calls, every write happening to that, and what
//! is to be kept of it. Pure: loading and keeping are the database's.

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::stats::calendar::day_of;
use aftercall_core::{AgentId, CallId, QueueId, Score, TenantId};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use uuid::Uuid;

use crate::ids::Ids;
use crate::quality::Quality;
use crate::rating::Rating;
use crate::rows::{self, Cells, Decoded, JsonRow};
use crate::rules::{Entry, Known, Op};
use crate::session::{Answer, Offer};
use crate::tenant::Zone;
use crate::words::SessionId;
use crate::write::{Write, Written};

/// What is known of calls. Sorted, so that neighbours in an index are written together, and two writers lock rows in
/// the same order.
pub(crate) type Calls = BTreeMap<CallId, Known>;

/// A queue's local day, `""` for no queue: what a mark names.
pub(crate) type Bucket<'a> = (&'a str, Date);

/// Marks in one statement: 4096 of about 120 bytes are half a megabyte.
pub(crate) const MARKS_AT_ONCE: usize = 4096;

/// The calls that a batch is about, by tenant; `true` where what it means depends on the answers known.
pub(crate) fn calls_of(batch: &[Write]) -> BTreeMap<&TenantId, BTreeMap<&CallId, bool>> {
    let mut calls: BTreeMap<&TenantId, BTreeMap<&CallId, bool>> = BTreeMap::new();
    for write in batch {
        let (tenant, call) = write.call();
        *calls.entry(tenant).or_default().entry(call).or_default() |= write.is_about_answers();
    }
    calls
}

/// What is known of calls, from the row of a `KNOWN` statement: a tenant's zone, and arrays of rows.
pub(crate) fn known<'a>(row: &impl Cells, calls: impl Iterator<Item = &'a CallId>) -> Decoded<(Zone, Calls)> {
    let mut known: Calls = calls.map(|call| (call.clone(), Known::default())).collect();
    for of_call in rows::list::<JsonRow>(row, "ratings")? {
        known.entry(rows::call(&of_call)?).or_default().rating = Some(rows::rating(&of_call)?);
    }
    for call in rows::list::<CallId>(row, "erased")? {
        known.entry(call).or_default().erased = true;
    }
    for of_call in rows::list::<JsonRow>(row, "offers")? {
        known.entry(rows::call(&of_call)?).or_default().offer = Some(rows::offer(&of_call)?);
    }
    for of_call in rows::list::<JsonRow>(row, "answers")? {
        let answer = rows::answer(&of_call)?;
        known.entry(rows::call(&of_call)?).or_default().answers.insert(answer.question.clone(), answer);
    }
    Ok((rows::zone(row)?, known))
}

/// A tenant's part of a batch.
pub(crate) struct Ledger {
    zone: Zone,
    before: Calls,
    now: Calls,
    pub(crate) log: Vec<Entry>,
    /// When the last of it arrived.
    pub(crate) at: Timestamp,
}

impl Ledger {
    /// Of a tenant in this zone, and what is known of the calls.
    pub(crate) fn new(zone: Zone, before: Calls) -> Self {
        Self { zone, now: before.clone(), before, log: Vec::new(), at: Timestamp::MIN }
    }

    /// Every call, as it was and as it is.
    fn calls(&self) -> impl Iterator<Item = (&CallId, &Known, &Known)> {
        self.before.iter().zip(&self.now).map(|((call, before), (_, now))| (call, before, now))
    }

    /// An id for each entry of the log.
    pub(crate) fn log_ids(&self, ids: &Ids) -> Vec<Uuid> {
        self.log.iter().map(|entry| ids.next(entry.arrived_at)).collect()
    }

    /// The calls that were erased.
    pub(crate) fn erased(&self) -> Vec<&CallId> {
        self.log.iter().filter(|entry| entry.op == Op::Deleted).map(|entry| &entry.call).collect()
    }

    /// The buckets whose figures it changes: of a move, the one it left and the one it came to.
    pub(crate) fn touched(&self) -> BTreeSet<Bucket<'_>> {
        let rules = self.zone.rules();
        let mut touched = BTreeSet::new();
        for (_, before, now) in self.calls() {
            if counted(before) != counted(now) {
                let ratings = [&before.rating, &now.rating].into_iter().flatten();
                touched.extend(ratings.map(|rating| bucket(rating.queue.as_ref(), rating.created_at, rules)));
            }
            if before.offer != now.offer {
                let offers = [&before.offer, &now.offer].into_iter().flatten();
                touched
                    .extend(offers.map(|offer| bucket(offer.about.queue.as_ref(), offer.offered_at, rules)));
            }
        }
        touched
    }
}

/// Lets every write of a batch happen to what is known of its call.
pub(crate) fn happen(ledgers: &mut BTreeMap<&TenantId, Ledger>, ids: &Ids, batch: &[Write]) -> Vec<Written> {
    let one = |write: &Write| {
        let (tenant, call) = write.call();
        let Some(ledger) = ledgers.get_mut(tenant) else { return Written::UnknownTenant };
        ledger.at = ledger.at.max(write.at());
        ledger.now.entry(call.clone()).or_default().apply(write, ids, &mut ledger.log)
    };
    batch.iter().map(one).collect()
}

/// What a ledger changes.
#[derive(Default)]
pub(crate) struct Changes<'a> {
    pub(crate) new_ratings: Vec<&'a Rating>,
    pub(crate) changed_ratings: Vec<&'a Rating>,
    pub(crate) gone_ratings: Vec<&'a CallId>,
    pub(crate) answers: Vec<(&'a CallId, &'a Answer)>,
    pub(crate) gone_answers: Vec<&'a CallId>,
    pub(crate) new_offers: Vec<&'a Offer>,
    pub(crate) changed_offers: Vec<&'a Offer>,
    /// Calls that are erased and had no rating before: there is no row of theirs that others would meet.
    pub(crate) rowless: Vec<&'a CallId>,
    /// The same of offers.
    pub(crate) offerless: Vec<&'a CallId>,
    pub(crate) qualities: Vec<(&'a CallId, &'a (SessionId, Quality))>,
}

impl<'a> Changes<'a> {
    pub(crate) fn of(ledger: &'a Ledger) -> Self {
        let mut changes = Self::default();
        for (call, before, now) in ledger.calls() {
            match (&before.rating, &now.rating) {
                (None, Some(new)) => changes.new_ratings.push(new),
                (Some(old), Some(new)) if old != new => changes.changed_ratings.push(new),
                (Some(_), None) => changes.gone_ratings.push(call),
                _ => {}
            }
            let answers =
                now.answers.values().filter(|answer| before.answers.get(&answer.question) != Some(answer));
            changes.answers.extend(answers.map(|answer| (call, answer)));
            // Answers go only all at once, by an erasure, after which none comes.
            if now.answers.is_empty() && !before.answers.is_empty() {
                changes.gone_answers.push(call);
            }
            match (&before.offer, &now.offer) {
                (None, Some(new)) => changes.new_offers.push(new),
                (Some(old), Some(new)) if old != new => changes.changed_offers.push(new),
                _ => {}
            }
            if now.erased && !before.erased {
                changes.rowless.extend(before.rating.is_none().then_some(call));
                changes.offerless.extend(now.offer.is_none().then_some(call));
            }
            changes.qualities.extend(now.quality.as_ref().map(|measured| (call, measured)));
        }
        changes
    }
}

/// Every bucket that days of UTC reach into, by the calendar of each zone.
pub(crate) fn buckets<'a>(utc_days: &'a [(String, Date)], zones: &[&Zone]) -> Vec<Bucket<'a>> {
    let local = |(queue, day): &'a (String, Date), zone: &Zone| {
        local_days(*day, zone).into_iter().map(|day| (queue.as_str(), day)).collect::<Vec<_>>()
    };
    let all = utc_days.iter().flat_map(|day| zones.iter().flat_map(move |zone| local(day, zone)));
    Vec::from_iter(all.collect::<BTreeSet<_>>())
}

/// The local days that a day of UTC reaches into.
fn local_days(utc_day: Date, zone: &Zone) -> Vec<Date> {
    let day = aftercall_core::stats::calendar::day(utc_day, &TimeZone::UTC);
    let last = day.span.end.saturating_sub(Span::new().microseconds(1)).unwrap_or(day.span.end);
    let (first, last) = (day_of(day.span.start, zone.rules()), day_of(last, zone.rules()));
    first.series(Span::new().days(1)).take_while(|day| *day <= last).collect()
}

fn bucket<'a>(queue: Option<&'a QueueId>, at: Timestamp, rules: &TimeZone) -> Bucket<'a> {
    (queue.map_or("", QueueId::as_str), day_of(at, rules))
}

/// What of a call's rating any figure depends on.
fn counted(known: &Known) -> Option<(Score, Option<&AgentId>, Option<&QueueId>, Timestamp)> {
    known.rating.as_ref().map(|r| (r.score, r.agent.as_ref(), r.queue.as_ref(), r.created_at))
}
