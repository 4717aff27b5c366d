//! Local days as ranges of instants, and which day an instant counts in.
//!
//! A day begins at the first instant whose local date is that day and ends where the next begins.
//! So every instant lies in exactly one day, a day may have 22 to 25 hours, and a date that a
//! zone skipped has none.

use std::ops::Range;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

/// The longest span of days that one question is about: ten years.
pub const DAYS_MAX: u16 = 3_660;

/// The first day of a tenant's weeks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WeekStart {
    /// Monday, as ISO 8601 has it.
    #[default]
    Monday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl WeekStart {
    /// Every first day there is.
    pub const ALL: [Self; 3] = [Self::Monday, Self::Saturday, Self::Sunday];

    /// The word on the command line and in the database.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

/// A local day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Its date.
    pub date: Date,
    /// From its first instant until just before the next day's.
    pub span: Range<Timestamp>,
}

/// The first instant whose local date is `date`; where a zone skipped it, the first one after.
/// Beyond the years that an instant can name (-9999 to 9999): the nearest instant.
#[must_use]
pub fn start_of(date: Date, zone: &TimeZone) -> Timestamp {
    first_at(date.to_datetime(Time::midnight()), zone)
}

/// The first instant at which the local clock shows this; where it skipped that, the first one after.
/// Beyond the years that an instant can name: the nearest instant.
#[must_use]
pub fn first_at(shown: DateTime, zone: &TimeZone) -> Timestamp {
    let beyond = if shown.year().is_negative() { Timestamp::MIN } else { Timestamp::MAX };
    let local = zone.to_ambiguous_timestamp(shown);
    let skipped = matches!(local.offset(), AmbiguousOffset::Gap { .. });
    // Of two such times the earlier, of none the one as far behind the gap's end as it is behind its start.
    let Ok(instant) = local.compatible() else { return beyond };
    if !skipped {
        return instant;
    }
    // Clocks that jumped over it show what comes after from the jump on.
    let after = instant.saturating_add(Span::new().nanoseconds(1)).unwrap_or(instant);
    zone.preceding(after).next().map_or(instant, |jump| jump.timestamp())
}

/// The day an instant counts in. It is the local date, unless the clocks went back over midnight:
/// what comes after that day's first instant is not of the day before any more.
#[must_use]
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    let date = zone.to_datetime(at).date();
    match date.tomorrow() {
        Ok(next) if at >= start_of(next, zone) => next,
        _ => date,
    }
}

/// The day of this date.
#[must_use]
pub fn day(date: Date, zone: &TimeZone) -> Day {
    let end = date.tomorrow().map_or(Timestamp::MAX, |next| start_of(next, zone));
    Day { date, span: start_of(date, zone)..end }
}

/// The day that `now` counts in and those before it, `count` in all, oldest first.
/// More than [`DAYS_MAX`] are cut to the latest [`DAYS_MAX`].
#[must_use]
pub fn last_days(now: Timestamp, count: u16, zone: &TimeZone) -> Vec<Day> {
    let today = day_of(now, zone);
    let back = |days: u16| today.saturating_sub(Span::new().days(days));
    (0..count.min(DAYS_MAX)).rev().map(|days| day(back(days), zone)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_whose_midnight_was_jumped_over_begins_with_the_jump() {
        // Toronto, 1919: at 23:30 of the 30th clocks went to 00:30 of the 31st.
        let toronto = zone("America/Toronto");
        let jump = start_of(date(1919, 3, 31), &toronto);
        assert_eq!(toronto.to_datetime(jump), date(1919, 3, 31).at(0, 30, 0, 0));
        assert_eq!(day_of(jump - Span::new().nanoseconds(1), &toronto), date(1919, 3, 30));
    }

    #[test]
    fn an_instant_after_a_day_began_is_not_of_the_day_before_though_the_clock_says_so() {
        // St. John's, 2010: at 00:01 of the 7th clocks went back to 23:01 of the 6th.
        let st_johns = zone("America/St_Johns");
        let again = instant("2010-11-07T03:00:00Z");
        assert_eq!(st_johns.to_datetime(again), date(2010, 11, 6).at(23, 30, 0, 0));
        assert_eq!(day_of(again, &st_johns), date(2010, 11, 7));
        assert_eq!(day_of(instant("2010-11-07T02:29:59.999999999Z"), &st_johns), date(2010, 11, 6));
    }

    #[test]
    fn the_last_days_end_with_today_and_a_skipped_date_is_an_empty_one_among_them() {
        let apia = zone("Pacific/Apia");
        let days = last_days(instant("2011-12-31T09:00:00Z"), 4, &apia);
        let dates: Vec<String> = days.iter().map(|d| d.date.to_string()).collect();
        assert_eq!(dates, ["2011-12-28", "2011-12-29", "2011-12-30", "2011-12-31"]);
        assert!(days[2].span.is_empty());
        assert_eq!(last_days(instant("2026-11-22T08:00:00Z"), 0, &apia), vec![]);
        assert_eq!(last_days(instant("2026-11-22T08:00:00Z"), u16::MAX, &apia).len(), 3_660);
    }

    #[test]
    fn a_weeks_first_day_has_the_word_that_the_database_keeps() {
        assert_eq!(WeekStart::ALL.map(WeekStart::word), ["monday", "saturday", "sunday"]);
    }

    #[test]
    fn beyond_the_years_there_are_days_still_have_an_answer() {
        let kiritimati = zone("Pacific/Kiritimati");
        assert_eq!(start_of(Date::MIN, &kiritimati), Timestamp::MIN);
        assert_eq!(start_of(Date::MAX, &zone("Pacific/Pago_Pago")), Timestamp::MAX);
        assert_eq!(day(Date::MAX, &kiritimati).span.end, Timestamp::MAX);
        assert_eq!(last_days(Timestamp::MIN, 2, &kiritimati).len(), 2);
    }

    const ZONES: [&str; 12] = [
        "UTC",
        "America/New_York",
        "America/Toronto",
        "America/St_Johns",
        "America/Sao_Paulo",
        "America/Havana",
        "Africa/Cairo",
        "Africa/Casablanca",
        "Asia/Beirut",
        "Australia/Lord_Howe",
        "Antarctica/Troll",
        "Pacific/Apia",
    ];

    proptest! {
        #[test]
        fn every_instant_lies_in_exactly_the_day_it_counts_in(
            seconds in -2_000_000_000_i64..4_000_000_000,
            name in proptest::sample::select(&ZONES[..]),
        ) {
            let (at, zone) = (Timestamp::from_second(seconds).unwrap(), zone(name));
            let today = day_of(at, &zone);
            prop_assert!(day(today, &zone).span.contains(&at));
            let neighbours = [today.yesterday().unwrap(), today.tomorrow().unwrap()];
            for (other, before) in neighbours.into_iter().zip([true, false]) {
                let span = day(other, &zone).span;
                prop_assert!(!span.contains(&at));
                prop_assert_eq!(if before { span.end } else { span.start }, if before {
                    day(today, &zone).span.start
                } else {
                    day(today, &zone).span.end
                });
            }
        }
    }
}
