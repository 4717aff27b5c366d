//! Reading and making the stack's messages. Header values go in and out as text, so nothing is re-spelled: the
//! stack's own URI printing turns `%23` into `%2523`.

use std::net::{IpAddr, SocketAddr};

use aftercall_wire::sip::{listed, param};
use rsipstack::sip::headers::make_header;
use rsipstack::sip::{
    Domain, Header, Headers, HostWithPort, Method, Request, Response, SipMessage, StatusCode, Uri, Version,
};

use super::Transport;
use super::address::one_line;
use super::framing::Frame;

/// What an in-dialog message is matched by (RFC 3261, section 12): never by less.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct DialogKey {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
}

/// The message in a frame, if the parser underneath finds one.
pub(super) fn parse(frame: &Frame) -> Option<SipMessage> {
    SipMessage::try_from(frame.for_parser().as_slice()).ok()
}

/// The first header of that name.
pub(super) fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|h| h.name().eq_ignore_ascii_case(name)).map(Header::value)
}

/// Every value of the headers of that name, lists taken apart.
pub(super) fn values<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |h| h.name().eq_ignore_ascii_case(name)).flat_map(|h| listed(h.value()))
}

/// The headers of that name, each as it stands: what holds credentials is not a list.
pub(super) fn whole_values<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |h| h.name().eq_ignore_ascii_case(name)).map(Header::value)
}

/// A header whose value cannot start a second one.
pub(super) fn make(name: &str, value: &str) -> Header {
    make_header(&one_line(name), one_line(value))
}

/// The tag of the From or To header.
pub(super) fn tag<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    header(headers, name).and_then(|v| param(v, "tag")).filter(|t| !t.is_empty())
}

/// The number of the CSeq header.
pub(super) fn cseq(headers: &Headers) -> Option<u32> {
    header(headers, "CSeq")?.split_ascii_whitespace().next()?.parse().ok()
}

/// The method of the CSeq header.
pub(super) fn cseq_method(headers: &Headers) -> Option<&str> {
    header(headers, "CSeq")?.split_ascii_whitespace().nth(1)
}

/// The dialog a request from a peer belongs to.
pub(super) fn dialog_of_request(headers: &Headers) -> Option<DialogKey> {
    dialog(headers, "To", "From")
}

/// The dialog a response to our request belongs to.
pub(super) fn dialog_of_response(headers: &Headers) -> Option<DialogKey> {
    dialog(headers, "From", "To")
}

fn dialog(headers: &Headers, local: &str, remote: &str) -> Option<DialogKey> {
    Some(DialogKey {
        call_id: header(headers, "Call-ID")?.to_owned(),
        local_tag: tag(headers, local)?.to_owned(),
        remote_tag: tag(headers, remote)?.to_owned(),
    })
}

/// A request of ours, complete but for its Via.
pub(super) fn request(method: Method, uri: &str, headers: Vec<Header>, body: Vec<u8>) -> Request {
    // The whole URI stands in for the host, which is the one part that is printed as it is.
    let host = HostWithPort { host: Domain::from(uri).into(), port: None };
    let uri = Uri { host_with_port: host, ..Uri::default() };
    Request { method, uri, version: Version::V2, headers: headers.into(), body }
}

/// A status with its usual phrase, or another.
pub(super) fn status_code(status: u16, phrase: Option<&str>) -> StatusCode {
    match phrase {
        Some(phrase) => StatusCode::Other(status, one_line(phrase)),
        None => StatusCode::from(status),
    }
}

/// The reason phrase of a response, as the peer wrote it.
pub(super) fn phrase(response: &Response) -> &str {
    response.wire_reason.as_deref().unwrap_or(response.status_code.text())
}

/// Notes in a request's topmost Via where it really came from (RFC 3261, section 18.2.1; RFC 3581, section 4), and
/// says where a response over UDP goes. `None`: there is no Via, or none that can be read.
pub(super) fn note_source(headers: &mut Headers, source: SocketAddr) -> Option<SocketAddr> {
    let via = headers.iter_mut().find_map(|h| match h {
        Header::Via(via) => Some(via),
        _ => None,
    })?;
    let (stamped, answer_to) = stamp(via.value(), source)?;
    via.replace(stamped);
    Some(answer_to)
}

fn stamp(value: &str, source: SocketAddr) -> Option<(String, SocketAddr)> {
    let first = listed(value).next()?;
    let rest = &value[value.find(first)? + first.len()..];
    let mut parts = first.split(';');
    let protocol_and_host = parts.next()?.trim();
    let (host, port) = sent_by(protocol_and_host.split_ascii_whitespace().next_back()?)?;
    let mut out = protocol_and_host.to_owned();
    let mut rport = false;
    for part in parts {
        let name = part.split('=').next()?.trim();
        rport |= name.eq_ignore_ascii_case("rport");
        if !name.eq_ignore_ascii_case("rport") && !name.eq_ignore_ascii_case("received") {
            out.push(';');
            out.push_str(part.trim());
        }
    }
    if rport || host.parse::<IpAddr>().ok() != Some(source.ip()) {
        out.push_str(&format!(";received={}", source.ip()));
    }
    let port = if rport { source.port() } else { port.unwrap_or(5060) };
    if rport {
        out.push_str(&format!(";rport={port}"));
    }
    out.push_str(rest);
    Some((out, SocketAddr::new(source.ip(), port)))
}

fn sent_by(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(inner) => {
            let (host, after) = inner.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    Some((host, port.map(str::parse).transpose().ok()?))
}

/// The Via of a request of ours. Asks for `rport`, so that answers find us behind NAT.
pub(super) fn our_via(transport: Transport, sent_by: SocketAddr) -> Header {
    let branch = format!("z9hG4bK{}", random(16));
    make("Via", &format!("SIP/2.0/{} {sent_by};branch={branch};rport", transport.via_token()))
}

/// Letters and digits that nobody can guess: tags, branches, nonces.
pub(super) fn random(letters: usize) -> String {
    rsipstack::transaction::random_text(letters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rsipstack::transaction::key::{TransactionKey, TransactionRole};

    use super::*;
    use crate::signalling::framing::{Piece, from_datagram};

    fn parsed(text: &str) -> Request {
        let Ok(Piece::Message(frame)) = from_datagram(text.as_bytes()) else { panic!("no message") };
        match parse(&frame) {
            Some(SipMessage::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn vias_are_stamped_and_answers_go_where_the_rfc_says() {
        let source: SocketAddr = "192.0.2.9:4000".parse().unwrap();
        for (via, stamped, answer_to) in [
            ("SIP/2.0/UDP 192.0.2.9:4000;branch=b", "SIP/2.0/UDP 192.0.2.9:4000;branch=b", "192.0.2.9:4000"),
            ("SIP/2.0/UDP 192.0.2.9;branch=b", "SIP/2.0/UDP 192.0.2.9;branch=b", "192.0.2.9:5060"),
            (
                "SIP/2.0/UDP 192.0.2.9:4000;RPORT;branch=b",
                "SIP/2.0/UDP 192.0.2.9:4000;branch=b;received=192.0.2.9;rport=4000",
                "192.0.2.9:4000",
            ),
            (
                "SIP/2.0/UDP pc.example:5062;branch=b;x",
                "SIP/2.0/UDP pc.example:5062;branch=b;x;received=192.0.2.9",
                "192.0.2.9:5062",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1;rport;branch=b",
                "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.9;rport=4000",
                "192.0.2.9:4000",
            ),
            (
                "SIP/2.0/UDP 10.0.0.1;received=1.1.1.1;rport=1;branch=b , SIP/2.0/TCP x;branch=c",
                "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.9;rport=4000 , SIP/2.0/TCP x;branch=c",
                "192.0.2.9:4000",
            ),
        ] {
            assert_eq!(stamp(via, source), Some((stamped.to_owned(), answer_to.parse().unwrap())), "{via}");
        }
        let v6: SocketAddr = "[2001:db8::1]:4000".parse().unwrap();
        assert_eq!(
            stamp("SIP/2.0/UDP [2001:db8::1]:5061;branch=b", v6),
            Some(("SIP/2.0/UDP [2001:db8::1]:5061;branch=b".into(), "[2001:db8::1]:5061".parse().unwrap()))
        );
        assert_eq!(stamp("", source), None);
        assert_eq!(stamp("SIP/2.0/UDP h:port;branch=b", source), None);
    }

    #[test]
    fn a_request_keeps_its_uri_byte_for_byte() {
        let uri = "sip:a%23b;x=%2f?y@h.example:5070;lr";
        let request = request(Method::Bye, uri, vec![], vec![]);
        assert_eq!(request.to_string().lines().next(), Some(format!("BYE {uri} SIP/2.0").as_str()));
    }

    const REQUEST: &str = "INVITE sip:a@h SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;rport, \
        SIP/2.0/TCP h;branch=2\r\nFrom: \"A;b\" <sip:a:p@h:5060;x=1>;tag=1\r\nTo: <sip:b@[::1]:5>;tag=2\r\n\
        Call-ID: a@b\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h;transport=tcp>\r\nRecord-Route: <sip:a;lr>\r\n\r\nabc";
    const RESPONSE: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP h:5060;received=1.2.3.4;rport=5;branch=z9hG4bK1\r\n\
        f: sip:a@h;tag=1\r\nt: \"x\" <sip:b@h>;tag=2\r\ni: a@b\r\nCSeq: 1 INVITE\r\nm: <sip:a@h>\r\n\r\n";

    fn anything_here(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
        let tokens = [
            "[", "]", ":", ";", "<", ">", "\"", ",", "@", "%", "\r\n", "\r\n ", "é", "=", ";tag=", "sip:", "",
        ];
        let edit = (0..text.len(), 0..12usize, prop::sample::select(tokens.to_vec()));
        prop::collection::vec(edit, 1..8).prop_map(move |edits| {
            let mut bytes = text.as_bytes().to_vec();
            for (at, cut, token) in edits {
                let at = at.min(bytes.len());
                bytes.splice(at..(at + cut).min(bytes.len()), token.bytes());
            }
            bytes
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// Whatever is left of a message, reading it neither panics nor loses what it was matched by.
        #[test]
        fn no_spoilt_message_makes_the_parser_panic(
            bytes in prop_oneof![anything_here(REQUEST), anything_here(RESPONSE)],
        ) {
            let Ok(Piece::Message(frame)) = from_datagram(&bytes) else { return Ok(()) };
            match parse(&frame) {
                Some(SipMessage::Request(mut request)) => {
                    note_source(&mut request.headers, "192.0.2.1:5060".parse().unwrap());
                    let key = TransactionKey::from_request(&request, TransactionRole::Server);
                    prop_assert!(key.is_err() || header(&request.headers, "Call-ID").is_some());
                    dialog_of_request(&request.headers);
                }
                Some(SipMessage::Response(response)) => {
                    let key = TransactionKey::from_response(&response, TransactionRole::Client);
                    prop_assert!(key.is_err() || header(&response.headers, "Call-ID").is_some());
                    dialog_of_response(&response.headers);
                }
                None => {}
            }
        }
    }

    #[test]
    fn a_phrase_of_ours_is_sent_and_cannot_break_the_line() {
        let status = status_code(486, Some("Survey\r\nbusy"));
        assert_eq!((status.code(), status.text()), (486, "Survey  busy"));
        assert_eq!(status_code(486, None).text(), "Busy Here");
    }

    #[test]
    fn a_dialog_is_named_by_call_id_and_both_tags() {
        let request = parsed(
            "BYE sip:a@h SIP/2.0\r\ni: c1\r\nFrom: \"A;tag=no\" <sip:a@h>;tag=theirs\r\nt: <sip:b@h>;tag=ours\r\n\r\n",
        );
        let key = dialog_of_request(&request.headers).unwrap();
        assert_eq!((&*key.call_id, &*key.local_tag, &*key.remote_tag), ("c1", "ours", "theirs"));
        let half =
            parsed("BYE sip:a@h SIP/2.0\r\ni: c1\r\nFrom: <sip:a@h>;tag=theirs\r\nt: <sip:b@h>\r\n\r\n");
        assert!(dialog_of_request(&half.headers).is_none());
    }
}
