//! Alerts: looks at each day when it is over, once, and raises what is unusual about it. What was raised stays, also
//! where ratings that come late would change the chart.

use std::collections::BTreeMap;
use std::time::Duration;

use aftercall_core::QueueId;
use aftercall_core::stats::calendar::day_of;
use aftercall_core::stats::{Bucket, ChartRule, Grain, Tally, buckets, charts};
use aftercall_store::{Alert, By, Question, Queues, Store, StoreError, Tenant, Window};
use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// Days of a chart, the last of them the one that is looked at: as many as the report shows that does not say.
pub const CHART_DAYS: i32 = 30;

/// The first days with ratings that say what is usual.
pub const BASELINE_DAYS: usize = 20;

/// How long a day is left alone when it is over: for who rates just before midnight and for clocks that are a little off.
const LEFT_ALONE: SignedDuration = SignedDuration::from_mins(5);

/// The most days that are made up for after the server was away.
const DAYS_MADE_UP_FOR: i32 = 7;

/// How often it is looked whether a day is over.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Keeps looking until it is told to stop.
pub(crate) async fn keep_looking(store: Store, clock: Clock, stop: CancellationToken) {
    loop {
        if let Err(error) = look(&store, &clock, &stop).await {
            tracing::warn!(%error, "no day can be looked at for alerts now; it is tried again");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LOOK_EVERY) => {}
        }
    }
}

async fn look(store: &Store, clock: &Clock, stop: &CancellationToken) -> Result<(), StoreError> {
    for tenant in store.tenants().await? {
        if !stop.is_cancelled() {
            look_at(store, &tenant, clock.now()).await?;
        }
    }
    Ok(())
}

/// Looks at a tenant's days that are over and have not been looked at; tells how many alerts were raised.
///
/// # Errors
/// When the database does not answer; the day is looked at later then.
pub async fn look_at(store: &Store, tenant: &Tenant, now: Timestamp) -> Result<usize, StoreError> {
    let over = now.saturating_sub(LEFT_ALONE).unwrap_or(now);
    let last = day_of(over, tenant.time_zone.rules()).yesterday().unwrap_or(Date::MIN);
    let known = store.last_alert_day(&tenant.id).await?;
    if known.is_some_and(|known| known >= last) {
        return Ok(0);
    }
    let earliest = last.saturating_sub(Span::new().days(DAYS_MADE_UP_FOR - 1));
    // Of a tenant that is new here only the last day is news.
    let first = known.map_or(last, |known| known.tomorrow().unwrap_or(last).max(earliest));
    let mut raised = 0;
    for day in first.series(Span::new().days(1)).take_while(|day| *day <= last) {
        let alerts = alerts_of(store, tenant, day, now).await?;
        raised += store.raise(&tenant.id, day, &alerts, now).await?.map_or(0, |raised| raised.len());
    }
    Ok(raised)
}

/// What is unusual about a day, in all and in each queue.
async fn alerts_of(
    store: &Store,
    tenant: &Tenant,
    day: Date,
    now: Timestamp,
) -> Result<Vec<Alert>, StoreError> {
    let first = day.saturating_sub(Span::new().days(CHART_DAYS - 1));
    let days = buckets(first..=day, Grain::Day, tenant.time_zone.rules(), now).unwrap_or_default();
    let windows: Vec<Window> = days.iter().map(window).collect();
    let mut series: BTreeMap<Option<QueueId>, Vec<Tally>> = BTreeMap::new();
    for by in [By::Nothing, By::Queue] {
        let question = Question { queues: Queues::All, windows: windows.clone(), by, agents: None };
        for counted in store.results(&tenant.id, &question).await?.figures {
            let queue = match counted.queue {
                // What came through no queue is in all, and nowhere else.
                Some(None) => continue,
                Some(queue) => queue,
                None => None,
            };
            let tallies = series.entry(queue).or_insert_with(|| vec![Tally::default(); windows.len()]);
            if let Some(tally) = tallies.get_mut(counted.period) {
                *tally = counted.figures.tally;
            }
        }
    }
    Ok(series.into_iter().flat_map(|(queue, tallies)| unusual(queue.as_ref(), day, &tallies)).collect())
}

fn window(day: &Bucket) -> Window {
    Window { from: Some(day.span.start), to: Some(day.span.end) }
}

/// What is unusual about the last of these days. Pure.
fn unusual(queue: Option<&QueueId>, day: Date, tallies: &[Tally]) -> Vec<Alert> {
    let Some(last) = tallies.last().filter(|last| last.count() > 0) else { return Vec::new() };
    let found = charts(tallies, BASELINE_DAYS).unusual(tallies.len() - 1);
    let alert = |found: aftercall_core::stats::Unusual| {
        let value = if found.rule == ChartRule::Csat { last.csat_percent() } else { last.mean() };
        Some(Alert {
            queue: queue.cloned(),
            day,
            rule: found.rule,
            rating_count: last.count(),
            value: value?,
            centre: found.centre,
            limits: found.limits.map(Into::into),
        })
    };
    found.into_iter().filter_map(alert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(counts: [u64; 5]) -> Tally {
        Tally::new(counts).unwrap()
    }

    /// Twenty-nine days that go up and down a little, and one more.
    fn month(last: [u64; 5]) -> Vec<Tally> {
        let usual = |day: u64| tally([1, 1, 2, 8 + day % 3, 20 + day % 5]);
        (0..29).map(usual).chain([tally(last)]).collect()
    }

    #[test]
    fn a_day_that_is_as_ever_is_no_alert_and_a_terrible_one_is_one_by_each_rule() {
        let day: Date = "2026-11-21".parse().unwrap();
        let rules = |last| unusual(None, day, &month(last)).iter().map(|a| a.rule.word()).collect::<Vec<_>>();
        assert!(rules([1, 1, 2, 9, 22]).is_empty());
        assert!(rules([0; 5]).is_empty(), "a day without ratings says nothing");
        assert_eq!(rules([30, 1, 1, 0, 0]), ["mean", "shift_down", "csat"]);
        let sales = "sales".parse().unwrap();
        let alert = &unusual(Some(&sales), day, &month([30, 1, 1, 0, 0]))[0];
        assert_eq!((alert.queue.as_ref(), alert.day, alert.rating_count), (Some(&sales), day, 32));
        let [low, high] = alert.limits.unwrap();
        assert!(alert.value < low && low < alert.centre && alert.centre < high, "{alert:?}");
    }

    #[test]
    fn too_short_a_past_is_no_measure() {
        let day: Date = "2026-11-21".parse().unwrap();
        let all = month([30, 1, 1, 0, 0]);
        assert!(unusual(None, day, &all[all.len() - 19..]).is_empty());
    }
}
