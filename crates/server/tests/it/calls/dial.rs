//! `aftercall dial`: the test call that everybody has at hand.

use std::net::UdpSocket;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{surveys, tones};
use crate::server::{PROGRAM, Server};

/// Runs it with this command line, in which `@UDP` and `@TCP` are where the server listens. Returns its
/// exit code, what it printed and what it complained of.
fn dial(server: &Server, line: &str) -> (i32, String, String) {
    let line = line.replace("@UDP", &format!("@{}", server.udp));
    let line = line.replace("@TCP", &format!("@{}", server.tcp));
    let mut command = Command::new(PROGRAM);
    let Output { status, stdout, stderr } =
        command.arg("dial").args(line.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Call id, command line, keys, transport and what is kept.
const CALLS: [(&str, &str, &str, &str, &str); 6] = [
    ("events", "sip:csat-survey@UDP --press 1", "1", "udp", "5 completed"),
    ("heard-out", "sip:csat-survey@UDP --press ,9,2", "92", "udp", "4 completed"),
    ("by-info", "sip:csat-survey@UDP --press 3 --info", "3", "udp", "3 completed"),
    ("over-tcp", "sip:csat-survey@TCP --press 4 --transport tcp", "4", "tcp", "2 completed"),
    ("by-uri", "sip:csat-survey@TCP;transport=tcp --press 5", "5", "tcp", "1 completed"),
    ("two-questions", "sip:two-questions@UDP --press 19", "19", "udp", "5 completed"),
];

#[test]
fn dial_places_the_call_presses_in_every_way_and_reports_in_json() {
    let site = surveys::site();
    // For an answer it takes only what is still said a quarter of a second after the key.
    tones::record(&site.folder().join("prompts"), &[("thank_you", Duration::from_millis(800))]);
    let server = site.start();
    thread::scope(|scope| {
        for (call, line, keys, transport, record) in CALLS {
            let server = &server;
            scope.spawn(move || {
                let line = format!("{line} --json --header X-Call-Id:{call} --header X-Agent-Id:a-1");
                let (code, out, err) = dial(server, &line);
                assert_eq!((code, err.as_str()), (0, ""), "{call}: {out}");
                let report: Value = serde_json::from_str(&out).unwrap();
                for (field, value) in
                    [("transport", transport), ("codec", "PCMU, telephone-event 101"), ("ended_by", "server")]
                {
                    assert_eq!(report[field], value, "{call}: {field}");
                }
                for measured in
                    ["set_up_ms", "first_packet_ms", "first_sound_ms", "confirmation_ms", "call_ms"]
                {
                    assert!(report[measured].is_u64(), "{call}: {measured} in {report}");
                }
                let pressed = report["pressed"].as_array().unwrap().iter();
                assert_eq!(pressed.map(|press| press["key"].as_str().unwrap()).collect::<String>(), keys);
                assert_eq!(server.record(call), record, "{call}");
                assert_eq!(server.rating(call).unwrap()["agent_id"], "a-1", "{call}");
            });
        }
    });
    server.stop();
}

#[test]
fn dial_says_in_words_how_it_went_and_by_its_exit_code_whether_it_went_well() {
    let quiet = "[[queue]]\nname = \"quiet\"\n[queue.after_call]\ncsat_enabled = false\n";
    let site = surveys::site().tables(quiet);
    let server = site.start();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unanswered = format!("sip:csat-survey@{} --within 1", nobody.local_addr().unwrap());
    thread::scope(|scope| {
        for (line, code, said) in [
            ("sip:csat-survey@UDP --press 1", 0, "the call went as expected"),
            ("sip:csat-survey@UDP", 0, "the call went as expected"),
            ("sip:csat-survey@UDP --press 1 --hang-up-after 0.5", 0, "by the caller"),
            ("sip:csat-survey@UDP --header X-Queue-Id:quiet", 1, "FAILED: the server refused the call: 603"),
            (
                "sip:csat-survey@UDP --press 11111",
                1,
                "FAILED: the server hung up before every key was pressed",
            ),
            ("sip:csat-survey@UDP --within 1", 1, "FAILED: the call was not over after 1 s"),
            (&unanswered, 1, "FAILED: the call was not over after 1 s"),
            ("sip:csat-survey@UDP --press 1x", 2, "\"x\" is no key"),
            ("sip:csat-survey@UDP --header X-Call-Id", 2, "write it as 'Name: value'"),
            ("sip:csat-survey@UDP --info --inband", 2, "cannot be used with"),
            ("csat-survey", 2, "csat-survey"),
        ] {
            let server = &server;
            scope.spawn(move || {
                let (found, out, err) = dial(server, line);
                let text = out + &err;
                assert!(found == code && text.contains(said), "{line} ended with {found}:\n{text}");
            });
        }
    });
    server.stop();
}
