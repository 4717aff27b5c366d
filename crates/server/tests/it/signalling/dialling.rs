//! Calls that we place, to a hand-written callee and to ourselves (RFC 3261, sections 9.1, 13.2, 22; RFC 3515).

use std::time::Duration;

use aftercall::signalling::{CallKey, Count, Credentials, Dial, Peer as Allowed, Peers, Transport};
use tokio::net::{TcpListener, UdpSocket};

use super::harness::{Agent, Manner, SDP, config};
use super::peer::{Peer, header, ok, response};

/// 64*T1 is 1.28 s.
const T1: Duration = Duration::from_millis(20);

const ANSWER: &str = "Content-Type: application/sdp\n\nv=0\n";

fn dial(target: &str) -> Dial {
    Dial {
        target: target.parse().unwrap(),
        sdp: Some(SDP.to_vec()),
        headers: vec![("X-Call-Id".into(), "c-1".into()), ("Via".into(), "evil".into())],
        transport: None,
        from_user: "tester".into(),
        credentials: Some(credentials()),
    }
}

fn credentials() -> Credentials {
    Credentials { user: "pbx".into(), password: "s3cret".into() }
}

/// A caller, and a callee written by hand that it knows the address of.
async fn pair() -> (Agent, Peer) {
    let agent = Agent::start(Manner::Silent, config(T1)).await;
    let peer = Peer::udp(&agent).await;
    (agent, peer)
}

/// The 200 to our INVITE, with the callee's tag.
fn accepted(invite: &str, more: &str) -> String {
    let answer =
        tagged(&response(invite, "200 OK", &format!("Contact: <sip:callee@{{me}}>\n{more}{ANSWER}")));
    answer.strip_suffix('\n').unwrap().to_owned()
}

/// A response with the callee's tag in its To.
fn tagged(response: &str) -> String {
    response.replacen("\nCall-ID", ";tag=theirs\nCall-ID", 1)
}

/// A call that the peer accepted.
async fn up(agent: &mut Agent, peer: &mut Peer) -> (CallKey, String) {
    let call = agent.signalling.dial(dial(&format!("sip:csat@{}", peer.local()))).unwrap();
    let invite = peer.until("INVITE ").await;
    peer.send(&accepted(&invite, "")).await;
    let ack = peer.until("ACK ").await;
    assert_eq!(agent.next().await, (call, "answered+sdp".into()));
    (call, ack)
}

#[tokio::test]
async fn a_call_to_ourselves_goes_its_whole_way_over_both_transports() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut callee = Agent::start(Manner::AcceptAndHangUp, config(T1)).await;
        let mut caller = Agent::start(Manner::Silent, config(T1)).await;
        let target = format!("sip:csat-survey@{};transport={transport}", callee.address(transport));
        caller.signalling.dial(dial(&target)).unwrap();
        assert_eq!(callee.until_ended(1).await, "invite+sdp ack ended:us");
        assert_eq!(caller.until_ended(1).await, "progress-180 answered+sdp ended:peer");
        let request = callee.invite.take().unwrap();
        assert_eq!(
            (request.request_uri.as_str(), request.header("x-call-id")),
            (target.as_str(), Some("c-1"))
        );
        assert_eq!(request.transport, transport);
        caller.assert_empty();
        callee.assert_empty();
    }
}

#[tokio::test]
async fn ipv6_is_spoken_over_both_transports() {
    if UdpSocket::bind("[::1]:0").await.is_err() {
        println!("this machine has no IPv6; nothing is tried");
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut six = config(T1);
        six.listen = vec!["udp://[::1]:0".parse().unwrap(), "tcp://[::1]:0".parse().unwrap()];
        let mut callee = Agent::start(Manner::AcceptAndHangUp, six.clone()).await;
        let mut caller = Agent::start(Manner::Silent, six).await;
        let target = format!("sip:csat@{};transport={transport}", callee.address(transport));
        caller.signalling.dial(dial(&target)).unwrap();
        assert_eq!(callee.until_ended(1).await, "invite+sdp ack ended:us");
        assert_eq!(caller.until_ended(1).await, "progress-180 answered+sdp ended:peer");
        assert!(callee.invite.take().unwrap().header("Contact").unwrap().starts_with("<sip:tester@[::1]:"));
    }
}

#[tokio::test]
async fn the_callee_is_asked_and_acknowledged_as_the_rfc_says() {
    let (mut agent, mut peer) = pair().await;
    let target = format!("sip:csat%23x@{};a=%2f", peer.local());
    let call = agent.signalling.dial(dial(&target)).unwrap();
    let invite = peer.until("INVITE ").await;
    assert!(invite.starts_with(&format!("INVITE {target} SIP/2.0\r\n")), "{invite}");
    assert!(invite.ends_with(std::str::from_utf8(SDP).unwrap()), "{invite}");
    assert!(!invite.contains("evil"));
    let routes = "Record-Route: <sip:{me};lr;n=2>\nRecord-Route: <sip:{me};lr;n=1>\n"
        .replace("{me}", &peer.local().to_string());
    peer.send(&accepted(&invite, &routes).replace("<sip:callee@{me}>", "<sip:a%23@callee.invalid;ob>")).await;
    let ack = peer.until("ACK ").await;
    assert!(ack.starts_with("ACK sip:a%23@callee.invalid;ob SIP/2.0\r\n"), "{ack}");
    assert_eq!(header(&ack, "CSeq"), Some("1 ACK"));
    let hops: Vec<_> = ack
        .split("\r\n")
        .filter_map(|l| l.strip_prefix("Route: "))
        .map(|r| r.split("n=").nth(1).unwrap())
        .collect();
    assert_eq!(hops, ["1>", "2>"], "reversed");
    agent.until("answered+sdp").await;
    // Our ACK was lost: the 2xx comes again, and nobody hears of it but the callee.
    peer.send(&accepted(&invite, &routes)).await;
    let again = peer.until("ACK ").await;
    assert_eq!(header(&again, "CSeq"), Some("1 ACK"));
    assert_ne!(header(&again, "Via"), header(&ack, "Via"), "each ACK is a transaction of its own");
    agent.signalling.bye(call, None).unwrap();
    let bye = peer.until("BYE ").await;
    assert_eq!(header(&bye, "CSeq"), Some("2 BYE"));
    peer.send(&ok(&bye)).await;
    assert_eq!(agent.until_ended(1).await, "ended:us");
}

#[tokio::test]
async fn a_refusal_is_told_with_its_status_and_acknowledged() {
    let (mut agent, mut peer) = pair().await;
    agent.signalling.dial(dial(&format!("sip:csat@{}", peer.local()))).unwrap();
    let invite = peer.until("INVITE ").await;
    peer.send(tagged(&response(&invite, "183 Session Progress", ANSWER)).strip_suffix('\n').unwrap()).await;
    peer.send(&tagged(&response(&invite, "603 Nobody here", ""))).await;
    let ack = peer.until("ACK ").await;
    assert_eq!(header(&ack, "Via"), header(&invite, "Via"));
    assert_eq!(agent.until_ended(1).await, "progress-183+sdp ended:refused-603");
    agent.assert_empty();
}

#[tokio::test]
async fn a_call_is_given_up_at_every_moment() {
    let (mut agent, mut peer) = pair().await;
    let target = format!("sip:csat@{}", peer.local());
    // Before the callee said anything: CANCEL waits for its first word.
    let call = agent.signalling.dial(dial(&target)).unwrap();
    let invite = peer.until("INVITE ").await;
    agent.signalling.cancel(call).unwrap();
    assert_eq!(peer.receive_again().await, invite, "no CANCEL before");
    peer.send(&response(&invite, "100 Trying", "")).await;
    let cancel = peer.until("CANCEL ").await;
    for name in ["Via", "From", "To", "Call-ID"] {
        assert_eq!(header(&cancel, name), header(&invite, name));
    }
    assert_eq!(header(&cancel, "CSeq"), Some("1 CANCEL"));
    peer.send(&ok(&cancel)).await;
    peer.send(&tagged(&response(&invite, "487 Request Terminated", ""))).await;
    peer.until("ACK ").await;
    assert_eq!(agent.until_ended(1).await, "ended:Cancelled");
    // The 2xx crosses the CANCEL: it is acknowledged, and hung up.
    let call = agent.signalling.dial(dial(&target)).unwrap();
    let invite = peer.until("INVITE ").await;
    peer.send(&tagged(&response(&invite, "180 Ringing", ""))).await;
    agent.until("progress-180").await;
    agent.signalling.cancel(call).unwrap();
    peer.until("CANCEL ").await;
    peer.send(&accepted(&invite, "")).await;
    peer.until("ACK ").await;
    let bye = peer.until("BYE ").await;
    peer.send(&ok(&bye)).await;
    assert_eq!(agent.until_ended(1).await, "ended:Cancelled");
    // The callee answers nothing any more.
    let call = agent.signalling.dial(dial(&target)).unwrap();
    let invite = peer.until("INVITE ").await;
    peer.send(&response(&invite, "180 Ringing", "")).await;
    agent.until("progress-180").await;
    agent.signalling.cancel(call).unwrap();
    assert_eq!(agent.until_ended(1).await, "ended:Cancelled");
    agent.assert_empty();
}

#[tokio::test]
async fn nobody_there_is_told_apart_from_nowhere() {
    let mut agent = Agent::start(Manner::Silent, config(T1)).await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (target, ending) in [
        (format!("sip:a@{}", silent.local_addr().unwrap()), "ended:refused-408"),
        (format!("sip:a@{refusing};transport=tcp"), "ended:Unreachable"),
        ("sip:a@nowhere.invalid".into(), "ended:Unreachable"),
    ] {
        agent.signalling.dial(dial(&target)).unwrap();
        assert_eq!(agent.until_ended(1).await, ending, "{target}");
    }
    agent.assert_empty();
}

#[tokio::test]
async fn a_connection_lost_while_dialling_ends_the_call_at_once() {
    let mut agent = Agent::start(Manner::Silent, config(Duration::from_secs(10))).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("sip:a@{};transport=tcp", listener.local_addr().unwrap());
    agent.signalling.dial(dial(&target)).unwrap();
    let mut callee = Peer::over(listener.accept().await.unwrap().0);
    callee.until("INVITE ").await;
    callee.close();
    assert_eq!(agent.until_ended(1).await, "ended:TransportClosed");
}

#[tokio::test]
async fn we_prove_who_we_are_to_ourselves() {
    let mut guarded = config(T1);
    let allowed =
        Allowed { from: "127.0.0.0/8".parse().unwrap(), auth: Some(credentials()), md5_only: false };
    guarded.peers = Peers { list: vec![allowed], open: false };
    let mut callee = Agent::start(Manner::AcceptAndHangUp, guarded).await;
    let mut caller = Agent::start(Manner::Silent, config(T1)).await;
    let target = format!("sip:csat@{}", callee.address(Transport::Udp));
    caller.signalling.dial(dial(&target)).unwrap();
    assert_eq!(callee.until_ended(1).await, "invite+sdp ack ended:us");
    assert_eq!(caller.until_ended(1).await, "progress-180 answered+sdp ended:peer");
    let wrong = Credentials { password: "guess".into(), ..credentials() };
    caller.signalling.dial(Dial { credentials: Some(wrong), ..dial(&target) }).unwrap();
    assert_eq!(caller.until_ended(1).await, "ended:refused-401");
    caller.signalling.dial(Dial { credentials: None, ..dial(&target) }).unwrap();
    assert_eq!(caller.until_ended(1).await, "ended:refused-401");
    // Once for each call, and once more for the wrong password: nobody is asked to guess on.
    assert_eq!(callee.signalling.count(Count::Challenged), 4);
}

#[tokio::test]
async fn a_challenge_within_the_call_is_answered_too() {
    let (mut agent, mut peer) = pair().await;
    let (call, _) = up(&mut agent, &mut peer).await;
    agent.signalling.bye(call, None).unwrap();
    let bye = peer.until("BYE ").await;
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\n";
    peer.send(&response(&bye, "407 Proxy Authentication Required", challenge)).await;
    let again = peer.until("BYE ").await;
    assert_eq!((header(&bye, "CSeq"), header(&again, "CSeq")), (Some("2 BYE"), Some("3 BYE")));
    assert!(
        header(&again, "Proxy-Authorization").unwrap().starts_with("Digest username=\"pbx\", realm=\"r\"")
    );
    peer.send(&ok(&again)).await;
    assert_eq!(agent.until_ended(1).await, "ended:us");
}

#[tokio::test]
async fn info_is_sent_with_its_body() {
    let (mut agent, mut peer) = pair().await;
    let (call, _) = up(&mut agent, &mut peer).await;
    agent.signalling.info(call, "application/dtmf-relay", b"Signal=5\r\n".to_vec()).unwrap();
    let info = peer.until("INFO ").await;
    assert_eq!(header(&info, "Content-Type"), Some("application/dtmf-relay"));
    assert!(info.ends_with("\r\n\r\nSignal=5\r\n"));
}

#[tokio::test]
async fn a_transfer_is_followed_to_its_end() {
    let (mut agent, mut peer) = pair().await;
    let (call, ack) = up(&mut agent, &mut peer).await;
    agent.signalling.refer(call, "sip:human%23@desk.example".parse().unwrap()).unwrap();
    let refer = peer.until("REFER ").await;
    assert_eq!(header(&refer, "Refer-To"), Some("<sip:human%23@desk.example>"));
    peer.send(&response(&refer, "202 Accepted", "")).await;
    agent.until("transfer-Accepted").await;
    let (from, to) = (header(&ack, "To").unwrap(), header(&ack, "From").unwrap());
    for (seq, fragment, word) in
        [(1, "SIP/2.0 100 Trying", "transfer-Trying(100)"), (2, "SIP/2.0 200 OK", "transfer-Done(200)")]
    {
        let notify = format!(
            "NOTIFY sip:x SIP/2.0\nVia: SIP/2.0/UDP {{me}};branch=z9hG4bKn{seq}\nFrom: {from}\nTo: {to}\n\
             Call-ID: {}\nCSeq: {seq} NOTIFY\nEvent: refer;id=93809824\nContent-Type: message/sipfrag\n\n{fragment}\n",
            header(&ack, "Call-ID").unwrap()
        );
        peer.send(&notify).await;
        assert!(peer.receive().await.starts_with("SIP/2.0 200 "));
        agent.until(word).await;
    }
    agent.signalling.refer(call, "sip:nobody@desk.example".parse().unwrap()).unwrap();
    let refer = peer.until("REFER ").await;
    peer.send(&response(&refer, "603 Declined", "")).await;
    agent.until("transfer-Refused(603)").await;
}
