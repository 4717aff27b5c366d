//! Where scores go, and which periods are unusual.

use std::collections::BTreeMap;

use aftercall_core::stats::{self, ChartRule, Tally, Verdict};
use aftercall_store::{Group, Store};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{About, AboutQuery, Period, PeriodQuery, Slot, Subject};
use super::table::{Column, Format, answer};
use crate::alerts::BASELINE_DAYS;
use crate::api::Api;
use crate::api::access::Who;
use crate::api::filter::FilterQuery;
use crate::api::problem::{Kind, Problem};
use crate::api::read::Query;
use crate::api::view::Direction;
use crate::fields::parsed;

/// Where the mean score goes.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendReport {
    /// How long a period is.
    pub period: &'static str,
    /// Whose days these are.
    pub time_zone: String,
    /// Where they go.
    #[serde(flatten)]
    pub direction: Direction,
    /// The periods.
    pub rows: Vec<TrendRow>,
}

/// A period.
#[derive(Debug, Serialize, ToSchema)]
pub struct TrendRow {
    /// Its first day.
    #[schema(format = Date, example = "2026-11-01")]
    pub date: String,
    /// Whether only a part of it counts.
    pub partial: bool,
    /// How many ratings.
    pub rating_count: u64,
    /// Their mean.
    pub average_score: Option<f64>,
    /// The share of scores 4 and 5, in percent.
    pub csat_percent: Option<f64>,
    /// The straight line through it (least squares, weighted by the number of ratings).
    pub line: Option<f64>,
}

const TREND_COLUMNS: [Column; 6] = [
    ("date", "/date"),
    ("partial", "/partial"),
    ("rating_count", "/rating_count"),
    ("average_score", "/average_score"),
    ("csat_percent", "/csat_percent"),
    ("line", "/line"),
];

/// Where the mean score goes.
#[utoipa::path(
    get, path = "/cc/reports/csat/trend", tag = "reports", operation_id = "reportTrend",
    params(FilterQuery, AboutQuery, PeriodQuery),
    responses(
        (status = 200, description = "The report", content((TrendReport = "application/json"), (String = "text/csv"))),
        (status = 304, description = "It is what the client has already (`If-None-Match`)"),
    ),
)]
pub async fn trend(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let (about, period) = query.read(|fields| {
        let (about, period) = (About::read(fields), Period::read(fields));
        Some((about?, period?))
    })?;
    let (format, period) = (Format::of(about.format, &headers), period.unwrap_or(Period::Day));
    let subject = about.of(&api, &who).await?;
    answer(format, &headers, &trend_of(&subject, api.store(), period).await?, &TREND_COLUMNS)
}

/// The report.
///
/// # Errors
/// When it would take too long, or the store fails.
pub async fn trend_of(subject: &Subject, store: &Store, period: Period) -> Result<TrendReport, Problem> {
    let (slots, tallies) = periods(subject, store, period).await?;
    let found = stats::trend(&tallies).map_err(|why| Problem::new(Kind::Unreadable, why.to_string()))?;
    let line = |place: usize| found.map(|trend| trend.line.intercept + trend.line.slope * place as f64);
    let rows = slots.iter().zip(&tallies).enumerate().map(|(place, (slot, tally))| TrendRow {
        date: slot.bucket.date.to_string(),
        partial: slot.partial,
        rating_count: tally.count(),
        average_score: tally.mean(),
        csat_percent: tally.csat_percent(),
        line: line(place),
    });
    Ok(TrendReport {
        period: period.word(),
        time_zone: subject.zone.name().to_owned(),
        direction: Direction::of(found.as_ref(), &tallies, period.grain(subject.tenant.week_start)),
        rows: rows.collect(),
    })
}

/// The periods of a report and their ratings.
async fn periods(
    subject: &Subject,
    store: &Store,
    period: Period,
) -> Result<(Vec<Slot>, Vec<Tally>), Problem> {
    let slots = subject.slots(period)?;
    let windows: Vec<_> = slots.iter().map(|slot| slot.window).collect();
    let counts = subject.counts(store, &windows, Group::Nothing).await?;
    let tallies = (0..slots.len()).map(|place| counts.get(&(None, place)).copied().unwrap_or_default());
    let tallies = tallies.collect();
    Ok((slots, tallies))
}

/// The baseline.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented")]
pub struct BaselineQuery {
    /// How many of the first periods with ratings say what is usual. Default: 20.
    #[param(minimum = 2, maximum = 3660)]
    pub baseline: Option<usize>,
}

/// Which periods are unusual.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertReport {
    /// How long a period is.
    pub period: &'static str,
    /// Whose days these are.
    pub time_zone: String,
    /// How many of the first periods with ratings say what is usual.
    pub baseline: usize,
    /// In words.
    pub verdict: String,
    /// The usual mean; null where there is no baseline.
    pub mean_centre: Option<f64>,
    /// Its limits (XmR): low, high.
    pub mean_limits: Option<[f64; 2]>,
    /// The usual share of scores 4 and 5, in percent.
    pub csat_centre: Option<f64>,
    /// The first period by which many small steps up have added up (CUSUM).
    pub shift_up: Option<String>,
    /// The first period by which many small steps down have.
    pub shift_down: Option<String>,
    /// The periods.
    pub rows: Vec<AlertRow>,
}

/// A period.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertRow {
    /// Its first day.
    #[schema(format = Date, example = "2026-11-01")]
    pub date: String,
    /// Whether only a part of it counts.
    pub partial: bool,
    /// How many ratings.
    pub rating_count: u64,
    /// Their mean.
    pub average_score: Option<f64>,
    /// Whether that is beyond the limits.
    pub mean_is_unusual: bool,
    /// The share of scores 4 and 5, in percent.
    pub csat_percent: Option<f64>,
    /// Its limits for so many ratings (Laney p'), in percent: low, high.
    pub csat_limits: Option<[f64; 2]>,
    /// Whether it is beyond them.
    pub csat_is_unusual: bool,
}

const ALERT_COLUMNS: [Column; 9] = [
    ("date", "/date"),
    ("partial", "/partial"),
    ("rating_count", "/rating_count"),
    ("average_score", "/average_score"),
    ("mean_is_unusual", "/mean_is_unusual"),
    ("csat_percent", "/csat_percent"),
    ("csat_low", "/csat_limits/0"),
    ("csat_high", "/csat_limits/1"),
    ("csat_is_unusual", "/csat_is_unusual"),
];

/// Which periods are unusual, measured by the first ones.
///
/// A period that is unusual is one to look at; of those that only chance moves about one in 370 is, too.
#[utoipa::path(
    get, path = "/cc/reports/csat/alerts", tag = "reports", operation_id = "reportAlerts",
    params(FilterQuery, AboutQuery, PeriodQuery, BaselineQuery),
    responses(
        (status = 200, description = "The report", content((AlertReport = "application/json"), (String = "text/csv"))),
        (status = 304, description = "It is what the client has already (`If-None-Match`)"),
    ),
)]
pub async fn alerts(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let (about, period, baseline) = query.read(|fields| {
        let (about, period) = (About::read(fields), Period::read(fields));
        let baseline = fields.optional("baseline", |value| {
            let number = parsed::<usize>(value).ok().filter(|number| (2..=3_660).contains(number));
            number.ok_or_else(|| "must be a whole number from 2 to 3660".to_owned())
        });
        Some((about?, period?, baseline?))
    })?;
    let (format, period) = (Format::of(about.format, &headers), period.unwrap_or(Period::Day));
    let baseline = baseline.unwrap_or(BASELINE_DAYS);
    let subject = about.of(&api, &who).await?;
    answer(format, &headers, &alerts_of(&subject, api.store(), period, baseline).await?, &ALERT_COLUMNS)
}

/// The report.
///
/// # Errors
/// When it would take too long, or the store fails.
pub async fn alerts_of(
    subject: &Subject,
    store: &Store,
    period: Period,
    baseline: usize,
) -> Result<AlertReport, Problem> {
    let (slots, tallies) = periods(subject, store, period).await?;
    let charts = stats::charts(&tallies, baseline);
    let (mean, csat) = (charts.mean.as_ref(), charts.csat.as_ref());
    let limits: BTreeMap<usize, [f64; 2]> = csat
        .iter()
        .flat_map(|chart| &chart.limits)
        .map(|(place, limits)| (*place, (*limits).into()))
        .collect();
    let is_unusual = |place: usize, rule| charts.unusual(place).iter().any(|unusual| unusual.rule == rule);
    let date = |place: usize| slots.get(place).map(|slot| slot.bucket.date.to_string());
    let rows = slots.iter().zip(&tallies).enumerate().map(|(place, (slot, tally))| AlertRow {
        date: slot.bucket.date.to_string(),
        partial: slot.partial,
        rating_count: tally.count(),
        average_score: tally.mean(),
        mean_is_unusual: is_unusual(place, ChartRule::Mean),
        csat_percent: tally.csat_percent(),
        csat_limits: limits.get(&place).copied(),
        csat_is_unusual: is_unusual(place, ChartRule::Csat),
    });
    Ok(AlertReport {
        period: period.word(),
        time_zone: subject.zone.name().to_owned(),
        baseline,
        verdict: Verdict::of_chart(mean).to_string(),
        mean_centre: mean.map(|chart| chart.centre),
        mean_limits: mean.map(|chart| chart.limits.into()),
        csat_centre: csat.map(|chart| chart.centre),
        shift_up: mean.and_then(|chart| chart.shift_up).and_then(date),
        shift_down: mean.and_then(|chart| chart.shift_down).and_then(date),
        rows: rows.collect(),
    })
}
