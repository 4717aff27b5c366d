//! What a session says must be kept, as writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::writer::words::{Answered, Ended, Flag, Offered, Put, Said, Session, Started, Write};
use aftercall_core::{Answer, Effect, Ending, OfferState};
use jiff::Timestamp;

/// A survey was put to the caller.
pub(super) fn offered(session: &Arc<Session>, at: Timestamp) -> Write {
    Write::Offered(Offered { session: Arc::clone(session), put: Put::ToCaller, at })
}

/// A call was eligible and a rule said no.
pub(super) fn suppressed(session: &Arc<Session>, reason: &str, at: Timestamp) -> Write {
    let put = Put::Suppressed { reason: reason.to_owned() };
    Write::Offered(Offered { session: Arc::clone(session), put, at })
}

/// What was heard in a session, and what looked unusual about it.
pub(super) fn effect(session: &Arc<Session>, effect: Effect, flags: BTreeSet<Flag>, at: Timestamp) -> Write {
    let session = Arc::clone(session);
    let (Answer { question, key, score, value, main, state }, amends) = match effect {
        Effect::Started => return Write::Started(Started { session, at }),
        Effect::Ended(ending) => return Write::Ended(Ended { session, ending, at }),
        Effect::Answer(answer) => (answer, false),
        Effect::Amended(answer) => (answer, true),
    };
    Write::Answered(Answered {
        session,
        question,
        key,
        score,
        value: Said::new(value),
        main,
        state,
        amends,
        flags,
        at,
    })
}

/// A call that was to be asked and could not be.
pub(super) fn failed(session: &Arc<Session>, reason: &str, at: Timestamp) -> Write {
    let ending = Ending { state: OfferState::Failed, reason: Some(reason.to_owned()) };
    Write::Ended(Ended { session: Arc::clone(session), ending, at })
}
