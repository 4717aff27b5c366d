//! The reference's data, read and brought to the state that its answers are about.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use aftercall_core::Score;
use aftercall_core::stats::{Bucket, Grain, Known, News, Tally, WeekStart, buckets};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::Value;

use super::files::{expected, lines, text};

pub struct Tenant {
    pub name: String,
    pub zone: TimeZone,
    pub week: WeekStart,
    pub days: (Date, Date),
    upside_down: bool,
}

/// A row of the log: what became of which call's rating, and when we heard of it.
pub struct Row {
    call: String,
    arrived_at: Timestamp,
    news: News<Rating>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    pub tenant: String,
    pub agent: String,
    pub queue: String,
    pub score: Score,
    pub rated_at: Timestamp,
}

pub struct Source {
    pub tenants: Vec<Tenant>,
    pub log: Vec<Row>,
    /// What the whole log comes to.
    pub ratings: Vec<Rating>,
}

pub static SOURCE: LazyLock<Source> = LazyLock::new(Source::read);

impl Source {
    fn read() -> Self {
        let tenants: Vec<Tenant> = tenants();
        let rows = lines("data/events.csv");
        let log: Vec<Row> = rows.iter().map(|line| row(line, &tenants)).collect();
        let ratings = state(log.iter());
        Self { tenants, log, ratings }
    }

    pub fn tenant(&self, name: &str) -> &Tenant {
        self.tenants.iter().find(|tenant| tenant.name == name).unwrap()
    }

    /// What was known of the ratings at this time.
    pub fn as_of(&self, at: Timestamp) -> Vec<Rating> {
        state(self.log.iter().filter(|row| row.arrived_at <= at))
    }
}

pub fn tally<'a>(ratings: impl IntoIterator<Item = &'a Rating>) -> Tally {
    let mut tally = Tally::default();
    for rating in ratings {
        tally.add(rating.score).unwrap();
    }
    tally
}

/// The ratings by what `key` says of them.
pub fn tallies<'a, K: Ord>(
    ratings: impl IntoIterator<Item = &'a Rating>,
    key: impl Fn(&Rating) -> K,
) -> BTreeMap<K, Tally> {
    let mut tallies = BTreeMap::new();
    for rating in ratings {
        tallies.entry(key(rating)).or_insert_with(Tally::default).add(rating.score).unwrap();
    }
    tallies
}

/// The tally of the ratings in this span.
pub fn within<'a>(ratings: impl IntoIterator<Item = &'a Rating>, span: &Range<Timestamp>) -> Tally {
    tally(ratings.into_iter().filter(|rating| span.contains(&rating.rated_at)))
}

/// A tenant's buckets over all of its days, with the ratings in each.
pub fn series<'a>(
    tenant: &Tenant,
    grain: Grain,
    ratings: impl IntoIterator<Item = &'a Rating>,
) -> Vec<(Bucket, Tally)> {
    let (from, to) = tenant.days;
    let buckets = buckets(from..=to, grain, &tenant.zone, Timestamp::MAX).unwrap();
    let mut series: Vec<(Bucket, Tally)> = buckets.into_iter().map(|b| (b, Tally::default())).collect();
    for rating in ratings {
        let place = series.partition_point(|(bucket, _)| bucket.span.end <= rating.rated_at);
        if let Some((bucket, tally)) = series.get_mut(place)
            && bucket.span.contains(&rating.rated_at)
        {
            tally.add(rating.score).unwrap();
        }
    }
    series
}

pub fn zone(name: &str) -> TimeZone {
    /// Havana as the reference's time zone database (2025b) knows it. Later ones tell otherwise.
    const HAVANA: &str = "CST5CDT,M3.2.0/0,M11.1.0/1";
    let as_in_2025 = |row: &Value| row["tz"] == name && row["date"] == "2026-11-01" && row["hours"] == 25.0;
    let days = expected("calendar")["days"].clone();
    if name == "America/Havana" && days.as_array().unwrap().iter().any(as_in_2025) {
        return TimeZone::posix(HAVANA).unwrap();
    }
    TimeZone::get(name).unwrap()
}

fn tenants() -> Vec<Tenant> {
    #[derive(Deserialize)]
    struct Written {
        tenant: String,
        tz: String,
        week_start: String,
        best_score: u8,
        from_date: Date,
        to_date: Date,
    }
    let written: Vec<Written> = serde_json::from_str(&text("data/tenants.json")).unwrap();
    let tenant = |t: Written| Tenant {
        zone: zone(&t.tz),
        week: match t.week_start.as_str() {
            "MON" => WeekStart::Monday,
            "SAT" => WeekStart::Saturday,
            "SUN" => WeekStart::Sunday,
            other => panic!("{other}"),
        },
        days: (t.from_date, t.to_date),
        upside_down: t.best_score == 1,
        name: t.tenant,
    };
    written.into_iter().map(tenant).collect()
}

/// seq, arrived_at, op, revision, tenant, call_id, agent_id, queue_id, score, rated_at
fn row(line: &[String], tenants: &[Tenant]) -> Row {
    let upside_down = || tenants.iter().find(|tenant| tenant.name == line[4]).unwrap().upside_down;
    let news = match line[2].as_str() {
        "delete" => News::Deleted,
        _ => {
            let raw: u8 = line[8].parse().unwrap();
            let score = Score::try_from(if upside_down() { 6 - raw } else { raw }).unwrap();
            let rating = Rating {
                tenant: line[4].clone(),
                agent: line[6].clone(),
                queue: line[7].clone(),
                score,
                rated_at: line[9].parse().unwrap(),
            };
            News::Rated { revision: line[3].parse().unwrap(), arrival: line[0].parse().unwrap(), rating }
        }
    };
    Row { call: line[5].clone(), arrived_at: line[1].parse().unwrap(), news }
}

fn state<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Rating> {
    let mut calls: BTreeMap<&str, Known<Rating>> = BTreeMap::new();
    for row in rows {
        let known = calls.entry(&row.call).or_default();
        *known = std::mem::take(known).hear(row.news.clone());
    }
    calls.into_values().filter_map(|known| known.rating().cloned()).collect()
}
