//! What is kept of a call's way through a survey: the offer (its funnel) and the answers.

use aftercall_core::{AgentId, CallId, Key, Language, OfferState, QueueId, Score, SurveyName, TenantId};
use jiff::Timestamp;

use crate::words::{Channel, Said, SessionId};

/// The session that something was heard in. Doors make one and share it among its writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Whose data it is.
    pub tenant: TenantId,
    /// The call that the caller had.
    pub call: CallId,
    /// This session of that call.
    pub id: SessionId,
    /// Who and what it is about.
    pub about: About,
}

/// Who and what a session is about, as far as the door knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The agent who spoke with the caller.
    pub agent: Option<AgentId>,
    /// The queue through which the call came.
    pub queue: Option<QueueId>,
    /// The survey.
    pub survey: Option<SurveyName>,
    /// The survey's version.
    pub survey_version: Option<u32>,
    /// How the caller is asked.
    pub channel: Option<Channel>,
    /// The language the caller is asked in.
    pub language: Option<Language>,
}

/// How far a call came (a row of `cc_csat_offers`). One call has at most one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The call.
    pub call: CallId,
    /// The session whose way this is.
    pub session: SessionId,
    /// Who and what it is about.
    pub about: About,
    /// How far the call came.
    pub state: OfferState,
    /// Why, where the state alone does not say it: `busy`, `rtp_timeout`.
    pub reason: Option<String>,
    /// When the survey was, or was deliberately not, put to the caller.
    pub offered_at: Timestamp,
    /// When the first prompt began.
    pub started_at: Option<Timestamp>,
    /// When the first answer was given.
    pub answered_at: Option<Timestamp>,
    /// When the session ended.
    pub ended_at: Option<Timestamp>,
}

/// What was given to a question (a row of `cc_csat_answers`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The step's id.
    pub question: String,
    /// The session it was given in.
    pub session: SessionId,
    /// The last key pressed, where keys were.
    pub key: Option<Key>,
    /// The score, where the question has one.
    pub score: Option<Score>,
    /// The answer in words.
    pub value: Said,
    /// Whether this question's score is the call's rating.
    pub main: bool,
    /// When it was given; the last time, if it was amended.
    pub answered_at: Timestamp,
}
