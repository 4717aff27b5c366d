//! What the API has shown is there, whatever happens then.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use super::caller::{Caller, refused};
use super::surveys;
use crate::server::{Server, eventually};

/// How often the server dies in a storm, unless `AFTERCALL_KILLS` says more.
const KILLS: usize = 12;

/// Who rates at the same time.
const CLIENTS: usize = 4;

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

/// Rates calls until the server is gone, which is cut off behind so many acknowledgements. Returns the calls rated, and
/// whether each was acknowledged. Every client begins with the call that it was never told of.
fn rate_until_it_dies(
    server: &Server,
    life: usize,
    after: usize,
    untold: &[String],
) -> BTreeMap<String, bool> {
    let mut calls: BTreeMap<String, bool> = untold.iter().map(|call| (call.clone(), false)).collect();
    let (tell, told) = mpsc::sync_channel(CLIENTS);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let again = untold.iter().skip(client).step_by(CLIENTS).cloned();
            let new = (0..).map(move |number| format!("storm-{life}-{client}-{number}"));
            let tell = tell.clone();
            scope.spawn(move || {
                for call in again.chain(new) {
                    let status = server.rate(&call, score_of(&call));
                    assert!(matches!(status, None | Some(200 | 201)), "{call}: {status:?}");
                    tell.send((call, status.is_some())).unwrap();
                    if status.is_none() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        calls.extend(told.iter().take(after));
        server.die();
        calls.extend(told);
    });
    calls
}

fn score_of(call: &str) -> u8 {
    1 + (call.bytes().map(usize::from).sum::<usize>() % 5) as u8
}

#[test]
fn every_rating_that_was_acknowledged_is_there_once_however_often_the_server_dies() {
    let site = surveys::site();
    let kills = std::env::var("AFTERCALL_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut acknowledged = BTreeMap::new();
    let mut untold = Vec::new();
    for life in 0..kills {
        let server = site.start();
        // From the first moment to the middle of the storm.
        let calls = rate_until_it_dies(&server, life, 1 + life * 7 % 60, &untold);
        server.kill();
        untold = calls.iter().filter(|(_, told)| !**told).map(|(call, _)| call.clone()).collect();
        acknowledged.extend(calls.into_iter().filter(|(_, told)| *told));
    }
    let server = site.start();
    let rows = server.select("SELECT call_id || ' ' || score FROM cc_csat WHERE call_id LIKE ?", "storm-%");
    let stored: BTreeMap<&str, u8> = rows
        .iter()
        .filter_map(|row| row.split_once(' '))
        .map(|(call, score)| (call, score.parse().unwrap()))
        .collect();
    assert_eq!(stored.len(), rows.len(), "one call, one rating");
    for call in acknowledged.keys() {
        assert_eq!(stored.get(call.as_str()), Some(&score_of(call)), "{call} was acknowledged");
    }
    let logged =
        server.select("SELECT call_id FROM cc_csat_log WHERE op = 'created' AND call_id LIKE ?", "storm-%");
    assert_eq!(logged.len(), rows.len(), "each rating is logged once");
    assert!(acknowledged.len() >= kills, "{}", acknowledged.len());
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
