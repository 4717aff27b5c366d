use aftercall_wire::rtcp::{COMPOUND_BYTES_MAX, Outgoing, Part, is_rtcp, parse};
use aftercall_wire::rtp::Packet;

/// RTCP compounds: what is read of a report is written and read as the same; what is RTCP on a shared port is never
/// RTP; two compounds on end are one of all their packets.
pub fn rtcp(bytes: &[u8]) {
    assert!(!is_rtcp(bytes) || Packet::parse(bytes).is_err(), "a datagram is one or the other");
    let Ok(parts) = parse(bytes) else { return };
    let parts: Vec<_> = parts.collect();
    assert!((1..=16).contains(&parts.len()) && parts.len() * 4 <= bytes.len());
    for part in &parts {
        written_and_read_again(part);
    }
    let doubled = [bytes, bytes].concat();
    match parse(&doubled) {
        Ok(both) => assert!(both.eq(parts.iter().chain(&parts).copied())),
        Err(_) => assert!(parts.len() > 8, "too many are too many"),
    }
}

fn written_and_read_again(part: &Part<'_>) {
    let Part::Report { ssrc, sent, mut blocks } = *part else { return };
    assert!(blocks.into_iter().count() <= 31);
    let block = blocks.next();
    let mut out = [0; COMPOUND_BYTES_MAX];
    let length = Outgoing { ssrc, sent, block, name: "fuzz", goodbye: true }.write(&mut out);
    let mut again = parse(&out[..length]).expect("what we write is RTCP");
    let Some(Part::Report { ssrc: same, sent: said, blocks }) = again.next() else { panic!("no report") };
    assert_eq!((same, said), (ssrc, sent));
    assert!(blocks.into_iter().eq(block));
    assert!(again.eq([Part::Other, Part::Goodbye { ssrc: Some(ssrc) }]));
}
