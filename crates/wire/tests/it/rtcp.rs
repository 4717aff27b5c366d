use aftercall_wire::rtcp::{Block, COMPOUND_BYTES_MAX, Malformed, Outgoing, Part, Sent, is_rtcp, parse};
use proptest::prelude::*;

const SENT: Sent = Sent { ntp: 0x0102_0304_0506_0708, timestamp: 160, packets: 50, octets: 8000 };
const BLOCK: Block = Block {
    ssrc: 0xca11,
    fraction_lost: 64,
    lost: 5,
    highest: 0x0001_0002,
    jitter: 16,
    last_report: 0x0304_0506,
    delay: 65_536,
};

fn written(outgoing: &Outgoing<'_>) -> Vec<u8> {
    let mut out = [0; COMPOUND_BYTES_MAX];
    let length = outgoing.write(&mut out);
    out[..length].to_vec()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// What tshark 4 reads in these bytes: sender report of 7 with 0x0102030405060708, 160, 50 packets and 8000 octets;
/// of 0xca11 64/256 and 5 lost, 1 round and sequence number 2, jitter 16, last SR 50595078, 1000 ms ago; CNAME
/// "aftercall"; goodbye of 7.
#[test]
fn a_compound_is_written_as_the_rfc_draws_it() {
    let outgoing =
        Outgoing { ssrc: 7, sent: Some(SENT), block: Some(BLOCK), name: "aftercall", goodbye: true };
    let expected = hex("81 c8 000c 00000007 0102030405060708 000000a0 00000032 00001f40 \
         0000ca11 40 000005 00010002 00000010 03040506 00010000 \
         81 ca 0004 00000007 01 09 616674657263616c6c 00 \
         81 cb 0001 00000007");
    assert_eq!(written(&outgoing), expected);
    assert!(is_rtcp(&expected));
    let parts: Vec<_> = parse(&expected).unwrap().collect();
    let [Part::Report { ssrc: 7, sent: Some(SENT), blocks }, Part::Other, Part::Goodbye { ssrc: Some(7) }] =
        parts[..]
    else {
        panic!("{parts:?}")
    };
    assert_eq!(blocks.collect::<Vec<_>>(), [BLOCK]);
    assert_eq!(SENT.middle(), BLOCK.last_report);
}

#[test]
fn what_others_send_is_read_and_what_is_cut_off_is_refused() {
    for (what, bytes, expected) in [
        ("an empty receiver report", "80c9 0001 00000001", Ok(1)),
        ("a report, and XR behind it", "80c9 0001 00000001 80cf 0001 00000001", Ok(2)),
        ("a profile's extension behind the blocks", "80c9 0002 00000001 12345678", Ok(1)),
        ("a farewell with a reason", "81cb 0003 00000001 03 627965 00000000", Ok(1)),
        ("a farewell of nobody", "80cb 0000", Ok(1)),
        ("padding at the end", "80c9 0001 00000001 a0cb 0001 00000004", Ok(2)),
        ("padding of nothing", "a0c9 0001 00000000", Err(Malformed::Truncated)),
        ("padding longer than the packet", "a0c9 0001 00000005", Err(Malformed::Truncated)),
        ("a block that is not there", "81c9 0001 00000001", Err(Malformed::Truncated)),
        ("a sender report without its figures", "80c8 0001 00000001", Err(Malformed::Truncated)),
        ("a farewell of one who is not named", "81cb 0000", Err(Malformed::Truncated)),
        ("a length beyond the datagram", "80c9 ffff 00000001", Err(Malformed::Truncated)),
        ("a sound packet with rubbish behind it", "80c9 0001 00000001 00", Err(Malformed::Truncated)),
        (
            "another version behind the first",
            "80c9 0001 00000001 40c9 0001 00000001",
            Err(Malformed::Version),
        ),
        ("nothing", "", Err(Malformed::Truncated)),
        ("seventeen packets", &"80cf 0000 ".repeat(17), Err(Malformed::TooMany)),
    ] {
        assert_eq!(parse(&hex(bytes)).map(Iterator::count), expected, "{what}");
    }
}

#[test]
fn padding_is_no_content_and_nobody_is_no_source() {
    let one = |bytes: &str| match parse(&hex(bytes)) {
        Ok(mut parts) => Ok(format!("{:?}", parts.next().unwrap())),
        Err(malformed) => Err(malformed),
    };
    let said = |ssrc: Option<u32>| Ok(format!("{:?}", Part::Goodbye { ssrc }));
    assert_eq!(one("a1cb 0002 00000007 00000004"), said(Some(7)));
    assert_eq!(one("a2cb 0002 00000007 00000004"), Err(Malformed::Truncated), "one of the two is padding");
    assert_eq!(one("80cb 0001 00000007"), said(None), "what is behind nobody is no source");
    assert_eq!(one("81cb 0001 80000001"), said(Some(0x8000_0001)));
    let own = Outgoing { ssrc: 7, sent: Some(SENT), block: None, name: &"n".repeat(40), goodbye: true };
    let sent = Outgoing { block: Some(BLOCK), ..own };
    assert_eq!(written(&sent).len(), COMPOUND_BYTES_MAX, "the longest there is fills the buffer");
}

#[test]
fn a_datagram_is_rtcp_by_its_second_byte() {
    for (bytes, rtcp) in [
        (&[0x80, 191][..], false),
        (&[0x80, 192], true),
        (&[0x80, 223], true),
        (&[0x80, 224], false),
        (&[0x00, 200], false),
        (&[0x80], false),
    ] {
        assert_eq!(is_rtcp(bytes), rtcp, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        (ssrc, ntp, words, lost, fraction_lost) in
            (any::<u32>(), any::<u64>(), any::<[u32; 8]>(), -0x80_0000..0x80_0000_i32, any::<u8>()),
        (sends, hears, goodbye, name) in (any::<bool>(), any::<bool>(), any::<bool>(), "[ -~]{0,40}"),
    ) {
        let [timestamp, packets, octets, of, highest, jitter, last_report, delay] = words;
        let sent = sends.then_some(Sent { ntp, timestamp, packets, octets });
        let block = hears.then_some(Block { ssrc: of, fraction_lost, lost, highest, jitter, last_report, delay });
        let bytes = written(&Outgoing { ssrc, sent, block, name: &name, goodbye });
        let mut parts = parse(&bytes).unwrap();
        let Some(Part::Report { ssrc: read, sent: read_sent, blocks }) = parts.next() else {
            return Err(TestCaseError::fail("no report"));
        };
        prop_assert_eq!((read, read_sent), (ssrc, sent));
        prop_assert_eq!(blocks.collect::<Vec<_>>(), block.into_iter().collect::<Vec<_>>());
        prop_assert_eq!(parts.next(), Some(Part::Other));
        prop_assert_eq!(parts.next(), goodbye.then_some(Part::Goodbye { ssrc: Some(ssrc) }));
        for cut in 0..bytes.len() {
            // A compound cut between its packets is one, too; anywhere else it is none.
            prop_assert!(parse(&bytes[..cut]).is_err() || cut % 4 == 0 && cut > 0);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(parts) = parse(&bytes) {
            for part in parts {
                if let Part::Report { blocks, .. } = part {
                    prop_assert!(blocks.count() <= 31);
                }
            }
        }
    }
}
