use aftercall_wire::rtp::{
    HEADER_BYTES, Header, Malformed, Packet, PayloadType, sequence_after, timestamp_after,
};
use proptest::prelude::*;

const HEADER: Header = Header {
    payload_type: PayloadType::PCMA,
    marker: true,
    sequence: 0x0102,
    timestamp: 0x0304_0506,
    ssrc: 0x0708_090a,
};

/// The bytes of [`HEADER`], spelled out: version 2, marker and type 8, then the counters.
const BYTES: [u8; HEADER_BYTES] = [0x80, 0x88, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

fn datagram(flags: u8, after_header: &[u8]) -> Vec<u8> {
    let mut bytes = BYTES.to_vec();
    bytes[0] = flags;
    bytes.extend_from_slice(after_header);
    bytes
}

#[test]
fn a_header_is_written_byte_by_byte_as_the_rfc_draws_it() {
    let mut out = [0xff; HEADER_BYTES];
    HEADER.write(&mut out);
    assert_eq!(out, BYTES);
    Header { marker: false, payload_type: PayloadType::PCMU, ..HEADER }.write(&mut out);
    assert_eq!(out[..2], [0x80, 0x00]);
}

#[test]
fn the_payload_is_what_remains_without_sources_extension_and_padding() {
    let everything = [[9; 8].as_slice(), &[0xbe, 0xde, 0, 1, 1, 1, 1, 1], b"abc", &[0, 0, 0, 4]].concat();
    for (flags, after_header, payload) in [
        (0x80, b"".as_slice(), b"".as_slice()),
        (0x80, b"abc", b"abc"),
        (0x82, b"8 bytes.abc", b"abc"),
        (0x90, &[0xbe, 0xde, 0, 0, b'x'], b"x"),
        (0x90, &[0xbe, 0xde, 0, 1, 1, 2, 3, 4, b'x'], b"x"),
        (0xa0, &[b'x', 0, 0, 3], b"x"),
        (0xa0, &[1], b""),
        (0xb2, &everything, b"abc"),
    ] {
        let bytes = datagram(flags, after_header);
        assert_eq!(Packet::parse(&bytes), Ok(Packet { header: HEADER, payload }), "flags {flags:#04x}");
    }
}

#[test]
fn what_is_not_rtp_is_refused_with_its_reason() {
    for (name, bytes, fault) in [
        ("nothing", vec![], Malformed::Truncated),
        ("one byte short", BYTES[..11].to_vec(), Malformed::Truncated),
        ("zeroes", vec![0; 200], Malformed::Version),
        ("version 1", datagram(0x40, b"abc"), Malformed::Version),
        ("version 3", datagram(0xc0, b"abc"), Malformed::Version),
        ("fifteen sources, none there", datagram(0x8f, b""), Malformed::Truncated),
        ("sources one byte short", datagram(0x81, b"abc"), Malformed::Truncated),
        ("half an extension header", datagram(0x90, &[0xbe, 0xde, 0]), Malformed::Truncated),
        ("extension of 65535 words", datagram(0x90, &[0xbe, 0xde, 0xff, 0xff, 0]), Malformed::Truncated),
        ("padding without a byte", datagram(0xa0, b""), Malformed::Padding),
        ("padding of zero", datagram(0xa0, &[1, 0]), Malformed::Padding),
        ("padding past the payload", datagram(0xa0, &[1, 3]), Malformed::Padding),
    ] {
        assert_eq!(Packet::parse(&bytes), Err(fault), "{name}");
    }
    for kind in 200..=207 {
        let mut bytes = datagram(0x80, b"report");
        bytes[1] = kind;
        assert_eq!(Packet::parse(&bytes), Err(Malformed::Rtcp), "RTCP type {kind}");
    }
}

#[test]
fn payload_types_have_seven_bits() {
    assert_eq!(PayloadType::new(127).map(PayloadType::number), Some(127));
    assert_eq!(PayloadType::new(128), None);
    assert_eq!((PayloadType::PCMU.number(), PayloadType::PCMA.number()), (0, 8));
    assert_eq!([95, 96, 127].map(|n| PayloadType::new(n).unwrap().is_dynamic()), [false, true, true]);
}

#[test]
fn counters_are_compared_across_their_wrap() {
    for (sequence, reference, after) in [
        (5, 5, 0),
        (6, 5, 1),
        (5, 6, -1),
        (0, 0xffff, 1),
        (0xffff, 0, -1),
        (2, 0xfffe, 4),
        (0x8000, 1, 0x7fff),
    ] {
        assert_eq!(sequence_after(sequence, reference), after);
    }
    for (timestamp, reference, after) in [(160, 0, 160), (100, u32::MAX - 59, 160), (u32::MAX, 0, -1)] {
        assert_eq!(timestamp_after(timestamp, reference), after);
    }
}

proptest! {
    #[test]
    fn no_datagram_makes_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(packet) = Packet::parse(&bytes) {
            prop_assert!(packet.payload.len() + HEADER_BYTES <= bytes.len());
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        number in (0..=127u8).prop_filter("RTCP", |n| !(64..=95).contains(n)),
        marker: bool, sequence: u16, timestamp: u32, ssrc: u32,
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let payload_type = PayloadType::new(number).unwrap();
        let header = Header { payload_type, marker, sequence, timestamp, ssrc };
        let mut out = [0; HEADER_BYTES];
        header.write(&mut out);
        let bytes = [out.as_slice(), &payload].concat();
        prop_assert_eq!(Packet::parse(&bytes), Ok(Packet { header, payload: &payload }));
    }
}
