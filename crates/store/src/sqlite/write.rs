//! A batch in one transaction: load what is known of its calls, let every write happen to that,
//! keep what changed. Few statements a tenant, whatever the batch's order.

use std::collections::BTreeMap;

use aftercall_core::{CallId, TenantId};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::error::StoreError;
use crate::event::OutboxRow;
use crate::fault::Fault;
use crate::ids::Ids;
use crate::ledger::{self, Bucket, Calls, Changes, Ledger, calls_of, happen};
use crate::read::bounded;
use crate::sqlite::encode::{AnswerRow, LogRow, OfferRow, OutboxCells, QualityRow, RatingRow};
use crate::sqlite::{Sqlite, sql};
use crate::tenant::Zone;
use crate::write::{BATCH_MAX, Write, Written};

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
        let written = happen(&mut ledgers, &self.ids, batch);
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
        let [new, changed] = [&changes.new_ratings, &changes.changed_ratings]
            .map(|ratings| all(ratings, |r| RatingRow::new(r)));
        if put(connection, sql::INSERT_RATINGS, tenant, &new).await? != new.len()
            || put(connection, sql::UPDATE_RATINGS, tenant, &changed).await? != changed.len()
        {
            return Err(Fault::Raced);
        }
        put(connection, sql::DELETE_RATINGS, tenant, &changes.gone_ratings).await?;
        let answers = all(&changes.answers, |(call, answer)| AnswerRow::new(call, answer));
        put(connection, sql::PUT_ANSWERS, tenant, &answers).await?;
        put(connection, sql::DELETE_ANSWERS, tenant, &changes.gone_answers).await?;
        let offers = changes.new_offers.iter().chain(&changes.changed_offers);
        let offers: Vec<OfferRow<'_>> = offers.map(|offer| OfferRow::new(offer)).collect();
        put(connection, sql::PUT_OFFERS, tenant, &offers).await?;
        let qualities = all(&changes.qualities, |(call, measured)| QualityRow::new(call, measured));
        put(connection, sql::PUT_QUALITIES, tenant, &qualities).await?;
        let ids = ledger.log_ids(&self.ids);
        let log: Vec<LogRow<'_>> =
            ledger.log.iter().zip(&ids).map(|(entry, id)| LogRow::new(entry, id.to_string())).collect();
        put(connection, sql::INSERT_LOG, tenant, &log).await?;
        let told = self.subscriptions.rows(tenant, &ledger.log, &ids);
        put_outbox(connection, sql::INSERT_OUTBOX, tenant, &told).await?;
        put(connection, sql::DROP_UNSENT, tenant, &ledger.erased()).await?;
        mark(connection, &self.ids, tenant, ledger.touched(), ledger.at).await?;
        Ok(())
    }
}

/// What is known of every call of the batch, by tenant; tenants that do not exist are left out.
async fn load<'a>(
    connection: &mut SqliteConnection,
    batch: &'a [Write],
) -> Result<BTreeMap<&'a TenantId, Ledger>, Fault> {
    let mut ledgers = BTreeMap::new();
    for (tenant, calls) in calls_of(batch) {
        if let Some((zone, before)) = known(connection, tenant, &calls).await? {
            ledgers.insert(tenant, Ledger::new(zone, before));
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
    Ok(Some(ledger::known(&row, calls.keys().copied())?))
}

/// Puts rows into the outbox.
pub(super) async fn put_outbox(
    connection: &mut SqliteConnection,
    statement: &'static str,
    tenant: &TenantId,
    rows: &[OutboxRow],
) -> Result<(), Fault> {
    let rows = all(rows, OutboxCells::new);
    put(connection, statement, tenant, &rows).await?;
    Ok(())
}

/// Marks buckets to be counted anew.
pub(super) async fn mark(
    connection: &mut SqliteConnection,
    ids: &Ids,
    tenant: &TenantId,
    buckets: impl IntoIterator<Item = Bucket<'_>>,
    at: Timestamp,
) -> Result<(), Fault> {
    let marks: Vec<(&str, String, String)> =
        buckets.into_iter().map(|(queue, day)| (queue, day.to_string(), ids.next(at).to_string())).collect();
    put(connection, sql::INSERT_MARKS, tenant, &marks).await?;
    Ok(())
}

fn all<'a, T, R>(things: &'a [T], row: impl FnMut(&'a T) -> R) -> Vec<R> {
    things.iter().map(row).collect()
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
