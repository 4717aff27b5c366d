use aftercall_wire::dtmf_info::{InfoPress, parse};

const TYPES: [&str; 6] = [
    "application/dtmf-relay",
    "application/dtmf",
    "audio/telephone-event",
    "application/vnd.nortelnetworks.digits",
    "Application/DTMF-Relay; charset=utf-8",
    "text/plain",
];

/// INFO bodies: the first line is the media type (or a number that stands for one), the rest the body.
pub fn dtmf_info(bytes: &[u8]) {
    let (first, body) = bytes.split_at(bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1));
    let media_type = match first {
        [number, b'\n'] => TYPES[usize::from(*number) % TYPES.len()].to_owned(),
        written => String::from_utf8_lossy(written).into_owned(),
    };
    let heard = parse(&media_type, body);
    assert_eq!(heard, parse(&media_type.to_ascii_uppercase(), body), "a media type has no case");
    let Ok(Some(InfoPress { digit, duration })) = heard else { return };
    assert!(body.len() <= 1024, "a body without bound was read");
    assert!(
        body.to_ascii_uppercase().iter().any(|byte| digit.char() == char::from(*byte)) || digit.event() >= 10
    );
    let ms = duration.map(|duration| duration.as_millis());
    let relay = match ms {
        Some(ms) => format!("Signal={digit}\r\nDuration={ms}\r\n"),
        None => format!("Signal={digit}\r\n"),
    };
    assert_eq!(parse("application/dtmf-relay", relay.as_bytes()), heard, "{relay}");
}
