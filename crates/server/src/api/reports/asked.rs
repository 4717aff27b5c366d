//! What a report is asked: which ratings, when, by which calendar, and how to answer.

use aftercall_core::stats::calendar::day_of;
use aftercall_core::stats::{Bucket, Grain, WeekStart, buckets};
use aftercall_store::{RatingFilter, Tenant, Window, Zone};
use jiff::{Span, Timestamp};
use utoipa::IntoParams;

use super::table::Format;
use crate::api::access::Who;
use crate::api::filter;
use crate::api::problem::{Kind, Problem};
use crate::api::window::{Asked, When, when};
use crate::api::{Api, forbidden};
use crate::fields::{Fields, text};

/// When, by which calendar, and how to answer.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `About`")]
pub struct AboutQuery {
    /// At or after: a date in the report's time zone, or an instant (RFC 3339).
    #[param(value_type = Option<super::super::openapi::DateOrInstant>, inline, example = "2026-11-01")]
    pub from: Option<String>,
    /// Before this instant, or up to the end of this date. Default: now.
    #[param(value_type = Option<super::super::openapi::DateOrInstant>, inline, example = "2026-11-30")]
    pub to: Option<String>,
    /// The time zone whose days these are, by its IANA name. Default: the tenant's.
    pub tz: Option<String>,
    /// What the report said at this instant, or at the end of this date: what arrived later is not counted, and what was
    /// changed later is as it was.
    #[param(value_type = Option<super::super::openapi::DateOrInstant>, inline, example = "2026-11-30")]
    pub as_of: Option<String>,
    /// How to answer; without it the `Accept` header says.
    #[param(pattern = "^(json|csv)$")]
    pub format: Option<String>,
}

/// The period of a report.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "what is documented; what is read is `Period`")]
pub struct PeriodQuery {
    /// How long a line's period is. Default: day.
    #[param(pattern = "^(hour|day|week|month)$")]
    pub period: Option<String>,
}

/// How long a line's period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
    Week,
    Month,
}

impl Period {
    const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Option<Self>> {
        fields.optional("period", |value| {
            let word = text(value)?;
            let known = Self::ALL.into_iter().find(|period| period.word() == word);
            known.ok_or_else(|| "must be hour, day, week or month".to_owned())
        })
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    pub fn grain(self, week_start: WeekStart) -> Grain {
        match self {
            Self::Hour => Grain::Hour,
            Self::Day => Grain::Day,
            Self::Week => Grain::Week(week_start),
            Self::Month => Grain::Month,
        }
    }

    /// How far back a report goes that does not say.
    fn usual(self) -> Span {
        match self {
            Self::Hour => Span::new().days(1),
            Self::Day => Span::new().days(29),
            Self::Week => Span::new().days(12 * 7),
            Self::Month => Span::new().months(11),
        }
    }
}

/// What every report is asked, read.
#[derive(Debug, Clone)]
pub struct About {
    filter: RatingFilter,
    from: Option<When>,
    to: Option<When>,
    as_of: Option<When>,
    zone: Option<Zone>,
    pub format: Option<Format>,
}

impl About {
    pub fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let (format, as_of) = (Format::read(fields), fields.optional("as_of", when));
        let about = Self::read_but_format(fields);
        Some(Self { format: format?, as_of: as_of?, ..about? })
    }

    /// The same for what has formats of its own.
    pub fn read_but_format(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let filter = filter::read(fields);
        let zone = fields.optional("tz", |value| Zone::new(&text(value)?).map_err(|why| why.to_string()));
        let (from, to) = Asked::read_ends(fields)?;
        Some(Self { filter: filter?, from, to, as_of: None, zone: zone?, format: None })
    }

    /// What it comes to for whoever asks.
    ///
    /// # Errors
    /// When they may not see that, or it cannot be.
    pub async fn of(self, api: &Api, who: &Who) -> Result<Subject, Problem> {
        let filter = who.list(self.filter).ok_or_else(forbidden)?;
        let tenant = api.tenant(&who.tenant).await?;
        let zone = self.zone.unwrap_or_else(|| tenant.time_zone.clone());
        let window = since_1970(Asked { days: None, from: self.from, to: self.to }.window(&zone)?)?;
        let now = api.clock().now();
        let as_of = self.as_of.map(|when| when.end(&zone).min(now));
        Ok(Subject { filter, tenant, zone, window, as_of, now: as_of.unwrap_or(now) })
    }
}

/// Which ratings a report is about, by which calendar.
#[derive(Debug, Clone)]
pub struct Subject {
    pub filter: RatingFilter,
    pub tenant: Tenant,
    pub zone: Zone,
    /// What was asked for.
    pub window: Window,
    /// When it was asked, if not now.
    pub as_of: Option<Timestamp>,
    /// The present of the report.
    pub now: Timestamp,
}

/// A line's time.
#[derive(Debug, Clone)]
pub struct Slot {
    pub bucket: Bucket,
    /// The part of the bucket that counts.
    pub window: Window,
    /// Whether that is not all of it, or it is not over.
    pub partial: bool,
}

impl Subject {
    /// The periods of the window; of an open one as many as is usual, up to now.
    ///
    /// # Errors
    /// When they are too many.
    pub fn slots(&self, period: Period) -> Result<Vec<Slot>, Problem> {
        let rules = self.zone.rules();
        let to = self.window.to.unwrap_or(self.now);
        let last_instant = to.saturating_sub(Span::new().nanoseconds(1)).unwrap_or(to);
        let last = day_of(last_instant.max(self.window.from.unwrap_or(Timestamp::MIN)), rules);
        let first = match self.window.from {
            Some(from) => day_of(from, rules),
            None => last.saturating_sub(period.usual()),
        };
        let grain = period.grain(self.tenant.week_start);
        let found = buckets(first..=last, grain, rules, self.now)
            .map_err(|why| Problem::new(Kind::Unreadable, format!("{why}, or set `from` and `to`")))?;
        let slots = found.into_iter().map(|bucket| {
            let start = self.window.from.map_or(bucket.span.start, |from| from.max(bucket.span.start));
            let end = self.window.to.map_or(bucket.span.end, |to| to.min(bucket.span.end));
            let partial = bucket.partial || (start, end) != (bucket.span.start, bucket.span.end);
            Slot { window: Window { from: Some(start), to: Some(end.max(start)) }, bucket, partial }
        });
        // An hour or a skipped date at the edge may have no part in the window.
        Ok(slots.filter(|slot| slot.window.from < slot.window.to || slot.bucket.span.is_empty()).collect())
    }

    /// The window from its beginning to its end, as the answer tells it.
    pub fn ends(&self) -> (Option<String>, Option<String>) {
        let shown = |at: Option<Timestamp>| at.map(crate::api::view::instant);
        (shown(self.window.from), shown(self.window.to))
    }
}

/// The window from 1970 on: nothing was rated before.
///
/// # Errors
/// When nothing is left of it.
pub fn since_1970(window: Window) -> Result<Window, Problem> {
    if window.to.is_some_and(|to| to <= Timestamp::UNIX_EPOCH) {
        return Err(Problem::new(Kind::Unreadable, "nothing was rated before 1970"));
    }
    Ok(Window { from: window.from.map(|from| from.max(Timestamp::UNIX_EPOCH)), ..window })
}
