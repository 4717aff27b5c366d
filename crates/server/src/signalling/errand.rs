//! Requests of ours: the way each goes, credentials if it is asked for them, and what becomes of it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aftercall_wire::sip::{Headers, Method, Request, Response, TransactionId};

use super::calls::{Call, Calls, Reach};
use super::dialog::Hop;
use super::flow::{By, Flow};
use super::message::{self, our_via};
use super::{CallKey, Credentials, Target, Transport, digest};

/// Times a request is sent with credentials: once for the challenge, once more if the nonce was old by then.
const PROOFS_MAX: usize = 2;

/// Names a search for the way to a peer; never used again for another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Ticket(u64);

/// What goes out as soon as the way is known.
pub(super) enum Outgoing {
    /// The INVITE of a call that we place.
    Invite(CallKey),
    /// An ACK, which has no answer. Its Via is missing.
    Ack(Request),
    /// A request that is answered. Its Via is missing.
    Errand(Errand),
}

/// A request of ours on its way.
pub(super) struct Errand {
    pub(super) request: Request,
    pub(super) then: Then,
    credentials: Option<Credentials>,
    proofs: usize,
}

/// Whom its answer concerns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    /// Nobody.
    Nothing,
    /// A call that we place.
    Dial(CallKey),
    /// A call that we hang up.
    Bye(CallKey),
    /// A call that we hand on.
    Refer(CallKey),
    /// A call whose session we refresh.
    Refresh(CallKey),
}

/// What became of a request of ours.
#[derive(Clone, Copy)]
pub(super) enum Outcome<'a> {
    /// Its final response.
    Answered(&'a Response),
    /// Nobody answered.
    TimedOut,
    /// It could not be sent, or its answer can no longer come.
    Lost,
}

impl Outcome<'_> {
    /// The status it amounts to (RFC 3261, section 8.1.3.1).
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Answered(response) => response.status,
            Self::TimedOut => 408,
            Self::Lost => 503,
        }
    }
}

impl Errand {
    pub(super) fn new(request: Request, then: Then, credentials: Option<Credentials>) -> Self {
        Self { request, then, credentials, proofs: 0 }
    }

    /// The same request with credentials, if that is what the response asks for and it can still help.
    fn proved(&self, response: &Response) -> Option<Self> {
        let (asks, answers) = match response.status {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return None,
        };
        let challenges: Vec<_> = response.headers.all(asks).collect();
        if self.proofs >= PROOFS_MAX || self.proofs > 0 && !challenges.iter().any(|c| digest::is_stale(c)) {
            return None;
        }
        let mut request = self.request.clone();
        let proof = digest::answer(
            &challenges,
            request.method.as_str(),
            &request.uri,
            self.credentials.as_ref()?,
            &message::random(16),
        )?;
        let seq = message::cseq(&request.headers)?.checked_add(1)?;
        request.headers.set("CSeq", &format!("{seq} {}", request.method));
        request.headers.set(answers, &proof);
        request.headers.remove("Via");
        Some(Self {
            request,
            then: self.then,
            credentials: self.credentials.clone(),
            proofs: self.proofs + 1,
        })
    }
}

impl Calls {
    /// Sends BYE; it outlives the call if need be.
    pub(super) fn send_bye(&mut self, call: CallKey, reason: Option<&str>, then: Then) {
        let mut more = Headers::new();
        if let Some(reason) = reason {
            more.push("Reason", reason);
        }
        self.send_within(call, Method::Bye, more, Vec::new(), then);
    }

    /// Sends a request within the dialog of a call.
    pub(super) fn send_within(
        &mut self,
        call: CallKey,
        method: Method,
        more: Headers,
        body: Vec<u8>,
        then: Then,
    ) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let credentials = entry.credentials.clone();
        let Some(dialog) = entry.dialog_mut() else { return };
        let (request, hop) = dialog.request(method, more, body);
        self.send_by(call, &hop, Outgoing::Errand(Errand::new(request, then, credentials)));
    }

    /// Sends the ACK for the 2xx to our INVITE of this CSeq number, as often as that 2xx comes.
    pub(super) fn acknowledge(&mut self, call: CallKey, seq: u32) {
        let Some((ack, hop)) = self.calls.get(&call).and_then(|c| c.dialog()).map(|d| d.ack(seq)) else {
            return;
        };
        self.send_by(call, &hop, Outgoing::Ack(ack));
    }

    /// Sends what goes within a dialog, now or as soon as the way is known; in the order in which it was said.
    pub(super) fn send_by(&mut self, call: CallKey, hop: &Hop, what: Outgoing) {
        if let Some(before) = hop.sought.and_then(|ticket| self.unreached.get_mut(&ticket)) {
            return before.push(what);
        }
        match self.way(hop) {
            Ok(flow) => self.send_now(what, flow),
            Err(reach) => {
                let ticket = self.send_later(what, reach);
                if let Some(dialog) = self.calls.get_mut(&call).and_then(Call::dialog_mut) {
                    dialog.sought = Some(ticket);
                }
            }
        }
    }

    /// Sends something when the way to its peer is found.
    pub(super) fn send_later(&mut self, what: Outgoing, to: Reach) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.unreached.insert(ticket, vec![what]);
        self.find(ticket, to);
        ticket
    }

    /// The way to a peer was found, or nobody knows it.
    pub(super) fn reached(&mut self, ticket: Ticket, flow: Result<Flow, String>, now: Duration) {
        self.now = now;
        for what in self.unreached.remove(&ticket).unwrap_or_default() {
            match (what, &flow) {
                (what, Ok(flow)) => self.send_now(what, *flow),
                (Outgoing::Invite(call), Err(why)) => self.dial_unreachable(call, why.clone()),
                (Outgoing::Errand(errand), Err(_)) => self.errand_over(errand, Outcome::Lost),
                (Outgoing::Ack(_), Err(_)) => {}
            }
        }
    }

    pub(super) fn send_now(&mut self, what: Outgoing, flow: Flow) {
        match what {
            Outgoing::Invite(call) => self.invite(call, flow),
            Outgoing::Ack(ack) => self.send_untracked(ack, flow),
            Outgoing::Errand(errand) => self.begin(errand, flow),
        }
    }

    /// Sends a request whose answer nobody waits for.
    pub(super) fn send_untracked(&mut self, mut request: Request, flow: Flow) {
        request.headers.push_front("Via", &self.via(&flow));
        self.layer.send(flow, request.to_bytes().into());
    }

    /// Starts the transaction of a request.
    pub(super) fn begin(&mut self, mut errand: Errand, flow: Flow) {
        if errand.request.method != Method::Cancel {
            // A CANCEL has its INVITE's.
            errand.request.headers.push_front("Via", &self.via(&flow));
        }
        match self.layer.request(errand.request.clone(), flow, flow.carriage(), self.now) {
            Ok(id) => {
                if let Then::Dial(call) = errand.then {
                    self.dial_sent(call, id);
                }
                self.errands.insert(id, (errand, flow));
            }
            Err(_) => self.errand_over(errand, Outcome::Lost),
        }
    }

    /// A response to a request of ours.
    pub(super) fn errand_heard(&mut self, id: TransactionId, response: &Response) {
        if response.status < 200 {
            if let Some((Errand { then: Then::Dial(call), .. }, flow)) = self.errands.get(&id) {
                let (call, flow) = (*call, *flow);
                self.dial_progress(call, response, flow);
            }
            return;
        }
        let Some((errand, flow)) = self.errands.remove(&id) else { return };
        match errand.proved(response) {
            Some(again) => self.begin(again, flow),
            None => self.errand_answered(errand, response, flow),
        }
    }

    fn errand_answered(&mut self, errand: Errand, response: &Response, flow: Flow) {
        match errand.then {
            Then::Dial(call) if response.status < 300 => self.dial_answered(call, response, flow),
            _ => self.errand_over(errand, Outcome::Answered(response)),
        }
    }

    /// Nothing more is heard of a request of ours.
    pub(super) fn errand_done(&mut self, id: TransactionId, outcome: Outcome<'_>) {
        if let Some((errand, _)) = self.errands.remove(&id) {
            self.errand_over(errand, outcome);
        }
    }

    fn errand_over(&mut self, errand: Errand, outcome: Outcome<'_>) {
        match errand.then {
            Then::Nothing => {}
            Then::Dial(call) => self.dial_failed(call, outcome),
            Then::Bye(call) => self.bye_done(call),
            Then::Refer(call) => self.refer_done(call, outcome.status()),
            Then::Refresh(call) => self.refreshed(call, &errand.request, outcome),
        }
    }

    fn via(&self, flow: &Flow) -> String {
        our_via(flow.transport, flow.local(self.shared.external_ip))
    }

    /// The flow on which a request within a dialog goes: the connection it began on while that lives, else wherever the
    /// first hop's URI leads, else (a name nobody knows, an address behind NAT) back where the dialog began.
    fn way(&self, hop: &Hop) -> Result<Flow, Reach> {
        let begun = hop.flow;
        if matches!(begun.by, By::Connection(_)) && !hop.lost {
            return Ok(begun);
        }
        let target: Option<Target> = hop.uri.parse().ok();
        let transport = target.as_ref().and_then(Target::transport).unwrap_or(begun.transport);
        let named = target.as_ref().is_some_and(|target| target.ip().is_none());
        if transport == Transport::Udp && !named {
            let address =
                target.as_ref().and_then(|t| Some(SocketAddr::new(t.ip()?, t.port_over(transport))));
            let address = beyond_nat(address, Some(begun.remote)).unwrap_or(begun.remote);
            // From the socket that the peer knows, if it speaks that family.
            let same = Some(begun).filter(|flow| flow.transport == Transport::Udp && fits(flow, address));
            let any = || self.sockets.iter().find(|flow| fits(flow, address)).copied();
            if let Some(flow) = same.or_else(any) {
                return Ok(Flow { remote: address, ..flow });
            }
        }
        let prefer_ipv4 = begun.remote.is_ipv4();
        Err(Reach { target, transport, prefer_ipv4, source: Some(begun.remote) })
    }
}

/// Whether a flow's socket can send to this address.
pub(super) fn fits(flow: &Flow, address: SocketAddr) -> bool {
    flow.remote.is_ipv4() == address.is_ipv4()
}

/// Where to send what is meant for `named` to a peer whose messages come from `source`.
pub(super) fn beyond_nat(named: Option<SocketAddr>, source: Option<SocketAddr>) -> Option<SocketAddr> {
    let Some(source) = source else { return named };
    Some(named.filter(|a| is_global(a.ip()) || !is_global(source.ip())).unwrap_or(source))
}

/// Whether an address means the same to everyone; a private one told by a peer with a global one is behind NAT.
fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_from_behind_nat_is_not_believed() {
        for (named, source, sent_to) in [
            (Some("192.168.1.5:5060"), "203.0.113.7:1024", "203.0.113.7:1024"),
            (Some("[fd00::5]:5060"), "[2001:db8::7]:1024", "[2001:db8::7]:1024"),
            (Some("192.168.1.5:5060"), "10.0.0.1:1024", "192.168.1.5:5060"),
            (Some("198.51.100.5:5080"), "203.0.113.7:1024", "198.51.100.5:5080"),
            (Some("127.0.0.1:5080"), "127.0.0.1:1024", "127.0.0.1:5080"),
            (None, "203.0.113.7:1024", "203.0.113.7:1024"),
        ] {
            let named = named.map(|n| n.parse().unwrap());
            let sent_to = Some(sent_to.parse().unwrap());
            assert_eq!(beyond_nat(named, Some(source.parse().unwrap())), sent_to, "{named:?}");
        }
    }
}
