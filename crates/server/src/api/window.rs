//! `days`, `from` and `to`: which ratings an answer counts, and the days of its trend.

use std::ops::Range;
use std::sync::LazyLock;

use aftercall_core::stats::calendar::{self, DAYS_MAX};
use aftercall_store::{Window, Zone};
use jiff::civil::Date;
use jiff::{Span, Timestamp};
use regex::Regex;
use serde_json::Value;

use super::problem::{Kind, Problem};
use crate::fields::{Fields, text};

/// The days of a trend, unless the request says otherwise.
pub const DAYS_DEFAULT: u16 = 30;

/// RFC 3339, 5.6. The library reads more than that; a client should not come to rely on it.
static RFC_3339: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$").ok());

/// What a request says about time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// The days of the trend.
    pub days: Option<u16>,
    /// Where the window begins.
    pub from: Option<When>,
    /// Where it ends.
    pub to: Option<When>,
}

/// An instant, or a local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// An instant.
    Instant(Timestamp),
    /// A day in the tenant's zone; as an end it counts.
    Day(Date),
}

/// What it means in a tenant's zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Everything but the trend.
    pub window: Window,
    /// The trend's days, oldest first.
    pub days: Vec<TrendDay>,
}

/// A day of a trend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrendDay {
    /// Its date.
    pub date: Date,
    /// The part of it that counts.
    pub span: Range<Timestamp>,
    /// Whether that is not all of it, or it is not over.
    pub partial: bool,
}

impl Asked {
    /// Reads `days`, `from` and `to`.
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let days = fields.optional("days", days);
        let (from, to) = Self::read_ends(fields)?;
        Some(Self { days: days?, from, to })
    }

    /// Reads `from` and `to` only.
    pub fn read_ends(fields: &mut Fields<'_, '_>) -> Option<(Option<When>, Option<When>)> {
        Self::read_named(fields, "from", "to")
    }

    /// Reads the two ends by these names.
    pub fn read_named(
        fields: &mut Fields<'_, '_>,
        from: &'static str,
        to: &'static str,
    ) -> Option<(Option<When>, Option<When>)> {
        let from = fields.optional(from, when);
        let to = fields.optional(to, when);
        Some((from?, to?))
    }

    /// The window alone.
    ///
    /// # Errors
    /// When it ends before it begins.
    pub fn window(&self, zone: &Zone) -> Result<Window, Problem> {
        self.ends(zone).ok_or_else(|| Problem::new(Kind::Unreadable, "`from` must be before `to`"))
    }

    /// The same; `None` when it ends before it begins.
    pub fn ends(&self, zone: &Zone) -> Option<Window> {
        let from = self.from.map(|when| when.begin(zone));
        let to = self.to.map(|when| when.end(zone));
        let empty = from.zip(to).is_some_and(|(from, to)| from >= to);
        (!empty).then_some(Window { from, to })
    }

    /// The window and the trend's days. Without `days` the trend covers the window if that has a
    /// beginning, else [`DAYS_DEFAULT`] days up to its end or to today; never more than the last
    /// [`DAYS_MAX`].
    ///
    /// # Errors
    /// When the window ends before it begins.
    pub fn counted(&self, zone: &Zone, now: Timestamp) -> Result<Counted, Problem> {
        let window = self.window(zone)?;
        let (from, to) = (window.from.unwrap_or(Timestamp::MIN), window.to.unwrap_or(Timestamp::MAX));
        let last = if to <= now { before(to) } else { now };
        let first = calendar::day_of(from, zone.rules());
        let count = match (self.days, window.from) {
            (Some(days), _) => days,
            (None, None) => DAYS_DEFAULT,
            (None, Some(_)) => days_between(first, calendar::day_of(last, zone.rules())),
        };
        let days = calendar::last_days(last, count, zone.rules());
        let days = days.into_iter().filter(|day| day.date >= first).map(|day| {
            let span = day.span.start.max(from)..day.span.end.min(to);
            let partial = span != day.span || day.span.contains(&now);
            TrendDay { date: day.date, span, partial }
        });
        Ok(Counted { window, days: days.collect() })
    }
}

impl When {
    fn begin(self, zone: &Zone) -> Timestamp {
        match self {
            Self::Instant(at) => at,
            Self::Day(date) => calendar::day(date, zone.rules()).span.start,
        }
    }

    /// The first instant behind it.
    pub fn end(self, zone: &Zone) -> Timestamp {
        match self {
            Self::Instant(at) => at,
            Self::Day(date) => calendar::day(date, zone.rules()).span.end,
        }
    }
}

fn before(at: Timestamp) -> Timestamp {
    at.saturating_sub(Span::new().microseconds(1)).unwrap_or(at)
}

/// Both ends count; none when the last comes first.
fn days_between(first: Date, last: Date) -> u16 {
    let days = first.duration_until(last).as_hours() / 24 + 1;
    u16::try_from(days.max(0)).unwrap_or(DAYS_MAX).min(DAYS_MAX)
}

fn days(value: &Value) -> Result<u16, String> {
    let days = text(value)?.parse::<u16>().ok().filter(|days| (1..=DAYS_MAX).contains(days));
    days.ok_or_else(|| format!("must be a whole number from 1 to {DAYS_MAX}"))
}

/// Reads an instant or a date.
///
/// # Errors
/// When it is neither.
pub fn when(value: &Value) -> Result<When, String> {
    let text = text(value)?;
    if let Ok(instant) = rfc_3339(&text) {
        return Ok(When::Instant(instant));
    }
    // In a query a plus sign means a space, and hardly anyone writes %2B for that of `+08:00`.
    if let Some((head, offset)) = text.rsplit_once(' ')
        && let Ok(instant) = rfc_3339(&format!("{head}+{offset}"))
    {
        return Ok(When::Instant(instant));
    }
    let is_date = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let date = is_date.then(|| text.parse().ok()).flatten();
    date.map(When::Day).ok_or_else(|| {
        "must be a date (2026-11-22) or an instant in RFC 3339 (2026-11-22T08:00:00Z)".to_owned()
    })
}

/// Reads an instant as RFC 3339 writes it, and only that.
///
/// # Errors
/// When it is written otherwise, or there is no such instant.
pub fn rfc_3339(text: &str) -> Result<Timestamp, String> {
    let fault = || "must be an instant in RFC 3339, such as 2026-11-22T08:00:00Z".to_owned();
    if !RFC_3339.as_ref().is_some_and(|pattern| pattern.is_match(text)) {
        return Err(fault());
    }
    text.parse().map_err(|_| fault())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn zone(name: &str) -> Zone {
        Zone::new(name).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn asked(days: Option<u16>, from: &str, to: &str) -> Asked {
        let read = |text: &str| (!text.is_empty()).then(|| when(&json!(text)).unwrap());
        Asked { days, from: read(from), to: read(to) }
    }

    /// `first..last` of the trend, with `~` before a partial one, and how many.
    fn shown(counted: &Counted) -> String {
        let mark = |day: &TrendDay| format!("{}{}", if day.partial { "~" } else { "" }, day.date);
        match (counted.days.first(), counted.days.last()) {
            (Some(first), Some(last)) => format!("{}..{} {}", mark(first), mark(last), counted.days.len()),
            _ => "none".to_owned(),
        }
    }

    #[test]
    fn the_trend_covers_what_was_asked_and_marks_what_is_not_a_whole_day() {
        let now = at("2026-11-22T08:00:00Z");
        for (days, from, to, expected) in [
            (None, "", "", "2026-10-24..~2026-11-22 30"),
            (Some(1), "", "", "~2026-11-22..~2026-11-22 1"),
            (Some(3), "", "", "2026-11-20..~2026-11-22 3"),
            (None, "2026-11-01", "2026-11-10", "2026-11-01..2026-11-10 10"),
            (None, "2026-11-01", "", "2026-11-01..~2026-11-22 22"),
            (None, "", "2026-11-10", "2026-10-12..2026-11-10 30"),
            (Some(2), "2026-11-01", "2026-11-10", "2026-11-09..2026-11-10 2"),
            (Some(20), "2026-11-01", "2026-11-10", "2026-11-01..2026-11-10 10"),
            (None, "2026-11-01T12:00:00Z", "2026-11-03T00:00:00Z", "~2026-11-01..2026-11-02 2"),
            (None, "2026-11-01T00:00:00Z", "2026-11-03T12:00:00Z", "2026-11-01..~2026-11-03 3"),
            (None, "2026-11-22", "2026-12-24", "~2026-11-22..~2026-11-22 1"),
            (None, "2026-12-01", "", "none"),
            (None, "1990-01-01", "", "2016-11-15..~2026-11-22 3660"),
            (Some(5), "1990-01-01", "", "2026-11-18..~2026-11-22 5"),
        ] {
            let counted = asked(days, from, to).counted(&zone("UTC"), now).unwrap();
            assert_eq!(shown(&counted), expected, "{days:?} {from} {to}");
        }
    }

    #[test]
    fn days_are_those_of_the_tenants_zone() {
        let now = at("2026-03-29T12:00:00Z");
        let counted = asked(None, "2026-03-29", "2026-03-29").counted(&zone("Europe/Berlin"), now).unwrap();
        assert_eq!(counted.window.from, Some(at("2026-03-28T23:00:00Z")));
        assert_eq!(counted.window.to, Some(at("2026-03-29T22:00:00Z")), "the day has 23 hours");
        assert_eq!(shown(&counted), "~2026-03-29..~2026-03-29 1");
        let shanghai = asked(Some(1), "", "").counted(&zone("Asia/Shanghai"), at("2026-03-29T16:00:00Z"));
        assert_eq!(shown(&shanghai.unwrap()), "~2026-03-30..~2026-03-30 1");
    }

    #[test]
    fn windows_that_cannot_be_are_refused() {
        let now = at("2026-11-22T08:00:00Z");
        for (from, to, expected) in [
            ("2026-11-02", "2026-11-01", "`from` must be before `to`"),
            ("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", "`from` must be before `to`"),
        ] {
            let problem = asked(None, from, to).counted(&zone("UTC"), now).unwrap_err();
            assert!(format!("{problem:?}").contains(expected), "{problem:?}");
        }
    }

    #[test]
    fn instants_are_rfc_3339_and_nothing_else() {
        for (text, expected) in [
            ("2026-11-22T08:00:00Z", Some("2026-11-22T08:00:00Z")),
            ("2026-11-22t08:00:00.1234567z", Some("2026-11-22T08:00:00.1234567Z")),
            ("2026-11-22 08:00:00+08:00", Some("2026-11-22T00:00:00Z")),
            ("2026-12-31T23:59:60Z", Some("2026-12-31T23:59:59Z")),
            ("2026-11-22T08:00Z", None),
            ("2026-11-22T08:00:00", None),
            ("2026-11-22T08:00:00+08", None),
            ("2026-11-22T08:00:00Z[UTC]", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-22", None),
            ("", None),
        ] {
            assert_eq!(rfc_3339(text).ok(), expected.map(at), "{text}");
        }
        let in_query = |text: &str| when(&json!(text)).ok();
        assert_eq!(in_query("2026-11-22T08:00:00 08:00"), Some(When::Instant(at("2026-11-22T00:00:00Z"))));
        assert_eq!(in_query("2026-11-22"), Some(When::Day("2026-11-22".parse().unwrap())));
        assert_eq!(in_query("20261122"), None);
    }
}
