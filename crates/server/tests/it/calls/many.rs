//! Many calls at once, and nothing of them left behind.

use std::thread;
use std::time::Duration;

use super::caller::refused;
use super::pcap::{self, Around};
use super::sipp::Sipp;
use super::{surveys, tones};
use crate::server::{Server, Site, eventually};

/// Each key is pressed by so many callers at once.
const CALLERS_A_KEY: u16 = 40;
const KEYS: [char; 5] = ['1', '2', '3', '4', '5'];
pub(super) const CALLS: u16 = CALLERS_A_KEY * KEYS.len() as u16;

/// Longer than the callers take to come, and than they wait before they press.
pub(super) const QUESTION: Duration = Duration::from_secs(20);

#[test]
fn two_hundred_calls_at_once_leave_two_hundred_ratings_and_nothing_else() {
    let site = surveys::site().rtp_for(CALLS);
    tones::record(&site.folder().join("prompts"), &[("please_rate", QUESTION)]);
    let server = site.start();
    thread::scope(|scope| {
        scope.spawn(|| wave(&site, &server, "first", Duration::from_secs(6)));
        eventually("two hundred calls at once", || (server.metric("aftercall_calls") == 200).then_some(()));
        // Every port is taken: one caller more is told to come back.
        let answers = refused(&server, "late", "503", |sipp| sipp);
        assert!(answers.had("Retry-After: "), "503 says when to come back");
    });
    assert_eq!(server.record("late"), "- suppressed busy");
    server.until_quiet();
    // There is room for exactly two hundred: they all fit again only if every port came back.
    wave(&site, &server, "second", Duration::from_secs(2));
    server.until_quiet();
    for (series, count) in [
        ("aftercall_sessions_ended_total{state=\"completed\"}", u64::from(CALLS) * 2),
        ("aftercall_calls_suppressed_total", 1),
        ("aftercall_rtp_lost_total", 0),
        ("aftercall_rtp_malformed_total", 0),
        ("aftercall_rtp_strangers_total", 0),
    ] {
        assert_eq!(server.metric(series), count, "{series}");
    }
    server.stop();
}

/// Two hundred callers, forty for each key; all of them must have left the score of their key.
#[track_caller]
pub(super) fn wave(site: &Site, server: &Server, queue: &str, pressed: Duration) {
    thread::scope(|scope| {
        for key in KEYS {
            let pcap = site.folder().join(format!("{queue}-{key}.pcap"));
            pcap::write(&pcap, key, pressed, pressed + Duration::from_secs(1), Around::Nothing);
            let sipp = Sipp::new("caller_with_pcap", server.udp).with("PCAP", pcap.to_str().unwrap());
            let sipp = sipp.key("call_ref", &format!("{queue}-{key}")).key("agent", &key.to_string());
            let sipp = sipp.key("queue", queue).args(["-s", "csat-survey"]);
            scope.spawn(move || sipp.many(CALLERS_A_KEY, CALLERS_A_KEY).run());
        }
    });
    // A door hands over and goes on: the last rows may still be on their way.
    let count = "SELECT cast(count(*) AS TEXT) FROM cc_csat WHERE queue_id = ?";
    eventually("two hundred rows", || (server.select(count, queue) == ["200"]).then_some(()));
    let rows = server.select(
        "SELECT key || ' gives ' || score || ', ' || count(*) || ' times' FROM cc_csat
         WHERE queue_id = ? AND agent_id = key GROUP BY key, score ORDER BY key",
        queue,
    );
    let expected = KEYS.iter().zip((1..=5).rev());
    let expected = expected.map(|(key, score)| format!("{key} gives {score}, {CALLERS_A_KEY} times"));
    assert_eq!(rows, Vec::from_iter(expected), "{queue}");
    assert_eq!(server.json(&format!("/cc/csat/queue/{queue}"))["rating_count"], CALLS, "{queue}");
}
