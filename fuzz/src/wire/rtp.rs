use aftercall_wire::rtp::{HEADER_BYTES, Header, Packet, sequence_after, timestamp_after};

/// RTP packets: the payload lies within the datagram, and a header that is written is read as itself.
pub fn rtp(bytes: &[u8]) {
    let Ok(packet) = Packet::parse(bytes) else { return };
    let Packet { header, payload } = packet;
    assert!(bytes.len() >= HEADER_BYTES + payload.len());
    assert!(
        payload.is_empty() || bytes[HEADER_BYTES..].windows(payload.len()).any(|window| window == payload)
    );
    let mut written = [0; HEADER_BYTES];
    header.write(&mut written);
    let plain = [&written[..], payload].concat();
    assert_eq!(Packet::parse(&plain), Ok(packet), "without what is not ours");
    assert_eq!(bytes[1..HEADER_BYTES], written[1..], "only version and flags are chosen by us");
    let next = Header {
        sequence: header.sequence.wrapping_add(1),
        timestamp: header.timestamp.wrapping_add(160),
        ..header
    };
    assert_eq!(sequence_after(next.sequence, header.sequence), 1);
    assert_eq!(timestamp_after(next.timestamp, header.timestamp), 160);
}
