//! Finds the session description in a message's body.

use aftercall_wire::sip::{Headers, param};

/// Parts of a multipart body looked at. SIP-I carries two, location a third.
const PARTS_MAX: usize = 8;

/// What a body holds for us.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Nothing.
    Empty,
    /// SDP.
    Sdp(Vec<u8>),
    /// Something else, which an INVITE must be refused for (415).
    Other,
}

impl Body {
    /// The SDP, if that is what it is.
    fn sdp(self) -> Option<Vec<u8>> {
        match self {
            Self::Sdp(sdp) => Some(sdp),
            Self::Empty | Self::Other => None,
        }
    }
}

/// The session description that a message carries.
pub(super) fn sdp_in(headers: &Headers, body: &[u8]) -> Option<Vec<u8>> {
    read(headers.get("Content-Type"), body).sdp()
}

/// Reads a body of this Content-Type; multipart/mixed is searched one level deep (RFC 5621).
pub(super) fn read(content_type: Option<&str>, body: &[u8]) -> Body {
    if body.is_empty() {
        return Body::Empty;
    }
    match content_type {
        Some(t) if is(t, "application/sdp") => Body::Sdp(body.to_vec()),
        Some(t) if is(t, "multipart/mixed") || is(t, "multipart/alternative") => multipart(t, body),
        // Some gateways leave the type out; what starts like SDP is SDP.
        None if body.starts_with(b"v=") => Body::Sdp(body.to_vec()),
        _ => Body::Other,
    }
}

fn is(content_type: &str, wanted: &str) -> bool {
    content_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(wanted))
}

fn multipart(content_type: &str, body: &[u8]) -> Body {
    let Some(boundary) = param(content_type, "boundary").map(|b| b.trim_matches('"')) else {
        return Body::Other;
    };
    if boundary.is_empty() {
        return Body::Other;
    }
    // The first delimiter may stand at the very start, without the CRLF that belongs to the others.
    let first = format!("--{boundary}");
    let delimiter = format!("\r\n--{boundary}");
    let Some(mut rest) = find(body, first.as_bytes()).map(|at| &body[at + first.len()..]) else {
        return Body::Other;
    };
    for _ in 0..PARTS_MAX {
        let Some(end) = find(rest, delimiter.as_bytes()) else { break };
        if let Some(sdp) = sdp_part(&rest[..end]) {
            return Body::Sdp(sdp.to_vec());
        }
        rest = &rest[end + delimiter.len()..];
    }
    Body::Other
}

/// The content of a part whose headers say application/sdp. The part starts behind its delimiter line's text.
fn sdp_part(part: &[u8]) -> Option<&[u8]> {
    let head_end = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..head_end]).ok()?;
    let sdp = head.split("\r\n").filter_map(|line| line.split_once(':')).any(|(name, value)| {
        let name = name.trim();
        (name.eq_ignore_ascii_case("content-type") || name.eq_ignore_ascii_case("c"))
            && is(value, "application/sdp")
    });
    sdp.then(|| &part[head_end + 4..])
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &[u8] = b"--b1\r\nContent-Type: application/isup;version=x\r\n\r\n\x01\x02\r\n\
        --b1\r\nc: application/SDP\r\nContent-Disposition: session\r\n\r\nv=0\r\no=-\r\n\r\n--b1--\r\n";

    #[test]
    fn the_sdp_is_found_where_it_may_be() {
        for (content_type, body, expected) in [
            (Some("application/sdp"), &b"v=0\r\n"[..], Body::Sdp(b"v=0\r\n".to_vec())),
            (Some("Application/SDP ; charset=utf-8"), b"v=0\r\n", Body::Sdp(b"v=0\r\n".to_vec())),
            (None, b"v=0\r\n", Body::Sdp(b"v=0\r\n".to_vec())),
            (None, b"hello", Body::Other),
            (Some("text/plain"), b"v=0\r\n", Body::Other),
            (Some("application/sdp"), b"", Body::Empty),
            (Some("multipart/mixed;boundary=b1"), MIXED, Body::Sdp(b"v=0\r\no=-\r\n".to_vec())),
            (Some("multipart/mixed; boundary=\"b1\""), MIXED, Body::Sdp(b"v=0\r\no=-\r\n".to_vec())),
            (Some("multipart/mixed;boundary=b2"), MIXED, Body::Other),
            (Some("multipart/mixed"), MIXED, Body::Other),
        ] {
            assert_eq!(read(content_type, body), expected, "{content_type:?}");
        }
    }
}
