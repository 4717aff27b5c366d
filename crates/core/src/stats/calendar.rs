//! Local days as ranges of instants, and which day an instant counts in.
//!
//! A day begins at the first instant whose local date is that day and ends where the next begins.
//! So every instant lies in exactly one day, a day may have 22 to 25 hours, and a date that a
//! zone skipped has none.

use std::ops::Range;

use jiff::civil::{Date, Time};
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
    let beyond = if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let midnight = zone.to_ambiguous_timestamp(date.to_datetime(Time::midnight()));
    let skipped = matches!(midnight.offset(), AmbiguousOffset::Gap { .. });
    // Of two midnights the earlier, of none the one as far behind the gap's end as it is behind its start.
    let Ok(instant) = midnight.compatible() else { return beyond };
    if !skipped {
        return instant;
    }
    // Clocks that jumped over midnight show the new date from the jump on.
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
