//! A telephone's side of the line, and an engine to talk to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError, sync_channel};
use std::time::Duration;

use aftercall_media::{Agreed, Codec, Config, Direction, Engine, Event, Happened, PortRange, Ptime, Rtcp};
use aftercall_wire::rtp::{HEADER_BYTES, Header, Malformed, Packet, PayloadType};

/// What takes longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) const EVENTS: PayloadType = PayloadType::new(101).unwrap();
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An RTP packet as the peer got it.
pub(crate) struct Got {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct Peer {
    socket: UdpSocket,
    sequence: u16,
    /// How far time stamps go on in a packet.
    step: u32,
}

impl Peer {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        Self { socket, sequence: 0, step: 160 }
    }

    /// Sends packets of so many ticks from now on.
    pub(crate) fn step(&mut self, ticks: u32) {
        self.step = ticks;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) fn get(&self) -> Got {
        self.get_within(PATIENCE).unwrap()
    }

    pub(crate) fn get_within(&self, patience: Duration) -> Option<Got> {
        self.socket.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 2000];
        loop {
            let length = self.socket.recv(&mut bytes).ok()?;
            match Packet::parse(&bytes[..length]) {
                Ok(packet) => return Some(Got { header: packet.header, payload: packet.payload.to_vec() }),
                // A report to the neighbour below: the kernel hands out odd ports, too.
                Err(Malformed::Rtcp) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }

    /// The first packet whose payload is `byte` over and over.
    pub(crate) fn get_sound(&self, byte: u8) -> Got {
        let wanted = |got: &Got| got.payload.iter().all(|other| *other == byte);
        (0..200).map(|_| self.get()).find(wanted).unwrap()
    }

    pub(crate) fn send(&mut self, port: u16, payload_type: PayloadType, payload: &[u8]) {
        self.sequence += 1;
        let timestamp = self.step * u32::from(self.sequence);
        let header = Header { payload_type, marker: false, sequence: self.sequence, timestamp, ssrc: 0xca11 };
        let mut bytes = [0; HEADER_BYTES];
        header.write(&mut bytes);
        self.socket.send_to(&[&bytes[..], payload].concat(), (LOOPBACK, port)).unwrap();
    }

    pub(crate) fn speak(&mut self, port: u16) {
        self.send(port, PayloadType::PCMU, &[0x33; 160]);
    }
}

/// An engine and its events.
pub(crate) struct Stage {
    pub(crate) engine: Engine,
    pub(crate) events: Receiver<Event>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(config(fresh_ports(4)), 1000)
    }

    pub(crate) fn with(config: Config, room: usize) -> Self {
        let (sender, events) = sync_channel(room);
        let engine = Engine::start(config, move |event| match sender.try_send(event) {
            Err(TrySendError::Full(event)) => Err(event),
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        })
        .unwrap();
        Self { engine, events }
    }

    pub(crate) fn next(&self) -> Happened {
        self.events.recv_timeout(PATIENCE).unwrap().what
    }

    /// The next event but keys and first packets.
    pub(crate) fn result(&self) -> Happened {
        let passing = |event: &Happened| matches!(event, Happened::Key { .. } | Happened::FirstPacket { .. });
        (0..100).map(|_| self.next()).find(|event| !passing(event)).unwrap()
    }

    /// Whether nothing happens for the fifth of a second in which an engine with a leg ticks ten times.
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.recv_timeout(Duration::from_millis(200)) == Err(RecvTimeoutError::Timeout)
    }
}

pub(crate) fn config(ports: PortRange) -> Config {
    Config { bind: LOOPBACK, ..Config::new(ports) }
}

/// Even ports that no other test of this run uses, below those that the kernel hands out.
pub(crate) fn fresh_ports(count: u16) -> PortRange {
    static NEXT: AtomicU16 = AtomicU16::new(21_000);
    let low = NEXT.fetch_add(2 * count, Ordering::Relaxed);
    PortRange::new(low, low + 2 * count - 1).unwrap()
}

pub(crate) fn agreed(remote: SocketAddr) -> Agreed {
    Agreed {
        codec: Codec::Pcmu,
        audio: PayloadType::PCMU,
        heard: PayloadType::PCMU,
        events: Some(EVENTS),
        ptime: Ptime::USUAL,
        remote: Some(remote),
        direction: Direction::SendRecv,
        rtcp: Rtcp::Above,
    }
}
