//! The thread that owns sockets and the clock: it sleeps until somebody is due, and visits them.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::agreed::Agreed;
use crate::clip::Clip;
use crate::event::{Event, LegId, OnKey, PlayId};
use crate::leg::{Leg, Pauses};
use crate::port::Port;
use crate::record::{RecordEnd, RecordOrder};
use crate::secure::Secure;
use crate::slab::Slab;
use crate::speaker::{Beginning, PACKET_MAX};
use crate::sys::{self, BATCH, Datagram, Inbox};
use crate::wheel::{Seat, Tick, Wheel, resume};
use crate::workshop::Workshop;

/// Batches taken from one socket at one visit: 32 datagrams in 20 ms, 32 times what a telephone sends. What a
/// flood leaves behind fills the socket's buffer, and the kernel drops the rest.
const BATCHES_A_VISIT: usize = 4;

/// Batches taken from one socket when its leg closes: 256 datagrams, what a telephone sends in five seconds. As much
/// may wait where the caller spoke, pressed and hung up before the leg was open.
const BATCHES_AT_LAST: usize = 32;

/// A datagram's stamp further back than this is not believed: the calendar clock was set meanwhile.
const WAITED_MAX: Duration = Duration::from_secs(10);

/// Commands that wait for a thread: one for each leg of a full one within the 20 ms it may sleep. Some 120
/// bytes each are half a megabyte.
pub(crate) const COMMANDS_MAX: usize = LEGS_MAX;

/// Legs of one thread. At 24 % of a core for each thousand, more than these would be late.
pub(crate) const LEGS_MAX: usize = 4096;

/// Takes an event, or gives it back when there is no room for it now.
pub(crate) type Sink = Arc<dyn Fn(Event) -> Result<(), Event> + Send + Sync>;

/// What a thread is asked to do.
pub(crate) enum Command {
    Open { leg: LegId, port: Port, agreed: Agreed, secure: Option<Box<Secure>>, beginning: Beginning },
    Secure { leg: LegId, secure: Option<Box<Secure>> },
    Update { leg: LegId, agreed: Agreed },
    Play { leg: LegId, play: PlayId, clips: Vec<Arc<Clip>>, on_key: OnKey },
    Stop { leg: LegId },
    Record { leg: LegId, order: RecordOrder },
    StopRecording { leg: LegId },
    IgnoreTones { leg: LegId },
    Relay { legs: [LegId; 2] },
    Part { leg: LegId },
}

/// What a thread and its handles both see.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// The legs to be closed. Each comes here once, so never more than [`LEGS_MAX`]: closing needs no room in
    /// a queue.
    closings: Mutex<Vec<LegId>>,
    pub(crate) at_work: AtomicBool,
    /// The kernel lets it go before others.
    pub(crate) goes_first: AtomicBool,
    pub(crate) legs: AtomicUsize,
    pub(crate) ticks: AtomicU64,
    pub(crate) skipped_ms: AtomicU64,
    pub(crate) packets_in: AtomicU64,
    pub(crate) packets_out: AtomicU64,
}

impl Board {
    pub(crate) fn close(&self, leg: LegId) {
        self.closings.lock().unwrap_or_else(PoisonError::into_inner).push(leg);
    }

    fn take_closings(&self) -> Vec<LegId> {
        std::mem::take(&mut self.closings.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

mod control;

/// A leg with its socket, in its place.
struct Seated {
    id: LegId,
    leg: Leg,
    seat: Seat,
    /// `None` once the leg is closed and only its last events are to be told.
    port: Option<Port>,
    connected: Option<SocketAddr>,
}

/// The moment of one tick.
#[derive(Clone, Copy)]
struct Moment {
    tick: Tick,
    now: Duration,
    calendar: Duration,
}

/// What a thread is given when it starts.
pub(crate) struct Given {
    pub(crate) commands: Receiver<Command>,
    pub(crate) sink: Sink,
    pub(crate) board: Arc<Board>,
    pub(crate) pauses: Pauses,
    pub(crate) beep: Arc<Clip>,
    pub(crate) workshop: Workshop,
}

/// One thread's whole world.
pub(crate) struct Worker {
    given: Given,
    /// The monotonic time of tick 0.
    origin: Duration,
    wheel: Wheel,
    legs: Slab<Seated>,
    tools: Tools,
    round: Vec<u32>,
}

/// Buffers that every visit uses, and where it counts.
struct Tools {
    inbox: Inbox,
    packet: [u8; PACKET_MAX],
    workshop: Workshop,
    packets_in: u64,
    packets_out: u64,
}

impl Worker {
    pub(crate) fn new(given: Given) -> Self {
        let workshop = given.workshop.clone();
        let (inbox, packet) = (Inbox::new(), [0; PACKET_MAX]);
        let tools = Tools { inbox, packet, workshop, packets_in: 0, packets_out: 0 };
        given.board.at_work.store(true, Ordering::Relaxed);
        let (wheel, legs, round) = (Wheel::default(), Slab::new(), Vec::new());
        Self { given, origin: sys::monotonic(), wheel, legs, tools, round }
    }

    /// Works until every handle is gone. Sleeps for good while there are no legs.
    pub(crate) fn run(mut self) {
        self.given.board.goes_first.store(sys::go_first(), Ordering::Relaxed);
        let mut past = self.moment().tick;
        loop {
            let Some(next) = self.wheel.next(past) else {
                let Ok(command) = self.given.commands.recv() else { return };
                self.obey(command);
                past = self.moment().tick;
                continue;
            };
            sys::sleep_until(self.origin + Duration::from_millis(next.0));
            if self.obey_all() == Handles::Gone {
                self.close_all();
                return;
            }
            past = self.catch_up(Tick(next.0 - 1));
        }
    }

    /// Visits who is due after `past`, up to now, but no further back than the wheel makes up for.
    fn catch_up(&mut self, past: Tick) -> Tick {
        let present = self.moment().tick;
        let mut done = resume(past, present);
        self.given.board.skipped_ms.fetch_add(done.0 - past.0, Ordering::Relaxed);
        while let Some(tick) = self.wheel.next(done).filter(|&tick| tick <= present) {
            self.turn(tick);
            done = tick;
        }
        done
    }

    fn turn(&mut self, tick: Tick) {
        let moment = Moment { tick, ..self.moment() };
        let mut round = std::mem::take(&mut self.round);
        round.extend_from_slice(self.wheel.due(tick));
        for (index, &place) in round.iter().enumerate() {
            // By the time the next one is visited, it has come from memory.
            if let Some(next) = round.get(index + 1).and_then(|&next| self.legs.peek(next)) {
                sys::prefetch(next);
            }
            let Some(mut seated) = self.legs.lift(place) else { continue };
            seated.visit(moment, &mut self.tools, &mut self.legs);
            if seated.tell_all(&self.given.sink) == Told::Everything && seated.port.is_none() {
                self.wheel.leave(place, seated.seat);
                self.legs.forget(seated.id);
                self.given.board.legs.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let step = seated.leg.step();
            if step != seated.seat.step() {
                self.wheel.leave(place, seated.seat);
                seated.seat = self.wheel.seat(place, step, tick);
            }
            self.legs.lower(place, seated);
        }
        round.clear();
        self.round = round;
        let board = &self.given.board;
        board.ticks.fetch_add(1, Ordering::Relaxed);
        board.packets_in.fetch_add(std::mem::take(&mut self.tools.packets_in), Ordering::Relaxed);
        board.packets_out.fetch_add(std::mem::take(&mut self.tools.packets_out), Ordering::Relaxed);
    }

    /// Does what has been asked, at most as much as the queue holds, so that a busy caller cannot stop the
    /// wheel.
    fn obey_all(&mut self) -> Handles {
        // Taken first and done last: the command that opens a leg is in the queue before its closing is here.
        let closings = self.given.board.take_closings();
        for _ in 0..COMMANDS_MAX {
            match self.given.commands.try_recv() {
                Ok(command) => self.obey(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Handles::Gone,
            }
        }
        for leg in closings {
            self.close(leg);
        }
        Handles::Held
    }

    /// Closes a leg, once what its peer sent before is heard. It keeps its seat until its last events are told.
    fn close(&mut self, leg: LegId) {
        self.part(leg);
        let moment = self.moment();
        if let Some(seated) = self.legs.get_mut(leg) {
            seated.close(moment, &mut self.tools);
        }
    }

    fn obey(&mut self, command: Command) {
        let now = sys::monotonic();
        match command {
            Command::Open { leg, port, agreed, secure, beginning } => {
                let tick = self.moment().tick;
                let agreed = reachable(&port, agreed);
                let mut state = Leg::new(agreed, self.given.pauses, beginning, tick, now);
                state.secure(secure);
                let wheel = &mut self.wheel;
                self.legs.insert(leg, |place| {
                    let seat = wheel.seat(place, state.step(), tick);
                    Seated { id: leg, leg: state, seat, port: Some(port), connected: None }
                });
            }
            Command::Secure { leg, secure } => self.with(leg, |leg, _| leg.secure(secure)),
            Command::Update { leg, agreed } => {
                if let Some(Seated { leg, port: Some(port), .. }) = self.legs.get_mut(leg) {
                    leg.update(reachable(port, agreed), now);
                }
            }
            Command::Play { leg, play, clips, on_key } => {
                self.with(leg, |leg, _| leg.play(play, clips, on_key, now))
            }
            Command::Stop { leg } => self.with(leg, |leg, _| leg.stop(now)),
            Command::Record { leg, order } => self.with(leg, |leg, beep| leg.record(order, beep, now)),
            Command::StopRecording { leg } => {
                self.with(leg, |leg, _| leg.stop_recording(RecordEnd::Stopped, now))
            }
            Command::IgnoreTones { leg } => self.with(leg, |leg, _| leg.ignore_tones()),
            Command::Relay { legs: [a, b] } => {
                if self.is_open(a) && self.is_open(b) {
                    self.part(a);
                    self.part(b);
                    self.with(a, |leg, _| leg.join(b));
                    self.with(b, |leg, _| leg.join(a));
                }
            }
            Command::Part { leg } => self.part(leg),
        }
    }

    /// Lets `act` change a leg that is still open.
    fn with(&mut self, leg: LegId, act: impl FnOnce(&mut Leg, &Arc<Clip>)) {
        if let Some(Seated { leg, port: Some(_), .. }) = self.legs.get_mut(leg) {
            act(leg, &self.given.beep);
        }
    }

    fn is_open(&mut self, leg: LegId) -> bool {
        self.legs.get_mut(leg).is_some_and(|seated| seated.port.is_some())
    }

    fn part(&mut self, leg: LegId) {
        let partner = self.legs.get_mut(leg).and_then(|seated| seated.leg.partner());
        for leg in [Some(leg), partner].into_iter().flatten() {
            if let Some(seated) = self.legs.get_mut(leg) {
                seated.leg.part();
            }
        }
    }

    fn close_all(&mut self) {
        let moment = self.moment();
        for leg in self.legs.ids().collect::<Vec<_>>() {
            if let Some(seated) = self.legs.get_mut(leg) {
                seated.close(moment, &mut self.tools);
                // Events for which there is no room now go with the engine.
                seated.tell_all(&self.given.sink);
            }
        }
    }

    fn moment(&self) -> Moment {
        let (now, calendar) = (sys::monotonic(), sys::calendar());
        let ms = now.saturating_sub(self.origin).as_millis();
        Moment { tick: Tick(u64::try_from(ms).unwrap_or(u64::MAX)), now, calendar }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.given.board.at_work.store(false, Ordering::Relaxed);
        self.given.board.goes_first.store(false, Ordering::Relaxed);
    }
}

#[derive(PartialEq, Eq)]
enum Handles {
    Held,
    Gone,
}

#[derive(PartialEq, Eq)]
enum Told {
    Everything,
    NotAll,
}

impl Seated {
    fn visit(&mut self, moment: Moment, tools: &mut Tools, others: &mut Slab<Seated>) {
        if self.port.is_none() {
            return;
        }
        self.receive(BATCHES_A_VISIT, moment, tools, Some(others));
        self.leg.watch(moment.now);
        self.settle();
        if let Some(spoken) = self.leg.speak(moment.tick, moment.now, &mut tools.packet) {
            self.send(spoken.length, tools);
            for clip in spoken.wanted {
                tools.workshop.order(clip, self.leg.codec());
            }
        }
        if self.leg.report_is_due(moment.tick) {
            self.report(moment, tools, false);
        }
    }

    /// Hears what waits in the socket, at most so much of it. What a partner is to send on goes to one of `others`.
    fn receive(
        &mut self,
        batches: usize,
        moment: Moment,
        tools: &mut Tools,
        mut others: Option<&mut Slab<Seated>>,
    ) {
        for _ in 0..batches {
            let Some(port) = &self.port else { return };
            let Ok(count) = tools.inbox.take(port.socket()) else {
                // The fault is an answer to something we sent; what we received is behind it.
                self.leg.bounced();
                continue;
            };
            tools.packets_in += count as u64;
            for index in 0..count {
                let Datagram { bytes, from: Some(from), stamp } = tools.inbox.get(index) else { continue };
                // What was too long is counted where it is heard.
                let opened = match bytes.map(|bytes| self.leg.open(bytes)) {
                    Some(None) => continue,
                    opened => opened.flatten(),
                };
                let Some(heard) = self.leg.hear(opened.as_deref(), from, moment.arrival(stamp)) else {
                    continue;
                };
                let partner = self.leg.partner().zip(others.as_deref_mut());
                let Some(partner) = partner.and_then(|(partner, others)| others.get_mut(partner)) else {
                    continue;
                };
                if let Some(length) = partner.leg.relay(&heard, moment.tick, &mut tools.packet) {
                    partner.send(length, tools);
                }
            }
            if count < BATCH {
                return;
            }
        }
    }

    /// Connects the socket to the one peer it should hear, or opens it to others.
    fn settle(&mut self) {
        let Some(port) = &self.port else { return };
        let only = self.leg.only();
        if only == self.connected {
            return;
        }
        let done = match only {
            Some(peer) => port.socket().connect(peer),
            None => sys::disconnect(port.socket()),
        };
        // What the kernel would not do is tried again at the next visit; the leg checks every source itself.
        if done.is_ok() {
            self.connected = only;
        }
    }

    fn send(&mut self, length: usize, tools: &mut Tools) {
        let (Some(port), Some(packet)) = (&self.port, tools.packet.get(..length)) else { return };
        let Some(destination) = self.leg.destination() else { return };
        let sent: io::Result<usize> = match self.leg.seal(packet) {
            None => Err(io::ErrorKind::InvalidData.into()),
            Some(packet) if self.connected == Some(destination) => port.socket().send(&packet),
            Some(packet) => port.socket().send_to(&packet, destination),
        };
        tools.packets_out += u64::from(sent.is_ok());
        self.leg.sent(length, sent.is_ok());
    }

    fn close(&mut self, moment: Moment, tools: &mut Tools) {
        self.receive(BATCHES_AT_LAST, moment, tools, None);
        self.report(moment, tools, true);
        if self.port.take().is_some() {
            self.leg.close(moment.now);
        }
    }

    fn tell_all(&mut self, sink: &Sink) -> Told {
        while let Some(what) = self.leg.next_event() {
            if let Err(event) = sink(Event { leg: self.id, what }) {
                self.leg.keep_event(event.what);
                return Told::NotAll;
            }
        }
        Told::Everything
    }
}

impl Moment {
    /// When a datagram came, by the monotonic clock.
    fn arrival(&self, stamp: Option<Duration>) -> Duration {
        let waited =
            stamp.and_then(|stamp| self.calendar.checked_sub(stamp)).filter(|&waited| waited <= WAITED_MAX);
        self.now.saturating_sub(waited.unwrap_or_default())
    }
}

fn reachable(port: &Port, agreed: Agreed) -> Agreed {
    Agreed { remote: agreed.remote.map(|remote| port.reachable(remote)), ..agreed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_came_as_long_ago_as_its_stamp_says_unless_the_calendar_was_set() {
        let ms = Duration::from_millis;
        let moment = Moment { tick: Tick(0), now: ms(50_000), calendar: ms(1_000_000) };
        for (what, stamp, expected) in [
            ("just now", Some(ms(1_000_000)), ms(50_000)),
            ("15 ms ago", Some(ms(999_985)), ms(49_985)),
            ("since the clocks were read", Some(ms(1_000_001)), ms(50_000)),
            ("the calendar was put forward an hour", Some(ms(0)), ms(50_000)),
            ("no stamp", None, ms(50_000)),
        ] {
            assert_eq!(moment.arrival(stamp), expected, "{what}");
        }
    }
}
