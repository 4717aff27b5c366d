//! `/cc/csat/agent/{agent_id}` and `/cc/csat/queue/{queue_id}`: what ratings add up to.

use aftercall_core::stats::{self, Grain, Tally, ranking};
use aftercall_core::{AgentId, QueueId, TenantId};
use aftercall_store::{By, Question, Queues, Subject, Tenant, Window};
use axum::extract::State;
use axum::{Extension, Json};
use utoipa::IntoParams;

use super::access::{Ask, Who};
use super::problem::{Kind, Problem};
use super::read::{Id, Query};
use super::view::{AgentResults, Direction, Place, Point, QueueResults, Summary, Trend};
use super::window::{Asked, Counted};
use super::{Api, forbidden};

/// Which ratings count.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `Asked`")]
pub struct ResultsQuery {
    /// The days of the trend; without `from` and `to` everything else covers all time.
    #[param(minimum = 1, maximum = 3660)]
    pub days: Option<u16>,
    /// Only ratings at or after: a date in the tenant's time zone, or an instant (RFC 3339).
    #[param(value_type = Option<super::openapi::DateOrInstant>, inline, example = "2026-11-01")]
    pub from: Option<String>,
    /// Only ratings before this instant, or up to the end of this date.
    #[param(value_type = Option<super::openapi::DateOrInstant>, inline, example = "2026-11-30")]
    pub to: Option<String>,
}

/// An agent's results.
///
/// An agent nobody rated has a count of 0 and no average. Days are those of the tenant's time zone.
#[utoipa::path(
    get, path = "/cc/csat/agent/{agent_id}", tag = "results", operation_id = "readAgentResults",
    params(("agent_id" = String, Path, description = "The agent, percent-encoded"), ResultsQuery),
    responses((status = 200, description = "The results", body = AgentResults)),
)]
pub async fn agent(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Id(agent): Id<AgentId>,
    query: Query,
) -> Result<Json<AgentResults>, Problem> {
    let asked = query.read(Asked::read)?;
    let subject = who.agent(agent.clone()).ok_or_else(forbidden)?;
    let tenant = api.tenant(&who.tenant).await?;
    let counted = asked.counted(&tenant.time_zone, api.clock().now())?;
    let tally = api.store().tally(&who.tenant, &subject, &counted.window).await?;
    let trend = trend(&api, &tenant, &subject, &counted).await?;
    Ok(Json(AgentResults { agent_id: agent.to_string(), summary: Summary::from(&tally), trend }))
}

/// A queue's results, with its agents ranked.
///
/// A queue nobody rated has a count of 0 and no average. Days are those of the tenant's time zone.
#[utoipa::path(
    get, path = "/cc/csat/queue/{queue_id}", tag = "results", operation_id = "readQueueResults",
    params(("queue_id" = String, Path, description = "The queue, percent-encoded"), ResultsQuery),
    responses((status = 200, description = "The results", body = QueueResults)),
)]
pub async fn queue(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    Id(queue): Id<QueueId>,
    query: Query,
) -> Result<Json<QueueResults>, Problem> {
    let asked = query.read(Asked::read)?;
    if !who.may(Ask::Queue(&queue)) {
        return Err(forbidden());
    }
    let tenant = api.tenant(&who.tenant).await?;
    let counted = asked.counted(&tenant.time_zone, api.clock().now())?;
    let spans = counted.days.iter().map(|day| Window { from: Some(day.span.start), to: Some(day.span.end) });
    let question = Question {
        queues: Queues::Only(vec![queue.clone()]),
        windows: std::iter::once(counted.window).chain(spans).collect(),
        by: By::Nothing,
        agents: Some(counted.window),
    };
    let results = api.store().results(&who.tenant, &question).await?;
    let mut tallies = vec![Tally::default(); question.windows.len()];
    for counted in &results.figures {
        tallies[counted.period] = counted.figures.tally;
    }
    let (all, days) = (tallies[0], &tallies[1..]);
    let agents = results.agents.into_iter().map(|of| (of.agent, of.tally));
    let ranking = ranking(agents).into_iter().map(Place::from).collect();
    let trend = points(&tenant, &counted, days)?;
    Ok(Json(QueueResults { queue_id: queue.to_string(), summary: Summary::from(&all), trend, ranking }))
}

async fn trend(api: &Api, tenant: &Tenant, subject: &Subject, counted: &Counted) -> Result<Trend, Problem> {
    let ranges: Vec<_> = counted.days.iter().map(|day| day.span.clone()).collect();
    let tallies = api.store().tallies(&tenant.id, subject, &ranges).await?;
    points(tenant, counted, &tallies)
}

/// A trend of the tallies of its days.
fn points(tenant: &Tenant, counted: &Counted, tallies: &[Tally]) -> Result<Trend, Problem> {
    let found = stats::trend(tallies).map_err(|why| Problem::new(Kind::Unreadable, why.to_string()))?;
    let points: Vec<Point> = counted
        .days
        .iter()
        .zip(tallies)
        .map(|(day, tally)| Point {
            date: day.date.to_string(),
            rating_count: tally.count(),
            average_score: tally.mean(),
            partial: day.partial,
        })
        .collect();
    Ok(Trend {
        days: points.len(),
        time_zone: tenant.time_zone.name().to_owned(),
        direction: Direction::of(found.as_ref(), tallies, Grain::Day),
        points,
    })
}

impl Api {
    /// The tenant of a key.
    pub(super) async fn tenant(&self, id: &TenantId) -> Result<Tenant, Problem> {
        let tenant = self.store().tenant(id).await?;
        tenant.ok_or_else(|| Problem::new(Kind::NotFound, "the tenant of this key is not there any more"))
    }
}
