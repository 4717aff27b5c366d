//! A batch in one transaction: lock what there is of its calls, load what is known, let every write happen to that,
//! keep what changed. Few statements a tenant, whatever the batch's order.
//!
//! Exact among nodes, each statement seeing what was committed before it began:
//! * What there is of a call is locked before it is read, in a statement before, so what was read stays so.
//! * What there is not is inserted only where it still is not; fewer rows than expected, and the batch begins anew.
//! * Answers belong to who holds the call's offer: the first one made it.
//! * An erasure may have come and gone between the look and the insert: its entry in the log is looked for behind it.
//!   Of a call that is erased and has no row that others would meet, one stands until then, so that they wait.

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::{CallId, TenantId};
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::error::StoreError;
use crate::event::{OutboxRow, Subscriptions};
use crate::fault::Fault;
use crate::ids::Ids;
use crate::ledger::{self, Bucket, Calls, Changes, Ledger, calls_of, happen};
use crate::postgres::cells::Stamp;
use crate::postgres::encode::{self, column};
use crate::postgres::tries::Tries;
use crate::postgres::{ANSWER_WAIT, Postgres, Query, sql, within};
use crate::read::bounded;
use crate::tenant::Zone;
use crate::write::{BATCH_MAX, Write, Written};

impl Postgres {
    pub(crate) async fn write(&self, batch: &[Write]) -> Result<Vec<Written>, StoreError> {
        bounded("writes", batch.len(), BATCH_MAX)?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut tries = Tries::default();
        let mut unheard = Vec::new();
        loop {
            match within(ANSWER_WAIT, self.commit(batch, &mut unheard)).await {
                Ok(mut written) => {
                    remember(&mut written, &unheard);
                    return Ok(written);
                }
                Err(fault) => tries.again(fault).await.map_err(|fault| fault.told(&self.place))?,
            }
        }
    }

    /// Where it is not heard whether it was kept, `unheard` is what came of it if so.
    async fn commit(&self, batch: &[Write], unheard: &mut Vec<Written>) -> Result<Vec<Written>, Fault> {
        let mut transaction = self.begin().await?;
        let mut ledgers = load(&mut transaction, batch).await?;
        let written = happen(&mut ledgers, &self.ids, batch);
        for (tenant, ledger) in &ledgers {
            keep(&mut transaction, &self.ids, tenant, ledger, &self.subscriptions).await?;
        }
        if unheard.is_empty() {
            unheard.clone_from(&written);
        } else {
            remember(unheard, &written);
        }
        transaction.commit().await?;
        Ok(written)
    }
}

/// What was answered in an erased call is told once. If that was in a try of which nothing was heard, it is told now.
fn remember(written: &mut [Written], unheard: &[Written]) {
    for (now, before) in written.iter_mut().zip(unheard) {
        if matches!((&*now, before), (Written::Gone, Written::Erased(_))) {
            *now = before.clone();
        }
    }
}

async fn keep(
    connection: &mut PgConnection,
    ids: &Ids,
    tenant: &TenantId,
    ledger: &Ledger,
    subscriptions: &Subscriptions,
) -> Result<(), Fault> {
    let changes = Changes::of(ledger);
    let put = |statement| sqlx::query(statement).bind(tenant.as_str());
    hold(connection, ids, tenant, &changes, ledger.at).await?;
    for (statement, ratings) in
        [(sql::INSERT_RATINGS, &changes.new_ratings), (sql::UPDATE_RATINGS, &changes.changed_ratings)]
    {
        all_or_raced(connection, ratings.len(), || encode::ratings(put(statement), ratings)).await?;
    }
    for (statement, offers) in
        [(sql::INSERT_OFFERS, &changes.new_offers), (sql::UPDATE_OFFERS, &changes.changed_offers)]
    {
        all_or_raced(connection, offers.len(), || encode::offers(put(statement), offers)).await?;
    }
    let gone = [
        (sql::DELETE_RATINGS, &changes.rowless),
        (sql::DELETE_RATINGS, &changes.gone_ratings),
        (sql::FREE_OFFERS, &changes.offerless),
        (sql::DELETE_ANSWERS, &changes.gone_answers),
    ];
    for (statement, calls) in gone {
        run(connection, calls.len(), || put(statement).bind(names(calls))).await?;
    }
    let answers = &changes.answers;
    run(connection, answers.len(), || encode::answers(put(sql::PUT_ANSWERS), answers)).await?;
    let qualities = &changes.qualities;
    run(connection, qualities.len(), || encode::qualities(put(sql::PUT_QUALITIES), qualities)).await?;
    none_was_erased(connection, tenant, &changes).await?;
    let log_ids = ledger.log_ids(ids);
    run(connection, ledger.log.len(), || encode::log(put(sql::INSERT_LOG), &ledger.log, &log_ids)).await?;
    let told = subscriptions.rows(tenant, &ledger.log, &log_ids);
    put_outbox(connection, sql::INSERT_OUTBOX, tenant, &told).await?;
    let erased = ledger.erased();
    run(connection, erased.len(), || put(sql::DROP_UNSENT).bind(names(&erased))).await?;
    mark(connection, ids, tenant, ledger.touched(), ledger.at).await
}

/// What is known of every call of the batch, by tenant; tenants that do not exist are left out.
async fn load<'a>(
    connection: &mut PgConnection,
    batch: &'a [Write],
) -> Result<BTreeMap<&'a TenantId, Ledger>, Fault> {
    let calls = calls_of(batch);
    let mut locked = BTreeMap::new();
    for (tenant, calls) in &calls {
        if hold_tenant(connection, tenant).await? {
            let all: Vec<&str> = calls.keys().map(|call| call.as_str()).collect();
            let lock = sqlx::query(sql::LOCK).bind(tenant.as_str()).bind(all);
            locked.insert(*tenant, counts(&lock.fetch_one(&mut *connection).await?)?);
        }
    }
    let mut ledgers = BTreeMap::new();
    for (tenant, held) in locked {
        let (zone, before) = known(connection, tenant, &calls[tenant]).await?;
        // One that came between the lock and the look is not ours to change.
        let found = |is: fn(&crate::rules::Known) -> bool| before.values().filter(|known| is(known)).count();
        if (found(|known| known.rating.is_some()), found(|known| known.offer.is_some())) != held {
            return Err(Fault::Raced);
        }
        ledgers.insert(tenant, Ledger::new(zone, before));
    }
    Ok(ledgers)
}

pub(super) async fn hold_tenant(connection: &mut PgConnection, tenant: &TenantId) -> Result<bool, Fault> {
    let hold = sqlx::query(sql::HOLD_TENANT).bind(tenant.as_str());
    Ok(hold.fetch_optional(connection).await?.is_some())
}

/// How many ratings and offers are locked.
fn counts(row: &PgRow) -> Result<(usize, usize), Fault> {
    let count = |column| -> Result<usize, Fault> {
        Ok(usize::try_from(row.try_get::<i64, _>(column)?).unwrap_or_default())
    };
    Ok((count("ratings")?, count("offers")?))
}

async fn known(
    connection: &mut PgConnection,
    tenant: &TenantId,
    calls: &BTreeMap<&CallId, bool>,
) -> Result<(Zone, Calls), Fault> {
    let all: Vec<&str> = calls.keys().map(|call| call.as_str()).collect();
    let asked = calls.iter().filter(|(_, asked)| **asked).map(|(call, _)| call.as_str());
    let query = sqlx::query(sql::KNOWN).bind(tenant.as_str()).bind(all).bind(Vec::from_iter(asked));
    let row = query.fetch_one(connection).await?;
    Ok(ledger::known(&row, calls.keys().copied())?)
}

/// Puts up what others wait for while calls are erased that have no row of their own.
async fn hold(
    connection: &mut PgConnection,
    ids: &Ids,
    tenant: &TenantId,
    changes: &Changes<'_>,
    at: Timestamp,
) -> Result<(), Fault> {
    let put = |statement, calls| sqlx::query(statement).bind(tenant.as_str()).bind(names(calls));
    let calls = &changes.rowless;
    let made: Vec<Uuid> = calls.iter().map(|_| ids.next(at)).collect();
    let ratings = || put(sql::HOLD_RATINGS, calls).bind(made).bind(Stamp::from(at));
    all_or_raced(connection, calls.len(), ratings).await?;
    let calls = &changes.offerless;
    all_or_raced(connection, calls.len(), || put(sql::HOLD_OFFERS, calls).bind(Stamp::from(at))).await
}

/// An erased call never rises again: not where it was created and erased while we looked elsewhere.
async fn none_was_erased(
    connection: &mut PgConnection,
    tenant: &TenantId,
    changes: &Changes<'_>,
) -> Result<(), Fault> {
    let rated = changes.new_ratings.iter().map(|rating| rating.call.as_str());
    let answered = changes.answers.iter().map(|(call, _)| call.as_str());
    let calls: BTreeSet<&str> = rated.chain(answered).collect();
    if calls.is_empty() {
        return Ok(());
    }
    let look = sqlx::query(sql::ERASED).bind(tenant.as_str()).bind(Vec::from_iter(calls));
    let found = look.fetch_optional(connection).await?;
    if found.is_some() { Err(Fault::Raced) } else { Ok(()) }
}

/// Puts rows into the outbox.
pub(super) async fn put_outbox(
    connection: &mut PgConnection,
    statement: &'static str,
    tenant: &TenantId,
    rows: &[OutboxRow],
) -> Result<(), Fault> {
    let put = || encode::outbox(sqlx::query(statement).bind(tenant.as_str()), rows);
    run(connection, rows.len(), put).await?;
    Ok(())
}

/// Marks buckets to be counted anew.
pub(super) async fn mark(
    connection: &mut PgConnection,
    ids: &Ids,
    tenant: &TenantId,
    buckets: impl IntoIterator<Item = Bucket<'_>>,
    at: Timestamp,
) -> Result<(), Fault> {
    let (queues, days): (Vec<&str>, Vec<String>) =
        buckets.into_iter().map(|(queue, day)| (queue, day.to_string())).unzip();
    let made: Vec<Uuid> = queues.iter().map(|_| ids.next(at)).collect();
    let put = || sqlx::query(sql::INSERT_MARKS).bind(tenant.as_str()).bind(&queues).bind(&days).bind(&made);
    run(connection, made.len(), put).await?;
    Ok(())
}

fn names<'a>(calls: &[&'a CallId]) -> Vec<&'a str> {
    column(calls, |call| call.as_str())
}

/// Runs a statement over so many rows, unless there are none; tells how many it changed.
async fn run(
    connection: &mut PgConnection,
    rows: usize,
    query: impl FnOnce() -> Query,
) -> Result<usize, Fault> {
    if rows == 0 {
        return Ok(0);
    }
    let done = query().execute(connection).await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// The same, where every row must still be as it was read.
async fn all_or_raced(
    connection: &mut PgConnection,
    rows: usize,
    query: impl FnOnce() -> Query,
) -> Result<(), Fault> {
    if run(connection, rows, query).await? == rows { Ok(()) } else { Err(Fault::Raced) }
}
