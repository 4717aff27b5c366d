//! Connections: opened by peers or by us, read to their end, and written to without waiting for a peer that does not
//! read.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aftercall_wire::sip::transaction::Packet;
use aftercall_wire::sip::{Broken, Flaw, Piece, stream};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_rustls::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::flow::{By, Flow};
use super::run::Input;
use super::shared::Shared;
use super::sockets::ERROR_PAUSE;
use super::{Count, Listen, Security, Transport};

/// Messages waiting to be written to one connection. Reading it pauses long before so many are waiting: 4096 answers
/// of 1 KiB are 4 MiB.
const WRITES_QUEUED_MAX: usize = 4096;

/// Bytes waiting to be written beyond which nothing more is read: who does not hear is not asked either.
const UNWRITTEN_BYTES_MAX: usize = 64 * 1024;

/// A peer that does not read for so long loses its connection.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// A message that has begun must be whole by then.
const MESSAGE_WITHIN: Duration = Duration::from_secs(10);

/// A silent connection is closed; longer than any survey, for a call may be silent between ACK and BYE.
const IDLE_MAX: Duration = Duration::from_secs(1800);

/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// How often a failed handshake is told of: whoever tries has a telephone to look at, and the log must not fill.
const HANDSHAKE_TOLD_EVERY: Duration = Duration::from_secs(60);

/// TLS handshakes at once; whoever comes further waits in the system's queue. One costs about a millisecond of CPU.
const HANDSHAKES_MAX: usize = 64;

/// A connection that says nothing for so long is asked by the kernel whether its peer still lives.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);

/// The connections there are, bounded in all and per address.
pub(super) struct Connections {
    shared: Arc<Shared>,
    tls: Security,
    handshakes: Arc<Semaphore>,
    /// From when on a failed handshake is told of again.
    tells_from: Mutex<Duration>,
    /// Where we listen: the port that Contact names on connections that we open.
    listens: Vec<Listen>,
    inputs: mpsc::Sender<Input>,
    stopped: CancellationToken,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Connection>>,
}

#[derive(Clone)]
struct Connection {
    flow: Flow,
    outbox: Arc<Outbox>,
}

/// What waits to be written to one connection.
struct Outbox {
    queue: mpsc::Sender<Packet>,
    unwritten: AtomicUsize,
    written: Notify,
    gone: CancellationToken,
}

impl Outbox {
    fn push(&self, packet: &Packet, shared: &Shared) {
        self.unwritten.fetch_add(packet.len(), Ordering::Relaxed);
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send(Arc::clone(packet)) {
            shared.count(Count::ConnectionsBroken);
            self.gone.cancel();
        }
    }

    async fn until_low(&self) {
        while self.unwritten.load(Ordering::Relaxed) > UNWRITTEN_BYTES_MAX {
            self.written.notified().await;
        }
    }

    fn wrote(&self, bytes: usize) {
        self.unwritten.fetch_sub(bytes, Ordering::Relaxed);
        self.written.notify_one();
    }
}

impl Connections {
    pub(super) fn new(
        shared: Arc<Shared>,
        tls: Security,
        listens: Vec<Listen>,
        inputs: mpsc::Sender<Input>,
        stopped: CancellationToken,
    ) -> Self {
        let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        let (next, open, tells_from) = (AtomicU64::new(1), Mutex::default(), Mutex::default());
        Self { shared, tls, handshakes, tells_from, listens, inputs, stopped, next, open }
    }

    /// Writes to a connection, if it is still there.
    pub(super) fn write(&self, id: u64, packet: &Packet) {
        let outbox = self.open().get(&id).map(|connection| Arc::clone(&connection.outbox));
        if let Some(outbox) = outbox {
            outbox.push(packet, &self.shared);
        }
    }

    /// Accepts connections until signalling stops.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, listen: Listen) {
        let port = listen.addr.port();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stopped.cancelled() => return,
            };
            let Ok((stream, remote)) = accepted else {
                tokio::time::sleep(ERROR_PAUSE).await;
                continue;
            };
            // Whom we would not hear is not connected to either: reading strangers' streams costs more than datagrams.
            if !self.shared.peers.know(remote.ip()) || !self.room_for(remote.ip()) {
                self.shared.count(Count::ConnectionsRefused);
                continue;
            }
            match (listen.transport, &self.tls.accepts) {
                (Transport::Tls, Some(acceptor)) => {
                    let Ok(place) = Arc::clone(&self.handshakes).acquire_owned().await else { return };
                    let accepting = acceptor.current().accept(stream);
                    tokio::spawn(Arc::clone(&self).shake_hands(accepting, remote, port, place));
                }
                _ if self.open_tcp(stream, remote, port).is_err() => {
                    self.shared.count(Count::ConnectionsBroken);
                }
                _ => {}
            }
        }
    }

    /// Sees through the TLS handshake of a connection that came in.
    async fn shake_hands(
        self: Arc<Self>,
        accepting: tokio_rustls::Accept<TcpStream>,
        remote: SocketAddr,
        port: u16,
        place: OwnedSemaphorePermit,
    ) {
        let secured =
            timeout(HANDSHAKE_WITHIN, accepting).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()));
        drop(place);
        // Others may have come in meanwhile.
        let opened = secured.and_then(|stream| {
            if self.room_for(remote.ip()) { self.open_tls(stream.into(), remote, port) } else { Err(full()) }
        });
        if let Err(fault) = opened {
            self.shared.count(Count::ConnectionsBroken);
            if self.tells_of_handshakes() {
                tracing::warn!(%remote, %fault, "a TLS handshake failed; others of the next minute are only counted");
            }
        }
    }

    /// Whether a handshake that failed now is told of: one a minute is.
    fn tells_of_handshakes(&self) -> bool {
        let now = self.shared.now();
        let mut from = self.tells_from.lock().unwrap_or_else(PoisonError::into_inner);
        let tells = now >= *from;
        if tells {
            *from = now + HANDSHAKE_TOLD_EVERY;
        }
        tells
    }

    /// The connection to this peer that there is, or a new one.
    pub(super) async fn connect(self: &Arc<Self>, remote: SocketAddr) -> io::Result<Flow> {
        if let Some(flow) = self.find(remote, Transport::Tcp) {
            return Ok(flow);
        }
        let (stream, port) = self.reach(remote, Transport::Tcp).await?;
        self.open_tcp(stream, remote, port)
    }

    /// The same over TLS, to somebody whose certificate must say that this is its name.
    pub(super) async fn connect_tls(self: &Arc<Self>, remote: SocketAddr, name: &str) -> io::Result<Flow> {
        if let Some(flow) = self.find(remote, Transport::Tls) {
            return Ok(flow);
        }
        let Some(connector) = &self.tls.connects else { return Err(io::ErrorKind::Unsupported.into()) };
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let (stream, port) = self.reach(remote, Transport::Tls).await?;
        let stream = timeout(HANDSHAKE_WITHIN, connector.connect(name, stream)).await??;
        self.open_tls(stream.into(), remote, port)
    }

    /// A connection that nothing was said on yet, and the port that our Contact names on it.
    async fn reach(&self, remote: SocketAddr, transport: Transport) -> io::Result<(TcpStream, u16)> {
        if !self.room_for(remote.ip()) {
            self.shared.count(Count::ConnectionsRefused);
            return Err(full());
        }
        let stream = timeout(CONNECT_WITHIN, TcpStream::connect(remote)).await??;
        let fits =
            |listen: &&Listen| listen.transport == transport && listen.addr.is_ipv4() == remote.is_ipv4();
        let port = match self.listens.iter().find(fits) {
            Some(listen) => listen.addr.port(),
            // We take no such connections: the peer can only use this one.
            None => stream.local_addr()?.port(),
        };
        Ok((stream, port))
    }

    fn open_tcp(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr, port: u16) -> io::Result<Flow> {
        prepare(&stream)?;
        let (reader, writer) = stream.into_split();
        Ok(self.start(reader, writer, Transport::Tcp, remote, port))
    }

    fn open_tls(
        self: &Arc<Self>,
        stream: TlsStream<TcpStream>,
        remote: SocketAddr,
        port: u16,
    ) -> io::Result<Flow> {
        prepare(stream.get_ref().0)?;
        let (reader, writer) = tokio::io::split(stream);
        Ok(self.start(reader, writer, Transport::Tls, remote, port))
    }

    /// Starts reading and writing a connection.
    fn start<R, W>(
        self: &Arc<Self>,
        reader: R,
        writer: W,
        transport: Transport,
        remote: SocketAddr,
        port: u16,
    ) -> Flow
    where
        R: AsyncRead + Unpin + Send + 'static,
        W: AsyncWrite + Unpin + Send + 'static,
    {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let flow = Flow { transport, remote, bound: None, port, by: By::Connection(id) };
        let (queue, queued) = mpsc::channel(WRITES_QUEUED_MAX);
        let outbox = Arc::new(Outbox {
            queue,
            unwritten: AtomicUsize::new(0),
            written: Notify::new(),
            gone: self.stopped.child_token(),
        });
        self.open().insert(id, Connection { flow, outbox: Arc::clone(&outbox) });
        tokio::spawn(write(writer, queued, Arc::clone(&outbox), Arc::clone(&self.shared)));
        tokio::spawn(Arc::clone(self).read(reader, id, flow, outbox));
        flow
    }

    /// Reads a connection to its end, and tells the calls that it is gone.
    async fn read<R: AsyncRead + Unpin>(
        self: Arc<Self>,
        reader: R,
        id: u64,
        flow: Flow,
        outbox: Arc<Outbox>,
    ) {
        let ended = tokio::select! {
            ended = self.read_messages(reader, flow, &outbox) => ended,
            () = outbox.gone.cancelled() => Ok(()),
        };
        if ended.is_err() {
            self.shared.count(Count::ConnectionsBroken);
        }
        outbox.gone.cancel();
        self.open().remove(&id);
        // Nobody listens only when signalling has stopped.
        self.inputs.send(Input::Closed(id)).await.unwrap_or_default();
    }

    async fn read_messages<R: AsyncRead + Unpin>(
        &self,
        mut reader: R,
        flow: Flow,
        outbox: &Outbox,
    ) -> Result<(), Broken> {
        let mut buffer = Vec::new();
        loop {
            if buffer.is_empty()
                && !matches!(timeout(IDLE_MAX, reader.read_buf(&mut buffer)).await, Ok(Ok(1..)))
            {
                return Ok(());
            }
            let piece = match timeout(MESSAGE_WITHIN, next_piece(&mut reader, &mut buffer)).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Ok(()),
                Ok(Err(broken)) => {
                    self.shared.count(Count::Malformed);
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
                Piece::Message(message, flaw) => {
                    outbox.until_low().await;
                    self.inputs.send(Input::Message { message, flaw, flow }).await.unwrap_or_default();
                    if flaw == Some(Flaw::Length) {
                        // Where the next message begins nobody knows; this one is still answered.
                        return read_away(reader).await;
                    }
                }
                Piece::Ping => {
                    outbox.until_low().await;
                    outbox.push(&Packet::from(*b"\r\n"), &self.shared);
                }
                Piece::Nothing => {}
            }
        }
    }

    /// Whether one more from this address fits.
    fn room_for(&self, ip: IpAddr) -> bool {
        let (open, bounds) = (self.open(), &self.shared.bounds);
        let of_source = open.values().filter(|connection| connection.flow.remote.ip() == ip).count();
        open.len() < bounds.tcp_connections_max && of_source < bounds.tcp_connections_per_source_max
    }

    fn find(&self, remote: SocketAddr, transport: Transport) -> Option<Flow> {
        let open = self.open();
        let usable = |c: &&Connection| {
            c.flow.remote == remote && c.flow.transport == transport && !c.outbox.gone.is_cancelled()
        };
        open.values().find(usable).map(|connection| connection.flow)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        // Each holder leaves it whole at every step, so a panic elsewhere spoils nothing.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::ResourceBusy, "there are too many connections")
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_AFTER))
}

/// The next piece of the stream; `None` at its end. At most one message and one read are in the buffer.
async fn next_piece<R: AsyncRead + Unpin>(
    reader: &mut R,
    buffer: &mut Vec<u8>,
) -> Result<Option<Piece>, Broken> {
    loop {
        if let Some((piece, used)) = stream(buffer)? {
            buffer.drain(..used);
            return Ok(Some(piece));
        }
        if !matches!(reader.read_buf(buffer).await, Ok(1..)) {
            return Ok(None);
        }
    }
}

/// Reads what nobody can make sense of, until its sender has closed or has had time to hear our answer.
async fn read_away<R: AsyncRead + Unpin>(mut reader: R) -> Result<(), Broken> {
    let mut ignored = [0; 4096];
    let read = async { while matches!(reader.read(&mut ignored).await, Ok(1..)) {} };
    timeout(MESSAGE_WITHIN, read).await.map_or(Err(Broken), |()| Err(Broken))
}

/// Writes what is queued, until the connection is gone.
async fn write<W: AsyncWrite + Unpin>(
    mut writer: W,
    mut queued: mpsc::Receiver<Packet>,
    outbox: Arc<Outbox>,
    shared: Arc<Shared>,
) {
    loop {
        let packet = tokio::select! {
            Some(packet) = queued.recv() => packet,
            () = outbox.gone.cancelled() => break,
        };
        let written = async {
            writer.write_all(&packet).await?;
            // TLS keeps what it has not sent.
            writer.flush().await
        };
        match timeout(WRITE_WITHIN, written).await {
            Ok(Ok(())) => outbox.wrote(packet.len()),
            Ok(Err(_)) => break,
            Err(_) => {
                shared.count(Count::ConnectionsBroken);
                break;
            }
        }
    }
    outbox.gone.cancel();
}
