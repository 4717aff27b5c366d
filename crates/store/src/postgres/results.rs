//! Results: a snapshot of the database for [`crate::results::answer`], and ratings counted one by one.

use aftercall_core::TenantId;
use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::postgres::{Postgres, sql};
use crate::results::answer::{
    Snapshot, Statements, Trust, answered, bounded_question, its_statements, verified,
};
use crate::results::{Question, Results};
use crate::rows;

impl Snapshot for PgConnection {
    type Row = PgRow;
    const ASK: Statements = its_statements!();
    const OPEN: [&'static str; 2] = ["-infinity", "infinity"];

    async fn rows(
        &mut self,
        statement: &'static str,
        tenant: &TenantId,
        texts: &[String],
    ) -> Result<Vec<PgRow>, Fault> {
        let query = sqlx::query(statement).bind(tenant.as_str());
        let query = texts.iter().fold(query, |query, text| query.bind(text.as_str()));
        Ok(query.fetch_all(self).await?)
    }
}

impl Postgres {
    pub(crate) async fn results(
        &self,
        tenant: &TenantId,
        question: &Question,
    ) -> Result<Results, StoreError> {
        bounded_question(question)?;
        let ask = || async {
            let mut snapshot = self.readers.begin_with(sql::SNAPSHOT).await?;
            answered(&mut *snapshot, tenant, question, Trust::Kept).await
        };
        self.tried(ask).await
    }

    pub(crate) async fn verified(
        &self,
        tenant: &TenantId,
        question: &Question,
    ) -> Result<[Results; 2], StoreError> {
        bounded_question(question)?;
        let ask = || async {
            let mut snapshot = self.readers.begin_with(sql::SNAPSHOT).await?;
            verified(&mut *snapshot, tenant, question).await
        };
        self.tried(ask).await
    }

    pub(crate) async fn span(&self, tenant: &TenantId) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let span = self.one(|| sqlx::query(sql::SPAN).bind(tenant.as_str()), rows::span).await?;
        Ok(span.flatten())
    }
}
