//! Ratings counted one by one: for questions that no kept figure answers.

use aftercall_core::{AgentId, TenantId};

use crate::error::StoreError;
use crate::rating::RatingFilter;
use crate::read::Window;
use crate::results::answer::bounded_table;
use crate::results::{Cell, Group};
use crate::rows;
use crate::sqlite::read::{NEVER, bound};
use crate::sqlite::{Sqlite, sql};

impl Sqlite {
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
        let windows: Vec<[String; 2]> =
            windows.iter().map(|window| [bound(window.from, ""), bound(window.to, NEVER)]).collect();
        let cells = async {
            let query = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(filter.agent.as_ref().map(AgentId::as_str))
                .bind(filter.queues.as_ref().map(serde_json::to_string).transpose()?)
                .bind(filter.score.map(|score| score.get()))
                .bind(filter.survey.as_ref().map(|survey| survey.as_str()))
                .bind(filter.channel.as_ref().map(|channel| channel.as_str()))
                .bind(filter.language.as_ref().map(|language| language.as_str()))
                .bind(group.word())
                .bind(serde_json::to_string(&windows)?);
            let row = query.fetch_one(&self.readers).await?;
            Ok(rows::cells(&row)?)
        };
        self.told(cells.await)
    }
}
