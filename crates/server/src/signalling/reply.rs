//! Makes responses, and sends those that leave no memory behind (RFC 3261, section 8.2.7).

use std::net::SocketAddr;

use rsipstack::sip::{Header, Request, Response};

use super::flow::Flow;
use super::message::{self, make};
use super::stack::Stack;

/// The methods we serve, in Allow headers.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY";

/// The bodies we read in an INVITE, in Accept headers.
pub(super) const ACCEPT: &str = "application/sdp, multipart/mixed";

/// A response in the making.
pub(super) struct Reply<'a> {
    status: u16,
    phrase: Option<&'a str>,
    tag: Option<&'a str>,
    headers: Vec<Header>,
    sdp: Option<Vec<u8>>,
}

impl<'a> Reply<'a> {
    pub(super) fn new(status: u16) -> Self {
        Self { status, phrase: None, tag: None, headers: Vec::new(), sdp: None }
    }

    /// What a method we do not serve gets.
    pub(super) fn not_allowed() -> Self {
        Self::new(405).with("Allow", ALLOW)
    }

    /// Another phrase than the usual one.
    pub(super) fn phrase(mut self, phrase: Option<&'a str>) -> Self {
        self.phrase = phrase;
        self
    }

    /// The tag our To header gets, unless the request's has one.
    pub(super) fn tag(mut self, tag: &'a str) -> Self {
        self.tag = Some(tag);
        self
    }

    /// One more header.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push(make(name, value));
        self
    }

    /// More headers, from outside: those that would contradict what we write ourselves are left out.
    pub(super) fn with_all(mut self, headers: &[(String, String)]) -> Self {
        self.headers.extend(foreign(headers));
        self
    }

    /// A session description.
    pub(super) fn sdp(mut self, sdp: Vec<u8>) -> Self {
        self.headers.push(make("Content-Type", "application/sdp"));
        self.sdp = Some(sdp);
        self
    }

    /// The whole response.
    pub(super) fn to(self, request: &Request, stack: &Stack) -> Response {
        let code = message::status_code(self.status, self.phrase);
        let mut response = stack.endpoint.make_response(request, code, self.sdp);
        let to = response.headers.iter_mut().find_map(|h| match h {
            Header::To(to) => Some(to),
            _ => None,
        });
        if let (Some(tag), Some(to)) = (self.tag, to)
            && message::tag(&request.headers, "To").is_none()
        {
            let tagged = format!("{};tag={tag}", to.value());
            to.replace(tagged);
        }
        // What a proxy recorded goes back with every answer that may begin a dialog (RFC 3261, section 12.1.1).
        if (101..300).contains(&self.status) {
            let routes = request.headers.iter().filter(|h| matches!(h, Header::RecordRoute(_)));
            response.headers.extend(routes.cloned().collect());
        }
        response.headers.extend(self.headers);
        response
    }

    /// Answers without remembering. The tag is the same when the request comes again.
    pub(super) async fn forgetful(self, request: &Request, to: SocketAddr, flow: &Flow, stack: &Stack) {
        let via = message::header(&request.headers, "Via").unwrap_or_default();
        let tag = stack.forgetful_tag(via);
        let response = Reply { tag: Some(&tag), ..self }.to(request, stack);
        flow.send_to(response.into(), to).await;
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

/// Headers from outside, without those that we write ourselves.
pub(super) fn foreign(headers: &[(String, String)]) -> impl Iterator<Item = Header> {
    headers.iter().map(|(name, value)| make(name, value)).filter(|header| !is_ours(header.name()))
}
