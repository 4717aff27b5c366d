//! What the caller offers, and what it reads in an answer.

use std::net::{IpAddr, SocketAddr};

use aftercall_wire::rtp::PayloadType;

/// The payload type that the offer gives telephone events.
pub const EVENTS_OFFERED: PayloadType = match PayloadType::new(101) {
    Some(number) => number,
    None => PayloadType::PCMU,
};

/// What the other side agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Where it wants our packets.
    pub remote: SocketAddr,
    /// The payload type for keys; `None` when it wants none.
    pub events: Option<PayloadType>,
}

/// An offer of mu-law, and of telephone events by this number, in packets of 20 ms, heard at `local`.
#[must_use]
pub fn offer(local: SocketAddr, events: PayloadType) -> String {
    let family = if local.is_ipv6() { "IP6" } else { "IP4" };
    let (ip, port, events) = (local.ip(), local.port(), events.number());
    format!(
        "v=0\r\no=bench 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 {events}\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:{events} telephone-event/8000\r\n\
         a=fmtp:{events} 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// Reads an answer to [`offer`]; `None` when it has no mu-law audio, or an address that cannot be sent to.
#[must_use]
pub fn answer(sdp: &str) -> Option<Answer> {
    let (mut session_ip, mut audio_ip) = (None, None);
    let mut port = None;
    let mut events = None;
    for line in sdp.lines() {
        let Some((kind, value)) = line.split_once('=') else { continue };
        match (kind, port) {
            // What follows the next stream is not audio's.
            ("m", Some(_)) => break,
            ("m", None) => port = Some(audio_port(value)?),
            ("c", None) => session_ip = connection(value),
            ("c", Some(_)) => audio_ip = connection(value),
            ("a", Some(_)) => events = events.or_else(|| telephone_events(value)),
            _ => {}
        }
    }
    let remote = SocketAddr::new(audio_ip.or(session_ip)?, port?);
    Some(Answer { remote, events })
}

/// The port of `audio 20000 RTP/AVP 0 101`.
fn audio_port(media: &str) -> Option<u16> {
    let mut words = media.split_ascii_whitespace();
    let (kind, port, profile) = (words.next()?, words.next()?, words.next()?);
    let has_mu_law = words.any(|payload_type| payload_type == "0");
    let port = port.parse().ok().filter(|&port| port != 0)?;
    (kind == "audio" && profile == "RTP/AVP" && has_mu_law).then_some(port)
}

/// The address of `IN IP4 127.0.0.1`.
fn connection(value: &str) -> Option<IpAddr> {
    value.split_ascii_whitespace().nth(2)?.parse().ok()
}

/// The number of `rtpmap:101 telephone-event/8000`.
fn telephone_events(attribute: &str) -> Option<PayloadType> {
    let (number, encoding) = attribute.strip_prefix("rtpmap:")?.split_once(' ')?;
    let named = encoding.trim().eq_ignore_ascii_case("telephone-event/8000");
    if named { number.parse().ok().and_then(PayloadType::new) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<(String, Option<u8>)> {
        let answer = answer(&lines.join("\r\n"))?;
        Some((answer.remote.to_string(), answer.events.map(PayloadType::number)))
    }

    #[test]
    fn an_answer_says_where_to_send_and_how_keys_are_numbered() {
        let (session, audio) = ("c=IN IP4 10.0.0.1", "m=audio 20000 RTP/AVP 0 96");
        for (lines, expected) in [
            (
                vec!["v=0", session, audio, "a=rtpmap:96 Telephone-Event/8000"],
                Some(("10.0.0.1:20000", Some(96))),
            ),
            (vec![session, audio, "c=IN IP4 10.0.0.2"], Some(("10.0.0.2:20000", None))),
            (
                vec![session, audio, "m=video 3 RTP/AVP 9", "c=IN IP4 10.0.0.3"],
                Some(("10.0.0.1:20000", None)),
            ),
            (vec![session, audio, "a=rtpmap:96 telephone-event/16000"], Some(("10.0.0.1:20000", None))),
            (vec!["c=IN IP6 ::1", audio], Some(("[::1]:20000", None))),
            (vec![session, "m=audio 0 RTP/AVP 0"], None),
            (vec![session, "m=audio 20000 RTP/AVP 8 101"], None),
            (vec![session, "m=audio 20000 RTP/SAVP 0"], None),
            (vec![session], None),
            (vec![audio], None),
        ] {
            let expected = expected.map(|(remote, events)| (remote.to_owned(), events));
            assert_eq!(read(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_offer_reads_as_an_answer_to_itself() {
        for local in ["127.0.0.1:30000", "[::1]:30002"] {
            let local = local.parse().unwrap();
            let expected = Answer { remote: local, events: Some(EVENTS_OFFERED) };
            assert_eq!(answer(&offer(local, EVENTS_OFFERED)), Some(expected));
        }
        assert_eq!(EVENTS_OFFERED.number(), 101);
    }
}
