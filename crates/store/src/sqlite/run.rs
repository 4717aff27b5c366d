//! Reports on their way.

use aftercall_core::TenantId;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::rows;
use crate::run::{KeptRun, RUNS_MAX, Run, RunOutcome};
use crate::sqlite::{Sqlite, sql};
use crate::stamp::text;

impl Sqlite {
    pub(crate) async fn claim_run(
        &self,
        run: &Run,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<u32>, StoreError> {
        let claimed = async {
            let mut transaction = self.begin().await?;
            let query = sqlx::query(sql::CLAIM_RUN)
                .bind(run.tenant.as_str())
                .bind(&run.report)
                .bind(&run.period)
                .bind(run.way.word())
                .bind(text(now))
                .bind(text(until));
            let row = query.fetch_optional(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(row.as_ref().map(rows::attempts).transpose()?)
        };
        self.told(claimed.await)
    }

    pub(crate) async fn settle_run(
        &self,
        run: &Run,
        attempt: u32,
        outcome: &RunOutcome,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (progress, not_before, error) = outcome.columns(at);
        let settled = async {
            let mut transaction = self.begin().await?;
            let query = sqlx::query(sql::SETTLE_RUN)
                .bind(run.tenant.as_str())
                .bind(&run.report)
                .bind(&run.period)
                .bind(run.way.word())
                .bind(attempt)
                .bind(progress.word())
                .bind(text(at))
                .bind(text(not_before))
                .bind(error);
            let changed = query.execute(&mut *transaction).await?.rows_affected() > 0;
            transaction.commit().await?;
            Ok(changed)
        };
        self.told(settled.await)
    }

    pub(crate) async fn runs(
        &self,
        tenant: &TenantId,
        report: &str,
        limit: u16,
    ) -> Result<Vec<KeptRun>, StoreError> {
        let found = async {
            let limit = limit.min(RUNS_MAX);
            let query = sqlx::query(sql::RUNS).bind(tenant.as_str()).bind(report).bind(limit);
            let rows = query.fetch_all(&self.readers).await?;
            Ok(rows.iter().map(rows::kept_run).collect::<Result<Vec<_>, _>>()?)
        };
        self.told(found.await)
    }
}
