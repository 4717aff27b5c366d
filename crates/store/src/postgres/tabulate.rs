//! Ratings counted one by one: for questions that no kept figure answers.

use aftercall_core::{AgentId, QueueId, TenantId};
use jiff::Timestamp;
use sqlx::postgres::PgRow;

use crate::error::StoreError;
use crate::postgres::cells::Stamp;
use crate::postgres::encode::column;
use crate::postgres::read::{from, to};
use crate::postgres::{Postgres, sql};
use crate::rating::RatingFilter;
use crate::read::Window;
use crate::results::answer::bounded_table;
use crate::results::{AgentFigures, Cell, Group};
use crate::rows::{self, Decoded};

/// What is asked of the ratings of windows.
struct Table<'a> {
    statement: &'static str,
    tenant: &'a TenantId,
    filter: &'a RatingFilter,
    windows: &'a [Window],
    then: Option<Timestamp>,
    group: Option<Group>,
}

impl Postgres {
    pub(crate) async fn tabulate(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        windows: &[Window],
        group: Group,
    ) -> Result<Vec<Cell>, StoreError> {
        let statement = match (&filter.agent, &filter.queues) {
            (Some(_), _) => sql::TABLE_OF_AGENT,
            (None, Some(_)) => sql::TABLE_OF_QUEUES,
            (None, None) => sql::TABLE_OF_ALL,
        };
        self.table(Table { statement, tenant, filter, windows, then: None, group: Some(group) }, rows::cells)
            .await
    }

    pub(crate) async fn tabulate_then(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        windows: &[Window],
        group: Group,
        then: Timestamp,
    ) -> Result<Vec<Cell>, StoreError> {
        let (statement, then, group) = (sql::TABLE_THEN, Some(then), Some(group));
        self.table(Table { statement, tenant, filter, windows, then, group }, rows::cells).await
    }

    pub(crate) async fn agents_then(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        window: &Window,
        then: Timestamp,
    ) -> Result<Vec<AgentFigures>, StoreError> {
        let (statement, then, windows) = (sql::AGENTS_THEN, Some(then), std::slice::from_ref(window));
        let asked = Table { statement, tenant, filter, windows, then, group: None };
        self.table(asked, rows::agents).await
    }

    async fn table<T>(
        &self,
        asked: Table<'_>,
        read: fn(&PgRow) -> Decoded<Vec<T>>,
    ) -> Result<Vec<T>, StoreError> {
        let filter = asked.filter;
        bounded_table(filter, asked.windows)?;
        let query = || {
            let statement = asked.statement;
            let query = sqlx::query(statement)
                .bind(asked.tenant.as_str())
                .bind(filter.agent.as_ref().map(AgentId::as_str))
                .bind(filter.queues.as_ref().map(|queues| column(queues, QueueId::as_str)))
                .bind(filter.score.map(|score| i16::from(score.get())))
                .bind(filter.survey.as_ref().map(|survey| survey.as_str()))
                .bind(filter.channel.as_ref().map(|channel| channel.as_str()))
                .bind(filter.language.as_ref().map(|language| language.as_str()))
                .bind(column::<_, Stamp>(asked.windows, from))
                .bind(column::<_, Stamp>(asked.windows, to));
            let then = asked.then.map(Stamp::from);
            let query = then.into_iter().fold(query, |query, then| query.bind(then));
            asked.group.into_iter().fold(query, |query, group| query.bind(group.word()))
        };
        Ok(self.one(query, read).await?.unwrap_or_default())
    }
}
