//! What signalling is told at its start, and what can go wrong then.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use aftercall_wire::sip::transaction::Timers;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use tokio_rustls::TlsConnector;

use super::{Credentials, Transport};
use crate::tls::Acceptor;

/// Time since some fixed moment; never goes back. Signalling reads no other clock.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// Everything [`Signalling::start`](super::Signalling::start) needs.
#[derive(Clone)]
pub struct SignallingConfig {
    /// Where to listen. Empty: a caller only, which still needs one UDP address to send from.
    pub listen: Vec<Listen>,
    /// What TLS needs, for addresses that listen for it and for peers that are reached by it.
    pub tls: Security,
    /// What Contact says instead of the address that faces the peer.
    pub external_ip: Option<IpAddr>,
    /// What the User-Agent header says.
    pub user_agent: String,
    /// Who may call.
    pub peers: Peers,
    /// How much is too much.
    pub bounds: Bounds,
    /// RFC 3261's timers.
    pub timers: Timers,
    /// The process's clock.
    pub clock: Clock,
}

/// What TLS needs.
#[derive(Clone, Default)]
pub struct Security {
    /// Takes connections in.
    pub accepts: Option<Arc<Acceptor>>,
    /// Connects to others.
    pub connects: Option<TlsConnector>,
}

/// One address to listen on: `udp://0.0.0.0:5060`, `tcp://[::]:5060`. Port 0 takes a free one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Listen {
    /// Datagrams or a stream.
    pub transport: Transport,
    /// The address.
    pub addr: SocketAddr,
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.transport, self.addr)
    }
}

impl FromStr for Listen {
    type Err = BadListen;

    fn from_str(text: &str) -> Result<Self, BadListen> {
        let bad = || BadListen(text.to_owned());
        let (scheme, addr) = text.split_once("://").ok_or_else(bad)?;
        Ok(Self { transport: scheme.parse().map_err(|()| bad())?, addr: addr.parse().map_err(|_| bad())? })
    }
}

/// Not an address to listen on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "\"{0}\" is not an address to listen on; write udp://, tcp:// or tls:// and ADDRESS:PORT, e.g. udp://0.0.0.0:5060"
)]
pub struct BadListen(String);

/// Who may call.
#[derive(Clone, Debug)]
pub struct Peers {
    /// Of the entries with the narrowest network that contains the sender's address, the first whose credentials
    /// fit, if it demands any, counts: a wider entry never lets in whom a narrower one asks for a password.
    pub list: Vec<Peer>,
    /// Takes calls from everyone else too. Their identity headers do not count.
    pub open: bool,
}

/// Those who may call from one network.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Their network.
    pub from: IpNet,
    /// What they must prove, if anything.
    pub auth: Option<Credentials>,
    /// Asks them for MD5 only, for programs that give up when they see SHA-256 offered beside it (SIPp 3.6 does).
    pub md5_only: bool,
}

impl Peers {
    /// Whether requests from this address are read at all.
    pub(super) fn know(&self, ip: IpAddr) -> bool {
        self.open || self.list.iter().any(|peer| peer.from.contains(&ip))
    }
}

impl Default for Peers {
    /// Loopback and private addresses (RFC 1918, RFC 4193, link-local), without authentication.
    fn default() -> Self {
        let v4 = |a, b, prefix| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), prefix));
        let v6 =
            |first, prefix| IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), prefix));
        let networks = [
            v4(127, 0, 8),
            v4(10, 0, 8),
            v4(172, 16, 12),
            v4(192, 168, 16),
            v4(169, 254, 16),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            v6(0xfc00, 7),
            v6(0xfe80, 10),
        ];
        Self {
            list: networks.into_iter().map(|from| Peer { from, auth: None, md5_only: false }).collect(),
            open: false,
        }
    }
}

/// Limits; beyond them a call is answered 503 with Retry-After, and counted.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Calls at once, in both directions. One holds about 5 KiB here, measured with an
    /// INVITE of 1 KiB: its dialog, its INVITE, and what its transactions leave behind for a while.
    pub calls_max: usize,
    /// New calls a second from one source (an IPv4 address, an IPv6 /64); as many may come at once.
    pub calls_per_second_per_source: u32,
    /// How long an INVITE may stay without a final answer from us.
    pub answer_within: Duration,
    /// TCP connections at once.
    pub tcp_connections_max: usize,
    /// TCP connections at once from one address.
    pub tcp_connections_per_source_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            calls_max: 1000,
            calls_per_second_per_source: 100,
            answer_within: Duration::from_secs(60),
            tcp_connections_max: 1024,
            tcp_connections_per_source_max: 128,
        }
    }
}

/// Why signalling did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has the port.
    #[error(
        "port {} of {listen} is in use by another program; stop it, or set [sip] listen to another port",
        listen.addr.port()
    )]
    InUse {
        /// The address asked for.
        listen: Listen,
    },
    /// The system refuses the port.
    #[error(
        "{listen} needs more rights than this process has; use a port above 1023 in [sip] listen, or run as root"
    )]
    Forbidden {
        /// The address asked for.
        listen: Listen,
    },
    /// This machine does not have the address.
    #[error("{listen} is not an address of this machine; set [sip] listen to one of its own, or to 0.0.0.0")]
    NotOurs {
        /// The address asked for.
        listen: Listen,
    },
    /// There is no certificate to show.
    #[error("{listen} needs a certificate; set [sip] tls")]
    NoCertificate {
        /// The address asked for.
        listen: Listen,
    },
    /// Anything else.
    #[error("cannot listen on {listen}: {cause}")]
    Other {
        /// The address asked for.
        listen: Listen,
        /// What the system said.
        cause: io::Error,
    },
}

impl StartError {
    pub(super) fn at(listen: Listen, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { listen },
            io::ErrorKind::PermissionDenied => Self::Forbidden { listen },
            io::ErrorKind::AddrNotAvailable => Self::NotOurs { listen },
            _ => Self::Other { listen, cause },
        }
    }
}
