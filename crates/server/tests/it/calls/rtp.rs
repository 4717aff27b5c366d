//! What a caller's ear is promised, measured in a capture of the wire.
//!
//! Times are the machine's as well as ours: one that has other things to do adds to them and never takes
//! away. So each promise about time is held against the best of several calls, and everything that is no
//! time (sequence, time stamps, markers, losses) against all of them.

use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use aftercall_wire::codec::Codec;

use super::caller::Caller;
use super::capture::{Capture, Packet};
use super::tones::{Sound, recognise};
use super::{surveys, tones};

const CALLS: usize = 4;

/// The question is cut by the key; the thanks are long enough for a stream to be judged by.
const QUESTION: Duration = Duration::from_secs(5);
const THANKS: Duration = Duration::from_secs(3);

/// A call as it was captured. Times are seconds of the capture's clock.
struct Traced {
    acknowledged: f64,
    key: f64,
    heard: Vec<Heard>,
    /// tshark's line about what the server sent.
    analysis: Vec<String>,
}

/// A packet of the server's.
struct Heard {
    at: f64,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    sound: Sound,
}

/// The calls that all tests here look at: each presses 2 as soon as it hears the question.
fn traced() -> &'static [Traced] {
    static TRACED: OnceLock<Vec<Traced>> = OnceLock::new();
    TRACED.get_or_init(|| {
        let site = surveys::site();
        tones::record(&site.folder().join("prompts"), &[("please_rate", QUESTION), ("thank_you", THANKS)]);
        let server = site.start();
        let sip = server.udp.port();
        let capture = Capture::start(&site.folder().join("calls.pcap"), &[sip..sip + 1, server.rtp.clone()]);
        thread::scope(|scope| {
            for number in 0..CALLS {
                let caller = Caller::new(&server, &format!("traced-{number}"), "csat-survey", "caller_stays");
                scope.spawn(move || {
                    assert_eq!(caller.call("2"), "please_rate you_rated digit_2 satisfied thank_you");
                });
            }
        });
        let captured = capture.stop();
        let calls = calls_in(&captured.packets(sip), &captured.streams(sip));
        server.stop();
        calls
    })
}

fn calls_in(packets: &[Packet], streams: &[Vec<String>]) -> Vec<Traced> {
    let invites = packets.iter().filter(|packet| packet.get("sip.Method") == "INVITE");
    let calls: Vec<_> = invites.map(|invite| call_in(invite, packets, streams)).collect();
    assert_eq!(calls.len(), CALLS);
    calls
}

fn call_in(invite: &Packet, packets: &[Packet], streams: &[Vec<String>]) -> Traced {
    let (call_id, port) = (invite.get("sip.Call-ID"), invite.get("sdp.media.port"));
    let acks = |packet: &&Packet| packet.get("sip.Method") == "ACK" && packet.get("sip.Call-ID") == call_id;
    let keys = |packet: &&Packet| packet.get("udp.srcport") == port && packet.get("rtp.p_type") == "101";
    let time = |packet: Option<&Packet>| packet.expect("an ACK and a key").number("frame.time_epoch");
    let to_caller =
        |packet: &&Packet| packet.get("udp.dstport") == port && !packet.get("rtp.p_type").is_empty();
    let heard = packets.iter().filter(to_caller).map(|packet| {
        assert_eq!(packet.get("rtp.p_type"), "0", "PCMU was agreed on");
        Heard {
            at: packet.number("frame.time_epoch"),
            sequence: packet.number("rtp.seq"),
            timestamp: packet.number("rtp.timestamp"),
            marker: matches!(packet.get("rtp.marker"), "1" | "True"),
            sound: recognise(Codec::Pcmu, &bytes(packet.get("rtp.payload"))),
        }
    });
    // Start, end, source and its port, destination and its port, …
    let analysis = streams.iter().find(|words| words[5] == port).expect("a line about each stream");
    Traced {
        acknowledged: time(packets.iter().find(acks)),
        key: time(packets.iter().find(keys)),
        heard: heard.collect(),
        analysis: analysis.clone(),
    }
}

/// The bytes of `rtp.payload`: hexadecimal, with or without colons.
fn bytes(payload: &str) -> Vec<u8> {
    let digits: Vec<u8> = payload.bytes().filter(|digit| *digit != b':').collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks_exact(2).map(byte).collect()
}

/// The best of several measured times, in milliseconds.
fn best(times: impl Iterator<Item = f64>) -> f64 {
    times.map(|seconds| seconds * 1_000.0).fold(f64::INFINITY, f64::min)
}

#[test]
fn the_first_packet_of_the_prompt_comes_within_100_ms_of_the_ack() {
    let took = best(traced().iter().map(|call| {
        let sound = call.heard.iter().find(|packet| packet.sound != Sound::Silence).unwrap();
        assert_eq!(sound.sound, Sound::Prompt("please_rate"), "the prompt is what is heard first");
        sound.at - call.acknowledged
    }));
    assert!((0.0..100.0).contains(&took), "{took:.1} ms from ACK to prompt");
}

#[test]
fn a_key_stops_the_prompt_within_40_ms() {
    let took = best(traced().iter().map(|call| {
        let question = |packet: &&Heard| packet.sound == Sound::Prompt("please_rate");
        let last = call.heard.iter().rfind(question).unwrap();
        let heard = last.at - call.heard[0].at;
        assert!(heard < QUESTION.as_secs_f64() / 2.0, "the question was cut, not heard out: {heard:.3} s");
        last.at - call.key
    }));
    assert!(took < 40.0, "the prompt went on for {took:.1} ms after the key");
}

#[test]
fn sound_comes_every_20_ms_without_a_gap_as_tshark_sees_it() {
    let steps = |packets: &[Heard]| packets[1].timestamp.wrapping_sub(packets[0].timestamp);
    for call in traced() {
        assert!(call.heard.len() > 150, "{} packets in four seconds", call.heard.len());
        assert!(call.heard[0].marker, "a stream begins with the marker");
        for pair in call.heard.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "the sequence has no gap");
            // Where the machine stood still the time stamps say so, and the marker with them.
            assert_eq!(pair[1].marker, steps(pair) != 160, "the marker is where time was left out");
            assert!(steps(pair) >= 160 && steps(pair) < 8_000, "time goes on: {}", steps(pair));
        }
        assert!(call.analysis.join(" ").contains(" 0 (0.0%) "), "tshark: {:?}", call.analysis);
        assert!(call.analysis.contains(&call.heard.len().to_string()), "tshark: {:?}", call.analysis);
    }
    let even = |call: &&Traced| call.heard.windows(2).all(|pair| steps(pair) == 160);
    let best = traced().iter().find(even).expect("a call in which the machine never stood still");
    let (first, last) = (&best.heard[0], &best.heard[best.heard.len() - 1]);
    let mean = (last.at - first.at) * 1_000.0 / (best.heard.len() - 1) as f64;
    assert!((19.5..20.5).contains(&mean), "a packet every {mean:.2} ms");
}
