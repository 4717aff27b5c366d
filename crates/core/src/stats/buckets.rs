//! Hours, days, weeks, months and quarters of a tenant, as ranges of instants.

use std::ops::{Range, RangeInclusive};

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::stats::calendar::{DAYS_MAX, WeekStart, start_of};

/// The most buckets of one answer: ten years of days, or five months of hours. A trend looks at all
/// pairs of them, 6.7 million then, which takes some tens of milliseconds.
pub const BUCKETS_MAX: usize = DAYS_MAX as usize;

/// More buckets than [`BUCKETS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {BUCKETS_MAX} buckets: ask for fewer or longer ones")]
pub struct TooManyBuckets;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grain {
    /// An hour of the local clock. Where clocks change within an hour, what is on either side of
    /// the change is a bucket.
    Hour,
    /// A local day.
    Day,
    /// Seven local days.
    Week(WeekStart),
    /// A local month.
    Month,
    /// Three local months, the first from January.
    Quarter,
}

/// A span of time whose ratings are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its first day; of an hour, the day it is in.
    pub date: Date,
    /// From its first instant until just before the next one's.
    pub span: Range<Timestamp>,
    /// It is not over.
    pub partial: bool,
}

impl Bucket {
    /// How long it is: a day has 22 to 25 hours, a date that a zone skipped none.
    #[must_use]
    pub fn hours(&self) -> f64 {
        self.span.start.duration_until(self.span.end).as_secs_f64() / 3_600.0
    }
}

impl Grain {
    /// The first day of the bucket that this day lies in.
    #[must_use]
    pub fn first_day(self, date: Date) -> Date {
        match self {
            Self::Hour | Self::Day => date,
            Self::Week(start) => {
                let past = date.weekday().since(start.weekday());
                date.saturating_sub(Span::new().days(past))
            }
            Self::Month => date.first_of_month(),
            Self::Quarter => {
                let past = (date.month() - 1) % 3;
                date.first_of_month().saturating_sub(Span::new().months(past))
            }
        }
    }

    /// The first day of the bucket after the one with this first day; of hours, the next day.
    #[must_use]
    pub fn next(self, first: Date) -> Option<Date> {
        let span = match self {
            Self::Hour | Self::Day => Span::new().days(1),
            Self::Week(_) => Span::new().days(7),
            Self::Month => Span::new().months(1),
            Self::Quarter => Span::new().months(3),
        };
        first.checked_add(span).ok()
    }
}

impl WeekStart {
    fn weekday(self) -> Weekday {
        match self {
            Self::Monday => Weekday::Monday,
            Self::Saturday => Weekday::Saturday,
            Self::Sunday => Weekday::Sunday,
        }
    }
}

/// Every bucket that has a part in these days, in order, the empty ones too. `now` tells which are
/// over.
///
/// # Errors
/// When they are more than [`BUCKETS_MAX`].
pub fn buckets(
    days: RangeInclusive<Date>,
    grain: Grain,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Vec<Bucket>, TooManyBuckets> {
    let mut found = Vec::new();
    let mut first = grain.first_day(*days.start());
    while first <= *days.end() {
        let next = grain.next(first);
        let span = start_of(first, zone)..next.map_or(Timestamp::MAX, |next| start_of(next, zone));
        match grain {
            Grain::Hour => found.extend(hours(span, zone).map(|span| (first, span))),
            _ => found.push((first, span)),
        }
        if found.len() > BUCKETS_MAX {
            return Err(TooManyBuckets);
        }
        let Some(next) = next else { break };
        first = next;
    }
    let bucket = |(date, span): (Date, Range<Timestamp>)| Bucket { date, partial: span.end > now, span };
    Ok(found.into_iter().map(bucket).collect())
}

/// The week's name by ISO 8601, which begins it on Monday: `2026-W01`.
#[must_use]
pub fn iso_week(date: Date) -> String {
    let week = date.iso_week_date();
    format!("{}-W{:02}", week.year(), week.week())
}

/// The hours of a day.
fn hours(day: Range<Timestamp>, zone: &TimeZone) -> impl Iterator<Item = Range<Timestamp>> {
    let starts = std::iter::successors(Some(day.start), |at| Some(next_hour(*at, zone)));
    starts.take_while(move |at| *at < day.end).map(move |at| at..next_hour(at, zone).min(day.end))
}

/// Where the hour after this instant's begins: when the clock shows it, or is put to another time.
fn next_hour(at: Timestamp, zone: &TimeZone) -> Timestamp {
    const HOUR: i64 = 3_600_000_000_000;
    let local = zone.to_datetime(at);
    let past = (i64::from(local.minute()) * 60 + i64::from(local.second())) * 1_000_000_000
        + i64::from(local.subsec_nanosecond());
    let full = at.saturating_add(Span::new().nanoseconds(HOUR - past)).unwrap_or(Timestamp::MAX);
    let offset = zone.to_offset(at);
    let jump =
        zone.following(at).take_while(|jump| jump.timestamp() < full).find(|jump| jump.offset() != offset);
    jump.map_or(full, |jump| jump.timestamp())
}
