//! Encrypted calls: by our own telephone under every setting, and by one that has forgers beside it.

use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use aftercall::signalling::{Dial, Event, Security, Signalling, SignallingConfig, Target, Transport};
use aftercall::tls;
use aftercall_media::{Keys, Secure};
use aftercall_wire::Codec;
use aftercall_wire::rtp::{HEADER_BYTES, Header, Packet, PayloadType};
use aftercall_wire::sdp::{
    self, Agreed, Description, Direction, Local, SEED_BYTES, Seed, Srtp, Suite, agreed_from_answer,
};
use tokio::runtime::Builder;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::tls::{dialled, site as secure_site, vector};
use super::tones::{Sound, recognise};
use crate::server::{Server, Site};
use crate::signalling::harness::{PATIENCE, config};

const SUITE: &str = "SRTP AES_CM_128_HMAC_SHA1_80";

/// What the forgers send: as many packets as make a press of a key, of each kind.
const FORGED: u16 = 12;

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

/// A telephone that speaks SRTP.
struct Phone {
    socket: UdpSocket,
    agreed: Agreed,
    secure: Secure,
    sequence: u16,
}

impl Phone {
    /// Calls over TLS.
    async fn call(server: &Server, call: &str, seed: u8) -> (Self, Signalling, Receiver<Event>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let connects = Some(tls::connector(Some(&vector("localhost.pem")), None).unwrap());
        let security = Security { accepts: None, connects };
        let config = SignallingConfig { tls: security, ..config(Duration::from_millis(500)) };
        let (signalling, mut events) = Signalling::start(config).await.unwrap();
        let address = socket.local_addr().unwrap();
        let local = Local {
            address: address.ip(),
            port: address.port(),
            session_id: 1,
            version: 1,
            codecs: &[Codec::Pcmu],
            events: true,
            ptime_ms: 20,
            direction: Direction::SendRecv,
            srtp: Srtp::Required(Seed::new([seed; SEED_BYTES])),
        };
        let target: Target = format!("sip:csat-survey@{}", server.tls.unwrap()).parse().unwrap();
        let headers = vec![("X-Call-Id".to_owned(), call.to_owned())];
        signalling
            .dial(Dial {
                target,
                sdp: Some(sdp::offer(&local).into_bytes()),
                headers,
                transport: Some(Transport::Tls),
                from_user: "caller".to_owned(),
                credentials: None,
            })
            .unwrap();
        let answer = loop {
            if let Event::Answered { sdp, .. } = timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
                break sdp.unwrap();
            }
        };
        let agreed = agreed_from_answer(&Description::parse(&answer).unwrap(), &local).unwrap();
        let secure = Secure::new(&agreed.srtp.unwrap()).unwrap();
        (Self { socket, agreed, secure, sequence: 1 }, signalling, events)
    }

    /// The next datagram of the server.
    fn datagram(&self) -> Vec<u8> {
        let mut bytes = [0; 2048];
        let (length, from) = self.socket.recv_from(&mut bytes).unwrap();
        assert_eq!(Some(from), self.agreed.remote);
        bytes[..length].to_vec()
    }

    /// What is heard in it.
    fn hear(&mut self, datagram: &[u8]) -> Sound {
        let opened = self.secure.open(datagram).expect("what the server sends");
        recognise(Codec::Pcmu, Packet::parse(opened.as_ref()).unwrap().payload)
    }

    fn send(&self, socket: &UdpSocket, datagram: &[u8]) {
        socket.send_to(datagram, self.agreed.remote.unwrap()).unwrap();
    }
}

/// A packet of a press of this key, which the first packet begins and the last three end (RFC 4733).
fn press(key: u8, at: u16, first: u16, ssrc: u32) -> Vec<u8> {
    let header = Header {
        payload_type: PayloadType::new(101).unwrap(),
        marker: at == 0,
        sequence: first + at,
        timestamp: 50_000 + u32::from(first),
        ssrc,
    };
    let mut head = [0; HEADER_BYTES];
    header.write(&mut head);
    let last = FORGED - 3;
    let end = if at >= last { 0x80 } else { 0 };
    let [high, low] = (160 * (at.min(last) + 1)).to_be_bytes();
    [&head[..], &[key, end | 10, high, low]].concat()
}

#[test]
fn nobody_hears_or_presses_anything_without_the_key() {
    let site = site("");
    let server = site.start();
    let signalled = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (mut phone, signalling, mut events) = signalled.block_on(Phone::call(&server, "guarded", 1));
    let keys = phone.agreed.srtp.unwrap();
    // The forger knows all that is on the wire but the keys.
    let guessed = Seed::new([7; SEED_BYTES]).key(Suite::AesCm128HmacSha1_80);
    let mut forger = Secure::new(&Keys { ours: guessed, theirs: guessed, ..keys }).unwrap();
    let elsewhere = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (mut heard, mut recorded) = (Vec::new(), Vec::new());
    for at in 0..FORGED {
        let datagram = phone.datagram();
        assert!(forger.open(&datagram).is_err(), "another key opens nothing");
        assert_eq!(Packet::parse(&datagram).unwrap().payload.len(), 160 + 10, "a tag is behind the sound");
        assert_eq!(
            recognise(Codec::Pcmu, &datagram[HEADER_BYTES..][..160]),
            Sound::Mixed,
            "noise for all others"
        );
        heard.push(phone.hear(&datagram));
        // In the clear and with another key, as the caller and as somebody new, from here and from elsewhere.
        let plain = press(1, at, 500, 3);
        let sealed = forger.seal(&press(1, at, 500, 4)).unwrap().as_ref().to_vec();
        for forged in [&plain, &sealed] {
            phone.send(&phone.socket, forged);
            phone.send(&elsewhere, forged);
        }
    }
    // The caller presses; who recorded that sends it again, later and from elsewhere.
    for at in 0..FORGED {
        let clear = press(2, at, phone.sequence, 4);
        let sealed = phone.secure.seal(&clear).unwrap().as_ref().to_vec();
        phone.send(&phone.socket, &sealed);
        recorded.push(sealed);
        let datagram = phone.datagram();
        heard.push(phone.hear(&datagram));
    }
    for again in &recorded {
        phone.send(&elsewhere, again);
        phone.send(&phone.socket, again);
    }
    // To the end the caller is spoken to where it is.
    phone.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut bytes = [0; 2048];
    while !matches!(events.try_recv(), Ok(Event::Ended { .. })) {
        if let Ok((length, _)) = phone.socket.recv_from(&mut bytes) {
            heard.push(phone.hear(&bytes[..length]));
        }
    }
    let mut said: Vec<&str> = Vec::new();
    for sound in heard {
        if let Sound::Prompt(name) = sound
            && said.last() != Some(&name)
        {
            said.push(name);
        }
    }
    assert_eq!(said.join(" "), "please_rate you_rated digit_2 satisfied thank_you");
    assert_eq!(server.record("guarded"), "4 completed");
    server.until_quiet();
    // Of those from elsewhere the kernel drops what comes once the caller is settled.
    let forged = server.metric("aftercall_srtp_forged_total");
    assert!(forged >= u64::from(4 * FORGED + FORGED), "{forged}");
    assert_eq!(server.metric("aftercall_rtp_strangers_total"), 0, "nothing of it was taken for RTP");
    assert_eq!(server.metric("aftercall_rtp_received_total"), u64::from(FORGED));
    signalled.block_on(signalling.stop(Duration::ZERO));
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
