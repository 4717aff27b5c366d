//! SIP signalling (RFC 3261) as commands and events: calls come in and go out, nothing here knows what they are for.
//!
//! [`Signalling::start`] listens and gives a handle for commands and a receiver of [`Event`]s.
//!
//! A message goes `sockets` or `connections` -> `run`, the one task that owns the calls -> `calls`, which are pure:
//! first `intake` (which asks the `gate`, and answers forgetfully what is not worth memory), then what the message is
//! about: `uas`, `uac`, `within`, `errand`. What they want sent, told or found goes back to `run`. Transactions, and
//! what a message is, are [`aftercall_wire::sip`]'s.
//!
//! Commands and events may cross. A command for a call that is over, or that does not fit what the call is doing,
//! does nothing; each call ends with exactly one [`Event::Ended`].

mod address;
mod alarms;
mod body;
mod calls;
mod config;
mod connections;
mod counters;
mod dialog;
mod digest;
#[cfg(test)]
mod disorder;
mod errand;
mod flow;
mod gate;
mod intake;
mod message;
mod model;
mod refresh;
mod replaces;
mod reply;
mod run;
mod session_timer;
mod shared;
#[cfg(test)]
mod simulator;
mod sockets;
#[cfg(test)]
mod transcripts;
mod uac;
mod uas;
mod within;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use calls::Calls;
use connections::Connections;
use gate::Gate;
use run::{Conductor, Order};
use shared::Shared;
use sockets::{UdpEndpoint, Wires};

pub use address::{BadTarget, Target};
pub use aftercall_wire::sip::transaction::Timers;
pub use config::{BadListen, Bounds, Clock, Listen, Peer, Peers, Security, SignallingConfig, StartError};
pub use counters::Count;
pub use model::{CallKey, Credentials, Dial, Ending, Event, InviteRequest, Standing, Transfer, Transport};
pub use reply::is_ours;

/// Commands waiting to be carried out; a call needs a handful in its life, and each takes microseconds.
const COMMANDS_QUEUED_MAX: usize = 4096;

/// Events waiting to be heard; behind them signalling holds back as many again, then takes no more in.
const EVENTS_QUEUED_MAX: usize = 1024;

/// Messages waiting to be dealt with, each under 64 KiB and usually 2; behind them the kernel keeps the next.
const INPUTS_QUEUED_MAX: usize = 512;

/// What nonces are sealed with: 32 letters of 5 bits, 160 bits.
const SECRET_LETTERS: usize = 32;

/// What callers hear while signalling stops: a restart takes seconds.
const RETRY_STOPPED_S: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// A handle to the running signalling; clones share it. When the last one is dropped, signalling stops at once
/// (without BYE: use [`Signalling::stop`]).
#[derive(Clone)]
pub struct Signalling {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    stopped: CancellationToken,
    listens: Arc<[Listen]>,
}

/// A command was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotTaken {
    /// Too much is waiting; try again in a moment.
    #[error("signalling has too much to do; try again in a moment")]
    Busy,
    /// Signalling is stopped; give up.
    #[error("signalling is stopped")]
    Stopped,
}

/// What a handle asks for.
enum Command {
    Ring(CallKey),
    Accept { call: CallKey, sdp: Vec<u8> },
    Reject { call: CallKey, refusal: Refusal },
    AnswerReinvite { call: CallKey, answer: Result<Vec<u8>, u16> },
    Bye { call: CallKey, reason: Option<String> },
    Dial { call: CallKey, dial: Box<Dial> },
    Cancel(CallKey),
    Info { call: CallKey, content_type: String, body: Vec<u8> },
    Refer { call: CallKey, target: Target },
}

/// How to refuse a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// 300-699.
    pub status: u16,
    /// The reason phrase; `None`: the usual one.
    pub phrase: Option<String>,
    /// More headers, such as Retry-After and Warning.
    pub headers: Vec<(String, String)>,
}

impl From<u16> for Refusal {
    fn from(status: u16) -> Self {
        Self { status, phrase: None, headers: Vec::new() }
    }
}

impl Signalling {
    /// Listens, and conducts calls from then on. Must be called within a tokio runtime with time and I/O enabled.
    pub async fn start(config: SignallingConfig) -> Result<(Self, mpsc::Receiver<Event>), StartError> {
        let stopped = CancellationToken::new();
        let (mut udp, mut streams, mut listens) = (Vec::new(), Vec::new(), Vec::new());
        for listen in &config.listen {
            let at = |cause| StartError::at(*listen, cause);
            let addr = match listen.transport {
                Transport::Udp => {
                    udp.push(UdpEndpoint::bind(listen.addr).map_err(at)?);
                    udp.last().map_or(listen.addr, UdpEndpoint::local)
                }
                Transport::Tls if config.tls.accepts.is_none() => {
                    return Err(StartError::NoCertificate { listen: *listen });
                }
                Transport::Tcp | Transport::Tls => {
                    let listener = sockets::bind_tcp(listen.addr).map_err(at)?;
                    let addr = listener.local_addr().map_err(at)?;
                    streams.push((listener, Listen { transport: listen.transport, addr }));
                    addr
                }
            };
            listens.push(Listen { transport: listen.transport, addr });
        }
        let shared = Arc::new(Shared::new(&config));
        let (inputs, arriving) = mpsc::channel(INPUTS_QUEUED_MAX);
        let (events, to_hear) = mpsc::channel(EVENTS_QUEUED_MAX);
        let (orders, to_obey) = mpsc::channel(COMMANDS_QUEUED_MAX);
        let at = streams.iter().map(|(_, listen)| *listen).collect();
        let connections =
            Arc::new(Connections::new(shared.clone(), config.tls, at, inputs.clone(), stopped.clone()));
        let wires = Arc::new(Wires::new(udp, connections.clone()));
        let gate = Gate::new(
            config.peers,
            config.bounds.calls_per_second_per_source,
            message::random(SECRET_LETTERS),
        );
        for place in 0..wires.udp_sockets() {
            let serving =
                sockets::serve_udp(place, wires.clone(), shared.clone(), inputs.clone(), stopped.clone());
            tokio::spawn(serving);
        }
        for (listener, listen) in streams {
            tokio::spawn(connections.clone().serve(listener, listen));
        }
        let calls = Calls::new(shared.clone(), gate, wires.udp_flows());
        let conductor =
            Conductor { calls, wires, shared: shared.clone(), events, inputs, stopped: stopped.clone() };
        tokio::spawn(conductor.run(to_obey, arriving));
        Ok((Self { orders, shared, stopped, listens: listens.into() }, to_hear))
    }

    /// The addresses listened on, with the ports that port 0 became.
    pub fn local_addrs(&self) -> &[Listen] {
        &self.listens
    }

    /// How often something happened since the start.
    pub fn count(&self, count: Count) -> u64 {
        self.shared.counters.get(count)
    }

    /// Calls there are now, in both directions, until their [`Event::Ended`].
    pub fn calls_live(&self) -> usize {
        self.shared.live.calls.load(Ordering::Relaxed)
    }

    /// Dialogs there are now.
    pub fn dialogs_live(&self) -> usize {
        self.shared.live.dialogs.load(Ordering::Relaxed)
    }

    /// SIP transactions there are now, with those that only wait (up to 2 * 64*T1) for what may still come.
    pub fn transactions_live(&self) -> usize {
        self.shared.live.transactions.load(Ordering::Relaxed)
    }

    /// Takes no new call any more: 503, with this Retry-After. Calls that are up go on.
    pub fn close(&self, retry_after_s: NonZeroU32) {
        self.shared.close_for(Some(retry_after_s));
    }

    /// Takes new calls again.
    pub fn reopen(&self) {
        self.shared.close_for(None);
    }

    /// Refuses or hangs up every call, waits for the peers' answers no longer than `grace`, and stops.
    pub async fn stop(&self, grace: Duration) {
        self.close(RETRY_STOPPED_S);
        let (done, all_gone) = oneshot::channel();
        let farewell = async {
            if self.orders.send(Order::Stop(done)).await.is_ok() && all_gone.await.is_ok() {
                // The last refusals are on their way.
                tokio::time::sleep(self.shared.timers.t1).await;
            }
        };
        // In time or not: now it stops.
        tokio::time::timeout(grace, farewell).await.ok();
        self.stopped.cancel();
    }

    /// Tells the caller that it rings (180).
    pub fn ring(&self, call: CallKey) -> Result<(), NotTaken> {
        self.send(Command::Ring(call))
    }

    /// Answers the call (200) with this SDP: the answer to the INVITE's offer, or the offer if it had none.
    /// Repeated until the ACK comes ([`Event::Ack`]) or 64*T1 have passed ([`Ending::NoAck`]), over TCP too
    /// (RFC 3261, section 13.3.1.4).
    pub fn accept(&self, call: CallKey, sdp: Vec<u8>) -> Result<(), NotTaken> {
        self.send(Command::Accept { call, sdp })
    }

    /// Refuses the call.
    pub fn reject(&self, call: CallKey, refusal: impl Into<Refusal>) -> Result<(), NotTaken> {
        self.send(Command::Reject { call, refusal: refusal.into() })
    }

    /// Answers a re-INVITE: with SDP, or with the status that refuses it (the call then goes on as it was).
    pub fn answer_reinvite(&self, call: CallKey, answer: Result<Vec<u8>, u16>) -> Result<(), NotTaken> {
        self.send(Command::AnswerReinvite { call, answer })
    }

    /// Hangs up. `reason`: the value of a Reason header (RFC 3326), e.g. `Q.850;cause=16`.
    pub fn bye(&self, call: CallKey, reason: Option<&str>) -> Result<(), NotTaken> {
        self.send(Command::Bye { call, reason: reason.map(str::to_owned) })
    }

    /// Calls someone. The key is good at once; what happens comes as events.
    pub fn dial(&self, dial: Dial) -> Result<CallKey, NotTaken> {
        let call = self.shared.new_call();
        self.send(Command::Dial { call, dial: Box::new(dial) })?;
        Ok(call)
    }

    /// Gives up a call that we placed and that is not answered yet.
    pub fn cancel(&self, call: CallKey) -> Result<(), NotTaken> {
        self.send(Command::Cancel(call))
    }

    /// Sends an INFO request within the call.
    pub fn info(&self, call: CallKey, content_type: &str, body: Vec<u8>) -> Result<(), NotTaken> {
        self.send(Command::Info { call, content_type: content_type.to_owned(), body })
    }

    /// Asks the peer to call `target` instead of us (REFER, RFC 3515); see [`Event::Transfer`].
    pub fn refer(&self, call: CallKey, target: Target) -> Result<(), NotTaken> {
        self.send(Command::Refer { call, target })
    }

    fn send(&self, command: Command) -> Result<(), NotTaken> {
        self.orders.try_send(Order::Do(command)).map_err(|e| match e {
            mpsc::error::TrySendError::Full(_) => NotTaken::Busy,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Stopped,
        })
    }
}

/// The address of this machine from which packets to `peer` leave. Nothing is sent to find out.
pub fn local_ip_facing(peer: IpAddr) -> Option<IpAddr> {
    let any: SocketAddr = if peer.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect((peer, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
