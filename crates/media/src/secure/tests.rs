//! Our use of the transform, with libsrtp as the judge (`tests/vectors/srtp.py`), and what forgers can do: nothing.

use aftercall_wire::sdp::{SEED_BYTES, Seed};
use proptest::prelude::*;

use super::*;

const VECTORS: &str = include_str!("../../tests/vectors/srtp.txt");

fn key(suite: Suite, material: &[u8]) -> Key {
    let mut seed = [0; SEED_BYTES];
    seed[..material.len()].copy_from_slice(material);
    Seed::new(seed).key(suite)
}

/// Two telephones that have each other's keys.
fn pair(suite: Suite) -> [Secure; 2] {
    let keys = keys(suite, 1, 2);
    let mirrored = Keys { ours: keys.theirs, theirs: keys.ours, ..keys };
    [Secure::new(&keys).unwrap(), Secure::new(&mirrored).unwrap()]
}

fn keys(suite: Suite, ours: u8, theirs: u8) -> Keys {
    Keys { tag: 1, ours: key(suite, &[ours; SEED_BYTES]), theirs: key(suite, &[theirs; SEED_BYTES]) }
}

fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
    let header = Header {
        payload_type: aftercall_wire::rtp::PayloadType::PCMU,
        marker: false,
        sequence,
        timestamp: 160 * u32::from(sequence),
        ssrc,
    };
    let mut bytes = [0; aftercall_wire::rtp::HEADER_BYTES];
    header.write(&mut bytes);
    [&bytes[..], &sequence.to_be_bytes().repeat(80)].concat()
}

fn sealed(secure: &mut Secure, packet: &[u8]) -> Vec<u8> {
    secure.seal(packet).unwrap().as_ref().to_vec()
}

fn opened(secure: &mut Secure, datagram: &[u8]) -> Result<Vec<u8>, NotOpened> {
    secure.open(datagram).map(|packet| packet.as_ref().to_vec())
}

fn opened_report(secure: &mut Secure, datagram: &[u8]) -> Result<Vec<u8>, NotOpened> {
    secure.open_report(datagram).map(|packet| packet.as_ref().to_vec())
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A line of the vectors.
struct Vector {
    is_rtp: bool,
    clear: Vec<u8>,
    protected: Vec<u8>,
}

/// The vectors of one suite, and its key in them.
fn vectors(suite: Suite) -> (Key, Vec<Vector>) {
    let mut used = None;
    let lines = VECTORS.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        let [name, material, kind, clear, protected] = words[..] else { panic!("{line}") };
        (name == suite.name()).then(|| {
            used = Some(key(suite, &hex(material)));
            Vector { is_rtp: kind == "RTP", clear: hex(clear), protected: hex(protected) }
        })
    });
    let lines: Vec<_> = lines.collect();
    (used.unwrap(), lines)
}

#[test]
fn what_we_send_is_what_libsrtp_sends_and_what_it_sends_is_heard() {
    for suite in Suite::ALL {
        let (key, vectors) = vectors(suite);
        let keys = Keys { tag: 1, ours: key, theirs: key };
        let (mut sends, mut hears) = (Secure::new(&keys).unwrap(), Secure::new(&keys).unwrap());
        assert!(vectors.len() == 19, "{suite:?}");
        for (at, Vector { is_rtp, clear, protected }) in vectors.into_iter().enumerate() {
            if is_rtp {
                assert_eq!(sealed(&mut sends, &clear), protected, "{suite:?} {at}");
                assert_eq!(opened(&mut hears, &protected), Ok(clear), "{suite:?} {at}");
            } else {
                let ours = sends.seal_report(&clear).unwrap().as_ref().to_vec();
                assert_eq!(ours, protected, "{suite:?} {at}");
                assert_eq!(opened_report(&mut hears, &protected), Ok(clear), "{suite:?} {at}");
                assert_eq!(
                    opened_report(&mut hears, &protected),
                    Err(NotOpened::Forged),
                    "{suite:?} {at}, again"
                );
            }
        }
    }
}

#[test]
fn what_the_peer_did_not_send_is_not_heard_and_changes_nothing() {
    for suite in Suite::ALL {
        let [mut us, mut peer] = pair(suite);
        let first = sealed(&mut peer, &packet(7, 1000));
        // Before anything real came: far ahead, so that it would push the window over what is to come.
        let mut ahead = sealed(&mut Secure::new(&keys(suite, 9, 9)).unwrap(), &packet(7, 20_000));
        assert_eq!(opened(&mut us, &ahead), Err(NotOpened::Forged), "{suite:?}: another key");
        assert_eq!(opened(&mut us, &packet(7, 20_000)), Err(NotOpened::Forged), "{suite:?}: in the clear");
        for at in 0..first.len() {
            let mut changed = first.clone();
            changed[at] ^= 1;
            assert!(opened(&mut us, &changed).is_err(), "{suite:?}: a bit of byte {at}");
        }
        for length in 0..first.len() {
            assert!(opened(&mut us, &first[..length]).is_err(), "{suite:?}: {length} bytes");
        }
        assert_eq!(opened(&mut us, &first), Ok(packet(7, 1000)), "{suite:?}");
        assert_eq!(opened(&mut us, &first), Err(NotOpened::Forged), "{suite:?}: sent again");
        ahead[2..4].copy_from_slice(&30_000_u16.to_be_bytes());
        assert_eq!(opened(&mut us, &ahead), Err(NotOpened::Forged), "{suite:?}: with a source that is known");
        let next = sealed(&mut peer, &packet(7, 1001));
        assert_eq!(opened(&mut us, &next), Ok(packet(7, 1001)), "{suite:?}");
    }
}

#[test]
fn a_packet_may_be_late_but_not_too_late() {
    let [mut us, mut peer] = pair(Suite::AesCm128HmacSha1_80);
    let sent: Vec<_> = (0..=100).map(|sequence| sealed(&mut peer, &packet(7, sequence))).collect();
    for (sequence, heard) in
        [(0, true), (100, true), (99, true), (37, true), (36, false), (99, false), (98, true)]
    {
        assert_eq!(opened(&mut us, &sent[sequence]).is_ok(), heard, "{sequence}");
    }
}

#[test]
fn sources_that_nobody_authenticated_leave_nothing_behind() {
    let suite = Suite::AesCm128HmacSha1_80;
    let [mut us, mut peer] = pair(suite);
    for ssrc in 0..1000 {
        assert_eq!(opened(&mut us, &packet(ssrc, 1)), Err(NotOpened::Forged));
    }
    assert_eq!(us.hears.len(), 0);
    // The peer's own are heard side by side, and each keeps its window.
    let sources = 0..SOURCES_MAX as u32;
    let sent: Vec<_> = sources.clone().map(|ssrc| sealed(&mut peer, &packet(ssrc, 1))).collect();
    assert!(sent.iter().all(|datagram| opened(&mut us, datagram).is_ok()));
    assert!(sent.iter().all(|datagram| opened(&mut us, datagram).is_err()), "sent again");
    let beyond = sealed(&mut peer, &packet(99, 1));
    assert_eq!((opened(&mut us, &beyond), us.hears.len()), (Err(NotOpened::Forged), SOURCES_MAX));
    for ssrc in sources {
        let next = sealed(&mut peer, &packet(ssrc, 2));
        assert!(opened(&mut us, &next).is_ok());
    }
}

#[test]
fn the_same_keys_count_on_and_new_ones_begin_anew() {
    let suite = Suite::AesCm128HmacSha1_80;
    let [mut us, mut peer] = pair(suite);
    // Both sides are behind a roll-over.
    for sequence in [0x7000, 0xe000, 0x1000] {
        let (heard, said) = (sealed(&mut peer, &packet(7, sequence)), sealed(&mut us, &packet(8, sequence)));
        assert_eq!(opened(&mut us, &heard), Ok(packet(7, sequence)));
        assert_eq!(opened(&mut peer, &said), Ok(packet(8, sequence)));
    }
    us.take(Secure::new(&Keys { tag: 5, ..keys(suite, 1, 2) }).unwrap());
    let (heard, said) = (sealed(&mut peer, &packet(7, 0x1001)), sealed(&mut us, &packet(8, 0x1001)));
    assert_eq!(opened(&mut us, &heard), Ok(packet(7, 0x1001)), "the same keys");
    assert_eq!(opened(&mut us, &heard), Err(NotOpened::Forged), "the window is kept, too");
    assert_eq!(opened(&mut peer, &said), Ok(packet(8, 0x1001)));
    // The peer has a new key; ours goes on.
    let mirrored = Keys { tag: 1, ours: key(suite, &[3; 46]), theirs: key(suite, &[1; 46]) };
    let before = sealed(&mut peer, &packet(7, 0x1002));
    peer.take(Secure::new(&mirrored).unwrap());
    us.take(Secure::new(&keys(suite, 1, 3)).unwrap());
    let (heard, said) = (sealed(&mut peer, &packet(7, 0x1003)), sealed(&mut us, &packet(8, 0x1002)));
    assert_eq!(opened(&mut us, &heard), Ok(packet(7, 0x1003)), "a new key");
    assert_eq!(opened(&mut us, &before), Err(NotOpened::Forged), "the old key");
    assert_eq!(opened(&mut peer, &said), Ok(packet(8, 0x1002)), "our key was the same");
}

#[test]
fn a_report_that_says_it_is_not_encrypted_is_a_forgery() {
    let report = hex("81c8000bcafebabeabababababababababababababababab");
    for suite in Suite::ALL {
        let [mut us, mut peer] = pair(suite);
        let sent = peer.seal_report(&report).unwrap().as_ref().to_vec();
        for at in 0..sent.len() {
            // Of the header nothing but its source is looked at before it is authenticated.
            let mut changed = sent.clone();
            changed[at] ^= 0x80;
            assert!(opened_report(&mut us, &changed).is_err(), "{suite:?}: the first bit of byte {at}");
        }
        let tail = if report.len() + 4 + 16 == sent.len() { 0 } else { 10 };
        let plain = [&report[..], &[0, 0, 0, 1], &vec![0; tail]].concat();
        assert_eq!(opened_report(&mut us, &plain), Err(NotOpened::Forged), "{suite:?}: in the clear");
        assert!((0..sent.len()).all(|length| opened_report(&mut us, &sent[..length]).is_err()), "{suite:?}");
        assert_eq!(opened_report(&mut us, &sent), Ok(report.clone()), "{suite:?}");
    }
}

#[test]
fn keys_are_for_one_suite_and_are_not_shown() {
    let one = keys(Suite::AeadAes128Gcm, b'K', b'K');
    let other = Keys { theirs: key(Suite::AesCm128HmacSha1_80, b"K"), ..one };
    assert_eq!(Secure::new(&other).err(), Some(BadKeys));
    assert_eq!(format!("{:?}", Secure::new(&one).unwrap()), "Secure(AEAD_AES_128_GCM)");
}

proptest! {
    #[test]
    fn no_datagram_makes_it_panic_and_none_is_taken(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        datagram in prop::collection::vec(any::<u8>(), 0..120),
        first in 0x80_u8..0xc0,
    ) {
        let [mut us, _] = pair(suite);
        let likely = [&[first], &datagram[..]].concat();
        for datagram in [&datagram, &likely] {
            prop_assert!(us.open(datagram).is_err() && us.open_report(datagram).is_err());
            us.seal(datagram);
            us.seal_report(datagram);
        }
        prop_assert_eq!(us.hears.len(), 0);
    }

    #[test]
    fn what_one_says_the_other_hears_whatever_is_lost_and_however_often_the_numbers_turn_over(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        first in 0_u16..0x8000,
        stride in 1_u16..700,
        fates in prop::collection::vec((prop::bool::weighted(0.3), any::<bool>()), 200),
    ) {
        let [mut us, mut peer] = pair(suite);
        let numbers = (0..200_u16).map(|at| packet(7, first.wrapping_add(at.wrapping_mul(stride))));
        let mut sent: Vec<_> = numbers.map(|clear| (sealed(&mut peer, &clear), clear)).collect();
        for at in (1..199).step_by(2).filter(|at| fates[*at].1 && usize::from(stride) < WINDOW_PACKETS) {
            sent.swap(at, at + 1);
        }
        for ((protected, clear), (lost, _)) in sent.into_iter().zip(fates) {
            if !lost {
                prop_assert_eq!(opened(&mut us, &protected), Ok(clear));
            }
        }
    }
}
