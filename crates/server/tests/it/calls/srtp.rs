//! Encrypted calls: by our own telephone under every setting, and by one that has forgers beside it.

use std::net::UdpSocket;
use std::thread;

use aftercall_media::{Keys, Secure};
use aftercall_wire::Codec;
use aftercall_wire::rtcp::{self, Block, COMPOUND_BYTES_MAX, Outgoing, Part};
use aftercall_wire::rtp::{HEADER_BYTES, Packet};
use aftercall_wire::sdp::{SEED_BYTES, Seed, Suite};

use super::phone::{PRESS_PACKETS, Phone, press};
use super::tls::{dialled, site as secure_site, vector};
use super::tones::{Sound, recognise};
use crate::server::{Server, Site, eventually};

const SUITE: &str = "SRTP AES_CM_128_HMAC_SHA1_80";

fn site(setting: &str) -> Site {
    let site = secure_site("localhost", "");
    if setting.is_empty() { site } else { site.sip(&format!("srtp = \"{setting}\"\n")) }
}

/// The exit code, and what was said.
fn dial(server: &Server, call: &str, transport: &str, more: &[&str]) -> (i32, String) {
    let address = if transport == "tls" { server.tls.unwrap() } else { server.udp };
    let (ca, header) = (vector("localhost.pem"), format!("X-Call-Id: {call}"));
    let to = format!("sip:csat-survey@{address}");
    let usual = ["--press", "2", "--header", &header, "--transport", transport, "--ca", ca.to_str().unwrap()];
    dialled(&[&[to.as_str()], &usual[..], more].concat())
}

#[test]
fn the_setting_says_who_may_speak_srtp_and_who_must() {
    for (setting, secret_over_tls, plain_over_tls, secret_over_udp, plain_over_udp) in [
        ("", true, true, false, true),
        ("required", true, false, false, true),
        ("any", true, true, true, true),
        ("off", false, true, false, true),
    ] {
        let site = site(setting);
        let server = site.start();
        thread::scope(|scope| {
            for (call, transport, more, taken) in [
                ("secret-tls", "tls", &["--srtp"][..], secret_over_tls),
                ("plain-tls", "tls", &[], plain_over_tls),
                ("secret-udp", "udp", &["--srtp"], secret_over_udp),
                ("plain-udp", "udp", &[], plain_over_udp),
            ] {
                let server = &server;
                scope.spawn(move || {
                    let (code, said) = dial(server, call, transport, more);
                    assert_eq!(code, i32::from(!taken), "{setting} {call}: {said}");
                    assert_eq!(said.contains(SUITE), taken && !more.is_empty(), "{setting} {call}: {said}");
                    assert_eq!(said.contains(": 488 "), !taken, "{setting} {call}: {said}");
                    let record = if taken { "4 completed" } else { "- failed no_codec" };
                    assert_eq!(server.record(call), record, "{setting} {call}");
                });
            }
        });
        server.until_quiet();
        let secret = u64::from(secret_over_tls) + u64::from(secret_over_udp);
        assert_eq!(server.metric("aftercall_srtp_calls_total"), secret, "{setting}");
        assert_eq!(server.metric("aftercall_srtp_forged_total"), 0, "{setting}");
        server.stop();
    }
}

#[test]
fn nobody_hears_or_presses_anything_without_the_key() {
    let site = site("any");
    let server = site.start();
    let mut phone = Phone::call(&server, "guarded", Some(1));
    phone.acknowledge();
    let keys = phone.agreed.srtp.unwrap();
    // The forger knows all that is on the wire but the keys.
    let guessed = Seed::new([7; SEED_BYTES]).key(Suite::AesCm128HmacSha1_80);
    let mut forger = Secure::new(&Keys { ours: guessed, theirs: guessed, ..keys }).unwrap();
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let forge = |phone: &Phone, datagram: &[u8]| {
        phone.send(datagram);
        elsewhere.send_to(datagram, phone.agreed.remote.unwrap()).unwrap();
    };
    for at in 0..PRESS_PACKETS {
        let datagram = phone.datagram();
        assert!(forger.open(&datagram).is_err(), "another key opens nothing");
        assert_eq!(Packet::parse(&datagram).unwrap().payload.len(), 160 + 10, "a tag is behind the sound");
        let sound = recognise(Codec::Pcmu, &datagram[HEADER_BYTES..][..160]);
        assert_eq!(sound, Sound::Mixed, "noise for all others");
        phone.hear(&datagram);
        // In the clear and with another key, as the caller and as somebody new, from here and from elsewhere.
        forge(&phone, &press(1, at, 500, 3));
        forge(&phone, forger.seal(&press(1, at, 500, 4)).unwrap().as_ref());
    }
    // The caller presses; who recorded that sends it again, later and from elsewhere.
    let recorded = phone.press(2);
    (0..PRESS_PACKETS).for_each(|_| phone.listen());
    recorded.iter().for_each(|again| forge(&phone, again));
    // To the end the caller is spoken to where it is.
    assert_eq!(phone.stay(), "please_rate you_rated digit_2 satisfied thank_you");
    assert_eq!(server.record("guarded"), "4 completed");
    server.until_quiet();
    // Of those from elsewhere the kernel drops what comes once the caller is settled.
    let forged = server.metric("aftercall_srtp_forged_total");
    assert!(forged >= u64::from(4 * PRESS_PACKETS + PRESS_PACKETS), "{forged}");
    assert_eq!(server.metric("aftercall_rtp_strangers_total"), 0, "nothing of it was taken for RTP");
    assert_eq!(server.metric("aftercall_rtp_received_total"), u64::from(PRESS_PACKETS));
    server.stop();
}

#[test]
fn a_new_key_in_the_middle_of_a_call_counts_from_then_on() {
    let site = site("any");
    let server = site.start();
    let mut phone = Phone::call(&server, "renewed", Some(1));
    phone.acknowledge();
    phone.listen();
    let before = phone.agreed.srtp.unwrap();
    phone.offers_anew(2);
    let after = phone.agreed.srtp.unwrap();
    assert!(before.ours != after.ours && before.theirs != after.theirs, "the server's key is another, too");
    // Whoever has learnt the old one neither understands nor is understood.
    let mut stale = Secure::new(&before).unwrap();
    while stale.open(&phone.datagram()).is_ok() {}
    phone.send(stale.seal(&press(5, PRESS_PACKETS - 1, 1, 4)).unwrap().as_ref());
    phone.listen();
    phone.press(2);
    assert!(phone.stay().ends_with("you_rated digit_2 satisfied thank_you"));
    assert_eq!(server.record("renewed"), "4 completed");
    server.until_quiet();
    assert_eq!(server.metric("aftercall_srtp_forged_total"), 1);
    server.stop();
}

#[test]
fn reports_about_an_encrypted_call_are_encrypted_and_only_such_are_believed() {
    let site = site("any");
    let server = site.start();
    let mut phone = Phone::call(&server, "reported", Some(1));
    phone.acknowledge();
    let first = phone.datagram();
    phone.hear(&first);
    let heard = Packet::parse(&first).unwrap().header.ssrc;
    phone.press(2);
    let report = |lost| {
        let block =
            Block { ssrc: heard, fraction_lost: 0, lost, highest: 9, jitter: 80, last_report: 0, delay: 0 };
        let mut compound = [0; COMPOUND_BYTES_MAX];
        let whole = Outgoing { ssrc: 4, sent: None, block: Some(block), name: "caller", goodbye: false };
        let length = whole.write(&mut compound);
        compound[..length].to_vec()
    };
    // The socket of RTCP is the one above that of RTP, on both sides.
    let mut to = phone.agreed.remote.unwrap();
    to.set_port(to.port() + 1);
    let sealed = phone.secure.as_mut().unwrap().seal_report(&report(3)).unwrap().as_ref().to_vec();
    for datagram in [&report(700), &sealed, &report(900)] {
        phone.rtcp.send_to(datagram, to).unwrap();
    }
    let (rtcp, mut secure) =
        (phone.rtcp.try_clone().unwrap(), Secure::new(&phone.agreed.srtp.unwrap()).unwrap());
    phone.stay();
    server.until_quiet();
    let mut bytes = [0; 2048];
    let length = rtcp.recv(&mut bytes).unwrap();
    assert!(rtcp::is_rtcp(&bytes[..length]), "its head is in the clear (RFC 3711, 3.4)");
    let opened = secure.open_report(&bytes[..length]).expect("the server's report").as_ref().to_vec();
    let parts: Vec<_> = rtcp::parse(&opened).unwrap().collect();
    let Part::Report { ssrc, sent: Some(sent), blocks } = parts[0] else { panic!("{parts:?}") };
    assert_eq!((ssrc, blocks.map(|block| block.ssrc).collect::<Vec<_>>()), (heard, vec![4]));
    assert!(sent.packets > 0 && parts.contains(&Part::Goodbye { ssrc: Some(heard) }), "{parts:?}");
    let quality = || Some(server.rating("reported")?["quality"].take()).filter(|quality| !quality.is_null());
    let quality = eventually("the figures of the call", quality);
    assert_eq!((&quality["peer_packets_lost"], &quality["peer_jitter_ms"]), (&3.into(), &10.0.into()));
    assert_eq!(server.metric("aftercall_srtp_forged_total"), 2);
    server.stop();
}

#[test]
fn no_key_is_in_a_log_however_much_is_logged() {
    let site = site("").log("trace");
    let server = site.start();
    let (code, said) = dial(&server, "logged", "tls", &["--srtp"]);
    assert_eq!((code, server.record("logged").as_str()), (0, "4 completed"), "{said}");
    server.stop();
    let log = std::fs::read_to_string(site.folder().join("server.log")).unwrap();
    assert!(log.contains("the survey ended"), "{log}");
    for shown in ["inline:", "a=crypto"] {
        assert!(!log.contains(shown) && !said.contains(shown), "{shown} is in the log");
    }
}
