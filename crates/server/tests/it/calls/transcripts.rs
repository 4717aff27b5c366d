//! The conformance set by telephone: every door leaves the same records of the same conversations.

use std::thread;

use super::caller::{Caller, Keys};
use super::surveys;

/// A conversation, the scenario that conducts it, and what must be kept and heard. The words of a script
/// are those of [`Caller::call`].
struct Transcript {
    name: &'static str,
    survey: &'static str,
    script: &'static str,
    scenario: &'static str,
    keys: Keys,
    record: &'static str,
    heard: &'static str,
}

const RATED_1: &str = "please_rate you_rated digit_1 very_satisfied thank_you";
const RATED_2: &str = "please_rate you_rated digit_2 satisfied thank_you";

const fn by_keys(
    name: &'static str,
    script: &'static str,
    record: &'static str,
    heard: &'static str,
) -> Transcript {
    Transcript {
        name,
        survey: "csat-survey",
        script,
        scenario: "caller_stays",
        keys: Keys::Events,
        record,
        heard,
    }
}

const fn hung_up(transcript: Transcript) -> Transcript {
    Transcript { scenario: "caller_hangs_up", ..transcript }
}

const fn of(survey: &'static str, transcript: Transcript) -> Transcript {
    Transcript { survey, ..transcript }
}

const TRANSCRIPTS: [Transcript; 21] = [
    by_keys("t1", "p 1", "5 completed", RATED_1),
    by_keys("t2", "p 2", "4 completed", RATED_2),
    by_keys("t3", "p 3", "3 completed", "please_rate you_rated digit_3 neutral thank_you"),
    by_keys("t4", "p 4", "2 completed", "please_rate you_rated digit_4 dissatisfied thank_you"),
    by_keys("t5", "p 5", "1 completed", "please_rate you_rated digit_5 very_dissatisfied thank_you"),
    by_keys("t6", "2", "4 completed", RATED_2),
    by_keys(
        "t7",
        "p 9 p 3",
        "3 completed",
        "please_rate invalid_key please_rate you_rated digit_3 neutral thank_you",
    ),
    by_keys("t8", "p ~ p ~ p ~", "- no_input", "please_rate no_key please_rate no_key please_rate goodbye"),
    by_keys(
        "t9",
        "p 9 p 8 p 7",
        "- no_input",
        "please_rate invalid_key please_rate invalid_key please_rate goodbye",
    ),
    by_keys(
        "t10",
        "p ~ p 1",
        "5 completed",
        "please_rate no_key please_rate you_rated digit_1 very_satisfied thank_you",
    ),
    hung_up(by_keys("t11", "x", "- abandoned", "please_rate")),
    hung_up(by_keys("t12", "p x", "- abandoned", "please_rate")),
    hung_up(by_keys("t13", "p 2 x", "4 completed", "please_rate you_rated")),
    by_keys(
        "t14",
        "p * p 4",
        "2 completed",
        "please_rate please_rate you_rated digit_4 dissatisfied thank_you",
    ),
    Transcript { keys: Keys::EventsTwice, ..by_keys("t15", "p 2", "4 completed", RATED_2) },
    Transcript {
        scenario: "caller_informs_twice",
        keys: Keys::ByScenario,
        ..by_keys("t15-info", "p 2", "4 completed", RATED_2)
    },
    by_keys("t16", "p 2 2", "4 completed", RATED_2),
    Transcript {
        scenario: "caller_invites_twice",
        ..by_keys("t17", "n p 5", "1 completed", "please_rate you_rated digit_5 very_dissatisfied thank_you")
    },
    of(
        "with-change",
        by_keys(
            "t18",
            "p 5 1 p 1",
            "1 then 5 completed",
            "please_rate you_rated please_rate you_rated digit_1 very_satisfied press_1_to_change thank_you",
        ),
    ),
    of("two-questions", by_keys("t19", "p 5 p 5", "1 completed", "please_rate nps_question thank_you")),
    hung_up(of("two-questions", by_keys("t20", "p 4 x", "2 partial hangup", "please_rate nps_question"))),
];

#[test]
fn the_twenty_transcripts_by_phone_leave_exactly_their_records() {
    let site = surveys::site().rtp_for(TRANSCRIPTS.len() as u16 + 4);
    let server = site.start();
    thread::scope(|scope| {
        for Transcript { name, survey, script, scenario, keys, record, heard } in TRANSCRIPTS {
            let server = &server;
            thread::Builder::new()
                .name(name.to_owned())
                .spawn_scoped(scope, move || {
                    let caller = Caller::new(server, name, survey, scenario).keys(keys).scenario(|sipp| {
                        let by_info = keys == Keys::ByScenario;
                        if by_info {
                            sipp.with("BODY", "2").key("info_type", "application/dtmf")
                        } else {
                            sipp
                        }
                    });
                    assert_eq!(caller.call(script), heard, "{name}: {script}");
                    assert_eq!(server.record(name), record, "{name}: {script}");
                })
                .unwrap();
        }
    });
    assert_eq!(server.answers("t19"), ["nps=5", "rating=very_dissatisfied"]);
    assert_eq!(server.metric("aftercall_rtp_lost_total"), 0);
    server.stop();
}
