//! Reading and making the parts of messages that signalling needs. Header values go in and out as text, so nothing is
//! re-spelled.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aftercall_wire::sip::{COOKIE, Headers, is_token, listed, param};

use super::Transport;

/// What an in-dialog message is matched by (RFC 3261, section 12): never by less.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct DialogKey {
    pub(super) call_id: String,
    pub(super) local_tag: String,
    pub(super) remote_tag: String,
}

/// Every value of the headers of that name, lists taken apart.
pub(super) fn values<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.all(name).flat_map(listed)
}

/// Whether one of the values of the headers of that name is this, in whatever case.
pub(super) fn lists(headers: &Headers, name: &str, value: &str) -> bool {
    values(headers, name).any(|listed| listed.eq_ignore_ascii_case(value))
}

/// The tag of the From or To header.
pub(super) fn tag<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| param(value, "tag")).filter(|tag| !tag.is_empty())
}

/// The number of the CSeq header.
pub(super) fn cseq(headers: &Headers) -> Option<u32> {
    headers.get("CSeq")?.split_ascii_whitespace().next()?.parse().ok()
}

/// The method of the CSeq header.
pub(super) fn cseq_method(headers: &Headers) -> Option<&str> {
    headers.get("CSeq")?.split_ascii_whitespace().nth(1)
}

/// Why a peer ends something, as its Reason header says (RFC 3326): the protocol whose numbers are used, and the number.
/// What it says in words may name people.
pub(super) fn reason(headers: &Headers) -> Option<(&str, u16)> {
    let value = values(headers, "Reason").next()?;
    let protocol = value.split(';').next()?.trim();
    Some((protocol, param(value, "cause")?.parse().ok()?)).filter(|_| is_token(protocol))
}

/// The dialog a request from a peer belongs to.
pub(super) fn dialog_of_request(headers: &Headers) -> Option<DialogKey> {
    dialog(headers, "To", "From")
}

/// The dialog a response to our request belongs to.
pub(super) fn dialog_of_response(headers: &Headers) -> Option<DialogKey> {
    dialog(headers, "From", "To")
}

/// A peer of RFC 2543 has no tag, which is as good as an empty one (RFC 3261, section 12.1.1); we have one always.
fn dialog(headers: &Headers, local: &str, remote: &str) -> Option<DialogKey> {
    Some(DialogKey {
        call_id: headers.get("Call-ID")?.to_owned(),
        local_tag: tag(headers, local)?.to_owned(),
        remote_tag: tag(headers, remote).unwrap_or_default().to_owned(),
    })
}

/// Notes in a request's topmost Via where it really came from (RFC 3261, section 18.2.1; RFC 3581, section 4), and
/// says where a response over UDP goes. `None`: there is no Via, or none that can be read.
pub(super) fn note_source(headers: &mut Headers, source: SocketAddr) -> Option<SocketAddr> {
    let (stamped, answer_to) = stamp(headers.get("Via")?, source)?;
    headers.set("Via", &stamped);
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
pub(super) fn our_via(transport: Transport, sent_by: SocketAddr) -> String {
    format!("SIP/2.0/{} {sent_by};branch={COOKIE}{};rport", transport.via_token(), random(16))
}

/// Letters and digits that nobody can guess: tags, branches, nonces.
pub(super) fn random(letters: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut bytes = vec![0; letters];
    // The system has had random numbers since long before we started, or keys could not be made either.
    getrandom::fill(&mut bytes).unwrap_or_default();
    bytes.into_iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

/// A time of at least so long and under twice as long, which nobody can guess: two that wait for each other part.
pub(super) fn random_pause(least: Duration) -> Duration {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).unwrap_or_default();
    least + least * u32::from(u16::from_ne_bytes(bytes)) / (u32::from(u16::MAX) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_dialog_is_named_by_call_id_and_both_tags() {
        let mut headers = Headers::new();
        headers.push("i", "c1");
        headers.push("From", "\"A;tag=no\" <sip:a@h>;tag=theirs");
        headers.push("t", "<sip:b@h>;tag=ours");
        let key = dialog_of_request(&headers).unwrap();
        assert_eq!((&*key.call_id, &*key.local_tag, &*key.remote_tag), ("c1", "ours", "theirs"));
        headers.set("From", "<sip:a@h>");
        assert_eq!(dialog_of_request(&headers).unwrap().remote_tag, "", "as in RFC 2543");
        headers.set("To", "<sip:b@h>");
        assert_eq!(dialog_of_request(&headers), None);
    }

    #[test]
    fn a_reason_is_a_protocol_and_its_number() {
        for (value, expected) in [
            ("Q.850;cause=16;text=\"Jane hung up\"", Some(("Q.850", 16))),
            ("SIP ;cause=200 ;text=\"Call completed elsewhere\", Q.850;cause=26", Some(("SIP", 200))),
            ("Q.850;text=\"cause=1\"", None),
            ("a b;cause=1", None),
            ("SIP;cause=99999", None),
        ] {
            let mut headers = Headers::new();
            headers.push("Reason", value);
            assert_eq!(reason(&headers), expected, "{value}");
        }
    }

    #[test]
    fn what_nobody_can_guess_is_as_long_as_asked_for_and_never_the_same() {
        let some: std::collections::HashSet<_> = (0..1000).map(|_| random(12)).collect();
        assert_eq!(some.len(), 1000);
        assert!(some.iter().all(|text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_alphanumeric())));
    }
}
