//! A rating (a row of `cc_csat`), and how to ask for several.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use aftercall_core::{AgentId, CallId, Key, Language, QueueId, Score, SurveyName};
use jiff::Timestamp;

use crate::read::Window;
use crate::words::{Channel, Comment, RatingId, SessionId};

/// The score a caller gave for a call, and what is known about it. One call has at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// Ours; never changes.
    pub id: RatingId,
    /// The call that is rated.
    pub call: CallId,
    /// The agent who spoke with the caller.
    pub agent: Option<AgentId>,
    /// The queue through which the call came.
    pub queue: Option<QueueId>,
    /// 1 (worst) to 5 (best).
    pub score: Score,
    /// What the caller wrote.
    pub comment: Option<Comment>,
    /// When the caller rated, to the microsecond. It decides the day a rating counts in.
    pub created_at: Timestamp,
    /// What the caller pressed, where keys were.
    pub key: Option<Key>,
    /// The survey that asked.
    pub survey: Option<SurveyName>,
    /// That survey's version.
    pub survey_version: Option<u32>,
    /// How the caller was asked.
    pub channel: Option<Channel>,
    /// The language the caller was asked in.
    pub language: Option<Language>,
    /// The session that gave the rating; `None` when it came through the API.
    pub session: Option<SessionId>,
    /// The step of the survey that asked.
    pub question: Option<String>,
    /// 1 when new, one more for each change.
    pub revision: u32,
    /// What looked unusual when it arrived.
    pub flags: BTreeSet<Flag>,
}

/// What looks unusual about a rating: recorded, never judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// It came through the API for a call that no door had reported until then. Set by the store.
    NoCall,
    /// One of many from the same source in a short time. Set by who sees the source.
    Burst,
    /// The same caller has rated the same agent often. Set by who sees the caller.
    SameCaller,
}

impl Flag {
    /// Every flag.
    pub const ALL: [Self; 3] = [Self::NoCall, Self::Burst, Self::SameCaller];

    /// The word in the database and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoCall => "no_call",
            Self::Burst => "burst",
            Self::SameCaller => "same_caller",
        }
    }
}

/// What is known of a call's rating.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Live(Box<Rating>),
    /// It was there and has been erased.
    Erased,
    /// There never was one.
    Never,
}

/// Which ratings to list; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RatingFilter {
    /// Of this agent.
    pub agent: Option<AgentId>,
    /// Of any of these queues; `Some` of none finds nothing. At most [`crate::QUEUES_MAX`].
    pub queues: Option<Vec<QueueId>>,
    /// With this score.
    pub score: Option<Score>,
    /// Asked by this survey.
    pub survey: Option<SurveyName>,
    /// Asked in this way.
    pub channel: Option<Channel>,
    /// Asked in this language.
    pub language: Option<Language>,
    /// Rated within this window.
    pub window: Window,
}

/// Where a page of ratings ended: the next begins behind it, whatever was written in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatingCursor {
    /// The last rating's time.
    pub created_at: Timestamp,
    /// The last rating's id, which orders those of one microsecond.
    pub id: RatingId,
}

/// The text is not a cursor that [`RatingCursor`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this server")]
pub struct NotACursor;

impl From<&Rating> for RatingCursor {
    fn from(rating: &Rating) -> Self {
        Self { created_at: rating.created_at, id: rating.id }
    }
}

impl fmt::Display for RatingCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.created_at.as_microsecond(), self.id)
    }
}

impl FromStr for RatingCursor {
    type Err = NotACursor;
    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (micros, id) = text.split_once('_').ok_or(NotACursor)?;
        let micros = micros.parse().map_err(|_| NotACursor)?;
        let created_at = Timestamp::from_microsecond(micros).map_err(|_| NotACursor)?;
        Ok(Self { created_at, id: id.parse().map_err(|_| NotACursor)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_journey_through_a_url_and_nothing_else_is_one() {
        let id = "0197f3a2-0000-7000-8000-000000000001";
        let cursor = RatingCursor {
            created_at: "2026-11-22T08:00:00.000001Z".parse().unwrap(),
            id: id.parse().unwrap(),
        };
        assert_eq!(cursor.to_string(), format!("1795334400000001_{id}"));
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "_", "1", &format!("x_{id}"), "1_x", &format!("99999999999999999999_{id}")] {
            assert_eq!(text.parse::<RatingCursor>(), Err(NotACursor), "{text:?}");
        }
    }
}
