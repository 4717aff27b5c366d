//! Whole calls from a hand-written peer (RFC 3261, sections 9, 12, 13, 14, 15).

use std::time::Duration;

use aftercall::signalling::{Count, Event, Refusal, Signalling, Transport};

use super::harness::{Agent, Manner, SDP, config};
use super::peer::{Peer, header, invite, ok, reinvite, request, to_tag, within};

/// 64*T1 is 1.28 s.
const T1: Duration = Duration::from_millis(20);

const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

async fn agent(manner: Manner) -> Agent {
    Agent::start(manner, config(T1)).await
}

/// A call that the agent has accepted and the peer acknowledged.
async fn up(agent: &mut Agent, peer: &mut Peer, branch: &str) -> String {
    peer.send(&invite(branch, "")).await;
    agent.until("invite+sdp").await;
    let answer = peer.until("SIP/2.0 200").await;
    let tag = to_tag(&answer);
    peer.send(&within("ACK", branch, &tag, 1, "")).await;
    agent.until("ack").await;
    tag
}

#[tokio::test]
async fn a_call_goes_its_whole_way_over_both_transports() {
    for transport in BOTH {
        let mut agent = agent(Manner::Accept).await;
        let mut peer = Peer::by(transport, &agent).await;
        peer.send(&invite("a", "Record-Route: <sip:p1;lr>, <sip:p2;lr>\nTimestamp: 54\n")).await;
        agent.until("invite+sdp").await;
        let (trying, ringing, answer) = (peer.receive().await, peer.receive().await, peer.receive().await);
        assert!(trying.starts_with("SIP/2.0 100 Trying"), "{trying}");
        assert_eq!(
            (header(&trying, "To"), header(&trying, "Timestamp")),
            (Some("<sip:csat-survey@127.0.0.1>"), Some("54"))
        );
        assert!(ringing.starts_with("SIP/2.0 180 Ringing"), "{ringing}");
        assert!(answer.starts_with("SIP/2.0 200 OK"), "{answer}");
        assert_eq!(to_tag(&ringing), to_tag(&answer));
        assert_eq!(header(&answer, "Record-Route"), Some("<sip:p1;lr>, <sip:p2;lr>"));
        let contact = match transport {
            Transport::Udp => format!("<sip:{}>", agent.address(transport)),
            Transport::Tcp | Transport::Tls => format!("<sip:{};transport=tcp>", agent.address(transport)),
        };
        assert_eq!(header(&answer, "Contact"), Some(contact.as_str()));
        assert!(answer.ends_with(std::str::from_utf8(SDP).unwrap()), "{answer}");
        peer.send(&within("ACK", "a", &to_tag(&answer), 1, "")).await;
        peer.send(&within("BYE", "a", &to_tag(&answer), 2, "")).await;
        assert!(peer.receive().await.starts_with("SIP/2.0 200 "));
        assert_eq!(agent.until_ended(1).await, "ack ended:peer");
        agent.assert_empty();
    }
}

#[tokio::test]
async fn a_caller_of_rfc_2543_without_a_tag_is_served() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    let old = |message: String| message.replace(";tag=fa", "");
    peer.send(&old(invite("a", ""))).await;
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    peer.send(&old(within("ACK", "a", &tag, 1, ""))).await;
    peer.send(&old(within("BYE", "a", &tag, 2, ""))).await;
    peer.until("SIP/2.0 200").await;
    assert_eq!(agent.until_ended(1).await, "invite+sdp ack ended:peer");
    agent.assert_empty();
}

#[tokio::test]
async fn a_repeated_invite_is_answered_again_and_is_no_second_call() {
    let mut agent = agent(Manner::Ring).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    let call = agent.until("invite+sdp").await;
    let ringing = peer.until("SIP/2.0 180").await;
    peer.send(&invite("a", "")).await;
    assert_eq!(peer.receive_again().await, ringing);
    agent.signalling.accept(call, SDP.to_vec()).unwrap();
    let answer = peer.until("SIP/2.0 200").await;
    peer.send(&invite("a", "")).await;
    peer.send(&within("ACK", "a", &to_tag(&answer), 1, "")).await;
    assert_eq!(agent.next().await.1, "ack");
    peer.send(&invite("a", "")).await;
    peer.send(&within("ACK", "a", &to_tag(&answer), 1, "")).await;
    peer.send(&within("BYE", "a", &to_tag(&answer), 2, "")).await;
    assert_eq!(agent.until_ended(1).await, "ended:peer");
    assert_eq!(agent.signalling.count(Count::CallsIn), 1);
}

#[tokio::test]
async fn an_invite_that_comes_by_two_ways_is_one_call() {
    let mut agent = agent(Manner::Ring).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    agent.until("invite+sdp").await;
    peer.until("SIP/2.0 180").await;
    peer.send(&invite("a", "").replace("branch=z9hG4bKa", "branch=z9hG4bKother")).await;
    assert!(peer.receive().await.starts_with("SIP/2.0 482 "));
    assert_eq!(agent.signalling.calls_live(), 1);
}

#[tokio::test]
async fn a_caller_who_gives_up_gets_487_and_its_ack_ends_it() {
    for transport in BOTH {
        let mut agent = agent(Manner::Ring).await;
        let mut peer = Peer::by(transport, &agent).await;
        peer.send(&invite("a", "")).await;
        let call = agent.until("invite+sdp").await;
        let ringing = peer.until("SIP/2.0 180").await;
        let cancel =
            within("CANCEL", "a", "x", 1, "").replace(";tag=x", "").replace("z9hG4bKaCANCEL1", "z9hG4bKa");
        peer.send(&cancel).await;
        let answer = peer.receive().await;
        assert!(
            answer.starts_with("SIP/2.0 200 ") && header(&answer, "CSeq") == Some("1 CANCEL"),
            "{answer}"
        );
        let refusal = peer.receive().await;
        assert!(refusal.starts_with("SIP/2.0 487 Request Terminated"), "{refusal}");
        assert_eq!(to_tag(&refusal), to_tag(&ringing));
        peer.send(&within("ACK", "a", &to_tag(&refusal), 1, "").replace("z9hG4bKaACK1", "z9hG4bKa")).await;
        assert_eq!(agent.until_ended(1).await, "ended:Cancelled");
        agent.assert_empty();
        agent.signalling.accept(call, SDP.to_vec()).unwrap();
        peer.assert_silence().await;
    }
}

#[tokio::test]
async fn cancel_after_the_answer_changes_nothing() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    let tag = up(&mut agent, &mut peer, "a").await;
    let cancel =
        within("CANCEL", "a", "x", 1, "").replace(";tag=x", "").replace("z9hG4bKaCANCEL1", "z9hG4bKa");
    peer.send(&cancel).await;
    assert!(peer.until("SIP/2.0 200").await.contains("1 CANCEL"));
    peer.send(&within("BYE", "a", &tag, 2, "")).await;
    assert_eq!(agent.until_ended(1).await, "ended:peer");
}

#[tokio::test]
async fn an_answer_without_ack_is_repeated_then_the_call_is_hung_up() {
    for transport in BOTH {
        let mut agent = agent(Manner::Accept).await;
        let mut peer = Peer::by(transport, &agent).await;
        peer.send(&invite("a", "")).await;
        let first = peer.until("SIP/2.0 200").await;
        let mut answers = 1;
        let bye = loop {
            let message = peer.receive_again().await;
            if message.starts_with("BYE ") {
                break message;
            }
            assert_eq!(message, first);
            answers += 1;
        };
        // At T1, 3 T1, 7 T1, then every 8 T1 up to 64 T1.
        assert!((8..=11).contains(&answers), "{answers}");
        assert_eq!(header(&bye, "CSeq"), Some("1 BYE"));
        peer.send(&within("ACK", "a", &to_tag(&first), 1, "")).await;
        peer.send(&ok(&bye)).await;
        assert_eq!(agent.until_ended(1).await, "invite+sdp ended:NoAck");
        agent.assert_empty();
        assert_eq!(agent.signalling.count(Count::NoAck), 1);
        peer.assert_silence().await;
    }
}

#[tokio::test]
async fn an_offer_in_our_answer_is_answered_in_the_ack() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    let bare = invite("a", "").split_once("Content-Type").unwrap().0.to_owned();
    peer.send(&bare).await;
    agent.until("invite").await;
    let answer = peer.until("SIP/2.0 200").await;
    let sdp = "Content-Type: application/sdp\n\nv=0\n";
    let ack = within("ACK", "a", &to_tag(&answer), 1, sdp);
    peer.send(ack.strip_suffix('\n').unwrap()).await;
    agent.until("ack+sdp").await;
}

#[tokio::test]
async fn we_hang_up_only_after_the_ack() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    let call = agent.until("invite+sdp").await;
    agent.signalling.accept(call, SDP.to_vec()).unwrap();
    agent.signalling.bye(call, Some("Q.850;cause=16;text=\"done\"")).unwrap();
    let answer = peer.until("SIP/2.0 200").await;
    peer.assert_silence().await;
    peer.send(&within("ACK", "a", &to_tag(&answer), 1, "")).await;
    let bye = peer.until("BYE ").await;
    assert!(bye.starts_with(&format!("BYE sip:caller@{} SIP/2.0\r\n", peer.local())), "{bye}");
    assert_eq!(header(&bye, "Reason"), Some("Q.850;cause=16;text=\"done\""));
    assert_eq!(header(&bye, "Max-Forwards"), Some("70"));
    peer.send(&ok(&bye)).await;
    assert_eq!(agent.until_ended(1).await, "ack ended:us");
    agent.assert_empty();
}

#[tokio::test]
async fn a_bye_that_nobody_answers_is_repeated_and_given_up() {
    let mut agent = agent(Manner::AcceptAndHangUp).await;
    let mut peer = Peer::udp(&agent).await;
    up(&mut agent, &mut peer, "a").await;
    let first = peer.until("BYE ").await;
    assert_eq!(peer.receive_again().await, first);
    assert_eq!(agent.until_ended(1).await, "ended:us");
    agent.assert_empty();
}

#[tokio::test]
async fn two_byes_that_cross_are_both_answered() {
    let mut agent = agent(Manner::AcceptAndHangUp).await;
    let mut peer = Peer::udp(&agent).await;
    let tag = up(&mut agent, &mut peer, "a").await;
    let ours = peer.until("BYE ").await;
    peer.send(&within("BYE", "a", &tag, 2, "")).await;
    assert!(peer.until("SIP/2.0 200").await.contains("2 BYE"));
    peer.send(&ok(&ours)).await;
    assert_eq!(agent.until_ended(1).await, "ended:us");
    agent.assert_empty();
}

#[tokio::test]
async fn a_caller_who_hangs_up_instead_of_acknowledging_is_gone() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    let answer = peer.until("SIP/2.0 200").await;
    peer.send(&within("BYE", "a", &to_tag(&answer), 2, "")).await;
    assert!(peer.until("SIP/2.0 200 OK\r\nVia").await.contains("CSeq: "));
    assert_eq!(agent.until_ended(1).await, "invite+sdp ack ended:peer");
    agent.assert_empty();
    // The answer is not repeated any more, while that of a later call is, and is again.
    peer.send(&invite("b", "")).await;
    for _ in 0..4 {
        let repeated = peer.receive_again().await;
        assert_eq!(header(&repeated, "Call-ID"), Some("b@test"), "{repeated}");
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_while_it_rings_gets_both_answers() {
    let mut agent = agent(Manner::Ring).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    let ringing = peer.until("SIP/2.0 180").await;
    peer.send(&within("BYE", "a", &to_tag(&ringing), 2, "")).await;
    let mut both = [peer.receive().await, peer.receive().await];
    both.sort();
    assert!(both[0].starts_with("SIP/2.0 200 ") && both[0].contains("2 BYE"), "{both:?}");
    assert!(both[1].starts_with("SIP/2.0 487 ") && both[1].contains("1 INVITE"), "{both:?}");
    assert_eq!(agent.until_ended(1).await, "invite+sdp ended:Cancelled");
}

#[tokio::test]
async fn hold_is_asked_for_once_and_two_at_a_time_are_turned_away() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    let call = agent.until("invite+sdp").await;
    agent.signalling.accept(call, SDP.to_vec()).unwrap();
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    peer.send(&reinvite("a", &tag, 2, "")).await;
    assert!(peer.until("SIP/2.0 4").await.starts_with("SIP/2.0 491 "), "before the ACK");
    peer.send(&within("ACK", "a", &tag, 1, "")).await;
    agent.until("ack").await;
    peer.send(&reinvite("a", &tag, 3, "")).await;
    agent.until("reinvite+sdp").await;
    peer.send(&reinvite("a", &tag, 4, "")).await;
    let crossed = peer.until("SIP/2.0 5").await;
    assert!(crossed.starts_with("SIP/2.0 500 ") && header(&crossed, "Retry-After") == Some("2"), "{crossed}");
    agent.signalling.answer_reinvite(call, Ok(SDP.to_vec())).unwrap();
    let answer = peer.until("SIP/2.0 200").await;
    assert_eq!(header(&answer, "CSeq"), Some("3 INVITE"));
    peer.send(&within("ACK", "a", &tag, 3, "")).await;
    agent.until("ack").await;
    peer.send(&reinvite("a", &tag, 5, "")).await;
    agent.until("reinvite+sdp").await;
    agent.signalling.answer_reinvite(call, Err(488)).unwrap();
    peer.until("SIP/2.0 488").await;
    peer.send(&within("ACK", "a", &tag, 5, "").replace("z9hG4bKaACK5", "z9hG4bKaINVITE5")).await;
    peer.send(&within("BYE", "a", &tag, 6, "")).await;
    assert_eq!(agent.until_ended(1).await, "ended:peer");
    agent.assert_empty();
}

#[tokio::test]
async fn a_reinvite_can_be_cancelled_and_the_call_goes_on() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    let call = agent.until("invite+sdp").await;
    agent.signalling.accept(call, SDP.to_vec()).unwrap();
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    peer.send(&within("ACK", "a", &tag, 1, "")).await;
    peer.send(&reinvite("a", &tag, 2, "")).await;
    agent.until("reinvite+sdp").await;
    peer.send(&within("CANCEL", "a", &tag, 2, "").replace("z9hG4bKaCANCEL2", "z9hG4bKaINVITE2")).await;
    peer.until("SIP/2.0 487").await;
    agent.signalling.answer_reinvite(call, Ok(SDP.to_vec())).unwrap();
    peer.send(&within("INFO", "a", &tag, 3, "Content-Type: x\n\nhello").replace("\n\n\n", "\n\n")).await;
    agent.until("info[x hello]").await;
}

#[tokio::test]
async fn an_unacknowledged_answer_to_a_reinvite_ends_the_call_too() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    let tag = up(&mut agent, &mut peer, "a").await;
    peer.send(&reinvite("a", &tag, 2, "")).await;
    let bye = peer.until("BYE ").await;
    peer.send(&ok(&bye)).await;
    assert_eq!(agent.until_ended(1).await, "reinvite+sdp ended:NoAck");
}

#[tokio::test]
async fn a_new_contact_is_followed_byte_for_byte_and_the_route_is_kept() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    let routes = "Record-Route: <sip:{me};lr;x=%23>\nRecord-Route: <sip:second.invalid;lr>\n";
    peer.send(&invite("a", routes).replace("sip:caller@{me}", "sip:old@192.0.2.1")).await;
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    peer.send(&within("ACK", "a", &tag, 1, "")).await;
    let call = agent.until("ack").await;
    let hold = reinvite("a", &tag, 2, "Contact: \"x\" <sip:a%23b;y=%2F@caller.invalid:5099;ob>;z=1\n");
    peer.send(&hold).await;
    peer.until("SIP/2.0 200").await;
    peer.send(&within("ACK", "a", &tag, 2, "")).await;
    agent.until("ack").await;
    agent.signalling.bye(call, None).unwrap();
    let bye = peer.until("BYE ").await;
    assert!(bye.starts_with("BYE sip:a%23b;y=%2F@caller.invalid:5099;ob SIP/2.0\r\n"), "{bye}");
    let routes: Vec<_> = bye.split("\r\n").filter(|l| l.starts_with("Route: ")).collect();
    assert_eq!(
        routes,
        [format!("Route: <sip:{};lr;x=%23>", peer.local()), "Route: <sip:second.invalid;lr>".into()]
    );
}

#[tokio::test]
async fn requests_within_a_dialog_are_matched_by_all_of_it_and_in_order() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    let tag = up(&mut agent, &mut peer, "a").await;
    for (sent, status) in [
        (within("BYE", "a", "wrong", 2, ""), "481"),
        (within("BYE", "a", &tag, 2, "").replace("tag=fa", "tag=other"), "481"),
        (within("BYE", "a", &tag, 2, "").replace("a@test", "b@test"), "481"),
        (within("REFER", "a", &tag, 3, "Refer-To: <sip:x@h>\n"), "603"),
        (within("UPDATE", "a", &tag, 4, ""), "200"),
        (within("OPTIONS", "a", &tag, 5, ""), "200"),
        (within("INFO", "a", &tag, 4, ""), "500"),
        (within("NOTIFY", "a", &tag, 6, "Event: refer\n"), "481"),
        (within("NOTIFY", "a", &tag, 7, "Event: presence\n"), "489"),
        (within("INFO", "a", &tag, 8, "Require: x\n"), "420"),
    ] {
        peer.send(&sent).await;
        let answer = peer.receive().await;
        assert!(answer.starts_with(&format!("SIP/2.0 {status} ")), "{sent}\n{answer}");
    }
    agent.assert_live(1);
}

#[tokio::test]
async fn a_proxy_of_the_old_kind_is_addressed_itself() {
    let mut agent = agent(Manner::AcceptAndHangUp).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "Record-Route: <sip:{me};old>, <sip:second.invalid;lr>\n")).await;
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    peer.send(&within("ACK", "a", &tag, 1, "")).await;
    let bye = peer.until("BYE ").await;
    assert!(bye.starts_with(&format!("BYE sip:{};old SIP/2.0\r\n", peer.local())), "{bye}");
    let routes: Vec<_> = bye.split("\r\n").filter(|l| l.starts_with("Route: ")).collect();
    assert_eq!(
        routes,
        ["Route: <sip:second.invalid;lr>".into(), format!("Route: <sip:caller@{}>", peer.local())]
    );
    agent.until("ack").await;
}

#[tokio::test]
async fn what_follows_an_ack_is_heard_after_it() {
    let mut agent = agent(Manner::Accept).await;
    for transport in BOTH {
        let mut peer = Peer::by(transport, &agent).await;
        for n in 0..40 {
            let branch = format!("{transport}{n}");
            peer.send(&invite(&branch, "")).await;
            let tag = to_tag(&peer.until("SIP/2.0 200").await);
            peer.send(&within("ACK", &branch, &tag, 1, "")).await;
            peer.send(&reinvite(&branch, &tag, 2, "")).await;
            assert_eq!(header(&peer.until("SIP/2.0 200").await, "CSeq"), Some("2 INVITE"));
            peer.send(&within("BYE", &branch, &tag, 3, "")).await;
            assert_eq!(header(&peer.until("SIP/2.0 200").await, "CSeq"), Some("3 BYE"));
            let heard = agent.until_ended(1).await;
            assert_eq!(heard, "invite+sdp ack reinvite+sdp ended:peer", "{branch}");
        }
    }
}

#[tokio::test]
async fn an_info_is_heard_once_however_often_it_comes() {
    let mut agent = agent(Manner::Accept).await;
    let mut peer = Peer::udp(&agent).await;
    let tag = up(&mut agent, &mut peer, "a").await;
    let key = |seq, key: &str| {
        let info = within("INFO", "a", &tag, seq, "Content-Type: application/dtmf-relay\n");
        format!("{info}Signal={key}\nDuration=160\n")
    };
    for sent in [key(2, "5"), key(2, "5"), key(3, "5")] {
        peer.send(&sent).await;
        assert!(peer.receive_again().await.starts_with("SIP/2.0 200 "));
    }
    peer.send(&within("BYE", "a", &tag, 4, "")).await;
    let info = "info[application/dtmf-relay Signal=5\r\nDuration=160]";
    assert_eq!(agent.until_ended(1).await, format!("{info} {info} ended:peer"));
}

#[tokio::test]
async fn an_invite_that_the_door_forgets_ends_by_itself() {
    let mut config = config(T1);
    config.bounds.answer_within = Duration::from_millis(100);
    let mut agent = Agent::start(Manner::Silent, config).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    peer.until("SIP/2.0 480").await;
    assert_eq!(agent.until_ended(1).await, "invite+sdp ended:Unanswered");
    agent.assert_empty();
}

#[tokio::test]
async fn a_refusal_says_what_the_door_says_and_no_more() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("a", "")).await;
    let call = agent.until("invite+sdp").await;
    let headers = [
        ("Retry-After", "7"),
        ("Warning", "399 aftercall \"x\""),
        ("To", "<sip:evil@h>"),
        ("X", "a\r\nX-Evil: 1"),
    ];
    let headers = headers.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
    agent
        .signalling
        .reject(call, Refusal { status: 603, phrase: Some("Not\r\nnow".into()), headers })
        .unwrap();
    let refusal = peer.until("SIP/2.0 6").await;
    assert!(refusal.starts_with("SIP/2.0 603 Not  now\r\n"), "{refusal}");
    assert_eq!(header(&refusal, "Retry-After"), Some("7"));
    assert_eq!(header(&refusal, "Warning"), Some("399 aftercall \"x\""));
    assert!(header(&refusal, "X-Evil").is_none() && !refusal.contains("evil@h"), "{refusal}");
    // Repeated until acknowledged, and not after.
    assert_eq!(peer.receive_again().await, refusal);
    peer.send(&within("ACK", "a", &to_tag(&refusal), 1, "").replace("z9hG4bKaACK1", "z9hG4bKa")).await;
    assert_eq!(agent.until_ended(1).await, "ended:Rejected(603)");
}

#[tokio::test]
async fn the_sdp_is_found_in_a_multipart_body() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    let head = invite("a", "").split_once("Content-Type").unwrap().0.to_owned();
    let body = "Content-Type: multipart/mixed;boundary=b\n\n--b\nContent-Type: application/isup\n\nx\n--b\n\
        Content-Type: application/sdp\n\nv=0\n--b--\n";
    peer.send(&format!("{head}{body}")).await;
    agent.until("invite+sdp").await;
    assert_eq!(agent.invite.unwrap().sdp.unwrap(), b"v=0");
}

#[tokio::test]
async fn a_connection_that_closes_ends_what_is_not_a_call_yet() {
    let mut agent = agent(Manner::Ring).await;
    let mut peer = Peer::tcp(&agent).await;
    peer.send(&invite("a", "")).await;
    agent.until("invite+sdp").await;
    peer.until("SIP/2.0 180").await;
    peer.close();
    assert_eq!(agent.until_ended(1).await, "ended:TransportClosed");
    agent.assert_empty();
    agent.until_transactions_are_gone().await;
}

#[tokio::test]
async fn a_call_goes_on_over_its_connection_wherever_contact_points() {
    let mut agent = agent(Manner::AcceptAndHangUp).await;
    let mut peer = Peer::tcp(&agent).await;
    peer.send(&invite("a", "").replace("sip:caller@{me}", "sip:caller@192.0.2.1:9")).await;
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    peer.send(&within("ACK", "a", &tag, 1, "")).await;
    let bye = peer.until("BYE sip:caller@192.0.2.1:9 ").await;
    peer.send(&ok(&bye)).await;
    agent.until("ended:us").await;
}

#[tokio::test]
async fn a_hold_whose_connection_closes_can_be_asked_for_again() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::tcp(&agent).await;
    peer.send(&invite("a", "")).await;
    let call = agent.until("invite+sdp").await;
    agent.signalling.accept(call, SDP.to_vec()).unwrap();
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    peer.send(&within("ACK", "a", &tag, 1, "")).await;
    peer.send(&reinvite("a", &tag, 2, "")).await;
    agent.until("reinvite+sdp").await;
    peer.close();
    agent.until("transport-closed").await;
    let mut again = Peer::tcp(&agent).await;
    let mut seq = 3;
    loop {
        again.send(&reinvite("a", &tag, seq, "")).await;
        // Until the lost one is forgotten, which is a matter of moments, the next must wait.
        if again.receive().await.starts_with("SIP/2.0 100") {
            break;
        }
        seq += 1;
    }
    agent.until("reinvite+sdp").await;
    agent.assert_live(1);
}

#[tokio::test]
async fn a_call_outlives_its_connection_and_hangs_up_over_another() {
    let mut agent = agent(Manner::Accept).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut peer = Peer::tcp(&agent).await;
    let contact = format!("sip:caller@{};transport=tcp", listener.local_addr().unwrap());
    peer.send(&invite("a", "").replace("sip:caller@{me}", &contact)).await;
    let answer = peer.until("SIP/2.0 200").await;
    peer.send(&within("ACK", "a", &to_tag(&answer), 1, "")).await;
    let call = agent.until("ack").await;
    peer.close();
    agent.until("transport-closed").await;
    agent.signalling.bye(call, None).unwrap();
    let mut again = Peer::over(listener.accept().await.unwrap().0);
    let bye = again.until("BYE ").await;
    assert!(bye.starts_with(&format!("BYE {contact} SIP/2.0\r\n")), "{bye}");
    again.send(&ok(&bye)).await;
    assert_eq!(agent.until_ended(1).await, "ended:us");
}

#[tokio::test]
async fn a_peer_that_does_not_read_stops_nobody_else() {
    let mut agent = agent(Manner::Silent).await;
    let mut deaf = Peer::tcp(&agent).await;
    let question =
        request("OPTIONS", "deaf", "").replace("{me}", "h").replace("{via}", "TCP").replace('\n', "\r\n");
    // Far more answers than the kernel keeps for one who does not read.
    let flood = async {
        loop {
            deaf.send_bytes(question.as_bytes()).await;
        }
    };
    let call = async {
        let mut peer = Peer::udp(&agent).await;
        for n in 0..50 {
            peer.send(&invite(&format!("n{n}"), "")).await;
            assert!(peer.receive().await.starts_with("SIP/2.0 100 "));
        }
    };
    tokio::select! {
        () = flood => unreachable!(),
        () = call => {}
    }
    assert_eq!(agent.until("invite+sdp").await.to_string(), "c1");
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_per_source() {
    for (max, per_source_max) in [(2, 10), (10, 2)] {
        let mut config = config(T1);
        (config.bounds.tcp_connections_max, config.bounds.tcp_connections_per_source_max) =
            (max, per_source_max);
        let agent = Agent::start(Manner::Silent, config).await;
        two_connections_and_no_more(&agent).await;
    }
}

async fn two_connections_and_no_more(agent: &Agent) {
    let mut first = Peer::tcp(agent).await;
    let mut second = Peer::tcp(agent).await;
    for peer in [&mut first, &mut second] {
        peer.assert_silence().await;
    }
    let mut third = Peer::tcp(agent).await;
    assert_eq!(third.receive().await, "", "closed at once");
    assert_eq!(agent.signalling.count(Count::ConnectionsRefused), 1);
    // Nonsense costs the connection, and makes room.
    second.send_bytes(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(second.receive().await, "");
    let mut fourth = Peer::tcp(agent).await;
    fourth.assert_silence().await;
}

/// More calls than events fit: those that do not fit are turned away, and whoever is slow to hear can still speak.
#[tokio::test]
async fn a_door_that_does_not_listen_loses_nothing_and_blocks_nobody() {
    let mut config = config(Duration::from_millis(500));
    config.bounds.calls_max = 10_000;
    config.bounds.calls_per_second_per_source = 10_000;
    let (signalling, mut events) = Signalling::start(config).await.unwrap();
    let to = signalling.local_addrs()[0].addr;
    let mut peer = Peer::udp_to(to).await;
    let sent = 3000;
    for n in 0..sent {
        peer.send(&invite(&format!("n{n}"), "")).await;
        if n % 20 == 0 {
            // Everything sent so far has been read when this is answered.
            peer.send(&request("OPTIONS", &format!("o{n}"), "")).await;
            while header(&peer.receive().await, "CSeq") != Some("1 OPTIONS") {}
        }
    }
    let turned_away = signalling.count(Count::Full);
    assert!(turned_away > 0 && turned_away < sent, "{turned_away}");
    let first = events.recv().await.unwrap().call();
    signalling.reject(first, 486).unwrap();
    let mut announced = 1;
    while announced < sent - turned_away {
        match events.recv().await.unwrap() {
            Event::Invite { .. } => announced += 1,
            other => assert_eq!(other.call(), first),
        }
    }
    assert_eq!(signalling.calls_live() as u64, announced - 1);
}

#[tokio::test]
async fn stopping_takes_leave_of_everyone() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::udp(&agent).await;
    peer.send(&invite("up", "")).await;
    let call = agent.until("invite+sdp").await;
    agent.signalling.accept(call, SDP.to_vec()).unwrap();
    let answer = peer.until("SIP/2.0 200").await;
    peer.send(&within("ACK", "up", &to_tag(&answer), 1, "")).await;
    agent.until("ack").await;
    peer.send(&invite("ringing", "")).await;
    agent.until("invite+sdp").await;
    let signalling = agent.signalling.clone();
    let stop = tokio::spawn(async move { signalling.stop(Duration::from_secs(20)).await });
    // In either order, and each perhaps more than once.
    let (mut refused, mut bye) = (false, None);
    while !refused || bye.is_none() {
        let message = peer.receive().await;
        refused |= message.starts_with("SIP/2.0 480 ");
        bye = bye.or(message.starts_with("BYE ").then_some(message));
    }
    peer.send(&ok(&bye.unwrap())).await;
    let mut endings = agent.until_ended(2).await.split(' ').map(str::to_owned).collect::<Vec<_>>();
    endings.sort();
    assert_eq!(endings, ["ended:Rejected(480)", "ended:us"]);
    stop.await.unwrap();
    assert!(agent.signalling.bye(call, None).is_err());
}

#[tokio::test]
async fn the_last_refusals_still_go_out() {
    let mut agent = agent(Manner::Silent).await;
    let mut peer = Peer::tcp(&agent).await;
    peer.send(&invite("a", "")).await;
    agent.until("invite+sdp").await;
    agent.signalling.stop(Duration::from_secs(20)).await;
    peer.until("SIP/2.0 480").await;
}

#[tokio::test]
async fn nothing_is_left_of_calls_however_they_went() {
    let mut config = config(Duration::from_millis(4));
    config.bounds.answer_within = Duration::from_millis(100);
    let mut agent = Agent::start(Manner::Silent, config).await;
    let mut peer = Peer::udp(&agent).await;
    for n in 0..10 {
        let branch = format!("n{n}");
        peer.send(&invite(&branch, "")).await;
        let call = agent.until("invite+sdp").await;
        match n % 5 {
            // Forgotten by the door; refused and never acknowledged; accepted and never acknowledged; hung up; taken.
            0 => {}
            1 => agent.signalling.reject(call, 486).unwrap(),
            2 => agent.signalling.accept(call, SDP.to_vec()).unwrap(),
            3 => {
                agent.signalling.accept(call, SDP.to_vec()).unwrap();
                let answer = peer.until("SIP/2.0 200").await;
                peer.send(&within("BYE", &branch, &to_tag(&answer), 2, "")).await;
            }
            _ => {
                agent.signalling.accept(call, SDP.to_vec()).unwrap();
                let answer = peer.until("SIP/2.0 200").await;
                peer.send(&within("ACK", &branch, &to_tag(&answer), 1, "")).await;
                agent.signalling.bye(call, None).unwrap();
            }
        }
        agent.until_ended(1).await;
    }
    agent.assert_empty();
    agent.until_transactions_are_gone().await;
    assert_eq!(agent.heard.iter().filter(|w| w.starts_with("ended")).count(), 10);
}
