//! One call at the SIP door: its legs, its conversation, and what is still to come.

use std::sync::Arc;
use std::time::Duration;

use crate::writer::words::Session;
use aftercall_core::Conversation;
use aftercall_media::{Agreed, LegHandle, LegId, Port};

use super::keys::Keys;
use super::negotiate::Local;
use crate::signalling::CallKey;
use crate::unusual::Source;

/// Names a call while the process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct CallNumber(pub(super) u64);

/// A call is a set of legs; a survey call has one, the caller's.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) legs: Vec<Leg>,
    pub(super) kept: Arc<Session>,
    pub(super) conversation: Conversation,
    /// The longest a call may last, as a moment of the door's clock.
    pub(super) ends_at: Duration,
    /// The moment this call is looked at again.
    pub(super) due: Option<Duration>,
    /// The moment at which a transfer that was asked for has failed.
    pub(super) transfer_until: Option<Duration>,
    /// Why the call is to end once the comment that is being spoken is kept.
    pub(super) failing: Option<String>,
    /// How the caller's keys come.
    pub(super) keys: Keys,
    /// The comment that is being spoken or saved.
    pub(super) comment: Comment,
    /// The PBX that the call comes from.
    pub(super) source: Source,
    /// Who calls, unless they asked not to be named.
    pub(super) caller: Option<Source>,
    /// What is logged about the call is logged within this.
    pub(super) span: tracing::Span,
}

/// One party of a call: a dialog and its media.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) dialog: CallKey,
    pub(super) local: Local,
    pub(super) media: Media,
    /// Where transfers to an extension go: the peer that sent the call.
    pub(super) peer: std::net::SocketAddr,
}

/// How far a leg's media is.
#[derive(Debug)]
pub(super) enum Media {
    /// A port is bound; with an offer in the INVITE the codec is known already.
    Reserved { port: Port, agreed: Option<Agreed> },
    /// Sound flows, or is on hold.
    Open { leg: LegHandle, agreed: Agreed },
    /// The leg was told to close; its last events are still to come.
    Closing(LegId),
    /// There is no media, and none will come.
    Closed,
}

/// A voice comment on its way to the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Comment {
    None,
    /// It is being spoken, in answer to this question.
    Speaking {
        question: String,
    },
    /// It is being written; `hangup` when the caller has gone meanwhile.
    Saving {
        hangup: bool,
    },
}

impl Leg {
    /// Lets its media go. An open leg closes within 20 ms and says so.
    pub(super) fn close_media(&mut self) {
        self.media = match std::mem::replace(&mut self.media, Media::Closed) {
            Media::Open { leg, .. } => {
                let id = leg.id();
                leg.close();
                Media::Closing(id)
            }
            Media::Closing(id) => Media::Closing(id),
            Media::Reserved { .. } | Media::Closed => Media::Closed,
        };
    }

    fn has_media(&self) -> bool {
        matches!(self.media, Media::Open { .. } | Media::Closing(_))
    }
}

impl Call {
    /// Whether some leg's media still has something to say.
    pub(super) fn has_media(&self) -> bool {
        self.legs.iter().any(Leg::has_media)
    }

    /// The caller's leg: the first.
    pub(super) fn caller(&self) -> Option<&Leg> {
        self.legs.first()
    }

    pub(super) fn leg_mut(&mut self, dialog: CallKey) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.dialog == dialog)
    }

    /// The caller's open media.
    pub(super) fn media(&self) -> Option<&LegHandle> {
        match &self.caller()?.media {
            Media::Open { leg, .. } => Some(leg),
            Media::Reserved { .. } | Media::Closing(_) | Media::Closed => None,
        }
    }

    /// Media was agreed on anew: where telephone events came or went, keys may come another way.
    pub(super) fn renegotiated(&mut self, before: &Agreed, now: &Agreed) {
        if before.events.is_some() != now.events.is_some() {
            self.keys = Keys::default();
        }
    }

    /// When the call is to be looked at again: the conversation's deadline or the longest duration.
    pub(super) fn next_due(&self) -> Option<Duration> {
        if self.conversation.ending().is_some() || self.failing.is_some() {
            return None;
        }
        let sooner = [self.conversation.deadline(), self.transfer_until].into_iter().flatten().min();
        Some(sooner.map_or(self.ends_at, |sooner| sooner.min(self.ends_at)))
    }
}
