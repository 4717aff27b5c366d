//! All transactions of one endpoint (RFC 3261, section 17): which message belongs to which, what is to be sent, and
//! when somebody must be looked at again.
//!
//! The owner brings messages and time, and sends what [`next_send`](Layer::next_send) gives. A request that nobody has
//! seen takes no memory until the owner [`begin`](Layer::begin)s its transaction: so it may also be answered and
//! forgotten, or not answered at all.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::headers::Headers;
use super::message::{Method, Request, Response};
use super::transaction::{
    Carriage, ClientNews, InviteClient, InviteServer, OtherClient, OtherServer, Packet, ServerNews, Step,
    Timers,
};
use super::value::{listed, param};

/// What a branch begins with that is unique (section 8.1.1.7).
pub const COOKIE: &str = "z9hG4bK";

/// A transaction of a [`Layer`]; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(u64);

/// No room for another transaction: a request that came in is refused with 503, one of ours is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for another transaction")]
pub struct Full;

/// What a request is that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Nobody has seen it.
    New,
    /// It came again, or is a refusal's ACK: done.
    Known,
    /// An ACK that belongs to no refusal: the dialog's, which says so to [`Layer::acknowledged`] if it is a 2xx's.
    Ack,
    /// A CANCEL that nobody has seen, of this INVITE. It has a transaction of its own to be answered in.
    Cancels(TransactionId),
}

/// What a response is that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// News for who sent this request.
    News(TransactionId),
    /// It came before.
    Known,
    /// Nobody waits for it. A 2xx to an INVITE that comes so late is acknowledged all the same.
    Stray,
}

/// What came of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Our final response to this INVITE was never acknowledged.
    NoAck(TransactionId),
    /// Nobody answered this request of ours.
    TimedOut(TransactionId),
}

/// The transactions, and the way (`W`) that each one's messages go.
#[derive(Debug)]
pub struct Layer<W> {
    timers: Timers,
    most: usize,
    made: u64,
    entries: HashMap<TransactionId, Entry<W>>,
    keys: HashMap<Key, TransactionId>,
    due: BTreeSet<(Duration, TransactionId)>,
    sends: VecDeque<(W, Packet)>,
}

#[derive(Debug)]
struct Entry<W> {
    key: Key,
    way: W,
    machine: Machine,
    /// Where it stands among those that are due.
    due: Option<Duration>,
}

#[derive(Debug)]
enum Machine {
    InviteServer(InviteServer),
    OtherServer(OtherServer),
    /// With the INVITE that its ACK is made of.
    InviteClient(InviteClient, Box<Request>),
    OtherClient(OtherClient),
}

/// What makes a message one transaction's (sections 17.1.3 and 17.2.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Server { method: Method, branch: Branch },
    Client { method: Method, branch: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Branch {
    /// Unique where it was made.
    Unique { branch: String, sent_by: String },
    /// A request of RFC 2543 is known by all that it says of itself.
    Old { uri: Box<str>, from_tag: String, call_id: String, cseq: String, via: String },
}

impl<W: Clone> Layer<W> {
    /// None yet, and never more than so many.
    #[must_use]
    pub fn new(timers: Timers, most: usize) -> Self {
        Self {
            timers,
            most,
            made: 0,
            entries: HashMap::new(),
            keys: HashMap::new(),
            due: BTreeSet::new(),
            sends: VecDeque::new(),
        }
    }

    /// How many there are, with those that only wait for what may still come.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Hears a request.
    pub fn hear_request(&mut self, request: &Request, now: Duration) -> Asked {
        let branch = Branch::of(request);
        let key = Key::Server { method: belongs_to(&request.method), branch };
        match (&request.method, self.keys.get(&key).copied()) {
            (Method::Ack, Some(id)) => self.hear_ack(id, now),
            (Method::Ack, None) => Asked::Ack,
            (_, Some(id)) => {
                self.hear_again(id);
                Asked::Known
            }
            (Method::Cancel, None) => {
                let Key::Server { branch, .. } = key else { return Asked::New };
                let invite = self.keys.get(&Key::Server { method: Method::Invite, branch });
                invite.map_or(Asked::New, |id| Asked::Cancels(*id))
            }
            (_, None) => Asked::New,
        }
    }

    /// An ACK with an INVITE's branch is a refusal's. That of a 2xx has another, but not in RFC 2543.
    fn hear_ack(&mut self, id: TransactionId, now: Duration) -> Asked {
        match self.machine(id) {
            Some(Machine::InviteServer(server)) if !server.is_accepted() => {
                server.acknowledged(now);
                self.settle(id);
                Asked::Known
            }
            _ => Asked::Ack,
        }
    }

    fn hear_again(&mut self, id: TransactionId) {
        let step = match self.machine(id) {
            Some(Machine::InviteServer(server)) => server.repeated(),
            Some(Machine::OtherServer(server)) => server.repeated(),
            _ => return,
        };
        self.take(id, step);
    }

    /// Begins the transaction of a request that is [`Asked::New`] or [`Asked::Cancels`].
    ///
    /// # Errors
    /// When there is no room.
    pub fn begin(&mut self, request: &Request, way: W, carriage: Carriage) -> Result<TransactionId, Full> {
        let method = belongs_to(&request.method);
        let machine = match method {
            Method::Invite => Machine::InviteServer(InviteServer::new(self.timers, carriage)),
            _ => Machine::OtherServer(OtherServer::new(self.timers, carriage)),
        };
        self.add(Key::Server { method, branch: Branch::of(request) }, way, machine)
    }

    /// Answers a request. Behind a final response nothing is sent.
    pub fn respond(&mut self, id: TransactionId, response: &Response, now: Duration) {
        let packet = response.to_bytes().into();
        let step = match self.machine(id) {
            Some(Machine::InviteServer(server)) => server.respond(response.status, packet, now),
            Some(Machine::OtherServer(server)) => server.respond(response.status, packet, now),
            _ => return,
        };
        self.take(id, step);
    }

    /// The dialog heard the ACK of this INVITE's 2xx, or waits for none any more.
    pub fn acknowledged(&mut self, id: TransactionId, now: Duration) {
        if let Some(Machine::InviteServer(server)) = self.machine(id) {
            server.acknowledged(now);
            self.settle(id);
        }
    }

    /// Whether this is an INVITE without a final response, so that it can be cancelled.
    #[must_use]
    pub fn is_unanswered(&self, id: TransactionId) -> bool {
        let machine = self.entries.get(&id).map(|entry| &entry.machine);
        matches!(machine, Some(Machine::InviteServer(server)) if server.is_unanswered())
    }

    /// Sends a request, which has a Via with a branch of its own; a CANCEL has its INVITE's.
    ///
    /// # Errors
    /// When there is no room.
    pub fn request(
        &mut self,
        request: Request,
        way: W,
        carriage: Carriage,
        now: Duration,
    ) -> Result<TransactionId, Full> {
        let packet = request.to_bytes().into();
        let branch = top_via(&request.headers).and_then(|via| param(via, "branch")).unwrap_or_default();
        let key = Key::Client { method: request.method.clone(), branch: branch.to_owned() };
        let (machine, step) = if request.method == Method::Invite {
            let (client, step) = InviteClient::new(packet, self.timers, carriage, now);
            (Machine::InviteClient(client, Box::new(Request { body: Vec::new(), ..request })), step)
        } else {
            let (client, step) = OtherClient::new(packet, self.timers, carriage, now);
            (Machine::OtherClient(client), step)
        };
        let id = self.add(key, way, machine)?;
        self.take(id, step);
        Ok(id)
    }

    /// Whether a CANCEL may be sent after this INVITE (section 9.1).
    #[must_use]
    pub fn may_be_cancelled(&self, id: TransactionId) -> bool {
        let machine = self.entries.get(&id).map(|entry| &entry.machine);
        matches!(machine, Some(Machine::InviteClient(client, _)) if client.may_be_cancelled())
    }

    /// Hears a response.
    pub fn hear_response(&mut self, response: &Response, now: Duration) -> Told {
        let headers = &response.headers;
        let branch = top_via(headers).and_then(|via| param(via, "branch"));
        let method = headers.get("CSeq").and_then(|cseq| cseq.split_ascii_whitespace().nth(1));
        let (Some(branch), Some(method)) = (branch, method) else { return Told::Stray };
        let key = Key::Client { method: method.into(), branch: branch.to_owned() };
        let Some(id) = self.keys.get(&key).copied() else { return Told::Stray };
        let step = match self.machine(id) {
            Some(Machine::InviteClient(client, invite)) => {
                client.heard(response.status, || ack_of(invite, response).to_bytes().into(), now)
            }
            Some(Machine::OtherClient(client)) => client.heard(response.status, now),
            _ => return Told::Stray,
        };
        match self.take(id, step) {
            Some(ClientNews::Heard) => Told::News(id),
            Some(ClientNews::TimedOut) | None => Told::Known,
        }
    }

    /// Forgets a transaction: its connection is lost.
    pub fn forget(&mut self, id: TransactionId) {
        if let Some(entry) = self.entries.remove(&id) {
            self.keys.remove(&entry.key);
            if let Some(due) = entry.due {
                self.due.remove(&(due, id));
            }
        }
    }

    /// Sends what has no transaction, behind what is to be sent already: the ACK of a 2xx, an answer that nobody
    /// remembers.
    pub fn send(&mut self, way: W, packet: Packet) {
        self.sends.push_back((way, packet));
    }

    /// What is to be sent next, and which way.
    pub fn next_send(&mut self) -> Option<(W, Packet)> {
        self.sends.pop_front()
    }

    /// When to [`tick`](Self::tick) next; `None` while that depends on others.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Does what is due, and says what came of waiting.
    pub fn tick(&mut self, now: Duration) -> Vec<Passed> {
        let mut passed = Vec::new();
        while let Some((_, id)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            passed.extend(self.tick_one(id, now));
        }
        passed
    }

    fn tick_one(&mut self, id: TransactionId, now: Duration) -> Option<Passed> {
        let step = match self.machine(id)? {
            Machine::InviteServer(server) => {
                let step = server.tick(now);
                return self.take(id, step).map(|ServerNews::NoAck| Passed::NoAck(id));
            }
            Machine::OtherServer(server) => {
                server.tick(now);
                self.settle(id);
                return None;
            }
            Machine::InviteClient(client, _) => client.tick(now),
            Machine::OtherClient(client) => client.tick(now),
        };
        self.take(id, step).map(|_| Passed::TimedOut(id))
    }

    fn machine(&mut self, id: TransactionId) -> Option<&mut Machine> {
        self.entries.get_mut(&id).map(|entry| &mut entry.machine)
    }

    fn add(&mut self, key: Key, way: W, machine: Machine) -> Result<TransactionId, Full> {
        if self.entries.len() >= self.most {
            return Err(Full);
        }
        self.made += 1;
        let id = TransactionId(self.made);
        self.keys.insert(key.clone(), id);
        self.entries.insert(id, Entry { key, way, machine, due: None });
        self.settle(id);
        Ok(id)
    }

    /// Queues what a machine wants sent, and gives back its news.
    fn take<N>(&mut self, id: TransactionId, step: Step<N>) -> Option<N> {
        if let (Some(packet), Some(entry)) = (step.send, self.entries.get(&id)) {
            self.sends.push_back((entry.way.clone(), packet));
        }
        self.settle(id);
        step.news
    }

    /// Notes when a transaction is due now, or forgets it if it is over.
    fn settle(&mut self, id: TransactionId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.machine.is_over() {
            return self.forget(id);
        }
        let due = entry.machine.due();
        if due != entry.due {
            let before = std::mem::replace(&mut entry.due, due);
            before.map(|before| self.due.remove(&(before, id)));
            self.due.extend(due.map(|due| (due, id)));
        }
    }
}

impl Machine {
    fn due(&self) -> Option<Duration> {
        match self {
            Self::InviteServer(server) => server.due(),
            Self::OtherServer(server) => server.due(),
            Self::InviteClient(client, _) => client.due(),
            Self::OtherClient(client) => client.due(),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::InviteServer(server) => server.is_over(),
            Self::OtherServer(server) => server.is_over(),
            Self::InviteClient(client, _) => client.is_over(),
            Self::OtherClient(client) => client.is_over(),
        }
    }
}

impl Branch {
    fn of(request: &Request) -> Self {
        let headers = &request.headers;
        let text = |name| headers.get(name).unwrap_or_default().to_owned();
        let via = top_via(headers).unwrap_or_default();
        match param(via, "branch") {
            Some(branch) if branch.len() > COOKIE.len() && branch.starts_with(COOKIE) => {
                let sent = via.split(';').next().unwrap_or_default();
                let sent_by = sent.split_ascii_whitespace().next_back().unwrap_or_default();
                Self::Unique { branch: branch.to_owned(), sent_by: sent_by.to_ascii_lowercase() }
            }
            _ => Self::Old {
                uri: request.uri.clone(),
                from_tag: headers
                    .get("From")
                    .and_then(|from| param(from, "tag"))
                    .unwrap_or_default()
                    .to_owned(),
                call_id: text("Call-ID"),
                // Its number only: an ACK or a CANCEL names its own method.
                cseq: text("CSeq").split_ascii_whitespace().next().unwrap_or_default().to_owned(),
                via: via.to_owned(),
            },
        }
    }
}

/// The method whose transaction a request belongs to: an ACK has its INVITE's (section 17.2.3).
fn belongs_to(method: &Method) -> Method {
    if *method == Method::Ack { Method::Invite } else { method.clone() }
}

fn top_via(headers: &Headers) -> Option<&str> {
    headers.get("Via").and_then(|via| listed(via).next())
}

/// The ACK of a refusal (section 17.1.1.3).
fn ack_of(invite: &Request, refusal: &Response) -> Request {
    let mut headers = Headers::new();
    headers.push("Via", top_via(&invite.headers).unwrap_or_default());
    for route in invite.headers.all("Route") {
        headers.push("Route", route);
    }
    headers.push("Max-Forwards", "70");
    headers.push("From", invite.headers.get("From").unwrap_or_default());
    headers.push("To", refusal.headers.get("To").unwrap_or_default());
    headers.push("Call-ID", invite.headers.get("Call-ID").unwrap_or_default());
    let cseq = invite.headers.get("CSeq").unwrap_or_default();
    headers.push("CSeq", &format!("{} ACK", cseq.split_ascii_whitespace().next().unwrap_or_default()));
    Request { method: Method::Ack, uri: invite.uri.clone(), headers, body: Vec::new() }
}
