use super::*;

const OFFER: &str = "v=0\r\n";

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn call() -> (Dialog, String) {
    let parties = Parties {
        target: "sip:csat-survey@127.0.0.1:5060".to_owned(),
        local: "127.0.0.1:5090".parse().unwrap(),
        name: "run-7".to_owned(),
        agent: "agent-3".to_owned(),
        queue: "bench".to_owned(),
    };
    Dialog::call(parties, OFFER, at(0))
}

fn response(status: u16, cseq: &str) -> String {
    format!(
        "SIP/2.0 {status} X\r\nVia: v\r\nFrom: f\r\nTo: <sip:csat-survey@127.0.0.1:5060>;tag=s\r\nCall-ID: run-7\r\n\
         CSeq: {cseq}\r\nContact: <sip:in@127.0.0.1:5061>\r\n\r\nv=0 answer"
    )
}

fn request(method: &str) -> String {
    format!(
        "{method} sip:bench@127.0.0.1:5090 SIP/2.0\r\nVia: v\r\nFrom: x\r\nTo: y\r\nCall-ID: run-7\r\n\
         CSeq: 5 {method}\r\n\r\n"
    )
}

/// The first line and the branch of everything sent, and the news.
fn shown(step: &Step) -> String {
    let mut shown: Vec<String> = step
        .send
        .iter()
        .map(|text| {
            let message = Message::parse(text.as_bytes()).unwrap();
            let line =
                text.lines().next().unwrap_or_default().replace(" SIP/2.0", "").replace("SIP/2.0 ", "");
            let via = message.header(Name::Via).unwrap_or_default();
            let branch =
                via.split_once("z9hG4bK").and_then(|(_, rest)| rest.split_once('-')).map(|(kind, _)| kind);
            branch.map_or(line.clone(), |branch| format!("{line} [{branch}]"))
        })
        .collect();
    shown.extend(step.news.as_ref().map(|news| format!("{news:?}")));
    shown.join(", ")
}

/// Runs a conversation: `<` is heard, `.` is a look at the timers, `!` hangs up; each with what is then sent and told.
fn transcript(lines: &[(u64, &str, &str)]) {
    let (mut dialog, _) = call();
    for &(ms, what, expected) in lines {
        let step = match what {
            "." => dialog.tick(at(ms)),
            "!" => dialog.hang_up(at(ms)),
            _ => {
                let (first, second) = what.split_once(' ').unwrap_or((what, ""));
                let text = match first.parse() {
                    Ok(status) => response(status, second),
                    Err(_) => request(first),
                };
                dialog.hear(&Message::parse(text.as_bytes()).unwrap(), at(ms))
            }
        };
        assert_eq!(shown(&step), expected, "{ms} {what}");
    }
}

const INVITE: &str = "INVITE sip:csat-survey@127.0.0.1:5060 [i]";
const CANCEL: &str = "CANCEL sip:csat-survey@127.0.0.1:5060 [i]";
const ACK: &str = "ACK sip:in@127.0.0.1:5061 [a]";
const ACK_REFUSAL: &str = "ACK sip:csat-survey@127.0.0.1:5060 [i]";
const BYE: &str = "BYE sip:in@127.0.0.1:5061 [b]";

#[test]
fn the_server_answers_and_hangs_up() {
    transcript(&[
        (10, "100 1 INVITE", ""),
        (600, ".", ""),
        (700, "200 1 INVITE", &format!("{ACK}, Answered {{ sdp: \"v=0 answer\" }}")),
        // Our ACK was lost.
        (1200, "200 1 INVITE", ACK),
        (9000, "BYE", "200 OK, PeerHungUp"),
        // Our answer was lost.
        (9500, "BYE", "200 OK"),
        (9600, "200 1 INVITE", ACK),
    ]);
}

#[test]
fn an_invite_that_nobody_answers_is_sent_again_and_given_up() {
    transcript(&[
        (499, ".", ""),
        (500, ".", INVITE),
        (1499, ".", ""),
        (1500, ".", INVITE),
        (32_000, ".", "NoAnswer"),
        (33_000, ".", ""),
    ]);
}

#[test]
fn a_refusal_is_acknowledged_each_time_and_told_once() {
    transcript(&[
        (10, "503 1 INVITE", &format!("{ACK_REFUSAL}, Refused(503)")),
        (510, "503 1 INVITE", ACK_REFUSAL),
        (600, ".", ""),
        (600, "!", ""),
    ]);
}

#[test]
fn the_caller_hangs_up_and_says_so_until_heard() {
    transcript(&[
        (10, "200 1 INVITE", &format!("{ACK}, Answered {{ sdp: \"v=0 answer\" }}")),
        (1000, "!", BYE),
        (1001, "!", ""),
        (1500, ".", BYE),
        (1600, "100 2 BYE", ""),
        (1700, "200 2 BYE", "Left"),
        (1700, "200 2 BYE", ""),
        (2500, ".", ""),
    ]);
}

#[test]
fn a_bye_that_nobody_answers_or_that_is_refused_is_told() {
    let up = format!("{ACK}, Answered {{ sdp: \"v=0 answer\" }}");
    transcript(&[(10, "200 1 INVITE", &up), (20, "!", BYE), (32_020, ".", "ByeFailed")]);
    transcript(&[(10, "200 1 INVITE", &up), (20, "!", BYE), (30, "403 2 BYE", "ByeFailed")]);
}

#[test]
fn two_byes_that_cross_end_the_call() {
    let up = format!("{ACK}, Answered {{ sdp: \"v=0 answer\" }}");
    transcript(&[
        (10, "200 1 INVITE", &up),
        (20, "!", BYE),
        (21, "BYE", "200 OK"),
        (22, "481 2 BYE", "Left"),
    ]);
}

#[test]
fn giving_up_waits_for_a_sign_of_life_and_cancels() {
    transcript(&[
        (100, "!", ""),
        (200, "100 1 INVITE", CANCEL),
        (210, "200 1 CANCEL", ""),
        (700, ".", CANCEL),
        (800, "487 1 INVITE", &format!("{ACK_REFUSAL}, NoAnswer")),
    ]);
    transcript(&[(100, "180 1 INVITE", ""), (200, "!", CANCEL), (32_200, ".", "NoAnswer")]);
}

#[test]
fn an_answer_that_crosses_giving_up_is_ended_at_once() {
    let both = format!("{ACK}, {BYE}");
    transcript(&[(100, "!", ""), (200, "200 1 INVITE", &both), (300, "200 2 BYE", "Left")]);
    transcript(&[(50, "100 1 INVITE", ""), (100, "!", CANCEL), (200, "200 1 INVITE", &both)]);
}

#[test]
fn what_a_survey_call_has_no_use_for_is_refused_and_told() {
    transcript(&[
        (10, "BYE", "481 Call/Transaction Does Not Exist"),
        (20, "200 1 INVITE", &format!("{ACK}, Answered {{ sdp: \"v=0 answer\" }}")),
        (30, "INVITE", "501 Not Implemented, Unexpected"),
        (40, "ACK", ""),
    ]);
}

#[test]
fn requests_say_what_rfc_3261_wants_of_them() {
    let (mut dialog, invite) = call();
    assert_eq!(
        invite,
        "INVITE sip:csat-survey@127.0.0.1:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bKi-run-7;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:bench@127.0.0.1:5090>;tag=run-7\r\nTo: <sip:csat-survey@127.0.0.1:5060>\r\nCall-ID: run-7\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:bench@127.0.0.1:5090>\r\nAllow: INVITE, ACK, CANCEL, BYE\r\n\
         User-Agent: aftercall-bench\r\nX-Call-Id: run-7\r\nX-Agent-Id: agent-3\r\nX-Queue-Id: bench\r\n\
         Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    );
    let up = dialog.hear(&Message::parse(response(200, "1 INVITE").as_bytes()).unwrap(), at(10));
    let bye = dialog.hang_up(at(20));
    for (text, branch, cseq) in [(&up.send[0], "a", "1 ACK"), (&bye.send[0], "b", "2 BYE")] {
        let method = &cseq[2..];
        assert_eq!(
            *text,
            format!(
                "{method} sip:in@127.0.0.1:5061 SIP/2.0\r\n\
                 Via: SIP/2.0/UDP 127.0.0.1:5090;branch=z9hG4bK{branch}-run-7;rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:bench@127.0.0.1:5090>;tag=run-7\r\nTo: <sip:csat-survey@127.0.0.1:5060>;tag=s\r\n\
                 Call-ID: run-7\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n"
            )
        );
    }
}
