//! From where a report's counts come: from what is counted already where that answers it, else from the ratings.

use std::collections::BTreeMap;

use aftercall_core::stats::Tally;
use aftercall_core::{AgentId, QueueId};
use aftercall_store::{By, Figures, Group, Question, Queues, Store, Window};
use jiff::SignedDuration;

use super::asked::Subject;
use crate::api::problem::{Kind, Problem};

/// Days within which ratings of the whole tenant are counted one by one. Ten million in two years are 1.3 million in
/// these, a second's work.
const COUNTED_DAYS_MAX: i64 = 92;

/// Counts by group (none where everything is together) and period.
pub type Counts = BTreeMap<(Option<String>, usize), Tally>;

impl Subject {
    /// The queues, where nothing but queues restricts the report: then what is counted already answers it.
    fn only_queues(&self) -> Option<Queues> {
        let filter = &self.filter;
        let narrowed = filter.agent.is_some()
            || filter.score.is_some()
            || filter.survey.is_some()
            || filter.channel.is_some()
            || filter.language.is_some();
        let queues = || filter.queues.clone().map_or(Queues::All, Queues::Only);
        (!narrowed).then(queues)
    }

    /// The ratings of each window, by group.
    ///
    /// # Errors
    /// When it would take too long, or the store fails.
    pub async fn counts(&self, store: &Store, windows: &[Window], group: Group) -> Result<Counts, Problem> {
        let by = match group {
            Group::Nothing => Some(By::Nothing),
            Group::Queue => Some(By::Queue),
            Group::Agent | Group::Survey | Group::Channel => None,
        };
        if let (Some(queues), Some(by)) = (self.only_queues(), by) {
            let figures = self.figures(store, queues, windows, by).await?;
            return Ok(figures.into_iter().map(|(key, figures)| (key, figures.tally)).collect());
        }
        self.countable(windows)?;
        let cells = store.tabulate(&self.tenant.id, &self.filter, windows, group).await?;
        Ok(cells.into_iter().map(|cell| ((cell.name, cell.period), cell.tally)).collect())
    }

    /// Ratings and funnel of each window, together or by queue.
    ///
    /// # Errors
    /// When the report is restricted by more than queues, or the store fails.
    pub async fn funnels(
        &self,
        store: &Store,
        windows: &[Window],
        by: By,
    ) -> Result<BTreeMap<(Option<String>, usize), Figures>, Problem> {
        let queues = self.only_queues().ok_or_else(|| {
            Problem::new(
                Kind::Unreadable,
                "a funnel is of queues: it takes `queue`, `from`, `to` and `tz` only",
            )
        })?;
        self.figures(store, queues, windows, by).await
    }

    async fn figures(
        &self,
        store: &Store,
        queues: Queues,
        windows: &[Window],
        by: By,
    ) -> Result<BTreeMap<(Option<String>, usize), Figures>, Problem> {
        let question = Question { queues, windows: windows.to_vec(), by, agents: None };
        let results = store.results(&self.tenant.id, &question).await?;
        let named = |queue: Option<Option<QueueId>>| queue.flatten().map(|queue| queue.to_string());
        Ok(results.figures.into_iter().map(|c| ((named(c.queue), c.period), c.figures)).collect())
    }

    /// Each agent's ratings in each queue within a window; of a report that is restricted by more than queues, in all
    /// of them together.
    ///
    /// # Errors
    /// When it would take too long, or the store fails.
    pub async fn agents(
        &self,
        store: &Store,
        window: Window,
    ) -> Result<Vec<(AgentId, Option<QueueId>, Tally)>, Problem> {
        if let Some(queues) = self.only_queues() {
            let question = Question { queues, windows: Vec::new(), by: By::Nothing, agents: Some(window) };
            let results = store.results(&self.tenant.id, &question).await?;
            return Ok(results.agents.into_iter().map(|of| (of.agent, of.queue, of.tally)).collect());
        }
        self.countable(&[window])?;
        let cells = store.tabulate(&self.tenant.id, &self.filter, &[window], Group::Agent).await?;
        let named = cells.into_iter().filter_map(|cell| Some((cell.name?.parse().ok()?, None, cell.tally)));
        Ok(named.collect())
    }

    /// Whether standardising over queues makes sense: the agents' queues are known.
    pub fn knows_queues(&self) -> bool {
        self.only_queues().is_some()
    }

    fn countable(&self, windows: &[Window]) -> Result<(), Problem> {
        if self.filter.agent.is_some() || self.filter.queues.is_some() {
            return Ok(());
        }
        let from = windows.iter().map(|window| window.from).min().flatten();
        let to = windows.iter().filter_map(|window| window.to).max().unwrap_or(self.now);
        let days = SignedDuration::from_hours(24 * COUNTED_DAYS_MAX);
        if from.is_some_and(|from| from.duration_until(to) <= days) {
            return Ok(());
        }
        Err(Problem::new(
            Kind::Unreadable,
            format!(
                "this is counted rating by rating: name a `queue` or an `agent`, or at most {COUNTED_DAYS_MAX} days by `from` and `to`"
            ),
        ))
    }
}
