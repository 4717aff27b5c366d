//! A peer that says anything at any time, and a door that does: nothing panics, each call ends once, and nothing is left.

use std::collections::HashMap;
use std::time::Duration;

use aftercall_wire::sip::{Message, Piece, datagram};
use proptest::prelude::*;

use super::calls::{Calls, Effect};
use super::simulator::{calls, flow};
use super::{CallKey, Command, Dial, Event};

/// One thing that happens. Small numbers choose among few calls, tags and branches, so that they meet.
#[derive(Clone, Debug)]
enum Step {
    /// Of a call of the peer; its CSeq number is so much above the one before, an ACK's is its INVITE's.
    Request {
        method: usize,
        call: u8,
        branch: u8,
        above: u32,
        outside: bool,
        more: usize,
    },
    Response {
        status: u16,
        more: usize,
    },
    Door {
        what: u8,
        call: usize,
    },
    Time {
        ms: u64,
    },
}

const METHODS: [&str; 15] = [
    "INVITE", "INVITE", "INVITE", "ACK", "ACK", "ACK", "ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO",
    "NOTIFY", "REFER", "OPTIONS",
];

const MORE: [&str; 8] = [
    "",
    "Require: 100rel\r\n",
    "Supported: timer\r\nSession-Expires: 90\r\n",
    "Session-Expires: 90;refresher=uas\r\nAllow: UPDATE\r\n",
    "RAck: 1 1 INVITE\r\n",
    "Event: refer\r\nSubscription-State: terminated\r\n",
    "Replaces: c0;to-tag=OURS;from-tag=t\r\n",
    "RSeq: 1\r\nRequire: 100rel\r\n",
];

fn step() -> impl Strategy<Value = Step> {
    let request =
        (0..METHODS.len(), 0..4_u8, any::<u8>(), 0..3_u32, prop::bool::weighted(0.1), 0..MORE.len());
    let status = prop::sample::select(vec![100_u16, 180, 183, 200, 200, 401, 422, 481, 486, 487, 491, 500]);
    prop_oneof![
        6 => request.prop_map(|(method, call, branch, above, outside, more)| {
            Step::Request { method, call, branch, above, outside, more }
        }),
        2 => (status, 0..MORE.len()).prop_map(|(status, more)| Step::Response { status, more }),
        5 => (0..11_u8, 0..2_usize).prop_map(|(what, call)| Step::Door { what, call }),
        2 => prop::sample::select(vec![1_u64, 1, 20, 200, 500, 500, 4000, 4000, 45_000]).prop_map(|ms| Step::Time { ms }),
    ]
}

struct World {
    calls: Calls,
    now: Duration,
    known: Vec<CallKey>,
    endings: HashMap<CallKey, u32>,
    /// Our tag of each of the peer's calls, as far as we have said one.
    tags: HashMap<String, String>,
    /// The last CSeq number of each, and its last INVITE's.
    numbers: HashMap<String, (u32, u32)>,
    /// Requests of ours, to be answered.
    asked: Vec<Message>,
}

impl World {
    fn hears(&mut self, text: &str) {
        let Ok(Piece::Message(message, flaw)) = datagram(text.as_bytes()) else { panic!("no SIP: {text}") };
        self.calls.hear(*message, flaw, flow(1), self.now);
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Request { method, call, branch, above, outside, more } => {
                let method = METHODS[*method];
                let id = format!("c{call}");
                let ours = self.tags.get(&id).cloned().unwrap_or_default();
                let to = if *outside || ours.is_empty() { String::new() } else { format!(";tag={ours}") };
                let (last, invite) = self.numbers.entry(id.clone()).or_insert((0, 1));
                if method != "ACK" {
                    *last += above;
                }
                if method == "INVITE" {
                    *invite = *last;
                }
                let seq = if method == "ACK" { *invite } else { *last };
                let more = MORE[*more].replace("OURS", &ours);
                self.hears(&format!(
                    "{method} sip:s@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{id}{branch}\r\n\
                     From: <sip:a@h>;tag=t\r\nTo: <sip:s@h>{to}\r\nCall-ID: {id}\r\nCSeq: {seq} {method}\r\n\
                     Contact: <sip:a@127.0.0.1:5060>\r\n{more}Content-Length: 0\r\n\r\n"
                ));
            }
            Step::Response { status, more } => {
                let Some(asked) = self.asked.pop() else { return };
                let of = |name| asked.headers().get(name).unwrap_or_default();
                let (via, from, to, id, cseq) = (of("Via"), of("From"), of("To"), of("Call-ID"), of("CSeq"));
                let to =
                    if to.contains(";tag=") { to.to_owned() } else { format!("{to};tag=branch{status}") };
                let text = format!(
                    "SIP/2.0 {status} X\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {id}\r\nCSeq: {cseq}\r\n\
                     Contact: <sip:b@127.0.0.1:5060>\r\n{}Content-Length: 0\r\n\r\n",
                    MORE[*more]
                );
                self.hears(&text);
                // It may be answered again.
                self.asked.push(asked);
            }
            Step::Door { what, call } => self.door(*what, *call),
            Step::Time { ms } => self.until(self.now + Duration::from_millis(*ms)),
        }
        self.settle();
    }

    fn door(&mut self, what: u8, call: usize) {
        let dialled = self.calls.shared.new_call();
        // Mostly of the calls that began last.
        let call = self.known.iter().rev().nth(call).copied().unwrap_or(dialled);
        let sdp = b"v=0\r\n".to_vec();
        let command = match what {
            0 => Command::Ring(call),
            1 | 2 | 8 => Command::Accept { call, sdp },
            3 => Command::Reject { call, refusal: 486.into() },
            4 => Command::AnswerReinvite { call, answer: Ok(sdp) },
            5 => Command::AnswerReinvite { call, answer: Err(488) },
            6 => Command::Bye { call, reason: None },
            7 => Command::Refer { call, target: "sip:x@127.0.0.1".parse().expect("a target") },
            9 => Command::Cancel(call),
            _ => {
                self.known.push(dialled);
                self.endings.insert(dialled, 0);
                let target = "sip:b@127.0.0.1:5060".parse().expect("a target");
                let (headers, from_user) = (Vec::new(), "a".to_owned());
                let (transport, credentials) = (None, None);
                let dial = Dial { target, sdp: Some(sdp), headers, transport, from_user, credentials };
                Command::Dial { call: dialled, dial: Box::new(dial) }
            }
        };
        self.calls.obey(command, self.now);
    }

    fn until(&mut self, end: Duration) {
        while let Some(due) = self.calls.due().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.calls.tick(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn settle(&mut self) {
        while let Some(effect) = self.calls.next_effect() {
            match effect {
                Effect::Send(_, packet) => self.sent(&packet),
                Effect::Tell(event) => self.told(&event),
                Effect::Reach { ticket, .. } => self.calls.reached(ticket, Ok(flow(1)), self.now),
            }
        }
    }

    fn sent(&mut self, packet: &[u8]) {
        let Ok(Piece::Message(message, None)) = datagram(packet) else {
            panic!("we sent {}", String::from_utf8_lossy(packet));
        };
        if let Message::Request(_) = &*message {
            self.asked.push(*message);
            return;
        }
        let headers = message.headers();
        let tag = headers.get("To").and_then(|to| to.split_once(";tag="));
        if let (Some((_, tag)), Some(id)) = (tag, headers.get("Call-ID")) {
            self.tags.insert(id.to_owned(), tag.to_owned());
        }
    }

    fn told(&mut self, event: &Event) {
        let call = event.call();
        if let Event::Invite { .. } = event {
            self.known.push(call);
            assert_eq!(self.endings.insert(call, 0), None, "announced twice");
        }
        let ended = self.endings.get_mut(&call).expect("news of a call that nobody announced");
        assert_eq!(*ended, 0, "news behind the end");
        *ended += u32::from(matches!(event, Event::Ended { .. }));
    }
}

fn all_comes_to_its_end(steps: &[Step]) {
    let (known, endings, tags, numbers, asked) = Default::default();
    let mut world = World { calls: calls(1), now: Duration::ZERO, known, endings, tags, numbers, asked };
    for step in steps {
        world.take(step);
    }
    world.calls.leave_all(world.now);
    world.settle();
    world.until(world.now + Duration::from_secs(600));
    assert_eq!(world.calls.live(), [0; 3]);
    let calls = &world.calls;
    let left = [calls.invites.len(), calls.serving.len(), calls.errands.len(), calls.unreached.len()];
    assert_eq!((left, calls.alarms.due()), ([0; 4], None));
    assert!(world.endings.values().all(|ended| *ended == 1), "{:?}", world.endings);
}

#[test]
fn a_refresh_that_the_peer_works_on_for_ever_ends_with_its_call() {
    let request =
        |method, above, more| Step::Request { method, call: 3, branch: 0, above, outside: false, more };
    all_comes_to_its_end(&[
        request(0, 0, 2),
        request(7, 1, 0),
        Step::Door { what: 1, call: 0 },
        request(3, 0, 0),
        request(10, 0, 3),
        Step::Time { ms: 45_000 },
        Step::Response { status: 100, more: 0 },
        Step::Door { what: 0, call: 0 },
    ]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_is_said_in_whatever_order_each_call_ends_once_and_nothing_is_left(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        all_comes_to_its_end(&steps);
    }
}
