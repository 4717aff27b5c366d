//! Legs that speak SRTP, over real sockets.

use std::net::UdpSocket;
use std::time::Duration;

use aftercall_media::{Happened, Keys, Secure};
use aftercall_wire::rtp::{HEADER_BYTES, Header, Packet, PayloadType};
use aftercall_wire::sdp::{SEED_BYTES, Seed, Suite};

use crate::peer::{LOOPBACK, Stage, agreed};

fn keys(ours: u8, theirs: u8) -> Keys {
    let key = |byte| Seed::new([byte; SEED_BYTES]).key(Suite::AeadAes128Gcm);
    Keys { tag: 1, ours: key(ours), theirs: key(theirs) }
}

/// The same keys, seen from the other side.
fn mirrored(keys: &Keys) -> Secure {
    Secure::new(&Keys { ours: keys.theirs, theirs: keys.ours, ..*keys }).unwrap()
}

fn datagram(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = [0; 2000];
    let length = socket.recv(&mut bytes).unwrap();
    bytes[..length].to_vec()
}

/// The number of the first packet within a second that these keys open.
fn heard(socket: &UdpSocket, secure: &mut Secure) -> Option<u16> {
    (0..50).find_map(|_| {
        let opened = secure.open(&datagram(socket)).ok()?;
        Some(Packet::parse(opened.as_ref()).unwrap().header.sequence)
    })
}

fn spoken(sequence: u16) -> Vec<u8> {
    let payload_type = PayloadType::PCMU;
    let timestamp = 160 * u32::from(sequence);
    let mut head = [0; HEADER_BYTES];
    Header { payload_type, marker: false, sequence, timestamp, ssrc: 9 }.write(&mut head);
    [&head[..], &[0x33; 160]].concat()
}

#[test]
fn a_leg_takes_new_keys_and_counts_on_with_those_it_has() {
    let stage = Stage::new();
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let port = stage.engine.reserve_port().unwrap();
    let to = (LOOPBACK, port.number());
    let [first, second] = [keys(1, 2), keys(3, 4)];
    let agreed = agreed(socket.local_addr().unwrap());
    let leg = stage.engine.open_secure(port, agreed, Some(&first)).unwrap();
    let mut peer = mirrored(&first);
    assert_eq!(datagram(&socket).len(), HEADER_BYTES + 160 + 16);
    let began = heard(&socket, &mut peer).expect("the first keys");
    assert!(began < 0x8000, "the numbers begin in the lower half (RFC 3711, 3.3.1): {began}");
    socket.send_to(&spoken(1), to).unwrap();
    let sealed = peer.seal(&spoken(2)).unwrap().as_ref().to_vec();
    socket.send_to(&sealed, to).unwrap();
    assert!(matches!(stage.next(), Happened::FirstPacket { .. }));
    // The same keys: what came before is remembered, and our own stream goes on.
    leg.secure(Some(&first)).unwrap();
    leg.update(agreed).unwrap();
    assert!(heard(&socket, &mut peer).is_some());
    socket.send_to(&sealed, to).unwrap();
    let sealed = peer.seal(&spoken(3)).unwrap().as_ref().to_vec();
    socket.send_to(&sealed, to).unwrap();
    assert!(heard(&socket, &mut peer).is_some());
    // New ones: the old are worth nothing.
    leg.secure(Some(&second)).unwrap();
    let mut renewed = mirrored(&second);
    assert!(heard(&socket, &mut renewed).is_some(), "the second keys");
    assert_eq!(heard(&socket, &mut peer), None);
    let sealed = peer.seal(&spoken(4)).unwrap().as_ref().to_vec();
    socket.send_to(&sealed, to).unwrap();
    let sealed = renewed.seal(&spoken(5)).unwrap().as_ref().to_vec();
    socket.send_to(&sealed, to).unwrap();
    assert!(heard(&socket, &mut renewed).is_some());
    drop(leg);
    let Happened::Closed { stats, .. } = stage.result() else { panic!("the leg's end") };
    let counted = (stats.arrived.packets, stats.forged, stats.malformed, stats.strangers, stats.send_faults);
    assert_eq!(counted, (3, 3, 0, 0, 0));
    assert!(stage.is_quiet());
}

#[test]
fn what_is_no_packet_is_counted_as_that() {
    let stage = Stage::new();
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let port = stage.engine.reserve_port().unwrap();
    let to = (LOOPBACK, port.number());
    let agreed = agreed(socket.local_addr().unwrap());
    let leg = stage.engine.open_secure(port, agreed, Some(&keys(1, 2))).unwrap();
    for rubbish in [&b"\r\n\r\n"[..], &[0x80; 11], &[0x40; 60], &[0x33; 1600]] {
        socket.send_to(rubbish, to).unwrap();
    }
    (0..5).for_each(|_| drop(datagram(&socket)));
    drop(leg);
    let Happened::Closed { stats, .. } = stage.result() else { panic!("the leg's end") };
    assert_eq!((stats.malformed, stats.forged, stats.arrived.packets), (4, 0, 0));
}
