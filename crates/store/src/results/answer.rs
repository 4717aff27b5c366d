//! Each answer is read in one snapshot, from what is counted already and from the ratings; whichever database it is.

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::stats::Tally;
use aftercall_core::{QueueId, TenantId};
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::StoreError;
use crate::fault::Fault;
use crate::rating::RatingFilter;
use crate::read::{QUEUES_MAX, Window, bounded};
use crate::results::plan::{Grain, Kept, Part, Plan};
use crate::results::{
    AgentFigures, By, Counted, Days, Figures, Funnel, PERIODS_MAX, Period, Question, Queues, RAW_PARTS_MAX,
    Results, month,
};
use crate::rows::{self, Cells, Damage};
use crate::sql;
use crate::stamp::text;
use crate::tenant::Zone;

/// Sorts behind every day and month.
const LAST: &str = "~";

/// A row of figures: its group, the counts of scores, the counts of the funnel.
type Sums = (usize, [u64; 5], [u64; 9]);

/// A row of an agent: queue, agent, the counts of scores.
type AgentRow = (String, String, u64, u64, u64, u64, u64);

/// A database at one moment.
pub(crate) trait Snapshot: Send {
    /// A row of it.
    type Row: Cells;
    /// The statements that each database has its own words for.
    const ASK: Statements;
    /// What comes before and behind every moment.
    const OPEN: [&'static str; 2];

    /// What a statement about a tenant finds, these texts bound behind the tenant.
    fn rows(
        &mut self,
        statement: &'static str,
        tenant: &TenantId,
        texts: &[String],
    ) -> impl Future<Output = Result<Vec<Self::Row>, Fault>> + Send;
}

/// Each finds one row with one column `list`, a JSON array.
pub(crate) struct Statements {
    pub(crate) marked: &'static str,
    pub(crate) months_kept: &'static str,
    pub(crate) sum_of_months: &'static str,
    pub(crate) sum_of_days: &'static str,
    pub(crate) raw_figures: &'static str,
    pub(crate) agents_of_months: &'static str,
    pub(crate) agents_of_ratings: &'static str,
}

/// Fills [`Statements`] from a database's own file of them.
macro_rules! its_statements {
    () => {
        crate::results::answer::Statements {
            marked: sql::MARKED,
            months_kept: sql::MONTHS_KEPT,
            sum_of_months: sql::SUM_OF_MONTHS,
            sum_of_days: sql::SUM_OF_DAYS,
            raw_figures: sql::RAW_FIGURES,
            agents_of_months: sql::AGENTS_OF_MONTHS,
            agents_of_ratings: sql::AGENTS_OF_RATINGS,
        }
    };
}
pub(crate) use its_statements;

/// Refuses a question that is too long.
pub(crate) fn bounded_question(question: &Question) -> Result<(), StoreError> {
    bounded("periods", question.windows.len(), PERIODS_MAX)?;
    match &question.queues {
        Queues::Only(queues) => bounded("queues", queues.len(), QUEUES_MAX),
        Queues::All => Ok(()),
    }
}

/// Refuses a table that is too large.
pub(crate) fn bounded_table(filter: &RatingFilter, windows: &[Window]) -> Result<(), StoreError> {
    bounded("periods", windows.len(), PERIODS_MAX)?;
    bounded("queues", filter.queues.as_ref().map_or(0, Vec::len), QUEUES_MAX)
}

/// The same question answered from what is kept, and by counting everything.
pub(crate) async fn verified<S: Snapshot>(
    snapshot: &mut S,
    tenant: &TenantId,
    question: &Question,
) -> Result<[Results; 2], Fault> {
    let kept = answered(snapshot, tenant, question, Trust::Kept).await?;
    Ok([kept, answered(snapshot, tenant, question, Trust::Nothing).await?])
}

/// Whether what is kept may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Kept,
    Nothing,
}

pub(crate) async fn answered<S: Snapshot>(
    snapshot: &mut S,
    tenant: &TenantId,
    question: &Question,
    trust: Trust,
) -> Result<Results, Fault> {
    let Some(zone) = zone(snapshot, tenant).await? else { return Ok(Results::default()) };
    let queues = named(snapshot, tenant, &question.queues, trust).await?;
    let period = |window| Period::of(window, &zone);
    let (periods, of_agents): (Vec<_>, Vec<_>) =
        (question.windows.iter().map(period).collect(), question.agents.iter().map(period).collect());
    let all: Vec<&Period> = periods.iter().chain(&of_agents).collect();
    let (kept, grain) = match trust {
        Trust::Kept => (kept(snapshot, tenant, &queues, &all).await?, Grain::Days),
        // Of months alone, and there are none.
        Trust::Nothing => (Kept::default(), Grain::Months),
    };
    let plan = Plan::new(&queues, &periods, &kept, &zone, grain);
    let agents = Plan::new(&queues, &of_agents, &kept, &zone, Grain::Months);
    bounded("stretches that no whole day covers", plan.raw.len() + agents.raw.len(), RAW_PARTS_MAX)
        .map_err(Fault::Told)?;
    Ok(Results {
        figures: figures(snapshot, tenant, &plan, Groups::new(&queues, question.by)).await?,
        agents: agents_of(snapshot, tenant, &agents).await?,
    })
}

/// What the parts of a plan add up to.
async fn figures<S: Snapshot>(
    snapshot: &mut S,
    tenant: &TenantId,
    plan: &Plan,
    mut sums: Groups<'_>,
) -> Result<Vec<Counted>, Fault> {
    let of_months = sums.list(&plan.months, |(first, last)| [month(*first), month(*last)]);
    let of_days = sums.list(&plan.days, |days| [first_of(days), last_of(days)]);
    for (statement, list) in [(S::ASK.sum_of_months, of_months), (S::ASK.sum_of_days, of_days)] {
        let rows: Vec<Sums> = ask(snapshot, statement, tenant, &list).await?;
        sums.add(rows)?;
    }
    let ranges: Vec<_> = plan.raw.iter().map(range::<S>).collect();
    let rows: Vec<Sums> = ask(snapshot, S::ASK.raw_figures, tenant, &ranges).await?;
    let groups: Vec<usize> = plan.raw.iter().map(|part| sums.group(part)).collect();
    let grouped = rows.into_iter().map(|(place, n, o)| Ok((*groups.get(place).ok_or(Damage("key"))?, n, o)));
    sums.add(grouped.collect::<Result<_, Damage>>()?)?;
    sums.told()
}

async fn agents_of<S: Snapshot>(
    snapshot: &mut S,
    tenant: &TenantId,
    plan: &Plan,
) -> Result<Vec<AgentFigures>, Fault> {
    let months: Vec<_> =
        plan.months.iter().map(|p| (&p.queue, month(p.stretch.0), month(p.stretch.1))).collect();
    let ranges: Vec<_> = plan.raw.iter().map(range::<S>).collect();
    let mut rows: Vec<AgentRow> = ask(snapshot, S::ASK.agents_of_months, tenant, &months).await?;
    rows.extend(ask::<_, _, AgentRow>(snapshot, S::ASK.agents_of_ratings, tenant, &ranges).await?);
    let mut agents: BTreeMap<(String, String), Tally> = BTreeMap::new();
    for (queue, agent, n1, n2, n3, n4, n5) in rows {
        let tally = Tally::new([n1, n2, n3, n4, n5]).map_err(|_| Damage("score"))?;
        let sum = agents.entry((queue, agent)).or_default();
        *sum = sum.merge(&tally).map_err(|_| Damage("score"))?;
    }
    let told = agents.into_iter().filter(|(_, tally)| tally.count() > 0).map(|((queue, agent), tally)| {
        let agent = agent.parse().map_err(|_| Damage("agent_id"))?;
        Ok(AgentFigures { queue: rows::named(&queue)?, agent, tally })
    });
    Ok(told.collect::<Result<Vec<_>, Damage>>()?)
}

/// The zone by which a tenant's days are counted.
pub(crate) async fn zone<S: Snapshot>(connection: &mut S, tenant: &TenantId) -> Result<Option<Zone>, Fault> {
    let rows = connection.rows(sql::TENANT, tenant, &[]).await?;
    Ok(rows.first().map(rows::zone).transpose()?)
}

/// The queues by their names in the tables, `""` for none.
async fn named<S: Snapshot>(
    snapshot: &mut S,
    tenant: &TenantId,
    queues: &Queues,
    trust: Trust,
) -> Result<Vec<String>, Fault> {
    match queues {
        Queues::Only(queues) => {
            Ok(queues.iter().map(QueueId::to_string).collect::<BTreeSet<_>>().into_iter().collect())
        }
        Queues::All => {
            let statement = match trust {
                Trust::Kept => sql::QUEUES_OF_TENANT,
                Trust::Nothing => sql::QUEUES_OF_RATINGS,
            };
            let rows = snapshot.rows(statement, tenant, &[]).await?;
            Ok(Vec::from_iter(rows.iter().map(rows::queue).collect::<Result<BTreeSet<_>, _>>()?))
        }
    }
}

/// What is counted already of these queues and periods.
async fn kept<S: Snapshot>(
    snapshot: &mut S,
    tenant: &TenantId,
    queues: &[String],
    periods: &[&Period],
) -> Result<Kept, Fault> {
    let days: Vec<_> = periods.iter().filter_map(|period| period.days).collect();
    if days.is_empty() {
        return Ok(Kept::default());
    }
    let first = days.iter().map(first_of).min().unwrap_or_default();
    let last = days.iter().map(last_of).max().unwrap_or_default();
    // A marked day spoils its whole month, also where that only begins or ends here.
    let (first_month, last_month) =
        (first.get(..7).unwrap_or_default(), format!("{}{LAST}", last.get(..7).unwrap_or(LAST)));
    let queues = serde_json::to_string(queues)?;
    let asked = [queues, first_month.to_owned(), last_month];
    let mut kept = Kept::default();
    for (queue, day) in listed::<_, (String, Date)>(snapshot, S::ASK.marked, tenant, &asked).await? {
        kept.marked.entry(queue).or_default().insert(day);
    }
    for (queue, month) in listed::<_, (String, String)>(snapshot, S::ASK.months_kept, tenant, &asked).await? {
        let first: Date = format!("{month}-01").parse().map_err(|_| Damage("local_month"))?;
        kept.months.entry(queue).or_default().insert(first);
    }
    Ok(kept)
}

fn first_of(days: &Days) -> String {
    days.first.map_or_else(String::new, |date| date.to_string())
}

fn last_of(days: &Days) -> String {
    days.last.map_or_else(|| LAST.to_owned(), |date| date.to_string())
}

/// Asks for what a list of stretches comes to. Nothing is asked about nothing.
async fn ask<S: Snapshot, T: Serialize + Sync, R: DeserializeOwned>(
    snapshot: &mut S,
    statement: &'static str,
    tenant: &TenantId,
    list: &[T],
) -> Result<Vec<R>, Fault> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    listed(snapshot, statement, tenant, &[serde_json::to_string(list)?]).await
}

/// The list that a statement finds, one JSON array in one row.
async fn listed<S: Snapshot, R: DeserializeOwned>(
    snapshot: &mut S,
    statement: &'static str,
    tenant: &TenantId,
    asked: &[String],
) -> Result<Vec<R>, Fault> {
    let rows = snapshot.rows(statement, tenant, asked).await?;
    Ok(rows::list(rows.first().ok_or(Damage("list"))?, "list")?)
}

/// Figures as they add up, by period and, where asked, by queue.
struct Groups<'a> {
    queues: &'a [String],
    by: By,
    sums: BTreeMap<usize, Figures>,
}

impl<'a> Groups<'a> {
    fn new(queues: &'a [String], by: By) -> Self {
        Self { queues, by, sums: BTreeMap::new() }
    }

    /// The number of a part's group.
    fn group<T>(&self, part: &Part<T>) -> usize {
        let queue = match self.by {
            By::Nothing => 0,
            By::Queue => self.queues.binary_search(&part.queue).unwrap_or_default(),
        };
        queue * PERIODS_MAX + part.period
    }

    fn list<T>(
        &self,
        parts: &[Part<T>],
        ends: impl Fn(&T) -> [String; 2],
    ) -> Vec<(String, String, String, usize)> {
        let row = |part: &Part<T>| {
            let [first, last] = ends(&part.stretch);
            (part.queue.clone(), first, last, self.group(part))
        };
        parts.iter().map(row).collect()
    }

    fn add(&mut self, rows: Vec<Sums>) -> Result<(), Fault> {
        for (group, scores, states) in rows {
            let tally = Tally::new(scores).map_err(|_| Damage("score"))?;
            let sum = self.sums.entry(group).or_default();
            *sum = sum.merge(&Figures { tally, funnel: Funnel::of(states) }).map_err(|_| Damage("score"))?;
        }
        Ok(())
    }

    fn told(self) -> Result<Vec<Counted>, Fault> {
        let told = self.sums.into_iter().filter(|(_, figures)| *figures != Figures::default());
        let told = told.map(|(group, figures)| {
            let queue = self.queues.get(group / PERIODS_MAX).filter(|_| self.by == By::Queue);
            let queue = queue.map(|queue| rows::named(queue)).transpose()?;
            Ok(Counted { queue, period: group % PERIODS_MAX, figures })
        });
        told.collect::<Result<_, Damage>>().map_err(Fault::from)
    }
}

/// A stretch of ratings: the queue, null for none, and its first instants.
fn range<S: Snapshot>(part: &Part<Window>) -> (Option<&str>, String, String) {
    let queue = Some(part.queue.as_str()).filter(|queue| !queue.is_empty());
    let bound = |at: Option<jiff::Timestamp>, open: &str| at.map_or_else(|| open.to_owned(), text);
    let [before_all, behind_all] = S::OPEN;
    (queue, bound(part.stretch.from, before_all), bound(part.stretch.to, behind_all))
}
