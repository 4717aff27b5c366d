//! Results: each answer read in one snapshot, from what is counted already and from the ratings.

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::stats::Tally;
use aftercall_core::{QueueId, TenantId};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::SqliteConnection;

use crate::error::StoreError;
use crate::read::{QUEUES_MAX, Window, bounded};
use crate::results::plan::{Grain, Kept, Part, Plan};
use crate::results::{
    AgentFigures, By, Counted, Days, Figures, Funnel, PERIODS_MAX, Period, Question, Queues, RAW_PARTS_MAX,
    Results,
};
use crate::rows::{self, Damage};
use crate::sqlite::fault::Fault;
use crate::sqlite::{Sqlite, sql};
use crate::stamp::text;
use crate::tenant::Zone;

/// Sorts behind every day and month.
const LAST: &str = "~";

/// A row of figures: its group, the counts of scores, the counts of the funnel.
type Sums = (usize, [u64; 5], [u64; 9]);

/// A row of an agent: queue, agent, the counts of scores.
type AgentRow = (String, String, u64, u64, u64, u64, u64);

impl Sqlite {
    pub(crate) async fn results(
        &self,
        tenant: &TenantId,
        question: &Question,
    ) -> Result<Results, StoreError> {
        bounded("periods", question.windows.len(), PERIODS_MAX)?;
        if let Queues::Only(queues) = &question.queues {
            bounded("queues", queues.len(), QUEUES_MAX)?;
        }
        let answered =
            async { answered(&mut *self.readers.begin().await?, tenant, question, Trust::Kept).await };
        self.told(answered.await)
    }

    pub(crate) async fn verified(
        &self,
        tenant: &TenantId,
        question: &Question,
    ) -> Result<[Results; 2], StoreError> {
        let verified = async {
            let mut snapshot = self.readers.begin().await?;
            let kept = answered(&mut snapshot, tenant, question, Trust::Kept).await?;
            Ok([kept, answered(&mut snapshot, tenant, question, Trust::Nothing).await?])
        };
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

/// Whether what is kept may be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    Kept,
    Nothing,
}

async fn answered(
    snapshot: &mut SqliteConnection,
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
async fn figures(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    plan: &Plan,
    mut sums: Groups<'_>,
) -> Result<Vec<Counted>, Fault> {
    let of_months = sums.list(&plan.months, |(first, last)| [month(*first), month(*last)]);
    let of_days = sums.list(&plan.days, |days| [first_of(days), last_of(days)]);
    for (statement, list) in [(sql::SUM_OF_MONTHS, of_months), (sql::SUM_OF_DAYS, of_days)] {
        let rows: Vec<Sums> = ask(snapshot, statement, tenant, &list).await?;
        sums.add(rows)?;
    }
    let ranges: Vec<_> = plan.raw.iter().map(range).collect();
    let rows: Vec<Sums> = ask(snapshot, sql::RAW_FIGURES, tenant, &ranges).await?;
    let groups: Vec<usize> = plan.raw.iter().map(|part| sums.group(part)).collect();
    let grouped = rows.into_iter().map(|(place, n, o)| Ok((*groups.get(place).ok_or(Damage("key"))?, n, o)));
    sums.add(grouped.collect::<Result<_, Damage>>()?)?;
    sums.told()
}

async fn agents_of(
    snapshot: &mut SqliteConnection,
    tenant: &TenantId,
    plan: &Plan,
) -> Result<Vec<AgentFigures>, Fault> {
    let months: Vec<_> =
        plan.months.iter().map(|p| (&p.queue, month(p.stretch.0), month(p.stretch.1))).collect();
    let ranges: Vec<_> = plan.raw.iter().map(range).collect();
    let mut rows: Vec<AgentRow> = ask(snapshot, sql::AGENTS_OF_MONTHS, tenant, &months).await?;
    rows.extend(ask::<_, AgentRow>(snapshot, sql::AGENTS_OF_RATINGS, tenant, &ranges).await?);
    let mut agents: BTreeMap<(String, String), Tally> = BTreeMap::new();
    for (queue, agent, n1, n2, n3, n4, n5) in rows {
        let tally = Tally::new([n1, n2, n3, n4, n5]).map_err(|_| Damage("score"))?;
        let sum = agents.entry((queue, agent)).or_default();
        *sum = sum.merge(&tally).map_err(|_| Damage("score"))?;
    }
    let told = agents.into_iter().filter(|(_, tally)| tally.count() > 0).map(|((queue, agent), tally)| {
        let agent = agent.parse().map_err(|_| Damage("agent_id"))?;
        Ok(AgentFigures { queue: queue_of(&queue)?, agent, tally })
    });
    Ok(told.collect::<Result<Vec<_>, Damage>>()?)
}

/// The zone by which a tenant's days are counted.
pub(super) async fn zone(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
) -> Result<Option<Zone>, Fault> {
    let row = sqlx::query(sql::TENANT).bind(tenant.as_str()).fetch_optional(connection).await?;
    Ok(row.as_ref().map(rows::zone).transpose()?)
}

/// The queues by their names in the tables, `""` for none.
async fn named(
    snapshot: &mut SqliteConnection,
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
            let rows = sqlx::query(statement).bind(tenant.as_str()).fetch_all(snapshot).await?;
            Ok(rows.iter().map(rows::queue).collect::<Result<_, _>>()?)
        }
    }
}

/// What is counted already of these queues and periods.
async fn kept(
    snapshot: &mut SqliteConnection,
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
    let mut list = async |statement, first: &str, last: &str| {
        let query = sqlx::query(statement)
            .bind(tenant.as_str())
            .bind(&queues)
            .bind(first.to_owned())
            .bind(last.to_owned());
        query.fetch_one(&mut *snapshot).await
    };
    let mut kept = Kept::default();
    let marked = list(sql::MARKED, first_month, &last_month).await?;
    for (queue, day) in rows::list::<(String, Date)>(&marked, "days")? {
        kept.marked.entry(queue).or_default().insert(day);
    }
    let months = list(sql::MONTHS_KEPT, first_month, &last_month).await?;
    for (queue, month) in rows::list::<(String, String)>(&months, "months")? {
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
async fn ask<T: Serialize, R: DeserializeOwned>(
    snapshot: &mut SqliteConnection,
    statement: &'static str,
    tenant: &TenantId,
    list: &[T],
) -> Result<Vec<R>, Fault> {
    if list.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query(statement).bind(tenant.as_str()).bind(serde_json::to_string(list)?);
    Ok(rows::list(&query.fetch_one(snapshot).await?, "counts")?)
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
            let queue = queue.map(|queue| queue_of(queue)).transpose()?;
            Ok(Counted { queue, period: group % PERIODS_MAX, figures })
        });
        told.collect::<Result<_, Damage>>().map_err(Fault::from)
    }
}

fn queue_of(name: &str) -> Result<Option<QueueId>, Damage> {
    (!name.is_empty()).then(|| name.parse().map_err(|_| Damage("queue_id"))).transpose()
}

/// A stretch of ratings: the queue, null for none, and its first instants.
fn range(part: &Part<Window>) -> (Option<&str>, String, String) {
    let queue = Some(part.queue.as_str()).filter(|queue| !queue.is_empty());
    let bound = |at: Option<jiff::Timestamp>, open: &str| at.map_or_else(|| open.to_owned(), text);
    (queue, bound(part.stretch.from, ""), bound(part.stretch.to, LAST))
}

fn month(first: Date) -> String {
    first.strftime("%Y-%m").to_string()
}
