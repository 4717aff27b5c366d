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

/// A question that is still being asked when a key is pressed.
const LONG: Duration = Duration::from_millis(1_200);

/// Call id, command line, keys, transport and what is kept.
const CALLS: [(&str, &str, &str, &str, &str); 14] = [
    ("events", "sip:csat-survey@UDP --press 1", "1", "udp", "5 completed"),
    ("heard-out", "sip:csat-survey@UDP --press ,*,2", "*2", "udp", "4 completed"),
    ("by-info", "sip:csat-survey@UDP --press 3 --info", "3", "udp", "3 completed"),
    ("in-audio", "sip:csat-survey@UDP --press 1 --inband", "1", "udp", "5 completed"),
    ("typed-in-audio", "sip:two-questions@UDP --press ,2,10 --inband", "210", "udp", "4 completed"),
    ("a-law", "sip:csat-survey@UDP --press 1 --codec pcma", "1", "udp", "5 completed"),
    ("g722", "sip:csat-survey@UDP --press ,2 --codec g722", "2", "udp", "4 completed"),
    ("opus", "sip:two-questions@UDP --press ,2,10 --codec opus", "210", "udp", "4 completed"),
    ("g722-in-audio", "sip:csat-survey@UDP --press ,3 --codec g722 --inband", "3", "udp", "3 completed"),
    ("opus-in-audio", "sip:csat-survey@UDP --press ,1 --codec OPUS --inband", "1", "udp", "5 completed"),
    ("over-tcp", "sip:csat-survey@TCP --press 4 --transport tcp", "4", "tcp", "2 completed"),
    ("by-uri", "sip:csat-survey@TCP;transport=tcp --press 5", "5", "tcp", "1 completed"),
    ("two-questions", "sip:two-questions@UDP --press 1,9", "19", "udp", "5 completed"),
    ("two-digits", "sip:two-questions@UDP --press ,2,10", "210", "udp", "4 completed"),
];

#[test]
fn dial_places_the_call_presses_in_every_way_and_reports_in_json() {
    let site = surveys::site();
    let server = site.start();
    thread::scope(|scope| {
        for (call, line, keys, transport, record) in CALLS {
            let server = &server;
            scope.spawn(move || {
                let line = format!("{line} --json --header X-Call-Id:{call} --header X-Agent-Id:a-1");
                let (code, out, err) = dial(server, &line);
                assert_eq!((code, err.as_str()), (0, ""), "{call}: {out}");
                let report: Value = serde_json::from_str(&out).unwrap();
                let codecs = [("g722", "G722"), ("pcma", "PCMA"), ("opus", "opus"), ("OPUS", "opus")];
                let named = |(name, _): &&(&str, &str)| line.contains(&format!("--codec {name}"));
                let codec = codecs.iter().find(named).map_or("PCMU", |(_, codec)| codec);
                let events = if line.contains("--inband") { "" } else { ", telephone-event 101" };
                let codec = format!("{codec}{events}");
                let codec = codec.as_str();
                for (field, value) in [("transport", transport), ("codec", codec), ("ended_by", "server")] {
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
    let address = "sip:csat-survey@UDP;x=1?X-Call-Id=in%2Daddress&X-Agent-Id=a%2D5";
    let (code, out, err) = dial(&server, &format!("{address} --press 1"));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(server.rating("in-address").unwrap()["agent_id"], "a-5");
    assert_eq!(server.answers("two-questions"), ["nps=9", "rating=very_satisfied"]);
    for call in ["two-digits", "typed-in-audio", "opus"] {
        assert_eq!(server.answers(call), ["nps=10", "rating=satisfied"], "{call}");
    }
    server.stop();
}

#[test]
fn a_key_that_is_no_answer_fails_the_call_though_something_was_said_after_it() {
    const AGAIN: &str = "the question was asked again after the key";
    let site = surveys::site();
    tones::record(&site.folder().join("prompts"), &[("please_rate", LONG)]);
    let server = site.start();
    thread::scope(|scope| {
        for (call, keys, key) in [
            ("into-it", "9", "9"),
            ("after-it", ",9", "9"),
            ("typed", "90", "90"),
            ("then-more", "9,8", "8"),
            ("in-audio", "9 --inband", "9"),
            ("by-g722", "9 --codec g722", "9"),
            ("by-opus", ",9 --codec opus", "9"),
        ] {
            let server = &server;
            scope.spawn(move || {
                let line = format!("sip:csat-survey@UDP --json --header X-Call-Id:{call} --press {keys}");
                let (code, out, _) = dial(server, &line);
                let report: Value = serde_json::from_str(&out).unwrap();
                let failure = report["failure"].as_str().unwrap_or_default();
                assert!(code == 1 && failure.starts_with(&format!("{AGAIN} {key}: ")), "{call}: {out}");
                assert!(report["confirmation_ms"].is_null(), "{call}: {out}");
                assert_eq!(server.record(call), "- no_input", "{call}");
            });
        }
    });
    server.stop();
}

#[test]
fn the_time_to_the_confirmation_is_the_real_one_or_is_said_not_to_be_known() {
    let site = surveys::site();
    tones::record(&site.folder().join("prompts"), &[("please_rate", LONG)]);
    let server = site.start();
    let measured = |_| {
        let (code, out, _) = dial(&server, "sip:csat-survey@UDP --press ,1 --json");
        let report: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(code, 0, "{out}");
        report["confirmation_ms"].as_u64().unwrap()
    };
    let best = (0..3).map(measured).min().unwrap();
    assert!(best < 200, "{best} ms");
    // A prompt that is cut without one silent packet may be playing still, for all that can be heard.
    let (code, out, _) = dial(&server, "sip:csat-survey@UDP --press 1");
    let said = ["confirmation heard ", "confirmation           not measured: "];
    assert_eq!((code, said.iter().filter(|said| out.contains(*said)).count()), (0, 1), "{out}");
    server.stop();
}

#[test]
fn dial_says_in_words_how_it_went_and_by_its_exit_code_whether_it_went_well() {
    let quiet = "[[queue]]\nname = \"quiet\"\n[queue.after_call]\ncsat_enabled = false\n";
    let site = surveys::site().tables(quiet);
    let server = site.start();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let unanswered = format!("sip:csat-survey@{} --within 1", nobody.local_addr().unwrap());
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = format!("sip:csat-survey@{closed} --within 600");
    let by_tcp = format!("{refused} --transport tcp");
    let nobody_there = format!("FAILED: nobody answered at {closed}");
    let nobody_answers = format!("FAILED: nobody answered at {}", nobody.local_addr().unwrap());
    thread::scope(|scope| {
        for (line, code, said) in [
            ("sip:csat-survey@UDP --press 1", 0, "the call went as expected"),
            ("sip:csat-survey@UDP", 0, "the call went as expected"),
            ("sip:csat-survey@UDP --press 1 --hang-up-after 0.5", 0, "by the caller"),
            ("sip:csat-survey@UDP --header X-Queue-Id:quiet", 1, "FAILED: the server refused the call: 603"),
            (
                "sip:csat-survey@UDP --press 11111111111111111111",
                1,
                "FAILED: the server hung up before every key was pressed",
            ),
            ("sip:csat-survey@UDP --within 1", 1, "FAILED: the call was not over after 1 s"),
            (&unanswered, 1, &nobody_answers),
            (&refused, 1, &nobody_there),
            (&by_tcp, 1, &nobody_there),
            ("sip:csat-survey@UDP --press 1x", 2, "\"x\" is no key"),
            ("sip:csat-survey@UDP --header X-Call-Id", 2, "write it as 'Name: value'"),
            ("sip:csat-survey@UDP --header Via:x", 2, "`Via` is a header that the call needs for itself"),
            (
                "sip:csat-survey@UDP?X-Call-Id=q&From=x",
                2,
                "`From` is a header that the call needs for itself",
            ),
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
