//! What is wrong with a message that can be read: what must be there and is not, is there twice, or has two readings
//! (RFC 3261, sections 8.1.1, 8.2 and 16.3; RFC 4475).
//!
//! Strict where a second reader might see something else in the same bytes; lenient about spaces and names, for
//! callers are not to blame for their telephones.

use super::message::{Message, Method, Request};

/// Why a message must not be acted upon. A request gets [`status`](Flaw::status) for it; a response is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// Another version than SIP/2.0.
    #[error("Version Not Supported")]
    Version,
    /// Spaces that do not belong there, or a status that is none.
    #[error("Malformed Start Line")]
    StartLine,
    /// Spaces, brackets or headers in the Request-URI, or nothing.
    #[error("Malformed Request-URI")]
    RequestUri,
    /// A line that is no header, or more of them than anybody sends.
    #[error("Malformed Header")]
    HeaderLine,
    /// A Content-Length that is no number, or two that differ.
    #[error("Malformed Content-Length")]
    Length,
    /// The datagram ends before its headers or its body do.
    #[error("Shorter Than Announced")]
    Truncated,
    /// A header that every message has is not there.
    #[error("Missing {0}")]
    Missing(&'static str),
    /// A header that there is one of is there more often.
    #[error("More Than One {0}")]
    Twice(&'static str),
    /// A header whose value cannot be read.
    #[error("Malformed {0}")]
    Malformed(&'static str),
    /// CSeq names another method than the request does.
    #[error("CSeq Names Another Method")]
    Mismatch,
}

impl Flaw {
    /// What a request gets for it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            _ => 400,
        }
    }
}

/// Headers of which every message has exactly one.
const ONCE: [&str; 4] = ["To", "From", "Call-ID", "CSeq"];

/// The first flaw of a message's headers.
pub(super) fn of(message: &Message) -> Option<Flaw> {
    let headers = message.headers();
    for name in ONCE {
        match headers.all(name).count() {
            0 => return Some(Flaw::Missing(name)),
            1 => {}
            _ => return Some(Flaw::Twice(name)),
        }
    }
    if headers.get("Via").is_none() {
        return Some(Flaw::Missing("Via"));
    }
    if !headers.all("Via").all(are_vias) {
        return Some(Flaw::Malformed("Via"));
    }
    if headers.all("Max-Forwards").count() > 1 {
        return Some(Flaw::Twice("Max-Forwards"));
    }
    if headers.get("Max-Forwards").is_some_and(|value| value.parse::<u8>().is_err()) {
        return Some(Flaw::Malformed("Max-Forwards"));
    }
    for name in ["To", "From"] {
        if headers.get(name).is_none_or(|value| !is_address(value)) {
            return Some(Flaw::Malformed(name));
        }
    }
    if !headers.all("Contact").all(has_whole_parts) {
        return Some(Flaw::Malformed("Contact"));
    }
    let Some((number, method)) = headers.get("CSeq").and_then(|value| value.split_once([' ', '\t'])) else {
        return Some(Flaw::Malformed("CSeq"));
    };
    // Section 8.1.1.5: below 2^31.
    if number.parse::<u32>().is_ok_and(|number| number >> 31 == 0) {
        of_method(message, &Method::from(method.trim()))
    } else {
        Some(Flaw::Malformed("CSeq"))
    }
}

fn of_method(message: &Message, named: &Method) -> Option<Flaw> {
    match message {
        Message::Request(Request { method, .. }) if method != named => Some(Flaw::Mismatch),
        Message::Request(_) | Message::Response(_) => None,
    }
}

/// The flaw of a Request-URI, whatever its scheme.
pub(super) fn of_uri(uri: &str) -> Option<Flaw> {
    let spoilt = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"');
    let has_scheme = uri.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    // Behind the host a `?` begins headers, which a Request-URI has none of (section 19.1.1).
    let host = uri.rsplit_once('@').map_or(uri, |(_, host)| host);
    let sip = uri.get(..3).is_some_and(|scheme| scheme.eq_ignore_ascii_case("sip"));
    (!has_scheme || uri.contains(spoilt) || sip && host.contains('?')).then_some(Flaw::RequestUri)
}

/// Whether this can be a method or a header's name (section 25.1).
#[must_use]
pub fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

/// Whether a From or To names one party, and one only. A name with a comma should be in quotes, but nobody goes without
/// a survey for that.
fn is_address(value: &str) -> bool {
    let (mut commas, mut brackets) = (0, 0);
    let whole = walk(value, |c, within| {
        commas += usize::from(c == ',' && within == Within::Nothing);
        brackets += usize::from(c == '<' && within == Within::Nothing);
    });
    whole && value.contains(':') && (brackets == 1 || brackets == 0 && commas == 0)
}

/// Whether quotes and brackets are closed, and no value and no parameter is empty.
fn has_whole_parts(value: &str) -> bool {
    let mut empty = true;
    let mut holes = false;
    let whole = walk(value, |c, within| {
        let separates = within == Within::Nothing && matches!(c, ',' | ';');
        holes |= separates && empty;
        empty = if separates { true } else { empty && c.is_whitespace() };
    });
    whole && !holes && !empty
}

/// Whether each is `SIP/2.0/TRANSPORT HOST[:PORT]` with parameters, and spaces wherever they may be (section 20.42).
fn are_vias(value: &str) -> bool {
    let is_via = |via: &str| {
        let (sent, _) = via.split_once(';').unwrap_or((via, ""));
        let mut parts = sent.splitn(3, '/').map(str::trim);
        let sip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("SIP"));
        let version = parts.next().is_some_and(|version| !version.is_empty());
        sip && version && parts.next().is_some_and(|rest| rest.split_ascii_whitespace().count() > 1)
    };
    has_whole_parts(value) && value.split(',').all(is_via)
}

/// Where a character of a header's value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Quotes,
    Brackets,
}

/// Shows each character and where it stands; says whether all quotes and brackets are closed.
fn walk(value: &str, mut see: impl FnMut(char, Within)) -> bool {
    let (mut within, mut escaped) = (Within::Nothing, false);
    for c in value.chars() {
        see(c, within);
        within = match (within, c) {
            (Within::Quotes, _) if escaped => Within::Quotes,
            (Within::Quotes, '"') => Within::Nothing,
            (Within::Nothing, '"') => Within::Quotes,
            (Within::Nothing, '<') => Within::Brackets,
            (Within::Brackets, '>') => Within::Nothing,
            (within, _) => within,
        };
        escaped = within == Within::Quotes && c == '\\' && !escaped;
    }
    within == Within::Nothing
}
