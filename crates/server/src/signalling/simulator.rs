//! Two sides of ours that call each other over a network which loses, doubles and overtakes, in simulated time and by a
//! seed: whatever happens, each call happens once and ends, on both sides, and nothing of it is left.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aftercall_wire::sip::transaction::Packet;
use aftercall_wire::sip::{Piece, datagram};
use proptest::prelude::*;

use super::calls::{Calls, Effect, Leave};
use super::flow::{By, Flow};
use super::gate::Gate;
use super::shared::Shared;
use super::{
    Bounds, CallKey, Command, Dial, Ending, Event, Peers, Security, SignallingConfig, Timers, Transport,
};

const SDP: &[u8] = b"v=0\r\n";

/// Long enough for every timer there is, several times over.
const END: Duration = Duration::from_secs(1200);

fn address(side: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], if side == 0 { 5060 } else { 5070 }))
}

pub(super) fn flow(side: usize) -> Flow {
    let (here, there) = (address(side), address(1 - side));
    Flow {
        transport: Transport::Udp,
        remote: there,
        bound: Some(here.ip()),
        port: here.port(),
        by: By::Socket(0),
    }
}

pub(super) fn calls(side: usize) -> Calls {
    let config = SignallingConfig {
        listen: Vec::new(),
        tls: Security::default(),
        external_ip: None,
        user_agent: "test".into(),
        peers: Peers::default(),
        bounds: Bounds { calls_max: 10_000, calls_per_second_per_source: 10_000, ..Bounds::default() },
        timers: Timers::default(),
        clock: Arc::new(|| Duration::ZERO),
    };
    let gate = Gate::new(config.peers.clone(), 10_000, "secret".into());
    Calls::new(Arc::new(Shared::new(&config)), gate, vec![flow(side)])
}

/// A generator that needs no more than to be different each time (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn ms(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.below(most))
    }
}

/// What somebody means to do.
enum Plan {
    Dial,
    Command(Command),
}

/// How bad the network is: of a hundred packets so many are lost, so many doubled; each takes up to so many ms.
#[derive(Clone, Copy, Debug)]
struct Weather {
    lost: u64,
    doubled: u64,
    delay_ms: u64,
}

struct World {
    now: Duration,
    dice: Dice,
    weather: Weather,
    sides: [Calls; 2],
    on_wire: BTreeMap<(Duration, u64), (usize, Packet)>,
    plans: BTreeMap<(Duration, u64), (usize, Plan)>,
    told: [HashMap<CallKey, Vec<&'static str>>; 2],
    endings: [Vec<Ending>; 2],
    number: u64,
}

impl World {
    fn new(seed: u64, weather: Weather) -> Self {
        Self {
            now: Duration::ZERO,
            dice: Dice(seed),
            weather,
            sides: [calls(0), calls(1)],
            on_wire: BTreeMap::new(),
            plans: BTreeMap::new(),
            told: Default::default(),
            endings: Default::default(),
            number: 0,
        }
    }

    fn plan(&mut self, side: usize, within_ms: u64, plan: Plan) {
        self.number += 1;
        let at = self.now + self.dice.ms(within_ms);
        self.plans.insert((at, self.number), (side, plan));
    }

    fn run(&mut self) {
        loop {
            let dues = [0, 1].map(|side: usize| self.sides[side].due().map(|due| (due, side)));
            let (wire, plan) = (self.on_wire.first_key_value(), self.plans.first_key_value());
            let next = [wire.map(|(key, _)| key.0), plan.map(|(key, _)| key.0)].into_iter().flatten().min();
            let due = dues.into_iter().flatten().min();
            match (due, next) {
                (None, None) => return,
                (Some((due, side)), next) if next.is_none_or(|next| due <= next) => {
                    self.now = self.now.max(due);
                    self.sides[side].tick(self.now);
                }
                _ if wire.map(|(key, _)| key.0) == next => self.deliver(),
                _ => self.carry_out_plan(),
            }
            assert!(self.now < END, "somebody still waits: {:?}", self.sides.each_ref().map(Calls::live));
            self.settle();
        }
    }

    fn deliver(&mut self) {
        let Some(((at, _), (to, packet))) = self.on_wire.pop_first() else { return };
        self.now = self.now.max(at);
        let Ok(Piece::Message(message, flaw)) = datagram(&packet) else { panic!("we sent no SIP") };
        assert_eq!(flaw, None, "we sent {}", String::from_utf8_lossy(&packet));
        self.sides[to].hear(*message, flaw, flow(to), self.now);
    }

    fn carry_out_plan(&mut self) {
        let Some(((at, _), (side, plan))) = self.plans.pop_first() else { return };
        self.now = self.now.max(at);
        let command = match plan {
            Plan::Command(command) => command,
            Plan::Dial => Command::Dial {
                call: self.sides[side].shared.new_call(),
                dial: Box::new(Dial {
                    target: format!("sip:survey@{}", address(1 - side)).parse().unwrap(),
                    sdp: Some(SDP.to_vec()),
                    headers: if self.dice.below(2) == 0 {
                        Vec::new()
                    } else {
                        vec![("Require".into(), "100rel".into()), ("Session-Expires".into(), "90".into())]
                    },
                    transport: None,
                    from_user: "caller".into(),
                    credentials: None,
                }),
            },
        };
        if let Command::Dial { call, .. } = &command {
            let call = *call;
            self.told[side].insert(call, Vec::new());
            if self.dice.below(5) == 0 {
                self.plan(side, 40_000, Plan::Command(Command::Cancel(call)));
            }
        }
        self.sides[side].obey(command, self.now);
    }

    fn settle(&mut self) {
        for side in [0, 1] {
            while let Some(effect) = self.sides[side].next_effect() {
                match effect {
                    Effect::Send(to, packet) => self.send(side, to, &packet),
                    Effect::Tell(event) => self.hear(side, &event),
                    Effect::Reach { ticket, to } => {
                        let address = to.target.and_then(|t| Some(SocketAddr::new(t.ip()?, t.port()?)));
                        let way = address.map(|remote| Flow { remote, ..flow(side) });
                        self.sides[side].reached(ticket, way.ok_or_else(String::new), self.now);
                    }
                }
            }
        }
    }

    fn send(&mut self, side: usize, to: Flow, packet: &Packet) {
        assert_eq!(to.remote, address(1 - side), "sent astray");
        let copies = 1 + u64::from(self.dice.below(100) < self.weather.doubled);
        for _ in 0..copies {
            if self.dice.below(100) >= self.weather.lost {
                self.number += 1;
                let at = self.now + self.dice.ms(self.weather.delay_ms.max(1));
                self.on_wire.insert((at, self.number), (1 - side, Arc::clone(packet)));
            }
        }
    }

    fn hear(&mut self, side: usize, event: &Event) {
        let call = event.call();
        let word = match event {
            Event::Invite { .. } => "invite",
            Event::Ack { .. } => "ack",
            Event::ReInvite { .. } => "reinvite",
            Event::Answered { .. } => "answered",
            Event::Ended { ending, .. } => {
                self.endings[side].push(ending.clone());
                "ended"
            }
            Event::Info { .. } => "info",
            Event::Refreshed { .. } => "refreshed",
            Event::Progress { .. } | Event::Transfer { .. } | Event::TransportClosed { .. } => "news",
        };
        let story = self.told[side].entry(call).or_default();
        assert!(!story.contains(&"ended"), "{word} after the end");
        let once = ["invite", "answered", "ended"];
        assert!(!once.contains(&word) || !story.contains(&word), "{word} twice: {story:?}");
        assert!(word != "ack" || story.last() != Some(&"ack"), "{story:?}");
        story.push(word);
        self.react(side, event);
    }

    fn react(&mut self, side: usize, event: &Event) {
        let call = event.call();
        match event {
            Event::Invite { .. } => match self.dice.below(10) {
                0 => {}
                1 => self.plan(side, 5000, Plan::Command(Command::Reject { call, refusal: 486.into() })),
                _ => {
                    self.plan(side, 500, Plan::Command(Command::Ring(call)));
                    self.plan(side, 9000, Plan::Command(Command::Accept { call, sdp: SDP.to_vec() }));
                }
            },
            Event::ReInvite { .. } => {
                let answer = if self.dice.below(3) == 0 { Err(488) } else { Ok(SDP.to_vec()) };
                self.plan(side, 900, Plan::Command(Command::AnswerReinvite { call, answer }));
            }
            Event::Ack { .. } | Event::Answered { .. } => {
                if self.dice.below(2) == 0 {
                    let info = Command::Info { call, content_type: "x/y".into(), body: vec![7] };
                    self.plan(side, 3000, Plan::Command(info));
                }
                self.plan(side, 200_000, Plan::Command(Command::Bye { call, reason: None }));
            }
            _ => {}
        }
    }

    fn assert_nothing_is_left(&self) {
        for (side, calls) in self.sides.iter().enumerate() {
            assert_eq!(calls.live(), [0; 3], "side {side}");
            let left = [calls.invites.len(), calls.serving.len(), calls.errands.len(), calls.unreached.len()];
            assert_eq!((left, calls.alarms.due()), ([0; 4], None), "side {side}");
            for story in self.told[side].values() {
                assert_eq!(story.iter().filter(|word| **word == "ended").count(), 1, "{story:?}");
            }
        }
        // Whoever called and was answered was accepted over there; never did more answer than were asked.
        let count = |side: usize, word| self.told[side].values().filter(|s| s.contains(&word)).count();
        assert!(count(0, "answered") <= count(1, "invite"));
    }
}

fn a_day(seed: u64, weather: Weather, dials: u64) -> World {
    let mut world = World::new(seed, weather);
    for _ in 0..dials {
        world.plan(0, 20_000, Plan::Dial);
    }
    world.run();
    world.assert_nothing_is_left();
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// With 30 % lost, 20 % doubled and anything overtaking anything, every call ends as it should.
    #[test]
    fn every_call_ends_once_on_both_sides_whatever_the_network_does(
        seed in any::<u64>(), lost in 0_u64..=30, doubled in 0_u64..=20, delay_ms in 0_u64..2000,
    ) {
        a_day(seed, Weather { lost, doubled, delay_ms }, 40);
    }
}

#[test]
fn thirty_percent_loss_costs_patience_and_hardly_a_call() {
    let weather = Weather { lost: 30, doubled: 20, delay_ms: 100 };
    let world = a_day(1, weather, 1000);
    let arrived = world.told[1].len();
    assert!(arrived >= 990, "{arrived}");
    let no_ack = world.endings[1].iter().filter(|ending| **ending == Ending::NoAck).count();
    assert!(no_ack <= 10, "{no_ack}");
}

#[test]
fn a_good_network_loses_nothing() {
    let world = a_day(2, Weather { lost: 0, doubled: 0, delay_ms: 20 }, 500);
    assert_eq!(world.told[1].len(), 500);
    for ending in world.endings.iter().flatten() {
        let expected = matches!(
            ending,
            Ending::PeerHungUp
                | Ending::WeHungUp
                | Ending::Cancelled
                | Ending::Rejected(486)
                | Ending::Refused { status: 486 | 480, .. }
                | Ending::Unanswered
        );
        assert!(expected, "{ending:?}");
    }
}

#[test]
fn everybody_may_leave_at_once() {
    let mut world = World::new(3, Weather { lost: 20, doubled: 20, delay_ms: 300 });
    for _ in 0..100 {
        world.plan(0, 20_000, Plan::Dial);
    }
    // Halfway, one side says goodbye to all, whatever each call is doing.
    let first: Vec<_> = world.plans.keys().copied().collect();
    world.now = first[50].0;
    for _ in 0..50 {
        world.carry_out_plan();
        world.settle();
    }
    let all: Vec<_> = world.sides[1].calls.keys().copied().collect();
    for call in all {
        world.sides[1].leave(call, Leave { reason: Some("SIP;cause=503".into()) });
    }
    world.run();
    world.assert_nothing_is_left();
}
