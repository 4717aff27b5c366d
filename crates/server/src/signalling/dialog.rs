//! A dialog (RFC 3261, section 12): what both sides must say alike in every request of a call.

use aftercall_wire::sip::{Headers, Method, Request, Response, uri_of};

use super::errand::Ticket;
use super::flow::Flow;
use super::message::{self, DialogKey, values};

/// Routes followed. A call crosses a handful of proxies; more is a loop or an attack.
const ROUTES_MAX: usize = 16;

/// One side of a dialog: ours.
pub(super) struct Dialog {
    pub(super) key: DialogKey,
    /// What our requests say in From, and in To.
    local: String,
    remote: String,
    /// The CSeq number we used last.
    local_seq: u32,
    /// The highest CSeq number of the peer.
    remote_seq: Option<u32>,
    /// Where requests go: the peer's Contact.
    target: String,
    /// The proxies that want to see them, in order.
    routes: Vec<String>,
    /// What our Contact says.
    pub(super) contact: String,
    /// The way the dialog began.
    pub(super) flow: Flow,
    /// Its connection is closed.
    pub(super) lost: bool,
    /// The last search for another way.
    pub(super) sought: Option<Ticket>,
    /// The peer takes UPDATE (RFC 3311).
    pub(super) takes_update: bool,
}

/// Where a request is sent first, and what if that cannot be found.
#[derive(Clone)]
pub(super) struct Hop {
    /// The URI of the first proxy, or of the peer.
    pub(super) uri: String,
    /// The way the dialog began.
    pub(super) flow: Flow,
    /// That was a connection, and it is closed.
    pub(super) lost: bool,
    /// Another way is being looked for.
    pub(super) sought: Option<Ticket>,
}

impl Dialog {
    /// The dialog that an INVITE from a peer begins, once we answer it with this tag.
    pub(super) fn of_caller(invite: &Request, tag: &str, contact: String, flow: Flow) -> Option<Self> {
        let headers = &invite.headers;
        let (from, to) = (headers.get("From")?, headers.get("To")?);
        let key = DialogKey {
            call_id: headers.get("Call-ID")?.to_owned(),
            local_tag: tag.to_owned(),
            remote_tag: message::tag(headers, "From").unwrap_or_default().to_owned(),
        };
        Some(Self {
            key,
            local: format!("{to};tag={tag}"),
            remote: from.to_owned(),
            local_seq: 0,
            remote_seq: message::cseq(headers),
            // A caller that names no Contact (it must) is answered where its From points.
            target: uri_of(headers.get("Contact").unwrap_or(from)).to_owned(),
            routes: recorded(headers).collect(),
            contact,
            flow,
            lost: false,
            sought: None,
            takes_update: takes_update(headers),
        })
    }

    /// The dialog that a callee's answer begins, a provisional one too.
    pub(super) fn of_callee(response: &Response, contact: String, flow: Flow) -> Option<Self> {
        let headers = &response.headers;
        let to = headers.get("To")?;
        Some(Self {
            key: message::dialog_of_response(headers)?,
            local: headers.get("From")?.to_owned(),
            remote: to.to_owned(),
            local_seq: message::cseq(headers)?,
            remote_seq: None,
            target: uri_of(headers.get("Contact").unwrap_or(to)).to_owned(),
            routes: recorded_back(headers),
            contact,
            flow,
            lost: false,
            sought: None,
            takes_update: takes_update(headers),
        })
    }

    /// What this side has sent goes on counting where the early dialog left off, whatever its callee says now.
    pub(super) fn confirmed_by(&mut self, response: &Response) {
        self.retarget(&response.headers);
        self.routes = recorded_back(&response.headers);
        self.takes_update |= takes_update(&response.headers);
    }

    /// Whether a request of the peer comes after all it sent before (RFC 3261, section 12.2.2); then it counts.
    pub(super) fn follows(&mut self, request: &Request) -> bool {
        let Some(seq) = message::cseq(&request.headers) else { return false };
        let follows = self.remote_seq.is_none_or(|last| seq > last);
        if follows {
            self.remote_seq = Some(seq);
        }
        follows
    }

    /// Takes over the peer's new address from a re-INVITE, an UPDATE, or an answer to one.
    pub(super) fn retarget(&mut self, headers: &Headers) {
        if let Some(contact) = headers.get("Contact") {
            self.target = uri_of(contact).to_owned();
        }
    }

    /// A request within the dialog, complete but for its Via, and its first hop. The CSeq number after it is left
    /// free, for the same request with credentials.
    pub(super) fn request(&mut self, method: Method, more: Headers, body: Vec<u8>) -> (Request, Hop) {
        let seq = self.local_seq + 1;
        self.local_seq = seq + 1;
        self.make(method, seq, &more, body)
    }

    /// The ACK for a 2xx to our INVITE of this CSeq number.
    pub(super) fn ack(&self, seq: u32) -> (Request, Hop) {
        self.make(Method::Ack, seq, &Headers::new(), Vec::new())
    }

    fn make(&self, method: Method, seq: u32, more: &Headers, body: Vec<u8>) -> (Request, Hop) {
        let mut uri = self.target.as_str();
        let mut routes = self.routes.clone();
        let mut hop = uri;
        if let Some(first) = self.routes.first() {
            hop = uri_of(first);
            if !is_loose(hop) {
                // A proxy of RFC 2543 wants to be the Request-URI (RFC 3261, section 12.2.1.1).
                routes.remove(0);
                routes.push(format!("<{}>", self.target));
                uri = hop;
            }
        }
        let mut headers = Headers::new();
        for route in &routes {
            headers.push("Route", route);
        }
        headers.push("Max-Forwards", "70");
        headers.push("From", &self.local);
        headers.push("To", &self.remote);
        headers.push("Call-ID", &self.key.call_id);
        headers.push("CSeq", &format!("{seq} {method}"));
        headers.push("Contact", &self.contact);
        for (name, value) in more.iter() {
            headers.push(name, value);
        }
        let hop = Hop { uri: hop.to_owned(), flow: self.flow, lost: self.lost, sought: self.sought };
        (Request { method, uri: uri.into(), headers, body }, hop)
    }
}

/// Whether a proxy's URI says that it leaves the Request-URI alone.
fn is_loose(uri: &str) -> bool {
    uri.split(';')
        .skip(1)
        .any(|p| p.split('=').next().is_some_and(|name| name.trim().eq_ignore_ascii_case("lr")))
}

fn recorded(headers: &Headers) -> impl Iterator<Item = String> {
    values(headers, "Record-Route").take(ROUTES_MAX).map(str::to_owned)
}

/// The same of an answer: the proxies next to its sender come first (RFC 3261, section 12.1.2).
fn recorded_back(headers: &Headers) -> Vec<String> {
    let mut routes: Vec<_> = recorded(headers).collect();
    routes.reverse();
    routes
}

fn takes_update(headers: &Headers) -> bool {
    message::lists(headers, "Allow", "UPDATE")
}
