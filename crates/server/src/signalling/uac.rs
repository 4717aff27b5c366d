//! Calls that we place, and what we ask for within any call (RFC 3261, sections 9.1, 12.2.1, 13.2; RFC 3262; RFC 3515).

use aftercall_wire::sip::{Headers, Method, Request, Response, TransactionId, listed};
use tracing::debug;

use super::address::one_line;
use super::alarms::Alarm;
use super::body::sdp_in;
use super::calls::{Call, Calls, Reach, Stage};
use super::dialog::Dialog;
use super::errand::{Errand, Outcome, Outgoing, Then};
use super::flow::Flow;
use super::message::{self, lists};
use super::reply::{ALLOW, SUPPORTED, add_foreign};
use super::session_timer;
use super::uas::{contact, is_sips};
use super::{CallKey, Count, Dial, Ending, Event, Target, Transfer, Transport};

/// Callees that may ring at once for one INVITE of ours, each a branch of a fork: more are not listened to.
const BRANCHES_MAX: usize = 8;

/// A call of ours that is not answered yet.
pub(super) struct Dialling {
    /// What is called, until its INVITE is out.
    dial: Option<Box<Dial>>,
    /// The INVITE that was sent last.
    sent: Option<TransactionId>,
    contact: String,
    /// A provisional answer came: from then on CANCEL may be sent (RFC 3261, section 9.1).
    heard: bool,
    cancel: Cancel,
    /// The dialogs that provisional answers began, and the number of the last reliable one.
    early: Vec<(Dialog, Option<u32>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    Wanted,
    Sent,
}

impl Calls {
    pub(super) fn dial(&mut self, call: CallKey, dial: Dial) {
        if self.shared.closed_for_s().is_some() || !self.make_room() {
            self.count(Count::Full);
            let reason = "No room for another call".to_owned();
            return self.tell(Event::Ended { call, ending: Ending::Refused { status: 503, reason } });
        }
        self.count(Count::CallsOut);
        debug!(%call, "a call goes out");
        let to = Reach {
            target: Some(dial.target.clone()),
            transport: dial.transport.or(dial.target.transport()).unwrap_or(Transport::Udp),
            prefer_ipv4: true,
            source: None,
        };
        let credentials = dial.credentials.clone();
        let dialling = Dialling {
            dial: Some(Box::new(dial)),
            sent: None,
            contact: String::new(),
            heard: false,
            cancel: Cancel::No,
            early: Vec::new(),
        };
        let stage = Stage::Dialling(Box::new(dialling));
        self.calls.insert(call, Call { credentials, ..Call::new(stage) });
        self.send_later(Outgoing::Invite(call), to);
    }

    /// The way to the callee is found.
    pub(super) fn invite(&mut self, call: CallKey, flow: Flow) {
        let local = flow.local(self.shared.external_ip);
        let Some(Call { stage: Stage::Dialling(dialling), credentials, .. }) = self.calls.get_mut(&call)
        else {
            return;
        };
        let Some(dial) = dialling.dial.take() else { return };
        let user = one_line(&dial.from_user).replace(['<', '>', '"', '@', ' '], "");
        dialling.contact = contact(Some(&user), local, flow.transport, is_sips(dial.target.uri()));
        let from = format!("<sip:{user}@{local}>;tag={}", message::random(12));
        let request = invite_of(&dial, &from, &dialling.contact, &self.shared.user_agent);
        let errand = Errand::new(request, Then::Dial(call), credentials.clone());
        self.begin(errand, flow);
    }

    /// The INVITE is out; a second one if the first had to be proven.
    pub(super) fn dial_sent(&mut self, call: CallKey, id: TransactionId) {
        if let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) {
            dialling.sent = Some(id);
            dialling.heard = false;
            dialling.early.clear();
            if dialling.cancel == Cancel::Sent {
                // That one was for the INVITE before, without credentials.
                dialling.cancel = Cancel::Wanted;
            }
        }
    }

    pub(super) fn dial_progress(&mut self, call: CallKey, response: &Response, flow: Flow) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) else { return };
        dialling.heard = true;
        if dialling.cancel == Cancel::Wanted {
            self.send_cancel(call);
        }
        if response.status > 100 && self.is_next(call, response, flow) {
            self.tell(Event::Progress {
                call,
                status: response.status,
                sdp: sdp_in(&response.headers, &response.body),
            });
        }
    }

    /// Whether a provisional answer is to be heard: one that is reliable is acknowledged, and heard in its order and
    /// once (RFC 3262, section 4).
    fn is_next(&mut self, call: CallKey, response: &Response, flow: Flow) -> bool {
        let reliable = lists(&response.headers, "Require", "100rel");
        let rseq: Option<u32> = response.headers.get("RSeq").and_then(|value| value.trim().parse().ok());
        let (true, Some(rseq)) = (reliable, rseq) else { return true };
        let Some(entry) = self.calls.get_mut(&call) else { return false };
        let credentials = entry.credentials.clone();
        let Stage::Dialling(dialling) = &mut entry.stage else { return false };
        let key = message::dialog_of_response(&response.headers);
        let place = dialling.early.iter().position(|(dialog, _)| Some(&dialog.key) == key.as_ref());
        let place = match place {
            Some(place) => place,
            None if dialling.early.len() < BRANCHES_MAX => {
                let Some(dialog) = Dialog::of_callee(response, dialling.contact.clone(), flow) else {
                    return false;
                };
                dialling.early.push((dialog, None));
                dialling.early.len() - 1
            }
            None => return false,
        };
        let (dialog, last) = &mut dialling.early[place];
        if last.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return false;
        }
        *last = Some(rseq);
        let mut rack = Headers::new();
        let cseq = message::cseq(&response.headers).unwrap_or_default();
        rack.push("RAck", &format!("{rseq} {cseq} INVITE"));
        let (prack, hop) = dialog.request(Method::Prack, rack, Vec::new());
        self.send_by(call, &hop, Outgoing::Errand(Errand::new(prack, Then::Nothing, credentials)));
        true
    }

    pub(super) fn dial_answered(&mut self, call: CallKey, response: &Response, flow: Flow) {
        let Some(entry) = self.calls.remove(&call) else { return self.answered_again(response, Some(flow)) };
        let Stage::Dialling(mut dialling) = entry.stage else {
            self.calls.insert(call, entry);
            return;
        };
        let key = message::dialog_of_response(&response.headers);
        let early = dialling.early.iter().position(|(dialog, _)| Some(&dialog.key) == key.as_ref());
        let dialog = match early {
            Some(place) => {
                let (mut dialog, _) = dialling.early.swap_remove(place);
                dialog.confirmed_by(response);
                Some(dialog)
            }
            None => Dialog::of_callee(response, dialling.contact.clone(), flow),
        };
        let cancelled = dialling.cancel != Cancel::No;
        let Some(dialog) = dialog else {
            // A 2xx without To tag begins nothing that could be ended.
            self.calls.insert(call, Call { stage: Stage::Dialling(dialling), ..entry });
            let reason = "Unreadable answer".to_owned();
            return self.finish(call, Ending::Refused { status: 500, reason });
        };
        self.alarms.clear(call, Alarm::CancelExpired);
        let seq = message::cseq(&response.headers).unwrap_or_default();
        self.dialogs.insert(dialog.key.clone(), call);
        let timer = session_timer::agreed(&response.headers);
        let stage = Stage::Up { dialog: Box::new(dialog), change: None, referred: false };
        self.calls.insert(call, Call { stage, timer, ..entry });
        self.acknowledge(call, seq);
        if cancelled {
            // It crossed our CANCEL.
            self.hang_up(call, Ending::Cancelled);
        } else {
            self.watch_session(call);
            self.tell(Event::Answered { call, sdp: sdp_in(&response.headers, &response.body) });
        }
    }

    /// A 2xx to an INVITE of ours that was answered before: our ACK was lost, or another branch of a fork answered as
    /// well, which must be hung up (RFC 3261, section 13.2.2.4). `flow`: the way it came, if its transaction lives.
    pub(super) fn answered_again(&mut self, response: &Response, flow: Option<Flow>) {
        let Some(key) = message::dialog_of_response(&response.headers) else { return };
        let seq = message::cseq(&response.headers).unwrap_or_default();
        if let Some(call) = self.dialogs.get(&key).copied() {
            return self.acknowledge(call, seq);
        }
        let Some(flow) = flow else { return };
        let contact = contact(None, flow.local(self.shared.external_ip), flow.transport, false);
        let Some(mut other) = Dialog::of_callee(response, contact, flow) else { return };
        // Straight back: there is no call that could wait for a better way.
        let (ack, _) = other.ack(seq);
        let (bye, _) = other.request(Method::Bye, Headers::new(), Vec::new());
        self.send_now(Outgoing::Ack(ack), flow);
        self.send_now(Outgoing::Errand(Errand::new(bye, Then::Nothing, None)), flow);
    }

    pub(super) fn dial_failed(&mut self, call: CallKey, outcome: Outcome<'_>) {
        let ending = match outcome {
            Outcome::Answered(response) => {
                Ending::Refused { status: response.status, reason: response.phrase.to_string() }
            }
            Outcome::TimedOut => Ending::Refused { status: 408, reason: "Nobody Answered".to_owned() },
            Outcome::Lost => Ending::TransportClosed,
        };
        self.dial_over(call, ending);
    }

    /// Nobody knows the way to the callee.
    pub(super) fn dial_unreachable(&mut self, call: CallKey, why: String) {
        self.dial_over(call, Ending::Unreachable(why));
    }

    fn dial_over(&mut self, call: CallKey, ending: Ending) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get(&call) else { return };
        let cancelled = dialling.cancel != Cancel::No;
        self.finish(call, if cancelled { Ending::Cancelled } else { ending });
    }

    pub(super) fn cancel(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) else { return };
        if dialling.cancel != Cancel::No {
            return;
        }
        dialling.cancel = Cancel::Wanted;
        if dialling.sent.is_none() {
            self.finish(call, Ending::Cancelled);
        } else if dialling.heard {
            self.send_cancel(call);
        }
    }

    fn send_cancel(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) else { return };
        let Some((invite, flow)) = dialling.sent.and_then(|id| self.errands.get(&id)) else { return };
        dialling.cancel = Cancel::Sent;
        let (cancel, flow) = (cancel_of(&invite.request), *flow);
        // The INVITE is over when its 487 comes; this is for the peer that never sends it.
        self.alarms.set(call, Alarm::CancelExpired, self.now + self.shared.timers.patience());
        self.begin(Errand::new(cancel, Then::Nothing, None), flow);
    }

    pub(super) fn cancel_expired(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get(&call) else { return };
        if let Some(id) = dialling.sent {
            self.layer.forget(id);
            self.errands.remove(&id);
        }
        self.finish(call, Ending::Cancelled);
    }

    pub(super) fn send_info(&mut self, call: CallKey, content_type: &str, body: Vec<u8>) {
        if let Some(Call { stage: Stage::Up { .. }, .. }) = self.calls.get(&call) {
            let mut more = Headers::new();
            more.push("Content-Type", &one_line(content_type));
            self.send_within(call, Method::Info, more, body, Then::Nothing);
        }
    }

    pub(super) fn send_refer(&mut self, call: CallKey, target: &Target) {
        let Some(Call { stage: Stage::Up { dialog, referred, .. }, .. }) = self.calls.get_mut(&call) else {
            return;
        };
        *referred = true;
        let mut more = Headers::new();
        more.push("Refer-To", &format!("<{}>", target.uri()));
        more.push("Referred-By", &dialog.contact);
        self.send_within(call, Method::Refer, more, Vec::new(), Then::Refer(call));
    }

    pub(super) fn refer_done(&mut self, call: CallKey, status: u16) {
        let Some(Call { stage: Stage::Up { referred, .. }, .. }) = self.calls.get_mut(&call) else { return };
        let progress = match status {
            200..=299 => Transfer::Accepted,
            status => {
                *referred = false;
                Transfer::Refused(status)
            }
        };
        self.tell(Event::Transfer { call, progress });
    }
}

fn invite_of(dial: &Dial, from: &str, contact: &str, user_agent: &str) -> Request {
    let to = dial.target.without_headers();
    let mut headers = Headers::new();
    headers.push("Max-Forwards", "70");
    headers.push("From", from);
    headers.push("To", &format!("<{to}>"));
    headers.push("Call-ID", &message::random(24));
    headers.push("CSeq", "1 INVITE");
    headers.push("Contact", contact);
    headers.push("User-Agent", user_agent);
    headers.push("Allow", ALLOW);
    headers.push("Supported", &SUPPORTED.join(", "));
    add_foreign(&mut headers, &dial.headers);
    let body = dial.sdp.clone().unwrap_or_default();
    if !body.is_empty() {
        headers.push("Content-Type", "application/sdp");
    }
    Request { method: Method::Invite, uri: to.into(), headers, body }
}

/// The CANCEL of an INVITE: the same Via, Request-URI, Call-ID, To, From and CSeq number (RFC 3261, section 9.1).
fn cancel_of(invite: &Request) -> Request {
    let mut headers = Headers::new();
    headers.push("Via", invite.headers.get("Via").and_then(|via| listed(via).next()).unwrap_or_default());
    for name in ["Route", "Max-Forwards", "From", "To", "Call-ID"] {
        for value in invite.headers.all(name) {
            headers.push(name, value);
        }
    }
    headers.push("CSeq", &format!("{} CANCEL", message::cseq(&invite.headers).unwrap_or_default()));
    Request { method: Method::Cancel, uri: invite.uri.clone(), headers, body: Vec::new() }
}
