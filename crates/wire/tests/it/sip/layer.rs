//! Two endpoints and a network between them that loses, doubles and overtakes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aftercall_wire::sip::transaction::{Carriage, Timers};
use aftercall_wire::sip::{
    Asked, Full, Headers, Layer, Message, Method, Passed, Piece, Request, Response, Told, TransactionId,
    datagram,
};

const T1: Duration = Duration::from_millis(500);

/// How bad the network is, in percent.
#[derive(Debug, Clone, Copy)]
struct Weather {
    lost: u64,
    doubled: u64,
    /// The longest way, in milliseconds: messages within that overtake each other.
    slow_ms: u64,
}

/// The same numbers for the same seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
}

/// What is to happen to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Refused,
    CallerHangsUp,
    CalleeHangsUp,
    GivenUp,
}

/// What the two users of the layers saw of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Seen {
    invites: u32,
    /// Final responses to the INVITE, repeats of a 2xx left out.
    finals: Vec<u16>,
    acknowledged: u32,
    never_acknowledged: u32,
    byes: u32,
    bye_finals: Vec<u16>,
    cancels: u32,
    timed_out: u32,
}

/// What a user means to do at some time.
#[derive(Debug, Clone, Copy)]
enum Plan {
    Call,
    Answer(TransactionId),
    HangUp(Side),
    GiveUp,
}

struct World {
    now: Duration,
    weather: Weather,
    dice: Dice,
    layers: [Layer<()>; 2],
    air: BTreeMap<(Duration, u64), (Side, Vec<u8>)>,
    plans: BTreeMap<(Duration, u64), (u64, Plan)>,
    count: u64,
    calls: BTreeMap<u64, Seen>,
    /// The INVITE's transaction at the callee.
    invites: BTreeMap<u64, TransactionId>,
    of: BTreeMap<(bool, TransactionId), u64>,
    giving_up: BTreeSet<u64>,
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn fate(call: u64) -> Fate {
    [Fate::Refused, Fate::CallerHangsUp, Fate::CalleeHangsUp, Fate::GivenUp][(call % 4) as usize]
}

fn request(call: u64, method: Method, from: Side, branch: &str) -> Request {
    let mut headers = Headers::new();
    headers.push("Via", &format!("SIP/2.0/UDP {from:?};branch=z9hG4bK{branch}{call}"));
    headers.push("From", "<sip:a@h>;tag=a");
    headers.push("To", "<sip:b@h>");
    headers.push("Call-ID", &call.to_string());
    headers.push("CSeq", &format!("1 {method}"));
    Request { method, uri: "sip:b@h".into(), headers, body: Vec::new() }
}

fn call_of(headers: &Headers) -> u64 {
    headers.get("Call-ID").unwrap().parse().unwrap()
}

impl World {
    fn new(weather: Weather, calls: u64, seed: u64) -> Self {
        let layer = || Layer::new(Timers::default(), 100_000);
        let mut world = Self {
            now: Duration::ZERO,
            weather,
            dice: Dice(seed | 1),
            layers: [layer(), layer()],
            air: BTreeMap::new(),
            plans: BTreeMap::new(),
            count: 0,
            calls: BTreeMap::new(),
            invites: BTreeMap::new(),
            of: BTreeMap::new(),
            giving_up: BTreeSet::new(),
        };
        for call in 0..calls {
            world.calls.insert(call, Seen::default());
            let at = world.dice.below(10_000);
            world.plan(ms(at), call, Plan::Call);
        }
        world
    }

    fn seen(&mut self, call: u64) -> &mut Seen {
        self.calls.get_mut(&call).unwrap()
    }

    fn plan(&mut self, after: Duration, call: u64, plan: Plan) {
        self.count += 1;
        self.plans.insert((self.now + after, self.count), (call, plan));
    }

    fn send(&mut self, from: Side, bytes: &[u8]) {
        let to = if from == Side::Caller { Side::Callee } else { Side::Caller };
        let copies = 1 + u64::from(self.dice.below(100) < self.weather.doubled);
        for _ in 0..copies {
            if self.dice.below(100) >= self.weather.lost {
                self.count += 1;
                let takes = ms(1 + self.dice.below(self.weather.slow_ms));
                self.air.insert((self.now + takes, self.count), (to, bytes.to_vec()));
            }
        }
    }

    fn flush(&mut self) {
        for side in [Side::Caller, Side::Callee] {
            while let Some(((), packet)) = self.layers[side as usize].next_send() {
                self.send(side, &packet);
            }
        }
    }

    /// Until nothing is on its way, meant or due; says how long that took.
    fn run(&mut self) -> Duration {
        loop {
            let air = self.air.keys().next().map(|(at, _)| *at);
            let plans = self.plans.keys().next().map(|(at, _)| *at);
            let due = self.layers.iter().filter_map(Layer::due).min();
            let Some(next) = [air, plans, due].into_iter().flatten().min() else { return self.now };
            self.now = next.max(self.now);
            assert!(self.now < Duration::from_secs(600), "there is no end");
            if air == Some(next) {
                let (to, bytes) = self.air.pop_first().unwrap().1;
                self.arrive(to, &bytes);
            } else if plans == Some(next) {
                let (call, plan) = self.plans.pop_first().unwrap().1;
                self.act(call, plan);
            } else {
                for side in [Side::Caller, Side::Callee] {
                    for passed in self.layers[side as usize].tick(self.now) {
                        let (id, no_ack) = match passed {
                            Passed::NoAck(id) => (id, true),
                            Passed::TimedOut(id) => (id, false),
                        };
                        let call = self.of[&(side == Side::Callee, id)];
                        let seen = self.seen(call);
                        *(if no_ack { &mut seen.never_acknowledged } else { &mut seen.timed_out }) += 1;
                    }
                }
            }
            self.flush();
        }
    }

    fn ask(&mut self, side: Side, request: Request) {
        let call = call_of(&request.headers);
        let id = self.layers[side as usize].request(request, (), Carriage::Datagrams, self.now).unwrap();
        self.of.insert((side == Side::Callee, id), call);
    }

    fn act(&mut self, call: u64, plan: Plan) {
        match plan {
            Plan::Call => self.ask(Side::Caller, request(call, Method::Invite, Side::Caller, "i")),
            Plan::Answer(id) => {
                let status = if fate(call) == Fate::Refused { 486 } else { 200 };
                let invite = request(call, Method::Invite, Side::Caller, "i");
                self.layers[1].respond(id, &invite.answer(status, "x", "b"), self.now);
            }
            Plan::HangUp(side) => self.ask(side, request(call, Method::Bye, side, "b")),
            Plan::GiveUp => self.ask(Side::Caller, request(call, Method::Cancel, Side::Caller, "i")),
        }
    }

    fn arrive(&mut self, at: Side, bytes: &[u8]) {
        let Ok(Piece::Message(message, None)) = datagram(bytes) else { panic!("spoilt on the way") };
        match *message {
            Message::Request(request) => self.asked(at, &request),
            Message::Response(response) => self.told(at, &response),
        }
    }

    fn asked(&mut self, at: Side, request: &Request) {
        let call = call_of(&request.headers);
        let heard = self.layers[at as usize].hear_request(request, self.now);
        match (heard, &request.method) {
            (Asked::Known, _) => {}
            (Asked::Ack, _) => {
                self.layers[1].acknowledged(self.invites[&call], self.now);
                let seen = self.seen(call);
                seen.acknowledged += 1;
                if seen.acknowledged == 1 && fate(call) == Fate::CalleeHangsUp {
                    self.plan(ms(5000), call, Plan::HangUp(Side::Callee));
                }
            }
            (Asked::New, Method::Invite) => {
                let id = self.begin(at, call, request);
                self.invites.insert(call, id);
                self.seen(call).invites += 1;
                self.layers[1].respond(id, &request.answer(100, "Trying", ""), self.now);
                let thinks = if fate(call) == Fate::GivenUp { 100_000 } else { self.dice.below(3000) };
                self.plan(ms(thinks), call, Plan::Answer(id));
            }
            (Asked::Cancels(invite), _) => {
                let id = self.begin(at, call, request);
                self.seen(call).cancels += 1;
                self.layers[1].respond(id, &request.answer(200, "OK", "b"), self.now);
                if self.layers[1].is_unanswered(invite) {
                    let answer = self::request(call, Method::Invite, Side::Caller, "i").answer(487, "x", "b");
                    self.layers[1].respond(invite, &answer, self.now);
                }
            }
            (Asked::New, _) => {
                let id = self.begin(at, call, request);
                let status = if request.method == Method::Bye { 200 } else { 481 };
                self.seen(call).byes += u32::from(status == 200);
                self.layers[at as usize].respond(id, &request.answer(status, "x", "b"), self.now);
            }
        }
    }

    fn begin(&mut self, at: Side, call: u64, request: &Request) -> TransactionId {
        let id = self.layers[at as usize].begin(request, (), Carriage::Datagrams).unwrap();
        self.of.insert((at == Side::Callee, id), call);
        id
    }

    fn told(&mut self, at: Side, response: &Response) {
        let call = call_of(&response.headers);
        let told = self.layers[at as usize].hear_response(response, self.now);
        let invite = response.headers.get("CSeq") == Some("1 INVITE");
        let Told::News(id) = told else { return };
        if !invite {
            if response.headers.get("CSeq") == Some("1 BYE") && response.status >= 200 {
                self.seen(call).bye_finals.push(response.status);
            }
            return;
        }
        match response.status {
            ..200 => {
                let may = self.layers[0].may_be_cancelled(id);
                if fate(call) == Fate::GivenUp && may && self.giving_up.insert(call) {
                    self.plan(ms(1000), call, Plan::GiveUp);
                }
            }
            200..300 => {
                let first = !self.seen(call).finals.contains(&response.status);
                if first {
                    self.seen(call).finals.push(response.status);
                    if fate(call) == Fate::CallerHangsUp {
                        self.plan(ms(5000), call, Plan::HangUp(Side::Caller));
                    }
                }
                let ack = request(call, Method::Ack, Side::Caller, "a").to_bytes();
                self.send(Side::Caller, &ack);
            }
            300.. => self.seen(call).finals.push(response.status),
        }
    }
}

fn played(weather: Weather, calls: u64, seed: u64) -> Vec<(Fate, Seen)> {
    let mut world = World::new(weather, calls, seed);
    let took = world.run();
    assert!(world.layers.iter().all(Layer::is_empty), "left over after {took:?} in {weather:?}");
    world.calls.into_iter().map(|(call, seen)| (fate(call), seen)).collect()
}

/// What both sides see of a call that nothing disturbs.
fn undisturbed(fate: Fate) -> Seen {
    let seen = Seen { invites: 1, ..Seen::default() };
    match fate {
        Fate::Refused => Seen { finals: vec![486], ..seen },
        Fate::GivenUp => Seen { finals: vec![487], cancels: 1, ..seen },
        Fate::CallerHangsUp | Fate::CalleeHangsUp => {
            Seen { finals: vec![200], acknowledged: 1, byes: 1, bye_finals: vec![200], ..seen }
        }
    }
}

#[test]
fn on_a_calm_network_everything_comes_once() {
    let calm = Weather { lost: 0, doubled: 0, slow_ms: 50 };
    for (fate, seen) in played(calm, 200, 1) {
        assert_eq!(seen, undisturbed(fate), "{fate:?}");
    }
}

#[test]
fn through_loss_doubling_and_overtaking_each_call_happens_once_and_ends() {
    let storm = Weather { lost: 30, doubled: 20, slow_ms: 400 };
    let mut as_meant = 0;
    for seed in 1..=5 {
        for (fate, seen) in played(storm, 400, seed * 7919) {
            assert!(seen.invites <= 1 && seen.byes <= 1 && seen.cancels <= 1, "{fate:?} {seen:?}");
            assert!(seen.finals.len() <= 1 && seen.bye_finals.len() <= 1, "{fate:?} {seen:?}");
            // What the two agree on may be that nobody heard; it is never that one heard another thing.
            let meant = undisturbed(fate);
            assert!(
                seen.finals.is_empty() || seen.finals == meant.finals || fate == Fate::GivenUp,
                "{seen:?}"
            );
            as_meant += u32::from(Seen { acknowledged: seen.acknowledged.min(1), ..seen } == meant);
        }
    }
    // One request in a thousand loses all its seven or eleven copies or answers.
    assert!(as_meant >= 1980, "{as_meant} of 2000");
}

#[test]
fn who_is_gone_is_given_up_in_time_and_forgotten() {
    let nobody = Weather { lost: 100, doubled: 0, slow_ms: 1 };
    let mut world = World::new(nobody, 4, 3);
    let took = world.run();
    assert!(took <= ms(10_000) + T1 * 64 + ms(1), "{took:?}");
    assert!(world.layers.iter().all(Layer::is_empty));
    assert!(world.calls.values().all(|seen| *seen == Seen { timed_out: 1, ..Seen::default() }));
}

#[test]
fn no_more_are_begun_than_there_is_room_for() {
    let mut layer = Layer::new(Timers::default(), 2);
    let begin = |layer: &mut Layer<()>, call| {
        layer.begin(&request(call, Method::Invite, Side::Caller, "i"), (), Carriage::Datagrams)
    };
    let first = begin(&mut layer, 1).unwrap();
    begin(&mut layer, 2).unwrap();
    assert_eq!(begin(&mut layer, 3), Err(Full));
    let options = request(4, Method::Options, Side::Callee, "o");
    assert_eq!(layer.request(options, (), Carriage::Datagrams, ms(0)), Err(Full));
    layer.forget(first);
    assert!(begin(&mut layer, 3).is_ok());
    assert_eq!((layer.len(), layer.is_empty(), layer.due()), (2, false, None));
}

#[test]
fn what_has_no_transaction_is_sent_in_its_order_and_forgotten() {
    let mut layer: Layer<u8> = Layer::new(Timers::default(), 1);
    let invite = request(1, Method::Invite, Side::Caller, "z9hG4bKa");
    layer.send(1, (*b"first").into());
    let id = layer.begin(&invite, 2, Carriage::Datagrams).unwrap();
    layer.respond(id, &invite.answer(100, "Trying", ""), Duration::ZERO);
    layer.send(3, (*b"last").into());
    let ways: Vec<_> = std::iter::from_fn(|| layer.next_send()).map(|(way, _)| way).collect();
    assert_eq!((ways, layer.len(), layer.due()), (vec![1, 2, 3], 1, None));
}

#[test]
fn a_request_of_rfc_2543_is_known_by_what_it_says_of_itself() {
    let mut layer = Layer::new(Timers::default(), 10);
    let old = |method: Method, cseq: u32| {
        let mut request = request(1, method.clone(), Side::Caller, "i");
        request.headers.set("Via", "SIP/2.0/UDP old.example");
        request.headers.set("CSeq", &format!("{cseq} {method}"));
        request
    };
    let invite = old(Method::Invite, 7);
    assert_eq!(layer.hear_request(&invite, ms(0)), Asked::New);
    let id = layer.begin(&invite, (), Carriage::Datagrams).unwrap();
    assert_eq!(layer.hear_request(&invite, ms(1)), Asked::Known);
    assert_eq!(layer.hear_request(&old(Method::Invite, 8), ms(1)), Asked::New);
    assert_eq!(layer.hear_request(&old(Method::Cancel, 7), ms(2)), Asked::Cancels(id));
    layer.respond(id, &invite.answer(200, "OK", "b"), ms(3));
    // Its ACK looks like a refusal's, and is the dialog's.
    assert_eq!(layer.hear_request(&old(Method::Ack, 7), ms(4)), Asked::Ack);
    layer.acknowledged(id, ms(4));
    assert_eq!(layer.due(), Some(ms(3) + T1 * 64));
}

#[test]
fn branches_are_unique_only_where_they_were_made() {
    let mut layer = Layer::new(Timers::default(), 10);
    let here = request(1, Method::Options, Side::Caller, "o");
    layer.begin(&here, (), Carriage::Datagrams).unwrap();
    let there = request(1, Method::Options, Side::Callee, "o");
    assert_eq!(
        (layer.hear_request(&here, ms(0)), layer.hear_request(&there, ms(0))),
        (Asked::Known, Asked::New)
    );
    // With a unique branch nothing else is looked at, without one all else is.
    for (branch, known) in
        [(";branch=z9hG4bKo1", true), (";branch=z9hG4bK", false), (";branch=no-cookie", false), ("", false)]
    {
        let of_call = |id: &str| {
            let mut options = here.clone();
            options.headers.set("Via", &format!("SIP/2.0/UDP elsewhere{branch}"));
            options.headers.set("Call-ID", id);
            options
        };
        layer.begin(&of_call("one"), (), Carriage::Datagrams).unwrap();
        let other = if known { Asked::Known } else { Asked::New };
        assert_eq!(layer.hear_request(&of_call("one"), ms(0)), Asked::Known, "{branch}");
        assert_eq!(layer.hear_request(&of_call("another"), ms(0)), other, "{branch}");
    }
    let stray = here.answer(200, "OK", "t");
    assert_eq!(layer.hear_response(&stray, ms(0)), Told::Stray);
}

#[test]
fn an_invite_is_cancelled_between_its_first_response_and_its_last() {
    let invite = request(1, Method::Invite, Side::Caller, "i");
    let (mut caller, mut callee) = (Layer::new(Timers::default(), 9), Layer::new(Timers::default(), 9));
    let asked = caller.request(invite.clone(), (), Carriage::Datagrams, ms(0)).unwrap();
    let heard = callee.begin(&invite, (), Carriage::Datagrams).unwrap();
    let mut seen = vec![(caller.may_be_cancelled(asked), callee.is_unanswered(heard))];
    for status in [180, 200] {
        let response = invite.answer(status, "x", "b");
        callee.respond(heard, &response, ms(1));
        assert_eq!(caller.hear_response(&response, ms(1)), Told::News(asked));
        seen.push((caller.may_be_cancelled(asked), callee.is_unanswered(heard)));
    }
    assert_eq!(seen, [(false, true), (true, true), (false, false)]);
}
