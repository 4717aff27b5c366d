//! Calls that come in, and requests of the peer within any call (RFC 3261, sections 12.2.2, 13.3, 14.2, 15.1.2).

use rsipstack::sip::{Method, Request};
use rsipstack::transaction::transaction::Transaction;
use tracing::debug;

use super::body;
use super::calls::{Call, Calls, Leave, ServerInvite, Stage};
use super::dialog::Dialog;
use super::drive;
use super::flow::Flow;
use super::intake::capabilities;
use super::message::{self, header};
use super::reply::{ALLOW, Reply};
use super::stack::InviteId;
use super::{CallKey, Count, Ending, Event, InviteRequest, Refusal, Standing, Transport};

/// Seconds after which a request that crossed another may be tried again (RFC 3261, section 14.2: at most 10).
const RETRY_CROSSED_S: &str = "2";

impl Calls {
    /// Begins a call: 100, and the event.
    pub(super) fn begin(
        &mut self,
        transaction: Transaction,
        flow: Flow,
        id: InviteId,
        request_uri: String,
        standing: Standing,
    ) {
        let stack = self.intake.stack.clone();
        let (call, tag) = (stack.new_call(), message::random(12));
        let (local, local_ip) = flow.local_and_media(stack.external_ip);
        let request = transaction.original.clone();
        let dialog = Dialog::of_caller(&request, &tag, contact(None, local, flow.transport), flow.clone());
        let Some(dialog) = dialog else {
            // The intake has seen all it needs; without it there is no call.
            stack.end_call(Some(&id), None);
            return self.answer_once(transaction, Reply::new(400).tag(&tag));
        };
        let invite = self.drive(call, transaction, id.2, flow.clone());
        invite.reply(trying(&request), &self.intake);
        stack.begin_dialog(dialog.key.clone(), call);
        stack.count(Count::CallsIn);
        debug!(%call, transport = %flow.transport, "a call comes in");
        let event = Event::Invite {
            call,
            request: Box::new(InviteRequest {
                request_uri,
                from: header(&request.headers, "From").unwrap_or_default().to_owned(),
                to: header(&request.headers, "To").unwrap_or_default().to_owned(),
                sip_call_id: id.0.clone(),
                headers: request
                    .headers
                    .iter()
                    .map(|h| (h.name().to_owned(), h.value().to_owned()))
                    .collect(),
                sdp: sdp_of(&request),
                source: flow.remote,
                transport: flow.transport,
                local_ip,
                standing,
            }),
        };
        let stage = Stage::Offered { dialog: Box::new(dialog), invite };
        self.calls.insert(call, Call { stage, invite: Some(id), credentials: None });
        self.tell(event);
    }

    pub(super) fn ring(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Offered { dialog, invite }, .. }) = self.calls.get(&call) else {
            return;
        };
        let reply =
            Reply::new(180).tag(&dialog.key.local_tag).with("Contact", &dialog.contact).with("Allow", ALLOW);
        invite.reply(reply, &self.intake);
    }

    pub(super) fn accept(&mut self, call: CallKey, sdp: Vec<u8>) {
        let Some(entry) = self.calls.remove(&call) else { return };
        let stage = match entry.stage {
            Stage::Offered { dialog, invite } => {
                invite.reply(accepting(&dialog, sdp), &self.intake);
                Stage::Accepted { dialog, invite, leave: None }
            }
            other => other,
        };
        self.calls.insert(call, Call { stage, ..entry });
    }

    pub(super) fn reject(&mut self, call: CallKey, refusal: &Refusal) {
        if !(300..700).contains(&refusal.status) {
            return;
        }
        let reply = Reply::new(refusal.status).phrase(refusal.phrase.as_deref()).with_all(&refusal.headers);
        self.refuse(call, reply, Ending::Rejected(refusal.status));
    }

    /// Ends a call that is not answered yet, with this answer.
    fn refuse(&mut self, call: CallKey, reply: Reply<'_>, ending: Ending) {
        let Some(Call { stage: Stage::Offered { dialog, invite }, .. }) = self.calls.get(&call) else {
            return;
        };
        invite.reply(reply.tag(&dialog.key.local_tag), &self.intake);
        self.finish(call, ending);
    }

    pub(super) fn answer_reinvite(&mut self, call: CallKey, answer: Result<Vec<u8>, u16>) {
        let Some(Call { stage: Stage::Up { dialog, reinvite, .. }, .. }) = self.calls.get_mut(&call) else {
            return;
        };
        let Some(pending) = reinvite.as_mut().filter(|r| !r.answered) else { return };
        match answer {
            Ok(sdp) => {
                dialog.retarget(&pending.request.headers);
                pending.reply(accepting(dialog, sdp), &self.intake);
                pending.answered = true;
            }
            Err(status) => {
                let status = if (300..700).contains(&status) { status } else { 488 };
                pending.reply(Reply::new(status), &self.intake);
                *reinvite = None;
            }
        }
    }

    /// Heard twice, from the intake in its order and from the transaction: the second time changes nothing.
    pub(super) fn acked(&mut self, call: CallKey, ack: &Request) {
        let Some(seq) = message::cseq(&ack.headers) else { return };
        let Some(entry) = self.calls.remove(&call) else { return };
        let (mut heard, mut leaving) = (false, None);
        let stage = match entry.stage {
            Stage::Accepted { dialog, invite, leave } if invite.seq == seq => {
                (heard, leaving) = (true, leave);
                Stage::Up { dialog, reinvite: None, referred: false }
            }
            Stage::Up { dialog, reinvite: Some(r), referred } if r.seq == seq && r.answered => {
                heard = true;
                Stage::Up { dialog, reinvite: None, referred }
            }
            other => other,
        };
        self.calls.insert(call, Call { stage, ..entry });
        if heard {
            self.tell(Event::Ack { call, sdp: sdp_of(ack) });
        }
        if let Some(leave) = leaving {
            self.leave(call, leave);
        }
    }

    /// Our 2xx stayed unacknowledged for 64*T1: the dialog is confirmed all the same, and must be ended by BYE
    /// (RFC 3261, section 13.3.1.4).
    pub(super) fn never_acked(&mut self, call: CallKey, seq: u32) {
        let unacked = match self.calls.get_mut(&call).map(|c| &mut c.stage) {
            Some(Stage::Accepted { invite, .. }) => invite.seq == seq,
            Some(Stage::Up { reinvite, .. }) if reinvite.as_ref().is_some_and(|r| r.seq == seq) => {
                // One that was not even answered lost its connection: the peer will ask again.
                reinvite.take().is_some_and(|r| r.answered)
            }
            _ => false,
        };
        if unacked {
            self.send_bye(call, None, |_| {});
            self.finish(call, Ending::NoAck);
        }
    }

    /// CANCEL is answered by the transaction already; this ends what it cancels.
    pub(super) fn caller_gave_up(&mut self, call: CallKey, seq: u32) {
        match self.calls.get_mut(&call).map(|c| &mut c.stage) {
            Some(Stage::Up { reinvite, .. })
                if reinvite.as_ref().is_some_and(|r| r.seq == seq && !r.answered) =>
            {
                if let Some(cancelled) = reinvite.take() {
                    cancelled.reply(Reply::new(487), &self.intake);
                }
            }
            _ => self.refuse(call, Reply::new(487), Ending::Cancelled),
        }
    }

    pub(super) fn unanswered(&mut self, call: CallKey, seq: u32) {
        match self.calls.get(&call).map(|c| &c.stage) {
            Some(Stage::Offered { .. }) => self.refuse(call, Reply::new(480), Ending::Unanswered),
            Some(Stage::Up { reinvite: Some(r), .. }) if r.seq == seq => self.answer_reinvite(call, Err(500)),
            _ => {}
        }
    }

    /// A request of the peer within a call.
    pub(super) fn receive_within(&mut self, call: CallKey, transaction: Transaction, flow: Flow) {
        let request = transaction.original.clone();
        let Some(entry) = self.calls.get_mut(&call) else {
            return self.answer_once(transaction, Reply::new(481));
        };
        let dialog = match &mut entry.stage {
            Stage::Offered { dialog, .. }
            | Stage::Accepted { dialog, .. }
            | Stage::Up { dialog, .. }
            | Stage::Leaving { dialog } => dialog,
            Stage::Dialling(_) => return self.answer_once(transaction, Reply::new(481)),
        };
        if !dialog.follows(&request) {
            // It was overtaken by a later one (RFC 3261, section 12.2.2).
            return self.answer_once(transaction, Reply::new(500));
        }
        match request.method {
            Method::Bye => {
                self.answer_once(transaction, Reply::new(200));
                self.peer_left(call);
            }
            Method::Info => {
                self.answer_once(transaction, Reply::new(200));
                let content_type = header(&request.headers, "Content-Type").map(str::to_owned);
                self.tell(Event::Info { call, content_type, body: request.body });
            }
            Method::Options => {
                self.intake.stack.count(Count::Options);
                self.answer_once(transaction, capabilities());
            }
            Method::Invite => self.receive_reinvite(call, transaction, flow, &request),
            Method::Notify => self.receive_notify(call, transaction, &request),
            _ => {
                self.intake.stack.count(Count::NotServed);
                self.answer_once(transaction, Reply::not_allowed());
            }
        }
    }

    fn receive_reinvite(&mut self, call: CallKey, transaction: Transaction, flow: Flow, request: &Request) {
        let free = match self.calls.get(&call).map(|c| &c.stage) {
            Some(Stage::Up { reinvite, .. }) => reinvite.as_ref().map_or(Ok(()), |r| Err(r.answered)),
            Some(Stage::Accepted { .. }) => Err(true),
            // Not answered yet: the first INVITE is still in the way.
            Some(Stage::Offered { .. }) => Err(false),
            _ => return self.answer_once(transaction, Reply::new(481)),
        };
        match free {
            Err(true) => return self.answer_once(transaction, Reply::new(491)),
            Err(false) => {
                return self.answer_once(transaction, Reply::new(500).with("Retry-After", RETRY_CROSSED_S));
            }
            Ok(()) => {}
        }
        let seq = message::cseq(&request.headers).unwrap_or_default();
        let invite = self.drive(call, transaction, seq, flow);
        invite.reply(trying(request), &self.intake);
        if let Some(Call { stage: Stage::Up { reinvite, .. }, .. }) = self.calls.get_mut(&call) {
            *reinvite = Some(invite);
        }
        self.tell(Event::ReInvite { call, sdp: sdp_of(request) });
    }

    /// The peer's BYE: whatever INVITE is pending is over too (RFC 3261, section 15.1.2).
    fn peer_left(&mut self, call: CallKey) {
        match self.calls.get(&call).map(|c| &c.stage) {
            Some(Stage::Offered { .. }) => self.refuse(call, Reply::new(487), Ending::Cancelled),
            Some(Stage::Accepted { invite, .. }) => {
                invite.abandon();
                self.finish(call, Ending::PeerHungUp);
            }
            Some(Stage::Up { reinvite, .. }) => {
                match reinvite {
                    Some(r) if r.answered => r.abandon(),
                    Some(r) => r.reply(Reply::new(487), &self.intake),
                    None => {}
                }
                self.finish(call, Ending::PeerHungUp);
            }
            // The two BYEs crossed; ours will be answered, one way or another.
            Some(Stage::Leaving { .. } | Stage::Dialling(_)) | None => {}
        }
    }

    /// Hangs up, whatever that means at this moment.
    pub(super) fn leave(&mut self, call: CallKey, leave: Leave) {
        let Some(entry) = self.calls.remove(&call) else { return };
        match entry.stage {
            Stage::Offered { dialog, invite } => {
                self.calls.insert(call, Call { stage: Stage::Offered { dialog, invite }, ..entry });
                self.refuse(call, Reply::new(480), Ending::Rejected(480));
            }
            Stage::Accepted { dialog, invite, .. } => {
                let stage = Stage::Accepted { dialog, invite, leave: Some(leave) };
                self.calls.insert(call, Call { stage, ..entry });
            }
            Stage::Up { dialog, reinvite, .. } => {
                if let Some(r) = reinvite {
                    r.reply(Reply::new(487), &self.intake);
                }
                self.calls.insert(call, Call { stage: Stage::Leaving { dialog }, ..entry });
                let reports = self.reporter();
                self.send_bye(call, leave.reason.as_deref(), move |_| {
                    tokio::spawn(async move {
                        reports.send(super::calls::Report::ByeDone { call }).await.unwrap_or_default();
                    });
                });
            }
            stage @ Stage::Dialling(_) => {
                self.calls.insert(call, Call { stage, ..entry });
                self.cancel(call);
            }
            stage @ Stage::Leaving { .. } => {
                self.calls.insert(call, Call { stage, ..entry });
            }
        }
    }

    pub(super) fn bye_done(&mut self, call: CallKey) {
        if let Some(Call { stage: Stage::Leaving { .. }, .. }) = self.calls.get(&call) {
            self.finish(call, Ending::WeHungUp);
        }
    }

    /// Gives the transaction a task of its own.
    fn drive(&self, call: CallKey, transaction: Transaction, seq: u32, flow: Flow) -> ServerInvite {
        let (request, respond) = (transaction.original.clone(), transaction.tu_sender.clone());
        let driver = tokio::spawn(drive::server_invite(transaction, call, seq, flow, self.intake.clone()));
        let reminder = tokio::spawn(drive::remind(call, seq, self.intake.clone()));
        let (driver, reminder) = (driver.abort_handle(), reminder.abort_handle());
        ServerInvite { request, seq, answered: false, respond, driver, reminder }
    }

    /// Answers a request whose transaction has nothing more to say.
    pub(super) fn answer_once(&self, mut transaction: Transaction, reply: Reply<'_>) {
        let response = reply.to(&transaction.original, &self.intake.stack);
        tokio::spawn(async move {
            if transaction.respond(response).await.is_err() {
                debug!("a response could not be sent");
            }
        });
    }
}

/// A 2xx.
fn accepting(dialog: &Dialog, sdp: Vec<u8>) -> Reply<'_> {
    Reply::new(200)
        .tag(&dialog.key.local_tag)
        .with("Contact", &dialog.contact)
        .with("Allow", ALLOW)
        .with("Supported", "")
        .sdp(sdp)
}

/// 100, with the Timestamp it must carry back (RFC 3261, section 8.2.6.1).
fn trying(request: &Request) -> Reply<'static> {
    match header(&request.headers, "Timestamp") {
        Some(timestamp) => Reply::new(100).with("Timestamp", timestamp),
        None => Reply::new(100),
    }
}

fn sdp_of(request: &Request) -> Option<Vec<u8>> {
    body::read(header(&request.headers, "Content-Type"), &request.body).sdp()
}

/// Our Contact.
pub(super) fn contact(user: Option<&str>, local: std::net::SocketAddr, transport: Transport) -> String {
    let user = user.map_or(String::new(), |u| format!("{u}@"));
    match transport {
        Transport::Udp => format!("<sip:{user}{local}>"),
        Transport::Tcp => format!("<sip:{user}{local};transport=tcp>"),
    }
}
