//! Calls over TLS: by our own telephone, and by SIPp through stunnel, which knows nothing of us.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use aftercall::signalling::Transport;

use super::pcap::{self, Around};
use super::sipp::Sipp;
use super::surveys;
use crate::server::{PROGRAM, Server, Site, eventually, free_ports};

pub(super) fn vector(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name)
}

/// A site with the certificate of this name in its own folder.
pub(super) fn site(name: &str, more: &str) -> Site {
    let site = surveys::site().tls(&format!("{{ cert = \"sip.pem\", key = \"sip.key\"{more} }}"));
    show(&site, name);
    site
}

fn show(site: &Site, name: &str) {
    fs::copy(vector(name).with_extension("key"), site.folder().join("sip.key")).unwrap();
    fs::copy(vector(name).with_extension("pem"), site.folder().join("sip.pem")).unwrap();
}

/// The exit code of a test call, and what was said.
pub(super) fn dialled(arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } =
        Command::new(PROGRAM).arg("dial").args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

fn dial(to: &str, more: &[&str]) -> (i32, String) {
    dialled(&[&[to, "--press", "4"], more].concat())
}

fn sip(server: &Server, scheme: &str) -> String {
    format!("{scheme}:csat-survey@{}", server.tls.unwrap())
}

#[test]
fn a_call_over_tls_is_rated_and_one_that_cannot_trust_us_says_why() {
    let site = site("localhost", "");
    let server = site.start();
    let ca = vector("localhost.pem");
    let ca = ["--ca", ca.to_str().unwrap(), "--header"];
    for (call, to, more) in [
        ("by-flag", sip(&server, "sip"), &["--transport", "tls"][..]),
        ("by-uri", format!("{};transport=tls", sip(&server, "sip")), &[]),
        ("by-scheme", sip(&server, "sips"), &[]),
    ] {
        let header = format!("X-Call-Id: {call}");
        let (code, said) = dial(&to, &[&ca[..], &[header.as_str()], more].concat());
        assert_eq!(code, 0, "{call}: {said}");
        assert_eq!(server.record(call), "2 completed", "{call}");
    }
    let (code, said) = dial(&sip(&server, "sips"), &[]);
    let expected =
        "no TLS with the server: invalid peer certificate: UnknownIssuer; --ca FILE names who signs";
    assert!(code == 1 && said.contains(expected), "{said}");
    // Whoever speaks something else on that port is gone, and nobody else notices.
    let mut plain = TcpStream::connect(server.tls.unwrap()).unwrap();
    plain.write_all(b"OPTIONS sip:h SIP/2.0\r\n\r\n").unwrap();
    let mut heard = Vec::new();
    plain.read_to_end(&mut heard).unwrap_or_default();
    assert!(!heard.starts_with(b"SIP"), "{heard:?}");
    let metric = "aftercall_sip_total{kind=\"connections_broken\"}";
    eventually("the refused ones to be counted", || (server.metric(metric) >= 2).then_some(()));
    server.until_quiet();
    server.stop();
}

#[test]
fn a_new_certificate_is_shown_from_the_next_connection_on_and_a_bad_one_never() {
    let site = site("localhost", "");
    let server = site.start();
    let trusting = |name: &str| {
        let ca = vector(name);
        dial(&sip(&server, "sips"), &["--ca", ca.to_str().unwrap()]).0
    };
    assert_eq!((trusting("localhost.pem"), trusting("renewed.pem")), (0, 1));
    // Half a renewal is none: the key is not there yet.
    fs::copy(vector("renewed.pem"), site.folder().join("sip.pem")).unwrap();
    assert_eq!((trusting("localhost.pem"), trusting("renewed.pem")), (0, 1));
    fs::copy(vector("renewed.key"), site.folder().join("sip.key")).unwrap();
    assert_eq!((trusting("localhost.pem"), trusting("renewed.pem")), (1, 0));
    server.stop();
}

/// stunnel, which takes TCP and makes TLS of it.
struct Stunnel(Child, SocketAddr);

impl Stunnel {
    fn start(folder: &Path, to: SocketAddr, more: &str) -> Self {
        let port = free_ports(2);
        let ca = vector("localhost.pem");
        let config = format!(
            "foreground = yes\npid =\n[sip]\nclient = yes\naccept = 127.0.0.1:{port}\nconnect = {to}\n\
             verifyPeer = yes\nCAfile = {}\n{more}",
            ca.display()
        );
        fs::write(folder.join("stunnel.conf"), config).unwrap();
        let log = fs::File::create(folder.join("stunnel.log")).unwrap();
        let mut command = Command::new("stunnel");
        command.arg("stunnel.conf").current_dir(folder).stdin(Stdio::null());
        command.stderr(log.try_clone().unwrap()).stdout(log);
        let child = command.spawn().expect("this test needs stunnel: run scripts/install-test-tools");
        let here = SocketAddr::from(([127, 0, 0, 1], port));
        eventually("stunnel", || TcpStream::connect(here).ok());
        Self(child, here)
    }
}

impl Drop for Stunnel {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

#[test]
fn who_must_show_a_certificate_calls_with_it_and_not_without() {
    let callers = vector("callers-ca.pem");
    let site = site("localhost", &format!(", client_ca = {callers:?}"));
    let server = site.start();
    let (cert, key) = (vector("caller.pem"), vector("caller.key"));
    let shown = format!("cert = {}\nkey = {}\n", cert.display(), key.display());
    let stunnel = Stunnel::start(site.folder(), server.tls.unwrap(), &shown);
    let pcap = site.folder().join("2.pcap");
    pcap::write(&pcap, '2', Duration::from_secs(2), Duration::from_secs(3), Around::Nothing);
    let sipp = Sipp::new("caller_with_pcap", stunnel.1).with("PCAP", pcap.to_str().unwrap());
    let sipp = sipp.key("call_ref", "through-stunnel").key("agent", "1001").key("queue", "sales");
    sipp.args(["-s", "csat-survey"]).over(Transport::Tcp).run();
    assert_eq!(server.record("through-stunnel-1"), "4 completed");
    // The same without a certificate: the handshake fails, and no call is announced.
    let calls = "aftercall_sip_total{kind=\"calls_in\"}";
    let before = server.metric(calls);
    let ca = vector("localhost.pem");
    for _ in 0..2 {
        let (code, said) = dial(&sip(&server, "sips"), &["--ca", ca.to_str().unwrap()]);
        assert_eq!((code, server.metric(calls)), (1, before), "{said}");
    }
    server.stop();
    let log = fs::read_to_string(site.folder().join("server.log")).unwrap();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("a TLS handshake failed")).collect();
    assert_eq!(told.len(), 1, "once a minute, whoever it is: {told:?}");
    assert!(
        told[0].contains("WARN") && told[0].contains("127.0.0.1") && told[0].contains("certificate"),
        "{told:?}"
    );
}
