//! What a report says: the reports of the API, over the period that has ended.

use aftercall_core::QueueId;
use aftercall_core::stats::Method;
use aftercall_store::{By, Group, RatingFilter, Store, Tenant};
use jiff::{Span, Timestamp};
use serde::Serialize;

use super::schedule::{Every, Period};
use crate::api::problem::Problem;
use crate::api::reports::asked::{Period as Grain, Subject};
use crate::api::reports::compare::{CompareReport, compare_of};
use crate::api::reports::ranking::{By as RankedBy, RankingReport, ranking_of};
use crate::api::reports::series::{
    DistributionReport, FunnelReport, LIMIT_MAX, Lines, SeriesReport, distribution_of, funnel_of, series_of,
};
use crate::api::reports::trend::{AlertReport, TrendReport, alerts_of, trend_of};
use crate::config::Report;

/// Days that say what is usual, before a period is held against them.
const BASELINE_DAYS: usize = 28;

/// All of it, as it is posted.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// The report's name.
    pub report: String,
    /// Whose.
    pub tenant: String,
    /// How long the period is.
    pub every: &'static str,
    /// The period: its first day, or its month.
    pub period: String,
    /// The same for people.
    pub title: String,
    /// The period before, for people.
    pub before: String,
    /// Its first day.
    pub first_day: String,
    /// Its last day.
    pub last_day: String,
    /// Whose days these are.
    pub time_zone: String,
    /// The queues that count; none: all.
    pub queues: Vec<String>,
    /// What it comes to.
    pub summary: DistributionReport,
    /// Against the period before.
    pub comparison: CompareReport,
    /// Queue by queue.
    pub by_queue: SeriesReport,
    /// Agent by agent.
    pub ranking: RankingReport,
    /// Where it goes: the last 30 days, 13 weeks or 12 months.
    pub trend: TrendReport,
    /// Its days, each against the four weeks before the period.
    pub alerts: AlertReport,
    /// How far calls came.
    pub funnel: FunnelReport,
}

/// Reads them.
///
/// # Errors
/// When the store fails, or what is asked for takes too long to count.
pub async fn figures(
    report: &Report,
    tenant: &Tenant,
    period: &Period,
    store: &Store,
    now: Timestamp,
) -> Result<Figures, Problem> {
    let rules = tenant.time_zone.rules();
    let window = period.window(rules);
    let queues = (!report.queues.is_empty()).then(|| report.queues.clone());
    let filter = RatingFilter { queues, ..RatingFilter::default() };
    let subject =
        Subject { filter, tenant: tenant.clone(), zone: tenant.time_zone.clone(), window, as_of: None, now };
    let since = |first: jiff::civil::Date| {
        let from = Some(aftercall_core::stats::calendar::start_of(first, rules));
        Subject { window: aftercall_store::Window { from, ..window }, ..subject.clone() }
    };
    let every = report.schedule.every;
    let (grain, longer) = match every {
        Every::Day => (Grain::Day, Span::new().days(29)),
        Every::Week => (Grain::Week, Span::new().days(12 * 7)),
        Every::Month => (Grain::Month, Span::new().months(11)),
    };
    let before = period.before(tenant.week_start);
    let usual = Span::new().days(BASELINE_DAYS as i64);
    let lines = Lines { group: Group::Queue, after: None, limit: LIMIT_MAX };
    Ok(Figures {
        report: report.name.clone(),
        tenant: tenant.id.to_string(),
        every: every.word(),
        period: period.id(),
        title: period.words(),
        before: before.words(),
        first_day: period.first.to_string(),
        last_day: period.last().to_string(),
        time_zone: tenant.time_zone.name().to_owned(),
        queues: report.queues.iter().map(QueueId::to_string).collect(),
        summary: distribution_of(&subject, store).await?,
        comparison: compare_of(&subject, store, [window, before.window(rules)]).await?,
        by_queue: series_of(&subject, store, grain, lines).await?,
        ranking: ranking_of(&subject, store, RankedBy::Own(Method::default())).await?,
        trend: trend_of(&since(period.first.saturating_sub(longer)), store, grain).await?,
        alerts: alerts_of(&since(period.first.saturating_sub(usual)), store, Grain::Day, BASELINE_DAYS)
            .await?,
        funnel: funnel_of(&subject, store, grain, By::Nothing).await?,
    })
}
