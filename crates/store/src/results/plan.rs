//! From where each part of an answer is read: months and days that are counted already, and ratings themselves. Pure.

use std::collections::{BTreeMap, BTreeSet};

use aftercall_core::stats::calendar::day;
use jiff::Span;
use jiff::civil::Date;

use super::{Days, Period};
use crate::read::Window;
use crate::tenant::Zone;

/// What is counted already, by queue (`""` for none).
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Days that must be counted anew.
    pub(crate) marked: BTreeMap<String, BTreeSet<Date>>,
    /// The first days of months that are not stale.
    pub(crate) months: BTreeMap<String, BTreeSet<Date>>,
}

/// What kept counts are good enough for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grain {
    /// Days and months, of queues.
    Days,
    /// Months alone, of agents.
    Months,
}

/// Parts of one answer that add up to it: nothing is in two of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// From the first to the last month (by their first days), both included.
    pub(crate) months: Vec<Part<(Date, Date)>>,
    /// From the first to the last day.
    pub(crate) days: Vec<Part<Days>>,
    /// What is counted from the ratings.
    pub(crate) raw: Vec<Part<Window>>,
}

/// A stretch of a queue's time, and the period of the question that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part<T> {
    pub(crate) queue: String,
    pub(crate) stretch: T,
    pub(crate) period: usize,
}

impl Plan {
    /// For these queues and periods, of what is kept by the calendar of a zone.
    pub(crate) fn new(queues: &[String], periods: &[Period], kept: &Kept, zone: &Zone, grain: Grain) -> Self {
        let mut plan = Self::default();
        for queue in queues {
            let none = BTreeSet::new();
            let marked = kept.marked.get(queue).unwrap_or(&none);
            let months = runs(kept.months.get(queue).unwrap_or(&none), marked);
            for (place, period) in periods.iter().enumerate() {
                let mut of_queue = Drawer { plan: &mut plan, queue, period: place, zone, grain };
                for edge in &period.edges {
                    of_queue.raw(Window { from: Some(edge.start), to: Some(edge.end) });
                }
                if let Some(days) = period.days {
                    of_queue.draw(days, &months, marked);
                }
            }
        }
        plan
    }
}

/// Draws the parts of one queue and period.
struct Drawer<'a> {
    plan: &'a mut Plan,
    queue: &'a str,
    period: usize,
    zone: &'a Zone,
    grain: Grain,
}

impl Drawer<'_> {
    fn draw(&mut self, days: Days, months: &[(Date, Date)], marked: &BTreeSet<Date>) {
        let mut next = days.first;
        for &(first, last) in months {
            let first = next.map_or(first, |next| first.max(month_from(next)));
            let last = days.last.map_or(last, |end| last.min(month_until(end)));
            if first > last {
                continue;
            }
            if next.is_none_or(|next| next < first) {
                self.days(Days { first: next, last: Some(before(first)) }, marked);
            }
            self.plan.months.push(self.part((first, last)));
            next = Some(next_month(last));
        }
        if next.is_none() || days.last.is_none() || next <= days.last {
            self.days(Days { first: next, last: days.last }, marked);
        }
    }

    fn days(&mut self, days: Days, marked: &BTreeSet<Date>) {
        if self.grain == Grain::Months {
            let start = |date| day(date, self.zone.rules()).span.start;
            let to = days.last.map(|last| day(last, self.zone.rules()).span.end);
            return self.raw(Window { from: days.first.map(start), to });
        }
        let mut next = days.first;
        let within = marked
            .iter()
            .filter(|day| days.first.is_none_or(|f| **day >= f) && days.last.is_none_or(|l| **day <= l));
        for &date in within {
            if next.is_none_or(|next| next < date) {
                self.plan.days.push(self.part(Days { first: next, last: Some(before(date)) }));
            }
            let span = day(date, self.zone.rules()).span;
            self.raw(Window { from: Some(span.start), to: Some(span.end) });
            next = Some(after(date));
        }
        if next.is_none() || days.last.is_none() || next <= days.last {
            self.plan.days.push(self.part(Days { first: next, last: days.last }));
        }
    }

    fn raw(&mut self, window: Window) {
        if window.from.is_none() || window.to.is_none() || window.from < window.to {
            self.plan.raw.push(self.part(window));
        }
    }

    fn part<T>(&self, stretch: T) -> Part<T> {
        Part { queue: self.queue.to_owned(), stretch, period: self.period }
    }
}

/// Months without a marked day, those that follow one another as one stretch.
fn runs(months: &BTreeSet<Date>, marked: &BTreeSet<Date>) -> Vec<(Date, Date)> {
    let mut runs: Vec<(Date, Date)> = Vec::new();
    for &month in months {
        if marked.range(month..next_month(month)).next().is_some() {
            continue;
        }
        match runs.last_mut() {
            Some((_, last)) if next_month(*last) == month => *last = month,
            _ => runs.push((month, month)),
        }
    }
    runs
}

/// The first day of the first month that begins at `date` or later.
fn month_from(date: Date) -> Date {
    if date.day() == 1 { date } else { next_month(date) }
}

/// The first day of the last month that ends at `date` or earlier.
fn month_until(date: Date) -> Date {
    before(after(date).first_of_month()).first_of_month()
}

fn next_month(date: Date) -> Date {
    date.first_of_month().saturating_add(Span::new().months(1))
}

fn before(date: Date) -> Date {
    date.saturating_sub(Span::new().days(1))
}

fn after(date: Date) -> Date {
    date.saturating_add(Span::new().days(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn kept(months: &str, marked: &str) -> Kept {
        let dates = |text: &str, tail: &str| {
            text.split_whitespace().map(|word| date(&format!("{word}{tail}"))).collect::<BTreeSet<_>>()
        };
        let of_queue = |dates| BTreeMap::from([("q".to_owned(), dates)]);
        Kept { marked: of_queue(dates(marked, "")), months: of_queue(dates(months, "-01")) }
    }

    /// The parts of queue `q` in the order in which they are drawn, `m` months, `d` days, `r` raw.
    fn drawn(days: &str, kept: &Kept, grain: Grain) -> String {
        let (first, last) = days.split_once("..").unwrap();
        let bound = |text: &str| (!text.is_empty()).then(|| date(text));
        let days = Days { first: bound(first), last: bound(last) };
        let periods = [Period { days: Some(days), edges: Vec::new() }];
        let plan = Plan::new(&["q".to_owned()], &periods, kept, &Zone::new("UTC").unwrap(), grain);
        let open = |date: Option<Date>| date.map_or(String::new(), |date| date.to_string());
        let months = plan.months.iter().map(|p| format!("m {}..{}", p.stretch.0, p.stretch.1));
        let days = plan.days.iter().map(|p| format!("d {}..{}", open(p.stretch.first), open(p.stretch.last)));
        let instant =
            |at: Option<jiff::Timestamp>| at.map_or(String::new(), |at| at.to_string()[..10].to_owned());
        let raw =
            plan.raw.iter().map(|p| format!("r {}..{}", instant(p.stretch.from), instant(p.stretch.to)));
        months.chain(days).chain(raw).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_is_kept_and_clean_is_read_and_the_rest_is_counted() {
        for (days, months, marked, expected) in [
            ("2026-01-01..2026-03-31", "2026-01 2026-02 2026-03", "", "m 2026-01-01..2026-03-01"),
            (
                "2026-01-02..2026-03-30",
                "2026-01 2026-02 2026-03",
                "",
                "m 2026-02-01..2026-02-01, d 2026-01-02..2026-01-31, d 2026-03-01..2026-03-30",
            ),
            (
                "2026-01-01..2026-03-31",
                "2026-01 2026-03",
                "",
                "m 2026-01-01..2026-01-01, m 2026-03-01..2026-03-01, d 2026-02-01..2026-02-28",
            ),
            (
                "2026-01-01..2026-02-28",
                "2026-01 2026-02",
                "2026-01-05",
                "m 2026-02-01..2026-02-01, d 2026-01-01..2026-01-04, d 2026-01-06..2026-01-31, r 2026-01-05..2026-01-06",
            ),
            ("..", "2026-01", "", "m 2026-01-01..2026-01-01, d ..2025-12-31, d 2026-02-01.."),
            ("..", "", "", "d .."),
            ("..", "", "2026-01-05", "d ..2026-01-04, d 2026-01-06.., r 2026-01-05..2026-01-06"),
            ("2026-01-05..2026-01-05", "2026-01", "2026-01-05", "r 2026-01-05..2026-01-06"),
            (
                "2026-01-05..2026-01-06",
                "",
                "2026-01-05 2026-01-06",
                "r 2026-01-05..2026-01-06, r 2026-01-06..2026-01-07",
            ),
        ] {
            assert_eq!(drawn(days, &kept(months, marked), Grain::Days), expected, "{days} {months} {marked}");
        }
    }

    #[test]
    fn of_agents_only_months_are_kept() {
        for (days, months, marked, expected) in [
            (
                "2026-01-02..2026-03-30",
                "2026-01 2026-02 2026-03",
                "",
                "m 2026-02-01..2026-02-01, r 2026-01-02..2026-02-01, r 2026-03-01..2026-03-31",
            ),
            ("..", "2026-01", "2026-01-31", "r .."),
            ("..", "2026-01", "", "m 2026-01-01..2026-01-01, r ..2026-01-01, r 2026-02-01.."),
        ] {
            assert_eq!(
                drawn(days, &kept(months, marked), Grain::Months),
                expected,
                "{days} {months} {marked}"
            );
        }
    }

    proptest! {
        /// Whatever is kept and marked: each day of the window is in one part, no other is, and none that is marked
        /// is read from what is kept.
        #[test]
        fn the_parts_are_the_window(
            first in 0_i32..400, length in 0_i32..400,
            months in prop::collection::btree_set(0_i32..14, 0..14),
            marked in prop::collection::btree_set(0_i32..450, 0..20),
            by_months in any::<bool>(),
        ) {
            let zero = date("2025-12-20");
            let plus = |days: i32| zero.saturating_add(Span::new().days(days));
            let month = |n: &i32| date("2025-12-01").saturating_add(Span::new().months(*n));
            let kept = Kept {
                marked: BTreeMap::from([("q".to_owned(), marked.iter().map(|n| plus(*n)).collect())]),
                months: BTreeMap::from([("q".to_owned(), months.iter().map(month).collect())]),
            };
            let days = Days { first: Some(plus(first)), last: Some(plus(first + length)) };
            let periods = [Period { days: Some(days), edges: Vec::new() }];
            let zone = Zone::new("America/Sao_Paulo").unwrap();
            let grain = if by_months { Grain::Months } else { Grain::Days };
            let plan = Plan::new(&["q".to_owned()], &periods, &kept, &zone, grain);
            let mut covered = Vec::new();
            let mut add = |first: Date, last: Date, believed: bool| {
                let mut at = first;
                while at <= last {
                    assert!(!believed || !kept.marked["q"].contains(&at), "{at} is marked");
                    covered.push(at);
                    at = after(at);
                }
            };
            for part in &plan.months {
                let (first, last) = part.stretch;
                let mut at = first;
                while at <= last {
                    assert!(kept.months["q"].contains(&at), "{at} is not kept");
                    at = next_month(at);
                }
                add(first, before(next_month(last)), true);
            }
            for part in &plan.days {
                add(part.stretch.first.unwrap(), part.stretch.last.unwrap(), true);
            }
            for part in &plan.raw {
                let date = |at: Option<jiff::Timestamp>| zone.rules().to_datetime(at.unwrap()).date();
                add(date(part.stretch.from), before(date(part.stretch.to)), false);
            }
            covered.sort();
            let expected: Vec<Date> = (0..=length).map(|n| plus(first + n)).collect();
            prop_assert_eq!(covered, expected);
            prop_assert!(plan.days.is_empty() || !by_months);
        }
    }
}
