//! A rating as a row: the same cells in every format.

use std::borrow::Cow;

use aftercall_store::{Comment, Flag, Rating, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::csv::quoted;

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Empty,
    Text(Cow<'a, str>),
    Number(u32),
    /// An instant, as the clocks of that zone show it.
    Local(Timestamp, &'a TimeZone),
    /// An instant in UTC.
    Utc(Timestamp),
}

/// The columns: each one's name, and how wide a spreadsheet shows it, in characters.
pub(super) const COLUMNS: [(&str, u8); 15] = [
    ("call_id", 26),
    ("score", 7),
    ("key", 6),
    ("agent_id", 18),
    ("queue_id", 18),
    ("survey", 16),
    ("survey_version", 15),
    ("channel", 10),
    ("language", 10),
    ("comment", 48),
    (LOCAL, 27),
    ("rated_at_utc", 27),
    ("flags", 14),
    ("revision", 9),
    ("id", 38),
];

/// Named with the zone behind it.
const LOCAL: &str = "rated_at";

/// The names of the columns; that of the local time states whose it is.
pub(super) fn header(zone: &Zone) -> [String; COLUMNS.len()] {
    COLUMNS.map(|(name, _)| match name {
        LOCAL => format!("{LOCAL} ({})", zone.name()),
        _ => name.to_owned(),
    })
}

/// A rating, in the order of the columns.
pub(super) fn cells<'a>(rating: &'a Rating, zone: &'a Zone) -> [Cell<'a>; COLUMNS.len()] {
    let flags: Vec<&str> = rating.flags.iter().copied().map(Flag::word).collect();
    [
        Cell::text(Some(rating.call.as_str())),
        Cell::Number(rating.score.get().into()),
        Cell::shown(rating.key),
        Cell::text(rating.agent.as_ref().map(|agent| agent.as_str())),
        Cell::text(rating.queue.as_ref().map(|queue| queue.as_str())),
        Cell::text(rating.survey.as_ref().map(|survey| survey.as_str())),
        rating.survey_version.map_or(Cell::Empty, Cell::Number),
        Cell::text(rating.channel.as_ref().map(|channel| channel.as_str())),
        Cell::text(rating.language.as_ref().map(|language| language.as_str())),
        Cell::text(rating.comment.as_ref().map(Comment::expose)),
        Cell::Local(rating.created_at, zone.rules()),
        Cell::Utc(rating.created_at),
        Cell::shown((!flags.is_empty()).then(|| flags.join(" "))),
        Cell::Number(rating.revision),
        Cell::shown(Some(rating.id)),
    ]
}

impl<'a> Cell<'a> {
    fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.into()))
    }

    fn shown(what: Option<impl ToString>) -> Self {
        what.map_or(Self::Empty, |what| Self::Text(what.to_string().into()))
    }

    /// The cell in CSV. Times are RFC 3339, to the microsecond, with the offset that the clocks had.
    pub(super) fn in_csv(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
            Self::Utc(at) => format!("{at:.6}"),
            Self::Local(at, zone) => {
                at.to_zoned((*zone).clone()).strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string()
            }
        }
    }
}
