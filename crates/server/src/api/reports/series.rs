//! Ratings by period and group, their distribution, and the funnel.

use std::collections::BTreeSet;

use aftercall_core::stats::{self, Level, Stage, Tally};
use aftercall_store::{By, Figures, Group, Store};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{About, AboutQuery, Period, PeriodQuery, Slot, Subject};
use super::table::{Column, Format, answer};
use crate::api::access::Who;
use crate::api::filter::FilterQuery;
use crate::api::problem::{Kind, Problem};
use crate::api::read::Query;
use crate::api::view::{Summary, instant};
use crate::api::{Api, forbidden};
use crate::fields::{Fields, parsed, text};

/// The most lines on a page.
pub const LIMIT_MAX: usize = 10_000;

/// Lines on a page, unless the request says otherwise.
const LIMIT_DEFAULT: usize = 1_000;

/// How lines are grouped, and paged.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `Lines`")]
pub struct GroupQuery {
    /// What has a line of its own in each period. Default: none, one line a period.
    #[param(pattern = "^(none|queue|agent|survey|channel)$")]
    pub group_by: Option<String>,
    /// Where an earlier page ended: its `next_cursor`.
    #[param(max_length = 512)]
    pub cursor: Option<String>,
    /// How many lines at most.
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<usize>,
}

/// Ratings by period and group.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesReport {
    /// How long a period is.
    pub period: &'static str,
    /// What has a line of its own.
    pub group_by: &'static str,
    /// Whose days these are.
    pub time_zone: String,
    /// The lines, by period and group; every period has one where nothing is grouped.
    pub rows: Vec<SeriesRow>,
    /// Where the next page begins (`cursor=…`); null on the last one.
    pub next_cursor: Option<String>,
}

/// A line.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesRow {
    /// The period's first day; of an hour its day.
    #[schema(format = Date, example = "2026-11-01")]
    pub date: String,
    /// Its first instant.
    #[schema(format = DateTime)]
    pub start: String,
    /// The first instant behind it.
    #[schema(format = DateTime)]
    pub end: String,
    /// Whether only a part of it counts: it is not over, or `from` or `to` cuts it.
    pub partial: bool,
    /// The group's name; null without groups, and for ratings that name none.
    pub group: Option<String>,
    /// What its ratings come to.
    #[serde(flatten)]
    pub summary: Summary,
    /// The score in the middle.
    pub median_score: Option<f64>,
    /// The share of scores 1 and 2, in percent.
    pub dsat_percent: Option<f64>,
    /// `csat_percent` minus `dsat_percent`.
    pub net_percent: Option<f64>,
}

pub const SERIES_COLUMNS: [Column; 18] = [
    ("date", "/date"),
    ("start", "/start"),
    ("end", "/end"),
    ("partial", "/partial"),
    ("group", "/group"),
    ("rating_count", "/rating_count"),
    ("average_score", "/average_score"),
    ("median_score", "/median_score"),
    ("score_1", "/distribution/1"),
    ("score_2", "/distribution/2"),
    ("score_3", "/distribution/3"),
    ("score_4", "/distribution/4"),
    ("score_5", "/distribution/5"),
    ("csat_percent", "/csat_percent"),
    ("csat_low", "/csat_interval/0"),
    ("csat_high", "/csat_interval/1"),
    ("dsat_percent", "/dsat_percent"),
    ("net_percent", "/net_percent"),
];

/// Which lines.
pub struct Lines {
    pub group: Group,
    /// Behind this one.
    pub after: Option<(usize, Option<String>)>,
    pub limit: usize,
}

impl Lines {
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let group = fields.optional("group_by", |value| {
            let word = text(value)?;
            let known = Group::ALL.into_iter().find(|group| group.word() == word);
            known.ok_or_else(|| "must be none, queue, agent, survey or channel".to_owned())
        });
        let after = fields.optional("cursor", |value| {
            let text = text(value)?;
            let (place, name) = text.split_once('_').ok_or_else(not_a_cursor)?;
            let named = name.strip_prefix('.').map(str::to_owned);
            Ok((place.parse::<usize>().map_err(|_| not_a_cursor())?, named))
        });
        let limit = fields.optional("limit", |value| {
            let limit = parsed::<usize>(value).ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            limit.ok_or_else(|| format!("must be a whole number from 1 to {LIMIT_MAX}"))
        });
        Some(Self {
            group: group?.unwrap_or(Group::Nothing),
            after: after?,
            limit: limit?.unwrap_or(LIMIT_DEFAULT),
        })
    }
}

fn not_a_cursor() -> String {
    "is not a cursor of this report".to_owned()
}

/// Ratings by period.
///
/// Without `from`: the last 2 days by hour, 30 days, 13 weeks or 12 months. By agent, survey or channel, and with any
/// filter but `queue`, at most 92 days are counted, unless a queue or an agent is named.
#[utoipa::path(
    get, path = "/cc/reports/csat", tag = "reports", operation_id = "reportSeries",
    params(FilterQuery, AboutQuery, PeriodQuery, GroupQuery),
    responses(
        (status = 200, description = "The report", content((SeriesReport = "application/json"), (String = "text/csv"))),
        (status = 304, description = "It is what the client has already (`If-None-Match`)"),
    ),
)]
pub async fn series(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let (about, period, lines) = query.read(|fields| {
        let (about, period, lines) = (About::read(fields), Period::read(fields), Lines::read(fields));
        Some((about?, period?, lines?))
    })?;
    let (format, period) = (Format::of(about.format, &headers), period.unwrap_or(Period::Day));
    let subject = about.of(&api, &who).await?;
    let report = series_of(&subject, api.store(), period, lines).await?;
    answer(format, &headers, &report, &SERIES_COLUMNS)
}

/// The report.
///
/// # Errors
/// When it would take too long, or the store fails.
pub async fn series_of(
    subject: &Subject,
    store: &Store,
    period: Period,
    lines: Lines,
) -> Result<SeriesReport, Problem> {
    let slots = subject.slots(period)?;
    let windows: Vec<_> = slots.iter().map(|slot| slot.window).collect();
    let mut counts = subject.counts(store, &windows, lines.group).await?;
    if lines.group == Group::Nothing {
        for place in 0..slots.len() {
            counts.entry((None, place)).or_default();
        }
    }
    let mut found: Vec<((usize, Option<String>), Tally)> =
        counts.into_iter().map(|((name, place), tally)| ((place, name), tally)).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let begin = lines.after.map_or(0, |after| found.partition_point(|(line, _)| *line <= after));
    let next_cursor =
        found.get(begin + lines.limit).and_then(|_| found.get(begin + lines.limit - 1)).map(|(last, _)| {
            let name = last.1.as_ref().map(|name| format!(".{name}")).unwrap_or_default();
            format!("{}_{name}", last.0)
        });
    let rows = found.into_iter().skip(begin).take(lines.limit);
    Ok(SeriesReport {
        period: period.word(),
        group_by: lines.group.word(),
        time_zone: subject.zone.name().to_owned(),
        rows: rows.filter_map(|((place, name), tally)| Some(row(slots.get(place)?, name, &tally))).collect(),
        next_cursor,
    })
}

fn row(slot: &Slot, group: Option<String>, tally: &Tally) -> SeriesRow {
    SeriesRow {
        date: slot.bucket.date.to_string(),
        start: instant(slot.bucket.span.start),
        end: instant(slot.bucket.span.end),
        partial: slot.partial,
        group,
        summary: Summary::from(tally),
        median_score: tally.median(),
        dsat_percent: tally.dsat_percent(),
        net_percent: tally.net_percent(),
    }
}

/// How often each score was given.
#[derive(Debug, Serialize, ToSchema)]
pub struct DistributionReport {
    /// From when; null: from the first rating on.
    pub from: Option<String>,
    /// Until when; null: until now.
    pub to: Option<String>,
    /// Whose days these are.
    pub time_zone: String,
    /// All of it.
    #[serde(flatten)]
    pub summary: Summary,
    /// The 95 % interval of the average: low, high.
    pub mean_interval: Option<[f64; 2]>,
    /// The standard deviation of the scores.
    pub standard_deviation: Option<f64>,
    /// The score in the middle.
    pub median_score: Option<f64>,
    /// How far to trust it, in words.
    pub verdict: String,
    /// Each score.
    pub rows: Vec<ScoreRow>,
}

/// A score.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScoreRow {
    /// Which.
    pub score: u8,
    /// How many gave it.
    pub rating_count: u64,
    /// Their share, in percent.
    pub percent: Option<f64>,
    /// The 95 % interval of the share, in percent; those of all five scores hold at once (Goodman).
    pub interval: Option<[f64; 2]>,
}

const DISTRIBUTION_COLUMNS: [Column; 5] = [
    ("score", "/score"),
    ("rating_count", "/rating_count"),
    ("percent", "/percent"),
    ("low", "/interval/0"),
    ("high", "/interval/1"),
];

/// How often each score was given.
#[utoipa::path(
    get, path = "/cc/reports/csat/distribution", tag = "reports", operation_id = "reportDistribution",
    params(FilterQuery, AboutQuery),
    responses(
        (status = 200, description = "The report", content((DistributionReport = "application/json"), (String = "text/csv"))),
        (status = 304, description = "It is what the client has already (`If-None-Match`)"),
    ),
)]
pub async fn distribution(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let about = query.read(About::read)?;
    let format = Format::of(about.format, &headers);
    let subject = about.of(&api, &who).await?;
    answer(format, &headers, &distribution_of(&subject, api.store()).await?, &DISTRIBUTION_COLUMNS)
}

/// The report.
///
/// # Errors
/// When it would take too long, or the store fails.
pub async fn distribution_of(subject: &Subject, store: &Store) -> Result<DistributionReport, Problem> {
    let counts = subject.counts(store, &[subject.window], Group::Nothing).await?;
    let tally = counts.get(&(None, 0)).copied().unwrap_or_default();
    let intervals = tally.distribution_intervals(Level::P95);
    let rows =
        (1..).zip(tally.counts()).zip(0..).map(|((score, rating_count), place): ((u8, u64), usize)| {
            ScoreRow {
                score,
                rating_count,
                percent: (tally.count() > 0).then(|| 100.0 * rating_count as f64 / tally.count() as f64),
                interval: intervals.map(|all| all[place].into()),
            }
        });
    let (from, to) = subject.ends();
    Ok(DistributionReport {
        from,
        to,
        time_zone: subject.zone.name().to_owned(),
        summary: Summary::from(&tally),
        mean_interval: tally.mean_interval().map(Into::into),
        standard_deviation: tally.standard_deviation(),
        median_score: tally.median(),
        verdict: stats::Verdict::of_ratings(&tally).to_string(),
        rows: rows.collect(),
    })
}

/// How far calls came.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunnelReport {
    /// How long a period is.
    pub period: &'static str,
    /// What has a line of its own: queue or none.
    pub group_by: &'static str,
    /// Whose days these are.
    pub time_zone: String,
    /// The lines, by period and queue.
    pub rows: Vec<FunnelRow>,
}

/// A line: the calls that became eligible in a period.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunnelRow {
    /// The period's first day.
    #[schema(format = Date, example = "2026-11-01")]
    pub date: String,
    /// Whether only a part of it counts.
    pub partial: bool,
    /// The queue; null without groups, and for calls of no queue.
    pub group: Option<String>,
    /// Calls that might have been asked.
    pub eligible: u64,
    /// Those of them that a rule kept from being asked.
    pub suppressed: u64,
    /// Those to whom the survey was put.
    pub offered: u64,
    /// Those who heard the first question.
    pub started: u64,
    /// Those who answered something.
    pub answered: u64,
    /// Those who answered everything.
    pub completed: u64,
    /// Those who did not want to be asked.
    pub declined: u64,
    /// Those who hung up before an answer.
    pub abandoned: u64,
    /// Those who said nothing.
    pub no_input: u64,
    /// Those whom something failed.
    pub failed: u64,
    /// `started` of `offered`, in percent.
    pub start_rate: Option<f64>,
    /// `answered` of `offered`, in percent: the response rate.
    pub response_rate: Option<f64>,
    /// Its 95 % Wilson interval, in percent: low, high.
    pub response_interval: Option<[f64; 2]>,
    /// `answered` of `eligible`, in percent.
    pub response_rate_of_eligible: Option<f64>,
    /// `completed` of `answered`, in percent.
    pub completion_rate: Option<f64>,
}

const FUNNEL_COLUMNS: [Column; 19] = [
    ("date", "/date"),
    ("partial", "/partial"),
    ("group", "/group"),
    ("eligible", "/eligible"),
    ("suppressed", "/suppressed"),
    ("offered", "/offered"),
    ("started", "/started"),
    ("answered", "/answered"),
    ("completed", "/completed"),
    ("declined", "/declined"),
    ("abandoned", "/abandoned"),
    ("no_input", "/no_input"),
    ("failed", "/failed"),
    ("start_rate", "/start_rate"),
    ("response_rate", "/response_rate"),
    ("response_low", "/response_interval/0"),
    ("response_high", "/response_interval/1"),
    ("response_rate_of_eligible", "/response_rate_of_eligible"),
    ("completion_rate", "/completion_rate"),
];

/// The funnel's grouping.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented")]
pub struct FunnelQuery {
    /// What has a line of its own in each period. Default: none.
    #[param(pattern = "^(none|queue)$")]
    pub group_by: Option<String>,
}

/// How far calls came.
///
/// Calls are counted in the period in which they became eligible. Of the filters only `queue` applies.
#[utoipa::path(
    get, path = "/cc/reports/csat/funnel", tag = "reports", operation_id = "reportFunnel",
    params(FilterQuery, AboutQuery, PeriodQuery, FunnelQuery),
    responses(
        (status = 200, description = "The report", content((FunnelReport = "application/json"), (String = "text/csv"))),
        (status = 304, description = "It is what the client has already (`If-None-Match`)"),
    ),
)]
pub async fn funnel(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let (about, period, by) = query.read(|fields| {
        let (about, period) = (About::read(fields), Period::read(fields));
        let by = fields.optional("group_by", |value| match text(value)?.as_str() {
            "none" => Ok(By::Nothing),
            "queue" => Ok(By::Queue),
            _ => Err("must be none or queue".to_owned()),
        });
        Some((about?, period?, by?))
    })?;
    let (format, period, by) =
        (Format::of(about.format, &headers), period.unwrap_or(Period::Day), by.unwrap_or(By::Nothing));
    if !who.sees_funnels() {
        return Err(forbidden());
    }
    let subject = about.of(&api, &who).await?;
    answer(format, &headers, &funnel_of(&subject, api.store(), period, by).await?, &FUNNEL_COLUMNS)
}

/// The report.
///
/// # Errors
/// When it is restricted by more than queues, or the store fails.
pub async fn funnel_of(
    subject: &Subject,
    store: &Store,
    period: Period,
    by: By,
) -> Result<FunnelReport, Problem> {
    let slots = subject.slots(period)?;
    let windows: Vec<_> = slots.iter().map(|slot| slot.window).collect();
    let figures = subject.funnels(store, &windows, by).await?;
    let groups: BTreeSet<Option<String>> = match by {
        By::Nothing => BTreeSet::from([None]),
        By::Queue => figures.keys().map(|(name, _)| name.clone()).collect(),
    };
    let mut rows = Vec::new();
    for (place, slot) in slots.iter().enumerate() {
        for group in &groups {
            let found = figures.get(&(group.clone(), place)).copied();
            if by == By::Nothing || found.is_some() {
                rows.push(funnel_row(slot, group.clone(), &found.unwrap_or_default())?);
            }
        }
    }
    let group_by = if by == By::Queue { "queue" } else { "none" };
    let time_zone = subject.zone.name().to_owned();
    Ok(FunnelReport { period: period.word(), group_by, time_zone, rows })
}

fn funnel_row(slot: &Slot, group: Option<String>, figures: &Figures) -> Result<FunnelRow, Problem> {
    let of = &figures.funnel;
    // Each stage's own: those who came so far and no further.
    let steps = [
        0,
        of.suppressed,
        of.offered.saturating_sub(of.started),
        of.started.saturating_sub(of.answered),
        of.answered.saturating_sub(of.completed),
        of.completed,
    ];
    let rates = stats::Funnel::new(steps)
        .map_err(|_| Problem::new(Kind::Internal, "more calls than can be counted"))?;
    Ok(FunnelRow {
        date: slot.bucket.date.to_string(),
        partial: slot.partial,
        group,
        eligible: rates.reached(Stage::Eligible),
        suppressed: of.suppressed,
        offered: of.offered,
        started: of.started,
        answered: of.answered,
        completed: of.completed,
        declined: of.declined,
        abandoned: of.abandoned,
        no_input: of.no_input,
        failed: of.failed,
        start_rate: rates.start_rate(),
        response_rate: rates.response_rate(),
        response_interval: rates.response_interval(Level::P95).map(Into::into),
        response_rate_of_eligible: rates.response_rate_of_eligible(),
        completion_rate: rates.completion_rate(),
    })
}
