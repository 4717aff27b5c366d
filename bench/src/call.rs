//! One caller: signalling, media, and what it means to do.

use std::net::UdpSocket;
use std::time::Duration;

use aftercall_wire::Digit;
use aftercall_wire::rtp::PayloadType;

use crate::clock::Moment;
use crate::net::{Datagram, Inbox};
use crate::rtp::prompt::{Follower, Learner, Prompt};
use crate::rtp::stream::Stream;
use crate::rtp::talk::{PACKET_BYTES, Talk};
use crate::seen::{Ending, Seen};
use crate::sip::dialog::{Dialog, News, Step};
use crate::sip::message::Message;
use crate::sip::sdp;
use crate::wheel::Slot;

/// An INVITE without a final response for so long is given up: a caller would have.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long the confirmation and the thanks may take before the server should have hung up.
const BYE_WITHIN: Duration = Duration::from_secs(30);

/// Datagrams read at one visit: what comes in 20 ms is one; the rest waits for the next visit.
const DATAGRAMS_A_VISIT: usize = 8;

/// What a caller means to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Listens, has the question repeated whenever `stay` has passed, presses `key` after `hold` (or when told to), and
    /// waits for the server to hang up.
    Rate {
        /// The rating.
        key: Digit,
        /// From the answer to the rating; `None` until [`Call::release`].
        hold: Option<Duration>,
        /// How often the question is repeated, by `*`, so that its silence never uses up the attempts.
        stay: Duration,
    },
    /// Presses at once and hangs up as soon as the key is told.
    RateAndLeave {
        /// The rating.
        key: Digit,
    },
    /// Presses nothing, and hangs up after so long.
    Listen {
        /// How long.
        length: Duration,
    },
}

/// One caller.
pub struct Call {
    /// Where it sits in the wheel.
    pub slot: Slot,
    dialog: Dialog,
    /// `None` once the call is over.
    socket: Option<UdpSocket>,
    talk: Talk,
    events: PayloadType,
    stream: Stream,
    follower: Follower,
    plan: Plan,
    stage: Stage,
    placed_at: Duration,
    /// When the ACK went out, until the first packet is heard.
    acknowledged_at: Option<Duration>,
    release_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    Calling,
    Listening {
        since: Duration,
        repeat_at: Duration,
    },
    Rated {
        since: Duration,
    },
    /// Hung up, for this reason.
    Leaving(Ending),
    Over,
}

/// What all callers share.
pub struct Desk<'a> {
    /// Everyone's signalling.
    pub sip: &'a UdpSocket,
    /// For reading RTP.
    pub inbox: &'a mut Inbox,
    /// Where everything is counted.
    pub seen: &'a mut Seen,
    /// The prompt, once it is learned.
    pub prompt: Option<&'a Prompt>,
    /// Learns it.
    pub learner: Option<&'a mut Learner>,
}

impl Call {
    /// A caller whose INVITE was just sent.
    #[must_use]
    pub fn new(
        number: u64,
        dialog: Dialog,
        socket: UdpSocket,
        plan: Plan,
        slot: Slot,
        now: Duration,
    ) -> Self {
        Self {
            slot,
            dialog,
            socket: Some(socket),
            talk: Talk::new(number),
            events: sdp::EVENTS_OFFERED,
            stream: Stream::default(),
            follower: Follower::default(),
            plan,
            stage: Stage::Calling,
            placed_at: now,
            acknowledged_at: None,
            release_at: None,
        }
    }

    /// Whether it has been answered and not ended.
    #[must_use]
    pub const fn is_talking(&self) -> bool {
        matches!(self.stage, Stage::Listening { .. } | Stage::Rated { .. })
    }

    /// The socket of a call that is over, the first time this is asked.
    pub fn take_socket_if_over(&mut self) -> Option<UdpSocket> {
        if matches!(self.stage, Stage::Over) { self.socket.take() } else { None }
    }

    /// Presses the key of [`Plan::Rate`] at this moment, if it has not before.
    pub fn release(&mut self, at: Duration) {
        self.release_at = Some(at);
    }

    /// Hears a SIP message of this call.
    pub fn hear(&mut self, message: &Message<'_>, arrival: Duration, now: Duration, desk: &mut Desk<'_>) {
        let was_calling = matches!(self.stage, Stage::Calling);
        let step = self.dialog.hear(message, now);
        if was_calling && matches!(step.news, Some(News::Answered { .. })) {
            desk.seen.answered_after.record(arrival.saturating_sub(self.placed_at));
        }
        self.take(step, now, desk);
    }

    /// Does what is due every 20 ms: hears what came, looks at the timers, sends a packet.
    pub fn visit(&mut self, tick: u64, moment: Moment, desk: &mut Desk<'_>) {
        let step = self.dialog.tick(moment.now);
        desk.seen.sent_again += step.send.len() as u64;
        self.take(step, moment.now, desk);
        if self.is_talking() {
            self.listen(moment, desk);
        }
        self.act(tick, moment.now, desk);
        if self.is_talking() {
            self.speak(tick, desk);
        }
    }

    fn take(&mut self, step: Step, now: Duration, desk: &mut Desk<'_>) {
        for message in step.send {
            // What cannot be sent is as good as lost on the way, and sent again like it.
            desk.sip.send(message.as_bytes()).ok();
        }
        let ending = match (step.news, self.stage) {
            (None, _) => return,
            (Some(News::Unexpected), _) => {
                desk.seen.unexpected += 1;
                return;
            }
            (Some(News::Answered { sdp }), _) => return self.answered(&sdp, now, desk),
            (Some(News::Refused(status)), _) => Ending::Refused(status),
            (Some(News::NoAnswer), _) => Ending::NoAnswer,
            (Some(News::ByeFailed), _) => Ending::ByeFailed,
            (Some(News::Left), Stage::Leaving(ending)) => ending,
            (Some(News::PeerHungUp), Stage::Rated { .. }) => Ending::Rated,
            (Some(News::Left | News::PeerHungUp), _) => Ending::HungUpEarly,
        };
        self.stream.finish(&mut desk.seen.lateness);
        *desk.seen.endings.entry(ending).or_default() += 1;
        self.stage = Stage::Over;
    }

    fn answered(&mut self, sdp: &str, now: Duration, desk: &mut Desk<'_>) {
        desk.seen.answered += 1;
        let agreed = sdp::answer(sdp).and_then(|answer| Some((answer.remote, answer.events?)));
        let connected = agreed
            .filter(|(remote, _)| self.socket.as_ref().is_some_and(|socket| socket.connect(remote).is_ok()));
        let Some((_, events)) = connected else { return self.leave(Ending::BadAnswer, now, desk) };
        self.events = events;
        self.acknowledged_at = Some(now);
        let repeat_at = now + if let Plan::Rate { stay, .. } = self.plan { stay } else { Duration::MAX / 2 };
        self.stage = Stage::Listening { since: now, repeat_at };
    }

    fn leave(&mut self, ending: Ending, now: Duration, desk: &mut Desk<'_>) {
        self.stage = Stage::Leaving(ending);
        let step = self.dialog.hang_up(now);
        self.take(step, now, desk);
    }

    fn listen(&mut self, moment: Moment, desk: &mut Desk<'_>) {
        let Some(socket) = &self.socket else { return };
        for _ in 0..DATAGRAMS_A_VISIT {
            let Some(Datagram { bytes, stamp }) = desk.inbox.take(socket) else { return };
            let arrival = moment.arrival(stamp);
            let seen = &mut *desk.seen;
            if let Some(since) = self.acknowledged_at.take() {
                seen.first_packet_after.record(arrival.saturating_sub(since));
            }
            let Some(audio) = self.stream.hear(bytes, arrival, &mut seen.streams, &mut seen.lateness) else {
                continue;
            };
            match (desk.prompt, &mut desk.learner, self.plan) {
                (Some(prompt), _, _) => self.follower.hear(audio, arrival, prompt, &mut seen.cuts),
                (None, Some(learner), Plan::Listen { .. }) => learner.hear(audio),
                (None, _, _) => {}
            }
        }
    }

    fn act(&mut self, tick: u64, now: Duration, desk: &mut Desk<'_>) {
        match self.stage {
            Stage::Calling if now >= self.placed_at + PATIENCE => self.leave(Ending::NoAnswer, now, desk),
            Stage::Listening { since, repeat_at } if !self.talk.is_pressing() => {
                if let Plan::Listen { length } = self.plan {
                    if now >= since + length {
                        self.leave(Ending::Left, now, desk);
                    }
                    return;
                }
                if let Some(key) = self.rating_due(since, now) {
                    self.press(key, tick, now);
                    desk.seen.rated += 1;
                    self.stage = Stage::Rated { since: now };
                } else if now >= repeat_at
                    && let (Plan::Rate { stay, .. }, Some(star)) = (self.plan, Digit::from_char('*'))
                {
                    self.press(star, tick, now);
                    self.stage = Stage::Listening { since, repeat_at: now + stay };
                }
            }
            Stage::Rated { since } => match self.plan {
                Plan::RateAndLeave { .. } if !self.talk.is_pressing() => self.leave(Ending::Left, now, desk),
                _ if now >= since + BYE_WITHIN => self.leave(Ending::NeverHungUp, now, desk),
                _ => {}
            },
            _ => {}
        }
    }

    fn rating_due(&self, since: Duration, now: Duration) -> Option<Digit> {
        match self.plan {
            Plan::RateAndLeave { key } => Some(key),
            Plan::Rate { key, hold, .. } => {
                let held = hold.is_some_and(|hold| now >= since + hold);
                (held || self.release_at.is_some_and(|at| now >= at)).then_some(key)
            }
            Plan::Listen { .. } => None,
        }
    }

    fn press(&mut self, key: Digit, tick: u64, now: Duration) {
        self.talk.press(key, self.events, tick);
        self.follower.pressed(now);
    }

    fn speak(&mut self, tick: u64, desk: &mut Desk<'_>) {
        let Some(socket) = &self.socket else { return };
        let mut packet = [0; PACKET_BYTES];
        let length = self.talk.packet(tick, &mut packet);
        desk.seen.packets_sent += u64::from(socket.send(&packet[..length]).is_ok());
    }
}
