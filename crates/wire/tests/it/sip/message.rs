//! Messages as they are cut out, read, judged and written.

use std::path::PathBuf;

use aftercall_wire::sip::{
    Broken, Flaw, HEAD_BYTES_MAX, HEADERS_MAX, Headers, MESSAGE_BYTES_MAX, Message, Method, Piece, Request,
    datagram, stream,
};
use proptest::prelude::*;

const INVITE: &str = "INVITE sip:a%23b;x=%2f@h.example:5070;lr SIP/2.0\r\nv: SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP i\r\n\
     Max-Forwards: 70\r\nf: \"A;b\\\" \\\\\" <sip:a:p@h:5060;x=1>;tag=1\r\nTo : sip:b@[::1]:5;tag=2\r\nCall-ID: a@b\r\n\
     CSeq:\t1   INVITE\r\nX-Long: one\r\n two\r\n\tthree\r\nx-long: more, of it\r\nl: 3\r\n\r\nabc";

fn read(text: &str) -> (Message, Option<Flaw>) {
    match datagram(text.as_bytes()) {
        Ok(Piece::Message(message, flaw)) => (*message, flaw),
        other => panic!("{other:?}"),
    }
}

fn request(text: &str) -> Request {
    match read(text) {
        (Message::Request(request), None) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_read_by_its_long_names_and_written_as_it_was_meant() {
    let request = request(INVITE);
    assert_eq!((&request.method, &*request.uri), (&Method::Invite, "sip:a%23b;x=%2f@h.example:5070;lr"));
    let headers: Vec<_> = request.headers.iter().collect();
    assert_eq!(
        headers,
        [
            ("Via", "SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP i"),
            ("Max-Forwards", "70"),
            ("From", "\"A;b\\\" \\\\\" <sip:a:p@h:5060;x=1>;tag=1"),
            ("To", "sip:b@[::1]:5;tag=2"),
            ("Call-ID", "a@b"),
            ("CSeq", "1   INVITE"),
            ("X-Long", "one two three"),
            ("x-long", "more, of it"),
        ]
    );
    assert_eq!(request.headers.all("X-LONG").collect::<Vec<_>>(), ["one two three", "more, of it"]);
    assert_eq!((request.headers.get("t"), request.headers.get("m")), (Some("sip:b@[::1]:5;tag=2"), None));
    let written = String::from_utf8(request.to_bytes()).unwrap();
    assert!(
        written.starts_with("INVITE sip:a%23b;x=%2f@h.example:5070;lr SIP/2.0\r\nVia: SIP/2.0/UDP h"),
        "{written}"
    );
    assert!(written.ends_with("x-long: more, of it\r\nContent-Length: 3\r\n\r\nabc"), "{written}");
}

#[test]
fn headers_are_put_where_they_belong_and_cannot_end_their_line() {
    let mut headers = Headers::new();
    headers.push("From", "a");
    headers.push("i", " b\r\nEvil: yes ");
    headers.push_front("Via", "c");
    headers.push("x", "d");
    headers.set("CALL-ID", "e");
    headers.set("New", "f");
    headers.remove("session-expires");
    assert_eq!(headers.to_string(), "Via: c\r\nFrom: a\r\nCALL-ID: e\r\nNew: f\r\n");
    let before = headers.clone();
    headers.push("i", " b\r\nEvil: yes ");
    assert!(headers == headers.clone() && headers != before);
    assert!(headers.to_string().ends_with("Call-ID: b  Evil: yes\r\n"));
    assert_eq!(format!("{headers:?}"), r#"["Via", "From", "CALL-ID", "New", "Call-ID"]"#);
}

#[test]
fn what_is_wrong_is_said_and_the_rest_is_read_all_the_same() {
    for (from, to, flaw) in [
        ("SIP/2.0\r\nv", "SIP/7.0\r\nv", Flaw::Version),
        ("SIP/2.0\r\nv", "sip/2.0 \r\nv", Flaw::StartLine),
        ("INVITE sip", "INVITE  sip", Flaw::RequestUri),
        ("h.example:5070;lr", "h.example:5070; lr", Flaw::RequestUri),
        ("h.example:5070;lr", "h.example?Route=x", Flaw::RequestUri),
        ("sip:a%23b;x=%2f@h.example:5070;lr", "<sip:h>", Flaw::RequestUri),
        ("sip:a%23b;x=%2f@h.example:5070;lr", "nobody", Flaw::RequestUri),
        ("sip:a%23b;x=%2f@h.example:5070;lr", "sip:", Flaw::RequestUri),
        ("sip:a%23b;x=%2f@h.example:5070;lr", ":nobody", Flaw::RequestUri),
        ("X-Long: one", "X Long: one", Flaw::HeaderLine),
        ("X-Long: one", "X-Long", Flaw::HeaderLine),
        ("l: 3", "l: -3", Flaw::Length),
        ("l: 3", "l: 3\r\nContent-Length: 4", Flaw::Length),
        ("l: 3", "l: +3", Flaw::Length),
        ("l: 3", "l: 4", Flaw::Truncated),
        ("Call-ID: a@b\r\n", "", Flaw::Missing("Call-ID")),
        ("Call-ID: a@b", "Call-ID: a@b\r\ni: a@b", Flaw::Twice("Call-ID")),
        ("Max-Forwards: 70", "Max-Forwards: 256", Flaw::Malformed("Max-Forwards")),
        ("Max-Forwards: 70", "Max-Forwards: 7\r\nMax-Forwards: 7", Flaw::Twice("Max-Forwards")),
        ("CSeq:\t1 ", "CSeq: 2147483648 ", Flaw::Malformed("CSeq")),
        ("CSeq:\t1   INVITE", "CSeq: INVITE", Flaw::Malformed("CSeq")),
        ("CSeq:\t1   INVITE", "CSeq: 1 invite", Flaw::Mismatch),
        ("\"A;b\\\" \\\\\"", "\"A;b", Flaw::Malformed("From")),
        ("<sip:a:p@h:5060;x=1>", "<sip:a>, <sip:b>", Flaw::Malformed("From")),
        ("sip:b@[::1]:5;tag=2", "sip:b@h, sip:c@h", Flaw::Malformed("To")),
        ("sip:b@[::1]:5;tag=2", "<sip:b", Flaw::Malformed("To")),
        (", SIP/2.0/TCP i", ",", Flaw::Malformed("Via")),
        (";rport", ";;rport", Flaw::Malformed("Via")),
        ("SIP/2.0/TCP i", "TCP i", Flaw::Malformed("Via")),
        ("SIP/2.0/TCP i", "HTTP/2.0/TCP i", Flaw::Malformed("Via")),
        ("SIP/2.0/TCP i", "SIP//TCP i", Flaw::Malformed("Via")),
        ("SIP/2.0/TCP i", "SIP/2.0/TCP", Flaw::Malformed("Via")),
        ("v: SIP/2.0/UDP h:5060;branch=z9hG4bK1;rport, SIP/2.0/TCP i\r\n", "", Flaw::Missing("Via")),
        ("X-Long: one", "m: <sip:a>;;", Flaw::Malformed("Contact")),
    ] {
        assert!(INVITE.contains(from), "{from}");
        let (message, found) = read(&INVITE.replacen(from, to, 1));
        assert_eq!(found, Some(flaw), "{from:?} -> {to:?}");
        assert!(message.headers().get("To").is_some());
        assert_eq!(flaw.status(), if flaw == Flaw::Version { 505 } else { 400 });
    }
}

#[test]
fn a_stream_is_cut_at_its_messages_whatever_it_is_split_into() {
    let bytes = [INVITE, "\r\n\r\n", INVITE, "\r\n", INVITE].concat().into_bytes();
    for step in 1..bytes.len() {
        let (mut held, mut seen) = (Vec::new(), String::new());
        for chunk in bytes.chunks(step) {
            held.extend_from_slice(chunk);
            while let Some((piece, taken)) = stream(&held).unwrap() {
                held.drain(..taken);
                seen.push(match piece {
                    Piece::Ping => 'p',
                    Piece::Nothing => '-',
                    Piece::Message(_, None) => 'm',
                    Piece::Message(_, Some(_)) => 'x',
                });
            }
        }
        assert_eq!((seen.as_str(), held.len()), ("mpm-m", 0), "in steps of {step}");
    }
}

#[test]
fn as_much_is_read_as_is_promised_and_no_more() {
    let headers = |count: usize| {
        INVITE.replacen("X-Long", &"X: y\r\n".repeat(count), 1).replace("X: y\r\n: one", "X: one")
    };
    // Nine are there: one of them says the length.
    for (text, flaw) in [
        (headers(HEADERS_MAX - 8), None),
        (headers(HEADERS_MAX - 7), Some(Flaw::HeaderLine)),
        (INVITE.replace("l: 3", "l: 3\r\nContent-Length: 3"), None),
        (
            INVITE.replace("X-Long: one", &format!("X-Long: {}", "x".repeat(HEAD_BYTES_MAX - INVITE.len()))),
            None,
        ),
    ] {
        assert_eq!(read(&text).1, flaw, "{}", text.len());
    }
    let long = |total: usize| {
        let body = "b".repeat(total - INVITE.replace("l: 3", "l: 65000").len() + 3);
        INVITE
            .replace("l: 3", &format!("l: {}", body.len()))
            .replace("\r\n\r\nabc", &format!("\r\n\r\n{body}"))
    };
    let most = long(MESSAGE_BYTES_MAX);
    assert!(matches!(stream(most.as_bytes()), Ok(Some((Piece::Message(..), MESSAGE_BYTES_MAX)))));
    assert_eq!(stream(long(MESSAGE_BYTES_MAX + 1).as_bytes()), Err(Broken));
    for end in ["", "\r", "\r\n", "\r\n\r"] {
        assert_eq!(stream(end.as_bytes()), Ok(None), "{end:?}");
    }
}

#[test]
fn nobody_goes_without_a_survey_for_a_comma_in_a_name() {
    for name in ["Bell, Alexander", "\"Bell, Alexander\"", "Bell \"A, G\""] {
        assert_eq!(
            read(&INVITE.replace("sip:b@[::1]:5;tag=2", &format!("{name} <sip:b@h>"))).1,
            None,
            "{name}"
        );
    }
}

#[test]
fn a_status_has_three_digits_and_a_class() {
    for (line, status) in [
        ("SIP/2.0 200 OK", Some(200)),
        ("SIP/2.0 699", Some(699)),
        ("SIP/2.0 099 x", None),
        ("SIP/2.0 700 x", None),
        ("SIP/2.0 0200 x", None),
        ("SIP/2.0 20x x", None),
        ("SIP/2.0 2x0 x", None),
    ] {
        let text = INVITE.replace("INVITE sip:a%23b;x=%2f@h.example:5070;lr SIP/2.0", line);
        let (message, flaw) = read(&text);
        assert_eq!(flaw, status.is_none().then_some(Flaw::StartLine), "{line}");
        assert_eq!(message.body(), b"abc");
        let Message::Response(response) = message else { panic!("{line}") };
        assert_eq!(response.status, status.unwrap_or_default());
    }
}

#[test]
fn an_answer_repeats_what_it_must_and_is_tagged_where_that_means_something() {
    let mut asked = request(INVITE);
    for (to, status, answered) in [
        ("<sip:b@h>", 100, "<sip:b@h>"),
        ("<sip:b@h>", 101, "<sip:b@h>;tag=t"),
        ("<sip:b@h>", 486, "<sip:b@h>;tag=t"),
        ("<sip:b@h>;tag=s", 486, "<sip:b@h>;tag=s"),
    ] {
        asked.headers.set("To", to);
        let answer = asked.answer(status, "x", "t");
        assert_eq!((answer.status, answer.headers.get("To")), (status, Some(answered)));
        let names: Vec<_> = answer.headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["Via", "From", "To", "Call-ID", "CSeq"]);
    }
    assert_eq!(Message::Request(asked).body(), b"abc");
}

#[test]
fn what_is_no_sip_is_broken_and_what_is_too_long_too() {
    for text in ["GET / HTTP/1.1\r\n\r\n", "INVITE\r\n\r\n", "\u{1}\r\n\r\n"] {
        assert_eq!(datagram(text.as_bytes()), Err(Broken), "{text}");
    }
    assert_eq!(read("INVITE sip:a SIP/2.0\r\nTo: no end").1, Some(Flaw::Truncated));
    let endless = format!("INVITE sip:a SIP/2.0\r\nX: {}", "x".repeat(40_000));
    assert_eq!(stream(endless.as_bytes()), Err(Broken));
    let huge = INVITE.replace("l: 3", "l: 70000");
    assert_eq!(stream(huge.as_bytes()), Err(Broken));
    assert_eq!(datagram(b"\0\0 \r\n"), Ok(Piece::Nothing));
}

/// What is wrong with those of them that are.
const FLAWED: [(&str, &str); 19] = [
    ("badinv01", "Malformed Via"),
    ("clerr", "Shorter Than Announced"),
    ("ncl", "Malformed Content-Length"),
    ("scalar02", "Malformed Max-Forwards"),
    ("scalarlg", "Malformed CSeq"),
    ("quotbal", "Malformed To"),
    ("ltgtruri", "Malformed Request-URI"),
    ("lwsruri", "Malformed Request-URI"),
    ("lwsstart", "Malformed Request-URI"),
    ("trws", "Malformed Start Line"),
    ("escruri", "Malformed Request-URI"),
    ("baddn", "Shorter Than Announced"),
    ("badvers", "Version Not Supported"),
    ("mismatch01", "CSeq Names Another Method"),
    ("mismatch02", "CSeq Names Another Method"),
    ("bigcode", "Malformed Start Line"),
    ("insuf", "Missing To"),
    ("multi01", "More Than One To"),
    ("mcl01", "Malformed Content-Length"),
];

/// RFC 4475's messages: which can be read, which of those are flawed. The RFC's own text is not ours to ship.
#[test]
fn the_torture_messages_are_read_or_refused_as_rfc_4475_asks() {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/sip-torture");
    let folder = std::env::var_os("AFTERCALL_SIP_TORTURE").map_or(default, PathBuf::from);
    if !folder.is_dir() {
        eprintln!("SKIPPED: no torture messages in {}; set AFTERCALL_SIP_TORTURE", folder.display());
        return;
    }
    let verdict = |name: &str| {
        let bytes = std::fs::read(folder.join(name).with_extension("dat")).unwrap();
        match datagram(&bytes) {
            Ok(Piece::Message(_, None)) => "ok".to_owned(),
            Ok(Piece::Message(_, Some(flaw))) => flaw.to_string(),
            other => format!("{other:?}"),
        }
    };
    let valid = [
        "wsinv",
        "intmeth",
        "esc01",
        "escnull",
        "esc02",
        "lwsdisp",
        "longreq",
        "dblreq",
        "semiuri",
        "transports",
        "mpart01",
        "unreason",
        "noreason",
    ];
    // Dates and the contacts of registrations are not ours to read; spaces within brackets harm nobody.
    let harmless = ["baddate", "regbadct", "badaspec"];
    // Well-formed: what they ask is another layer's to refuse.
    let later = [
        "badbranch",
        "unkscm",
        "novelsc",
        "unksm2",
        "bext01",
        "invut",
        "regaut01",
        "bcast",
        "zeromf",
        "cparam01",
        "cparam02",
        "regescrt",
        "sdp01",
        "inv2543",
    ];
    for name in valid.iter().chain(&harmless).chain(&later) {
        assert_eq!(verdict(name), "ok", "{name}");
    }
    for (name, flaw) in FLAWED {
        assert_eq!(verdict(name), flaw, "{name}");
    }
}

fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let tokens =
        ["[", "]", ":", ";", "<", ">", "\"", ",", "@", "%", "\r\n", "\r\n ", "é", "=", "l: 2\r\n", ""];
    let edit = (any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(tokens.to_vec()));
    prop::collection::vec(edit, 0..8).prop_map(|edits| {
        let mut bytes = INVITE.as_bytes().to_vec();
        for (at, cut, token) in edits {
            let at = at.index(bytes.len().max(1));
            bytes.splice(at..(at + cut).min(bytes.len()), token.bytes());
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is left of a message: reading it never panics, and what was written from it reads as the same.
    #[test]
    fn what_was_written_reads_as_it_was(bytes in spoilt()) {
        let Ok(Piece::Message(message, flaw)) = datagram(&bytes) else { return Ok(()) };
        if flaw.is_some() {
            return Ok(());
        }
        let written = match &*message {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        };
        prop_assert_eq!(datagram(&written), Ok(Piece::Message(message.clone(), None)));
        prop_assert_eq!(stream(&written), Ok(Some((Piece::Message(message, None), written.len()))));
    }

    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        drop((datagram(&bytes), stream(&bytes)));
    }
}
