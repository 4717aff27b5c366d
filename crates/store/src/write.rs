//! What can be written, and what comes of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use aftercall_core::{
    AgentId, CallId, Ending, Key, Language, OfferState, QueueId, Score, SurveyName, TenantId,
};
use jiff::Timestamp;

use crate::quality::Measured;
use crate::rating::{Flag, Rating};
use crate::session::Session;
use crate::words::{Channel, Comment, KeyId, RatedAt, Said};

/// The most writes in one batch, so in one transaction: 512 with the longest comments
/// (24 kB each as JSON) are under 13 MB, and a commit's fsync is shared by enough of them.
pub const BATCH_MAX: usize = 512;

/// One thing to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// A call became eligible: the survey was, or was deliberately not, put to the caller.
    Offered(Offered),
    /// The first prompt began.
    Started(Started),
    /// A question was answered, or its answer amended.
    Answered(Answered),
    /// The session is over.
    Ended(Ended),
    /// A call's media ended.
    Measured(Measured),
    /// `POST`: a rating from outside a session.
    Rate(NewRating),
    /// History: a rating as another system knew it after so many changes.
    Revise(Revision),
    /// `PUT`: a rating changed on purpose.
    Replace(Replacement),
    /// `DELETE`: a rating erased for privacy.
    Erase(Erasure),
}

/// A call became eligible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Where.
    pub session: Arc<Session>,
    /// Whether the caller was asked.
    pub put: Put,
    /// When.
    pub at: Timestamp,
}

/// Whether a survey was put to the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It was.
    ToCaller,
    /// It was not, by a rule.
    Suppressed {
        /// Which rule: `disabled`, `busy`, …
        reason: String,
    },
}

/// The first prompt began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Where.
    pub session: Arc<Session>,
    /// When.
    pub at: Timestamp,
}

/// A question was answered, or its answer amended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Where.
    pub session: Arc<Session>,
    /// The step's id.
    pub question: String,
    /// The last key pressed, where keys were.
    pub key: Option<Key>,
    /// The score, where the question has one.
    pub score: Option<Score>,
    /// The answer in words.
    pub value: Said,
    /// Whether this question's score is the call's rating.
    pub main: bool,
    /// The funnel state that holds from now on if nothing else comes.
    pub state: OfferState,
    /// Whether the caller changed an answer given before.
    pub amends: bool,
    /// What looked unusual to the door; kept with the rating that this makes.
    pub flags: BTreeSet<Flag>,
    /// When.
    pub at: Timestamp,
}

/// A session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Where.
    pub session: Arc<Session>,
    /// How.
    pub ending: Ending,
    /// When.
    pub at: Timestamp,
}

/// A rating from outside a session (csat.md, 2.4 and 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRating {
    /// Whose data it is.
    pub tenant: TenantId,
    /// The call that is rated.
    pub call: CallId,
    /// The score.
    pub score: Score,
    /// What the caller wrote.
    pub comment: Option<Comment>,
    /// The agent.
    pub agent: Option<AgentId>,
    /// The queue.
    pub queue: Option<QueueId>,
    /// When the caller rated; `None`: now.
    pub created_at: Option<RatedAt>,
    /// What the caller pressed.
    pub key: Option<Key>,
    /// The survey that asked.
    pub survey: Option<SurveyName>,
    /// How the caller was asked.
    pub channel: Option<Channel>,
    /// In which language.
    pub language: Option<Language>,
    /// What looked unusual to who received it; the store adds [`Flag::NoCall`] itself.
    pub flags: BTreeSet<Flag>,
    /// The queues whose ratings the sender may see and fill in; `None`: every one, and those of no queue.
    pub within: Option<Vec<QueueId>>,
    /// Who sent it.
    pub actor: Actor,
    /// When it arrived.
    pub at: Timestamp,
}

/// A rating as another system knew it. Its revisions may come in any order: the highest holds, and of two alike the first
/// that comes; an [`Erasure`] by [`Actor::Import`] is final, also where it comes before all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// All of it, as it was then; [`NewRating::at`] is when the other system learned of it.
    pub rating: NewRating,
    /// How often it had been changed: 0 as it was given first.
    pub number: u32,
}

/// A rating changed on purpose. The old score stays in `cc_csat_log`, an old comment does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// Whose data it is.
    pub tenant: TenantId,
    /// The call whose rating changes.
    pub call: CallId,
    /// The new score.
    pub score: Score,
    /// The comment.
    pub comment: Change<Comment>,
    /// The agent.
    pub agent: Change<AgentId>,
    /// The queue.
    pub queue: Change<QueueId>,
    /// When the caller rated; `None` keeps it.
    pub created_at: Option<RatedAt>,
    /// What the caller pressed.
    pub key: Change<Key>,
    /// The survey. Its version is forgotten when it changes.
    pub survey: Change<SurveyName>,
    /// How the caller was asked.
    pub channel: Change<Channel>,
    /// In which language.
    pub language: Change<Language>,
    /// Who asked for it.
    pub actor: Actor,
    /// When it was asked for.
    pub at: Timestamp,
}

/// What becomes of one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// It stays (absent in a `PUT`).
    #[default]
    Keep,
    /// It becomes absent (`null` in a `PUT`).
    Clear,
    /// It becomes this.
    Set(T),
}

/// A rating erased for privacy, with every answer given in the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// Whose data it is.
    pub tenant: TenantId,
    /// The call.
    pub call: CallId,
    /// The queues whose ratings may be erased; `None`: every one, and those of no queue.
    pub within: Option<Vec<QueueId>>,
    /// Who asked for it.
    pub actor: Actor,
    /// When it was asked for.
    pub at: Timestamp,
}

/// Who asked for a change through the API. It is kept in `cc_csat_log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// The holder of an API key.
    Key(KeyId),
    /// Someone on the machine itself, while there is no key.
    Keyless,
    /// Someone on the machine itself who brought history along from elsewhere.
    Import,
}

/// What came of a write. Hearing something twice is normal: that is a result, not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// `Offered`, `Started`, `Ended`, `Measured`, or an `Answered` that is not the rating: kept.
    Recorded,
    /// The same: known already, or late; nothing changed.
    AlreadyHad,
    /// The same: another session of this call got there first; nothing changed.
    OtherSession,
    /// `Rate`, `Revise`, `Answered`: this is the call's rating now.
    New(Box<Rating>),
    /// `Rate`, `Revise`, `Replace`, `Answered`: nothing to change in the stored rating.
    Same(Box<Rating>),
    /// `Rate`, `Answered`: it repeated the stored rating and knew more about it.
    Filled(Box<Rating>),
    /// `Answered`: the session changed its own rating. `Revise`: a later revision took the place of the stored one.
    Amended(Box<Rating>),
    /// `Replace`: done.
    Replaced(Box<Rating>),
    /// `Rate`, `Revise`, `Answered`: the stored rating says otherwise; nothing changed.
    Contradicts(Box<Rating>),
    /// `Rate`: the call has a rating that the sender may not see; nothing changed.
    OutOfReach,
    /// `Erase`: done. What was answered in the call, for whoever keeps recordings of it.
    Erased(Vec<Said>),
    /// Every kind about the rating or an answer: the call's rating was erased earlier; nothing changed.
    Gone,
    /// `Replace`, `Erase`: nothing is known that the sender may change.
    Absent,
    /// Every kind: there is no such tenant; nothing kept.
    UnknownTenant,
}
