//! Reports on their way.

use aftercall_core::TenantId;
use jiff::Timestamp;

use crate::delivery::{DELIVERIES_MAX, Delivered, Delivery, Outcome};
use crate::error::StoreError;
use crate::postgres::cells::Stamp;
use crate::postgres::{Postgres, sql};
use crate::rows;

impl Postgres {
    pub(crate) async fn claim(
        &self,
        delivery: &Delivery,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let claimed = || async {
            let query = sqlx::query(sql::CLAIM_DELIVERY)
                .bind(delivery.tenant.as_str())
                .bind(&delivery.report)
                .bind(&delivery.period)
                .bind(delivery.way.word())
                .bind(Stamp::from(now))
                .bind(Stamp::from(until));
            let row = query.fetch_optional(&self.writers).await?;
            Ok(row.as_ref().map(rows::attempts).transpose()?)
        };
        self.tried(claimed).await
    }

    pub(crate) async fn settle(
        &self,
        delivery: &Delivery,
        attempt: u32,
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (progress, not_before, error) = outcome.columns(at);
        let settled = || async {
            let query = sqlx::query(sql::SETTLE_DELIVERY)
                .bind(delivery.tenant.as_str())
                .bind(&delivery.report)
                .bind(&delivery.period)
                .bind(delivery.way.word())
                .bind(i64::from(attempt))
                .bind(progress.word())
                .bind(Stamp::from(at))
                .bind(Stamp::from(not_before))
                .bind(error);
            Ok(query.execute(&self.writers).await?.rows_affected() > 0)
        };
        self.tried(settled).await
    }

    pub(crate) async fn deliveries(
        &self,
        tenant: &TenantId,
        report: &str,
        limit: u16,
    ) -> Result<Vec<Delivered>, StoreError> {
        let found = || async {
            let limit = i64::from(limit.min(DELIVERIES_MAX));
            let query = sqlx::query(sql::DELIVERIES).bind(tenant.as_str()).bind(report).bind(limit);
            let rows = query.fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::delivered).collect::<Result<Vec<_>, _>>()?)
        };
        self.tried(found).await
    }
}
