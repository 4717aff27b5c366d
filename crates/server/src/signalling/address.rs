//! Names and addresses inside SIP header values, read as text so that what goes back out is what came in.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::Transport;

/// Longest URI dialled or followed: a Request-URI must fit one datagram with room to spare.
const URI_BYTES_MAX: usize = 1024;

/// A `sip:` or `sips:` URI that can be called, kept byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    uri: String,
    host: String,
    port: Option<u16>,
    transport: Option<Transport>,
}

/// Not a URI that can be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadTarget {
    /// Only `sip:` and `sips:` are spoken.
    #[error("write the address as sip:USER@HOST, e.g. sip:csat-survey@192.0.2.1")]
    Scheme,
    /// No host, or characters that no URI has.
    #[error("the address has no readable host; write it as sip:USER@HOST[:PORT]")]
    Host,
    /// Not a port number.
    #[error("the port of the address is not a number from 1 to 65535")]
    Port,
    /// None that we have, or one that is not secure where the address is.
    #[error(
        "the address asks for a transport other than udp, tcp and tls, or for sips over another than tls"
    )]
    Transport,
}

impl Target {
    /// The URI as it was given.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The URI as a request is sent to it: its headers go into the request (RFC 3261, 19.1.5).
    pub fn without_headers(&self) -> &str {
        cut(&self.uri).0
    }

    /// The headers in it as they are written, `NAME=VALUE&NAME=VALUE`; empty without any.
    pub fn headers(&self) -> &str {
        cut(&self.uri).1
    }

    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The port, or the one that everybody has who names none.
    pub fn port_over(&self, transport: Transport) -> u16 {
        self.port.unwrap_or(transport.usual_port())
    }

    /// The `transport` parameter, if given; TLS of a `sips:` URI.
    pub fn transport(&self) -> Option<Transport> {
        self.transport
    }

    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Target(…)")
    }
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        if text.len() > URI_BYTES_MAX || text.bytes().any(|b| b <= b' ' || b == 0x7f || b"<>\"".contains(&b))
        {
            return Err(BadTarget::Host);
        }
        let (scheme, rest) = text.split_once(':').ok_or(BadTarget::Scheme)?;
        let secure = scheme.eq_ignore_ascii_case("sips");
        if !secure && !scheme.eq_ignore_ascii_case("sip") {
            return Err(BadTarget::Scheme);
        }
        let (address, _) = cut(rest);
        // A user part may hold ';' (RFC 3261, user-unreserved), so it goes first.
        let mut parts = address.rsplit_once('@').map_or(address, |(_, after)| after).split(';');
        let (host, port) = host_port(parts.next().unwrap_or_default())?;
        let transport = parts
            .filter_map(|p| p.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("transport"))
            .map(|(_, value)| value.parse().map_err(|()| BadTarget::Transport))
            .transpose()?;
        // `sips:` with `transport=tcp` means TLS over TCP (RFC 3261, section 26.2.2).
        let transport = match transport {
            Some(Transport::Udp) if secure => return Err(BadTarget::Transport),
            Some(Transport::Tcp) | None if secure => Some(Transport::Tls),
            other => other,
        };
        Ok(Self { uri: text.to_owned(), host, port, transport })
    }
}

/// A URI before and after the '?' of its headers. A user part may hold one of its own and ends at the first '@';
/// PBXs leave others in headers.
fn cut(uri: &str) -> (&str, &str) {
    let host = uri.find('@').map_or(0, |at| at + 1);
    uri[host..].find('?').map_or((uri, ""), |at| (&uri[..host + at], &uri[host + at + 1..]))
}

fn host_port(text: &str) -> Result<(String, Option<u16>), BadTarget> {
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let (address, after) = inner.split_once(']').ok_or(BadTarget::Host)?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| BadTarget::Host)?;
        (address, after.strip_prefix(':'))
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    if host.is_empty() {
        return Err(BadTarget::Host);
    }
    let port = port.map(|p| p.parse::<u16>().ok().filter(|p| *p != 0).ok_or(BadTarget::Port)).transpose()?;
    Ok((host.to_owned(), port))
}

/// `text` without what would end a header line: a header value from outside stays one header.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_and_kept_byte_for_byte() {
        for (text, host, port, transport) in [
            ("sip:a@h", "h", None, None),
            ("SIP:a%23b;x=1?y@h.example:5070;transport=TCP", "h.example", Some(5070), Some(Transport::Tcp)),
            ("sip:h;lr", "h", None, None),
            ("sips:a@h;transport=tcp", "h", None, Some(Transport::Tls)),
            ("sip:h:5061;transport=TLS", "h", Some(5061), Some(Transport::Tls)),
            ("sip:a@[::1]:5060;transport=udp?Subject=x", "::1", Some(5060), Some(Transport::Udp)),
            ("sip:a@[2001:db8::1]", "2001:db8::1", None, None),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (target.uri(), target.host(), target.port(), target.transport()),
                (text, host, port, transport)
            );
        }
    }

    #[test]
    fn a_targets_headers_are_told_from_a_user_that_looks_like_them() {
        for (text, host, without, headers) in [
            ("sip:a@h", "h", "sip:a@h", ""),
            ("sip:a@h;x=1?A=1&B=%202", "h", "sip:a@h;x=1", "A=1&B=%202"),
            ("sip:a?b=c@h?A=1?2", "h", "sip:a?b=c@h", "A=1?2"),
            ("sip:a@h?X-Call-Id=1@10.0.0.1", "h", "sip:a@h", "X-Call-Id=1@10.0.0.1"),
            ("sip:h?A=1", "h", "sip:h", "A=1"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (target.host(), target.without_headers(), target.headers()),
                (host, without, headers),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_called_is_refused_with_the_reason() {
        for (text, why) in [
            ("sips:a@h;transport=udp", BadTarget::Transport),
            ("mailto:a@h", BadTarget::Scheme),
            ("tel:+15551234", BadTarget::Scheme),
            ("a@h", BadTarget::Scheme),
            ("sip:", BadTarget::Host),
            ("sip:a@", BadTarget::Host),
            ("sip:a@h\r\nX: 1", BadTarget::Host),
            ("sip:a@[::1", BadTarget::Host),
            ("sip:a@h:0", BadTarget::Port),
            ("sip:a@h:99999", BadTarget::Port),
            ("sip:a@h;transport=ws", BadTarget::Transport),
        ] {
            assert_eq!(text.parse::<Target>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn a_value_from_outside_cannot_start_a_second_header() {
        assert_eq!(one_line("busy\r\nX-Evil: 1"), "busy  X-Evil: 1");
    }
}
