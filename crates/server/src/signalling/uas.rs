//! Calls that come in, until they are up (RFC 3261, sections 13.3 and 15.1; RFC 3262, section 3).

use std::net::SocketAddr;

use aftercall_wire::sip::{Headers, Method, Request, TransactionId};
use tracing::debug;

use super::alarms::Alarm;
use super::body::sdp_in;
use super::calls::{Call, Calls, Change, InviteId, Leave, Pending, Stage, Unpracked};
use super::dialog::Dialog;
use super::errand::Then;
use super::intake::Incoming;
use super::message::{self, lists};
use super::reply::{ALLOW, Reply, SUPPORTED};
use super::session_timer::{self, SessionTimer};
use super::{CallKey, Count, Ending, Event, InviteRequest, Refusal, Standing, Transport};

/// The number of our first reliable provisional answer. A call sends one.
const FIRST_RSEQ: u32 = 1;

impl Calls {
    /// Begins a call: 100, and the event.
    pub(super) fn begin_call(
        &mut self,
        id: TransactionId,
        incoming: &Incoming,
        invite: InviteId,
        standing: Standing,
        replaces: Option<CallKey>,
    ) {
        let (request, flow) = (&incoming.request, incoming.flow);
        let (call, tag) = (self.shared.new_call(), message::random(12));
        let (local, local_ip) = flow.local_and_media(self.shared.external_ip);
        let Some(dialog) = Dialog::of_caller(
            request,
            &tag,
            contact(None, local, flow.transport, is_sips(&request.uri)),
            flow,
        ) else {
            // Such an INVITE has a flaw, and those are refused before.
            return self.answer(id, request, Reply::new(400).tag(&tag));
        };
        self.answer(id, request, Reply::new(100));
        self.count(Count::CallsIn);
        debug!(%call, transport = %flow.transport, "a call comes in");
        let sdp = sdp_in(&request.headers, &request.body);
        let offers = sdp.is_some();
        let event = Event::Invite {
            call,
            request: Box::new(InviteRequest {
                request_uri: request.uri.to_string(),
                from: request.headers.get("From").unwrap_or_default().to_owned(),
                to: request.headers.get("To").unwrap_or_default().to_owned(),
                sip_call_id: invite.0.clone(),
                headers: request
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                sdp,
                source: flow.remote,
                transport: flow.transport,
                local_ip,
                standing,
            }),
        };
        self.dialogs.insert(dialog.key.clone(), call);
        self.invites.insert(invite.clone());
        self.serving.insert(id, call);
        self.alarms.set(call, Alarm::Unanswered, self.now + self.shared.bounds.answer_within);
        // What its SDP and headers say is the door's from here on; what an answer repeats, and what we agree on, stays.
        let pending = Pending { request: bodiless(request), seq: invite.2, id, offers, answered: false };
        let dialog = Box::new(dialog);
        let stage = Stage::Offered { dialog, invite: pending, unpracked: None, replaces };
        self.calls.insert(call, Call { invite: Some(invite), ..Call::new(stage) });
        self.tell(event);
    }

    pub(super) fn ring(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Offered { dialog, invite, unpracked, .. }, rseq, .. }) =
            self.calls.get_mut(&call)
        else {
            return;
        };
        let mut reply =
            Reply::new(180).tag(&dialog.key.local_tag).with("Contact", &dialog.contact).with("Allow", ALLOW);
        let reliable = lists(&invite.request.headers, "Require", "100rel");
        if reliable {
            if rseq.is_some() {
                // It rings already, and that is being repeated or was heard.
                return;
            }
            *rseq = Some(FIRST_RSEQ);
            reply = reply.with("Require", "100rel").with("RSeq", &FIRST_RSEQ.to_string());
        }
        let response = reply.to(&invite.request, &self.shared.user_agent);
        self.layer.respond(invite.id, &response, self.now);
        if reliable {
            let (pause, until) = (self.shared.timers.t1, self.now + self.shared.timers.patience());
            *unpracked = Some(Unpracked { response, pause, until });
            self.alarms.set(call, Alarm::Unpracked, self.now + pause);
        }
    }

    /// A reliable provisional answer was not acknowledged: it goes out again, after twice as long each time; then the
    /// INVITE is refused (RFC 3262, section 3).
    pub(super) fn repeat_provisional(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Offered { invite, unpracked: Some(waiting), .. }, .. }) =
            self.calls.get_mut(&call)
        else {
            return;
        };
        if self.now >= waiting.until {
            return self.refuse(call, Reply::new(504), Ending::Rejected(504));
        }
        waiting.pause *= 2;
        self.layer.respond(invite.id, &waiting.response, self.now);
        self.alarms.set(call, Alarm::Unpracked, (self.now + waiting.pause).min(waiting.until));
    }

    /// PRACK: whether it names our provisional answer. That need not be heard any more to be right.
    pub(super) fn pracked(&mut self, call: CallKey, request: &Request) -> bool {
        let Some(entry) = self.calls.get_mut(&call) else { return false };
        let (Some(rseq), Some(rack)) = (entry.rseq, request.headers.get("RAck")) else { return false };
        let mut parts = rack.split_ascii_whitespace();
        let named = parts.next().and_then(|n| n.parse().ok()) == Some(rseq);
        let seq = entry.invite.as_ref().map(|(_, _, seq)| *seq);
        let of_invite = parts.next().and_then(|n| n.parse().ok()) == seq && parts.next() == Some("INVITE");
        if !(named && of_invite) {
            return false;
        }
        if let Stage::Offered { unpracked, .. } = &mut entry.stage {
            *unpracked = None;
            self.alarms.clear(call, Alarm::Unpracked);
        }
        true
    }

    pub(super) fn accept(&mut self, call: CallKey, sdp: Vec<u8>) {
        let Some(entry) = self.calls.remove(&call) else { return };
        let Stage::Offered { dialog, mut invite, replaces, .. } = entry.stage else {
            self.calls.insert(call, entry);
            return;
        };
        let timer = session_timer::asked(&invite.request.headers).unwrap_or_default();
        invite.answered = true;
        let local_sdp = timer.map(|_| sdp.clone());
        self.answer(invite.id, &invite.request, accepting(&dialog, &invite.request, timer).sdp(sdp));
        self.alarms.clear(call, Alarm::Unanswered);
        self.alarms.clear(call, Alarm::Unpracked);
        self.forget_acknowledged();
        self.accepted.push_back((self.now, call));
        let stage = Stage::Accepted { dialog, invite, leave: None };
        self.calls.insert(call, Call { stage, timer, local_sdp, ..entry });
        self.watch_session(call);
        if let Some(replaced) = replaces {
            self.leave_for_another(replaced);
        }
    }

    pub(super) fn reject(&mut self, call: CallKey, refusal: &Refusal) {
        if !(300..700).contains(&refusal.status) {
            return;
        }
        let reply = Reply::new(refusal.status).phrase(refusal.phrase.as_deref()).with_all(&refusal.headers);
        self.refuse(call, reply, Ending::Rejected(refusal.status));
    }

    /// Ends a call that is not answered yet, with this answer.
    pub(super) fn refuse(&mut self, call: CallKey, reply: Reply<'_>, ending: Ending) {
        let Some(Call { stage: Stage::Offered { dialog, invite, .. }, .. }) = self.calls.get(&call) else {
            return;
        };
        let response = reply.tag(&dialog.key.local_tag).to(&invite.request, &self.shared.user_agent);
        let id = invite.id;
        self.layer.respond(id, &response, self.now);
        self.serving.remove(&id);
        self.finish(call, ending);
    }

    /// An ACK within a dialog of ours.
    pub(super) fn acked(&mut self, call: CallKey, ack: &Request) {
        if let Some(seq) = message::cseq(&ack.headers) {
            self.confirm(call, seq, sdp_in(&ack.headers, &ack.body));
        }
    }

    /// The peer has our 2xx to its INVITE of this number, and answers our offer with this.
    fn confirm(&mut self, call: CallKey, seq: u32, sdp: Option<Vec<u8>>) {
        let Some(entry) = self.calls.remove(&call) else { return };
        let (mut heard, mut leaving) = (None, None);
        let stage = match entry.stage {
            Stage::Accepted { dialog, invite, leave } if invite.seq == seq => {
                (heard, leaving) = (Some(invite.id), leave);
                Stage::Up { dialog, change: None, referred: false }
            }
            Stage::Up { dialog, change: Some(Change::Theirs(p)), referred } if p.seq == seq && p.answered => {
                heard = Some(p.id);
                Stage::Up { dialog, change: None, referred }
            }
            other => other,
        };
        self.calls.insert(call, Call { stage, ..entry });
        if let Some(id) = heard {
            self.stop_repeating(id);
            self.tell(Event::Ack { call, sdp });
        }
        if let Some(leave) = leaving {
            self.leave(call, leave);
        }
    }

    /// Who sends BYE or INFO within the dialog has our 2xx: the ACK was lost or overtaken, and what the caller said and
    /// pressed meanwhile counts. Where the ACK has to bring the answer to our offer, nothing stands in for it.
    pub(super) fn take_as_ack(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Accepted { invite, leave: None, .. }, .. }) = self.calls.get(&call)
        else {
            return;
        };
        if invite.offers {
            self.confirm(call, invite.seq, None);
        }
    }

    /// Lets go of the call whose ACK has been owed longest, if that is longer than a round trip takes (T1); says whether
    /// there was one. Its caller
    /// gets one BYE and is not waited for: who opens thousands of calls and acknowledges none takes nobody's place.
    pub(super) fn give_up_half_open(&mut self) -> bool {
        self.forget_acknowledged();
        let Some((_, call)) = self.accepted.front().filter(|(at, _)| *at + self.shared.timers.t1 <= self.now)
        else {
            return false;
        };
        let call = *call;
        let Some(Call { stage: Stage::Accepted { dialog, invite, .. }, .. }) = self.calls.get_mut(&call)
        else {
            return false;
        };
        let (bye, _) = dialog.request(Method::Bye, Headers::new(), Vec::new());
        let (id, flow) = (invite.id, dialog.flow);
        self.layer.forget(id);
        self.serving.remove(&id);
        self.send_untracked(bye, flow);
        self.finish(call, Ending::NoAck);
        true
    }

    /// Forgets the oldest of those accepted that owe nothing any more. What is left is at most what comes in 64*T1.
    fn forget_acknowledged(&mut self) {
        while let Some((_, call)) = self.accepted.front()
            && !matches!(self.calls.get(call), Some(Call { stage: Stage::Accepted { .. }, .. }))
        {
            self.accepted.pop_front();
        }
    }

    /// The ACK of a 2xx is in, or is not waited for any more.
    pub(super) fn stop_repeating(&mut self, invite: TransactionId) {
        self.layer.acknowledged(invite, self.now);
        self.serving.remove(&invite);
    }

    /// Our 2xx stayed unacknowledged for 64*T1: the dialog is confirmed all the same, and must be ended by BYE
    /// (RFC 3261, section 13.3.1.4).
    pub(super) fn never_acked(&mut self, id: TransactionId) {
        let Some(call) = self.serving.remove(&id) else { return };
        let unacked = match self.calls.get(&call).map(|c| &c.stage) {
            Some(Stage::Accepted { invite, .. }) => invite.id == id,
            Some(Stage::Up { change: Some(Change::Theirs(pending)), .. }) => pending.id == id,
            _ => false,
        };
        if unacked {
            self.hang_up(call, Ending::NoAck);
        }
    }

    /// CANCEL is answered already; this ends what it cancels.
    pub(super) fn caller_gave_up(&mut self, call: CallKey, invite: TransactionId) {
        match self.calls.get_mut(&call).map(|c| &mut c.stage) {
            Some(Stage::Up { change, .. }) => {
                if let Some(Change::Theirs(cancelled)) =
                    change.take_if(|c| matches!(c, Change::Theirs(p) if p.id == invite))
                {
                    self.drop_change(call, &cancelled, 487);
                }
            }
            _ => self.refuse(call, Reply::new(487), Ending::Cancelled),
        }
    }

    pub(super) fn unanswered(&mut self, call: CallKey) {
        match self.calls.get(&call).map(|c| &c.stage) {
            Some(Stage::Offered { .. }) => self.refuse(call, Reply::new(480), Ending::Unanswered),
            Some(Stage::Up { .. }) => self.answer_change(call, Err(500)),
            _ => {}
        }
    }

    /// Hangs up, whatever that means at this moment.
    pub(super) fn leave(&mut self, call: CallKey, leave: Leave) {
        match self.calls.get_mut(&call).map(|c| &mut c.stage) {
            Some(Stage::Offered { .. }) => self.refuse(call, Reply::new(480), Ending::Rejected(480)),
            Some(Stage::Accepted { leave: wish, .. }) => *wish = Some(leave),
            Some(Stage::Dialling(_)) => self.cancel(call),
            Some(Stage::Up { .. }) => self.leave_up(call, &leave),
            Some(Stage::Leaving { .. }) | None => {}
        }
    }

    fn leave_up(&mut self, call: CallKey, leave: &Leave) {
        let Some(entry) = self.calls.remove(&call) else { return };
        let Stage::Up { dialog, change, .. } = entry.stage else { return };
        self.calls.insert(call, Call { stage: Stage::Leaving { dialog }, ..entry });
        if let Some(Change::Theirs(pending)) = change {
            self.drop_change(call, &pending, 487);
        }
        self.send_bye(call, leave.reason.as_deref(), Then::Bye(call));
    }

    pub(super) fn bye_done(&mut self, call: CallKey) {
        if let Some(Call { stage: Stage::Leaving { .. }, .. }) = self.calls.get(&call) {
            self.finish(call, Ending::WeHungUp);
        }
    }

    /// Another call has taken the place of this one (RFC 3891, section 3).
    fn leave_for_another(&mut self, call: CallKey) {
        match self.calls.get(&call).map(|c| &c.stage) {
            Some(Stage::Accepted { invite, .. }) => {
                // Its peer is there, or no other call could name it: an ACK is not waited for.
                self.stop_repeating(invite.id);
                self.hang_up(call, Ending::Replaced);
            }
            Some(Stage::Up { .. }) => self.hang_up(call, Ending::Replaced),
            _ => {}
        }
    }
}

/// A 2xx to an INVITE or UPDATE, without its SDP.
pub(super) fn accepting<'a>(dialog: &'a Dialog, request: &Request, timer: Option<SessionTimer>) -> Reply<'a> {
    let reply = Reply::new(200)
        .tag(&dialog.key.local_tag)
        .with("Contact", &dialog.contact)
        .with("Allow", ALLOW)
        .with("Supported", &SUPPORTED.join(", "));
    let Some(timer) = timer else { return reply };
    let reply = reply.with("Session-Expires", &timer.as_answer());
    // Only one that speaks of it can be told that it must (RFC 4028, section 9).
    if lists(&request.headers, "Supported", "timer") { reply.with("Require", "timer") } else { reply }
}

/// A request without what it carries.
pub(super) fn bodiless(request: &Request) -> Request {
    Request {
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        body: Vec::new(),
    }
}

/// Whether a URI promises TLS on every hop.
pub(super) fn is_sips(uri: &str) -> bool {
    uri.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

/// Our Contact.
pub(super) fn contact(user: Option<&str>, local: SocketAddr, transport: Transport, sips: bool) -> String {
    let user = user.map_or(String::new(), |u| format!("{u}@"));
    match transport {
        // Who called securely is called back so (RFC 3261, section 12.1.1).
        _ if sips => format!("<sips:{user}{local}>"),
        Transport::Udp => format!("<sip:{user}{local}>"),
        Transport::Tcp => format!("<sip:{user}{local};transport=tcp>"),
        Transport::Tls => format!("<sip:{user}{local};transport=tls>"),
    }
}
