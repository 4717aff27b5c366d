//! Reports on their way.

use aftercall_core::TenantId;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::postgres::cells::Stamp;
use crate::postgres::{Postgres, sql};
use crate::rows;
use crate::run::{KeptRun, RUNS_MAX, Run, RunOutcome};

impl Postgres {
    pub(crate) async fn claim_run(
        &self,
        run: &Run,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let claimed = || async {
            let query = sqlx::query(sql::CLAIM_RUN)
                .bind(run.tenant.as_str())
                .bind(&run.report)
                .bind(&run.period)
                .bind(run.way.word())
                .bind(Stamp::from(now))
                .bind(Stamp::from(until));
            let row = query.fetch_optional(&self.writers).await?;
            Ok(row.as_ref().map(rows::attempts).transpose()?)
        };
        self.tried(claimed).await
    }

    pub(crate) async fn settle_run(
        &self,
        run: &Run,
        attempt: u32,
        outcome: &RunOutcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (progress, not_before, error) = outcome.columns(at);
        let settled = || async {
            let query = sqlx::query(sql::SETTLE_RUN)
                .bind(run.tenant.as_str())
                .bind(&run.report)
                .bind(&run.period)
                .bind(run.way.word())
                .bind(i64::from(attempt))
                .bind(progress.word())
                .bind(Stamp::from(at))
                .bind(Stamp::from(not_before))
                .bind(error);
            Ok(query.execute(&self.writers).await?.rows_affected() > 0)
        };
        self.tried(settled).await
    }

    pub(crate) async fn runs(
        &self,
        tenant: &TenantId,
        report: &str,
        limit: u16,
    ) -> Result<Vec<KeptRun>, StoreError> {
        let found = || async {
            let limit = i64::from(limit.min(RUNS_MAX));
            let query = sqlx::query(sql::RUNS).bind(tenant.as_str()).bind(report).bind(limit);
            let rows = query.fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::kept_run).collect::<Result<Vec<_>, _>>()?)
        };
        self.tried(found).await
    }
}
