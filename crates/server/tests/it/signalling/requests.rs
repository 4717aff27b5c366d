//! Single requests from a hand-written peer, and what they get (RFC 3261, sections 8.2, 11, 12.2.2, 21, 22).

use std::num::NonZeroU32;
use std::time::Duration;

use aftercall::signalling::{Count, Credentials, Peer as Allowed, Peers, Transport};

use super::harness::{Agent, Manner, config};
use super::peer::{Peer, header, invite, request, to_tag};

const T1: Duration = Duration::from_millis(20);

async fn agent(manner: Manner) -> Agent {
    Agent::start(manner, config(T1)).await
}

#[tokio::test]
async fn options_tells_what_we_can_do_and_comes_from_nowhere() {
    let agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&request("OPTIONS", "o1", "")).await;
    let first = peer.receive().await;
    assert!(first.starts_with("SIP/2.0 200 OK\r\n"), "{first}");
    assert_eq!(
        header(&first, "Allow"),
        Some("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, NOTIFY, PRACK, UPDATE")
    );
    assert_eq!(header(&first, "Accept"), Some("application/sdp, multipart/mixed"));
    assert_eq!(header(&first, "Supported"), Some("100rel, replaces, timer"));
    peer.send(&request("OPTIONS", "o1", "")).await;
    assert_eq!(to_tag(&peer.receive_again().await), to_tag(&first), "a repeated request gets the same tag");
    assert_eq!(agent.signalling.count(Count::Options), 2);
    assert_eq!(agent.signalling.transactions_live(), 0, "nothing is remembered");
}

/// One request each, and the status line and header it gets. No call begins, and nothing is remembered.
#[tokio::test]
async fn what_is_not_served_is_refused_with_the_right_status() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    let no_tag = |method: &str| request(method, "n", "");
    let in_dialog = |method: &str| {
        request(method, "d", "").replace("To: <sip:csat-survey@127.0.0.1>", "To: <sip:x@h>;tag=none")
    };
    for (sent, status, head) in [
        (no_tag("MESSAGE"), "405", "Allow"),
        (no_tag("SUBSCRIBE"), "405", "Allow"),
        (no_tag("REGISTER"), "405", "Allow"),
        (no_tag("PUBLISH"), "405", "Allow"),
        (no_tag("REFER"), "405", "Allow"),
        (no_tag("NEWMETHOD"), "501", "Allow"),
        (no_tag("invite"), "501", "Allow"),
        (no_tag("BYE"), "481", "To"),
        (no_tag("UPDATE"), "481", "To"),
        (in_dialog("BYE"), "481", "To"),
        (in_dialog("INVITE"), "481", "To"),
        (in_dialog("INFO"), "481", "To"),
        (no_tag("CANCEL"), "481", "To"),
        (invite("r", "Require: 100rel, precondition\n"), "420", "Unsupported"),
        (
            invite("s", "").replace("sip:csat-survey@127.0.0.1 SIP", "sips:csat-survey@127.0.0.1 SIP"),
            "416",
            "To",
        ),
        (
            request("OPTIONS", "h", "").replace("sip:csat-survey@127.0.0.1 SIP", "http://127.0.0.1 SIP"),
            "416",
            "To",
        ),
        (invite("a", "Accept: text/plain, application/isup\n"), "406", "To"),
        (invite("t", "").replace("application/sdp", "text/plain"), "415", "Accept"),
        (invite("e", "Content-Encoding: gzip\n"), "415", "Accept-Encoding"),
        (invite("v", "").replace(" SIP/2.0\nVia", " SIP/3.0\nVia"), "505", "To"),
        (invite("c", "").replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), "400", "To"),
        (invite("q", "").replace("CSeq: 1 INVITE", "CSeq: x INVITE"), "400", "To"),
    ] {
        peer.send(&sent).await;
        let answer = peer.receive().await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{sent}\n{answer}");
        assert!(header(&answer, head).is_some_and(|v| !v.is_empty()), "no {head} in\n{answer}");
    }
    assert_eq!(agent.signalling.transactions_live(), 0);
    // The one that is served arrives as the first event.
    peer.send(&invite("ok", "")).await;
    assert_eq!(agent.next().await.1, "invite+sdp");
}

#[tokio::test]
async fn an_unsupported_demand_is_named_whole() {
    let agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("r", "Require: 100rel, precondition\nRequire: sec-agree\n")).await;
    assert_eq!(header(&peer.receive().await, "Unsupported"), Some("precondition, sec-agree"));
}

#[tokio::test]
async fn what_is_no_request_gets_no_answer() {
    let agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send_bytes(b"hello").await;
    peer.send_bytes(b"GET / HTTP/1.1\r\n\r\n").await;
    peer.send_bytes(b"OPTIONS sip:a@h SIP/2.0\r\nTo: x\r\n\r\n").await;
    peer.send("ACK sip:a@h SIP/2.0\nVia: SIP/2.0/UDP {me};branch=z9hG4bKx\nFrom: <sip:a@h>;tag=1\nTo: <sip:b@h>;tag=2\nCall-ID: a\nCSeq: 1 ACK\n").await;
    peer.send("SIP/2.0 200 OK\nVia: SIP/2.0/UDP {me};branch=z9hG4bKx\nFrom: <sip:a@h>;tag=1\nTo: <sip:b@h>;tag=2\nCall-ID: a\nCSeq: 1 INVITE\n").await;
    peer.assert_silence().await;
    peer.send_bytes(b"\r\n\r\n").await;
    assert_eq!(peer.receive().await, "\r\n", "a ping is answered");
    assert_eq!(agent.signalling.count(Count::Malformed), 3);
}

/// Five requests in one stream: what each gets does not depend on where the stream is cut, and an unknown method or a
/// flaw costs nobody the connection.
#[tokio::test]
async fn a_stream_is_read_alike_however_it_is_cut() {
    let agent = agent(Manner::Silent).await;
    let expected = ["200 s0", "501 s1", "400 s2", "415 s3", "200 s4"];
    let ask = |me: &str| -> Vec<u8> {
        let malformed = request("OPTIONS", "s2", "").replace("CSeq: 1 OPTIONS", "CSeq: 1 BYE");
        let wrong_body = invite("s3", "").replace("application/sdp", "text/plain");
        let unknown = request("WHATEVER", "s1", "X: y\n");
        let requests =
            [request("OPTIONS", "s0", ""), unknown, malformed, wrong_body, request("OPTIONS", "s4", "")];
        let bytes = requests.map(|text| {
            let text = text.replace("{me}", me).replace("{via}", "TCP");
            let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
            let (head, body) = (head.replace('\n', "\r\n"), body.replace('\n', "\r\n"));
            format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        });
        bytes.join(&b"\r\n\r\n"[..])
    };
    for piece in [1, 2, 3, 7, 64, 500, usize::MAX] {
        let mut peer = Peer::tcp(&agent).await;
        let bytes = ask(&peer.local().to_string());
        for part in bytes.chunks(piece) {
            peer.send_bytes(part).await;
        }
        let mut heard = Vec::new();
        while heard.len() < expected.len() {
            let answer = peer.receive_again().await;
            assert!(!answer.is_empty(), "the connection closed behind {heard:?}");
            // The empty lines between the requests are pings, and answered.
            let answer = answer.trim_start();
            if answer.is_empty() {
                continue;
            }
            let id = header(answer, "Call-ID").unwrap().strip_suffix("@test").unwrap();
            heard.push(format!("{} {id}", &answer[8..11]));
        }
        assert_eq!(heard, expected, "in pieces of {piece}");
    }
}

#[tokio::test]
async fn a_truncated_request_is_refused_400() {
    let agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    let text = request("INFO", "x", "Content-Length: 99\n")
        .replace('\n', "\r\n")
        .replace("{me}", &peer.local().to_string());
    peer.send_bytes(text.as_bytes()).await;
    assert!(peer.receive().await.starts_with("SIP/2.0 400 "));
}

#[tokio::test]
async fn the_invite_reaches_the_door_as_it_was_written() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    let sent = invite("w", "X-Agent-Id: a%231\nx-queue-id: sales, west\nm: <sip:second@h>\nX-Empty:\n")
        .replace("sip:csat-survey@127.0.0.1 SIP", "sip:%23csat;x=1@127.0.0.1:5060;queue=%41 SIP")
        .replace("<sip:caller@example.com>", "\"José <x>\" <sip:caller@example.com>");
    peer.send(&sent).await;
    agent.until("invite+sdp").await;
    let request = agent.invite.take().unwrap();
    assert_eq!(request.request_uri, "sip:%23csat;x=1@127.0.0.1:5060;queue=%41");
    assert_eq!(request.from, "\"José <x>\" <sip:caller@example.com>;tag=fw");
    assert_eq!(request.sip_call_id, "w@test");
    assert_eq!(request.header("x-agent-id"), Some("a%231"));
    assert_eq!(request.header("X-Empty"), Some(""));
    let names: Vec<_> = request.headers.iter().map(|(n, _)| n.as_str()).collect();
    let expected =
        "Via Max-Forwards From To Call-ID CSeq Contact X-Agent-Id x-queue-id Contact X-Empty Content-Type";
    assert_eq!(names.join(" "), expected);
    assert_eq!(request.source, peer.local());
    assert_eq!(request.local_ip, request.source.ip());
    let debug = format!("{request:?}");
    for secret in ["caller", "csat", "a%231", "w@test"] {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[tokio::test]
async fn strangers_are_told_403_and_scanners_nothing() {
    let mut config = config(T1);
    config.peers = Peers {
        list: vec![Allowed { from: "10.0.0.0/8".parse().unwrap(), auth: None, md5_only: false }],
        open: false,
    };
    let agent = Agent::start(Manner::Silent, config).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("x", "")).await;
    assert!(peer.receive().await.starts_with("SIP/2.0 403 "));
    peer.send(&invite("y", "User-Agent: friendly-scanner\n")).await;
    peer.send(&request("ACK", "x", "")).await;
    peer.send_bytes(b"\r\n\r\n").await;
    peer.assert_silence().await;
    let mut connection = Peer::tcp(&agent).await;
    assert_eq!(connection.receive().await, "", "a stranger's connection is closed at once");
    let counts =
        [Count::Forbidden, Count::Ignored, Count::ConnectionsRefused].map(|c| agent.signalling.count(c));
    // The question that proves the silence is refused like any other.
    assert_eq!(counts, [2, 2, 1]);
}

#[tokio::test]
async fn too_many_calls_are_busy_and_say_when_to_come_again() {
    let mut config = config(T1);
    config.bounds.calls_max = 2;
    config.bounds.calls_per_second_per_source = 4;
    let mut agent = Agent::start(Manner::Silent, config).await;
    let mut peer = Peer::udp(&agent).await;
    for (branch, retry_after) in
        [("a", None), ("b", None), ("c", Some("10")), ("d", Some("10")), ("e", Some("1"))]
    {
        peer.send(&invite(branch, "")).await;
        let answer = peer.receive().await;
        assert_eq!(header(&answer, "Retry-After"), retry_after, "{branch}:\n{answer}");
        let status = if retry_after.is_some() { "503" } else { "100" };
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{answer}");
    }
    let counts = [Count::CallsIn, Count::Full, Count::RateLimited].map(|c| agent.signalling.count(c));
    assert_eq!(counts, [2, 2, 1]);
    let (first, _) = agent.next().await;
    agent.signalling.reject(first, 486).unwrap();
    agent.until("ended:Rejected(486)").await;
    assert_eq!(agent.signalling.calls_live(), 1, "its room is free again");
}

#[tokio::test]
async fn closed_means_503_for_new_calls_and_for_those_who_ask() {
    let agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    agent.signalling.close(NonZeroU32::new(30).unwrap());
    for sent in [invite("a", ""), request("OPTIONS", "b", "")] {
        peer.send(&sent).await;
        let answer = peer.receive().await;
        assert!(answer.starts_with("SIP/2.0 503 "), "{answer}");
        assert_eq!(header(&answer, "Retry-After"), Some("30"));
    }
    agent.signalling.reopen();
    peer.send(&invite("c", "")).await;
    assert!(peer.receive().await.starts_with("SIP/2.0 100 "));
}

#[tokio::test]
async fn a_peer_with_a_password_is_challenged_and_nothing_is_remembered_of_it() {
    let credentials = Credentials { user: "pbx".into(), password: "s3cret".into() };
    let mut config = config(T1);
    let guarded = Allowed { from: "127.0.0.0/8".parse().unwrap(), auth: Some(credentials), md5_only: false };
    config.peers = Peers { list: vec![guarded], open: false };
    let agent = Agent::start(Manner::Silent, config).await;
    let mut peer = Peer::udp(&agent).await;
    for authorization in [
        "",
        "Authorization: Digest username=\"pbx\", realm=\"aftercall\", nonce=\"0.a.b\", uri=\"x\", response=\"y\", qop=auth, nc=00000001, cnonce=\"c\"\n",
    ] {
        peer.send(&invite("a", authorization)).await;
        let answer = peer.receive().await;
        assert!(answer.starts_with("SIP/2.0 401 "), "{answer}");
        assert!(answer.contains("WWW-Authenticate: Digest realm=\"aftercall\""), "{answer}");
        assert!(answer.contains("algorithm=SHA-256") && answer.contains("algorithm=MD5"), "{answer}");
    }
    assert_eq!((agent.signalling.transactions_live(), agent.signalling.calls_live()), (0, 0));
}

#[tokio::test]
async fn a_port_in_use_is_named_with_what_to_do() {
    let agent = agent(Manner::Silent).await;
    let mut config = config(T1);
    for (transport, scheme) in [(Transport::Udp, "udp"), (Transport::Tcp, "tcp")] {
        let address = agent.address(transport);
        config.listen = vec![format!("{scheme}://{address}").parse().unwrap()];
        let fault = aftercall::signalling::Signalling::start(config.clone()).await.err().unwrap();
        assert_eq!(
            fault.to_string(),
            format!(
                "port {} of {scheme}://{address} is in use by another program; stop it, or set [sip] listen to another port",
                address.port()
            )
        );
    }
}
