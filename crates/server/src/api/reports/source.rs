//! From where a report's counts come: from what is counted already where that answers it, else from the ratings.

use std::collections::BTreeMap;

use aftercall_core::stats::Tally;
use aftercall_core::{AgentId, QueueId};
use aftercall_store::{AgentFigures, By, Cell, Figures, Group, Question, Queues, Store, Window};
use jiff::SignedDuration;

use super::asked::Subject;
use crate::api::problem::{Kind, Problem};

/// Days within which ratings of the whole tenant are counted one by one. Ten million in two years are 1.3 million in
/// these, a second's work.
const COUNTED_DAYS_MAX: i64 = 92;

/// The same of an earlier time, from the log, which is asked for seldom and has to reach back further.
const RECALLED_DAYS_MAX: i64 = 732;

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
        if let Some(then) = self.as_of {
            self.countable(windows)?;
            let cells = store.tabulate_then(&self.tenant.id, &self.filter, windows, group, then).await?;
            return Ok(by_group(cells));
        }
        if let (Some(queues), Some(by)) = (self.only_queues(), by) {
            let figures = self.figures(store, queues, windows, by).await?;
            return Ok(figures.into_iter().map(|(key, figures)| (key, figures.tally)).collect());
        }
        self.countable(windows)?;
        let cells = store.tabulate(&self.tenant.id, &self.filter, windows, group).await?;
        Ok(by_group(cells))
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
        if self.as_of.is_some() {
            let why = "what becomes of a call is known as it is now only: a funnel takes no `as_of`";
            return Err(Problem::new(Kind::Unreadable, why));
        }
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
        let told =
            |all: Vec<AgentFigures>| all.into_iter().map(|of| (of.agent, of.queue, of.tally)).collect();
        if let Some(then) = self.as_of {
            self.countable(&[window])?;
            return Ok(told(store.agents_then(&self.tenant.id, &self.filter, &window, then).await?));
        }
        if let Some(queues) = self.only_queues() {
            let question = Question { queues, windows: Vec::new(), by: By::Nothing, agents: Some(window) };
            return Ok(told(store.results(&self.tenant.id, &question).await?.agents));
        }
        self.countable(&[window])?;
        let cells = store.tabulate(&self.tenant.id, &self.filter, &[window], Group::Agent).await?;
        let named = cells.into_iter().filter_map(|cell| Some((cell.name?.parse().ok()?, None, cell.tally)));
        Ok(named.collect())
    }

    /// Whether standardising over queues makes sense: the agents' queues are known.
    pub fn knows_queues(&self) -> bool {
        self.only_queues().is_some() || self.as_of.is_some()
    }

    fn countable(&self, windows: &[Window]) -> Result<(), Problem> {
        if self.filter.agent.is_some() || self.filter.queues.is_some() {
            return Ok(());
        }
        let from = windows.iter().map(|window| window.from).min().flatten();
        let to = windows.iter().filter_map(|window| window.to).max().unwrap_or(self.now);
        let most = if self.as_of.is_some() { RECALLED_DAYS_MAX } else { COUNTED_DAYS_MAX };
        if from.is_some_and(|from| from.duration_until(to) <= SignedDuration::from_hours(24 * most)) {
            return Ok(());
        }
        Err(Problem::new(
            Kind::Unreadable,
            format!(
                "this is counted rating by rating: name a `queue` or an `agent`, or at most {most} days by `from` and `to`"
            ),
        ))
    }
}

fn by_group(cells: Vec<Cell>) -> Counts {
    cells.into_iter().map(|cell| ((cell.name, cell.period), cell.tally)).collect()
}
