//! What the API has shown is there, whatever happens then.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use super::caller::{Caller, refused};
use super::pcap::{self, Around};
use super::sipp::Sipp;
use super::surveys;
use crate::server::{Server, Site, eventually};

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

/// Callers who press a key while all that happens, and the score of their key.
const CALLERS: u16 = 12;
const CALLERS_SCORE: u8 = 4;
const PHONE: &str = "storm-phone";

/// Callers come, press and are asked after until the server is gone.
fn phone_until_it_dies(site: &Site, server: &Server, life: usize, tell: &SyncSender<(String, bool)>) {
    let pcap = site.folder().join("storm.pcap");
    pcap::write(&pcap, '2', Duration::from_millis(200), Duration::from_millis(400), Around::Nothing);
    let name = format!("{PHONE}{life}");
    let sipp = Sipp::new("caller_with_pcap", server.udp).with("PCAP", pcap.to_str().unwrap());
    let sipp = sipp.key("call_ref", &name).key("agent", "1001").key("queue", "sales");
    let _callers = sipp.args(["-s", "csat-survey"]).many(CALLERS, 50).start();
    for number in 1..=CALLERS {
        let call = format!("{name}-{number}");
        loop {
            match server.shows(&call) {
                None => return,
                Some(true) => break tell.send((call, true)).unwrap(),
                Some(false) => {}
            }
        }
    }
}

/// Rates calls until the server is gone, which is cut off behind so many acknowledgements. Returns the calls rated, and
/// whether each was acknowledged. Every client begins with the call that it was never told of. In every other life
/// callers press keys as well, and it is theirs that count.
fn rate_until_it_dies(
    site: &Site,
    server: &Server,
    life: usize,
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
        let with_phones = life % 2 == 1;
        if with_phones {
            let tell = tell.clone();
            scope.spawn(move || phone_until_it_dies(site, server, life, &tell));
        }
        drop(tell);
        // From the first moment to the middle of the storm.
        let mut left = if with_phones { 1 + life / 2 % usize::from(CALLERS) } else { 1 + life * 7 % 60 };
        for (call, told) in &told {
            left -= usize::from(!with_phones || call.starts_with(PHONE));
            calls.insert(call, told);
            if left == 0 {
                break;
            }
        }
        server.die();
        calls.extend(told);
    });
    calls
}

fn score_of(call: &str) -> u8 {
    if call.starts_with(PHONE) {
        return CALLERS_SCORE;
    }
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
        let calls = rate_until_it_dies(&site, &server, life, &untold);
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
    let phoned = acknowledged.keys().filter(|call| call.starts_with(PHONE)).count();
    assert!(phoned >= kills / 2, "{phoned}");
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
