//! Counting anew what is marked: days of queues, then months that are over. Several nodes may do so at once, while
//! others write and read.
//!
//! Who counts a day holds its row, takes away the marks that it sees, and counts in a later statement: what was
//! written behind that look is marked still. A month is held by its row; it is stale again as soon as one of its
//! days has been counted, and not believed while one of them is marked.

use std::collections::BTreeSet;

use aftercall_core::TenantId;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::PgConnection;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::postgres::cells::Stamp;
use crate::postgres::encode::column;
use crate::postgres::write::hold_tenant;
use crate::postgres::{Postgres, sql};
use crate::results::answer::zone;
use crate::results::{
    CaughtUp, DAYS_AT_ONCE, MONTHS_AT_ONCE, Span, present_month, span_of_day, span_of_month,
};
use crate::rows;
use crate::tenant::Zone;

impl Postgres {
    pub(crate) async fn catch_up(&self, tenant: &TenantId, now: Timestamp) -> Result<CaughtUp, StoreError> {
        // Looked at first without holding anything; where there is nothing to do that is all.
        if self.tried(|| self.is_idle(tenant, now)).await? {
            return Ok(CaughtUp::default());
        }
        self.tried(|| self.count_anew(tenant, now)).await
    }

    async fn is_idle(&self, tenant: &TenantId, now: Timestamp) -> Result<bool, Fault> {
        let mut look = self.readers.begin_with(sql::SNAPSHOT).await?;
        let Some(zone) = zone(&mut *look, tenant).await? else { return Ok(true) };
        Ok(days(&mut look, tenant, 1).await?.is_empty()
            && months(&mut look, tenant, &zone, now, 1).await?.is_empty())
    }

    async fn count_anew(&self, tenant: &TenantId, now: Timestamp) -> Result<CaughtUp, Fault> {
        let mut transaction = self.begin().await?;
        if !hold_tenant(&mut transaction, tenant).await? {
            return Ok(CaughtUp::default());
        }
        let Some(zone) = zone(&mut *transaction, tenant).await? else { return Ok(CaughtUp::default()) };
        let days = days(&mut transaction, tenant, DAYS_AT_ONCE).await?;
        let mut done = CaughtUp { days: days.len(), months: 0 };
        let days: Vec<Span> = days.into_iter().map(|(queue, date)| span_of_day(queue, date, &zone)).collect();
        count_days(&mut transaction, tenant, &days).await?;
        if days.len() < DAYS_AT_ONCE {
            let months = months(&mut transaction, tenant, &zone, now, MONTHS_AT_ONCE).await?;
            done.months = months.len();
            let mut months: Vec<Span> =
                months.into_iter().map(|(queue, first)| span_of_month(queue, first, &zone)).collect();
            months.sort_by(|a, b| (&a.queue, &a.name).cmp(&(&b.queue, &b.name)));
            count_months(&mut transaction, tenant, &months).await?;
        }
        transaction.commit().await?;
        Ok(done)
    }
}

async fn count_days(connection: &mut PgConnection, tenant: &TenantId, days: &[Span]) -> Result<(), Fault> {
    let of_month = |day: &Span| (day.queue.clone(), day.name.get(..7).unwrap_or_default().to_owned());
    let months: BTreeSet<(String, String)> = days.iter().map(of_month).collect();
    let (queues, names): (Vec<String>, Vec<String>) = months.into_iter().unzip();
    for statement in [sql::LOCK_DAYS, sql::DELETE_MARKS] {
        run(connection, statement, tenant, days).await?;
    }
    run_in(connection, sql::COUNT_DAYS, tenant, days).await?;
    if !queues.is_empty() {
        let stale = sqlx::query(sql::STALE_MONTHS).bind(tenant.as_str()).bind(queues).bind(names);
        stale.execute(connection).await?;
    }
    Ok(())
}

async fn count_months(
    connection: &mut PgConnection,
    tenant: &TenantId,
    months: &[Span],
) -> Result<(), Fault> {
    for statement in [sql::LOCK_MONTHS, sql::DELETE_AGENT_MONTHS] {
        run(connection, statement, tenant, months).await?;
    }
    run_in(connection, sql::COUNT_AGENT_MONTHS, tenant, months).await?;
    run(connection, sql::COUNT_MONTHS, tenant, months).await
}

async fn days(
    connection: &mut PgConnection,
    tenant: &TenantId,
    most: usize,
) -> Result<Vec<(String, Date)>, Fault> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let query = sqlx::query(sql::DAYS_TO_COUNT).bind(tenant.as_str()).bind(most);
    let found = query.fetch_all(connection).await?;
    Ok(found.iter().map(rows::queue_day).collect::<Result<_, _>>()?)
}

/// Months that are stale, and over: the present one is changing all the time, and read by its days.
async fn months(
    connection: &mut PgConnection,
    tenant: &TenantId,
    zone: &Zone,
    now: Timestamp,
    most: usize,
) -> Result<Vec<(String, Date)>, Fault> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let query = sqlx::query(sql::MONTHS_TO_COUNT).bind(tenant.as_str()).bind(present_month(now, zone));
    let found = query.bind(most).fetch_all(connection).await?;
    Ok(found.iter().map(rows::queue_month).collect::<Result<_, _>>()?)
}

/// Runs a statement about buckets, by their names.
async fn run(
    connection: &mut PgConnection,
    statement: &'static str,
    tenant: &TenantId,
    buckets: &[Span],
) -> Result<(), Fault> {
    if !buckets.is_empty() {
        let query = sqlx::query(statement).bind(tenant.as_str());
        let query = query.bind(column(buckets, |b| b.queue.as_str()));
        query.bind(column(buckets, |b| b.name.as_str())).execute(connection).await?;
    }
    Ok(())
}

/// The same of what lies within them.
async fn run_in(
    connection: &mut PgConnection,
    statement: &'static str,
    tenant: &TenantId,
    buckets: &[Span],
) -> Result<(), Fault> {
    if !buckets.is_empty() {
        let query = sqlx::query(statement).bind(tenant.as_str());
        let query = query.bind(column(buckets, |b| b.queue.as_str()));
        let query = query.bind(column(buckets, |b| b.name.as_str()));
        let query = query.bind(column(buckets, |b| Stamp::from(b.instants.start)));
        query.bind(column(buckets, |b| Stamp::from(b.instants.end))).execute(connection).await?;
    }
    Ok(())
}
