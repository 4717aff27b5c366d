//! Judges every request that comes in, before anything is remembered about it.
//!
//! Only two kinds are worth memory: an INVITE that the gate lets in, and a request within a dialog that lives.
//! Everything else is answered forgetfully or not at all, so nobody can fill us up by asking.

use std::net::SocketAddr;

use aftercall_wire::sip::{Asked, Flaw, Headers, Method, Request, TransactionId};

use tracing::debug;

use super::body::{self, Body};
use super::calls::{Calls, InviteId, Stage};
use super::flow::Flow;
use super::gate::{Admission, Approach};
use super::message::{self, DialogKey, values};
use super::replaces::{self, Replaces};
use super::reply::{ACCEPT, ALLOW, Reply, SUPPORTED};
use super::session_timer;
use super::uas::is_sips;
use super::{CallKey, Count, Transport};

/// Seconds after which a source that was too fast may try again: its allowance is a second's worth.
const RETRY_TOO_FAST_S: &str = "1";

/// Seconds after which it is worth trying again when everything is full: calls end all the time.
const RETRY_FULL_S: &str = "10";

/// Methods that we know and do not serve, beside those that the parser names.
const NOT_SERVED: [&str; 3] = ["MESSAGE", "PUBLISH", "SUBSCRIBE"];

/// A request on its way through the intake.
pub(super) struct Incoming {
    pub(super) request: Request,
    /// The way it came.
    pub(super) flow: Flow,
    /// Where an answer goes.
    answer_to: SocketAddr,
}

impl Incoming {
    fn back(&self) -> Flow {
        self.flow.answering(self.answer_to)
    }
}

impl Calls {
    pub(super) fn hear_request(&mut self, mut request: Request, flaw: Option<Flaw>, flow: Flow) {
        let Some(answer_to) = message::note_source(&mut request.headers, flow.remote) else {
            return self.count(Count::Malformed);
        };
        let incoming = Incoming { request, flow, answer_to };
        if !self.may_ask(&incoming) {
            return self.dismiss(&incoming);
        }
        if let Method::Other(name) = &incoming.request.method {
            let status = if NOT_SERVED.contains(&&**name) { 405 } else { 501 };
            return self.refuse_forgetfully(
                &incoming,
                Reply::new(status).with("Allow", ALLOW),
                Count::NotServed,
            );
        }
        if let Some(flaw) = flaw {
            let count = if flaw == Flaw::Version { Count::NotSupported } else { Count::Malformed };
            let reply = Reply::new(flaw.status()).phrase(Some(&flaw.to_string()));
            return self.refuse_forgetfully(&incoming, reply, count);
        }
        match self.layer.hear_request(&incoming.request, self.now) {
            Asked::Known => {}
            Asked::Ack => self.hear_ack(&incoming.request),
            Asked::Cancels(id) => self.hear_cancel(&incoming, id),
            Asked::New => self.take(incoming),
        }
    }

    /// Whether this sender is heard: one we know, or one who speaks within a call of ours.
    fn may_ask(&self, incoming: &Incoming) -> bool {
        self.gate.knows(incoming.flow.remote.ip())
            || message::dialog_of_request(&incoming.request.headers)
                .is_some_and(|dialog| self.dialogs.contains_key(&dialog))
    }

    fn dismiss(&mut self, incoming: &Incoming) {
        let user_agent = incoming.request.headers.get("User-Agent");
        if incoming.request.method == Method::Ack || !self.gate.dismisses(user_agent, self.now) {
            return self.count(Count::Ignored);
        }
        self.refuse_forgetfully(incoming, Reply::new(403), Count::Forbidden);
    }

    fn hear_ack(&mut self, ack: &Request) {
        let call = message::dialog_of_request(&ack.headers).and_then(|dialog| self.dialogs.get(&dialog));
        if let Some(call) = call.copied() {
            self.acked(call, ack);
        }
    }

    /// The CANCEL itself is answered here; what it cancels gets its own answer (RFC 3261, section 9.2).
    fn hear_cancel(&mut self, incoming: &Incoming, invite: TransactionId) {
        let call = self.serving.get(&invite).copied();
        let dialog = call.and_then(|call| self.calls.get(&call)).and_then(|call| call.dialog());
        let tag = dialog.map(|dialog| dialog.key.local_tag.clone());
        self.answer_forgetfully(incoming, Reply::new(200), tag.as_deref());
        if let Some(call) = call.filter(|_| self.layer.is_unanswered(invite)) {
            debug!(%call, reason = ?message::reason(&incoming.request.headers), "the peer gives up");
            self.caller_gave_up(call, invite);
        }
    }

    /// Takes a request that nobody has seen.
    fn take(&mut self, incoming: Incoming) {
        if let Some((reply, count)) = unsupported(&incoming.request, incoming.flow.transport) {
            return self.refuse_forgetfully(&incoming, reply, count);
        }
        if message::tag(&incoming.request.headers, "To").is_some() {
            self.take_within(incoming);
        } else {
            self.take_outside(&incoming);
        }
    }

    fn take_within(&mut self, incoming: Incoming) {
        let dialog = message::dialog_of_request(&incoming.request.headers);
        let Some(call) = dialog.and_then(|dialog| self.dialogs.get(&dialog)).copied() else {
            return self.refuse_forgetfully(&incoming, Reply::new(481), Count::NoDialog);
        };
        if self.is_crowded && !matches!(incoming.request.method, Method::Bye | Method::Prack) {
            return self.refuse_forgetfully(&incoming, busy(RETRY_FULL_S), Count::Full);
        }
        match self.layer.begin(&incoming.request, incoming.back(), incoming.flow.carriage()) {
            Ok(id) => self.receive_within(call, id, incoming.request),
            Err(_) => self.refuse_forgetfully(&incoming, busy(RETRY_FULL_S), Count::Full),
        }
    }

    fn take_outside(&mut self, incoming: &Incoming) {
        match incoming.request.method {
            Method::Invite => self.take_invite(incoming),
            Method::Options => {
                let reply = match self.shared.closed_for_s() {
                    Some(seconds) => busy(&seconds.to_string()),
                    None => Reply::capabilities(),
                };
                self.refuse_forgetfully(incoming, reply, Count::Options);
            }
            Method::Refer | Method::Register => {
                self.refuse_forgetfully(incoming, Reply::not_allowed(), Count::NotServed);
            }
            _ => self.refuse_forgetfully(incoming, Reply::new(481), Count::NoDialog),
        }
    }

    fn take_invite(&mut self, incoming: &Incoming) {
        let headers = &incoming.request.headers;
        let approach = Approach {
            ip: incoming.flow.remote.ip(),
            user_agent: headers.get("User-Agent"),
            authorization: headers.all("Authorization").collect(),
        };
        let standing = match self.gate.admit(&approach, self.now, &message::random(16)) {
            Admission::Take(standing) => standing,
            Admission::Ignore => return self.count(Count::Ignored),
            Admission::Forbid => {
                return self.refuse_forgetfully(incoming, Reply::new(403), Count::Forbidden);
            }
            Admission::TooFast => {
                return self.refuse_forgetfully(incoming, busy(RETRY_TOO_FAST_S), Count::RateLimited);
            }
            Admission::Challenge(challenges) => {
                let reply = challenges.iter().fold(Reply::new(401), |r, c| r.with("WWW-Authenticate", c));
                return self.refuse_forgetfully(incoming, reply, Count::Challenged);
            }
        };
        if let Some(seconds) = self.shared.closed_for_s() {
            return self.refuse_forgetfully(incoming, busy(&seconds.to_string()), Count::Full);
        }
        let invite = invite_id(&incoming.request);
        if self.invites.contains(&invite) {
            return self.refuse_forgetfully(incoming, Reply::new(482), Count::Merged);
        }
        if session_timer::asked(headers).is_err() {
            return self.refuse_forgetfully(incoming, Reply::too_short(), Count::NotSupported);
        }
        let replaces = match self.replaced(&incoming.request) {
            Ok(replaces) => replaces,
            Err(status) => return self.refuse_forgetfully(incoming, Reply::new(status), Count::NoDialog),
        };
        if !self.make_room() {
            return self.refuse_forgetfully(incoming, busy(RETRY_FULL_S), Count::Full);
        }
        match self.layer.begin(&incoming.request, incoming.back(), incoming.flow.carriage()) {
            Ok(id) => self.begin_call(id, incoming, invite, standing, replaces),
            Err(_) => self.refuse_forgetfully(incoming, busy(RETRY_FULL_S), Count::Full),
        }
    }

    /// The call that an INVITE wants to take the place of, or the status that refuses it (RFC 3891, section 3).
    fn replaced(&self, invite: &Request) -> Result<Option<CallKey>, u16> {
        let Some(Replaces { dialog, early_only }) = replaces::read(&invite.headers)? else { return Ok(None) };
        let (call_id, local_tag, remote_tag) = dialog;
        let dialog = DialogKey { call_id, local_tag, remote_tag };
        let call = self.dialogs.get(&dialog).copied().ok_or(481_u16)?;
        match self.calls.get(&call).map(|call| &call.stage) {
            Some(Stage::Up { .. } | Stage::Accepted { .. }) if early_only => Err(486),
            Some(Stage::Up { .. } | Stage::Accepted { .. }) => Ok(Some(call)),
            Some(Stage::Leaving { .. }) => Err(603),
            // An early dialog that we did not begin.
            Some(Stage::Offered { .. } | Stage::Dialling(_)) | None => Err(481),
        }
    }

    fn refuse_forgetfully(&mut self, incoming: &Incoming, reply: Reply<'_>, count: Count) {
        self.count(count);
        if incoming.request.method != Method::Ack {
            self.answer_forgetfully(incoming, reply, None);
        }
    }

    /// Answers without remembering. The tag is the same when the request comes again.
    fn answer_forgetfully(&mut self, incoming: &Incoming, reply: Reply<'_>, tag: Option<&str>) {
        let via = incoming.request.headers.get("Via").unwrap_or_default();
        let tag = tag.map_or_else(|| self.shared.forgetful_tag(via), str::to_owned);
        let response = reply.tag(&tag).to(&incoming.request, &self.shared.user_agent);
        self.layer.send(incoming.back(), response.to_bytes().into());
    }
}

/// Why a request cannot be served whatever it asks (RFC 3261, sections 8.2.2.3 and 8.2.3).
fn unsupported(request: &Request, over: Transport) -> Option<(Reply<'static>, Count)> {
    let headers = &request.headers;
    let unknown = |extension: &&str| !SUPPORTED.iter().any(|known| known.eq_ignore_ascii_case(extension));
    let required: Vec<_> = values(headers, "Require").filter(unknown).collect();
    if !required.is_empty() {
        return Some((Reply::new(420).with("Unsupported", &required.join(", ")), Count::NotSupported));
    }
    if !is_spoken(&request.uri, over) {
        return Some((Reply::new(416), Count::NotSupported));
    }
    if request.method != Method::Invite {
        return None;
    }
    if !takes_sdp(headers) {
        return Some((Reply::new(406), Count::NotSupported));
    }
    let encoded = values(headers, "Content-Encoding").any(|e| !e.eq_ignore_ascii_case("identity"));
    if encoded || body::read(headers.get("Content-Type"), &request.body) == Body::Other {
        let reply = Reply::new(415).with("Accept", ACCEPT).with("Accept-Encoding", "identity");
        return Some((reply, Count::NotSupported));
    }
    None
}

/// Whether a Request-URI is of a scheme that is called here; one that promises TLS on every hop must come over TLS
/// (RFC 3261, section 26.2.2).
fn is_spoken(uri: &str, over: Transport) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("sip") || is_sips(uri) && over == Transport::Tls
}

/// Whether a caller takes the answer that we have to give: no Accept means that it does (RFC 3261, section 20.1).
fn takes_sdp(headers: &Headers) -> bool {
    let mut accepted =
        values(headers, "Accept").map(|range| range.split(';').next().unwrap_or_default().trim());
    let sdp = |range: &str| {
        ["application/sdp", "application/*", "*/*"].iter().any(|s| s.eq_ignore_ascii_case(range))
    };
    let first = accepted.next();
    first.is_none_or(sdp) || accepted.any(sdp)
}

fn busy(retry_after_s: &str) -> Reply<'static> {
    Reply::new(503).with("Retry-After", retry_after_s)
}

fn invite_id(request: &Request) -> InviteId {
    let headers = &request.headers;
    (
        headers.get("Call-ID").unwrap_or_default().to_owned(),
        message::tag(headers, "From").unwrap_or_default().to_owned(),
        message::cseq(headers).unwrap_or_default(),
    )
}
