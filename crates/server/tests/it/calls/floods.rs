//! Floods: of calls that nobody means, and of rubbish. Whoever means it is served.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::many;
use super::{surveys, tones};
use crate::server::{PROGRAM, Server, eventually};

/// INVITEs that are never acknowledged, from so many addresses, each under the rate that a source may have.
const HALF_OPEN: usize = 50_000;
const SOURCES: usize = 125;

/// Calls that the server may have at once.
const PLACES: u16 = 300;

/// What half-open calls may add to the server's memory, whatever their number: places, ports, what lingers.
const MEMORY_KIB_MAX: u64 = 96 * 1024;

fn invite(n: usize, source: &UdpSocket) -> String {
    let me = source.local_addr().unwrap();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n",
        me.port()
    );
    format!(
        "INVITE sip:csat-survey@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bKflood{n};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:flood@h>;tag=f{n}\r\nTo: <sip:csat-survey@h>\r\nCall-ID: flood{n}\r\n\
         CSeq: 1 INVITE\r\nContact: <sip:flood@{me}>\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// Places a call that is meant; whether it was taken. One that was must go well.
fn is_taken(server: &Server, call: &str) -> bool {
    let to = format!("sip:csat-survey@{}?X-Call-Id={call}", server.udp);
    let run = Command::new(PROGRAM).args(["dial", &to, "--press", "1", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let busy = report["failure"].as_str().is_some_and(|why| why.contains("503"));
    assert!(busy || run.status.success(), "{call}: {report}");
    !busy
}

#[test]
fn fifty_thousand_calls_that_nobody_acknowledges_cost_bounded_memory_and_no_caller_a_second() {
    let site = surveys::site().sip(&format!("max_calls = {PLACES}\n")).rtp_for(PLACES + 20);
    let server = site.start();
    assert!(is_taken(&server, "before"));
    let before = server.peak_kib();
    let sources: Vec<_> =
        (1..=SOURCES).map(|n| UdpSocket::bind((format!("127.9.0.{n}"), 0)).unwrap()).collect();
    for n in 0..HALF_OPEN {
        let source = &sources[n % SOURCES];
        source.send_to(invite(n, source).as_bytes(), server.udp).unwrap();
    }
    // The end is when the last of it is read, however long that takes here.
    let mut read = 0;
    eventually("the flood to be read", || {
        let before = std::mem::replace(&mut read, server.metric("aftercall_sip_total{kind=\"messages\"}"));
        (before == read).then_some(())
    });
    // Whoever is turned away comes again, and is taken within a second of the end.
    let ended = started();
    let mut tried = ended.elapsed();
    while !is_taken(&server, "after") {
        tried = ended.elapsed();
    }
    assert!(tried < Duration::from_secs(1), "{tried:?}");
    assert_eq!(server.record("after"), "5 completed");
    let more = server.peak_kib() - before;
    assert!(more < MEMORY_KIB_MAX, "{more} KiB for {PLACES} places");
    assert!(server.metric("aftercall_sip_total{kind=\"calls_in\"}") > u64::from(PLACES), "a flood it was");
    // Its half-open calls would be waited for, half a minute each.
    server.kill();
}

/// Pieces of what a careless or hostile peer sends.
const RUBBISH: [&[u8]; 8] = [
    b"",
    b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"INVITE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n",
    b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK;;\r\nContent-Length: -1\r\n\r\n",
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKnobodys\r\nCSeq: 1 INVITE\r\n\r\n",
    b"BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\n\
      Call-ID: nobodys\r\nCSeq: 1 BYE\r\n\r\n",
    &[0xff; 1200],
];

/// Pieces of rubbish in a millisecond, twenty thousand a second.
const RUBBISH_A_MS: usize = 20;

/// Sends rubbish until told to stop; returns how many pieces.
fn throw(at: std::net::SocketAddr, stop: &AtomicBool, thrown: &AtomicUsize) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let began = started();
    while !stop.load(Ordering::Relaxed) {
        let due = began.elapsed().as_millis() as usize * RUBBISH_A_MS;
        for n in thrown.load(Ordering::Relaxed)..due {
            socket.send_to(RUBBISH[n % RUBBISH.len()], at).unwrap();
        }
        thrown.fetch_max(due, Ordering::Relaxed);
        thread::park_timeout(Duration::from_millis(1));
    }
}

#[expect(clippy::disallowed_methods, reason = "tests have no server clock")]
fn started() -> Instant {
    Instant::now()
}

#[test]
fn twenty_thousand_pieces_of_rubbish_a_second_harm_none_of_two_hundred_calls() {
    let site = surveys::site().rtp_for(many::CALLS);
    tones::record(&site.folder().join("prompts"), &[("please_rate", many::QUESTION)]);
    let server = site.start();
    let (stop, thrown) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| throw(server.udp, &stop, &thrown));
        eventually("rubbish", || {
            (server.metric("aftercall_sip_total{kind=\"malformed\"}") > 1000).then_some(())
        });
        many::wave(&site, &server, "beside", Duration::from_secs(4));
        stop.store(true, Ordering::Relaxed);
    });
    let thrown = thrown.load(Ordering::Relaxed);
    assert!(thrown > 100_000, "{thrown}");
    server.until_quiet();
    assert_eq!(server.metric("aftercall_rtp_lost_total"), 0);
    server.stop();
}
