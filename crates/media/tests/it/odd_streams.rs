//! Streams as networks and odd telephones make them, over real sockets: what becomes of the call's figures and keys.
//! docs/sip.md has the same as a table.

use std::net::UdpSocket;
use std::time::Duration;

use aftercall_media::{Config, Happened, LegHandle, Quality, Stats};
use aftercall_wire::rtp::{HEADER_BYTES, Header, PayloadType};

use crate::peer::{EVENTS, LOOPBACK, Peer, Stage, agreed, config, fresh_ports};

/// Packets of a stream: a second of them.
const LENGTH: u16 = 50;

/// A telephone that sends whatever it is told to.
struct Odd {
    stage: Stage,
    socket: UdpSocket,
    leg: LegHandle,
    port: u16,
}

/// One packet.
#[derive(Debug, Clone, Copy)]
struct Sends {
    payload_type: PayloadType,
    sequence: u16,
    ssrc: u32,
}

impl Odd {
    fn calls() -> Self {
        Self::calls_with(config(fresh_ports(1)))
    }

    fn calls_with(config: Config) -> Self {
        let stage = Stage::with(config, 1000);
        let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let port = stage.engine.reserve_port().unwrap();
        let number = port.number();
        let leg = stage.engine.open(port, agreed(socket.local_addr().unwrap())).unwrap();
        Self { stage, socket, leg, port: number }
    }

    fn sends(&self, packets: impl IntoIterator<Item = Sends>) {
        for packet in packets {
            self.sends_to(self.port, packet, &[0x33; 160]);
        }
    }

    fn sends_to(&self, port: u16, packet: Sends, payload: &[u8]) {
        let Sends { payload_type, sequence, ssrc } = packet;
        let timestamp = 160 * u32::from(sequence);
        let header = Header { payload_type, marker: false, sequence, timestamp, ssrc };
        let mut bytes = [0; HEADER_BYTES];
        header.write(&mut bytes);
        self.socket.send_to(&[&bytes[..], payload].concat(), (LOOPBACK, port)).unwrap();
    }

    /// Presses 5, which is told when all before it has been taken; then hangs up.
    fn presses_a_key_and_ends(self, sequence: u16, ssrc: u32) -> (Stats, Option<Quality>) {
        self.sends_to(self.port, Sends { payload_type: EVENTS, sequence, ssrc }, &[5, 0x80, 3, 0x20]);
        loop {
            match self.stage.next() {
                Happened::Key { digit, .. } => break assert_eq!(digit.char(), '5'),
                Happened::FirstPacket { .. } => {}
                other => panic!("{other:?} instead of the key"),
            }
        }
        self.leg.close();
        match self.stage.next() {
            Happened::Closed { stats, quality } => (*stats, quality.map(|quality| *quality)),
            other => panic!("{other:?} after one key"),
        }
    }
}

fn audio(sequence: u16) -> Sends {
    Sends { payload_type: PayloadType::PCMU, sequence, ssrc: 3 }
}

fn figures(quality: &Quality) -> [u64; 5] {
    [quality.expected, quality.received, quality.lost, quality.late, quality.duplicates]
}

#[test]
fn a_second_that_comes_all_at_once_is_jitter_and_no_loss() {
    let odd = Odd::calls();
    odd.sends((0..LENGTH).map(audio));
    let (_, quality) = odd.presses_a_key_and_ends(LENGTH, 3);
    let quality = quality.unwrap();
    assert_eq!(figures(&quality), [51, 51, 0, 0, 0]);
    // Each packet came 20 ms early: the estimate creeps up to that.
    assert!(quality.jitter_max > Duration::from_millis(15) && quality.jitter_max < Duration::from_millis(21));
    assert!(quality.jitter_mean < quality.jitter_max && quality.jitter_mean > Duration::from_millis(8));
}

#[test]
fn a_fifth_lost_in_bursts_is_counted_and_heard_in_the_opinion() {
    let odd = Odd::calls();
    odd.sends((0..LENGTH).filter(|sequence| sequence % 25 < 20).map(audio));
    let (_, quality) = odd.presses_a_key_and_ends(LENGTH, 3);
    let quality = quality.unwrap();
    assert_eq!(figures(&quality), [51, 41, 10, 0, 0]);
    assert!((200..300).contains(&quality.mos_hundredths), "{quality:?}");
}

#[test]
fn doubled_packets_are_no_packets_more() {
    let odd = Odd::calls();
    odd.sends((0..LENGTH / 2).flat_map(|sequence| [audio(sequence); 2]));
    let (stats, quality) = odd.presses_a_key_and_ends(LENGTH / 2, 3);
    assert_eq!(figures(&quality.unwrap()), [26, 26, 0, 0, 25]);
    assert_eq!((stats.arrived.packets, stats.keys), (51, 1));
}

#[test]
fn packets_that_overtake_each_other_are_late_and_not_lost() {
    let odd = Odd::calls();
    odd.sends((0..LENGTH).map(|sequence| audio(sequence ^ 1)));
    let (_, quality) = odd.presses_a_key_and_ends(LENGTH, 3);
    assert_eq!(figures(&quality.unwrap()), [51, 51, 0, 25, 0]);
}

#[test]
fn a_new_source_goes_on_with_the_call_and_its_jump_is_no_loss() {
    let odd = Odd::calls();
    odd.sends((0..20).map(audio));
    odd.sends((40_000..40_020).map(|sequence| Sends { ssrc: 4, ..audio(sequence) }));
    let (stats, quality) = odd.presses_a_key_and_ends(40_020, 4);
    assert_eq!(figures(&quality.unwrap()), [41, 41, 0, 0, 0]);
    assert_eq!(stats.arrived.restarts, 1);
}

#[test]
fn the_other_law_is_understood_and_a_codec_not_agreed_on_is_counted_and_left() {
    let odd = Odd::calls();
    odd.sends((0..10).map(audio));
    odd.sends((10..20).map(|sequence| Sends { payload_type: PayloadType::PCMA, ..audio(sequence) }));
    let g729 = PayloadType::new(18).unwrap();
    odd.sends((20..30).map(|sequence| Sends { payload_type: g729, ..audio(sequence) }));
    let (stats, quality) = odd.presses_a_key_and_ends(30, 3);
    assert_eq!(figures(&quality.unwrap()), [31, 31, 0, 0, 0]);
    assert_eq!(stats.unknown_payloads, 10);
}

#[test]
fn comfort_noise_is_a_sign_of_life_and_nothing_else() {
    let odd = Odd::calls();
    odd.sends((0..10).map(audio));
    let noise = Sends { payload_type: PayloadType::new(13).unwrap(), ..audio(10) };
    odd.sends_to(odd.port, noise, &[70]);
    let (stats, quality) = odd.presses_a_key_and_ends(11, 3);
    assert_eq!(figures(&quality.unwrap()), [12, 12, 0, 0, 0]);
    assert_eq!((stats.unknown_payloads, stats.malformed), (0, 0));
}

#[test]
fn a_stream_that_stops_is_told_once_and_may_go_on() {
    let silent = Config { rtp_silence_after: Duration::from_millis(100), ..config(fresh_ports(1)) };
    let odd = Odd::calls_with(silent);
    odd.sends([audio(0)]);
    assert!(matches!(odd.stage.next(), Happened::FirstPacket { .. }));
    assert_eq!(odd.stage.next(), Happened::RtpSilence);
    // Two seconds of packets were never sent: their numbers go on, so nothing is lost.
    let (_, quality) = odd.presses_a_key_and_ends(1, 3);
    assert_eq!(figures(&quality.unwrap()), [2, 2, 0, 0, 0]);
}

#[test]
fn rtp_on_the_port_of_rtcp_is_not_heard() {
    let odd = Odd::calls();
    for sequence in 0..5 {
        odd.sends_to(odd.port + 1, audio(sequence), &[0x33; 160]);
    }
    odd.leg.close();
    let Happened::Closed { stats, quality } = odd.stage.next() else { panic!("not the end") };
    assert_eq!((stats.malformed, stats.arrived.packets, quality), (5, 0, None));
}

#[test]
fn a_call_without_any_rtp_has_no_quality() {
    let (stage, peer) = (Stage::new(), Peer::new());
    let leg = stage.engine.open(stage.engine.reserve_port().unwrap(), agreed(peer.address())).unwrap();
    peer.get();
    leg.close();
    let Happened::Closed { stats, quality } = stage.next() else { panic!("not the end") };
    assert!(stats.sent_packets > 0 && quality.is_none());
}
