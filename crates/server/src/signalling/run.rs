//! The one task that owns the calls: it brings them what sockets, clocks and commands say, and carries out what they
//! want done. It never waits for anybody.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aftercall_wire::sip::{Flaw, Message};
use tokio::net::lookup_host;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::calls::{Calls, Effect, Reach};
use super::errand::{Ticket, beyond_nat};
use super::flow::Flow;
use super::shared::Shared;
use super::sockets::Wires;
use super::{Command, Event, Target, Transport};

/// Events held back while their receiver is busy. Beyond them nothing new is taken in (503), only what ends or follows
/// from what was: so whoever is slow to hear can still speak, and nothing is lost.
const EVENTS_HELD_MAX: usize = 1024;

/// How long a name may take to resolve.
const RESOLVE_WITHIN: Duration = Duration::from_secs(5);

/// What comes from outside.
pub(super) enum Input {
    /// A message.
    Message { message: Box<Message>, flaw: Option<Flaw>, flow: Flow },
    /// A connection closed.
    Closed(u64),
    /// The way to a peer is found, or why it is not.
    Reached { ticket: Ticket, flow: Result<Flow, String> },
}

/// What a handle wants.
pub(super) enum Order {
    /// Something done.
    Do(Command),
    /// Everything ended; to be told when it is.
    Stop(oneshot::Sender<()>),
}

/// The task.
pub(super) struct Conductor {
    pub(super) calls: Calls,
    pub(super) wires: Arc<Wires>,
    pub(super) shared: Arc<Shared>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) stopped: CancellationToken,
}

impl Conductor {
    /// Conducts calls until signalling stops.
    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut arriving: mpsc::Receiver<Input>,
    ) {
        let (events, stopped) = (self.events.clone(), self.stopped.clone());
        let mut held = VecDeque::new();
        let mut stopping: Option<oneshot::Sender<()>> = None;
        let mut alarm = pin!(sleep(Duration::ZERO));
        let mut alarm_at = None;
        loop {
            let due = self.calls.due();
            if due != alarm_at {
                alarm_at = due;
                alarm.set(sleep(due.unwrap_or_default().saturating_sub(self.shared.now())));
            }
            tokio::select! {
                permit = events.reserve(), if !held.is_empty() => match (permit, held.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    // Nobody listens: nobody can answer either.
                    _ => break,
                },
                order = orders.recv() => match order {
                    Some(Order::Do(command)) => self.calls.obey(command, self.shared.now()),
                    Some(Order::Stop(done)) => {
                        stopping = Some(done);
                        self.calls.leave_all(self.shared.now());
                    }
                    None => break,
                },
                Some(input) = arriving.recv() => {
                    self.calls.is_crowded = held.len() >= EVENTS_HELD_MAX;
                    self.take(input);
                }
                () = &mut alarm, if alarm_at.is_some() => {
                    alarm_at = None;
                    self.calls.tick(self.shared.now());
                }
                () = stopped.cancelled() => break,
            }
            self.carry_out(&mut held);
            if self.calls.is_idle()
                && let Some(done) = stopping.take()
            {
                done.send(()).unwrap_or_default();
            }
        }
        stopped.cancel();
    }

    fn take(&mut self, input: Input) {
        let now = self.shared.now();
        match input {
            Input::Message { message, flaw, flow } => self.calls.hear(*message, flaw, flow, now),
            Input::Closed(connection) => self.calls.closed(connection, now),
            Input::Reached { ticket, flow } => self.calls.reached(ticket, flow, now),
        }
    }

    /// Carries out what the calls want done. What is told is true by then.
    fn carry_out(&mut self, held: &mut VecDeque<Event>) {
        let live = &self.shared.live;
        let [calls, dialogs, transactions] = self.calls.live();
        live.calls.store(calls, Ordering::Relaxed);
        live.dialogs.store(dialogs, Ordering::Relaxed);
        live.transactions.store(transactions, Ordering::Relaxed);
        while let Some(effect) = self.calls.next_effect() {
            match effect {
                Effect::Send(flow, packet) => self.wires.send(&flow, &packet),
                Effect::Tell(event) => self.tell(event, held),
                Effect::Reach { ticket, to } => self.reach(ticket, to),
            }
        }
    }

    /// Tells what happened, now or as soon as somebody listens.
    fn tell(&self, event: Event, held: &mut VecDeque<Event>) {
        if !held.is_empty() {
            return held.push_back(event);
        }
        match self.events.try_send(event) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) => {
                held.push_back(event);
            }
        }
    }

    /// Looks for the way to a peer, on a task of its own. There is at most one for each call.
    fn reach(&self, ticket: Ticket, to: Reach) {
        let (wires, inputs) = (Arc::clone(&self.wires), self.inputs.clone());
        tokio::spawn(async move {
            let flow = find(&to, &wires).await;
            // Nobody listens only when signalling has stopped.
            inputs.send(Input::Reached { ticket, flow }).await.unwrap_or_default();
        });
    }
}

async fn find(to: &Reach, wires: &Wires) -> Result<Flow, String> {
    let named = match &to.target {
        Some(target) => Some(resolve(target, to.transport, to.prefer_ipv4).await?),
        None => None,
    };
    let address = beyond_nat(named, to.source).ok_or("nobody says where")?;
    let name = to.target.as_ref().map_or_else(|| address.ip().to_string(), |target| target.host().to_owned());
    let connected = match to.transport {
        Transport::Udp => {
            return wires.udp_to(address).ok_or("we send from no address of that family".to_owned());
        }
        Transport::Tcp => wires.connections.connect(address).await,
        Transport::Tls => wires.connections.connect_tls(address, &name).await,
    };
    connected.map_err(|fault| {
        tracing::warn!(%fault, transport = %to.transport, "a peer cannot be connected to");
        fault.to_string()
    })
}

/// The address of a target; of a name's addresses one of the wanted family, if it has any.
async fn resolve(target: &Target, transport: Transport, prefer_ipv4: bool) -> Result<SocketAddr, String> {
    let port = target.port_over(transport);
    if let Some(ip) = target.ip() {
        return Ok(SocketAddr::new(ip, port));
    }
    let found = timeout(RESOLVE_WITHIN, lookup_host((target.host(), port))).await;
    let found = found.map_err(|_| "nobody said in time where that host is")?;
    let found: Vec<_> = found.map_err(|fault| fault.to_string())?.collect();
    let fitting = found.iter().find(|address| address.is_ipv4() == prefer_ipv4).or(found.first());
    fitting.copied().ok_or_else(|| "that host has no address".to_owned())
}
