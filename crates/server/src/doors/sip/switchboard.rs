//! All calls of the SIP door, owned by one task: what signalling, media, disk and clock say comes in
//! one at a time, and what is to be done goes out without waiting.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::writer::words::{Flag, Session};
use aftercall_core::{Conversation, Effect, Key, Session as SurveySession, What};
use aftercall_media::{
    Engine, Event as MediaEvent, Happened, KeyBy, LegHandle, LegId, PlayId, Quality, RecordEnd, Recording,
};

use super::agreement::Unanswered;
use super::call::{Call, CallNumber, Comment, Leg, Media};
use super::keys::{Keys, KeysFrom};
use super::later::{Hands, Later};
use super::plan::{Chosen, Plan};
use super::{Parts, RETRY_AFTER_SECONDS, facts};
use crate::doors::keep;
use crate::signalling::{CallKey, Ending, Event, InviteRequest, Refusal, Signalling, Transfer};
use crate::unusual::{Rated, Source};
use crate::writer::Handover;

/// The calls and every way to find one.
pub(super) struct Switchboard {
    pub(super) parts: Parts,
    pub(super) signalling: Signalling,
    pub(super) media: Engine,
    pub(super) later: Hands,
    pub(super) handover: Handover,
    pub(super) calls: HashMap<CallNumber, Call>,
    dialogs: HashMap<CallKey, CallNumber>,
    pub(super) legs: HashMap<LegId, CallNumber>,
    due: BTreeSet<(Duration, CallNumber)>,
    last: u64,
}

impl Switchboard {
    pub(super) fn new(parts: Parts, signalling: Signalling, media: Engine, later: Hands) -> Self {
        let handover = parts.writer.handover();
        Self {
            parts,
            signalling,
            media,
            later,
            handover,
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            legs: HashMap::new(),
            due: BTreeSet::new(),
            last: 0,
        }
    }

    /// The moment [`Switchboard::on_time`] is next wanted.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(moment, _)| *moment)
    }

    pub(super) fn on_signalling(&mut self, event: Event) {
        if let Event::Invite { call, request } = event {
            return self.on_invite(call, &request);
        }
        let dialog = event.call();
        let Some(&number) = self.dialogs.get(&dialog) else { return };
        match event {
            Event::Ack { sdp, .. } => self.on_ack(number, dialog, sdp.as_deref()),
            Event::ReInvite { sdp, .. } => self.on_reinvite(number, dialog, sdp.as_deref()),
            Event::Refreshed { sdp, .. } => self.on_refreshed(number, dialog, &sdp),
            Event::Info { content_type, body, .. } => {
                self.on_info(number, content_type.as_deref().unwrap_or_default(), &body);
            }
            Event::Transfer { progress, .. } => self.on_transfer(number, progress),
            Event::Ended { ending, .. } => self.on_ended(number, dialog, &ending),
            // A survey leg is never called by us, and a closed connection is opened again by signalling.
            Event::Invite { .. }
            | Event::Progress { .. }
            | Event::Answered { .. }
            | Event::TransportClosed { .. } => {}
        }
    }

    pub(super) fn on_media(&mut self, event: MediaEvent) {
        let Some(&number) = self.legs.get(&event.leg) else { return };
        match event.what {
            Happened::Key { digit, by, cut, .. } => {
                let from = match by {
                    KeyBy::Event => KeysFrom::Events,
                    KeyBy::Tone => KeysFrom::Tones,
                };
                let counts = self.on_key(number, from, digit.char());
                // What it cut is over, also where the key itself does not count.
                if let (false, Some(play)) = (counts, cut) {
                    self.on_played(number, play);
                }
            }
            Happened::Played { play } => self.on_played(number, play),
            Happened::Recorded { recording } => self.on_recording(number, recording),
            Happened::RtpSilence => self.fail(number, "rtp_timeout"),
            Happened::FirstPacket { .. } => {}
            Happened::Closed { stats, quality } => {
                self.legs.remove(&event.leg);
                self.parts.metrics.sip.media_closed(&stats, quality.as_deref());
                self.measured(number, quality.as_deref());
                self.on_media_closed(number, event.leg);
            }
        }
    }

    /// Something that was done elsewhere is done.
    pub(super) fn on_later(&mut self, later: Later) {
        match later {
            Later::Webhook { call, outcome } => {
                self.converse(call, |conversation, now| conversation.tell(What::Answered { outcome }, now));
            }
            Later::Saved { call, reference, seconds } => {
                let Some(kept) = self.calls.get_mut(&call) else { return };
                let gone = kept.comment == Comment::Saving { hangup: true };
                kept.comment = Comment::None;
                let failing = kept.failing.take();
                self.converse(call, |conversation, now| conversation.recorded(reference, seconds, now));
                if let Some(reason) = failing {
                    self.fail(call, &reason);
                }
                if gone {
                    self.on_gone(call);
                }
            }
        }
    }

    pub(super) fn on_time(&mut self, now: Duration) {
        while let Some(&(moment, number)) = self.due.first()
            && moment <= now
        {
            self.due.remove(&(moment, number));
            let Some(call) = self.calls.get_mut(&number) else { continue };
            call.due = None;
            if now >= call.ends_at {
                self.fail(number, "duration");
            } else if call.transfer_until.is_some_and(|until| now >= until) {
                self.on_transferred(number, "failed");
            } else {
                self.converse(number, Conversation::tick);
            }
        }
    }

    /// Ends every call: the server stops.
    pub(super) fn end_all(&mut self) {
        let numbers: Vec<CallNumber> = self.calls.keys().copied().collect();
        for number in numbers {
            self.fail(number, "shutdown");
        }
    }

    fn on_invite(&mut self, dialog: CallKey, request: &InviteRequest) {
        let facts = facts::read(request, &self.parts.config, &self.parts.clock);
        let plan = facts.plan(&self.parts.config, &self.parts.surveys);
        let Some(plan) = plan else { return self.refuse(dialog, Refusal::from(480)) };
        let at = self.parts.clock.now();
        match plan {
            Plan::Suppress { tenant, reason } => {
                let session = facts.session(tenant, None, &self.parts.clock);
                self.suppress(&session, reason);
                self.refuse(dialog, Refusal::from(603));
            }
            Plan::Ask(chosen) => {
                let session = facts.session(chosen.tenant.clone(), Some(&chosen), &self.parts.clock);
                if self.handover.is_keeping() {
                    self.suppress(&session, "busy");
                    return self.refuse(dialog, busy());
                }
                match self.answer(dialog, request) {
                    Ok(leg) => {
                        self.handover.hand_over(keep::offered(&session, at));
                        self.admit(leg, session, chosen, facts.caller(&self.parts.unusual));
                    }
                    Err(Unanswered::Busy) => {
                        self.suppress(&session, "busy");
                        self.refuse(dialog, busy());
                    }
                    Err(Unanswered::NoCommon) => {
                        self.handover.hand_over(keep::offered(&session, at));
                        self.handover.hand_over(keep::failed(&session, "no_codec", at));
                        self.refuse(dialog, Refusal::from(488));
                    }
                }
            }
        }
    }

    fn admit(&mut self, leg: Leg, kept: Arc<Session>, chosen: Chosen, caller: Option<Source>) {
        self.last += 1;
        let number = CallNumber(self.last);
        let survey = chosen.survey.name();
        let span = tracing::info_span!("call", call = %leg.dialog, session = kept.id.as_str(), %survey);
        let session = SurveySession::new(&chosen.survey, chosen.language.as_ref(), chosen.variables);
        let ends_at = self.parts.clock.elapsed() + self.parts.config.sip.max_call;
        self.dialogs.insert(leg.dialog, number);
        let source = self.parts.unusual.source(leg.peer.ip());
        let call = Call {
            legs: vec![leg],
            kept,
            conversation: Conversation::new(chosen.survey, session),
            ends_at,
            due: None,
            transfer_until: None,
            failing: None,
            keys: Keys::default(),
            comment: Comment::None,
            source,
            caller,
            span,
        };
        self.calls.insert(number, call);
        self.parts.metrics.sip.calls.add(1);
        self.reschedule(number);
    }

    fn on_info(&mut self, number: CallNumber, content_type: &str, body: &[u8]) {
        if let Ok(Some(press)) = aftercall_wire::dtmf_info::parse(content_type, body) {
            // Where the engine has no room for it now, the next one tells it; until then `keys` knows.
            self.calls.get(&number).and_then(Call::media).map(LegHandle::ignore_tones);
            self.on_key(number, KeysFrom::Info, press.digit.char());
        }
    }

    /// Says whether the key counts.
    fn on_key(&mut self, number: CallNumber, from: KeysFrom, key: char) -> bool {
        let Some(call) = self.calls.get_mut(&number) else { return false };
        let now = self.parts.clock.elapsed();
        let key = Key::try_from(key).ok().filter(|&key| call.keys.take(from, key, now));
        if let Some(key) = key {
            self.converse(number, |conversation, now| conversation.key(key, now));
        }
        key.is_some()
    }

    fn on_played(&mut self, number: CallNumber, play: PlayId) {
        let play = u32::try_from(play.0).unwrap_or_default();
        self.converse(number, |conversation, now| conversation.played(play, now));
    }

    fn on_transfer(&mut self, number: CallNumber, progress: Transfer) {
        let outcome = match progress {
            Transfer::Accepted | Transfer::Trying(_) => return,
            Transfer::Done(status) if (200..300).contains(&status) => "ok",
            Transfer::Done(_) | Transfer::Refused(_) => "failed",
        };
        self.on_transferred(number, outcome);
    }

    fn on_transferred(&mut self, number: CallNumber, outcome: &str) {
        let waited = self.calls.get_mut(&number).and_then(|call| call.transfer_until.take());
        if waited.is_some() {
            let outcome = outcome.to_owned();
            self.converse(number, |conversation, now| conversation.tell(What::Answered { outcome }, now));
        }
    }

    /// A dialog is over. The call is, once its media has told everything.
    fn on_ended(&mut self, number: CallNumber, dialog: CallKey, ending: &Ending) {
        self.dialogs.remove(&dialog);
        let Some(leg) = self.calls.get_mut(&number).and_then(|call| call.leg_mut(dialog)) else { return };
        leg.close_media();
        match ending {
            Ending::NoAck => self.fail(number, "no_ack"),
            // A PBX that takes the caller back instead of reporting has done what it was asked to do.
            Ending::PeerHungUp => self.on_transferred(number, "ok"),
            _ => {}
        }
        self.on_gone(number);
    }

    fn on_media_closed(&mut self, number: CallNumber, media: LegId) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        for leg in &mut call.legs {
            if matches!(&leg.media, Media::Open { leg: open, .. } if open.id() == media)
                || matches!(leg.media, Media::Closing(id) if id == media)
            {
                leg.media = Media::Closed;
            }
        }
        self.on_gone(number);
    }

    /// A dialog or its media is over. The caller is gone once the media has told everything, a comment
    /// that was being spoken among it; the call is over once its dialogs are too.
    fn on_gone(&mut self, number: CallNumber) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        if call.has_media() {
            return;
        }
        if let Comment::Saving { hangup } = &mut call.comment {
            *hangup = true;
            return;
        }
        self.converse(number, |conversation, now| conversation.tell(What::Hangup, now));
        let Some(call) = self.calls.get(&number) else { return };
        let in_dialog = call.legs.iter().any(|leg| self.dialogs.contains_key(&leg.dialog));
        if !in_dialog && let Some(call) = self.calls.remove(&number) {
            self.parts.metrics.sip.calls.add(-1);
            if let Some(due) = call.due {
                self.due.remove(&(due, number));
            }
        }
    }

    /// Keeps how the caller's media went, where any came.
    fn measured(&mut self, number: CallNumber, quality: Option<&Quality>) {
        if let (Some(call), Some(quality)) = (self.calls.get(&number), quality) {
            let measured = keep::measured(&call.kept, quality, self.parts.clock.now());
            self.handover.hand_over(measured);
        }
    }

    fn on_recording(&mut self, number: CallNumber, recording: Recording) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let Comment::Speaking { question } = std::mem::replace(&mut call.comment, Comment::None) else {
            return;
        };
        // A caller who hung up instead of speaking has not skipped the question: the hang-up tells the rest.
        if recording.end == RecordEnd::Closed && recording.voiced.is_zero() {
            return;
        }
        call.comment = Comment::Saving { hangup: false };
        self.later.save(number, &call.kept, &question, recording);
    }

    /// Our fault or the PBX's: what was answered stays, the caller is let go.
    pub(super) fn fail(&mut self, number: CallNumber, reason: &str) {
        let reason = reason.to_owned();
        let Some(call) = self.calls.get_mut(&number) else { return };
        // What is being spoken is an answer, too: first it is kept.
        let stopped = match &call.comment {
            Comment::None => false,
            Comment::Speaking { .. } => call.media().is_some_and(|media| media.record_stop().is_ok()),
            Comment::Saving { .. } => true,
        };
        if stopped {
            call.failing.get_or_insert(reason);
            return self.reschedule(number);
        }
        self.converse(number, |conversation, now| conversation.tell(What::Failed { reason }, now));
    }

    fn suppress(&mut self, session: &Arc<Session>, reason: &str) {
        let at = self.parts.clock.now();
        self.parts.metrics.sip.suppressed.add(1);
        self.handover.hand_over(keep::suppressed(session, reason, at));
    }

    fn refuse(&mut self, dialog: CallKey, refusal: Refusal) {
        self.parts.metrics.sip.refused.add(1);
        log_untaken(self.signalling.reject(dialog, refusal));
    }

    pub(super) fn reschedule(&mut self, number: CallNumber) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let next = call.next_due();
        if next == call.due {
            return;
        }
        if let Some(due) = call.due.take() {
            self.due.remove(&(due, number));
        }
        if let Some(next) = next {
            self.due.insert((next, number));
        }
        call.due = next;
    }

    /// Keeps what a conversation said must be kept.
    pub(super) fn keep(&mut self, number: CallNumber, effect: Effect) {
        let Some(call) = self.calls.get(&number) else { return };
        if let Effect::Ended(ending) = &effect {
            self.parts.metrics.sip.ended(ending.state);
            let reason = ending.reason.as_deref().unwrap_or_default();
            tracing::info!(parent: &call.span, state = ending.state.word(), reason, "the survey ended");
        }
        let flags = match &effect {
            Effect::Answer(answer) if answer.main => self.unusual(call),
            _ => BTreeSet::new(),
        };
        let at = self.parts.clock.now();
        self.handover.hand_over(keep::effect(&call.kept, effect, flags, at));
    }

    fn unusual(&self, call: &Call) -> BTreeSet<Flag> {
        let rated = Rated {
            tenant: &call.kept.tenant,
            call: &call.kept.call,
            agent: call.kept.about.agent.as_ref(),
            source: call.source,
            caller: call.caller,
        };
        self.parts.unusual.rated(&rated, self.parts.clock.elapsed())
    }
}

fn busy() -> Refusal {
    let retry = ("Retry-After".to_owned(), RETRY_AFTER_SECONDS.to_string());
    Refusal { headers: vec![retry], ..Refusal::from(503) }
}

pub(super) fn log_untaken(taken: Result<(), crate::signalling::NotTaken>) {
    if let Err(why) = taken {
        tracing::error!(%why, "signalling did not take a command");
    }
}
