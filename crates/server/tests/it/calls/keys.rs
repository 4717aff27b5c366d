//! The first promise: a caller presses a key, and the rating is there. With everything as it ships.

use std::thread;
use std::time::Duration;

use aftercall::signalling::Transport;
use serde_json::Value;

use super::pcap::{self, Around};
use super::sipp::Sipp;
use crate::server::{Server, Site, eventually};

/// When the key is pressed: the question, which is longer, is cut.
const PRESSED: Duration = Duration::from_secs(2);

/// The whole of what the caller sends: longer than the call.
const CALL: Duration = Duration::from_secs(15);

#[test]
fn each_key_gives_its_score_and_one_row_over_udp_and_tcp() {
    let site = Site::new();
    let server = site.start();
    thread::scope(|scope| {
        for (key, score) in [('1', 5), ('2', 4), ('3', 3), ('4', 2), ('5', 1)] {
            let pcap = site.folder().join(format!("caller_{key}.pcap"));
            pcap::write(&pcap, key, PRESSED, CALL, Around::Audio);
            for (transport, address) in [(Transport::Udp, server.udp), (Transport::Tcp, server.tcp)] {
                let sipp = Sipp::new("caller_with_pcap", address).over(transport);
                let sipp = sipp.with("PCAP", pcap.to_str().unwrap()).args(["-s", "csat-survey"]);
                let call = format!("{transport}-{key}");
                let sipp = sipp.key("call_ref", &call).key("agent", "agent-001").key("queue", "sales-queue");
                let server = &server;
                scope.spawn(move || {
                    sipp.run();
                    let call = format!("{call}-1");
                    assert_eq!(server.record(&call), format!("{score} completed"), "{call}");
                    let rating = server.rating(&call).unwrap();
                    for (field, value) in [
                        ("call_id", call.as_str()),
                        ("agent_id", "agent-001"),
                        ("queue_id", "sales-queue"),
                        ("key", &key.to_string()),
                        ("survey", "csat-survey"),
                        ("channel", "phone"),
                        ("language", "en"),
                    ] {
                        assert_eq!(rating[field], value, "{field} of {call}");
                    }
                    sounded_well(server, &call);
                });
            }
        }
    });
    for of in ["agent/agent-001", "queue/sales-queue"] {
        let results = server.json(&format!("/cc/csat/{of}"));
        assert_eq!(results["rating_count"], 10, "{of}");
        assert_eq!(results["average_score"], 3.0, "{of}");
        assert_eq!(results["distribution"], serde_json::json!({"1": 2, "2": 2, "3": 2, "4": 2, "5": 2}));
    }
    let ranking = &server.json("/cc/csat/queue/sales-queue")["ranking"];
    assert_eq!((&ranking[0]["agent_id"], &ranking[0]["rating_count"]), (&"agent-001".into(), &10.into()));
    server.stop();
}

/// What is measured is kept when the media is over, a moment after the rating.
#[track_caller]
fn sounded_well(server: &Server, call: &str) {
    let quality = || Some(server.rating(call)?["quality"].take()).filter(|quality| !quality.is_null());
    let quality = eventually(&format!("the figures of {call}"), quality);
    assert!(quality["packets_received"].as_i64().unwrap() > 50, "{call}: {quality}");
    assert_eq!((&quality["packets_lost"], &quality["round_trip_ms"]), (&0.into(), &Value::Null), "{call}");
    assert!(quality["mos"].as_f64().unwrap() > 4.0, "{call}: {quality}");
}
