//! What a session says must be kept, as writes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::writer::words::{
    Answered, Ended, Flag, Measured, Offered, Put, Quality, Said, Session, Started, Write,
};
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

/// How a call's media went.
pub(super) fn measured(session: &Arc<Session>, quality: &aftercall_media::Quality, at: Timestamp) -> Write {
    let count = |packets: u64| i64::try_from(packets).unwrap_or(i64::MAX);
    let us = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let quality = Quality {
        packets_expected: count(quality.expected),
        packets_received: count(quality.received),
        packets_lost: count(quality.lost),
        packets_late: count(quality.late),
        packets_duplicate: count(quality.duplicates),
        jitter_mean_us: us(quality.jitter_mean),
        jitter_max_us: us(quality.jitter_max),
        peer_packets_lost: quality.peer.map(|peer| count(peer.lost)),
        peer_jitter_us: quality.peer.map(|peer| us(peer.jitter)),
        round_trip_us: quality.round_trip.map(us),
        mos_hundredths: quality.mos_hundredths.into(),
    };
    Write::Measured(Measured { session: Arc::clone(session), quality, at })
}

/// A call that was to be asked and could not be.
pub(super) fn failed(session: &Arc<Session>, reason: &str, at: Timestamp) -> Write {
    let ending = Ending { state: OfferState::Failed, reason: Some(reason.to_owned()) };
    Write::Ended(Ended { session: Arc::clone(session), ending, at })
}
