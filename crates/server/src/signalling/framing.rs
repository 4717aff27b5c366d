//! Cuts SIP messages out of datagrams and streams (RFC 3261, sections 7.5 and 18.3), and mends what the parser
//! underneath would silently lose: a body without Content-Length, headers after a byte that is not UTF-8, a method or
//! Request-URI it does not know.

use aftercall_wire::sip::is_token;
pub(super) use aftercall_wire::sip::{HEAD_BYTES_MAX, MESSAGE_BYTES_MAX};

/// The methods that the parser underneath knows.
const PARSEABLE: [&str; 14] = [
    "ACK",
    "BYE",
    "CANCEL",
    "INFO",
    "INVITE",
    "MESSAGE",
    "NOTIFY",
    "OPTIONS",
    "PRACK",
    "PUBLISH",
    "REFER",
    "REGISTER",
    "SUBSCRIBE",
    "UPDATE",
];

/// One message, whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// What it is.
    pub(super) start: Start,
    /// The header lines, each with its CRLF, without Content-Length.
    headers: String,
    /// The body.
    body: Vec<u8>,
    /// Content-Length promised more than the datagram holds.
    pub(super) truncated: bool,
}

/// A start line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// `METHOD uri SIP/2.0`
    Request {
        /// As written: methods are case-sensitive.
        method: String,
        /// As written.
        uri: String,
        /// Whether the version is SIP/2.0.
        version_known: bool,
    },
    /// `SIP/2.0 200 OK`
    Response(String),
}

/// What the front of a stream, or a datagram, is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Two empty lines: the peer wants one back (RFC 5626, section 3.5.1).
    Ping,
    /// Nothing to act upon: an empty line, padding.
    Nothing,
    /// A message.
    Message(Frame),
}

/// Not SIP. On a stream nothing after it can be found either.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Reads a datagram, which is one message (RFC 3261, section 18.3).
pub(super) fn from_datagram(bytes: &[u8]) -> Result<Piece, Broken> {
    if bytes == b"\r\n\r\n" {
        return Ok(Piece::Ping);
    }
    if bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
        return Ok(Piece::Nothing);
    }
    let head = head_len(bytes)?.ok_or(Broken)?;
    let (start, headers, announced) = read_head(&bytes[..head])?;
    let body = &bytes[head..];
    let truncated = announced.is_some_and(|n| n > body.len());
    let body = &body[..announced.unwrap_or(body.len()).min(body.len())];
    Ok(Piece::Message(Frame { start, headers, body: body.to_vec(), truncated }))
}

/// Reads the front of a stream: `None` while it is incomplete, else the piece and how many bytes it took.
pub(super) fn from_stream(bytes: &[u8]) -> Result<Option<(Piece, usize)>, Broken> {
    if bytes.starts_with(b"\r\n\r\n") {
        return Ok(Some((Piece::Ping, 4)));
    }
    match bytes {
        // More than a lone CRLF has come, so it is not the first half of a ping.
        [b'\r', b'\n', next, ..] if *next != b'\r' => return Ok(Some((Piece::Nothing, 2))),
        [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(None),
        _ => {}
    }
    let Some(head) = head_len(bytes)? else { return Ok(None) };
    let (start, headers, announced) = read_head(&bytes[..head])?;
    let total = head.saturating_add(announced.unwrap_or(0));
    if total > MESSAGE_BYTES_MAX {
        return Err(Broken);
    }
    if bytes.len() < total {
        return Ok(None);
    }
    let body = bytes[head..total].to_vec();
    Ok(Some((Piece::Message(Frame { start, headers, body, truncated: false }), total)))
}

impl Frame {
    /// Whether this is a request of a method the parser underneath cannot name.
    pub(super) fn method_unknown(&self) -> bool {
        matches!(&self.start, Start::Request { method, .. } if !PARSEABLE.contains(&method.as_str()))
    }

    /// The message as the parser underneath takes it: true in all but the start line of a request, where a method it
    /// does not know stands as OPTIONS, and any Request-URI as one that cannot confuse it.
    pub(super) fn for_parser(&self) -> Vec<u8> {
        let start = match &self.start {
            Start::Request { .. } if self.method_unknown() => "OPTIONS sip:placeholder.invalid SIP/2.0",
            Start::Request { method, .. } => &format!("{method} sip:placeholder.invalid SIP/2.0"),
            Start::Response(line) => line.as_str(),
        };
        let mut bytes =
            format!("{start}\r\n{}Content-Length: {}\r\n\r\n", self.headers, self.body.len()).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// Length of start line and headers with the empty line; `None` if its end has not come yet.
fn head_len(bytes: &[u8]) -> Result<Option<usize>, Broken> {
    let searched = &bytes[..bytes.len().min(HEAD_BYTES_MAX)];
    match find(searched, b"\r\n\r\n") {
        Some(at) => Ok(Some(at + 4)),
        None if searched.len() == HEAD_BYTES_MAX => Err(Broken),
        None => Ok(None),
    }
}

/// Start line, header lines without Content-Length, and what Content-Length said.
fn read_head(head: &[u8]) -> Result<(Start, String, Option<usize>), Broken> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end_matches("\r\n").split("\r\n");
    let start = read_start(lines.next().ok_or(Broken)?)?;
    let (mut headers, mut announced) = (String::with_capacity(text.len()), None);
    for line in lines {
        let name = line.split_once(':').map_or("", |(name, _)| name.trim_end());
        if name.eq_ignore_ascii_case("content-length") || name.eq_ignore_ascii_case("l") {
            let value = line.split_once(':').map_or("", |(_, v)| v.trim());
            let length = value.parse::<usize>().map_err(|_| Broken)?;
            // Two lengths that differ are how messages are smuggled.
            if announced.is_some_and(|a| a != length) {
                return Err(Broken);
            }
            announced = Some(length);
        } else {
            headers.push_str(line);
            headers.push_str("\r\n");
        }
    }
    Ok((start, headers, announced))
}

fn read_start(line: &str) -> Result<Start, Broken> {
    if line.get(..4).is_some_and(|p| p.eq_ignore_ascii_case("SIP/")) {
        return Ok(Start::Response(line.to_owned()));
    }
    let (method, rest) = line.split_once(' ').ok_or(Broken)?;
    let (uri, version) = rest.rsplit_once(' ').ok_or(Broken)?;
    if !is_token(method) || !version.starts_with("SIP/") {
        return Err(Broken);
    }
    Ok(Start::Request {
        method: method.to_owned(),
        uri: uri.trim().to_owned(),
        version_known: version.trim_end() == "SIP/2.0",
    })
}

/// Where `needle` first is.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(piece: Result<Piece, Broken>) -> Frame {
        match piece.unwrap() {
            Piece::Message(frame) => frame,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_datagram_without_content_length_keeps_its_body() {
        let frame = message(from_datagram(b"INFO sip:a@h SIP/2.0\r\nCall-ID: x\r\n\r\nSignal=5\r\n"));
        assert_eq!(
            String::from_utf8(frame.for_parser()).unwrap(),
            "INFO sip:placeholder.invalid SIP/2.0\r\nCall-ID: x\r\nContent-Length: 10\r\n\r\nSignal=5\r\n"
        );
    }

    #[test]
    fn a_datagram_shorter_than_its_content_length_is_told_apart_and_a_longer_one_is_cut() {
        let short = message(from_datagram(b"INFO sip:a@h SIP/2.0\r\nl: 9\r\n\r\nabc"));
        assert!(short.truncated);
        let long = message(from_datagram(b"INFO sip:a@h SIP/2.0\r\nContent-Length : 2\r\n\r\nabc"));
        assert!(!long.truncated);
        assert!(long.for_parser().ends_with(b"Content-Length: 2\r\n\r\nab"));
    }

    #[test]
    fn headers_after_a_latin1_byte_survive() {
        let frame = message(from_datagram(
            b"BYE sip:a@h SIP/2.0\r\nFrom: Jos\xe9 <sip:j@h>;tag=1\r\nCall-ID: x\r\n\r\n",
        ));
        let text = String::from_utf8(frame.for_parser()).unwrap();
        assert!(text.contains("From: Jos\u{fffd} <sip:j@h>;tag=1\r\nCall-ID: x\r\n"), "{text}");
    }

    #[test]
    fn start_lines_are_read_as_written() {
        for (line, method, uri, version_known) in [
            ("INVITE sip:a%23;x?y@h SIP/2.0", "INVITE", "sip:a%23;x?y@h", true),
            ("invite sip:a@h SIP/2.0", "invite", "sip:a@h", true),
            ("NEWMETHOD  sip:a b@h  SIP/7.0", "NEWMETHOD", "sip:a b@h", false),
        ] {
            let frame = message(from_datagram(format!("{line}\r\nTo: x\r\n\r\n").as_bytes()));
            let expected = Start::Request { method: method.into(), uri: uri.into(), version_known };
            assert_eq!(frame.start, expected);
            assert_eq!(frame.method_unknown(), method != "INVITE");
        }
    }

    #[test]
    fn what_is_not_sip_is_broken() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            b"INVITE\r\n\r\n",
            b"INV ITE\r\n\r\n",
            b"BYE sip:a@h SIP/2.0\r\nContent-Length: -1\r\n\r\n",
            b"BYE sip:a@h SIP/2.0\r\nContent-Length: 1\r\nl: 2\r\n\r\nab",
            b"BYE sip:a@h SIP/2.0\r\nTo: x\r\n",
        ] {
            assert_eq!(from_datagram(bytes), Err(Broken), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn keepalives_are_told_apart_from_messages() {
        assert_eq!(from_datagram(b"\r\n\r\n"), Ok(Piece::Ping));
        assert_eq!(from_datagram(b"\r\n"), Ok(Piece::Nothing));
        assert_eq!(from_datagram(b"\0\0\0\0"), Ok(Piece::Nothing));
        assert_eq!(from_stream(b"\r\n"), Ok(None));
        assert_eq!(from_stream(b"\r\n\r\nBYE"), Ok(Some((Piece::Ping, 4))));
        assert_eq!(from_stream(b"\r\nBYE"), Ok(Some((Piece::Nothing, 2))));
    }

    #[test]
    fn a_stream_that_never_ends_its_headers_or_announces_too_much_is_broken() {
        assert_eq!(from_stream(&vec![b'a'; HEAD_BYTES_MAX]), Err(Broken));
        assert_eq!(from_stream(b"BYE sip:a@h SIP/2.0\r\nContent-Length: 65535\r\n\r\n"), Err(Broken));
        assert_eq!(
            from_stream(b"BYE sip:a@h SIP/2.0\r\nContent-Length: 18446744073709551615\r\n\r\n"),
            Err(Broken)
        );
    }

    proptest! {
        /// However a stream is cut into reads, the same messages come out of it.
        #[test]
        fn a_stream_gives_the_same_messages_however_it_is_cut(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
            cut in 1usize..50,
        ) {
            let mut sent = Vec::new();
            for body in &bodies {
                sent.extend_from_slice(format!("INFO sip:a@h SIP/2.0\r\nl: {}\r\n\r\n", body.len()).as_bytes());
                sent.extend_from_slice(body);
            }
            let (mut buffer, mut got) = (Vec::new(), Vec::new());
            for chunk in sent.chunks(cut) {
                buffer.extend_from_slice(chunk);
                while let Some((piece, used)) = from_stream(&buffer).unwrap() {
                    buffer.drain(..used);
                    got.push(message(Ok(piece)).body);
                }
            }
            prop_assert_eq!(got, bodies);
        }

        /// No bytes make it panic.
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (as_datagram, as_stream) = (from_datagram(&bytes), from_stream(&bytes));
            if let (Ok(Piece::Message(frame)), _) | (_, Ok(Some((Piece::Message(frame), _)))) =
                (as_datagram, as_stream)
            {
                prop_assert!(from_datagram(&frame.for_parser()).is_ok());
            }
        }
    }
}
