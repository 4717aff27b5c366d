//! The media of a call as it is agreed on: with the answer, by re-INVITE, by a refresh (RFC 3264).

use aftercall_core::Conversation;
use aftercall_media::Agreed;

use super::call::{CallNumber, Leg, Media};
use super::negotiate::{self, Local};
use super::switchboard::{Switchboard, log_untaken};
use crate::signalling::{CallKey, InviteRequest};

/// Why a call was not answered.
pub(super) enum Unanswered {
    Busy,
    NoCommon,
}

impl Switchboard {
    /// Agrees on media and answers 200.
    pub(super) fn answer(&mut self, dialog: CallKey, request: &InviteRequest) -> Result<Leg, Unanswered> {
        let port = self.media.reserve_port().map_err(|_| Unanswered::Busy)?;
        let sip = &self.parts.config.sip;
        let mut local = Local::new(request, port.number(), dialog, sip).map_err(|_| Unanswered::Busy)?;
        let (sdp, agreed) = match &request.sdp {
            Some(offer) => {
                let (sdp, agreed) = negotiate::answer(offer, &mut local).map_err(|_| Unanswered::NoCommon)?;
                (sdp, Some(agreed))
            }
            None => (negotiate::offer(&mut local).map_err(|_| Unanswered::NoCommon)?, None),
        };
        self.signalling.accept(dialog, sdp).map_err(|_| Unanswered::Busy)?;
        Ok(Leg { dialog, local, media: Media::Reserved { port, agreed }, peer: request.source })
    }

    /// The first ACK lets sound flow. A later one may answer an offer that we made on a re-INVITE.
    pub(super) fn on_ack(&mut self, number: CallNumber, dialog: CallKey, sdp: Option<&[u8]>) {
        let media = &self.media;
        let Some(leg) = self.calls.get_mut(&number).and_then(|call| call.leg_mut(dialog)) else { return };
        let answered = sdp.map(|sdp| negotiate::answered(sdp, &mut leg.local));
        let (port, agreed) = match std::mem::replace(&mut leg.media, Media::Closed) {
            Media::Reserved { port, agreed } => (port, agreed.or_else(|| answered?.ok())),
            other => {
                leg.media = other;
                if let Some(Ok(agreed)) = answered {
                    self.change_media(number, dialog, agreed);
                }
                return;
            }
        };
        let Some(agreed) = agreed else { return self.fail(number, "no_codec") };
        match media.open_secure(port, agreed, leg.local.keys()) {
            Ok(handle) => {
                self.legs.insert(handle.id(), number);
                self.parts.metrics.sip.secure.add(leg.local.keys().is_some().into());
                leg.media = Media::Open { leg: handle, agreed };
                self.converse(number, Conversation::start);
            }
            Err(refused) => {
                tracing::warn!(%refused, "no media for a call");
                self.fail(number, "media");
            }
        }
    }

    /// Hold, and back (RFC 3264, 8.4), or a new address.
    pub(super) fn on_reinvite(&mut self, number: CallNumber, dialog: CallKey, sdp: Option<&[u8]>) {
        let signalling = self.signalling.clone();
        let Some(leg) = self.calls.get_mut(&number).and_then(|call| call.leg_mut(dialog)) else { return };
        let Some(offer) = sdp else {
            let again = negotiate::offer(&mut leg.local).map_err(|_| 488);
            return log_untaken(signalling.answer_reinvite(dialog, again));
        };
        let Ok((answer, now_agreed)) = negotiate::answer(offer, &mut leg.local) else {
            return log_untaken(signalling.answer_reinvite(dialog, Err(488)));
        };
        log_untaken(signalling.answer_reinvite(dialog, Ok(answer)));
        self.change_media(number, dialog, now_agreed);
    }

    /// The session goes on, perhaps elsewhere.
    pub(super) fn on_refreshed(&mut self, number: CallNumber, dialog: CallKey, sdp: &[u8]) {
        let Some(leg) = self.calls.get_mut(&number).and_then(|call| call.leg_mut(dialog)) else { return };
        if let Ok(agreed) = negotiate::repeated(sdp, &mut leg.local) {
            self.change_media(number, dialog, agreed);
        }
    }

    /// Takes what was agreed on anew. A caller who cannot hear us is on hold.
    fn change_media(&mut self, number: CallNumber, dialog: CallKey, now_agreed: Agreed) {
        let Some(leg) = self.calls.get_mut(&number).and_then(|call| call.leg_mut(dialog)) else { return };
        let Media::Open { leg: handle, agreed } = &mut leg.media else { return };
        let before = std::mem::replace(agreed, now_agreed);
        let taken = handle.secure(leg.local.keys()).and_then(|()| handle.update(now_agreed));
        if let Err(refused) = taken {
            tracing::warn!(%refused, "a call's media could not be changed");
        }
        if let Some(call) = self.calls.get_mut(&number) {
            call.renegotiated(&before, &now_agreed);
        }
        let held = (!before.direction.sends(), !now_agreed.direction.sends());
        match held {
            (false, true) => self.converse(number, |conversation, _| conversation.hold()),
            (true, false) => self.converse(number, Conversation::resume),
            _ => {}
        }
    }
}
