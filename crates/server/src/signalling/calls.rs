//! The one owner of every call's state. It never waits: what takes time is a task that reports back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rsipstack::sip::{Request, Response};
use rsipstack::transaction::transaction::{TransactionEvent, TransactionEventSender};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::debug;

use super::dialog::Dialog;
use super::flow::Flow;
use super::intake::{Arrival, Intake};
use super::reply::Reply;
use super::stack::InviteId;
use super::{CallKey, Command, Count, Credentials, Ending, Event};

/// Events held back while their receiver is busy. Beyond them no more is taken in, only commands: so whoever is slow
/// to hear can still speak, and nothing is lost.
const EVENTS_HELD_MAX: usize = 1024;

/// What the tasks tell.
pub(super) enum Report {
    /// The peer acknowledged an answer of ours.
    Acked { call: CallKey, ack: Box<Request> },
    /// It did not acknowledge our answer to its INVITE of this CSeq number, and will not.
    NeverAcked { call: CallKey, seq: u32 },
    /// The caller gave up.
    Cancelled { call: CallKey, seq: u32 },
    /// Nobody answered an INVITE of the peer in time.
    Unanswered { call: CallKey, seq: u32 },
    /// Our INVITE is out, as it was sent.
    DialSent { call: CallKey, invite: Box<Request>, flow: Box<Flow> },
    /// A provisional answer to it.
    DialProgress { call: CallKey, response: Box<Response> },
    /// Its 2xx.
    DialAnswered { call: CallKey, response: Box<Response> },
    /// Its refusal, or that it never got anywhere.
    DialFailed { call: CallKey, ending: Ending },
    /// The 2xx came again: our ACK was lost.
    AnsweredAgain { call: CallKey, cseq: u32 },
    /// 64*T1 have passed since our CANCEL.
    CancelExpired { call: CallKey },
    /// Our BYE is answered or given up.
    ByeDone { call: CallKey },
    /// Our REFER is answered; `None`: given up.
    ReferDone { call: CallKey, status: Option<u16> },
    /// A TCP connection closed.
    FlowClosed(u64),
}

/// All calls.
pub(super) struct Calls {
    pub(super) intake: Arc<Intake>,
    pub(super) calls: HashMap<CallKey, Call>,
    events: mpsc::Sender<Event>,
    held: VecDeque<Event>,
    stopping: Option<oneshot::Sender<()>>,
}

/// One call.
pub(super) struct Call {
    pub(super) stage: Stage,
    /// What made room for it, when it came in.
    pub(super) invite: Option<InviteId>,
    /// What proves who we are, when we placed it.
    pub(super) credentials: Option<Credentials>,
}

/// How far a call is. What is true only then is in it.
pub(super) enum Stage {
    /// A peer calls; no final answer yet.
    Offered { dialog: Box<Dialog>, invite: ServerInvite },
    /// Our 2xx is out; its ACK is not in. BYE must wait for it (RFC 3261, section 15).
    Accepted { dialog: Box<Dialog>, invite: ServerInvite, leave: Option<Leave> },
    /// We call; no final answer yet.
    Dialling(super::uac::Dialling),
    /// Both sides know that the call is up.
    Up { dialog: Box<Dialog>, reinvite: Option<ServerInvite>, referred: bool },
    /// Our BYE is out.
    Leaving { dialog: Box<Dialog> },
}

/// That we want to leave, and the Reason to give.
pub(super) struct Leave {
    pub(super) reason: Option<String>,
}

/// An INVITE of the peer, and how to answer it.
pub(super) struct ServerInvite {
    pub(super) request: Request,
    pub(super) seq: u32,
    pub(super) answered: bool,
    pub(super) respond: TransactionEventSender,
    /// Sees the transaction through; lives on when this is dropped.
    pub(super) driver: AbortHandle,
    /// Reminds us of it.
    pub(super) reminder: AbortHandle,
}

impl ServerInvite {
    /// Sends a response. Its transaction repeats it as needed.
    pub(super) fn reply(&self, reply: Reply<'_>, intake: &Intake) {
        let response = reply.to(&self.request, &intake.stack);
        // Closed only when the transaction is over, and then nobody waits for an answer.
        self.respond.send(TransactionEvent::Respond(response)).unwrap_or_default();
    }

    /// Lets go of the transaction: nothing of it is repeated any more.
    pub(super) fn abandon(&self) {
        self.driver.abort();
    }
}

impl Drop for ServerInvite {
    fn drop(&mut self) {
        self.reminder.abort();
    }
}

impl Call {
    pub(super) fn dialog(&self) -> Option<&Dialog> {
        match &self.stage {
            Stage::Offered { dialog, .. }
            | Stage::Accepted { dialog, .. }
            | Stage::Up { dialog, .. }
            | Stage::Leaving { dialog } => Some(dialog),
            Stage::Dialling(_) => None,
        }
    }
}

impl Calls {
    pub(super) fn new(intake: Arc<Intake>, events: mpsc::Sender<Event>) -> Self {
        Self { intake, calls: HashMap::new(), events, held: VecDeque::new(), stopping: None }
    }

    /// Conducts calls until signalling stops.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut reports: mpsc::Receiver<Report>,
    ) {
        let stopped = self.intake.stack.stopped.clone();
        let events = self.events.clone();
        loop {
            let room = self.held.len() < EVENTS_HELD_MAX;
            tokio::select! {
                permit = events.reserve(), if !self.held.is_empty() => match (permit, self.held.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    // Nobody listens: nobody can answer either.
                    _ => break,
                },
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => break,
                },
                Some(report) = reports.recv(), if room => self.hear(report),
                Some(arrival) = arrivals.recv(), if room => self.receive(arrival),
                () = stopped.cancelled() => break,
            }
            if self.calls.is_empty()
                && let Some(done) = self.stopping.take()
            {
                done.send(()).unwrap_or_default();
            }
        }
        stopped.cancel();
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Ring(call) => self.ring(call),
            Command::Accept { call, sdp } => self.accept(call, sdp),
            Command::Reject { call, refusal } => self.reject(call, &refusal),
            Command::AnswerReinvite { call, answer } => self.answer_reinvite(call, answer),
            Command::Bye { call, reason } => self.leave(call, Leave { reason }),
            Command::Dial { call, dial } => self.dial(call, *dial),
            Command::Cancel(call) => self.cancel(call),
            Command::Info { call, content_type, body } => self.send_info(call, &content_type, body),
            Command::Refer { call, target } => self.send_refer(call, &target),
            Command::Stop(done) => self.stop(done),
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Acked { call, ack } => self.acked(call, &ack),
            Report::NeverAcked { call, seq } => self.never_acked(call, seq),
            Report::Cancelled { call, seq } => self.caller_gave_up(call, seq),
            Report::Unanswered { call, seq } => self.unanswered(call, seq),
            Report::DialSent { call, invite, flow } => self.dial_sent(call, *invite, *flow),
            Report::DialProgress { call, response } => self.dial_progress(call, &response),
            Report::DialAnswered { call, response } => self.dial_answered(call, &response),
            Report::DialFailed { call, ending } => self.dial_failed(call, ending),
            Report::AnsweredAgain { call, cseq } => self.acknowledge(call, cseq),
            Report::CancelExpired { call } => self.cancel_expired(call),
            Report::ByeDone { call } => self.bye_done(call),
            Report::ReferDone { call, status } => self.refer_done(call, status),
            Report::FlowClosed(id) => self.flow_closed(id),
        }
    }

    fn receive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Call { transaction, flow, invite, request_uri, standing } => {
                self.begin(transaction, flow, invite, request_uri, standing);
            }
            Arrival::Within { call, transaction, flow } => self.receive_within(call, transaction, flow),
            Arrival::Ack { call, ack } => self.acked(call, &ack),
        }
    }

    /// Tells what happened, now or as soon as somebody listens.
    pub(super) fn tell(&mut self, event: Event) {
        if self.held.is_empty() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) => {
                    self.held.push_back(event);
                }
            }
        } else {
            self.held.push_back(event);
        }
    }

    /// Ends a call: gives back what it held and says so, once.
    pub(super) fn finish(&mut self, call: CallKey, ending: Ending) {
        let Some(gone) = self.calls.remove(&call) else { return };
        let dialog = gone.dialog().map(|d| &d.key);
        self.intake.stack.end_call(gone.invite.as_ref(), dialog);
        if ending == Ending::NoAck {
            self.intake.stack.count(Count::NoAck);
        }
        debug!(%call, ?ending, "the call is over");
        self.tell(Event::Ended { call, ending });
    }

    /// A report of a task to us. Waits while we are behind; nobody hears it only when signalling has stopped.
    pub(super) fn reporter(&self) -> mpsc::Sender<Report> {
        self.intake.stack.reports.clone()
    }

    fn flow_closed(&mut self, id: u64) {
        let on_it = |call: &Call| call.dialog().is_some_and(|d| d.flow.id == Some(id));
        let hit: Vec<_> = self.calls.iter().filter(|(_, call)| on_it(call)).map(|(key, _)| *key).collect();
        for call in hit {
            match self.calls.get(&call).map(|c| &c.stage) {
                Some(Stage::Offered { .. }) => self.finish(call, Ending::TransportClosed),
                Some(Stage::Leaving { .. }) | None => {}
                Some(_) => self.tell(Event::TransportClosed { call }),
            }
        }
    }

    /// Lets go of every call, politely.
    fn stop(&mut self, done: oneshot::Sender<()>) {
        self.stopping = Some(done);
        let all: Vec<_> = self.calls.keys().copied().collect();
        for call in all {
            self.leave(call, Leave { reason: None });
        }
    }
}
