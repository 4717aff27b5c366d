//! Every call's state and what to do next, without sockets, tasks or clocks: messages, commands and time go in,
//! [`Effect`]s come out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use aftercall_wire::sip::transaction::Packet;
use aftercall_wire::sip::{Flaw, Layer, Message, Passed, Request, Response, Told, TransactionId};
use tracing::debug;

use super::alarms::{Alarm, Alarms};
use super::dialog::Dialog;
use super::errand::{Errand, Outcome, Outgoing, Then, Ticket};
use super::flow::{By, Flow};
use super::gate::Gate;
use super::message::{self, DialogKey};
use super::reply::Reply;
use super::session_timer::SessionTimer;
use super::shared::Shared;
use super::{CallKey, Command, Count, Credentials, Ending, Event, Target, Transport};

/// Transactions beyond those of the calls themselves: those that linger, repeated and unanswered, for 64*T1.
const LINGERING_MAX: usize = 4096;

/// Transactions for each place that a call may take: calls of 8 s leave INVITE and BYE behind for half a minute, which
/// are eight for each that is on, and a call has some INFOs and re-INVITEs. One that lingers holds its last message, 1 KiB
/// or, of an INVITE that was acknowledged, nothing: with 1000 places at most 20,096 of them, 20 MiB.
const TRANSACTIONS_PER_CALL: usize = 16;

/// An INVITE's identity whatever way it came (RFC 3261, section 8.2.2.2): Call-ID, From tag, CSeq.
pub(super) type InviteId = (String, String, u32);

/// What is to be done outside.
pub(super) enum Effect {
    /// Send this.
    Send(Flow, Packet),
    /// Tell whoever conducts calls.
    Tell(Event),
    /// Find the way to a peer, and tell what became of it by [`Calls::reached`].
    Reach { ticket: Ticket, to: Reach },
}

/// Whom to find.
pub(super) struct Reach {
    /// Whom; without one the way is back.
    pub(super) target: Option<Target>,
    pub(super) transport: Transport,
    /// Of a name's addresses one of this family, if it has any.
    pub(super) prefer_ipv4: bool,
    /// Where the peer's messages come from: an address behind NAT is not believed.
    pub(super) source: Option<std::net::SocketAddr>,
}

/// All calls.
pub(super) struct Calls {
    pub(super) shared: Arc<Shared>,
    /// What time it is for what is being dealt with.
    pub(super) now: Duration,
    pub(super) gate: Gate,
    pub(super) layer: Layer<Flow>,
    pub(super) calls: HashMap<CallKey, Call>,
    pub(super) dialogs: HashMap<DialogKey, CallKey>,
    pub(super) invites: HashSet<InviteId>,
    /// The INVITEs of peers that may still change something, and whose they are.
    pub(super) serving: HashMap<TransactionId, CallKey>,
    /// Calls in the order in which we accepted them, and when: those that nobody acknowledged make room first.
    pub(super) accepted: VecDeque<(Duration, CallKey)>,
    /// Requests of ours that wait for their answer.
    pub(super) errands: HashMap<TransactionId, (Errand, Flow)>,
    /// What waits until somebody has found the way.
    pub(super) unreached: HashMap<Ticket, Vec<Outgoing>>,
    pub(super) tickets: u64,
    pub(super) alarms: Alarms,
    /// Too much waits to be heard already: nothing new is begun.
    pub(super) is_crowded: bool,
    /// UDP sockets we listen on: requests of ours leave from the first of the right family.
    pub(super) sockets: Vec<Flow>,
    effects: VecDeque<Effect>,
}

/// One call.
pub(super) struct Call {
    pub(super) stage: Stage,
    /// What made room for it, when it came in.
    pub(super) invite: Option<InviteId>,
    /// What proves who we are, when we placed it.
    pub(super) credentials: Option<Credentials>,
    /// How long it may go on without a word.
    pub(super) timer: Option<SessionTimer>,
    /// What we said last of our side of the session: a re-INVITE that only refreshes it says so again.
    pub(super) local_sdp: Option<Vec<u8>>,
    /// The number of our reliable provisional answer, if there was one.
    pub(super) rseq: Option<u32>,
}

/// How far a call is. What is true only then is in it.
pub(super) enum Stage {
    /// A peer calls; no final answer yet.
    Offered { dialog: Box<Dialog>, invite: Pending, unpracked: Option<Unpracked>, replaces: Option<CallKey> },
    /// Our 2xx is out; its ACK is not in. BYE must wait for it (RFC 3261, section 15).
    Accepted { dialog: Box<Dialog>, invite: Pending, leave: Option<Leave> },
    /// We call; no final answer yet.
    Dialling(Box<super::uac::Dialling>),
    /// Both sides know that the call is up.
    Up { dialog: Box<Dialog>, change: Option<Change>, referred: bool },
    /// Our BYE is out.
    Leaving { dialog: Box<Dialog> },
}

/// Something is being changed in a call that is up.
pub(super) enum Change {
    /// By the peer's re-INVITE or UPDATE.
    Theirs(Pending),
    /// By ours; theirs must wait (491).
    Ours,
}

/// That we want to leave, and the Reason to give.
pub(super) struct Leave {
    pub(super) reason: Option<String>,
}

/// A request of the peer that somebody else must answer: an INVITE, or an UPDATE with an offer.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) seq: u32,
    pub(super) id: TransactionId,
    /// It carries an offer; else its ACK answers ours.
    pub(super) offers: bool,
    pub(super) answered: bool,
}

/// A reliable provisional answer that is not acknowledged (RFC 3262, section 3).
pub(super) struct Unpracked {
    pub(super) response: Response,
    pub(super) pause: Duration,
    pub(super) until: Duration,
}

impl Call {
    pub(super) fn new(stage: Stage) -> Self {
        Self { stage, invite: None, credentials: None, timer: None, local_sdp: None, rseq: None }
    }

    pub(super) fn dialog(&self) -> Option<&Dialog> {
        match &self.stage {
            Stage::Offered { dialog, .. }
            | Stage::Accepted { dialog, .. }
            | Stage::Up { dialog, .. }
            | Stage::Leaving { dialog } => Some(dialog),
            Stage::Dialling(_) => None,
        }
    }

    pub(super) fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match &mut self.stage {
            Stage::Offered { dialog, .. }
            | Stage::Accepted { dialog, .. }
            | Stage::Up { dialog, .. }
            | Stage::Leaving { dialog } => Some(dialog),
            Stage::Dialling(_) => None,
        }
    }
}

impl Calls {
    pub(super) fn new(shared: Arc<Shared>, gate: Gate, sockets: Vec<Flow>) -> Self {
        let transactions_max = shared.bounds.calls_max * TRANSACTIONS_PER_CALL + LINGERING_MAX;
        Self {
            now: Duration::ZERO,
            gate,
            layer: Layer::new(shared.timers, transactions_max),
            shared,
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            invites: HashSet::new(),
            serving: HashMap::new(),
            accepted: VecDeque::new(),
            errands: HashMap::new(),
            unreached: HashMap::new(),
            tickets: 0,
            alarms: Alarms::default(),
            is_crowded: false,
            sockets,
            effects: VecDeque::new(),
        }
    }

    /// A message came.
    pub(super) fn hear(&mut self, message: Message, flaw: Option<Flaw>, flow: Flow, now: Duration) {
        self.now = now;
        self.count(Count::Messages);
        match message {
            Message::Request(request) => self.hear_request(request, flaw, flow),
            Message::Response(response) if flaw.is_none() => self.hear_response(&response, flow),
            Message::Response(_) => self.count(Count::Malformed),
        }
    }

    /// Somebody wants something done.
    pub(super) fn obey(&mut self, command: Command, now: Duration) {
        self.now = now;
        match command {
            Command::Ring(call) => self.ring(call),
            Command::Accept { call, sdp } => self.accept(call, sdp),
            Command::Reject { call, refusal } => self.reject(call, &refusal),
            Command::AnswerReinvite { call, answer } => self.answer_change(call, answer),
            Command::Bye { call, reason } => self.leave(call, Leave { reason }),
            Command::Dial { call, dial } => self.dial(call, *dial),
            Command::Cancel(call) => self.cancel(call),
            Command::Info { call, content_type, body } => self.send_info(call, &content_type, body),
            Command::Refer { call, target } => self.send_refer(call, &target),
        }
    }

    /// A connection closed.
    pub(super) fn closed(&mut self, connection: u64, now: Duration) {
        self.now = now;
        let gone = By::Connection(connection);
        let lost: Vec<_> =
            self.errands.iter().filter(|(_, (_, f))| f.by == gone).map(|(id, _)| *id).collect();
        for id in lost {
            // An answer can no longer come.
            self.layer.forget(id);
            self.errand_done(id, Outcome::Lost);
        }
        let on_it = |call: &Call| call.dialog().is_some_and(|dialog| dialog.flow.by == gone);
        let hit: Vec<_> = self.calls.iter().filter(|(_, call)| on_it(call)).map(|(key, _)| *key).collect();
        for call in hit {
            self.connection_lost(call);
        }
    }

    fn connection_lost(&mut self, call: CallKey) {
        if let Some(dialog) = self.calls.get_mut(&call).and_then(Call::dialog_mut) {
            dialog.lost = true;
        }
        match self.calls.get_mut(&call).map(|call| &mut call.stage) {
            Some(Stage::Offered { invite, .. }) => {
                self.layer.forget(invite.id);
                self.serving.remove(&invite.id);
                self.finish(call, Ending::TransportClosed);
            }
            Some(Stage::Up { change, .. }) => {
                // Nobody can be answered any more: the peer will ask again.
                if let Some(Change::Theirs(lost)) =
                    change.take_if(|c| matches!(c, Change::Theirs(p) if !p.answered))
                {
                    self.layer.forget(lost.id);
                    self.serving.remove(&lost.id);
                }
                self.tell(Event::TransportClosed { call });
            }
            Some(Stage::Accepted { .. } | Stage::Dialling(_)) => self.tell(Event::TransportClosed { call }),
            Some(Stage::Leaving { .. }) | None => {}
        }
    }

    /// When to [`tick`](Self::tick) next.
    pub(super) fn due(&self) -> Option<Duration> {
        [self.layer.due(), self.alarms.due()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Duration) {
        self.now = now;
        for passed in self.layer.tick(now) {
            match passed {
                Passed::NoAck(id) => self.never_acked(id),
                Passed::TimedOut(id) => self.errand_done(id, Outcome::TimedOut),
            }
        }
        while let Some((call, alarm)) = self.alarms.ring(now) {
            match alarm {
                Alarm::Unanswered => self.unanswered(call),
                Alarm::Unpracked => self.repeat_provisional(call),
                Alarm::CancelExpired => self.cancel_expired(call),
                Alarm::Refresh => self.refresh(call),
                Alarm::Expired => self.session_expired(call),
            }
        }
    }

    /// What is to be done outside next.
    pub(super) fn next_effect(&mut self) -> Option<Effect> {
        let send = self.layer.next_send().map(|(flow, packet)| Effect::Send(flow, packet));
        send.or_else(|| self.effects.pop_front())
    }

    /// Calls, dialogs and transactions there are.
    pub(super) fn live(&self) -> [usize; 3] {
        [self.calls.len(), self.dialogs.len(), self.layer.len()]
    }

    /// Whether there is no call.
    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn count(&self, count: Count) {
        self.shared.count(count);
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.effects.push_back(Effect::Tell(event));
    }

    pub(super) fn find(&mut self, ticket: Ticket, to: Reach) {
        self.effects.push_back(Effect::Reach { ticket, to });
    }

    /// Whether another call fits. When every place is taken, the call goes whose caller has owed us the ACK longest.
    pub(super) fn make_room(&mut self) -> bool {
        if self.is_crowded {
            return false;
        }
        self.calls.len() < self.shared.bounds.calls_max || self.give_up_half_open()
    }

    /// Answers a request that has a transaction.
    pub(super) fn answer(&mut self, id: TransactionId, request: &Request, reply: Reply<'_>) {
        let response = reply.to(request, &self.shared.user_agent);
        self.layer.respond(id, &response, self.now);
    }

    /// A response came.
    fn hear_response(&mut self, response: &Response, flow: Flow) {
        let told = self.layer.hear_response(response, self.now);
        let accepts_invite = (200..300).contains(&response.status)
            && message::cseq_method(&response.headers) == Some("INVITE");
        match told {
            Told::News(id) if self.errands.contains_key(&id) => self.errand_heard(id, response),
            Told::News(_) if accepts_invite => self.answered_again(response, Some(flow)),
            // Its transaction is over; every further 2xx is acknowledged all the same.
            Told::Stray if accepts_invite => self.answered_again(response, None),
            Told::News(_) | Told::Known | Told::Stray => {}
        }
    }

    /// Ends a call: gives back what it held and says so, once.
    pub(super) fn finish(&mut self, call: CallKey, ending: Ending) {
        let Some(gone) = self.calls.remove(&call) else { return };
        if let Some(dialog) = gone.dialog() {
            self.dialogs.remove(&dialog.key);
        }
        if let Some(invite) = &gone.invite {
            self.invites.remove(invite);
        }
        if let Stage::Up { change: Some(Change::Theirs(pending)), .. } = &gone.stage {
            // Whoever ends the call, what the peer wanted changed is over too, and is told so.
            self.drop_change(call, pending, 487);
        }
        if gone.timer.is_some() {
            self.forget_refresh(call);
        }
        self.alarms.forget(call);
        if ending == Ending::NoAck {
            self.count(Count::NoAck);
        }
        debug!(%call, ?ending, "the call is over");
        self.tell(Event::Ended { call, ending });
    }

    /// Lets go of every call, politely.
    pub(super) fn leave_all(&mut self, now: Duration) {
        self.now = now;
        let all: Vec<_> = self.calls.keys().copied().collect();
        for call in all {
            self.leave(call, Leave { reason: None });
        }
    }

    /// Hangs up without waiting for the answer, and says why (RFC 3326; RFC 4028, section 10).
    pub(super) fn hang_up(&mut self, call: CallKey, ending: Ending) {
        let reason = match ending {
            Ending::Expired => Some("SIP;cause=408;text=\"Session Expired\""),
            Ending::NoAck => Some("SIP;cause=408;text=\"No ACK\""),
            Ending::Replaced => Some("SIP;cause=200;text=\"Replaced\""),
            _ => None,
        };
        self.send_bye(call, reason, Then::Nothing);
        self.finish(call, ending);
    }
}
