//! Reads sockets and hands whole messages to the intake, one at a time per socket or connection: what is not taken
//! yet waits in the kernel, which drops or pushes back, and not in a queue of ours.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::{SipConnection, TransportEvent};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::calls::Report;
use super::flow::{Flow, UdpEndpoint, stack_address};
use super::framing::{Broken, MESSAGE_BYTES_MAX, Piece, from_datagram, from_stream};
use super::intake::Intake;
use super::stack::Stack;
use super::{Count, Transport};

/// What the kernel keeps of datagrams while we are busy: 200 INVITEs of 2 KiB at once, each accounted with overhead.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// Messages waiting to be written to one connection; a peer that reads takes them at once.
const WRITES_QUEUED_MAX: usize = 32;

/// A peer that does not read for so long loses its connection.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// A message that has begun must be whole by then.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);

/// A silent connection is closed; longer than any survey, for a call may be silent between ACK and BYE.
const IDLE_MAX: Duration = Duration::from_secs(1800);

/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A connection that says nothing for so long is asked by the kernel whether its peer still lives.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// A pause after an error that would come again at once.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Binds a UDP socket.
pub(super) fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    only_its_family(&socket, addr)?;
    // Less is granted where the system's limit is lower; that is fine.
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).unwrap_or_default();
    socket.bind(&addr.into())?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
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

/// Reads one UDP socket until signalling stops. A message that makes the stack panic costs itself, not the socket.
pub(super) async fn serve_udp(endpoint: UdpEndpoint, intake: Arc<Intake>) {
    while let Err(ended) = tokio::spawn(read_datagrams(endpoint.clone(), intake.clone())).await {
        if !ended.is_panic() {
            return;
        }
        intake.stack.count(Count::Panics);
    }
}

async fn read_datagrams(endpoint: UdpEndpoint, intake: Arc<Intake>) {
    let stopped = intake.stack.stopped.clone();
    let mut buffer = vec![0; MESSAGE_BYTES_MAX];
    loop {
        let received = tokio::select! {
            received = endpoint.socket.recv_from(&mut buffer) => received,
            () = stopped.cancelled() => return,
        };
        let Ok((length, remote)) = received else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        match from_datagram(&buffer[..length]) {
            Ok(Piece::Message(frame)) => intake.take(&frame, &endpoint.flow(remote)).await,
            Ok(Piece::Ping) if intake.stack.gate.knows(remote.ip()) => {
                endpoint.socket.send_to(b"\r\n", remote).await.ok();
            }
            Ok(_) => {}
            Err(Broken) => intake.stack.count(Count::Malformed),
        }
    }
}

/// Accepts connections until signalling stops.
pub(super) async fn serve_tcp(listener: TcpListener, port: u16, intake: Arc<Intake>) {
    let stack = &intake.stack;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stack.stopped.cancelled() => return,
        };
        let Ok((stream, remote)) = accepted else {
            tokio::time::sleep(ERROR_PAUSE).await;
            continue;
        };
        // Whom we would not hear is not connected to either: reading strangers' streams costs more than datagrams.
        if !stack.gate.knows(remote.ip()) || !stack.connections.room_for(remote.ip()) {
            stack.count(Count::ConnectionsRefused);
            continue;
        }
        if open(stream, remote, port, &intake).await.is_err() {
            stack.count(Count::ConnectionsBroken);
        }
    }
}

/// The connection to this peer that there is, or a new one.
pub(super) async fn connect(remote: SocketAddr, intake: &Arc<Intake>) -> io::Result<Flow> {
    let stack = &intake.stack;
    if let Some(flow) = stack.connections.find(remote) {
        return Ok(flow);
    }
    if !stack.connections.room_for(remote.ip()) {
        stack.count(Count::ConnectionsRefused);
        return Err(io::ErrorKind::ResourceBusy.into());
    }
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect(remote)).await??;
    let listens = stack.tcp_listens.iter().find(|l| l.is_ipv4() == remote.is_ipv4());
    let port = match listens {
        Some(listen) => listen.port(),
        // We take no connections: the peer can only use this one.
        None => stream.local_addr()?.port(),
    };
    open(stream, remote, port, intake).await
}

/// Starts reading and writing a connection.
async fn open(stream: TcpStream, remote: SocketAddr, port: u16, intake: &Arc<Intake>) -> io::Result<Flow> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))?;
    let (writes, queued) = mpsc::channel(WRITES_QUEUED_MAX);
    // The stack wants a source of messages too; ours are handed over in the intake instead.
    // tidy allows unbounded: its sender is dropped at once, the stack only wants a receiver
    let (_, nothing) = mpsc::unbounded_channel();
    let address = stack_address(Transport::Tcp, remote);
    let channel = ChannelConnection::create_connection_bounded(nothing, writes, address, None);
    let connection = SipConnection::Channel(channel.await.map_err(io::Error::other)?);
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let flow = Flow::tcp(id, remote, port, connection, intake.stack.stopped.child_token());
    intake.stack.connections.add(flow.clone());
    let (reader, writer) = stream.into_split();
    let (pong, pongs) = mpsc::channel(1);
    tokio::spawn(write(writer, queued, pongs, flow.clone(), intake.stack.clone()));
    tokio::spawn(read(reader, pong, id, flow.clone(), intake.clone()));
    Ok(flow)
}

/// Reads a connection to its end, and tells the calls that it is gone.
async fn read(reader: OwnedReadHalf, pong: mpsc::Sender<()>, id: u64, flow: Flow, intake: Arc<Intake>) {
    let reading = tokio::spawn(read_until_gone(reader, pong, flow.clone(), intake.clone()));
    let stack = &intake.stack;
    match reading.await {
        Ok(Ok(())) => {}
        Ok(Err(Broken)) => stack.count(Count::ConnectionsBroken),
        Err(_) => stack.count(Count::Panics),
    }
    flow.gone.cancel();
    stack.connections.remove(&flow);
    // Nobody listens only when signalling has stopped.
    stack.reports.send(Report::FlowClosed(id)).await.unwrap_or_default();
}

async fn read_until_gone(
    reader: OwnedReadHalf,
    pong: mpsc::Sender<()>,
    flow: Flow,
    intake: Arc<Intake>,
) -> Result<(), Broken> {
    tokio::select! {
        ended = read_messages(reader, &pong, &flow, &intake) => ended,
        () = flow.gone.cancelled() => Ok(()),
    }
}

async fn read_messages(
    mut reader: OwnedReadHalf,
    pong: &mpsc::Sender<()>,
    flow: &Flow,
    intake: &Arc<Intake>,
) -> Result<(), Broken> {
    let mut buffer = Vec::new();
    loop {
        if buffer.is_empty() {
            match timeout(IDLE_MAX, reader.read_buf(&mut buffer)).await {
                Ok(Ok(1..)) => {}
                _ => return Ok(()),
            }
        }
        let piece = match timeout(MESSAGE_WITHIN, next_piece(&mut reader, &mut buffer)).await {
            Ok(Ok(Some(piece))) => piece,
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(broken)) => {
                intake.stack.count(Count::Malformed);
                return Err(broken);
            }
            // One empty line was half a ping that never became one.
            Err(_) if buffer == b"\r\n" => {
                buffer.clear();
                continue;
            }
            Err(_) => return Err(Broken),
        };
        match piece {
            Piece::Message(frame) => intake.take(&frame, flow).await,
            // One answer in waiting is enough for any number of pings.
            Piece::Ping => pong.try_send(()).unwrap_or_default(),
            Piece::Nothing => {}
        }
    }
}

/// The next piece of the stream; `None` at its end. At most one message and one read are in the buffer.
async fn next_piece(reader: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Result<Option<Piece>, Broken> {
    loop {
        if let Some((piece, used)) = from_stream(buffer)? {
            buffer.drain(..used);
            return Ok(Some(piece));
        }
        if !matches!(reader.read_buf(buffer).await, Ok(1..)) {
            return Ok(None);
        }
    }
}

/// Writes what is queued, until the connection is gone.
async fn write(
    mut writer: OwnedWriteHalf,
    mut queued: mpsc::Receiver<TransportEvent>,
    mut pongs: mpsc::Receiver<()>,
    flow: Flow,
    stack: Arc<Stack>,
) {
    loop {
        let bytes = tokio::select! {
            event = queued.recv() => match event {
                Some(TransportEvent::Incoming(message, ..)) => message.to_bytes(),
                Some(_) => continue,
                None => break,
            },
            Some(()) = pongs.recv() => b"\r\n".to_vec(),
            () = flow.gone.cancelled() => break,
        };
        match timeout(WRITE_WITHIN, writer.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => break,
            Err(_) => {
                stack.count(Count::ConnectionsBroken);
                break;
            }
        }
    }
    flow.gone.cancel();
}
