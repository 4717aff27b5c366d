//! What the API has shown is there, whatever happens then.

use super::caller::{Caller, refused};
use super::surveys;
use crate::server::eventually;

#[test]
fn a_rating_that_the_api_has_shown_outlives_the_death_of_the_server() {
    let site = surveys::site();
    let server = site.start();
    let mut call = Caller::new(&server, "brief", "csat-survey", "caller_stays").dial();
    for step in ["p", "2", "you_rated"] {
        call.step(step);
    }
    let shown = eventually("the rating", || server.rating("brief"));
    server.kill();

    let server = site.start();
    assert_eq!(server.rating("brief"), Some(shown));
    // The caller is gone, and may be asked again: the rating is not lost, doubled or changed by it.
    drop(call);
    Caller::new(&server, "brief", "csat-survey", "caller_stays").call("p 5");
    assert_eq!(server.select("SELECT cast(score AS TEXT) FROM cc_csat WHERE call_id = ?", "brief"), ["4"]);
    server.stop();
}

#[test]
fn calls_that_a_crash_ended_are_recorded_as_failed_and_may_be_tried_again() {
    let site = surveys::site();
    let server = site.start();
    let dial = |call, survey| Caller::new(&server, call, survey, "caller_stays").dial();
    let [mut asked, mut rated, mut half] =
        [dial("asked", "csat-survey"), dial("rated", "csat-survey"), dial("half", "two-questions")];
    asked.step("please_rate");
    for (call, steps) in [(&mut rated, ["p", "2", "you_rated"]), (&mut half, ["p", "4", "p"])] {
        for step in steps {
            call.step(step);
        }
    }
    eventually("what callers said", || {
        let state = |call| server.select("SELECT state FROM cc_csat_offers WHERE call_id = ?", call).pop();
        let known = ["asked", "rated", "half"].map(|call| state(call).unwrap_or_default());
        (known == ["started", "completed", "partial"]).then_some(())
    });
    server.kill();

    let server = site.start();
    assert_eq!(server.record("asked"), "- failed crash");
    assert_eq!(server.record("rated"), "4 completed crash");
    assert_eq!(server.record("half"), "2 failed crash");
    drop([asked, rated, half]);
    // Who was not heard is heard the second time; who was is not asked into the record again.
    Caller::new(&server, "asked", "csat-survey", "caller_stays").call("p 5");
    assert_eq!(server.record("asked"), "1 completed");
    Caller::new(&server, "rated", "csat-survey", "caller_stays").call("p 5");
    assert_eq!(server.record("rated"), "4 completed crash");
    server.stop();

    let server = site.start();
    assert_eq!(server.record("asked"), "1 completed", "what has ended stays as it is");
    server.stop();
}

#[test]
fn a_server_that_is_told_to_stop_hears_its_last_callers_out_and_takes_no_more() {
    let site = surveys::site();
    let server = site.start();
    let mut call = Caller::new(&server, "last", "csat-survey", "caller_stays").dial();
    call.step("p");
    server.tell_to_stop();
    refused(&server, "too-late", "503", |sipp| sipp);
    call.step("2");
    assert_eq!(call.stay(), "please_rate you_rated digit_2 satisfied thank_you");
    server.await_end();

    let server = site.start();
    assert_eq!(server.record("last"), "4 completed");
    server.stop();
}
