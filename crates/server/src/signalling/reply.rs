//! Makes responses.

use aftercall_wire::sip::{self, Headers, Request, Response};

use super::address::one_line;
use super::session_timer;

/// The methods we serve, in Allow headers.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, PRACK, UPDATE";

/// The extensions we speak, in Supported headers: RFC 3262, RFC 3891, RFC 4028.
pub(super) const SUPPORTED: [&str; 3] = ["100rel", "replaces", "timer"];

/// The bodies we read in an INVITE, in Accept headers.
pub(super) const ACCEPT: &str = "application/sdp, multipart/mixed";

/// A response in the making.
pub(super) struct Reply<'a> {
    status: u16,
    phrase: Option<String>,
    tag: Option<&'a str>,
    headers: Headers,
    sdp: Option<Vec<u8>>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(status: u16) -> Self {
        Self { status, phrase: None, tag: None, headers: Headers::new(), sdp: None }
    }

    /// What a method we do not serve gets.
    pub(super) fn not_allowed() -> Self {
        Self::new(405).with("Allow", ALLOW)
    }

    /// What a session interval gets that is shorter than we take (RFC 4028, section 6).
    pub(super) fn too_short() -> Self {
        Self::new(422).with("Min-SE", &session_timer::SHORTEST.as_secs().to_string())
    }

    /// What OPTIONS is told (RFC 3261, section 11.2).
    pub(super) fn capabilities() -> Self {
        Self::new(200)
            .with("Allow", ALLOW)
            .with("Accept", ACCEPT)
            .with("Accept-Encoding", "identity")
            .with("Accept-Language", "*")
            .with("Supported", &SUPPORTED.join(", "))
    }

    /// Another phrase than the usual one.
    pub(super) fn phrase(self, phrase: Option<&str>) -> Self {
        Self { phrase: phrase.map(one_line), ..self }
    }

    /// The tag our To header gets, unless the request's has one.
    pub(super) fn tag(self, tag: &'a str) -> Self {
        Self { tag: Some(tag), ..self }
    }

    /// One more header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push(name, &one_line(value));
        self
    }

    /// More headers, from outside: those that would contradict what we write ourselves are left out.
    pub(super) fn with_all(mut self, headers: &[(String, String)]) -> Self {
        add_foreign(&mut self.headers, headers);
        self
    }

    /// A session description.
    pub(super) fn sdp(self, sdp: Vec<u8>) -> Self {
        Self { sdp: Some(sdp), ..self.with("Content-Type", "application/sdp") }
    }

    /// The whole response.
    pub(super) fn to(self, request: &Request, user_agent: &str) -> Response {
        let phrase = self.phrase.as_deref().unwrap_or(sip::phrase(self.status));
        let mut response = request.answer(self.status, phrase, self.tag.unwrap_or_default());
        // What a proxy recorded goes back with every answer that may begin a dialog (RFC 3261, section 12.1.1).
        if (101..300).contains(&self.status) {
            for route in request.headers.all("Record-Route") {
                response.headers.push("Record-Route", route);
            }
        }
        for (name, value) in self.headers.iter() {
            response.headers.push(name, value);
        }
        if self.status > 100 {
            response.headers.push("Server", user_agent);
        }
        response.body = self.sdp.unwrap_or_default();
        response
    }
}

/// Whether we write the header of this name ourselves, whatever anybody else would put there: what identifies,
/// routes and frames a message, long or in its compact form (RFC 3261, 7.3.3).
#[must_use]
pub fn is_ours(name: &str) -> bool {
    const OURS: [&str; 16] = [
        "via",
        "v",
        "from",
        "f",
        "to",
        "t",
        "call-id",
        "i",
        "cseq",
        "max-forwards",
        "contact",
        "m",
        "route",
        "record-route",
        "c",
        "l",
    ];
    let name = name.to_ascii_lowercase();
    OURS.contains(&name.as_str()) || name.starts_with("content-")
}

/// Adds headers from outside, without those that we write ourselves and those that are none.
pub(super) fn add_foreign(to: &mut Headers, headers: &[(String, String)]) {
    for (name, value) in headers.iter().filter(|(name, _)| sip::is_token(name) && !is_ours(name)) {
        to.push(name, &one_line(value));
    }
}
