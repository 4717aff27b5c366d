//! Sockets: whole messages are read from them and handed to the one owner of the calls, one at a time per socket or
//! connection. What is not taken yet waits in the kernel, which drops or pushes back, and not in a queue of ours.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aftercall_wire::sip::transaction::Packet;
use aftercall_wire::sip::{Broken, MESSAGE_BYTES_MAX, Piece, datagram};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connections::Connections;
use super::errand::fits;
use super::flow::{By, Flow};
use super::run::Input;
use super::shared::Shared;
use super::{Count, Transport};

/// What the kernel keeps of datagrams while we are busy: 200 INVITEs of 2 KiB at once, each accounted with overhead.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// A pause after an error that would come again at once.
pub(super) const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Everything that messages are written to.
pub(super) struct Wires {
    udp: Vec<UdpEndpoint>,
    pub(super) connections: Arc<Connections>,
}

/// A UDP socket that listens.
pub(super) struct UdpEndpoint {
    reads: UdpSocket,
    /// The same socket, written to without waiting: what it does not take is lost like any datagram.
    writes: std::net::UdpSocket,
    local: SocketAddr,
}

impl UdpEndpoint {
    /// Binds one.
    pub(super) fn bind(addr: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
        only_its_family(&socket, addr)?;
        // Less is granted where the system's limit is lower; that is fine.
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap_or_default();
        socket.bind(&addr.into())?;
        socket.set_nonblocking(true)?;
        let writes = socket.try_clone()?.into();
        let reads = UdpSocket::from_std(socket.into())?;
        Ok(Self { local: reads.local_addr()?, reads, writes })
    }

    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The way from this socket, which is the `place`th, to an address.
    fn flow(&self, place: usize, remote: SocketAddr) -> Flow {
        Flow {
            transport: Transport::Udp,
            remote,
            bound: Some(self.local.ip()).filter(|ip| !ip.is_unspecified()),
            port: self.local.port(),
            by: By::Socket(place),
        }
    }
}

impl Wires {
    pub(super) fn new(udp: Vec<UdpEndpoint>, connections: Arc<Connections>) -> Self {
        Self { udp, connections }
    }

    /// Sends one message, whatever becomes of it: losses are the transactions' business.
    pub(super) fn send(&self, flow: &Flow, packet: &Packet) {
        match flow.by {
            By::Socket(place) => {
                let sent = self.udp.get(place).map(|endpoint| endpoint.writes.send_to(packet, flow.remote));
                if !matches!(sent, Some(Ok(_))) {
                    tracing::debug!("a datagram could not be sent");
                }
            }
            By::Connection(id) => self.connections.write(id, packet),
        }
    }

    /// The ways from our UDP sockets, to nobody in particular.
    pub(super) fn udp_flows(&self) -> Vec<Flow> {
        self.udp.iter().enumerate().map(|(place, endpoint)| endpoint.flow(place, endpoint.local)).collect()
    }

    /// The way to an address over UDP.
    pub(super) fn udp_to(&self, address: SocketAddr) -> Option<Flow> {
        let flow = self.udp_flows().into_iter().find(|flow| fits(flow, address))?;
        Some(Flow { remote: address, ..flow })
    }

    /// How many UDP sockets there are.
    pub(super) fn udp_sockets(&self) -> usize {
        self.udp.len()
    }
}

/// Binds a TCP listener.
pub(super) fn bind_tcp(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    only_its_family(&socket, addr)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(256)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

/// `[::]` listens on IPv6 only: IPv4 peers keep addresses that the list of peers can be held against.
fn only_its_family(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    if addr.is_ipv6() { socket.set_only_v6(true) } else { Ok(()) }
}

/// Reads the `place`th UDP socket until signalling stops.
pub(super) async fn serve_udp(
    place: usize,
    wires: Arc<Wires>,
    shared: Arc<Shared>,
    inputs: mpsc::Sender<Input>,
    stopped: CancellationToken,
) {
    let Some(endpoint) = wires.udp.get(place) else { return };
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let received = tokio::select! {
            received = endpoint.reads.recv_from(&mut buffer) => received,
            () = stopped.cancelled() => return,
        };
        let Ok((length, remote)) = received else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        let flow = endpoint.flow(place, remote);
        match datagram(&buffer[..length]) {
            Ok(Piece::Message(message, flaw)) => {
                // Nobody takes it only when signalling has stopped.
                inputs.send(Input::Message { message, flaw, flow }).await.unwrap_or_default();
            }
            Ok(Piece::Ping) if shared.peers.know(remote.ip()) => {
                wires.send(&flow, &Packet::from(*b"\r\n"));
            }
            Ok(Piece::Ping | Piece::Nothing) => {}
            Err(Broken) => shared.count(Count::Malformed),
        }
    }
}
