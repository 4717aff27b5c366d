//! A way to a peer: a socket and its address, or a TCP connection.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rsipstack::sip::{SipMessage, Transport as StackTransport};
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use super::{Transport, local_ip_facing};

/// A way to one peer. What is sent on it reaches the program that sent us something on it, or that we connected to.
#[derive(Clone)]
pub(super) struct Flow {
    pub(super) transport: Transport,
    pub(super) remote: SocketAddr,
    /// The one address that we listen on, where it is not every one.
    bound: Option<IpAddr>,
    /// The port of ours that takes new requests on this transport.
    port: u16,
    /// The stack's handle.
    pub(super) connection: SipConnection,
    /// Cancelled when nothing can be sent any more.
    pub(super) gone: CancellationToken,
    /// TCP: which connection.
    pub(super) id: Option<u64>,
}

impl Flow {
    pub(super) fn tcp(
        id: u64,
        remote: SocketAddr,
        port: u16,
        connection: SipConnection,
        gone: CancellationToken,
    ) -> Self {
        Self { transport: Transport::Tcp, remote, bound: None, port, connection, gone, id: Some(id) }
    }

    /// Sends one message, whatever becomes of it: losses are the transactions' business.
    pub(super) async fn send(&self, message: SipMessage) {
        self.send_to(message, self.remote).await;
    }

    /// Sends one message; over UDP to this address of the peer.
    pub(super) async fn send_to(&self, message: SipMessage, to: SocketAddr) {
        if self.connection.send(message, Some(&stack_address(self.transport, to))).await.is_err() {
            tracing::debug!(transport = %self.transport, "a message could not be sent");
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

/// The stack's way to write an address.
pub(super) fn stack_address(transport: Transport, address: SocketAddr) -> SipAddr {
    let r#type = match transport {
        Transport::Udp => StackTransport::Udp,
        Transport::Tcp => StackTransport::Tcp,
    };
    SipAddr { r#type: Some(r#type), addr: address.into() }
}

fn unspecified(like: IpAddr) -> IpAddr {
    if like.is_ipv4() { [0, 0, 0, 0].into() } else { [0u16; 8].into() }
}

/// A UDP socket that listens, and gives flows to whoever it hears from.
#[derive(Clone)]
pub(super) struct UdpEndpoint {
    pub(super) socket: Arc<UdpSocket>,
    local: SocketAddr,
    connection: SipConnection,
    gone: CancellationToken,
}

impl UdpEndpoint {
    pub(super) async fn new(socket: UdpSocket, gone: CancellationToken) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let socket = Arc::new(socket);
        let inner = UdpInner { conn: socket.clone(), addr: stack_address(Transport::Udp, local) };
        let connection = SipConnection::Udp(UdpConnection::attach(inner, None, None).await);
        Ok(Self { socket, local, connection, gone })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(super) fn flow(&self, remote: SocketAddr) -> Flow {
        Flow {
            transport: Transport::Udp,
            remote,
            bound: Some(self.local.ip()).filter(|ip| !ip.is_unspecified()),
            port: self.local.port(),
            connection: self.connection.clone(),
            gone: self.gone.clone(),
            id: None,
        }
    }
}

/// The TCP connections there are, bounded in all and per address.
pub(super) struct Connections {
    max: usize,
    per_source_max: usize,
    open: Mutex<HashMap<SocketAddr, Flow>>,
}

impl Connections {
    pub(super) fn new(max: usize, per_source_max: usize) -> Self {
        Self { max, per_source_max, open: Mutex::default() }
    }

    /// Whether one more from this address fits.
    pub(super) fn room_for(&self, ip: IpAddr) -> bool {
        let open = self.open();
        open.len() < self.max && open.keys().filter(|a| a.ip() == ip).count() < self.per_source_max
    }

    pub(super) fn find(&self, remote: SocketAddr) -> Option<Flow> {
        self.open().get(&remote).filter(|flow| !flow.gone.is_cancelled()).cloned()
    }

    pub(super) fn add(&self, flow: Flow) {
        self.open().insert(flow.remote, flow);
    }

    pub(super) fn remove(&self, flow: &Flow) {
        let mut open = self.open();
        if open.get(&flow.remote).is_some_and(|f| f.id == flow.id) {
            open.remove(&flow.remote);
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SocketAddr, Flow>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
