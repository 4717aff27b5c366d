//! What passes between a peer and us, message by message, in simulated time.

use std::time::Duration;

use aftercall_wire::sip::{Message, Piece, datagram};

use super::calls::{Calls, Effect};
use super::simulator::{calls, flow};
use super::{CallKey, Command, Credentials, Dial, Ending, Event, Transfer};

const SDP: &str = "v=0\r\n";

/// We, and a peer whose messages the test writes.
struct Wire {
    calls: Calls,
    now: Duration,
    told: Vec<Event>,
    sent: Vec<Message>,
    branches: u32,
}

impl Wire {
    fn new() -> Self {
        Self { calls: calls(1), now: Duration::ZERO, told: Vec::new(), sent: Vec::new(), branches: 0 }
    }

    /// The peer sends this; Via and Content-Length are added, and what every request has unless it is there.
    fn hears(&mut self, text: &str) -> &mut Self {
        self.branches += 1;
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut lines: Vec<_> = head.lines().map(str::to_owned).collect();
        let start = lines.remove(0);
        let has = |name: &str| lines.iter().any(|line| line.to_lowercase().starts_with(name));
        let mut more = Vec::new();
        if !has("via:") {
            more.push(format!("Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{}", self.branches));
        }
        if !has("contact:") {
            more.push("Contact: <sip:them@127.0.0.1:5060>".to_owned());
        }
        more.extend(lines);
        let text =
            format!("{start}\r\n{}\r\nContent-Length: {}\r\n\r\n{body}", more.join("\r\n"), body.len());
        let Ok(Piece::Message(message, None)) = datagram(text.as_bytes()) else { panic!("no SIP: {text}") };
        self.calls.hear(*message, None, flow(1), self.now);
        self.settle()
    }

    fn does(&mut self, command: Command) -> &mut Self {
        self.calls.obey(command, self.now);
        self.settle()
    }

    /// Time passes.
    fn until(&mut self, ms: u64) -> &mut Self {
        let end = Duration::from_millis(ms);
        while let Some(due) = self.calls.due().filter(|due| *due <= end) {
            self.now = due.max(self.now);
            self.calls.tick(self.now);
            self.settle();
        }
        self.now = end;
        self
    }

    fn settle(&mut self) -> &mut Self {
        while let Some(effect) = self.calls.next_effect() {
            match effect {
                Effect::Send(_, packet) => match datagram(&packet) {
                    Ok(Piece::Message(message, None)) => self.sent.push(*message),
                    other => panic!("we sent {other:?}"),
                },
                Effect::Tell(event) => self.told.push(event),
                Effect::Reach { ticket, .. } => self.calls.reached(ticket, Ok(flow(1)), self.now),
            }
        }
        self
    }

    /// What we sent since we were asked last: statuses and methods, with their CSeq.
    fn sent(&mut self) -> String {
        let words = self.sent.iter().map(|message| {
            let cseq = message.headers().get("CSeq").unwrap_or_default();
            match message {
                Message::Request(_) => cseq.to_owned(),
                Message::Response(response) => format!("{}/{cseq}", response.status),
            }
        });
        let words = words.collect::<Vec<_>>().join(", ");
        self.sent.clear();
        words
    }

    /// A header of what we sent last.
    fn header(&self, name: &str) -> &str {
        self.sent.last().and_then(|message| message.headers().get(name)).unwrap_or("none")
    }

    /// The last ending that was told.
    fn ending(&self) -> Option<&Ending> {
        self.told.iter().rev().find_map(|event| match event {
            Event::Ended { ending, .. } => Some(ending),
            _ => None,
        })
    }

    /// The events that were told.
    fn told_of(&self) -> String {
        let words = self.told.iter().map(|event| format!("{event:?}"));
        words.filter_map(|word| Some(word.split([' ', '{']).next()?.to_owned())).collect::<Vec<_>>().join(" ")
    }

    fn our_tag(&self) -> String {
        let to = self.header("To");
        to.split_once(";tag=").map(|(_, tag)| tag.to_owned()).expect("no tag")
    }

    /// A call of the peer with these headers, accepted and acknowledged: its key, and our tag.
    fn up(&mut self, id: &str, more: &str) -> (CallKey, String) {
        self.hears(&invite(id, more));
        let call = self.told.last().map(Event::call).expect("no call");
        self.does(Command::Accept { call, sdp: SDP.into() });
        let tag = self.our_tag();
        self.hears(&within("ACK", id, &tag, 1, ""));
        (call, tag)
    }
}

fn invite(id: &str, more: &str) -> String {
    format!(
        "INVITE sip:survey@127.0.0.1:5070 SIP/2.0\nFrom: <sip:a@h>;tag=them\nTo: <sip:survey@h>\nCall-ID: {id}\n\
         CSeq: 1 INVITE\n{more}Content-Type: application/sdp\n\nv=0\n"
    )
}

fn within(method: &str, id: &str, tag: &str, seq: u32, more: &str) -> String {
    format!(
        "{method} sip:127.0.0.1:5070 SIP/2.0\nFrom: <sip:a@h>;tag=them\nTo: <sip:survey@h>;tag={tag}\n\
         Call-ID: {id}\nCSeq: {seq} {method}\n{more}"
    )
}

/// The peer's answer to a request of ours.
fn answer(to: &Message, status: &str, more: &str) -> String {
    let of = |name| to.headers().get(name).unwrap_or_default();
    format!(
        "SIP/2.0 {status}\nVia: {}\nFrom: {}\nTo: {}\nCall-ID: {}\nCSeq: {}\n{more}",
        of("Via"),
        of("From"),
        of("To"),
        of("Call-ID"),
        of("CSeq")
    )
}

#[test]
fn a_reliable_ringing_is_repeated_until_it_is_acknowledged() {
    let mut wire = Wire::new();
    wire.hears(&invite("c", "Require: 100rel\n"));
    let call = wire.told[0].call();
    wire.does(Command::Ring(call));
    assert_eq!((wire.header("RSeq"), wire.header("Require")), ("1", "100rel"));
    let tag = wire.our_tag();
    assert_eq!(wire.sent(), "100/1 INVITE, 180/1 INVITE");
    assert_eq!(wire.until(499).sent(), "");
    assert_eq!(wire.until(3600).sent(), "180/1 INVITE, 180/1 INVITE, 180/1 INVITE");
    assert_eq!(wire.hears(&within("PRACK", "c", &tag, 2, "RAck: 2 1 INVITE\n")).sent(), "481/2 PRACK");
    assert_eq!(wire.hears(&within("PRACK", "c", &tag, 3, "RAck: 1 1 INVITE\n")).sent(), "200/3 PRACK");
    assert_eq!(wire.until(20_000).sent(), "");
    assert_eq!(wire.does(Command::Accept { call, sdp: SDP.into() }).sent(), "200/1 INVITE");
    assert_eq!(wire.hears(&within("PRACK", "c", &tag, 4, "RAck: 1 1 INVITE\n")).sent(), "200/4 PRACK");
}

#[test]
fn a_caller_who_never_acknowledges_our_ringing_is_refused() {
    let mut wire = Wire::new();
    wire.hears(&invite("c", "Require: 100rel\n"));
    let call = wire.told[0].call();
    wire.does(Command::Ring(call)).until(31_999);
    assert_eq!(wire.ending(), None);
    wire.sent.clear();
    assert_eq!(wire.until(32_000).sent(), "504/1 INVITE");
    assert_eq!(wire.ending(), Some(&Ending::Rejected(504)));
}

#[test]
fn an_answer_before_the_acknowledgement_of_the_ringing_ends_its_repeats() {
    let mut wire = Wire::new();
    let call = wire.hears(&invite("c", "Require: 100rel\n")).told[0].call();
    wire.does(Command::Ring(call)).does(Command::Accept { call, sdp: SDP.into() });
    assert_eq!(wire.sent(), "100/1 INVITE, 180/1 INVITE, 200/1 INVITE");
    assert_eq!(wire.until(1000).sent(), "200/1 INVITE");
}

#[test]
fn who_presses_or_hangs_up_has_our_answer_though_its_ack_is_lost() {
    for (what, offer, method, expected) in [
        ("BYE", SDP, "BYE", "Invite Ack Ended"),
        ("INFO", SDP, "INFO", "Invite Ack Info"),
        ("BYE, where the ACK owes us an SDP answer", "", "BYE", "Invite Ended"),
        ("INFO, where the ACK owes us an SDP answer", "", "INFO", "Invite Info Ack"),
    ] {
        let mut wire = Wire::new();
        wire.hears(&invite("c", "").replace("v=0\n", offer));
        let call = wire.told[0].call();
        wire.does(Command::Accept { call, sdp: SDP.into() });
        let tag = wire.our_tag();
        wire.sent.clear();
        assert_eq!(wire.hears(&within(method, "c", &tag, 2, "")).sent(), format!("200/2 {method}"), "{what}");
        // The ACK comes late; nothing is repeated, and nothing told twice.
        wire.hears(&within("ACK", "c", &tag, 1, "")).until(60_000);
        assert_eq!(wire.sent(), "", "{what}");
        assert_eq!(wire.told_of(), expected, "{what}");
    }
}

#[test]
fn whom_we_leave_before_its_ack_and_who_leaves_too_is_not_hung_up_on() {
    let mut wire = Wire::new();
    let call = wire.hears(&invite("c", "")).told[0].call();
    wire.does(Command::Accept { call, sdp: SDP.into() }).does(Command::Bye { call, reason: None });
    let tag = wire.our_tag();
    wire.sent.clear();
    assert_eq!(wire.hears(&within("BYE", "c", &tag, 2, "")).sent(), "200/2 BYE");
    assert_eq!(wire.ending(), Some(&Ending::PeerHungUp));
}

#[test]
fn a_session_that_the_peer_does_not_refresh_is_hung_up_shortly_before_it_is_over() {
    let mut wire = Wire::new();
    wire.hears(&invite("c", "Supported: timer\nSession-Expires: 90\n"));
    let call = wire.told[0].call();
    wire.does(Command::Accept { call, sdp: SDP.into() });
    assert_eq!((wire.header("Session-Expires"), wire.header("Require")), ("90;refresher=uac", "timer"));
    let tag = wire.our_tag();
    wire.hears(&within("ACK", "c", &tag, 1, "")).until(50_000);
    wire.sent.clear();
    wire.hears(&within("UPDATE", "c", &tag, 2, "Supported: timer\nSession-Expires: 90;refresher=uac\n"));
    assert_eq!(wire.header("Session-Expires"), "90;refresher=uac");
    assert_eq!(wire.sent(), "200/2 UPDATE");
    assert_eq!(wire.until(109_999).sent(), "");
    wire.until(110_000);
    assert_eq!(wire.header("Reason"), "SIP;cause=408;text=\"Session Expired\"");
    assert_eq!(wire.sent(), "1 BYE");
    assert_eq!(wire.ending(), Some(&Ending::Expired));
}

#[test]
fn we_refresh_by_update_at_half_time_and_again_after_glare() {
    let mut wire = Wire::new();
    let timer = "Supported: timer\nAllow: INVITE, UPDATE\nSession-Expires: 100;refresher=uas\n";
    wire.up("c", timer);
    wire.sent.clear();
    assert_eq!(wire.until(49_999).sent(), "");
    wire.until(50_000);
    assert_eq!(wire.header("Session-Expires"), "100;refresher=uac");
    let update = wire.sent.last().cloned().expect("no refresh");
    assert_eq!(wire.sent(), "1 UPDATE");
    wire.hears(&answer(&update, "491 Request Pending", ""));
    wire.until(50_499);
    assert_eq!(wire.sent(), "");
    wire.until(51_000);
    let update = wire.sent.last().cloned().expect("not tried again");
    assert_eq!(wire.sent(), "3 UPDATE");
    wire.hears(&answer(&update, "200 OK", "Session-Expires: 200;refresher=uas\n"));
    // From now on it is the peer's to refresh, and it does not.
    assert_eq!(wire.until(51_000 + 167_000).sent(), "");
    assert_eq!(wire.until(51_000 + 168_000).sent(), "5 BYE");
}

#[test]
fn a_peer_without_update_is_refreshed_by_what_we_said_before() {
    let mut wire = Wire::new();
    let (call, tag) = wire.up("c", "Session-Expires: 90\nSupported: nothing\n");
    wire.sent.clear();
    wire.until(45_000);
    let reinvite = wire.sent.last().cloned().expect("no refresh");
    assert_eq!((wire.sent().as_str(), reinvite.body()), ("1 INVITE", SDP.as_bytes()));
    // Theirs crosses it (RFC 3261, section 14.2).
    let via = "Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKglare\n";
    let offer = format!("{via}Content-Type: application/sdp\n\nv=0\n");
    wire.hears(&within("INVITE", "c", &tag, 2, &offer)).hears(&within("ACK", "c", &tag, 2, via));
    assert_eq!(wire.sent(), "491/2 INVITE");
    wire.hears(&answer(&reinvite, "200 OK", "Content-Type: application/sdp\n\nv=1\n"));
    assert_eq!(wire.sent(), "1 ACK");
    assert!(matches!(wire.told.last(), Some(Event::Refreshed { sdp, .. }) if sdp == b"v=1\n"));
    wire.hears(&answer(&reinvite, "200 OK", ""));
    assert_eq!(wire.sent(), "1 ACK", "as often as it comes");
    assert!(wire.until(89_999).sent().is_empty());
    wire.until(90_000);
    let reinvite = wire.sent.last().cloned().expect("no second refresh");
    assert_eq!(wire.sent(), "3 INVITE");
    wire.hears(&answer(&reinvite, "481 Call Does Not Exist", ""));
    assert_eq!(wire.sent(), "3 ACK, 5 BYE");
    assert_eq!(wire.ending(), Some(&Ending::Expired));
    assert!(!wire.calls.calls.contains_key(&call));
}

#[test]
fn a_change_that_is_pending_when_the_session_expires_is_refused() {
    let mut wire = Wire::new();
    let (_, tag) = wire.up("c", "Supported: timer\nSession-Expires: 90\n");
    wire.until(50_000);
    wire.sent.clear();
    wire.hears(&within("INVITE", "c", &tag, 2, "Content-Type: application/sdp\n\nv=0\n"));
    assert_eq!(wire.sent(), "100/2 INVITE");
    assert_eq!(wire.until(60_000).sent(), "1 BYE, 487/2 INVITE");
    wire.until(200_000);
    assert_eq!(wire.calls.live(), [0; 3]);
}

#[test]
fn a_session_too_short_is_refused_with_the_shortest_there_is() {
    let mut wire = Wire::new();
    wire.hears(&invite("c", "Supported: timer\nSession-Expires: 89\n"));
    assert_eq!(wire.header("Min-SE"), "90");
    assert_eq!(wire.sent(), "422/1 INVITE");
    assert!(wire.told.is_empty());
}

#[test]
fn an_update_with_an_offer_is_answered_like_a_reinvite_but_has_no_ack() {
    let mut wire = Wire::new();
    let (call, tag) = wire.up("c", "");
    let update =
        |seq| format!("{}Content-Type: application/sdp\n\nv=0\n", within("UPDATE", "c", &tag, seq, ""));
    wire.sent.clear();
    wire.told.clear();
    assert_eq!(wire.hears(&update(2)).sent(), "");
    assert!(matches!(wire.told[0], Event::ReInvite { sdp: Some(_), .. }));
    wire.hears(&update(3));
    assert_eq!((wire.header("Retry-After").to_owned(), wire.sent()), ("2".into(), "500/3 UPDATE".into()));
    wire.does(Command::AnswerReinvite { call, answer: Ok(SDP.into()) });
    let body = wire.sent.last().map(|m| m.body().to_vec());
    assert_eq!((wire.sent().as_str(), body), ("200/2 UPDATE", Some(SDP.into())));
    // The next change need not wait for anything.
    wire.hears(&update(4)).does(Command::AnswerReinvite { call, answer: Err(488) });
    assert_eq!(wire.sent(), "488/4 UPDATE");
    assert_eq!(wire.until(200_000).sent(), "", "nothing is waited for");
}

#[test]
fn a_new_call_takes_the_place_of_one_that_it_names_whole() {
    for (replaces, sent, ending) in [
        ("c;to-tag=TAG;from-tag=them", "100/1 INVITE, 200/1 INVITE, 1 BYE", Some(Ending::Replaced)),
        ("c;to-tag=TAG;from-tag=other", "481/1 INVITE", None),
        ("c;to-tag=TAG", "400/1 INVITE", None),
        ("c;to-tag=TAG;from-tag=them;early-only", "486/1 INVITE", None),
    ] {
        let mut wire = Wire::new();
        let (_, tag) = wire.up("c", "");
        wire.sent.clear();
        let replaces = replaces.replace("TAG", &tag);
        wire.hears(&invite("d", &format!("Require: replaces\nReplaces: {replaces}\n")));
        if let Some(Event::Invite { call, .. }) = wire.told.last() {
            let call = *call;
            wire.does(Command::Accept { call, sdp: SDP.into() });
        }
        assert_eq!((wire.sent().as_str(), wire.ending()), (sent, ending.as_ref()), "{replaces}");
        assert_eq!(wire.calls.live()[0], 1);
    }
}

#[test]
fn a_call_that_is_refused_replaces_nothing() {
    let mut wire = Wire::new();
    let (_, tag) = wire.up("c", "");
    wire.hears(&invite("d", &format!("Replaces: c;to-tag={tag};from-tag=them\n")));
    let call = wire.told.last().map(Event::call).expect("no call");
    wire.does(Command::Reject { call, refusal: 486.into() });
    assert_eq!((wire.calls.live()[0], wire.ending()), (1, Some(&Ending::Rejected(486))));
}

#[test]
fn when_every_place_is_taken_the_call_goes_that_has_owed_its_ack_longest() {
    let mut wire = Wire::new();
    let places = wire.calls.shared.bounds.calls_max;
    let (acknowledged, _) = wire.up("first", "");
    for n in 1..places {
        wire.hears(&invite(&format!("c{n}"), ""));
        let call = wire.told.last().map(Event::call).expect("no call");
        wire.does(Command::Accept { call, sdp: SDP.into() });
        wire.told.clear();
    }
    wire.sent.clear();
    assert_eq!(wire.hears(&invite("early", "")).sent(), "503/1 INVITE", "none has owed it for long");
    wire.now = Duration::from_millis(500);
    assert_eq!(wire.hears(&invite("late", "")).sent(), "1 BYE, 100/1 INVITE");
    assert!(wire.calls.calls.contains_key(&acknowledged), "who acknowledged stays");
    assert_eq!((wire.ending(), wire.calls.live()[0]), (Some(&Ending::NoAck), places));
    // The flood is over: one by one its calls make room for those who mean it.
    for n in 0..100 {
        wire.hears(&invite(&format!("d{n}"), ""));
        assert_eq!(wire.sent(), "1 BYE, 100/1 INVITE");
    }
}

#[test]
fn of_a_forked_call_one_answer_counts_and_the_other_is_hung_up() {
    let mut wire = Wire::new();
    let call = CallKey(99);
    wire.does(Command::Dial { call, dial: Box::new(dial(None)) });
    let invite = wire.sent.last().cloned().expect("no INVITE");
    assert_eq!(wire.sent(), "1 INVITE");
    let from = |branch: &str, status, more: &str| {
        answer(&invite, status, more)
            .replace("To: <sip:b@127.0.0.1:5060>", &format!("To: <sip:b@h>;tag={branch}"))
    };
    let rings = |n: u32| format!("Require: 100rel\nRSeq: {n}\n");
    wire.hears(&from("x", "180 Ringing", &rings(7)));
    assert_eq!(wire.header("RAck"), "7 1 INVITE");
    assert_eq!(wire.sent(), "2 PRACK");
    wire.hears(&from("y", "180 Ringing", &rings(1)));
    assert_eq!(wire.sent(), "2 PRACK");
    // Repeated, or out of its order: not acknowledged, and not heard.
    wire.hears(&from("x", "180 Ringing", &rings(7))).hears(&from("x", "183 Progress", &rings(9)));
    assert_eq!(wire.sent(), "");
    wire.hears(&from("y", "200 OK", ""));
    assert_eq!(wire.sent(), "1 ACK");
    wire.hears(&from("x", "200 OK", ""));
    assert_eq!(wire.sent(), "1 ACK, 2 BYE");
    wire.hears(&from("y", "200 OK", ""));
    assert_eq!(wire.sent(), "1 ACK");
    let heard = |wanted: fn(&Event) -> bool| wire.told.iter().filter(|event| wanted(event)).count();
    assert_eq!(heard(|event| matches!(event, Event::Progress { status: 180, .. })), 2);
    assert_eq!((heard(|event| matches!(event, Event::Answered { .. })), wire.told.len()), (1, 3));
    wire.does(Command::Bye { call, reason: None });
    // Behind the PRACK, for which a number was left, in the dialog that it began.
    assert_eq!(wire.sent(), "4 BYE");
}

#[test]
fn a_callee_that_asks_who_we_are_is_told_twice_at_most() {
    let mut wire = Wire::new();
    let credentials = Credentials { user: "u".into(), password: "p".into() };
    wire.does(Command::Dial { call: CallKey(99), dial: Box::new(dial(Some(credentials))) });
    let asks =
        |stale: &str| format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"{stale}\n");
    for (stale, expected) in
        [("", "1 ACK, 2 INVITE"), (", stale=true", "2 ACK, 3 INVITE"), (", stale=true", "3 ACK")]
    {
        let invite = wire.sent.last().cloned().expect("no INVITE");
        wire.sent.clear();
        wire.hears(&answer(&invite, "401 Unauthorized", &asks(stale)));
        assert_eq!(
            wire.sent.last().and_then(|m| m.headers().get("Authorization")).is_some(),
            expected != "3 ACK"
        );
        let sent = wire.sent.last().cloned();
        assert_eq!(wire.sent(), expected);
        wire.sent.extend(sent);
    }
    assert!(matches!(wire.ending(), Some(Ending::Refused { status: 401, .. })));
}

#[test]
fn what_the_peer_is_asked_for_and_does_not_answer_is_given_up() {
    let mut wire = Wire::new();
    let (call, _) = wire.up("c", "");
    let target = "sip:queue@127.0.0.1".parse().expect("a target");
    wire.does(Command::Refer { call, target }).until(40_000);
    let refused = |event: &Event| matches!(event, Event::Transfer { progress: Transfer::Refused(408), .. });
    assert!(wire.told.iter().any(refused));
}

fn dial(credentials: Option<Credentials>) -> Dial {
    Dial {
        target: "sip:b@127.0.0.1:5060".parse().expect("a target"),
        sdp: Some(SDP.into()),
        headers: Vec::new(),
        transport: None,
        from_user: "a".into(),
        credentials,
    }
}
