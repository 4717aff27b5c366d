//! Agents, best first, by a method that is named.

use std::collections::BTreeMap;

use aftercall_core::AgentId;
use aftercall_core::stats::{Level, Method, Tally, Verdict, against_rest, ranking_by, standardised};
use aftercall_store::Store;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{About, AboutQuery, Subject};
use super::table::{Column, Format, answer};
use crate::api::Api;
use crate::api::access::Who;
use crate::api::filter::FilterQuery;
use crate::api::problem::{Kind, Problem};
use crate::api::read::Query;
use crate::fields::{Fields, text};

/// By what agents are ranked.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `By`")]
pub struct RankingQuery {
    /// `mean` and `csat` are plain; `wilson` is the lower end of the interval of `csat`; `bayes` adds ten ratings of
    /// everyone to each agent's own, `credibility` (the default) as many as the agents' scatter asks for; `adjusted` is
    /// the mean an agent would have with everyone's mix of queues.
    #[param(pattern = "^(mean|csat|wilson|bayes|credibility|adjusted)$")]
    pub method: Option<String>,
}

/// Agents, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankingReport {
    /// By what they are ranked.
    pub method: &'static str,
    /// From when; null: from the first rating on.
    pub from: Option<String>,
    /// Until when; null: until now.
    pub to: Option<String>,
    /// Whose days these are.
    pub time_zone: String,
    /// The agents with ratings.
    pub rows: Vec<RankingRow>,
}

/// An agent.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankingRow {
    /// 1 is best; equals share a rank, and the next counts them all (1, 2, 2, 4).
    pub rank: usize,
    /// Who.
    pub agent_id: String,
    /// What the rank is by: 1-5, or percent for `csat` and `wilson`.
    pub score: f64,
    /// How many ratings.
    pub rating_count: u64,
    /// Their plain mean.
    pub average_score: Option<f64>,
    /// The 95 % interval of that: low, high.
    pub mean_interval: Option<[f64; 2]>,
    /// The share of scores 4 and 5, in percent.
    pub csat_percent: Option<f64>,
    /// Its 95 % Wilson interval, in percent: low, high.
    pub csat_interval: Option<[f64; 2]>,
    /// How far to trust it, in words.
    pub trust: String,
    /// How the agent stands against all others of this report, in words (Mann-Whitney, with regard to how many agents
    /// are compared).
    pub against_rest: String,
    /// How often chance alone makes as large a difference from the others, with regard to how many are compared.
    pub p_adjusted: Option<f64>,
    /// `adjusted` only: how many rated 4 or 5, over how many would have if each queue rated this agent as it rates all.
    pub observed_to_expected: Option<f64>,
    /// `adjusted` only: queues in which nobody rated the agent. Where there are any the comparison is the weaker.
    pub missing_queues: Option<Vec<String>>,
}

pub const COLUMNS: [Column; 12] = [
    ("rank", "/rank"),
    ("agent_id", "/agent_id"),
    ("score", "/score"),
    ("rating_count", "/rating_count"),
    ("average_score", "/average_score"),
    ("mean_low", "/mean_interval/0"),
    ("mean_high", "/mean_interval/1"),
    ("csat_percent", "/csat_percent"),
    ("csat_low", "/csat_interval/0"),
    ("csat_high", "/csat_interval/1"),
    ("trust", "/trust"),
    ("against_rest", "/against_rest"),
];

/// A method that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Own(Method),
    Adjusted,
}

const WORDS: [(&str, By); 6] = [
    ("mean", By::Own(Method::Mean)),
    ("csat", By::Own(Method::Csat)),
    ("wilson", By::Own(Method::Wilson)),
    ("bayes", By::Own(Method::Bayes)),
    ("credibility", By::Own(Method::Credibility)),
    ("adjusted", By::Adjusted),
];

impl By {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Option<Self>> {
        fields.optional("method", |value| {
            let word = text(value)?;
            let known = WORDS.iter().find(|(name, _)| *name == word);
            known
                .map(|(_, by)| *by)
                .ok_or_else(|| format!("must be one of {}", WORDS.map(|(name, _)| name).join(", ")))
        })
    }

    fn word(self) -> &'static str {
        WORDS.iter().find(|(_, by)| *by == self).map_or("", |(name, _)| name)
    }
}

/// Agents ranked.
#[utoipa::path(
    get, path = "/cc/reports/csat/ranking", tag = "reports", operation_id = "reportRanking",
    params(FilterQuery, AboutQuery, RankingQuery),
    responses(
        (status = 200, description = "The report", content((RankingReport = "application/json"), (String = "text/csv"))),
        (status = 304, description = "It is what the client has already (`If-None-Match`)"),
    ),
)]
pub async fn ranking(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let (about, by) = query.read(|fields| {
        let (about, by) = (About::read(fields), By::read(fields));
        Some((about?, by?))
    })?;
    let by = by.unwrap_or(By::Own(Method::default()));
    let format = Format::of(about.format, &headers);
    let subject = about.of(&api, &who).await?;
    if by == By::Adjusted && !subject.knows_queues() {
        let why = "method=adjusted compares queues: it takes `queue`, `from`, `to` and `tz` only";
        return Err(Problem::new(Kind::Unreadable, why));
    }
    answer(format, &headers, &ranking_of(&subject, api.store(), by).await?, &COLUMNS)
}

/// The report.
///
/// # Errors
/// When it would take too long, or the store fails.
pub async fn ranking_of(subject: &Subject, store: &Store, by: By) -> Result<RankingReport, Problem> {
    let ratings = subject.agents(store, subject.window).await?;
    let mut whole: BTreeMap<AgentId, Tally> = BTreeMap::new();
    for (agent, _, tally) in &ratings {
        let sum = whole.entry(agent.clone()).or_default();
        *sum = sum.merge(tally).map_err(|_| too_many())?;
    }
    let tallies: Vec<Tally> = whole.values().copied().collect();
    let rests: BTreeMap<&AgentId, _> = whole.keys().zip(against_rest(&tallies)).collect();
    let row = |rank, agent: &AgentId, score, tally: &Tally| {
        let rest = rests.get(agent).and_then(Option::as_ref);
        RankingRow {
            rank,
            agent_id: agent.to_string(),
            score,
            rating_count: tally.count(),
            average_score: tally.mean(),
            mean_interval: tally.mean_interval().map(Into::into),
            csat_percent: tally.csat_percent(),
            csat_interval: tally.csat_interval(Level::P95).map(Into::into),
            trust: Verdict::of_ratings(tally).to_string(),
            against_rest: Verdict::of_rest(rest).to_string(),
            p_adjusted: rest.map(|rest| rest.p_adjusted),
            observed_to_expected: None,
            missing_queues: None,
        }
    };
    let rows = match by {
        By::Own(method) => {
            let ranked = ranking_by(method, whole.clone());
            ranked.iter().map(|place| row(place.rank, &place.key, place.score, &place.tally)).collect()
        }
        By::Adjusted => {
            let ranked = standardised(ratings.clone()).map_err(|_| too_many())?;
            let shown = |queue: &Option<_>| queue.as_ref().map(ToString::to_string).unwrap_or_default();
            let adjusted = ranked.iter().map(|place| RankingRow {
                observed_to_expected: place.observed_to_expected,
                missing_queues: Some(place.missing.iter().map(shown).collect()),
                ..row(place.rank, &place.key, place.mean, &place.tally)
            });
            adjusted.collect()
        }
    };
    let (from, to) = subject.ends();
    let time_zone = subject.zone.name().to_owned();
    Ok(RankingReport { method: by.word(), from, to, time_zone, rows })
}

fn too_many() -> Problem {
    Problem::new(Kind::Internal, "more ratings than can be counted")
}
