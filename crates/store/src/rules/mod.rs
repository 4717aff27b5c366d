//! What a write means for what is known of its call. Pure: the databases load what is known,
//! ask here, and keep what became of it.

mod rating;
mod session;

use std::collections::BTreeMap;

use aftercall_core::{AgentId, CallId, Language, QueueId, Score, SurveyName, TenantId};
use jiff::Timestamp;

use crate::ids::Ids;
use crate::quality::{Measured, Quality};
use crate::rating::Rating;
use crate::session::{Answer, Offer};
use crate::words::{Channel, SessionId};
use crate::write::{Actor, Write, Written};

/// All that is known of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Its rating, if there is one now.
    pub(crate) rating: Option<Rating>,
    /// Whether it had one that was erased: for good.
    pub(crate) erased: bool,
    /// How far it came.
    pub(crate) offer: Option<Offer>,
    /// What was answered, by question.
    pub(crate) answers: BTreeMap<String, Answer>,
    /// How its media went, as the writes of this batch say; what was kept before is not loaded.
    pub(crate) quality: Option<(SessionId, Quality)>,
}

/// Something that happened to a rating: a row of `cc_csat_log`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) call: CallId,
    pub(crate) op: Op,
    pub(crate) revision: u32,
    pub(crate) arrived_at: Timestamp,
    pub(crate) rated_at: Option<Timestamp>,
    pub(crate) agent: Option<AgentId>,
    pub(crate) queue: Option<QueueId>,
    pub(crate) survey: Option<SurveyName>,
    pub(crate) channel: Option<Channel>,
    pub(crate) language: Option<Language>,
    pub(crate) old_score: Option<Score>,
    pub(crate) new_score: Option<Score>,
    pub(crate) by: By,
    pub(crate) reason: Option<&'static str>,
}

/// What happened (`cc_csat_log.op`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Created,
    Filled,
    Amended,
    Replaced,
    Deleted,
    Conflict,
}

impl Op {
    /// Every one.
    pub(crate) const ALL: [Self; 6] =
        [Self::Created, Self::Filled, Self::Amended, Self::Replaced, Self::Deleted, Self::Conflict];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Filled => "filled",
            Self::Amended => "amended",
            Self::Replaced => "replaced",
            Self::Deleted => "deleted",
            Self::Conflict => "conflict",
        }
    }
}

/// Who did it (`cc_csat_log.actor`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    Api(Actor),
    Session(SessionId),
}

impl By {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Api(Actor::Key(id)) => format!("key:{id}"),
            Self::Api(Actor::Keyless) => "keyless".to_owned(),
            Self::Api(Actor::Import) => "import".to_owned(),
            Self::Session(id) => format!("session:{}", id.as_str()),
        }
    }
}

impl Write {
    /// Whose data and which call it is about.
    pub(crate) fn call(&self) -> (&TenantId, &CallId) {
        match self {
            Self::Offered(w) => (&w.session.tenant, &w.session.call),
            Self::Started(w) => (&w.session.tenant, &w.session.call),
            Self::Answered(w) => (&w.session.tenant, &w.session.call),
            Self::Ended(w) => (&w.session.tenant, &w.session.call),
            Self::Measured(w) => (&w.session.tenant, &w.session.call),
            Self::Rate(w) => (&w.tenant, &w.call),
            Self::Revise(w) => (&w.rating.tenant, &w.rating.call),
            Self::Replace(w) => (&w.tenant, &w.call),
            Self::Erase(w) => (&w.tenant, &w.call),
        }
    }

    /// When it arrived.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Offered(w) => w.at,
            Self::Started(w) => w.at,
            Self::Answered(w) => w.at,
            Self::Ended(w) => w.at,
            Self::Measured(w) => w.at,
            Self::Rate(w) => w.at,
            Self::Revise(w) => w.rating.at,
            Self::Replace(w) => w.at,
            Self::Erase(w) => w.at,
        }
    }

    /// Whether its meaning depends on the answers known.
    pub(crate) fn is_about_answers(&self) -> bool {
        matches!(self, Self::Answered(_) | Self::Erase(_))
    }
}

impl Known {
    /// Lets a write happen to the call.
    pub(crate) fn apply(&mut self, write: &Write, ids: &Ids, log: &mut Vec<Entry>) -> Written {
        match write {
            Write::Offered(w) => self.offered(w),
            Write::Started(w) => self.started(w),
            Write::Answered(w) => self.answered(w, ids, log),
            Write::Ended(w) => self.ended(w),
            Write::Measured(w) => self.measured(w),
            Write::Rate(w) => self.rate(w, ids, log),
            Write::Revise(w) => self.revise(w, ids, log),
            Write::Replace(w) => self.replace(w, log),
            Write::Erase(w) => self.erase(w, log),
        }
    }
}

impl Known {
    /// The figures are those of the session that has the call now.
    fn measured(&mut self, measured: &Measured) -> Written {
        let session = &measured.session.id;
        if self.offer.as_ref().is_some_and(|offer| offer.session != *session) {
            return Written::OtherSession;
        }
        self.quality = Some((session.clone(), measured.quality));
        Written::Recorded
    }
}

impl Entry {
    /// An entry about a rating as it is after `op`.
    fn of(rating: &Rating, op: Op, old_score: Option<Score>, by: By, at: Timestamp) -> Self {
        Self {
            call: rating.call.clone(),
            op,
            revision: rating.revision,
            arrived_at: at,
            rated_at: Some(rating.created_at),
            agent: rating.agent.clone(),
            queue: rating.queue.clone(),
            survey: rating.survey.clone(),
            channel: rating.channel.clone(),
            language: rating.language.clone(),
            old_score,
            new_score: Some(rating.score),
            by,
            reason: None,
        }
    }
}
