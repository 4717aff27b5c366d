//! Results: a snapshot of the database for [`crate::results::answer`], and ratings counted one by one.

use aftercall_core::{AgentId, QueueId, TenantId};
use jiff::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::postgres::cells::Stamp;
use crate::postgres::encode::column;
use crate::postgres::read::{from, to};
use crate::postgres::{Postgres, sql};
use crate::rating::RatingFilter;
use crate::read::Window;
use crate::results::answer::{
    Snapshot, Statements, Trust, answered, bounded_question, bounded_table, its_statements, verified,
};
use crate::results::{Cell, Group, Question, Results};
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

    pub(crate) async fn tabulate(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        windows: &[Window],
        group: Group,
    ) -> Result<Vec<Cell>, StoreError> {
        bounded_table(filter, windows)?;
        let statement = match (&filter.agent, &filter.queues) {
            (Some(_), _) => sql::TABLE_OF_AGENT,
            (None, Some(_)) => sql::TABLE_OF_QUEUES,
            (None, None) => sql::TABLE_OF_ALL,
        };
        let query = || {
            sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(filter.agent.as_ref().map(AgentId::as_str))
                .bind(filter.queues.as_ref().map(|queues| column(queues, QueueId::as_str)))
                .bind(filter.score.map(|score| i16::from(score.get())))
                .bind(filter.survey.as_ref().map(|survey| survey.as_str()))
                .bind(filter.channel.as_ref().map(|channel| channel.as_str()))
                .bind(filter.language.as_ref().map(|language| language.as_str()))
                .bind(group.word())
                .bind(column::<_, Stamp>(windows, from))
                .bind(column::<_, Stamp>(windows, to))
        };
        Ok(self.one(query, rows::cells).await?.unwrap_or_default())
    }
}
