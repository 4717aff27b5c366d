use std::net::IpAddr;

use aftercall_wire::Codec;
use aftercall_wire::rtp::PayloadType;
use aftercall_wire::sdp::{
    Agreed, BadDescription, DESCRIPTION_BYTES_MAX, Description, Direction, Events, Keys, Local, Rtcp, Seed,
    Srtp, agreed_from_answer, answer, offer,
};
use proptest::prelude::*;

use crate::reference::Request;

const US: Local<'_> = Local {
    address: IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 5)),
    port: 20_000,
    session_id: 77,
    version: 1,
    codecs: &Codec::ALL,
    events: true,
    ptime_ms: 20,
    direction: Direction::SendRecv,
    srtp: Srtp::Off,
};

/// A description from its media part: lines separated by `|`, a session with an address before them.
fn describe(media: &str) -> Description {
    let session = "v=0|o=- 1 1 IN IP4 192.0.2.1|s=-|c=IN IP4 192.0.2.1|t=0 0|";
    parse(&format!("{session}{media}"))
}

fn parse(lines: &str) -> Description {
    Description::parse(lines.replace('|', "\r\n").as_bytes()).unwrap()
}

/// An agreement in a line: `PCMU/0 events 101/8000 20ms sendrecv to 192.0.2.1:4000`.
fn told(agreed: &Agreed) -> String {
    let number = |receive: PayloadType, send: PayloadType| {
        let (receive, send) = (receive.number(), send.number());
        if receive == send { receive.to_string() } else { format!("{receive}<>{send}") }
    };
    let events = agreed.events.map_or("none".to_owned(), |Events { receive, send, clock_hz }| {
        format!("{}/{clock_hz}", number(receive, send))
    });
    format!(
        "{}/{} events {events} {}ms {} to {}",
        agreed.codec.name(),
        number(agreed.receive, agreed.send),
        agreed.ptime_ms,
        agreed.direction.attribute(),
        agreed.remote.map_or("nobody".to_owned(), |remote| remote.to_string()),
    )
}

fn outcome(offer: &Description, local: &Local<'_>) -> String {
    answer(offer, local).map_or_else(|reason| format!("{reason:?}"), |(_, agreed)| told(&agreed))
}

#[test]
fn rtcp_goes_where_the_other_side_wants_it_and_beside_rtp_only_if_offered() {
    for (attributes, rtcp) in [
        ("", Rtcp::Above),
        ("a=rtcp:53020|", Rtcp::Port(53_020)),
        ("a=rtcp:53020 IN IP4 192.0.2.9|", Rtcp::Port(53_020)),
        ("a=rtcp:0|", Rtcp::Above),
        ("a=rtcp:99999|", Rtcp::Above),
        ("a=rtcp-mux|", Rtcp::Muxed),
        ("a=rtcp:4000|a=rtcp-mux|", Rtcp::Muxed),
    ] {
        let theirs = describe(&format!("m=audio 4000 RTP/AVP 0|{attributes}"));
        let (text, agreed) = answer(&theirs, &US).unwrap();
        assert_eq!(agreed.rtcp, rtcp, "{attributes}");
        assert_eq!(text.contains("a=rtcp-mux\r\n"), rtcp == Rtcp::Muxed, "{attributes}");
        let settled = agreed_from_answer(&theirs, &US).unwrap();
        assert_ne!(settled.rtcp, Rtcp::Muxed, "it was not offered: {attributes}");
    }
    assert!(!offer(&US).contains("rtcp"));
}

#[test]
fn real_pbxs_get_an_answer() {
    for (recorded, expected) in [
        ("asterisk-dial", "PCMU/0 events 101/8000 20ms sendrecv to 127.0.0.1:27528"),
        ("rustpbx-passed-headers", "PCMU/0 events 101/8000 20ms sendrecv to 127.0.9.1:38904"),
    ] {
        let offer = Description::parse(Request::read(recorded).body.as_bytes()).unwrap();
        assert_eq!(outcome(&offer, &US), expected, "{recorded}");
    }
}

#[test]
fn the_answer_to_asterisk_is_this_text() {
    let offer = Description::parse(Request::read("asterisk-dial").body.as_bytes()).unwrap();
    let text = [
        "v=0",
        "o=- 77 1 IN IP4 203.0.113.5",
        "s=-",
        "c=IN IP4 203.0.113.5",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ];
    assert_eq!(answer(&offer, &US).unwrap().0, text.join("\r\n"));
}

#[rustfmt::skip]
#[test]
fn codecs_and_events_are_agreed_on_in_the_offerers_order() {
    for (media, expected) in [
        ("m=audio 4000 RTP/AVP 0", "PCMU/0 events none"),
        ("m=audio 4000 RTP/AVP 8 0", "PCMA/8 events none"),
        ("m=audio 4000 RTP/AVP 18 3 8 0|a=rtpmap:18 G729/8000", "PCMA/8 events none"),
        ("m=audio 4000 RTP/AVP 96 101|a=rtpmap:96 pcmu/8000/1|a=rtpmap:101 Telephone-Event/8000", "PCMU/96 events 101/8000"),
        ("m=audio 4000 RTP/AVP 96 0|a=rtpmap:96 PCMA/16000", "PCMU/0 events none"),
        ("m=audio 4000 RTP/AVP 96 8|a=rtpmap:96 PCMU/8000/2", "PCMA/8 events none"),
        ("m=audio 4000 RTP/AVP 0 8|a=rtpmap:0 opus/48000", "PCMA/8 events none"),
        ("m=audio 4000 RTP/AVP 0 8|a=rtpmap:0 opus/48000/1", "PCMA/8 events none"),
        ("m=audio 4000 RTP/AVP 0 8|a=rtpmap:0 opus/48000/x", "PCMA/8 events none"),
        ("m=audio 4000 RTP/AVP 111 0", "PCMU/0 events none"),
        ("m=audio 4000 RTP/AVP 9 0 101|a=rtpmap:101 telephone-event/8000", "G722/9 events 101/8000"),
        ("m=audio 4000 RTP/AVP 0 9", "PCMU/0 events none"),
        ("m=audio 4000 RTP/AVP 9 8|a=rtpmap:9 G722/16000", "PCMA/8 events none"),
        ("m=audio 4000 RTP/AVP 96|a=rtpmap:96 g722/8000/1", "G722/96 events none"),
        ("m=audio 4000 RTP/AVP 111 0 101 110|a=rtpmap:111 OPUS/48000/2|a=fmtp:111 minptime=10;useinbandfec=1|a=rtpmap:101 telephone-event/8000|a=rtpmap:110 telephone-event/48000", "opus/111 events 110/48000"),
        ("m=audio 4000 RTP/AVP 107 101|a=rtpmap:107 opus/48000/2|a=rtpmap:101 telephone-event/8000", "opus/107 events 101/8000"),
        ("m=audio 4000 RTP/AVP 107 101|a=rtpmap:107 opus/48000/2|a=ptime:60", "opus/107 events none"),
        ("m=audio 4000 RTP/AVP 0|a=rtpmap:101 telephone-event/8000", "PCMU/0 events none"),
        ("m=audio 4000 RTP/AVP 102 101 0|a=rtpmap:102 telephone-event/48000|a=rtpmap:101 telephone-event/8000", "PCMU/0 events 101/8000"),
        ("m=audio 4000 RTP/AVP 0 102|a=rtpmap:102 telephone-event/48000", "PCMU/0 events 102/48000"),
        ("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event", "PCMU/0 events 101/8000"),
        ("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/", "PCMU/0 events none"),
        ("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/0", "PCMU/0 events none"),
        ("m=audio 4000 RTP/AVP 0 101 |a=rtpmap:101   telephone-event/8000 ", "PCMU/0 events 101/8000"),
        ("m=audio 4000 RTP/AVP 300 x 0", "PCMU/0 events none"),
    ] {
        assert_eq!(outcome(&describe(media), &US), format!("{expected} 20ms sendrecv to 192.0.2.1:4000"), "{media}");
    }
    let tones_only = Local { events: false, ..US };
    assert!(outcome(&describe("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000"), &tones_only).starts_with("PCMU/0 events none "));
    assert!(!offer(&tones_only).contains("telephone-event"));
    let no_opus = Local { codecs: &[Codec::Pcma, Codec::G722], ..US };
    let browser = "m=audio 4000 RTP/AVP 111 9 8|a=rtpmap:111 opus/48000/2";
    assert!(outcome(&describe(browser), &no_opus).starts_with("G722/9 "));
    let a_law_only = Local { codecs: &[Codec::Pcma], ..US };
    assert!(outcome(&describe("m=audio 4000 RTP/AVP 0 8"), &a_law_only).starts_with("PCMA/8 "));
    assert_eq!(outcome(&describe("m=audio 4000 RTP/AVP 0"), &a_law_only), "Codec");
}

#[test]
fn opus_is_answered_as_its_rfc_has_it() {
    let offer = "m=audio 4000 UDP/TLS/RTP/SAVPF 0|m=audio 4002 RTP/AVP 96 97 0|a=rtpmap:96 opus/48000/2|\
                 a=fmtp:96 useinbandfec=1;stereo=1|a=rtpmap:97 telephone-event/48000|a=ptime:40";
    let (text, _) = answer(&describe(offer), &US).unwrap();
    let media = "m=audio 20000 RTP/AVP 96 97|a=rtpmap:96 opus/48000/2|\
                 a=fmtp:96 maxplaybackrate=8000;sprop-maxcapturerate=16000|\
                 a=rtpmap:97 telephone-event/48000|a=fmtp:97 0-15|a=ptime:20|a=sendrecv|";
    assert!(text.replace("\r\n", "|").ends_with(media), "{text}");
}

#[rustfmt::skip]
#[test]
fn what_does_not_suit_is_refused_with_the_nearest_reason() {
    for (media, expected) in [
        ("", "Audio"),
        ("m=audio 0 RTP/AVP 0", "Audio"),
        ("m=video 4000 RTP/AVP 0", "Audio"),
        ("m=image 4000 udptl t38", "Audio"),
        ("m=audio 4000 RTP/SAVP 0|a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x", "Transport"),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 111 0", "Transport"),
        ("m=audio 4000 TCP/RTP/AVP 0", "Transport"),
        ("m=audio 4000 RTP/AVP 4 18", "Codec"),
        ("m=audio 4000 RTP/AVP 101|a=rtpmap:101 telephone-event/8000", "Codec"),
        ("m=audio 4000 RTP/AVP 0|c=IN IP6 2001:db8::1", "IpVersion"),
        ("m=audio 4000 RTP/AVP 4|m=audio 4002 RTP/SAVP 0|m=video 4004 RTP/AVP 0", "Codec"),
    ] {
        assert_eq!(outcome(&describe(media), &US), expected, "{media}");
    }
}

#[rustfmt::skip]
#[test]
fn the_first_audio_stream_that_suits_is_taken_and_the_others_refused() {
    for (media, answered) in [
        ("m=audio 4000 RTP/AVP 0|m=audio 4002 RTP/AVP 0", "m=audio 20000 RTP/AVP 0|m=audio 0 RTP/AVP 0"),
        ("m=audio 4000 RTP/SAVP 0 8|m=audio 4002 RTP/AVP 8", "m=audio 0 RTP/SAVP 0|m=audio 20000 RTP/AVP 8"),
        ("m=video 5000 RTP/AVP 96 97|a=rtpmap:96 VP8/90000|m=audio 4000 RTP/AVP 0|m=image 0 udptl t38",
            "m=video 0 RTP/AVP 96|m=audio 20000 RTP/AVP 0|m=image 0 udptl t38"),
        ("m=audio 4000 rtp/avpf 0|a=rtcp-mux|a=rtcp-fb:* nack|a=mid:0|a=unknown:x", "m=audio 20000 rtp/avpf 0"),
        ("m=audio 0 RTP/AVP 0|m=AUDIO 4000/2 RTP/AVP 8", "m=audio 0 RTP/AVP 0|m=audio 20000 RTP/AVP 8"),
    ] {
        let (text, _) = answer(&describe(media), &US).unwrap();
        let lines: Vec<&str> = text.split("\r\n").filter(|line| line.starts_with("m=")).collect();
        assert_eq!(lines.join("|"), answered, "{media}");
    }
}

#[rustfmt::skip]
#[test]
fn media_goes_where_the_address_lines_say() {
    for (session, media, expected) in [
        ("c=IN IP4 192.0.2.1", "", "sendrecv to 192.0.2.1:4000"),
        ("c=IN IP4 192.0.2.1", "|c=IN IP4 192.0.2.2", "sendrecv to 192.0.2.2:4000"),
        ("a=x", "|c=IN IP4 192.0.2.2", "sendrecv to 192.0.2.2:4000"),
        ("c=IN IP4 pbx.example", "", "sendrecv to nobody"),
        ("c=IN IP4 239.1.1.1/127", "", "sendrecv to nobody"),
        ("a=x", "", "sendrecv to nobody"),
        ("c=IN IP4 0.0.0.0", "", "recvonly to nobody"),
        ("c=IN IP4 0.0.0.0", "|a=recvonly", "inactive to nobody"),
        ("c=IN IP6 ::", "", "recvonly to nobody"),
    ] {
        let offer = parse(&format!("v=0|{session}|m=audio 4000 RTP/AVP 0{media}"));
        assert_eq!(outcome(&offer, &US), format!("PCMU/0 events none 20ms {expected}"), "{session}{media}");
    }
    let v6 = Local { address: "2001:db8::5".parse().unwrap(), ..US };
    let offer = parse("v=0|c=IN IP6 2001:db8::1|m=audio 4000 RTP/AVP 0");
    let (text, agreed) = answer(&offer, &v6).unwrap();
    assert_eq!(told(&agreed), "PCMU/0 events none 20ms sendrecv to [2001:db8::1]:4000");
    assert!(text.contains("o=- 77 1 IN IP6 2001:db8::5\r\n") && text.contains("c=IN IP6 2001:db8::5\r\n"));
}

#[test]
fn each_direction_is_answered_with_what_both_allow() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    for (offered, ours, expected) in [
        ("", SendRecv, "sendrecv"),
        ("|a=sendrecv", SendRecv, "sendrecv"),
        ("|a=sendonly", SendRecv, "recvonly"),
        ("|a=recvonly", SendRecv, "sendonly"),
        ("|a=inactive", SendRecv, "inactive"),
        ("|a=SendOnly", SendRecv, "recvonly"),
        ("|a=sendrecv", SendOnly, "sendonly"),
        ("|a=sendonly", SendOnly, "inactive"),
        ("|a=sendrecv", RecvOnly, "recvonly"),
        ("|a=sendrecv", Inactive, "inactive"),
    ] {
        let (text, agreed) =
            answer(&describe(&format!("m=audio 4000 RTP/AVP 0{offered}")), &Local { direction: ours, ..US })
                .unwrap();
        assert_eq!(agreed.direction.attribute(), expected, "{offered} {ours:?}");
        assert!(text.ends_with(&format!("a={expected}\r\n")), "{text}");
    }
    let session_level = parse("v=0|c=IN IP4 192.0.2.1|a=sendonly|m=audio 4000 RTP/AVP 0");
    assert!(outcome(&session_level, &US).contains("recvonly"));
    let both = parse("v=0|c=IN IP4 192.0.2.1|a=sendonly|m=audio 4000 RTP/AVP 0|a=recvonly");
    assert!(outcome(&both, &US).contains("sendonly"), "the stream's own word counts");
}

#[test]
fn packet_times_are_brought_within_bounds() {
    for (attributes, ptime_ms) in [
        ("", 20),
        ("|a=ptime:10", 10),
        ("|a=ptime:30", 30),
        ("|a=ptime:60", 60),
        ("|a=ptime:5", 10),
        ("|a=ptime:25", 20),
        ("|a=ptime:80", 60),
        ("|a=ptime:1000", 60),
        ("|a=ptime:4294967295", 60),
        ("|a=ptime:99999999999", 20),
        ("|a=ptime:0", 20),
        ("|a=ptime:-20", 20),
        ("|a=ptime:", 20),
        ("|a=ptime", 20),
        ("|a=ptime:20.0", 20),
        ("|a=ptime: 40 ", 40),
        ("|a=ptime:20|a=maxptime:140", 20),
        ("|a=ptime:40|a=maxptime:30", 30),
        ("|a=maxptime:10", 10),
        ("|a=ptime:40|a=maxptime:0", 40),
    ] {
        let (text, agreed) = answer(&describe(&format!("m=audio 4000 RTP/AVP 0{attributes}")), &US).unwrap();
        assert_eq!(agreed.ptime_ms, ptime_ms, "{attributes}");
        assert!(text.contains(&format!("a=ptime:{ptime_ms}\r\n")));
    }
}

#[test]
fn faults_in_lines_that_do_not_matter_refuse_no_call() {
    let offer = Description::parse(
        b"v=0\no=John Doe x y\nb=AS:64.5\nt=1 18446744073709551616\nz=?\nk=\n\n \ns=caf\xe9\nc=IN IP4 192.0.2.1\n\
          m=audio 4000 RTP/AVP 0 \na=note:caf\xe9\ne=a@b\nrubbish\n\0\0",
    );
    assert_eq!(outcome(&offer.unwrap(), &US), "PCMU/0 events none 20ms sendrecv to 192.0.2.1:4000");
}

#[test]
fn the_answer_repeats_the_offers_times_and_carries_our_version() {
    let offer = parse("v=0|c=IN IP4 192.0.2.1|t=3724394400 3724398000|m=audio 4000 RTP/AVP 0");
    let (text, _) = answer(&offer, &Local { version: 9, ..US }).unwrap();
    assert!(text.contains("t=3724394400 3724398000\r\n"), "{text}");
    assert!(text.contains("o=- 77 9 IN IP4 203.0.113.5\r\n"), "{text}");
}

#[test]
fn what_is_no_description_is_refused() {
    let streams = |count: usize| format!("v=0\r\n{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(count));
    for (body, fault) in [
        (String::new(), BadDescription::Syntax),
        ("<xml/>".to_owned(), BadDescription::Syntax),
        ("v=1\r\nm=audio 4000 RTP/AVP 0\r\n".to_owned(), BadDescription::Syntax),
        ("v=0\r\nm=audio 70000 RTP/AVP 0\r\n".to_owned(), BadDescription::Syntax),
        ("v=0\r\nm=audio\r\n".to_owned(), BadDescription::Syntax),
        (streams(17), BadDescription::TooManyStreams),
        (" ".repeat(DESCRIPTION_BYTES_MAX + 1), BadDescription::TooLong),
    ] {
        assert_eq!(Description::parse(body.as_bytes()), Err(fault));
    }
    assert!(Description::parse(streams(16).as_bytes()).is_ok());
    // The longest that is read.
    let one = streams(1);
    let longest = format!("{one}a={}\r\n", "x".repeat(DESCRIPTION_BYTES_MAX - one.len() - 4));
    assert_eq!((longest.len(), DESCRIPTION_BYTES_MAX), (32_768, 32_768));
    assert!(Description::parse(longest.as_bytes()).is_ok());
}

#[test]
fn our_offer_is_this_text() {
    let text = [
        "v=0",
        "o=- 77 1 IN IP4 203.0.113.5",
        "s=-",
        "c=IN IP4 203.0.113.5",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 8 9 111 101 102",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 maxplaybackrate=8000;sprop-maxcapturerate=16000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=rtpmap:102 telephone-event/48000",
        "a=fmtp:102 0-15",
        "a=ptime:20",
        "a=sendrecv",
        "",
    ];
    assert_eq!(offer(&US), text.join("\r\n"));
    assert!(offer(&Local { ptime_ms: 255, ..US }).contains("a=ptime:60\r\n"));
}

#[rustfmt::skip]
#[test]
fn an_answer_settles_what_we_offered() {
    for (media, expected) in [
        ("m=audio 4000 RTP/AVP 0 101|a=rtpmap:101 telephone-event/8000", "PCMU/0 events 101/8000 20ms sendrecv to 192.0.2.1:4000"),
        ("m=audio 4000 RTP/AVP 8|a=ptime:30|a=recvonly", "PCMA/8 events none 30ms sendonly to 192.0.2.1:4000"),
        ("m=audio 4000 RTP/AVP 96 110|a=rtpmap:96 opus/48000/2|a=rtpmap:110 telephone-event/48000", "opus/111<>96 events 102<>110/48000 20ms sendrecv to 192.0.2.1:4000"),
        ("m=audio 4000 RTP/AVP 9 101|a=rtpmap:101 telephone-event/8000", "G722/9 events 101/8000 20ms sendrecv to 192.0.2.1:4000"),
        ("m=audio 4000 RTP/AVP 0 96|a=rtpmap:96 telephone-event/8000", "PCMU/0 events 101<>96/8000 20ms sendrecv to 192.0.2.1:4000"),
        ("m=audio 4000 RTP/AVP 97|a=rtpmap:97 PCMA/8000", "PCMA/8<>97 events none 20ms sendrecv to 192.0.2.1:4000"),
        ("m=audio 0 RTP/AVP 0", "Audio"),
        ("m=audio 4000 RTP/AVP 18", "Codec"),
    ] {
        let settled = agreed_from_answer(&describe(media), &US);
        assert_eq!(settled.map_or_else(|reason| format!("{reason:?}"), |agreed| told(&agreed)), expected, "{media}");
    }
}

prop_compose! {
    fn any_local()(
        address in prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)],
        (port, session_id, version, ptime_ms) in (1_u16.., any::<u64>(), any::<u64>(), any::<u8>()),
        codecs in prop::sample::select(vec![
            [Codec::Pcmu].as_slice(), &[Codec::Pcma], &[Codec::Opus, Codec::G722], &Codec::ALL, &[Codec::Pcmu, Codec::Pcma], &[Codec::Pcma, Codec::Pcmu],
        ]),
        direction in prop::sample::select(vec![
            Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive,
        ]),
        srtp in any_srtp(),
    ) -> Local<'static> {
        Local { address, port, session_id, version, codecs, events: true, ptime_ms, direction, srtp }
    }
}

fn any_srtp() -> impl Strategy<Value = Srtp> {
    (0..3_usize, any::<[u8; 4]>()).prop_map(|(choice, random)| {
        let seed = Seed::new(std::array::from_fn(|at| random[at % 4].wrapping_add(at as u8)));
        [Srtp::Off, Srtp::Taken(seed), Srtp::Required(seed)][choice]
    })
}

/// Lines that look like a description, mostly.
fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "m=(audio|video|image) (0|[1-9][0-9]{0,3})(/[0-9])? (RTP/AVP|RTP/AVPF|RTP/SAVPF?|udptl)( (0|8|9|18|96|101|[0-9]{1,3})){0,5}",
        "a=rtpmap:(0|8|9|96|101|[0-9]{1,3}) (PCMU|PCMA|G722|telephone-event|opus)/(8000|48000|0|x)(/[12])?",
        "c=IN IP[46] (192\\.0\\.2\\.1|0\\.0\\.0\\.0|::|2001:db8::1|pbx|224\\.0\\.0\\.1/127)",
        "a=(sendrecv|sendonly|recvonly|inactive|(max)?ptime:[0-9]{0,11})",
        "a=crypto:[0-9]{1,2} AES_CM_128_HMAC_SHA1_(80|32) inline:[A-Za-z0-9+/]{40}([|](2\\^20|1:4))?( WSH=64)?",
        "[b-z]=.{0,20}",
        Just("m=audio 4000 RTP/AVP 8 0 101".to_owned()),
        "t=[0-9]{1,21} [0-9]{1,21}",
    ];
    prop_oneof![
        9 => proptest::collection::vec(line, 0..14).prop_map(|lines| format!("v=0\r\n{}\r\n", lines.join("\r\n")).into_bytes()),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
    ]
}

proptest! {
    #[test]
    fn every_answer_fits_its_offer(body in any_body(), local in any_local()) {
        let Ok(offered) = Description::parse(&body) else { return Ok(()) };
        let Ok((text, agreed)) = answer(&offered, &local) else { return Ok(()) };
        let media = |text: &str| {
            let line = |line: &str| line.strip_prefix("m=").map(|m| m.split(' ').next().unwrap().to_lowercase());
            text.split("\r\n").filter_map(line).collect::<Vec<_>>()
        };
        prop_assert_eq!(media(&text), media(std::str::from_utf8(&body).unwrap()));
        prop_assert!(local.codecs.contains(&agreed.codec));
        prop_assert!(agreed.ptime_ms % 10 == 0 && (10..=60).contains(&agreed.ptime_ms));
        prop_assert!(agreed.remote.is_none_or(|to| to.is_ipv4() == local.address.is_ipv4() && to.port() > 0));
        if let Some(Keys { tag, ours, theirs }) = agreed.srtp {
            prop_assert!(local.srtp != Srtp::Off && ours.suite() == theirs.suite());
            prop_assert_eq!(text.matches(&format!("a=crypto:{tag} {} inline:", ours.suite().name())).count(), 1);
        } else {
            prop_assert!(!matches!(local.srtp, Srtp::Required(_)) && !text.contains("a=crypto"));
        }
        let strict = sdp_types::Session::parse(text.as_bytes()).expect("our own text follows RFC 8866");
        prop_assert_eq!(strict.medias.iter().filter(|media| media.port != 0).count(), 1);
    }

    #[test]
    fn two_of_us_agree_on_the_same(phone in any_local(), server in any_local()) {
        let phone = Local { address: "192.0.2.1".parse().unwrap(), ..phone };
        let server = Local { address: "192.0.2.2".parse().unwrap(), ..server };
        let offered = Description::parse(offer(&phone).as_bytes()).unwrap();
        let common = phone.codecs.iter().find(|codec| server.codecs.contains(codec));
        let Ok((text, agreed)) = answer(&offered, &server) else {
            let apart = match (phone.srtp, server.srtp) {
                (Srtp::Required(_), ours) => ours == Srtp::Off,
                (Srtp::Off | Srtp::Taken(_), ours) => matches!(ours, Srtp::Required(_)),
            };
            prop_assert!(apart || common.is_none());
            return Ok(());
        };
        let settled = agreed_from_answer(&Description::parse(text.as_bytes()).unwrap(), &phone).unwrap();
        prop_assert_eq!(Some(&agreed.codec), common);
        prop_assert_eq!(settled.remote, Some((server.address, server.port).into()));
        prop_assert_eq!(agreed.remote, Some((phone.address, phone.port).into()));
        prop_assert_eq!(agreed.srtp.is_some(), matches!(phone.srtp, Srtp::Required(_)));
        let srtp = settled.srtp.map(|keys| Keys { ours: keys.theirs, theirs: keys.ours, ..keys });
        let from_here = Agreed { remote: agreed.remote, direction: agreed.direction, srtp, ..settled };
        prop_assert_eq!(from_here, agreed);
        prop_assert_eq!(settled.direction, agreed.direction.reversed());
    }

    #[test]
    fn no_body_makes_the_parser_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let begun = [b"v=0\r\n".as_slice(), &body].concat();
        for description in [Description::parse(&body), Description::parse(&begun)].iter().flatten() {
            prop_assert!(!outcome(description, &US).is_empty());
        }
    }
}
