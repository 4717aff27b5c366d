//! When a report is due, and for which period. Pure: the time is an argument.

use aftercall_core::stats::calendar::{day, day_of, first_at};
use aftercall_core::stats::{Grain, WeekStart};
use aftercall_store::{Tenant, Window};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// How long the period of a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    Day,
    Week,
    Month,
}

impl Every {
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The word in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    fn grain(self, week_start: WeekStart) -> Grain {
        match self {
            Self::Day => Grain::Day,
            Self::Week => Grain::Week(week_start),
            Self::Month => Grain::Month,
        }
    }
}

/// A day, week or month of a tenant's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    every: Every,
    /// Its first day.
    pub first: Date,
    /// The first day behind it.
    pub behind: Date,
}

/// Each period is reported once it is over, from this time of the day on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    pub every: Every,
    pub at: Time,
}

/// A period, and when its report is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub period: Period,
    pub at: Timestamp,
}

impl Schedule {
    /// The last period that is due by now. What was missed before is too old: its report has a successor.
    #[must_use]
    pub fn due(&self, now: Timestamp, tenant: &Tenant) -> Due {
        let rules = tenant.time_zone.rules();
        let present = Period::of(self.every, day_of(now, rules), tenant.week_start);
        let before = present.before(tenant.week_start);
        let at = self.after(&before, rules);
        if at <= now {
            return Due { period: before, at };
        }
        let earlier = before.before(tenant.week_start);
        Due { period: earlier, at: self.after(&earlier, rules) }
    }

    /// The next one.
    #[must_use]
    pub fn next(&self, now: Timestamp, tenant: &Tenant) -> Due {
        let period = Period::of(self.every, self.due(now, tenant).period.behind, tenant.week_start);
        Due { period, at: self.after(&period, tenant.time_zone.rules()) }
    }

    /// When the report of a period is due: on the day behind it. Of a time that the clocks show twice the first, of one
    /// that they skip the first instant after.
    fn after(&self, period: &Period, rules: &TimeZone) -> Timestamp {
        first_at(period.behind.to_datetime(self.at), rules)
    }
}

impl Period {
    /// The one in which a day lies.
    #[must_use]
    pub fn of(every: Every, date: Date, week_start: WeekStart) -> Self {
        let grain = every.grain(week_start);
        let first = grain.first_day(date);
        Self { every, first, behind: grain.next(first).unwrap_or(first) }
    }

    /// The one that this names: one of its days, or its month.
    ///
    /// # Errors
    /// When it names none.
    pub fn named(every: Every, text: &str, week_start: WeekStart) -> Result<Self, String> {
        let date = text.parse::<Date>().or_else(|_| format!("{text}-01").parse());
        let whole = text.len() == 10 || (every == Every::Month && text.len() == 7);
        match date {
            Ok(date) if whole => Ok(Self::of(every, date, week_start)),
            _ if every == Every::Month => Err(format!("\"{text}\" is not a month, such as 2026-10")),
            _ => Err(format!("\"{text}\" is not a day, such as 2026-10-31")),
        }
    }

    /// The one before.
    #[must_use]
    pub fn before(&self, week_start: WeekStart) -> Self {
        Self::of(self.every, self.first.saturating_sub(Span::new().days(1)), week_start)
    }

    /// Its name: its first day, or its month.
    #[must_use]
    pub fn id(&self) -> String {
        match self.every {
            Every::Day | Every::Week => self.first.to_string(),
            Every::Month => self.first.strftime("%Y-%m").to_string(),
        }
    }

    /// Its last day.
    #[must_use]
    pub fn last(&self) -> Date {
        self.behind.saturating_sub(Span::new().days(1))
    }

    /// Its instants.
    #[must_use]
    pub fn window(&self, rules: &TimeZone) -> Window {
        let start = |date: Date| Some(day(date, rules).span.start);
        Window { from: start(self.first), to: start(self.behind) }
    }

    /// It, for people: `22 November 2026`, `26 October to 1 November 2026`, `October 2026`.
    #[must_use]
    pub fn words(&self) -> String {
        let (first, last) = (self.first, self.last());
        match self.every {
            Every::Month => first.strftime("%B %Y").to_string(),
            Every::Day => first.strftime("%A, %-d %B %Y").to_string(),
            Every::Week => {
                let begin = match (first.year() == last.year(), first.month() == last.month()) {
                    (true, true) => "%-d",
                    (true, false) => "%-d %B",
                    _ => "%-d %B %Y",
                };
                format!("{} to {}", first.strftime(begin), last.strftime("%-d %B %Y"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aftercall_core::TenantId;
    use aftercall_store::Zone;
    use proptest::prelude::*;

    use super::*;

    fn tenant(zone: &str, week_start: WeekStart) -> Tenant {
        Tenant { id: TenantId::default(), time_zone: Zone::new(zone).unwrap(), week_start }
    }

    fn schedule(every: Every, at: &str) -> Schedule {
        Schedule { every, at: at.parse().unwrap() }
    }

    /// Zone, first day of the week, period, hour: now -> the period that is due, since when, and when the next one is.
    const DUE: &str = "
UTC monday day 06:00: 2026-11-23T05:59:59Z -> 2026-11-21 since 2026-11-22T06:00:00Z, next 2026-11-23T06:00:00Z
UTC monday day 06:00: 2026-11-23T06:00:00Z -> 2026-11-22 since 2026-11-23T06:00:00Z, next 2026-11-24T06:00:00Z
Asia/Tokyo monday day 06:00: 2026-11-22T21:00:00Z -> 2026-11-22 since 2026-11-22T21:00:00Z, next 2026-11-23T21:00:00Z
# A week begins on the tenant's day.
UTC monday week 06:00: 2026-11-23T06:00:00Z -> 2026-11-16 since 2026-11-23T06:00:00Z, next 2026-11-30T06:00:00Z
UTC monday week 06:00: 2026-11-29T23:00:00Z -> 2026-11-16 since 2026-11-23T06:00:00Z, next 2026-11-30T06:00:00Z
UTC sunday week 06:00: 2026-11-23T06:00:00Z -> 2026-11-15 since 2026-11-22T06:00:00Z, next 2026-11-29T06:00:00Z
UTC saturday week 06:00: 2026-11-23T06:00:00Z -> 2026-11-14 since 2026-11-21T06:00:00Z, next 2026-11-28T06:00:00Z
# Months of every length, and a year's end.
UTC monday month 06:00: 2026-03-01T06:00:00Z -> 2026-02 since 2026-03-01T06:00:00Z, next 2026-04-01T06:00:00Z
UTC monday month 06:00: 2028-03-01T05:59:59Z -> 2028-01 since 2028-02-01T06:00:00Z, next 2028-03-01T06:00:00Z
UTC monday month 06:00: 2027-01-31T23:59:59Z -> 2026-12 since 2027-01-01T06:00:00Z, next 2027-02-01T06:00:00Z
# Berlin, 29 March 2026: 02:00 to 03:00 is skipped; the first instant after is 03:00.
Europe/Berlin monday day 02:30: 2026-03-29T00:59:59Z -> 2026-03-27 since 2026-03-28T01:30:00Z, next 2026-03-29T01:00:00Z
Europe/Berlin monday day 02:30: 2026-03-29T01:00:00Z -> 2026-03-28 since 2026-03-29T01:00:00Z, next 2026-03-30T00:30:00Z
# Berlin, 25 October 2026: 02:30 comes twice; the first counts, and the second sends nothing again.
Europe/Berlin monday day 02:30: 2026-10-25T00:29:59Z -> 2026-10-23 since 2026-10-24T00:30:00Z, next 2026-10-25T00:30:00Z
Europe/Berlin monday day 02:30: 2026-10-25T00:30:00Z -> 2026-10-24 since 2026-10-25T00:30:00Z, next 2026-10-26T01:30:00Z
Europe/Berlin monday day 02:30: 2026-10-25T01:30:00Z -> 2026-10-24 since 2026-10-25T00:30:00Z, next 2026-10-26T01:30:00Z
# Half an hour back: Lord Howe, 5 April 2026, 02:00 to 01:30.
Australia/Lord_Howe monday day 01:45: 2026-04-04T14:45:00Z -> 2026-04-04 since 2026-04-04T14:45:00Z, next 2026-04-05T15:15:00Z
# Cairo, 24 April 2026: midnight is skipped.
Africa/Cairo monday day 00:00: 2026-04-23T22:00:00Z -> 2026-04-23 since 2026-04-23T22:00:00Z, next 2026-04-24T21:00:00Z
";

    #[test]
    fn a_period_is_due_when_it_is_over_and_its_hour_has_come() {
        let lines = DUE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        for line in lines {
            let (given, expected) = line.split_once(" -> ").unwrap();
            let words: Vec<&str> = given.split([' ']).map(|word| word.trim_end_matches(':')).collect();
            let [zone, week, every, at, now] = words[..] else { panic!("{line}") };
            let week = WeekStart::ALL.into_iter().find(|start| start.word() == week).unwrap();
            let every = Every::ALL.into_iter().find(|known| known.word() == every).unwrap();
            let (schedule, tenant) = (schedule(every, at), tenant(zone, week));
            let now = now.parse().unwrap();
            let (due, next) = (schedule.due(now, &tenant), schedule.next(now, &tenant));
            assert_eq!(
                format!("{} since {}, next {}", due.period.id(), due.at, next.at),
                expected,
                "{given}"
            );
        }
    }

    #[test]
    fn a_period_has_a_name_for_people_and_is_found_by_it() {
        for (every, text, id, words) in [
            (Every::Day, "2026-11-22", "2026-11-22", "Sunday, 22 November 2026"),
            (Every::Week, "2026-11-22", "2026-11-16", "16 to 22 November 2026"),
            (Every::Week, "2026-11-01", "2026-10-26", "26 October to 1 November 2026"),
            (Every::Week, "2027-01-01", "2026-12-28", "28 December 2026 to 3 January 2027"),
            (Every::Month, "2026-10", "2026-10", "October 2026"),
            (Every::Month, "2026-10-31", "2026-10", "October 2026"),
        ] {
            let period = Period::named(every, text, WeekStart::Monday).unwrap();
            assert_eq!((period.id().as_str(), period.words().as_str()), (id, words));
        }
        for (every, text, fault) in [
            (Every::Day, "2026-10", "\"2026-10\" is not a day, such as 2026-10-31"),
            (Every::Week, "last", "\"last\" is not a day, such as 2026-10-31"),
            (Every::Month, "2026-13", "\"2026-13\" is not a month, such as 2026-10"),
        ] {
            assert_eq!(Period::named(every, text, WeekStart::Monday), Err(fault.to_owned()));
        }
    }

    proptest! {
        /// Whenever one looks, and however the clocks change: each period is due once, in order, none left out.
        #[test]
        fn periods_follow_each_other_without_a_gap(
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Africa/Cairo",
                "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns"]),
            week in proptest::sample::select(WeekStart::ALL.to_vec()),
            every in proptest::sample::select(Every::ALL.to_vec()),
            (hour, minute) in (0_i8..24, 0_i8..60),
            second in 1_700_000_000_i64..2_000_000_000,
        ) {
            let tenant = tenant(zone, week);
            let schedule = Schedule { every, at: Time::constant(hour, minute, 0, 0) };
            let now = Timestamp::from_second(second).unwrap();
            let (due, next) = (schedule.due(now, &tenant), schedule.next(now, &tenant));
            prop_assert!(due.at <= now && now < next.at, "{due:?} {next:?}");
            prop_assert_eq!(next.period.first, due.period.behind);
            prop_assert_eq!(schedule.due(next.at, &tenant), next);
            let before = next.at - Span::new().microseconds(1);
            prop_assert_eq!(schedule.due(before, &tenant), due);
        }
    }
}
