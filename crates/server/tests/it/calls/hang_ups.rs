//! A caller may hang up at any moment: what was said stays, and the funnel says how far they came.

use std::fs;
use std::thread;

use super::caller::Caller;
use super::phone::Phone;
use super::surveys;
use crate::server::eventually;

/// When, in which survey, what the caller does, and what is kept.
const TABLE: [(&str, &str, &str, &str); 14] = [
    ("in-the-question", "csat-survey", "x", "- abandoned"),
    ("after-the-question", "csat-survey", "p x", "- abandoned"),
    ("after-a-wrong-key", "csat-survey", "p 9 x", "- abandoned"),
    ("in-the-confirmation", "csat-survey", "p 2 x", "4 completed"),
    ("in-the-thanks", "csat-survey", "p 2 thank_you x", "4 completed"),
    ("in-the-confirmation-that-asks", "with-change", "p 5 press_1_to_change x", "1 completed"),
    ("in-the-change", "with-change", "p 5 1 please_rate x", "1 completed"),
    ("before-the-comment", "with-comment", "p 2 leave_comment x", "4 partial hangup"),
    ("instead-of-the-comment", "with-comment", "p 2 beep p x", "4 partial hangup"),
    ("in-the-comment", "with-comment", "p 2 beep p v x", "4 completed"),
    // Consent to be asked is no answer, and what a new answer leads to is part of the survey.
    ("after-consent", "with-consent", "p 1 p x", "- abandoned"),
    ("before-consent", "with-consent", "p x", "- abandoned"),
    ("after-consent-and-answer", "with-consent", "p 1 p 2 x", "4 completed"),
    ("after-a-change-to-more", "with-more", "p 5 p 1 p 1 p ~ p x", "1 then 5 partial hangup"),
];

#[test]
fn whenever_the_caller_hangs_up_the_funnel_says_how_far_they_came() {
    let site = surveys::site();
    let server = site.start();
    thread::scope(|scope| {
        for (moment, survey, script, record) in TABLE {
            let server = &server;
            scope.spawn(move || {
                let heard = Caller::new(server, moment, survey, "caller_hangs_up").call(script);
                assert_eq!(server.record(moment), record, "{moment}: {script}; heard: {heard}");
            });
        }
    });
    // What was spoken before the hang-up is on disk: a second of it, and what came before and after.
    let answers = server.answers("in-the-comment");
    let file = answers[0].strip_prefix("comment=").unwrap();
    let wav = hound::WavReader::open(site.folder().join("data").join(file)).unwrap();
    assert!((8_000..24_000).contains(&wav.duration()), "{} samples", wav.duration());
    assert_eq!(server.answers("instead-of-the-comment"), ["rating=satisfied"]);
    let comments = fs::read_dir(site.folder().join("data/recordings/default")).unwrap().flatten();
    let comments: usize = comments.map(|day| fs::read_dir(day.path()).unwrap().count()).sum();
    assert_eq!(comments, 1, "where nothing was said there is no file");
    for (state, count) in [("abandoned", 5), ("completed", 6), ("partial", 3)] {
        let series = format!("aftercall_sessions_ended_total{{state=\"{state}\"}}");
        assert_eq!(server.metric(&series), count, "{state}");
    }
    server.stop();
}

#[test]
fn a_caller_who_gives_up_before_the_answer_is_counted_and_forgotten() {
    let site = surveys::site();
    let server = site.start();
    let mut caller = Caller::new(&server, "early", "csat-survey", "caller_cancels").dial();
    // The server finds both requests at once. It may have answered the first before it reads the second:
    // then the caller acknowledges and hangs up, as RFC 3261 section 9.1 asks.
    server.frozen(|| {
        eventually("the INVITE", || caller.sipp().had("INVITE ").then_some(()));
        caller.nudge();
        eventually("the CANCEL", || caller.sipp().had("CANCEL ").then_some(()));
    });
    caller.stay();
    assert_eq!(server.record("early"), "- abandoned");
    server.stop();
}

#[test]
fn who_presses_and_hangs_up_has_rated_though_the_ack_was_lost_and_nothing_was_heard() {
    let site = surveys::site();
    let server = site.start();
    thread::scope(|scope| {
        for (call, acknowledges) in [("ack-lost", false), ("in-a-hurry", true)] {
            let server = &server;
            scope.spawn(move || {
                let mut phone = Phone::call(server, call, None);
                if acknowledges {
                    phone.acknowledge();
                }
                phone.press(2);
                phone.hang_up();
                assert_eq!(server.record(call), "4 completed", "{call}");
            });
        }
    });
    server.until_quiet();
    server.stop();
}
