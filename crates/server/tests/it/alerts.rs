//! Alerts: a day is looked at when it is over, once, whoever looks.

use aftercall::alerts::look_at;
use aftercall_core::stats::WeekStart;
use aftercall_core::{CallId, Score, TenantId};
use aftercall_store::{
    Actor, BATCH_MAX, Event, EventId, EventSubject, NewRating, RatedAt, Store, Tenant, Write, Zone,
};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::cluster::Database;
use crate::folder::Folder;

const ZONE: &str = "Asia/Shanghai";

/// The day that is terrible.
const DAY: Date = date(2026, 11, 20);

/// An hour of a local day.
fn at(day: Date, hour: i8) -> Timestamp {
    day.at(hour, 0, 0, 0).to_zoned(TimeZone::get(ZONE).unwrap()).unwrap().timestamp()
}

fn tenant() -> Tenant {
    let time_zone = Zone::new(ZONE).unwrap();
    Tenant { id: TenantId::default(), time_zone, week_start: WeekStart::Monday }
}

/// Ratings of a day: so many of 5, so many of 1.
fn ratings(day: Date, queue: &str, good: u64, bad: u64, now: Timestamp) -> Vec<Write> {
    let rate = |number: u64| {
        let score = if number < good { 5 } else { 1 };
        Write::Rate(NewRating {
            tenant: TenantId::default(),
            call: CallId::new(format!("{queue}-{day}-{number}-{good}")).unwrap(),
            score: Score::try_from(score).unwrap(),
            comment: None,
            agent: None,
            queue: Some(queue.parse().unwrap()),
            created_at: Some(RatedAt::new(at(day, 0), now).unwrap()),
            key: None,
            survey: None,
            channel: None,
            language: None,
            flags: Default::default(),
            within: None,
            actor: Actor::Keyless,
            at: now,
        })
    };
    (0..good + bad).map(rate).collect()
}

/// A month that goes up and down a little, in two queues; on its last day one of them is terrible.
async fn fill(store: &Store) {
    store.put_tenant(&tenant(), at(DAY, 0)).await.unwrap();
    let now = at(DAY, 23);
    let mut writes = Vec::new();
    let first = DAY.checked_sub(Span::new().days(29)).unwrap();
    for (number, day) in first.series(Span::new().days(1)).take_while(|day| *day <= DAY).enumerate() {
        let number = number as u64;
        writes.extend(ratings(day, "support", 9 + number % 2, 1 + number % 3 / 2, now));
        let bad = if day == DAY { 30 } else { 1 + number % 2 };
        writes.extend(ratings(day, "sales", 10 + number % 3, bad, now));
    }
    for some in writes.chunks(BATCH_MAX) {
        store.write(some).await.unwrap();
    }
}

/// What was raised: `sales mean 2026-11-20`.
async fn raised(store: &Store) -> Vec<String> {
    let low = Score::try_from(2).unwrap();
    let page = store.events(&TenantId::default(), EventId::FIRST, None, low, 5_000).await.unwrap();
    let line = |event: &Event| match &event.about {
        EventSubject::Alert(alert) => {
            let queue = alert.queue.as_ref().map_or("all".to_owned(), ToString::to_string);
            Some(format!("{queue} {} {}", alert.rule.word(), alert.day))
        }
        EventSubject::Rating(_) => None,
    };
    page.events.iter().filter_map(line).collect()
}

async fn looked(store: &Store, now: Timestamp) -> usize {
    look_at(store, &tenant(), now).await.unwrap()
}

async fn a_terrible_day_is_raised_once_it_is_over(one: Store, other: Store) {
    fill(&one).await;
    let tomorrow = DAY.tomorrow().unwrap();
    // It is not over before midnight there, and five minutes.
    assert_eq!(looked(&one, at(DAY, 23)).await, 0);
    let minutes = |minutes: i64| at(tomorrow, 0) + Span::new().minutes(minutes);
    assert_eq!(looked(&one, minutes(4)).await, 0);
    assert!(raised(&one).await.is_empty());
    let (a, b) = (minutes(6), minutes(6));
    let times = tokio::join!(looked(&one, a), looked(&other, b));
    let told = raised(&one).await;
    assert_eq!(times.0 + times.1, told.len(), "each is raised by one of them");
    assert!(told.iter().any(|alert| alert == "sales mean 2026-11-20"), "{told:?}");
    assert!(told.iter().any(|alert| alert == "all mean 2026-11-20"), "{told:?}");
    assert!(
        told.iter().all(|alert| alert.ends_with("2026-11-20") && !alert.starts_with("support")),
        "{told:?}"
    );
    // What comes late changes the chart, and nothing that was raised; nor is the day looked at again.
    let late = ratings(DAY, "support", 0, 40, at(tomorrow, 1));
    one.write(&late).await.unwrap();
    assert_eq!(looked(&one, at(tomorrow, 2)).await, 0);
    assert_eq!(raised(&other).await, told);
    // After a week and a half away only the last seven days are news; nobody rated then.
    let later = tomorrow.checked_add(Span::new().days(10)).unwrap();
    assert_eq!(looked(&one, at(later, 1)).await, 0);
    assert_eq!(one.last_alert_day(&TenantId::default()).await.unwrap(), later.yesterday().ok());
    assert_eq!(raised(&one).await, told);
}

#[tokio::test]
async fn a_terrible_day_is_raised_once_it_is_over_on_sqlite() {
    let folder = Folder::new();
    let open = async || Store::open(&folder.database()).await.unwrap();
    let (one, other) = (open().await, open().await);
    a_terrible_day_is_raised_once_it_is_over(one, other).await;
}

#[tokio::test]
async fn a_terrible_day_is_raised_once_it_is_over_on_postgres() {
    let database = Database::new().await;
    let open = async || Store::open(&database.url).await.unwrap();
    let (one, other) = (open().await, open().await);
    a_terrible_day_is_raised_once_it_is_over(one, other).await;
}
