use std::collections::HashSet;
use std::time::Duration;

use aftercall_wire::sip::transaction::{Carriage, Timers};
use aftercall_wire::sip::{Asked, Headers, Layer, Method, Passed, Request, Told, TransactionId};

use super::input::Input;

/// More than the alphabet below can fill twice, so that `Full` is met too.
const MOST: usize = 12;

/// Repeats of one packet: pauses of 0.5, 1, 2 and then 4 s within 32 s, and none after.
const REPEATS_MAX: usize = 12;

/// The transaction layer hears messages in any order at any time: it stays within its bound, says each thing once, and
/// when nobody speaks any more every transaction ends.
pub fn layer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut rig = Rig::new();
    while !input.is_empty() {
        rig.step(&mut input);
        rig.holds();
    }
    rig.everybody_falls_silent();
}

struct Rig {
    layer: Layer<u8>,
    now: Duration,
    servers: Vec<(TransactionId, Request)>,
    clients: Vec<(TransactionId, Request)>,
    /// What came of waiting, and for whom: each once.
    passed: HashSet<TransactionId>,
    branches: u32,
}

impl Rig {
    fn new() -> Self {
        let layer = Layer::new(Timers::default(), MOST);
        Self {
            layer,
            now: Duration::ZERO,
            servers: Vec::new(),
            clients: Vec::new(),
            passed: HashSet::new(),
            branches: 0,
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let (what, which) = (input.byte(), input.byte());
        let carriage = if what & 0x80 == 0 { Carriage::Datagrams } else { Carriage::Stream };
        match what % 8 {
            0 | 1 => self.hear_request(&request(which, input.byte()), carriage, what & 0x40 == 0),
            2 => self.respond(which, status(input.byte())),
            3 => self.ask(which, carriage),
            4 => self.hear_response(which, status(input.byte())),
            5 => {
                if let Some((id, _)) = pick(&self.servers, which) {
                    self.layer.acknowledged(*id, self.now);
                }
            }
            6 if what & 0x40 != 0 => {
                let all: Vec<_> = self.servers.iter().chain(&self.clients).cloned().collect();
                if let Some((id, _)) = pick(&all, which) {
                    self.layer.forget(*id);
                }
            }
            _ => self.wait(Duration::from_millis(u64::from(which) * if what & 0x40 == 0 { 50 } else { 1 })),
        }
    }

    fn hear_request(&mut self, request: &Request, carriage: Carriage, begins: bool) {
        let before = self.layer.len();
        let asked = self.layer.hear_request(request, self.now);
        assert!(self.layer.len() <= before, "hearing takes no memory");
        if let Asked::Cancels(invite) = asked {
            assert!(
                self.servers.iter().any(|(id, request)| *id == invite && request.method == Method::Invite)
            );
        }
        assert!(matches!(asked, Asked::Ack | Asked::Known) || request.method != Method::Ack);
        if begins && matches!(asked, Asked::New | Asked::Cancels(_)) {
            match self.layer.begin(request, 1, carriage) {
                Ok(id) => {
                    self.is_new(id);
                    self.servers.push((id, request.clone()));
                    assert_eq!(
                        self.layer.hear_request(request, self.now),
                        Asked::Known,
                        "heard twice, known"
                    );
                }
                Err(_) => assert_eq!(self.layer.len(), MOST, "there was room"),
            }
        }
    }

    fn respond(&mut self, which: u8, status: u16) {
        let Some((id, request)) = pick(&self.servers, which).cloned() else { return };
        self.respond_to(id, &request, status);
    }

    fn respond_to(&mut self, id: TransactionId, request: &Request, status: u16) {
        let unanswered = self.layer.is_unanswered(id);
        self.layer.respond(id, &request.answer(status, "Said", "ours"), self.now);
        assert_eq!(self.layer.is_unanswered(id), unanswered && status < 200);
    }

    fn ask(&mut self, which: u8, carriage: Carriage) {
        self.branches += 1;
        let mut request = request(which % 64, 0);
        // An ACK has no transaction.
        if request.method == Method::Ack {
            request.method = Method::Info;
        }
        let cseq = format!("1 {}", request.method);
        request.headers.set("CSeq", &cseq);
        request.headers.set("Via", &format!("SIP/2.0/UDP us;branch=z9hG4bKours{}", self.branches));
        match self.layer.request(request.clone(), 2, carriage, self.now) {
            Ok(id) => {
                self.is_new(id);
                self.clients.push((id, request));
            }
            Err(_) => assert_eq!(self.layer.len(), MOST, "there was room"),
        }
    }

    fn hear_response(&mut self, which: u8, status: u16) {
        let Some((id, request)) = pick(&self.clients, which).cloned() else { return };
        let cancellable = self.layer.may_be_cancelled(id);
        let told = self.layer.hear_response(&request.answer(status, "Said", "theirs"), self.now);
        assert!(told != Told::News(id) || !self.passed.contains(&id), "who timed out has no news");
        assert!(matches!(told, Told::Known | Told::Stray) || told == Told::News(id), "news of another");
        assert!(
            !self.layer.may_be_cancelled(id) || status < 200 || !cancellable,
            "a final response was heard"
        );
    }

    fn is_new(&self, id: TransactionId) {
        assert!(
            self.servers.iter().chain(&self.clients).all(|(known, _)| *known < id),
            "an id was used again"
        );
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        for passed in self.layer.tick(self.now) {
            let (id, of) = match passed {
                Passed::NoAck(id) => (id, &self.servers),
                Passed::TimedOut(id) => (id, &self.clients),
            };
            assert!(of.iter().any(|(known, _)| *known == id), "told of a stranger");
            assert!(self.passed.insert(id), "told twice");
        }
    }

    fn holds(&mut self) {
        assert!(self.layer.len() <= MOST);
        assert!(self.layer.due().is_none_or(|due| due <= self.now + Timers::default().patience()));
        let sends = std::iter::from_fn(|| self.layer.next_send()).count();
        assert!(sends <= MOST + 1, "{sends} packets at once");
    }

    /// Who works on a request answers it at last, and whoever we wait for too; then time passes.
    fn everybody_falls_silent(mut self) {
        for (id, request) in self.servers.clone() {
            self.respond_to(id, &request, 486);
        }
        for (_, request) in self.clients.clone() {
            self.layer.hear_response(&request.answer(486, "Busy Here", "theirs"), self.now);
        }
        self.wait(Duration::ZERO);
        let mut sent = 0;
        let mut rounds = 0;
        while let Some(due) = self.layer.due() {
            assert!(due > self.now, "what is due was not done");
            self.wait(due - self.now);
            sent += std::iter::from_fn(|| self.layer.next_send()).count();
            rounds += 1;
            assert!(rounds <= MOST * (REPEATS_MAX + 1), "it goes on for ever");
        }
        assert!(sent <= MOST * (REPEATS_MAX + 1), "{sent} packets");
        assert!(self.layer.is_empty(), "{} never end", self.layer.len());
        for (_, request) in &self.servers {
            let asked = self.layer.hear_request(request, self.now);
            assert_eq!(asked, Asked::New, "a transaction that is over is remembered");
        }
    }
}

fn pick<T>(of: &[T], which: u8) -> Option<&T> {
    of.get(usize::from(which).checked_rem(of.len())?)
}

fn status(byte: u8) -> u16 {
    [100, 180, 183, 200, 202, 302, 404, 486, 487, 503, 603, 699][usize::from(byte % 12)]
}

/// Requests of a small alphabet, so that they meet each other: methods, branches new and old, senders, numbers.
fn request(which: u8, more: u8) -> Request {
    let method = [Method::Invite, Method::Ack, Method::Bye, Method::Cancel, Method::Options]
        [usize::from(which % 5)]
    .clone();
    let via = match which / 5 % 4 {
        0 => "SIP/2.0/UDP a;branch=z9hG4bK1".to_owned(),
        1 => format!("SIP/2.0/UDP {};branch=z9hG4bK2", ["a", "b", "A", "a:5060"][usize::from(more % 4)]),
        2 => "SIP/2.0/UDP a".to_owned(),
        _ => "SIP/2.0/UDP a;branch=1".to_owned(),
    };
    let mut headers = Headers::new();
    headers.push("Via", &via);
    headers.push("From", ["<sip:a@a>;tag=1", "<sip:a@a>"][usize::from(more >> 2 & 1)]);
    headers.push("To", "<sip:b@b>");
    headers.push("Call-ID", ["1", "2"][usize::from(more >> 3 & 1)]);
    headers.push("CSeq", &format!("{} {method}", 1 + (more >> 4 & 1)));
    Request { method, uri: "sip:b@b".into(), headers, body: Vec::new() }
}
