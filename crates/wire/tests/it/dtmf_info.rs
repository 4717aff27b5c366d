use aftercall_wire::dtmf_info::{UnknownType, parse};
use proptest::prelude::*;
use serde::Deserialize;

use crate::reference::{self, Class};

#[derive(Deserialize)]
struct Manifest {
    cases: Vec<Body>,
}

#[derive(Deserialize)]
struct Body {
    content_type: String,
    body: String,
    digit: Option<String>,
    duration_ms: Option<u128>,
    cls: Class,
}

const CARRIERS: [&str; 4] = [
    "application/dtmf-relay",
    "application/dtmf",
    "audio/telephone-event",
    "application/vnd.nortelnetworks.digits",
];

#[test]
fn every_reference_body_gives_its_digit_and_duration() {
    let Manifest { cases } = reference::manifest("manifest_sip_info.json");
    assert!(cases.len() >= 31, "the manifest lost bodies: {}", cases.len());
    for Body { content_type, body, digit, duration_ms, cls } in cases {
        let heard = parse(&content_type, body.as_bytes());
        let found = heard.ok().flatten();
        let seen = (
            found.map(|press| press.digit.to_string()),
            found.and_then(|press| press.duration).map(|time| time.as_millis()),
        );
        assert_eq!(seen, (digit, duration_ms), "{cls:?}: {content_type}: {body:?}");
        let carrier = CARRIERS.iter().any(|name| content_type.to_lowercase().starts_with(name));
        assert_eq!(heard == Err(UnknownType), !carrier, "{content_type}");
    }
}

#[test]
fn bodies_beyond_the_reference_are_read_or_left() {
    for (content_type, body, digit) in [
        ("application/dtmf", "12", Some('A')),
        ("application/dtmf", "15", Some('D')),
        ("application/dtmf", "16", None),
        ("application/dtmf", "05", None),
        ("application/dtmf", "1é", None),
        ("application/dtmf", "５", None),
        ("application/dtmf-relay", "Signal=7\rDuration=100", Some('7')),
        ("application/dtmf-relay", "X=1\r\nSignal=7\r\n", Some('7')),
        ("application/dtmf-relay", "7", None),
        ("application/vnd.nortelnetworks.digits", "p=Digit-Collection\r\ny=Digits\r\n", None),
        (" application/dtmf ;x=y", "c", Some('C')),
    ] {
        let press = parse(content_type, body.as_bytes()).unwrap();
        assert_eq!(press.map(|press| press.digit.char()), digit, "{content_type}: {body:?}");
    }
    let long = |bytes: usize| format!("Signal=5{}", " ".repeat(bytes - 8));
    assert_eq!(parse("application/dtmf-relay", long(1025).as_bytes()), Ok(None));
    assert!(parse("application/dtmf-relay", long(1024).as_bytes()).unwrap().is_some());
    assert_eq!(parse("application/dtmf-relay", b"Signal=5\r\nX=\xff\r\n"), Ok(None));
    assert_eq!(parse("", b"5"), Err(UnknownType));
}

proptest! {
    #[test]
    fn no_body_makes_the_parser_panic(
        carrier in prop::sample::select(CARRIERS.as_slice()),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            "(?i)(signal|duration|d| |=|\r\n|[0-9*#a-d])*".prop_map(String::into_bytes),
        ],
    ) {
        prop_assert!(parse(carrier, &body).is_ok());
    }
}
