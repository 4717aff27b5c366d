//! Carrying out what a conversation orders.

use std::collections::VecDeque;
use std::time::Duration;

use aftercall_core::{Conversation, Order, Outcome, Spoken, What};
use aftercall_media::{OnKey, PlayId, RecordOrder, Refused};

use super::call::{Call, CallNumber, Comment};
use super::switchboard::{Switchboard, log_untaken};
use crate::signalling::Target;

/// A call that ended as it should (Q.850, cause 16: normal call clearing).
const NORMAL: &str = "Q.850;cause=16;text=\"Normal call clearing\"";

/// How long a caller waits in silence for a PBX to say what came of a transfer: as long as a telephone rings.
const TRANSFER_MAX: Duration = Duration::from_secs(60);

impl Switchboard {
    /// Lets a call's conversation hear something and does what comes of it, until nothing more does.
    pub(super) fn converse(
        &mut self,
        number: CallNumber,
        say: impl FnOnce(&mut Conversation, Duration) -> Vec<Outcome>,
    ) {
        let now = self.parts.clock.elapsed();
        let Some(call) = self.calls.get_mut(&number) else { return };
        let _within = call.span.clone().entered();
        let mut outcomes = VecDeque::from(say(&mut call.conversation, now));
        while let Some(outcome) = outcomes.pop_front() {
            match outcome {
                Outcome::Keep(effect) => self.keep(number, effect),
                Outcome::Do(order) => outcomes.extend(self.carry_out(number, order, now)),
            }
        }
        self.reschedule(number);
    }

    /// Does one thing. What cannot be done is heard by the conversation at once.
    fn carry_out(&mut self, number: CallNumber, order: Order, now: Duration) -> Vec<Outcome> {
        let Some(call) = self.calls.get_mut(&number) else { return Vec::new() };
        let done = match order {
            Order::Play { play, say, interruptible } => {
                let on_key = if interruptible { OnKey::Cut } else { OnKey::PlayOn };
                return self.play(number, play, &say, on_key, now);
            }
            Order::Stop => call.media().map_or(Ok(()), aftercall_media::LegHandle::stop),
            Order::Record { beep, longest, silence_after } => {
                let order = RecordOrder { beep, longest, silence_after };
                let question = call.conversation.step().unwrap_or_default().to_owned();
                call.comment = Comment::Speaking { question };
                call.media().map_or(Ok(()), |media| media.record_start(order))
            }
            Order::StopRecording => call.media().map_or(Ok(()), aftercall_media::LegHandle::record_stop),
            Order::Webhook { step, url, timeout } => {
                self.later.webhook(number, call, &step, url, timeout);
                Ok(())
            }
            Order::Transfer { target } => return self.transfer(number, &target, now),
            Order::HangUp(_) => {
                self.hang_up(number);
                Ok(())
            }
            // A conversation hears for itself.
            Order::Hear(_) => Ok(()),
        };
        self.unless_refused(number, done, now)
    }

    fn play(
        &mut self,
        number: CallNumber,
        play: u32,
        say: &[Spoken],
        on_key: OnKey,
        now: Duration,
    ) -> Vec<Outcome> {
        let clips = self.parts.prompts.clips(say);
        let Some(call) = self.calls.get_mut(&number) else { return Vec::new() };
        if clips.is_empty() {
            return call.conversation.played(play, now);
        }
        let done = call.media().map_or(Ok(()), |media| media.play(PlayId(play.into()), clips, on_key));
        self.unless_refused(number, done, now)
    }

    fn transfer(&mut self, number: CallNumber, target: &str, now: Duration) -> Vec<Outcome> {
        let Some(call) = self.calls.get_mut(&number) else { return Vec::new() };
        let asked = call.caller().and_then(|leg| {
            let uri = if target.starts_with("sip:") {
                target.to_owned()
            } else {
                format!("sip:{target}@{}", leg.peer)
            };
            let target = uri.parse::<Target>().ok()?;
            self.signalling.refer(leg.dialog, target).ok()
        });
        match asked {
            Some(()) => {
                call.transfer_until = Some(now + TRANSFER_MAX);
                Vec::new()
            }
            None => call.conversation.tell(What::Answered { outcome: "failed".to_owned() }, now),
        }
    }

    /// Hangs up every leg whose dialog lives. The call goes when its dialogs and media have ended.
    fn hang_up(&mut self, number: CallNumber) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        for leg in &mut call.legs {
            log_untaken(self.signalling.bye(leg.dialog, Some(NORMAL)));
            leg.close_media();
        }
    }

    fn unless_refused(
        &mut self,
        number: CallNumber,
        done: Result<(), Refused>,
        now: Duration,
    ) -> Vec<Outcome> {
        let Err(refused) = done else { return Vec::new() };
        tracing::warn!(%refused, "the media engine did not take an order");
        let fail = |call: &mut Call| call.conversation.tell(What::Failed { reason: "media".to_owned() }, now);
        self.calls.get_mut(&number).map(fail).unwrap_or_default()
    }
}
