//! SIP signalling (RFC 3261) as commands and events: calls come in and go out, nothing here knows what they are for.
//!
//! [`Signalling::start`] listens and gives a handle for commands and a receiver of [`Event`]s. The stack underneath
//! is a detail: no type of it appears here, so that it can be exchanged.
//!
//! Commands and events may cross. A command for a call that is over, or that does not fit what the call is doing,
//! does nothing; each call ends with exactly one [`Event::Ended`].

mod address;
mod body;
mod config;
mod counters;
mod digest;
mod framing;
mod gate;
mod model;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

pub use address::{BadTarget, Target};
pub use config::{BadListen, Bounds, Clock, Listen, Peer, Peers, SignallingConfig, StartError, Timers};
pub use counters::Count;
pub use model::{CallKey, Credentials, Dial, Ending, Event, InviteRequest, Standing, Transfer, Transport};

/// What the `tracing` filter must say about the stack underneath: it logs every raw message at INFO, and at WARN and
/// ERROR still Call-IDs, tags and the text of what it could not parse. Those are people's numbers and secrets.
pub const LOG_DIRECTIVE: &str = "rsipstack=off";

/// Commands waiting to be carried out; a call needs a handful in its life, and each takes microseconds.
const COMMANDS_QUEUED_MAX: usize = 4096;

/// A handle to the running signalling; clones share it. When the last one is dropped, signalling stops at once
/// (without BYE: use [`Signalling::stop`]).
#[derive(Clone)]
pub struct Signalling {
    commands: mpsc::Sender<Command>,
    next_call: Arc<AtomicU64>,
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
        let call = CallKey(self.next_call.fetch_add(1, Ordering::Relaxed));
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
        self.commands.try_send(command).map_err(|e| match e {
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
