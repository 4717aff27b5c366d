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
