use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aftercall_wire::Codec;
use aftercall_wire::sdp::{Description, Direction, Local, agreed_from_answer, answer, offer};

/// Session descriptions: an offer that is answered is answered in full, with something that both sides read the same
/// way, and nothing of it comes through but what an answer repeats. As an answer to our own offer it agrees to no more
/// than was offered.
pub fn sdp(bytes: &[u8]) {
    let Ok(theirs) = Description::parse(bytes) else { return };
    let ours = [
        local(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)), Direction::SendRecv),
        local(IpAddr::V6(Ipv6Addr::LOCALHOST), Direction::SendOnly),
    ];
    for local in &ours {
        answered(bytes, &theirs, local);
        if let Ok(agreed) = agreed_from_answer(&theirs, local) {
            assert!(local.codecs.contains(&agreed.codec));
            assert!(!agreed.direction.sends() || local.direction.sends());
            assert!(agreed.ptime_ms.is_multiple_of(10) && (10..=60).contains(&agreed.ptime_ms));
        }
    }
}

fn local(address: IpAddr, direction: Direction) -> Local<'static> {
    Local {
        address,
        port: 40_000,
        session_id: 1,
        version: 2,
        codecs: &Codec::ALL,
        ptime_ms: 20,
        direction,
        events: true,
        // Keys are read whatever we take; with this they are taken, too.
        srtp: aftercall_wire::sdp::Srtp::Taken(aftercall_wire::sdp::Seed::new(
            [7; aftercall_wire::sdp::SEED_BYTES],
        )),
    }
}

fn answered(bytes: &[u8], theirs: &Description, local: &Local<'_>) {
    let Ok((text, agreed)) = answer(theirs, local) else { return };
    assert!(local.codecs.contains(&agreed.codec));
    assert!(agreed.remote.is_none_or(|remote| remote.port() != 0 && !remote.ip().is_unspecified()));
    assert!(agreed.ptime_ms.is_multiple_of(10) && (10..=60).contains(&agreed.ptime_ms));
    let lines: Vec<&str> = text.strip_suffix("\r\n").expect("lines end").split("\r\n").collect();
    let bare = |line: &&str| !line.contains(['\r', '\n']) && line.as_bytes().get(1) == Some(&b'=');
    assert!(lines.iter().all(bare), "{text:?}");
    let streams: Vec<&&str> = lines.iter().filter(|line| line.starts_with("m=")).collect();
    let accepted = streams.iter().filter(|line| line.split(' ').nth(1) != Some("0")).count();
    assert_eq!(accepted, 1, "{text}");
    // RFC 3264, 6: one line for each that was offered, in order.
    let offered =
        bytes.split(|byte| *byte == b'\n').filter(|line| line.trim_ascii().starts_with(b"m=")).count();
    assert!(streams.len() <= offered, "{text}");
    let known = [
        "v=0",
        "o=- 1 2 IN IP",
        "s=-",
        "c=IN IP",
        "t=",
        "m=",
        "a=rtpmap:",
        "a=fmtp:",
        "a=ptime:",
        "a=rtcp",
        "a=send",
        "a=recv",
        "a=inactive",
    ];
    assert!(lines.iter().all(|line| known.iter().any(|known| line.starts_with(known))), "{text}");
    reads_as_agreed(&text, theirs, local);
}

/// The answer, read by whoever made the offer, and then offered back to them.
fn reads_as_agreed(text: &str, theirs: &Description, local: &Local<'_>) {
    let read = Description::parse(text.as_bytes()).expect("our own answer is a description");
    let (again, agreed) = answer(theirs, local).expect("it was answered before");
    assert_eq!(text, again, "the same offer has the same answer");
    let peer = Local { address: local.address, direction: Direction::SendRecv, ..*local };
    let (_, theirs_of_it) = answer(&read, &peer).expect("our answer offers what was agreed on");
    assert_eq!(theirs_of_it.codec, agreed.codec);
    assert_eq!(theirs_of_it.receive, agreed.receive, "the number of the codec");
    assert_eq!(theirs_of_it.direction, agreed.direction.reversed());
    assert_eq!(
        theirs_of_it.events.map(|events| (events.receive, events.clock_hz)),
        agreed.events.map(|events| (events.receive, events.clock_hz))
    );
    assert!(Description::parse(offer(local).as_bytes()).is_ok());
}
