//! Results: a snapshot of the file for [`crate::results::answer`].

use aftercall_core::TenantId;
use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::results::answer::{
    Snapshot, Statements, Trust, answered, bounded_question, its_statements, verified,
};
use crate::results::{Question, Results};
use crate::rows;
use crate::sqlite::read::NEVER;
use crate::sqlite::{Sqlite, sql};

impl Snapshot for SqliteConnection {
    type Row = SqliteRow;
    const ASK: Statements = its_statements!();
    const OPEN: [&'static str; 2] = ["", NEVER];

    async fn rows(
        &mut self,
        statement: &'static str,
        tenant: &TenantId,
        texts: &[String],
    ) -> Result<Vec<SqliteRow>, Fault> {
        let mut query = sqlx::query(statement).bind(tenant.as_str());
        for text in texts {
            query = query.bind(text.as_str());
        }
        Ok(query.fetch_all(self).await?)
    }
}

impl Sqlite {
    pub(crate) async fn results(
        &self,
        tenant: &TenantId,
        question: &Question,
    ) -> Result<Results, StoreError> {
        bounded_question(question)?;
        let answered =
            async { answered(&mut *self.readers.begin().await?, tenant, question, Trust::Kept).await };
        self.told(answered.await)
    }

    pub(crate) async fn verified(
        &self,
        tenant: &TenantId,
        question: &Question,
    ) -> Result<[Results; 2], StoreError> {
        bounded_question(question)?;
        let verified = async { verified(&mut *self.readers.begin().await?, tenant, question).await };
        self.told(verified.await)
    }

    pub(crate) async fn span(&self, tenant: &TenantId) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let span = async {
            let query = sqlx::query(sql::SPAN).bind(tenant.as_str());
            Ok(rows::span(&query.fetch_one(&self.readers).await?)?)
        };
        self.told(span.await)
    }
}
