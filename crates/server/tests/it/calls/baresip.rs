//! Calls by baresip, a telephone that others have made: its SIP, its TLS, its codecs, its keys.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::tls::{self, vector};
use crate::server::{Server, Site, eventually, free_ports};

/// A telephone that is on.
struct Telephone {
    child: Child,
    commands: TcpStream,
}

impl Telephone {
    /// With an account that has these parameters.
    fn start(folder: &Path, account: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let port = free_ports(2);
        let config = format!(
            "module_path /usr/lib/baresip/modules\nsip_listen 127.0.0.1:0\nsip_cafile {}\n\
             audio_source aubridge,x\naudio_player aubridge,x\naudio_alert aubridge,y\nctrl_tcp_listen 127.0.0.1:{port}\n\
             module g711.so\nmodule g722.so\nmodule opus.so\nmodule aubridge.so\nmodule srtp.so\n\
             module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so\n",
            vector("localhost.pem").display()
        );
        fs::write(folder.join("config"), config).unwrap();
        fs::write(folder.join("accounts"), format!("<sip:caller@127.0.0.1>;regint=0;{account}\n")).unwrap();
        fs::write(folder.join("contacts"), "").unwrap();
        let log = File::create(folder.join("baresip.log")).unwrap();
        let mut command = Command::new("baresip");
        command.arg("-f").arg(folder).stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
        let child = command.spawn().expect("this test needs baresip: run scripts/install-test-tools");
        let commands = eventually("baresip", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { child, commands }
    }

    /// A command, as a netstring of JSON.
    fn does(&mut self, command: &str, parameter: &str) {
        let text = format!(r#"{{"command":"{command}","params":"{parameter}"}}"#);
        write!(self.commands, "{}:{text},", text.len()).unwrap();
    }
}

impl Drop for Telephone {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Calls the one survey that is asked here, presses 2 as soon as it is answered, and is heard.
#[track_caller]
fn is_heard(site: &Site, server: &Server, account: &str, to: &str) {
    let rated = server.metric("aftercall_sessions_ended_total{state=\"completed\"}");
    let mut telephone = Telephone::start(&site.folder().join("baresip"), account);
    telephone.does("dial", to);
    eventually("the call", || (server.metric("aftercall_calls") == 1).then_some(()));
    eventually(&format!("the rating of {account} to {to}"), || {
        // A key that comes before the call is up is pressed again: only the first that is heard counts.
        telephone.does("sndcode", "2");
        (server.metric("aftercall_sessions_ended_total{state=\"completed\"}") == rated + 1).then_some(())
    });
    server.until_quiet();
}

#[test]
fn a_telephone_of_others_is_heard_over_each_transport_in_each_codec_and_in_secret() {
    let site = tls::site("localhost", "");
    let server = site.start();
    let (udp, tcp, secure) = (server.udp, server.tcp, server.tls.unwrap());
    for (account, to) in [
        ("audio_codecs=pcma/8000/1", format!("sip:csat-survey@{udp}")),
        ("audio_codecs=g722/16000/1", format!("sip:csat-survey@{tcp};transport=tcp")),
        ("audio_codecs=opus/48000/2", format!("sip:csat-survey@{secure};transport=tls")),
        ("audio_codecs=pcmu/8000/1;mediaenc=srtp-mand", format!("sip:csat-survey@{secure};transport=tls")),
    ] {
        is_heard(&site, &server, account, &to);
    }
    assert_eq!(server.metric("aftercall_srtp_calls_total"), 1, "one of them in secret");
    server.stop();
}
