//! Ratings counted one by one: for questions that no kept figure answers.

use aftercall_core::{AgentId, TenantId};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::rating::RatingFilter;
use crate::read::Window;
use crate::results::answer::bounded_table;
use crate::results::{AgentFigures, Cell, Group};
use crate::rows;
use crate::sqlite::read::{NEVER, bound};
use crate::sqlite::{Sqlite, sql};
use crate::stamp::text;

impl Sqlite {
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
        let row = self.table(statement, tenant, filter, windows, None, Some(group)).await?;
        self.told(rows::cells(&row).map_err(Fault::from))
    }

    pub(crate) async fn tabulate_then(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        windows: &[Window],
        group: Group,
        then: Timestamp,
    ) -> Result<Vec<Cell>, StoreError> {
        let row = self.table(sql::TABLE_THEN, tenant, filter, windows, Some(then), Some(group)).await?;
        self.told(rows::cells(&row).map_err(Fault::from))
    }

    pub(crate) async fn agents_then(
        &self,
        tenant: &TenantId,
        filter: &RatingFilter,
        window: &Window,
        then: Timestamp,
    ) -> Result<Vec<AgentFigures>, StoreError> {
        let windows = std::slice::from_ref(window);
        let row = self.table(sql::AGENTS_THEN, tenant, filter, windows, Some(then), None).await?;
        self.told(rows::agents(&row).map_err(Fault::from))
    }

    /// The one row of a statement that counts the ratings of windows.
    async fn table(
        &self,
        statement: &'static str,
        tenant: &TenantId,
        filter: &RatingFilter,
        windows: &[Window],
        then: Option<Timestamp>,
        group: Option<Group>,
    ) -> Result<SqliteRow, StoreError> {
        bounded_table(filter, windows)?;
        let windows: Vec<[String; 2]> =
            windows.iter().map(|window| [bound(window.from, ""), bound(window.to, NEVER)]).collect();
        let row = async {
            let mut query = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(filter.agent.as_ref().map(AgentId::as_str))
                .bind(filter.queues.as_ref().map(serde_json::to_string).transpose()?)
                .bind(filter.score.map(|score| score.get()))
                .bind(filter.survey.as_ref().map(|survey| survey.as_str()))
                .bind(filter.channel.as_ref().map(|channel| channel.as_str()))
                .bind(filter.language.as_ref().map(|language| language.as_str()))
                .bind(serde_json::to_string(&windows)?);
            if let Some(then) = then {
                query = query.bind(text(then));
            }
            if let Some(group) = group {
                query = query.bind(group.word());
            }
            Ok(query.fetch_one(&self.readers).await?)
        };
        self.told(row.await)
    }
}
