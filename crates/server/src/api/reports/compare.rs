//! A stretch of time against another.

use aftercall_core::stats::{self, Tally, Verdict};
use aftercall_store::{Group, Store, Window};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::asked::{About, AboutQuery, Subject};
use super::table::{Column, Format, answer};
use crate::api::Api;
use crate::api::access::Who;
use crate::api::filter::FilterQuery;
use crate::api::problem::{Kind, Problem};
use crate::api::read::Query;
use crate::api::view::{Summary, instant};
use crate::api::window::{Asked, When};

/// What to compare with.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented")]
pub struct AgainstQuery {
    /// Where what is compared with begins. Default: as many days before `from` as the report has, or as long.
    #[param(value_type = Option<super::super::openapi::DateOrInstant>, inline, example = "2026-10-01")]
    pub against_from: Option<String>,
    /// Where it ends. Default: at `from`.
    #[param(value_type = Option<super::super::openapi::DateOrInstant>, inline, example = "2026-10-31")]
    pub against_to: Option<String>,
}

/// Two stretches of time, and how they differ.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompareReport {
    /// Whose days these are.
    pub time_zone: String,
    /// In words.
    pub verdict: String,
    /// The difference of the shares of scores 4 and 5, in percentage points; null where a side has no ratings.
    pub csat_difference: Option<f64>,
    /// Its 95 % interval (Newcombe): low, high.
    pub csat_difference_interval: Option<[f64; 2]>,
    /// The difference of the means.
    pub mean_difference: Option<f64>,
    /// How often chance alone makes the scores differ as much (Mann-Whitney).
    pub p: Option<f64>,
    /// How often a rating of the first is higher than one of the second, equals counted half: 0.5 is no difference.
    pub superiority: Option<f64>,
    /// The two: what was asked for, and what it is compared with.
    pub rows: [Side; 2],
}

/// One of the two.
#[derive(Debug, Serialize, ToSchema)]
pub struct Side {
    /// Its first instant.
    #[schema(format = DateTime)]
    pub from: String,
    /// The first instant behind it.
    #[schema(format = DateTime)]
    pub to: String,
    /// What its ratings come to.
    #[serde(flatten)]
    pub summary: Summary,
}

const COLUMNS: [Column; 12] = [
    ("from", "/from"),
    ("to", "/to"),
    ("rating_count", "/rating_count"),
    ("average_score", "/average_score"),
    ("score_1", "/distribution/1"),
    ("score_2", "/distribution/2"),
    ("score_3", "/distribution/3"),
    ("score_4", "/distribution/4"),
    ("score_5", "/distribution/5"),
    ("csat_percent", "/csat_percent"),
    ("csat_low", "/csat_interval/0"),
    ("csat_high", "/csat_interval/1"),
];

/// A stretch of time against another.
///
/// Without `from` the last 30 days against the 30 before.
#[utoipa::path(
    get, path = "/cc/reports/csat/compare", tag = "reports", operation_id = "reportComparison",
    params(FilterQuery, AboutQuery, AgainstQuery),
    responses(
        (status = 200, description = "The report", content((CompareReport = "application/json"), (String = "text/csv"))),
        (status = 304, description = "It is what the client has already (`If-None-Match`)"),
    ),
)]
pub async fn compare(
    State(api): State<Api>,
    Extension(who): Extension<Who>,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    let (about, against) = query.read(|fields| {
        let (about, against) = (About::read(fields), Asked::read_named(fields, "against_from", "against_to"));
        Some((about?, against?))
    })?;
    let format = Format::of(about.format, &headers);
    let subject = about.of(&api, &who).await?;
    let windows = sides(&subject, against)?;
    answer(format, &headers, &compare_of(&subject, api.store(), windows).await?, &COLUMNS)
}

/// The report: the first window against the second.
///
/// # Errors
/// When it would take too long, or the store fails.
pub async fn compare_of(
    subject: &Subject,
    store: &Store,
    windows: [Window; 2],
) -> Result<CompareReport, Problem> {
    let counts = subject.counts(store, &windows, Group::Nothing).await?;
    let tally = |place: usize| counts.get(&(None, place)).copied().unwrap_or_default();
    let tallies = [tally(0), tally(1)];
    let found = stats::compare(&tallies[0], &tallies[1]);
    let side = |window: &Window, tally: &Tally| Side {
        from: window.from.map(instant).unwrap_or_default(),
        to: window.to.map(instant).unwrap_or_default(),
        summary: Summary::from(tally),
    };
    Ok(CompareReport {
        time_zone: subject.zone.name().to_owned(),
        verdict: Verdict::of_comparison(found.as_ref()).to_string(),
        csat_difference: found.map(|found| found.csat_difference),
        csat_difference_interval: found.map(|found| found.csat_interval.into()),
        mean_difference: found.map(|found| found.mean_difference),
        p: found.map(|found| found.ranks.p),
        superiority: found.map(|found| found.ranks.superiority),
        rows: [side(&windows[0], &tallies[0]), side(&windows[1], &tallies[1])],
    })
}

/// What is compared with what.
fn sides(subject: &Subject, against: (Option<When>, Option<When>)) -> Result<[Window; 2], Problem> {
    let rules = subject.zone.rules();
    let start = |date: Date| stats::calendar::day(date, rules).span.start;
    let today = stats::calendar::day_of(subject.now, rules);
    let tomorrow = today.tomorrow().unwrap_or(today);
    let to = subject.window.to.unwrap_or_else(|| start(tomorrow));
    let from =
        subject.window.from.unwrap_or_else(|| start(days_before(stats::calendar::day_of(to, rules), 30)));
    let asked = Asked { days: None, from: against.0, to: against.1 }.window(&subject.zone)?;
    let against_to = asked.to.unwrap_or(from);
    let against_from = asked.from.unwrap_or_else(|| before(from, to, against_to, subject));
    let against_from = against_from.max(Timestamp::UNIX_EPOCH);
    if from >= to || against_from >= against_to {
        return Err(Problem::new(
            Kind::Unreadable,
            "both sides must begin before they end, and end after 1970",
        ));
    }
    let window = |from, to| Window { from: Some(from), to: Some(to) };
    Ok([window(from, to), window(against_from, against_to)])
}

/// As many whole days before `end` as lie between `from` and `to`; where these are no whole days, as long.
fn before(from: Timestamp, to: Timestamp, end: Timestamp, subject: &Subject) -> Timestamp {
    let rules = subject.zone.rules();
    let day = |at| stats::calendar::day_of(at, rules);
    let is_whole = |at| stats::calendar::day(day(at), rules).span.start == at;
    if [from, to, end].into_iter().all(is_whole) {
        let days = day(from).duration_until(day(to)).as_hours() / 24;
        return stats::calendar::day(days_before(day(end), days), rules).span.start;
    }
    end.checked_sub(from.duration_until(to)).unwrap_or(Timestamp::MIN)
}

fn days_before(date: Date, days: i64) -> Date {
    date.saturating_sub(jiff::Span::new().days(days.clamp(0, 3_660_000)))
}
