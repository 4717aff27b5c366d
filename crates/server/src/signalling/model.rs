//! The words between signalling and whoever conducts calls: what can happen ([`Event`]) and what is asked for.
//!
//! `Debug` of these types tells kinds and sizes, never a number, a header value or a body.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// One call, from its INVITE to its [`Event::Ended`]; never used twice while the process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallKey(pub(super) u64);

impl CallKey {
    /// The number that makes it unique in this process.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How SIP messages travel (RFC 3261, section 18).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transport {
    /// Datagrams; the transaction layer repeats what may have been lost.
    Udp,
    /// A stream.
    Tcp,
    /// A stream that nobody else can read (RFC 3261, section 26.2.1).
    Tls,
}

impl Transport {
    /// As in a Via header: `UDP`, `TCP`, `TLS`.
    pub fn via_token(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The port of whom names none (RFC 3261, section 19.1.2).
    pub(super) fn usual_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        })
    }
}

impl FromStr for Transport {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            t if t.eq_ignore_ascii_case("udp") => Ok(Self::Udp),
            t if t.eq_ignore_ascii_case("tcp") => Ok(Self::Tcp),
            t if t.eq_ignore_ascii_case("tls") => Ok(Self::Tls),
            _ => Err(()),
        }
    }
}

/// Who sent an INVITE: decides whether its identity headers count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// A configured peer: its place in [`Peers::list`](super::Peers::list); authenticated if that peer demands it.
    Peer(usize),
    /// Nobody we know; only with [`Peers::open`](super::Peers::open).
    Stranger,
}

/// An INVITE that starts a call, as it arrived.
pub struct InviteRequest {
    /// The Request-URI, byte for byte.
    pub request_uri: String,
    /// The From header's value, display name, parameters and all.
    pub from: String,
    /// The To header's value.
    pub to: String,
    /// The Call-ID header's value.
    pub sip_call_id: String,
    /// Every header in order. Compact names are spelled out; other names are as the peer wrote them.
    pub headers: Vec<(String, String)>,
    /// The offer, also when it came inside multipart/mixed. `None`: the offer is to go into our answer.
    pub sdp: Option<Vec<u8>>,
    /// Where the message came from.
    pub source: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// Our address as this peer sees it: what SDP should say (`external_ip`, where that is set).
    pub local_ip: IpAddr,
    /// Whether a configured peer sent it.
    pub standing: Standing,
}

impl InviteRequest {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Every header's name and value.
    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

impl fmt::Debug for InviteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InviteRequest")
            .field("headers", &self.headers.len())
            .field("sdp_bytes", &self.sdp.as_ref().map(Vec::len))
            .field("transport", &self.transport)
            .field("standing", &self.standing)
            .finish_non_exhaustive()
    }
}

/// What happened. Every call that was announced (by [`Event::Invite`], or by [`dial`](super::Signalling::dial)
/// returning its key) ends with exactly one [`Event::Ended`]; nothing about it follows.
pub enum Event {
    /// A peer calls. 100 is sent; `ring`, `accept` or `reject` is expected within `Bounds::answer_within`.
    Invite {
        /// Names the call from here on.
        call: CallKey,
        /// What the peer sent.
        request: Box<InviteRequest>,
    },
    /// The peer acknowledged our 2xx; comes once for the INVITE and once for every accepted re-INVITE.
    Ack {
        /// Which call.
        call: CallKey,
        /// The answer, when our 2xx carried the offer (RFC 3261, section 13.2.1).
        sdp: Option<Vec<u8>>,
    },
    /// The peer wants to change the session (hold, new address), by a re-INVITE or an UPDATE: answer with
    /// `answer_reinvite`. Only a re-INVITE's acceptance is followed by [`Event::Ack`].
    ReInvite {
        /// Which call.
        call: CallKey,
        /// The new offer; `None`: the offer is to go into our answer.
        sdp: Option<Vec<u8>>,
    },
    /// An INFO request; already answered 200.
    Info {
        /// Which call.
        call: CallKey,
        /// The Content-Type header's value.
        content_type: Option<String>,
        /// The body as it came.
        body: Vec<u8>,
    },
    /// A provisional answer (101-199) to our INVITE; with `sdp`: early media.
    Progress {
        /// Which call.
        call: CallKey,
        /// 180 rings.
        status: u16,
        /// Early answer, if any.
        sdp: Option<Vec<u8>>,
    },
    /// Our INVITE was accepted; ACK is sent.
    Answered {
        /// Which call.
        call: CallKey,
        /// The answer.
        sdp: Option<Vec<u8>>,
    },
    /// The peer's answer to a re-INVITE of ours that says again what we said last (RFC 4028): it may have moved meanwhile.
    Refreshed {
        /// Which call.
        call: CallKey,
        /// The answer.
        sdp: Vec<u8>,
    },
    /// How a transfer asked for with `refer` goes on (RFC 3515).
    Transfer {
        /// Which call.
        call: CallKey,
        /// How far it is.
        progress: Transfer,
    },
    /// The connection the call came over closed. The call goes on: the next request opens a new one.
    TransportClosed {
        /// Which call.
        call: CallKey,
    },
    /// The call is over, and so is its key.
    Ended {
        /// Which call.
        call: CallKey,
        /// How.
        ending: Ending,
    },
}

impl Event {
    /// The call it is about.
    pub fn call(&self) -> CallKey {
        match self {
            Self::Invite { call, .. }
            | Self::Ack { call, .. }
            | Self::ReInvite { call, .. }
            | Self::Info { call, .. }
            | Self::Progress { call, .. }
            | Self::Answered { call, .. }
            | Self::Refreshed { call, .. }
            | Self::Transfer { call, .. }
            | Self::TransportClosed { call }
            | Self::Ended { call, .. } => *call,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Invite { .. } => "Invite",
            Self::Ack { .. } => "Ack",
            Self::ReInvite { .. } => "ReInvite",
            Self::Info { .. } => "Info",
            Self::Progress { .. } => "Progress",
            Self::Answered { .. } => "Answered",
            Self::Refreshed { .. } => "Refreshed",
            Self::Transfer { .. } => "Transfer",
            Self::TransportClosed { .. } => "TransportClosed",
            Self::Ended { .. } => "Ended",
        }
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct(self.name());
        out.field("call", &self.call());
        match self {
            Self::Invite { request, .. } => out.field("request", request),
            Self::Ack { sdp, .. } | Self::ReInvite { sdp, .. } | Self::Answered { sdp, .. } => {
                out.field("sdp_bytes", &sdp.as_ref().map(Vec::len))
            }
            Self::Refreshed { sdp, .. } => out.field("sdp_bytes", &sdp.len()),
            Self::Info { body, .. } => out.field("body_bytes", &body.len()),
            Self::Progress { status, sdp, .. } => {
                out.field("status", status).field("sdp_bytes", &sdp.as_ref().map(Vec::len))
            }
            Self::Transfer { progress, .. } => out.field("progress", progress),
            Self::TransportClosed { .. } => &mut out,
            Self::Ended { ending, .. } => out.field("ending", ending),
        };
        out.finish()
    }
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ending {
    /// The peer sent BYE.
    PeerHungUp,
    /// We sent BYE, and it was answered or given up (64*T1).
    WeHungUp,
    /// The caller gave up before we answered (CANCEL or BYE); 487 is sent. Or the callee, after our `cancel`.
    Cancelled,
    /// We refused it with this status.
    Rejected(u16),
    /// Nobody answered the INVITE within `Bounds::answer_within`; 480 is sent.
    Unanswered,
    /// Nobody refreshed the session in time (RFC 4028); BYE is sent.
    Expired,
    /// Another call took the place of this one (RFC 3891); BYE is sent.
    Replaced,
    /// Our 2xx was never acknowledged (64*T1); BYE is sent (RFC 3261, section 13.3.1.4).
    NoAck,
    /// The callee refused our INVITE.
    Refused {
        /// 300-699; 408 also when nothing came back.
        status: u16,
        /// The status line's reason phrase.
        reason: String,
    },
    /// Our INVITE could not be sent: the name does not resolve, the connection was refused, or its certificate is not
    /// to be trusted. In words.
    Unreachable(String),
    /// The connection closed before there was a call to keep.
    TransportClosed,
}

/// How far a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// The peer takes the REFER (2xx) and will report.
    Accepted,
    /// The peer refuses, with this status; 408 also when nothing came back.
    Refused(u16),
    /// The new call is at this provisional status.
    Trying(u16),
    /// The new call ended up with this final status: 200 is success.
    Done(u16),
}

/// What digest authentication needs (RFC 7616).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The secret.
    pub password: Arc<str>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// A call to place.
pub struct Dial {
    /// Whom to call, e.g. `sip:csat-survey@192.0.2.1:5070;transport=tcp`.
    pub target: super::Target,
    /// The offer; `None` asks the callee for one.
    pub sdp: Option<Vec<u8>>,
    /// More headers, in order.
    pub headers: Vec<(String, String)>,
    /// `None`: what the target says, else UDP.
    pub transport: Option<Transport>,
    /// The user part of our From and Contact.
    pub from_user: String,
    /// Used when the callee asks (401, 407).
    pub credentials: Option<Credentials>,
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("transport", &self.transport).finish_non_exhaustive()
    }
}
