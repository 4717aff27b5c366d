//! RTCP over real sockets: where reports go, what they say, and what is learnt from the peer's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use aftercall_media::{Agreed, Happened, LegHandle, PeerView, Quality, Rtcp};
use aftercall_wire::rtcp::{Block, COMPOUND_BYTES_MAX, Outgoing, Part, Sent, is_rtcp, parse};
use aftercall_wire::rtp::{HEADER_BYTES, Header, PayloadType};

use crate::peer::{LOOPBACK, PATIENCE, Stage, agreed, fresh_ports};

const THEIRS: u32 = 0xca11;

/// A telephone with both sockets, RTP on an even port.
struct Telephone {
    rtp: UdpSocket,
    control: UdpSocket,
    leg: LegHandle,
    port: u16,
}

/// A compound as it came.
#[derive(Debug)]
struct Compound {
    from: SocketAddr,
    ssrc: u32,
    sent: Option<Sent>,
    block: Option<Block>,
    goodbye: bool,
}

impl Telephone {
    fn calls(stage: &Stage, rtcp: Rtcp) -> Self {
        let low: u16 = fresh_ports(1).to_string().split('-').next().unwrap().parse().unwrap();
        let rtp = UdpSocket::bind((LOOPBACK, low)).unwrap();
        let control = match rtcp {
            Rtcp::Port(port) => UdpSocket::bind((LOOPBACK, port)),
            Rtcp::Above | Rtcp::Muxed => UdpSocket::bind((LOOPBACK, low + 1)),
        };
        let port = stage.engine.reserve_port().unwrap();
        let number = port.number();
        let agreed = Agreed { rtcp, ..agreed(rtp.local_addr().unwrap()) };
        let leg = stage.engine.open(port, agreed).unwrap();
        Self { rtp, control: control.unwrap(), leg, port: number }
    }

    /// Twenty-five packets of ours come and go, behind those that came before.
    fn hears_half_a_second(&self) {
        self.rtp.set_nonblocking(true).unwrap();
        while self.rtp.recv(&mut [0; 2000]).is_ok() {}
        self.rtp.set_nonblocking(false).unwrap();
        self.rtp.set_read_timeout(Some(PATIENCE)).unwrap();
        for _ in 0..25 {
            self.rtp.recv(&mut [0; 2000]).unwrap();
        }
    }

    /// Speaks, and is heard when the first of these packets is told of.
    fn speaks(&self, stage: &Stage, sequences: &[u16]) {
        for &sequence in sequences {
            let timestamp = 160 * u32::from(sequence);
            let header =
                Header { payload_type: PayloadType::PCMU, marker: false, sequence, timestamp, ssrc: THEIRS };
            let mut bytes = [0; HEADER_BYTES];
            header.write(&mut bytes);
            self.rtp.send_to(&[&bytes[..], &[0x33; 160]].concat(), (LOOPBACK, self.port)).unwrap();
        }
        assert!(matches!(stage.next(), Happened::FirstPacket { .. }));
    }
}

fn next_report(socket: &UdpSocket) -> Compound {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 2000];
    loop {
        let (length, from) = socket.recv_from(&mut bytes).unwrap();
        if is_rtcp(&bytes[..length]) {
            return read(&bytes[..length], from);
        }
    }
}

fn read(bytes: &[u8], from: SocketAddr) -> Compound {
    let parts: Vec<_> = parse(bytes).unwrap().collect();
    let Some(Part::Report { ssrc, sent, mut blocks }) = parts.first().copied() else { panic!("{parts:?}") };
    let goodbye = parts.contains(&Part::Goodbye { ssrc: Some(ssrc) });
    Compound { from, ssrc, sent, block: blocks.next(), goodbye }
}

/// The peer's view: of this stream it lost 3, with a jitter of 5 ms.
fn view_of(ssrc: u32, last_report: u32) -> Vec<u8> {
    let block = Block { ssrc, fraction_lost: 9, lost: 3, highest: 99, jitter: 40, last_report, delay: 0 };
    let mut out = [0; COMPOUND_BYTES_MAX];
    let report = Outgoing { ssrc: THEIRS, sent: None, block: Some(block), name: "them", goodbye: false };
    let length = report.write(&mut out);
    out[..length].to_vec()
}

fn quality(stage: &Stage) -> Option<Quality> {
    match stage.result() {
        Happened::Closed { quality, .. } => quality.map(|quality| *quality),
        other => panic!("{other:?} instead of the leg's end"),
    }
}

#[test]
fn reports_go_to_the_port_above_and_tell_of_both_streams_and_then_goodbye() {
    let stage = Stage::new();
    let telephone = Telephone::calls(&stage, Rtcp::Above);
    telephone.speaks(&stage, &[1, 2, 3, 5, 6]);
    let report = next_report(&telephone.control);
    assert_eq!(report.from, SocketAddr::new(LOOPBACK, telephone.port + 1));
    assert!(!report.goodbye && report.sent.is_some_and(|sent| sent.packets > 10), "{report:?}");
    let block = report.block.unwrap();
    assert_eq!((block.ssrc, block.highest, block.lost), (THEIRS, 6, 1));
    telephone.leg.close();
    let last = next_report(&telephone.control);
    assert!(last.goodbye && last.ssrc == report.ssrc, "{last:?}");
    let quality = quality(&stage).unwrap();
    assert_eq!((quality.expected, quality.received, quality.lost), (6, 5, 1));
    assert_eq!((quality.peer, quality.round_trip), (None, None));
}

#[test]
fn the_peers_view_and_the_way_there_and_back_are_learnt_from_its_report() {
    let stage = Stage::new();
    let telephone = Telephone::calls(&stage, Rtcp::Above);
    telephone.speaks(&stage, &[1, 2]);
    let report = next_report(&telephone.control);
    let answer = view_of(report.ssrc, report.sent.unwrap().middle());
    telephone.control.send_to(&answer, report.from).unwrap();
    telephone.hears_half_a_second();
    telephone.leg.close();
    let quality = quality(&stage).unwrap();
    assert_eq!(quality.peer, Some(PeerView { lost: 3, jitter: Duration::from_millis(5) }));
    // By the kernel's stamp, however long the answer has lain there.
    assert!(quality.round_trip.is_some_and(|time| time < Duration::from_millis(300)), "{quality:?}");
}

#[test]
fn where_both_share_a_port_reports_come_and_go_with_rtp() {
    let stage = Stage::new();
    let telephone = Telephone::calls(&stage, Rtcp::Muxed);
    telephone.speaks(&stage, &[1, 2]);
    let report = next_report(&telephone.rtp);
    assert_eq!(report.from, SocketAddr::new(LOOPBACK, telephone.port));
    telephone.rtp.send_to(&view_of(report.ssrc, 0), report.from).unwrap();
    // Only when this is answered has the one before it been taken.
    let second = next_report(&telephone.rtp);
    telephone.leg.close();
    assert!(!second.goodbye && next_report(&telephone.rtp).goodbye);
    assert_eq!(quality(&stage).unwrap().peer.unwrap().lost, 3);
    telephone.control.set_nonblocking(true).unwrap();
    assert!(telephone.control.recv(&mut [0; 100]).is_err(), "nothing came to the port above");
}

#[test]
fn a_port_that_the_peer_named_gets_the_reports() {
    let stage = Stage::new();
    let named: u16 = fresh_ports(1).to_string().split('-').next().unwrap().parse().unwrap();
    let telephone = Telephone::calls(&stage, Rtcp::Port(named));
    telephone.leg.close();
    let only = next_report(&telephone.control);
    assert!(only.goodbye && only.block.is_none(), "{only:?}");
    assert_eq!(quality(&stage), None, "nothing came");
}

#[test]
fn a_stranger_s_view_is_not_believed() {
    let stage = Stage::new();
    let telephone = Telephone::calls(&stage, Rtcp::Above);
    telephone.speaks(&stage, &[1, 2]);
    let report = next_report(&telephone.control);
    let stranger = UdpSocket::bind((IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0)).unwrap();
    stranger.send_to(&view_of(report.ssrc, report.sent.unwrap().middle()), report.from).unwrap();
    telephone.leg.close();
    let Happened::Closed { stats, quality } = stage.result() else { panic!("no end") };
    assert_eq!((quality.unwrap().peer, stats.strangers), (None, 1));
}
