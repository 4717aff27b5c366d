//! Requests of the peer within a call (RFC 3261, sections 12.2.2 and 14.2; RFC 3311; RFC 4028).

use aftercall_wire::sip::{Method, Request, TransactionId};

use tracing::debug;

use super::alarms::Alarm;
use super::body::sdp_in;
use super::calls::{Call, Calls, Change, Pending, Stage};
use super::message;
use super::reply::Reply;
use super::session_timer;
use super::uas::{accepting, bodiless};
use super::{CallKey, Count, Ending, Event, Transfer};

/// Seconds after which a request that crossed another may be tried again (RFC 3261, section 14.2: at most 10).
const RETRY_CROSSED_S: &str = "2";

/// The status of a transfer that the peer stopped reporting on (RFC 3261, 21.4.9: request time-out).
const NO_NEWS: u16 = 408;

impl Calls {
    /// A request of the peer within a call.
    pub(super) fn receive_within(&mut self, call: CallKey, id: TransactionId, request: Request) {
        let Some(dialog) = self.calls.get_mut(&call).and_then(Call::dialog_mut) else {
            return self.answer(id, &request, Reply::new(481));
        };
        if !dialog.follows(&request) {
            // It was overtaken by a later one (RFC 3261, section 12.2.2).
            return self.answer(id, &request, Reply::new(500));
        }
        if matches!(request.method, Method::Bye | Method::Info) {
            self.take_as_ack(call);
        }
        match request.method {
            Method::Bye => {
                debug!(%call, reason = ?message::reason(&request.headers), "the peer hangs up");
                self.answer(id, &request, Reply::new(200));
                self.peer_left(call);
            }
            Method::Info => {
                self.answer(id, &request, Reply::new(200));
                let content_type = request.headers.get("Content-Type").map(str::to_owned);
                self.tell(Event::Info { call, content_type, body: request.body });
            }
            Method::Options => {
                self.count(Count::Options);
                self.answer(id, &request, Reply::capabilities());
            }
            Method::Invite | Method::Update => self.receive_change(call, id, &request),
            Method::Prack => {
                let status = if self.pracked(call, &request) { 200 } else { 481 };
                self.answer(id, &request, Reply::new(status));
            }
            Method::Notify => self.receive_notify(call, id, &request),
            Method::Refer => {
                // Who is asked how it was is not sent elsewhere (RFC 3515, section 2.4.2).
                self.count(Count::NotServed);
                self.answer(id, &request, Reply::new(603));
            }
            Method::Ack | Method::Cancel | Method::Register | Method::Other(_) => {
                self.count(Count::NotServed);
                self.answer(id, &request, Reply::not_allowed());
            }
        }
    }

    /// A re-INVITE or an UPDATE.
    fn receive_change(&mut self, call: CallKey, id: TransactionId, request: &Request) {
        let sdp = sdp_in(&request.headers, &request.body);
        if let Some(reply) = self.in_the_way(call, request, sdp.is_some()) {
            return self.answer(id, request, reply);
        }
        if request.method == Method::Update && sdp.is_none() {
            return self.accept_change(call, id, request, None);
        }
        let seq = message::cseq(&request.headers).unwrap_or_default();
        if request.method == Method::Invite {
            self.answer(id, request, Reply::new(100));
        }
        self.serving.insert(id, call);
        self.alarms.set(call, Alarm::Unanswered, self.now + self.shared.bounds.answer_within);
        if let Some(Call { stage: Stage::Up { change, .. }, .. }) = self.calls.get_mut(&call) {
            let pending =
                Pending { request: bodiless(request), seq, id, offers: sdp.is_some(), answered: false };
            *change = Some(Change::Theirs(pending));
        }
        self.tell(Event::ReInvite { call, sdp });
    }

    /// The answer to a change that cannot be made now.
    fn in_the_way(&self, call: CallKey, request: &Request, offers: bool) -> Option<Reply<'static>> {
        let crossed = || Reply::new(500).with("Retry-After", RETRY_CROSSED_S);
        if session_timer::asked(&request.headers).is_err() {
            return Some(Reply::too_short());
        }
        let refreshes_only = request.method == Method::Update && !offers;
        match self.calls.get(&call).map(|c| &c.stage)? {
            Stage::Up { .. } | Stage::Accepted { .. } | Stage::Offered { .. } if refreshes_only => None,
            Stage::Up { change: None, .. } => None,
            // Glare: both change it at once (RFC 3261, section 14.2).
            Stage::Up { change: Some(Change::Ours), .. } | Stage::Accepted { .. } => Some(Reply::new(491)),
            Stage::Up { change: Some(Change::Theirs(pending)), .. } if pending.answered => {
                Some(Reply::new(491))
            }
            // Not answered yet: the one before is still in the way.
            Stage::Up { .. } | Stage::Offered { .. } => Some(crossed()),
            Stage::Dialling(_) | Stage::Leaving { .. } => Some(Reply::new(481)),
        }
    }

    /// The answer to the change that the peer wants.
    pub(super) fn answer_change(&mut self, call: CallKey, answer: Result<Vec<u8>, u16>) {
        let Some(Call { stage: Stage::Up { change, .. }, .. }) = self.calls.get_mut(&call) else { return };
        let Some(Change::Theirs(mut pending)) =
            change.take_if(|c| matches!(c, Change::Theirs(pending) if !pending.answered))
        else {
            return;
        };
        match answer {
            Ok(sdp) => {
                let (id, request) = (pending.id, pending.request.clone());
                self.alarms.clear(call, Alarm::Unanswered);
                if request.method == Method::Update {
                    self.serving.remove(&id);
                } else if let Some(Call { stage: Stage::Up { change, .. }, .. }) = self.calls.get_mut(&call) {
                    pending.answered = true;
                    *change = Some(Change::Theirs(pending));
                }
                self.accept_change(call, id, &request, Some(sdp));
            }
            Err(status) => {
                let status = if (300..700).contains(&status) { status } else { 488 };
                self.drop_change(call, &pending, status);
            }
        }
    }

    /// Accepts a re-INVITE or an UPDATE: the peer's new address and session interval count from now on.
    fn accept_change(&mut self, call: CallKey, id: TransactionId, request: &Request, sdp: Option<Vec<u8>>) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let asked = session_timer::asked(&request.headers).unwrap_or_default();
        if matches!(entry.stage, Stage::Up { .. } | Stage::Accepted { .. }) {
            entry.timer = asked;
            entry.local_sdp = sdp.clone().or(entry.local_sdp.take());
        }
        let Some(dialog) = entry.dialog_mut() else { return };
        dialog.retarget(&request.headers);
        let reply = accepting(dialog, request, asked);
        let reply = sdp.into_iter().fold(reply, Reply::sdp);
        let response = reply.to(request, &self.shared.user_agent);
        self.layer.respond(id, &response, self.now);
        self.watch_session(call);
    }

    /// Refuses a change; the call goes on as it was.
    pub(super) fn drop_change(&mut self, call: CallKey, pending: &Pending, status: u16) {
        if pending.answered {
            return self.stop_repeating(pending.id);
        }
        self.alarms.clear(call, Alarm::Unanswered);
        self.answer(pending.id, &pending.request, Reply::new(status));
        self.serving.remove(&pending.id);
    }

    /// The peer's BYE: whatever INVITE is pending is over too (RFC 3261, section 15.1.2).
    fn peer_left(&mut self, call: CallKey) {
        match self.calls.get(&call).map(|c| &c.stage) {
            Some(Stage::Offered { .. }) => self.refuse(call, Reply::new(487), Ending::Cancelled),
            Some(Stage::Accepted { invite, .. }) => {
                self.stop_repeating(invite.id);
                self.finish(call, Ending::PeerHungUp);
            }
            Some(Stage::Up { .. }) => self.finish(call, Ending::PeerHungUp),
            // The two BYEs crossed; ours will be answered, one way or another.
            Some(Stage::Leaving { .. } | Stage::Dialling(_)) | None => {}
        }
    }

    /// News of a transfer (RFC 3515, section 2.4.4).
    fn receive_notify(&mut self, call: CallKey, id: TransactionId, request: &Request) {
        let event = request.headers.get("Event").and_then(|event| event.split(';').next());
        let about_refer = event.is_some_and(|event| event.trim().eq_ignore_ascii_case("refer"));
        let asked = matches!(
            self.calls.get(&call),
            Some(Call { stage: Stage::Up { referred: true, .. } | Stage::Leaving { .. }, .. })
        );
        if !about_refer || !asked {
            return self.answer(id, request, Reply::new(if about_refer { 481 } else { 489 }));
        }
        self.answer(id, request, Reply::new(200));
        let state = request.headers.get("Subscription-State");
        let last =
            state.is_some_and(|state| state.trim_start().to_ascii_lowercase().starts_with("terminated"));
        let progress = match sipfrag_status(&request.body) {
            Some(status) if status >= 200 => Transfer::Done(status),
            // No further news can come, and this was none of success.
            _ if last => Transfer::Done(NO_NEWS),
            Some(status) => Transfer::Trying(status),
            None => return,
        };
        self.tell(Event::Transfer { call, progress });
    }
}

/// The status in a message/sipfrag body: `SIP/2.0 200 OK`.
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(body).ok()?.lines().next()?;
    let rest = line.strip_prefix("SIP/2.0 ")?;
    rest.split(' ').next()?.parse().ok().filter(|s| (100..700).contains(s))
}
