//! SIP messages (RFC 3261, section 7): read leniently, so that a bad one can be answered, and judged strictly.

use std::fmt;

use super::headers::Headers;
use super::value::param;

/// The longest message taken: the longest datagram there is.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// The longest start line and headers together. A real INVITE has 1-8 KiB.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;

/// The most headers. A real INVITE has 10-40.
pub const HEADERS_MAX: usize = 256;

/// What a request asks (RFC 3261, 7.1). Case matters: `invite` is another method, and unknown.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// Begins or changes a call.
    Invite,
    /// Acknowledges the final response to an INVITE.
    Ack,
    /// Ends a call.
    Bye,
    /// Gives up an INVITE that is not answered.
    Cancel,
    /// Asks what one can do.
    Options,
    /// Says something within a call (RFC 6086).
    Info,
    /// Tells of an event (RFC 6665).
    Notify,
    /// Acknowledges a provisional response (RFC 3262).
    Prack,
    /// Sends the peer elsewhere (RFC 3515).
    Refer,
    /// Says where somebody is.
    Register,
    /// Changes a call without an INVITE (RFC 3311).
    Update,
    /// Something else.
    Other(Box<str>),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks.
    pub method: Method,
    /// Whom, as it was written.
    pub uri: Box<str>,
    /// All but Content-Length, which is the body's.
    pub headers: Headers,
    /// What it carries.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 100-699.
    pub status: u16,
    /// In words, as they were written.
    pub phrase: Box<str>,
    /// All but Content-Length, which is the body's.
    pub headers: Headers,
    /// What it carries.
    pub body: Vec<u8>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

impl Method {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Notify => "NOTIFY",
            Self::Prack => "PRACK",
            Self::Refer => "REFER",
            Self::Register => "REGISTER",
            Self::Update => "UPDATE",
            Self::Other(name) => name,
        }
    }

    const KNOWN: [Self; 11] = [
        Self::Invite,
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Options,
        Self::Info,
        Self::Notify,
        Self::Prack,
        Self::Refer,
        Self::Register,
        Self::Update,
    ];
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == name)
            .unwrap_or_else(|| Self::Other(name.into()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Request {
    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes(&format!("{} {} SIP/2.0", self.method, self.uri), &self.headers, &self.body)
    }

    /// The response to it, with what every response repeats (section 8.2.6.2); `tag` goes to the To header unless that
    /// has one.
    #[must_use]
    pub fn answer(&self, status: u16, phrase: &str, tag: &str) -> Response {
        let mut headers = Headers::new();
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Timestamp"] {
            for value in self.headers.all(name) {
                if name == "To" && status > 100 && param(value, "tag").is_none() {
                    headers.push(name, &format!("{value};tag={tag}"));
                } else {
                    headers.push(name, value);
                }
            }
        }
        Response { status, phrase: phrase.into(), headers, body: Vec::new() }
    }
}

impl Response {
    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes(&format!("SIP/2.0 {:03} {}", self.status, self.phrase), &self.headers, &self.body)
    }
}

impl Message {
    /// Its headers.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    /// Its body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Request(request) => &request.body,
            Self::Response(response) => &response.body,
        }
    }
}

fn bytes(start: &str, headers: &Headers, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{start}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}
