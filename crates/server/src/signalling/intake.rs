//! Judges every message that comes in, before anything is remembered about it.
//!
//! Only two kinds of request are worth memory: an INVITE that the gate lets in, and a request within a dialog that
//! lives. Everything else is answered forgetfully or not at all, so nobody can fill us up by asking.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::sip::{Request, Response, SipMessage};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use tokio::sync::mpsc;

use super::body::{self, Body};
use super::calls::Report;
use super::flow::{Flow, stack_address};
use super::framing::{Frame, Start};
use super::gate::{Admission, Approach};
use super::message::{self, header, values};
use super::reply::{ACCEPT, ALLOW, Reply};
use super::stack::{InviteId, NoCall, Stack};
use super::{CallKey, Count, Standing};

/// Seconds after which a source that was too fast may try again: its allowance is a second's worth.
const RETRY_TOO_FAST_S: &str = "1";

/// Seconds after which it is worth trying again when everything is full: calls end all the time.
const RETRY_FULL_S: &str = "10";

/// A request that the calls must deal with, in the order in which requests came.
pub(super) enum Arrival {
    /// A new call; room for it is made.
    Call { transaction: Transaction, flow: Flow, invite: InviteId, request_uri: String, standing: Standing },
    /// Something within a call.
    Within { call: CallKey, transaction: Transaction, flow: Flow },
    /// An ACK within a call. Its transaction hears it too, but later than we hear what follows it.
    Ack { call: CallKey, ack: Box<Request> },
}

/// Where every message comes through.
pub(super) struct Intake {
    pub(super) stack: Arc<Stack>,
    pub(super) arrivals: mpsc::Sender<Arrival>,
}

/// A request on its way through the intake.
struct Asked<'a> {
    request: Request,
    method: &'a str,
    uri: &'a str,
    flow: &'a Flow,
    /// Where an answer goes.
    answer_to: SocketAddr,
}

impl Intake {
    /// Takes a message that came on this flow.
    pub(super) async fn take(&self, frame: &Frame, flow: &Flow) {
        self.stack.count(Count::Messages);
        match (&frame.start, message::parse(frame)) {
            (Start::Response(_), Some(SipMessage::Response(response))) => {
                self.take_response(response, flow).await
            }
            (Start::Request { method, uri, version_known }, Some(SipMessage::Request(mut request))) => {
                let Some(answer_to) = message::note_source(&mut request.headers, flow.remote) else {
                    return self.stack.count(Count::Malformed);
                };
                let asked = Asked { request, method, uri, flow, answer_to };
                if *version_known && !frame.truncated {
                    self.take_request(asked, frame.method_unknown()).await;
                } else if self.may_ask(&asked) {
                    let (status, count) =
                        if frame.truncated { (400, Count::Malformed) } else { (505, Count::NotSupported) };
                    self.refuse(&asked, Reply::new(status), count).await;
                }
            }
            _ => self.stack.count(Count::Malformed),
        }
    }

    async fn take_response(&self, response: Response, flow: &Flow) {
        let accepted_invite = (200..300).contains(&response.status_code.code())
            && message::cseq_method(&response.headers) == Some("INVITE");
        if accepted_invite
            && let Some(dialog) = message::dialog_of_response(&response.headers)
            && let Some(call) = self.stack.call_of(&dialog)
            && let Some(cseq) = message::cseq(&response.headers)
        {
            // Its transaction ended with the first 2xx; every further one is acknowledged by the call again. One that
            // finds no room comes once more.
            return self.stack.reports.try_send(Report::AnsweredAgain { call, cseq }).unwrap_or_default();
        }
        self.pass_down(response.into(), flow).await;
    }

    async fn take_request(&self, asked: Asked<'_>, method_unknown: bool) {
        if !self.may_ask(&asked) {
            let user_agent = header(&asked.request.headers, "User-Agent");
            if asked.method == "ACK" || !self.stack.gate.dismisses(user_agent, self.stack.now()) {
                return self.stack.count(Count::Ignored);
            }
            return self.refuse(&asked, Reply::new(403), Count::Forbidden).await;
        }
        if method_unknown {
            return self.refuse(&asked, Reply::new(501).with("Allow", ALLOW), Count::NotServed).await;
        }
        let Some(key) = self.key_of(&asked) else {
            if asked.method != "ACK" {
                self.refuse(&asked, Reply::new(400), Count::Malformed).await;
            }
            return;
        };
        let endpoint = &self.stack.endpoint;
        let known =
            endpoint.transactions.contains_key(&key) || endpoint.finished_transactions.contains_key(&key);
        if known || asked.method == "ACK" || asked.method == "CANCEL" {
            if asked.method == "ACK" {
                self.announce_ack(&asked.request);
            }
            return self.pass_down(asked.request.into(), asked.flow).await;
        }
        if let Some((reply, count)) = unsupported(&asked) {
            return self.refuse(&asked, reply, count).await;
        }
        if message::tag(&asked.request.headers, "To").is_some() {
            self.take_within(asked, key).await;
        } else {
            self.take_outside(asked, key).await;
        }
    }

    /// Whether this sender is heard: one we know, or one who speaks within a call of ours.
    fn may_ask(&self, asked: &Asked<'_>) -> bool {
        self.stack.gate.knows(asked.flow.remote.ip())
            || message::dialog_of_request(&asked.request.headers)
                .is_some_and(|d| self.stack.call_of(&d).is_some())
    }

    /// The transaction a request belongs to; `None` if it lacks what every request must have (RFC 3261, section 8.1.1).
    fn key_of(&self, asked: &Asked<'_>) -> Option<TransactionKey> {
        let headers = &asked.request.headers;
        let whole = message::tag(headers, "From").is_some()
            && header(headers, "To").is_some()
            && message::cseq(headers).is_some()
            && message::cseq_method(headers) == Some(asked.method);
        whole.then(|| TransactionKey::from_request(&asked.request, TransactionRole::Server).ok()).flatten()
    }

    async fn take_within(&self, asked: Asked<'_>, key: TransactionKey) {
        let call = message::dialog_of_request(&asked.request.headers).and_then(|d| self.stack.call_of(&d));
        let Some(call) = call else {
            return self.refuse(&asked, Reply::new(481), Count::NoDialog).await;
        };
        if !self.stack.has_room_for_transactions() {
            return self.refuse(&asked, Reply::new(503).with("Retry-After", RETRY_FULL_S), Count::Full).await;
        }
        let Ok(permit) = self.arrivals.try_reserve() else {
            return self.refuse(&asked, busy(RETRY_FULL_S), Count::Full).await;
        };
        let flow = asked.flow.clone();
        permit.send(Arrival::Within { call, transaction: self.transaction(asked, key), flow });
    }

    fn announce_ack(&self, ack: &Request) {
        if let Some(call) = message::dialog_of_request(&ack.headers).and_then(|d| self.stack.call_of(&d)) {
            // Without room it is heard from its transaction, if late.
            self.arrivals.try_send(Arrival::Ack { call, ack: Box::new(ack.clone()) }).unwrap_or_default();
        }
    }

    async fn take_outside(&self, asked: Asked<'_>, key: TransactionKey) {
        match asked.method {
            "INVITE" => self.take_invite(asked, key).await,
            "OPTIONS" => {
                let reply = match self.stack.closed_for_s() {
                    Some(seconds) => Reply::new(503).with("Retry-After", &seconds.to_string()),
                    None => capabilities(),
                };
                self.refuse(&asked, reply, Count::Options).await;
            }
            "BYE" | "INFO" | "NOTIFY" | "PRACK" | "UPDATE" => {
                self.refuse(&asked, Reply::new(481), Count::NoDialog).await;
            }
            _ => self.refuse(&asked, Reply::not_allowed(), Count::NotServed).await,
        }
    }

    async fn take_invite(&self, asked: Asked<'_>, key: TransactionKey) {
        let headers = &asked.request.headers;
        let approach = Approach {
            ip: asked.flow.remote.ip(),
            user_agent: header(headers, "User-Agent"),
            authorization: message::whole_values(headers, "Authorization").collect(),
        };
        let standing = match self.stack.gate.admit(&approach, self.stack.now(), &message::random(16)) {
            Admission::Take(standing) => standing,
            Admission::Ignore => return self.stack.count(Count::Ignored),
            Admission::Forbid => return self.refuse(&asked, Reply::new(403), Count::Forbidden).await,
            Admission::TooFast => {
                return self.refuse(&asked, busy(RETRY_TOO_FAST_S), Count::RateLimited).await;
            }
            Admission::Challenge(challenges) => {
                let reply = challenges.iter().fold(Reply::new(401), |r, c| r.with("WWW-Authenticate", c));
                return self.refuse(&asked, reply, Count::Challenged).await;
            }
        };
        if let Some(seconds) = self.stack.closed_for_s() {
            return self.refuse(&asked, busy(&seconds.to_string()), Count::Full).await;
        }
        if !self.stack.has_room_for_transactions() {
            return self.refuse(&asked, busy(RETRY_FULL_S), Count::Full).await;
        }
        let invite = invite_id(&asked.request);
        match self.stack.begin_incoming(&invite) {
            Ok(()) => {}
            Err(NoCall::Merged) => return self.refuse(&asked, Reply::new(482), Count::Merged).await,
            Err(NoCall::Full) => return self.refuse(&asked, busy(RETRY_FULL_S), Count::Full).await,
        }
        // From here on nothing may be awaited: who is dropped on the way would keep the room that was made.
        let Ok(permit) = self.arrivals.try_reserve() else {
            self.stack.end_call(Some(&invite), None);
            return self.refuse(&asked, busy(RETRY_FULL_S), Count::Full).await;
        };
        let (request_uri, flow) = (asked.uri.to_owned(), asked.flow.clone());
        let transaction = self.transaction(asked, key);
        permit.send(Arrival::Call { transaction, flow, invite, request_uri, standing });
    }

    fn transaction(&self, asked: Asked<'_>, key: TransactionKey) -> Transaction {
        let connection = Some(asked.flow.connection.clone());
        let mut transaction =
            Transaction::new_server(key, asked.request, self.stack.endpoint.clone(), connection);
        transaction.destination = Some(stack_address(asked.flow.transport, asked.answer_to));
        transaction
    }

    async fn refuse(&self, asked: &Asked<'_>, reply: Reply<'_>, count: Count) {
        self.stack.count(count);
        reply.forgetful(&asked.request, asked.answer_to, asked.flow, &self.stack).await;
    }

    async fn pass_down(&self, message: SipMessage, flow: &Flow) {
        let from = stack_address(flow.transport, flow.remote);
        if self.stack.endpoint.on_received_message(message, flow.connection.clone(), &from).await.is_err() {
            self.stack.count(Count::Malformed);
        }
    }
}

/// Why a request cannot be served whatever it asks (RFC 3261, sections 8.2.2.3 and 8.2.3).
fn unsupported(asked: &Asked<'_>) -> Option<(Reply<'static>, Count)> {
    let headers = &asked.request.headers;
    let required: Vec<_> = values(headers, "Require").collect();
    if !required.is_empty() {
        return Some((Reply::new(420).with("Unsupported", &required.join(", ")), Count::NotSupported));
    }
    if asked.method != "INVITE" {
        return None;
    }
    if !asked.uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip:")) {
        return Some((Reply::new(416), Count::NotSupported));
    }
    let encoded = values(headers, "Content-Encoding").any(|e| !e.eq_ignore_ascii_case("identity"));
    let content_type = header(headers, "Content-Type");
    if encoded || body::read(content_type, &asked.request.body) == Body::Other {
        let reply = Reply::new(415).with("Accept", ACCEPT).with("Accept-Encoding", "identity");
        return Some((reply, Count::NotSupported));
    }
    None
}

/// What OPTIONS is told (RFC 3261, section 11.2).
pub(super) fn capabilities() -> Reply<'static> {
    Reply::new(200)
        .with("Allow", ALLOW)
        .with("Accept", ACCEPT)
        .with("Accept-Encoding", "identity")
        .with("Accept-Language", "*")
        .with("Supported", "")
}

fn busy(retry_after_s: &str) -> Reply<'static> {
    Reply::new(503).with("Retry-After", retry_after_s)
}

fn invite_id(request: &Request) -> InviteId {
    let headers = &request.headers;
    (
        header(headers, "Call-ID").unwrap_or_default().to_owned(),
        message::tag(headers, "From").unwrap_or_default().to_owned(),
        message::cseq(headers).unwrap_or_default(),
    )
}
