//! A way to a peer: a socket of ours and its address, or a connection.

use std::net::{IpAddr, SocketAddr};

use aftercall_wire::sip::transaction::Carriage;

use super::{Transport, local_ip_facing};

/// A way to one peer. What is sent on it reaches the program that sent us something on it, or that we connected to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flow {
    pub(super) transport: Transport,
    pub(super) remote: SocketAddr,
    /// The one address that we listen on, where it is not every one.
    pub(super) bound: Option<IpAddr>,
    /// The port of ours that takes new requests on this transport.
    pub(super) port: u16,
    pub(super) by: By,
}

/// What a flow's messages are written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    /// A UDP socket of ours, by its place among them.
    Socket(usize),
    /// A connection, by its number.
    Connection(u64),
}

impl Flow {
    /// Whether what is sent on it arrives without our doing.
    pub(super) fn carriage(&self) -> Carriage {
        match self.by {
            By::Socket(_) => Carriage::Datagrams,
            By::Connection(_) => Carriage::Stream,
        }
    }

    /// The same way, to where an answer goes: over UDP that need not be where the question came from.
    pub(super) fn answering(self, to: SocketAddr) -> Self {
        match self.by {
            By::Socket(_) => Self { remote: to, ..self },
            By::Connection(_) => self,
        }
    }

    /// Our address as the peer on this flow sees it, for Via and Contact.
    pub(super) fn local(&self, external_ip: Option<IpAddr>) -> SocketAddr {
        let ip = self.external(external_ip).or(self.bound).unwrap_or_else(|| self.facing());
        SocketAddr::new(ip, self.port)
    }

    /// The same, and our address for media, which does not listen on one address only. To find out which of
    /// ours faces the peer takes three system calls, so that is done once.
    pub(super) fn local_and_media(&self, external_ip: Option<IpAddr>) -> (SocketAddr, IpAddr) {
        let external = self.external(external_ip);
        let media = external.unwrap_or_else(|| self.facing());
        (SocketAddr::new(external.or(self.bound).unwrap_or(media), self.port), media)
    }

    fn external(&self, external_ip: Option<IpAddr>) -> Option<IpAddr> {
        external_ip.filter(|ip| ip.is_ipv4() == self.remote.is_ipv4())
    }

    fn facing(&self) -> IpAddr {
        local_ip_facing(self.remote.ip()).unwrap_or_else(|| unspecified(self.remote.ip()))
    }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() }
}
