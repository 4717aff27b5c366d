//! Counting anew what is marked: days of queues, then months that are over. Within one transaction in which nobody
//! else writes, so that what is counted is what there is, and little at a time, so that others can write.

use aftercall_core::TenantId;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::results::answer::zone;
use crate::results::{
    CaughtUp, DAYS_AT_ONCE, MONTHS_AT_ONCE, Span, present_month, span_of_day, span_of_month,
};
use crate::rows;
use crate::sqlite::{Sqlite, sql};
use crate::stamp::text;
use crate::tenant::Zone;

/// A bucket on its way to be counted: queue, name, first instant, first behind.
type Row = (String, String, String, String);

impl Sqlite {
    pub(crate) async fn catch_up(&self, tenant: &TenantId, now: Timestamp) -> Result<CaughtUp, StoreError> {
        self.told(self.count_anew(tenant, now).await)
    }

    async fn count_anew(&self, tenant: &TenantId, now: Timestamp) -> Result<CaughtUp, Fault> {
        // Looked at first without keeping anybody from writing; where there is nothing to do that is all.
        let mut look = self.readers.begin().await?;
        let Some(zone_now) = zone(&mut *look, tenant).await? else { return Ok(CaughtUp::default()) };
        let idle = days(&mut look, tenant, 1).await?.is_empty()
            && months(&mut look, tenant, &zone_now, now, 1).await?.is_empty();
        look.rollback().await?;
        if idle {
            return Ok(CaughtUp::default());
        }
        let mut transaction = self.begin().await?;
        let Some(zone) = zone(&mut *transaction, tenant).await? else { return Ok(CaughtUp::default()) };
        let days = days(&mut transaction, tenant, DAYS_AT_ONCE).await?;
        let days: Vec<Row> =
            days.into_iter().map(|(queue, date)| row(span_of_day(queue, date, &zone))).collect();
        let mut done = CaughtUp { days: days.len(), months: 0 };
        for statement in [sql::DELETE_MARKS, sql::COUNT_DAYS, sql::STALE_MONTHS] {
            run(&mut transaction, statement, tenant, &days).await?;
        }
        if days.len() < DAYS_AT_ONCE {
            let months = months(&mut transaction, tenant, &zone, now, MONTHS_AT_ONCE).await?;
            let months: Vec<Row> =
                months.into_iter().map(|(queue, date)| row(span_of_month(queue, date, &zone))).collect();
            for statement in [sql::DELETE_AGENT_MONTHS, sql::COUNT_AGENT_MONTHS, sql::COUNT_MONTHS] {
                run(&mut transaction, statement, tenant, &months).await?;
            }
            done.months = months.len();
        }
        transaction.commit().await?;
        Ok(done)
    }
}

async fn days(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    most: usize,
) -> Result<Vec<(String, Date)>, Fault> {
    let query =
        sqlx::query(sql::DAYS_TO_COUNT).bind(tenant.as_str()).bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.fetch_all(connection).await?;
    Ok(rows.iter().map(rows::queue_day).collect::<Result<_, _>>()?)
}

/// Months that are stale, and over: the present one is changing all the time, and read by its days.
async fn months(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    zone: &Zone,
    now: Timestamp,
    most: usize,
) -> Result<Vec<(String, Date)>, Fault> {
    let query = sqlx::query(sql::MONTHS_TO_COUNT)
        .bind(tenant.as_str())
        .bind(present_month(now, zone))
        .bind(i64::try_from(most).unwrap_or(i64::MAX));
    let rows = query.fetch_all(connection).await?;
    Ok(rows.iter().map(rows::queue_month).collect::<Result<_, _>>()?)
}

fn row(span: Span) -> Row {
    (span.queue, span.name, text(span.instants.start), text(span.instants.end))
}

async fn run<T: Serialize>(
    connection: &mut SqliteConnection,
    statement: &'static str,
    tenant: &TenantId,
    rows: &[T],
) -> Result<(), Fault> {
    if !rows.is_empty() {
        sqlx::query(statement)
            .bind(tenant.as_str())
            .bind(serde_json::to_string(rows)?)
            .execute(connection)
            .await?;
    }
    Ok(())
}
