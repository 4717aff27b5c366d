//! Calls that go out, and requests of ours within any call (RFC 3261, sections 9.1, 12.2.1, 13.2, 15.1.1; RFC 3515).

use std::sync::Arc;

use rsipstack::sip::{Header, Method, Request, Response};
use rsipstack::transaction::transaction::Transaction;
use tokio::task::AbortHandle;
use tracing::debug;

use super::address::one_line;
use super::body;
use super::calls::{Call, Calls, Report, Stage};
use super::dialog::Dialog;
use super::drive::{self, Errand};
use super::flow::Flow;
use super::intake::Intake;
use super::message::{self, header, make};
use super::reply::{ALLOW, Reply, foreign};
use super::uas::contact;
use super::{CallKey, Count, Dial, Ending, Event, Target, Transfer, Transport};

/// The status of a transfer that the peer stopped reporting on (RFC 3261, 21.4.9: request time-out).
const NO_NEWS: u16 = 408;

/// A call of ours that is not answered yet.
pub(super) struct Dialling {
    task: AbortHandle,
    /// The INVITE as it was last sent, and where.
    sent: Option<(Request, Flow)>,
    contact: String,
    /// A provisional answer came: from then on CANCEL may be sent (RFC 3261, section 9.1).
    heard: bool,
    cancel: Cancel,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cancel {
    No,
    Wanted,
    Sent,
}

impl Calls {
    pub(super) fn dial(&mut self, call: CallKey, dial: Dial) {
        let stack = &self.intake.stack;
        if stack.closed_for_s().is_some() || !stack.begin_outgoing() {
            stack.count(Count::Full);
            let reason = "No room for another call".to_owned();
            return self.tell(Event::Ended { call, ending: Ending::Refused { status: 503, reason } });
        }
        stack.count(Count::CallsOut);
        debug!(%call, "a call goes out");
        let credentials = dial.credentials.clone();
        let task = tokio::spawn(place(call, dial, self.intake.clone())).abort_handle();
        let dialling =
            Dialling { task, sent: None, contact: String::new(), heard: false, cancel: Cancel::No };
        self.calls.insert(call, Call { stage: Stage::Dialling(dialling), invite: None, credentials });
    }

    pub(super) fn dial_sent(&mut self, call: CallKey, invite: Request, flow: Flow) {
        if let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) {
            dialling.contact = header(&invite.headers, "Contact").unwrap_or_default().to_owned();
            dialling.sent = Some((invite, flow));
            dialling.heard = false;
            if dialling.cancel == Cancel::Sent {
                // That one was for the INVITE before, without credentials.
                dialling.cancel = Cancel::Wanted;
            }
        }
    }

    pub(super) fn dial_progress(&mut self, call: CallKey, response: &Response) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) else { return };
        dialling.heard = true;
        if dialling.cancel == Cancel::Wanted {
            self.send_cancel(call);
        }
        let status = response.status_code.code();
        if status > 100 {
            self.tell(Event::Progress { call, status, sdp: sdp_of(response) });
        }
    }

    pub(super) fn dial_answered(&mut self, call: CallKey, response: &Response) {
        let Some(entry) = self.calls.remove(&call) else { return };
        let Stage::Dialling(dialling) = entry.stage else {
            self.calls.insert(call, entry);
            return;
        };
        let dialog = dialling.sent.as_ref().and_then(|(invite, flow)| {
            Dialog::of_callee(invite, response, dialling.contact.clone(), flow.clone())
        });
        let cancelled = dialling.cancel != Cancel::No;
        let Some(dialog) = dialog else {
            // A 2xx without To tag or Contact begins nothing that could be ended.
            self.calls.insert(call, Call { stage: Stage::Dialling(dialling), ..entry });
            let reason = "Unreadable answer".to_owned();
            return self.finish(call, Ending::Refused { status: 500, reason });
        };
        let cseq = message::cseq(&response.headers).unwrap_or_default();
        self.intake.stack.begin_dialog(dialog.key.clone(), call);
        let stage = Stage::Up { dialog: Box::new(dialog), reinvite: None, referred: false };
        self.calls.insert(call, Call { stage, ..entry });
        self.acknowledge(call, cseq);
        if cancelled {
            // It crossed our CANCEL.
            self.send_bye(call, None, |_| {});
            self.finish(call, Ending::Cancelled);
        } else {
            self.tell(Event::Answered { call, sdp: sdp_of(response) });
        }
    }

    pub(super) fn dial_failed(&mut self, call: CallKey, ending: Ending) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get(&call) else { return };
        let cancelled = dialling.cancel != Cancel::No;
        self.finish(call, if cancelled { Ending::Cancelled } else { ending });
    }

    /// Sends the ACK for the 2xx to our INVITE of this CSeq number, as often as that 2xx comes.
    pub(super) fn acknowledge(&mut self, call: CallKey, cseq: u32) {
        let Some(dialog) = self.calls.get(&call).and_then(Call::dialog) else { return };
        let (ack, hop) = dialog.ack(cseq);
        tokio::spawn(drive::ack(ack, hop, self.intake.clone()));
    }

    pub(super) fn cancel(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) else { return };
        if dialling.cancel != Cancel::No {
            return;
        }
        dialling.cancel = Cancel::Wanted;
        if dialling.sent.is_none() {
            dialling.task.abort();
            self.finish(call, Ending::Cancelled);
        } else if dialling.heard {
            self.send_cancel(call);
        }
    }

    fn send_cancel(&mut self, call: CallKey) {
        let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get_mut(&call) else { return };
        let Some((invite, flow)) = &dialling.sent else { return };
        dialling.cancel = Cancel::Sent;
        let (cancel, flow) = (cancel_of(invite), flow.clone());
        let (intake, reports) = (self.intake.clone(), self.reporter());
        tokio::spawn(async move {
            if let Some(mut transaction) = drive::begin_with_via(cancel, &flow, &intake).await {
                while drive::next_response(&mut transaction, &flow).await.is_some() {}
            }
            // The INVITE is over when its 487 comes; this is for the peer that never sends it.
            tokio::time::sleep(intake.stack.timers.t1 * 64).await;
            reports.send(Report::CancelExpired { call }).await.unwrap_or_default();
        });
    }

    pub(super) fn cancel_expired(&mut self, call: CallKey) {
        if let Some(Call { stage: Stage::Dialling(dialling), .. }) = self.calls.get(&call) {
            dialling.task.abort();
            self.finish(call, Ending::Cancelled);
        }
    }

    /// Sends BYE on a task of its own, which outlives the call if need be.
    pub(super) fn send_bye(
        &mut self,
        call: CallKey,
        reason: Option<&str>,
        done: impl FnOnce(Option<Response>) + Send + 'static,
    ) {
        let more = reason.map(|r| make("Reason", r)).into_iter().collect();
        self.send_within(call, Method::Bye, more, Vec::new(), done);
    }

    pub(super) fn send_info(&mut self, call: CallKey, content_type: &str, body: Vec<u8>) {
        if let Some(Call { stage: Stage::Up { .. }, .. }) = self.calls.get(&call) {
            self.send_within(call, Method::Info, vec![make("Content-Type", content_type)], body, |_| {});
        }
    }

    pub(super) fn send_refer(&mut self, call: CallKey, target: &Target) {
        let Some(Call { stage: Stage::Up { dialog, referred, .. }, .. }) = self.calls.get_mut(&call) else {
            return;
        };
        *referred = true;
        let referred_by = make("Referred-By", &dialog.contact);
        let more = vec![make("Refer-To", &format!("<{}>", target.uri())), referred_by];
        let reports = self.reporter();
        self.send_within(call, Method::Refer, more, Vec::new(), move |response| {
            let status = response.map(|r| r.status_code.code());
            tokio::spawn(async move {
                reports.send(Report::ReferDone { call, status }).await.unwrap_or_default();
            });
        });
    }

    pub(super) fn refer_done(&mut self, call: CallKey, status: Option<u16>) {
        let Some(Call { stage: Stage::Up { referred, .. }, .. }) = self.calls.get_mut(&call) else { return };
        let progress = match status {
            Some(200..=299) => Transfer::Accepted,
            other => {
                *referred = false;
                Transfer::Refused(other.unwrap_or(408))
            }
        };
        self.tell(Event::Transfer { call, progress });
    }

    /// News of a transfer (RFC 3515, section 2.4.4).
    pub(super) fn receive_notify(&mut self, call: CallKey, transaction: Transaction, request: &Request) {
        let about_refer = header(&request.headers, "Event")
            .is_some_and(|e| e.split(';').next().is_some_and(|e| e.trim().eq_ignore_ascii_case("refer")));
        let asked = matches!(
            self.calls.get(&call),
            Some(Call { stage: Stage::Up { referred: true, .. } | Stage::Leaving { .. }, .. })
        );
        if !about_refer || !asked {
            return self.answer_once(transaction, Reply::new(if about_refer { 481 } else { 489 }));
        }
        self.answer_once(transaction, Reply::new(200));
        let last = header(&request.headers, "Subscription-State")
            .is_some_and(|state| state.trim_start().to_ascii_lowercase().starts_with("terminated"));
        let progress = match sipfrag_status(&request.body) {
            Some(status) if status >= 200 => Transfer::Done(status),
            // No further news can come, and this was none of success.
            _ if last => Transfer::Done(NO_NEWS),
            Some(status) => Transfer::Trying(status),
            None => return,
        };
        self.tell(Event::Transfer { call, progress });
    }

    fn send_within(
        &mut self,
        call: CallKey,
        method: Method,
        more: Vec<Header>,
        body: Vec<u8>,
        done: impl FnOnce(Option<Response>) + Send + 'static,
    ) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        let credentials = entry.credentials.clone();
        let dialog = match &mut entry.stage {
            Stage::Offered { dialog, .. }
            | Stage::Accepted { dialog, .. }
            | Stage::Up { dialog, .. }
            | Stage::Leaving { dialog } => dialog,
            Stage::Dialling(_) => return,
        };
        let (request, hop) = dialog.request(method, more, body);
        let (errand, intake) = (Errand { request, hop, credentials }, self.intake.clone());
        tokio::spawn(async move { done(errand.run(&intake).await) });
    }
}

/// Places a call: finds the callee, sends the INVITE, with credentials if asked for them, and reports what comes.
async fn place(call: CallKey, dial: Dial, intake: Arc<Intake>) {
    if let Err(ending) = try_place(call, &dial, &intake).await {
        intake.stack.reports.send(Report::DialFailed { call, ending }).await.unwrap_or_default();
    }
}

async fn try_place(call: CallKey, dial: &Dial, intake: &Arc<Intake>) -> Result<(), Ending> {
    let transport = dial.transport.or(dial.target.transport()).unwrap_or(Transport::Udp);
    let address = drive::resolve(&dial.target, true).await.ok_or(Ending::Unreachable)?;
    let flow = drive::flow_to(address, transport, intake).await.ok_or(Ending::Unreachable)?;
    // Nobody hears reports only when signalling has stopped.
    let tell = async |report| intake.stack.reports.send(report).await.unwrap_or_default();
    let mut invite = invite_of(dial, &flow, intake);
    for proofs in 0.. {
        let mut transaction = drive::begin(&invite, &flow, intake).await.ok_or(Ending::Unreachable)?;
        let sent = Box::new(transaction.original.clone());
        tell(Report::DialSent { call, invite: sent, flow: Box::new(flow.clone()) }).await;
        let response = loop {
            let response =
                drive::next_response(&mut transaction, &flow).await.ok_or(Ending::TransportClosed)?;
            if response.status_code.code() >= 200 {
                break response;
            }
            tell(Report::DialProgress { call, response: Box::new(response) }).await;
        };
        let status = response.status_code.code();
        if status < 300 {
            tell(Report::DialAnswered { call, response: Box::new(response) }).await;
            break;
        }
        invite = drive::proved(&invite, &response, dial.credentials.as_ref(), proofs)
            .ok_or_else(|| Ending::Refused { status, reason: message::phrase(&response).to_owned() })?;
    }
    Ok(())
}

fn invite_of(dial: &Dial, flow: &Flow, intake: &Intake) -> Request {
    let local = flow.local(intake.stack.external_ip);
    let user = one_line(&dial.from_user).replace(['<', '>', '"', '@', ' '], "");
    let from = format!("<sip:{user}@{local}>;tag={}", message::random(12));
    let to = dial.target.without_headers();
    let mut headers = vec![
        make("Max-Forwards", "70"),
        make("From", &from),
        make("To", &format!("<{to}>")),
        make("Call-ID", &message::random(24)),
        make("CSeq", "1 INVITE"),
        make("Contact", &contact(Some(&user), local, flow.transport)),
        make("User-Agent", &intake.stack.endpoint.user_agent),
        make("Allow", ALLOW),
    ];
    headers.extend(foreign(&dial.headers));
    let body = dial.sdp.clone().unwrap_or_default();
    if !body.is_empty() {
        headers.push(make("Content-Type", "application/sdp"));
    }
    headers.push(make("Content-Length", &body.len().to_string()));
    message::request(Method::Invite, to, headers, body)
}

/// The CANCEL of an INVITE: the same Via, Request-URI, Call-ID, To, From and CSeq number (RFC 3261, section 9.1).
fn cancel_of(invite: &Request) -> Request {
    let mut cancel = invite.clone();
    cancel.method = Method::Cancel;
    cancel.body.clear();
    let mut vias = 0;
    cancel.headers.retain(|h| match h {
        Header::Via(_) => {
            vias += 1;
            vias == 1
        }
        h => matches!(
            h,
            Header::Route(_) | Header::CallId(_) | Header::To(_) | Header::From(_) | Header::MaxForwards(_)
        ),
    });
    let seq = message::cseq(&invite.headers).unwrap_or_default();
    cancel.headers.push(make("CSeq", &format!("{seq} CANCEL")));
    cancel.headers.push(make("Content-Length", "0"));
    cancel
}

fn sdp_of(response: &Response) -> Option<Vec<u8>> {
    body::read(header(&response.headers, "Content-Type"), &response.body).sdp()
}

/// The status in a message/sipfrag body: `SIP/2.0 200 OK`.
fn sipfrag_status(body: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(body).ok()?.lines().next()?;
    let rest = line.strip_prefix("SIP/2.0 ")?;
    rest.split(' ').next()?.parse().ok().filter(|s| (100..700).contains(s))
}
