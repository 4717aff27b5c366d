//! Runs all callers in one thread: a millisecond wheel for their packets, one socket for their signalling.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Context;

use crate::call::{Call, Desk, Plan};
use crate::clock::Clock;
use crate::net::{Datagram, Inbox, Ports, bind};
use crate::rtp::prompt::{Learner, Prompt};
use crate::seen::Seen;
use crate::sip::dialog::{Dialog, Parties};
use crate::sip::message::{Message, Name};
use crate::sip::sdp;
use crate::wheel::{Wheel, ticks_due};

/// The receive buffer for signalling: a burst of 4,000 messages of a kilobyte.
const SIP_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Messages read in one millisecond; the rest waits for the next. A thousand calls a second bring four.
const MESSAGES_A_TICK: usize = 64;

/// A call that is over is remembered for as long as the server may repeat something (RFC 3261, 64 times T1).
const REMEMBERED: Duration = Duration::from_secs(32);

/// Agents that calls name: as many as a team has.
const AGENTS: u64 = 40;

/// The queue that calls name.
pub const QUEUE: &str = "bench";

/// Whom to call, and from where.
#[derive(Debug, Clone)]
pub struct Line {
    /// The server's SIP address.
    pub target: SocketAddr,
    /// The user called: the survey.
    pub user: String,
    /// Ports for RTP, `30000-39999`.
    pub ports: String,
    /// Makes call ids differ from every earlier run's.
    pub run: String,
}

/// How fast calls are placed, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    gap: Duration,
    most: usize,
    next_at: Duration,
}

impl Pace {
    /// So many calls a second from `now` on, up to `most` at once.
    #[must_use]
    pub fn new(per_second: f64, most: usize, now: Duration) -> Self {
        Self { gap: Duration::from_secs_f64(1.0 / per_second), most, next_at: now }
    }

    /// No calls.
    #[must_use]
    pub const fn none() -> Self {
        Self { gap: Duration::ZERO, most: 0, next_at: Duration::ZERO }
    }

    /// Whether to place a call, with so many on. What could not be placed because there were enough is not made up for.
    pub fn place(&mut self, on: usize, now: Duration) -> bool {
        if on >= self.most {
            self.next_at = self.next_at.max(now);
            return false;
        }
        let due = now >= self.next_at;
        if due {
            self.next_at += self.gap;
        }
        due
    }
}

/// The generator.
pub struct Generator {
    clock: Clock,
    line: Line,
    sip: UdpSocket,
    local: SocketAddr,
    ports: Ports,
    wheel: Wheel,
    calls: HashMap<u64, Call>,
    /// Calls that are over, and when they can be forgotten.
    over: VecDeque<(Duration, u64)>,
    placed: u64,
    talking: usize,
    tick: u64,
    round: Vec<u64>,
    /// For RTP.
    inbox: Inbox,
    /// For SIP; taken out while it is read.
    mailbox: Option<Inbox>,
    learner: Option<Learner>,
    prompt: Option<Prompt>,
    pace: Pace,
    plan: Box<dyn Fn(u64) -> Plan>,
    /// What was seen since it was last taken.
    pub seen: Seen,
}

impl Generator {
    /// Opens the sockets.
    ///
    /// # Errors
    /// When there is no way to the target, or the ports are no range.
    pub fn new(line: Line, clock: Clock) -> anyhow::Result<Self> {
        let any = if line.target.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let sip = bind(any.parse()?, SIP_BUFFER_BYTES).context("opening a socket for SIP")?;
        sip.connect(line.target).with_context(|| format!("there is no way to {}", line.target))?;
        let local = sip.local_addr()?;
        Ok(Self {
            ports: Ports::new(local.ip(), &line.ports)?,
            tick: clock.now().as_millis() as u64,
            clock,
            line,
            sip,
            local,
            wheel: Wheel::default(),
            calls: HashMap::new(),
            over: VecDeque::new(),
            placed: 0,
            talking: 0,
            round: Vec::new(),
            inbox: Inbox::default(),
            mailbox: Some(Inbox::default()),
            learner: None,
            prompt: None,
            pace: Pace::none(),
            plan: Box::new(|_| Plan::Listen { length: Duration::ZERO }),
            seen: Seen::default(),
        })
    }

    /// The clock that everything here goes by.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// Calls placed and not over.
    #[must_use]
    pub fn on(&self) -> usize {
        self.calls.len() - self.over.len()
    }

    /// Calls answered and not over.
    #[must_use]
    pub const fn talking(&self) -> usize {
        self.talking
    }

    /// From now on calls are placed at this pace; `plan` says what the caller of a number means to do.
    pub fn place_calls(&mut self, pace: Pace, plan: impl Fn(u64) -> Plan + 'static) {
        self.pace = pace;
        self.plan = Box::new(plan);
    }

    /// Places no more calls.
    pub fn stop_placing(&mut self) {
        self.pace = Pace::none();
    }

    /// Lets those who wait for it rate, so many a second.
    pub fn release(&mut self, per_second: f64) {
        let now = self.clock.now();
        let mut waiting: Vec<_> = self.calls.iter_mut().collect();
        waiting.sort_unstable_by_key(|(number, _)| **number);
        for (place, (_, call)) in waiting.into_iter().enumerate() {
            call.release(now + Duration::from_secs_f64(place as f64 / per_second));
        }
    }

    /// Learns the prompt from callers who only listen.
    pub fn learn(&mut self) {
        self.learner = Some(Learner::default());
    }

    /// Takes what was learned for the prompt, and says how long it is; `None` when there was no sound.
    pub fn learned(&mut self) -> Option<Duration> {
        self.prompt = self.learner.take().and_then(|learner| learner.prompt());
        self.prompt.as_ref().map(Prompt::length)
    }

    /// Runs until this moment, or until `enough` says so.
    ///
    /// # Errors
    /// When no call can be placed for want of ports or descriptors.
    pub fn run(&mut self, until: Duration, enough: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        while self.clock.now() < until && !enough(self) {
            self.clock.sleep_until(Duration::from_millis(self.tick + 1));
            let before = Duration::from_millis(self.tick);
            self.hear();
            self.place()?;
            let (ticks, left_out) = ticks_due(self.tick, self.clock.now().as_millis() as u64);
            self.seen.skipped_ms += left_out;
            self.tick = *ticks.end();
            for tick in ticks {
                self.turn(tick);
            }
            let passed = Duration::from_millis(self.tick) - before;
            self.seen.span += passed;
            self.seen.call_time += passed * self.talking as u32;
            self.forget();
        }
        Ok(())
    }

    fn hear(&mut self) {
        let Some(mut inbox) = self.mailbox.take() else { return };
        for _ in 0..MESSAGES_A_TICK {
            let Some(Datagram { bytes, stamp }) = inbox.take(&self.sip) else { break };
            let moment = self.clock.moment();
            let message = Message::parse(bytes);
            let number = message.as_ref().and_then(|message| self.number(message));
            let known = number.is_some_and(|number| self.calls.contains_key(&number));
            match (message, number) {
                (Some(message), Some(number)) if known => {
                    self.with(number, |call, desk| {
                        call.hear(&message, moment.arrival(stamp), moment.now, desk)
                    });
                }
                _ => self.seen.unexpected += 1,
            }
        }
        self.mailbox = Some(inbox);
    }

    /// Which call a message is about: call ids are `RUN-NUMBER`.
    fn number(&self, message: &Message<'_>) -> Option<u64> {
        let id = message.header(Name::CallId)?;
        id.strip_prefix(self.line.run.as_str())?.strip_prefix('-')?.parse().ok()
    }

    fn place(&mut self) -> anyhow::Result<()> {
        while self.pace.place(self.on(), self.clock.now()) {
            let number = self.placed;
            self.placed += 1;
            let socket = self.ports.open()?;
            let offer = sdp::offer(socket.local_addr()?, sdp::EVENTS_OFFERED);
            let parties = Parties {
                target: format!("sip:{}@{}", self.line.user, self.line.target),
                local: self.local,
                name: format!("{}-{number}", self.line.run),
                agent: format!("agent-{}", number % AGENTS),
                queue: QUEUE.to_owned(),
            };
            let now = self.clock.now();
            let (dialog, invite) = Dialog::call(parties, &offer, now);
            // What cannot be sent is as good as lost on the way, and sent again like it.
            self.sip.send(invite.as_bytes()).ok();
            self.seen.placed += 1;
            let slot = self.wheel.seat(number);
            let plan = (self.plan)(number);
            self.calls.insert(number, Call::new(number, dialog, socket, plan, slot, now));
        }
        Ok(())
    }

    fn turn(&mut self, tick: u64) {
        let mut round = std::mem::take(&mut self.round);
        round.extend_from_slice(self.wheel.due(tick));
        for number in round.drain(..) {
            let moment = self.clock.moment();
            self.seen.own_lateness.record(moment.now.saturating_sub(Duration::from_millis(tick)));
            self.with(number, |call, desk| call.visit(tick, moment, desk));
        }
        self.round = round;
    }

    /// Lets a call do something, and keeps the books about it.
    fn with(&mut self, number: u64, act: impl FnOnce(&mut Call, &mut Desk<'_>)) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let was_talking = call.is_talking();
        let mut desk = Desk {
            sip: &self.sip,
            inbox: &mut self.inbox,
            seen: &mut self.seen,
            prompt: self.prompt.as_ref(),
            learner: self.learner.as_mut(),
        };
        act(call, &mut desk);
        match (was_talking, call.is_talking()) {
            (false, true) => self.talking += 1,
            (true, false) => self.talking -= 1,
            _ => {}
        }
        if let Some(socket) = call.take_socket_if_over() {
            self.ports.close(socket);
            self.wheel.leave(number, call.slot);
            self.over.push_back((self.clock.now() + REMEMBERED, number));
        }
    }

    fn forget(&mut self) {
        let now = self.clock.now();
        while let Some((_, number)) = self.over.pop_front_if(|(until, _)| *until <= now) {
            self.calls.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many calls are placed in each of these seconds, looked at every millisecond, with `on` calls on.
    fn placed(pace: &mut Pace, seconds: u64, on: usize) -> usize {
        (0..seconds * 1000)
            .map(|ms| {
                let now = Duration::from_millis(ms);
                std::iter::from_fn(|| pace.place(on, now).then_some(())).count()
            })
            .sum()
    }

    #[test]
    fn calls_are_placed_at_their_rate_whatever_fraction_of_a_millisecond_that_is() {
        for rate in [0.5, 1.0, 333.0, 1500.0] {
            let count = placed(&mut Pace::new(rate, 10, Duration::ZERO), 10, 0);
            assert!((count as f64 - 10.0 * rate).abs() <= 1.0, "{rate}: {count}");
        }
        assert_eq!(placed(&mut Pace::none(), 10, 0), 0);
    }

    #[test]
    fn what_could_not_be_placed_is_not_made_up_for_in_a_burst() {
        let mut pace = Pace::new(100.0, 5, Duration::ZERO);
        assert_eq!(placed(&mut pace, 10, 5), 0);
        let now = Duration::from_secs(10);
        assert_eq!([pace.place(4, now), pace.place(4, now)], [true, false]);
    }
}
