//! SIPp, one run at a time: its scenarios are in `tests/sipp`.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aftercall::signalling::Transport;
use tempfile::TempDir;

use crate::server::{eventually, free_ports};

/// The longest run, of which the longest call (one that is never acknowledged) needs 32 s.
const SECONDS_MAX: &str = "70s";

/// Lines of what SIPp complains of that a failed test shows.
const LINES_SHOWN: usize = 80;

/// A run to be.
pub(crate) struct Sipp {
    command: Command,
    scenario: String,
    text: String,
    folder: TempDir,
    calls: u16,
}

impl Sipp {
    /// Plays `tests/sipp/SCENARIO.xml` towards this address, one call of it.
    pub(crate) fn new(scenario: &str, to: SocketAddr) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(scenario);
        let text = fs::read_to_string(file.with_extension("xml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sipp");
        command.arg(to.to_string()).args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-nostdin"]);
        command.args(["-timeout", SECONDS_MAX, "-timeout_error", "-trace_err", "-error_file", "errors.log"]);
        command.current_dir(folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { command, scenario: scenario.to_owned(), text, folder, calls: 1 }
    }

    /// Puts this in the place of a word that the scenario writes in capitals.
    pub(crate) fn with(mut self, word: &str, instead: &str) -> Self {
        assert!(self.text.contains(word), "{} has no {word}", self.scenario);
        self.text = self.text.replace(word, instead);
        self
    }

    /// A value for `[name]` in the scenario.
    pub(crate) fn key(self, name: &str, value: &str) -> Self {
        self.args(["-key", name, value])
    }

    /// More arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Over UDP, or TCP.
    pub(crate) fn over(self, transport: Transport) -> Self {
        self.args(["-t", if transport == Transport::Udp { "u1" } else { "t1" }])
    }

    /// So many calls at once, that many more each second.
    pub(crate) fn many(self, calls: u16, rate: u16) -> Self {
        Self { calls, ..self }.args(["-r", &rate.to_string()])
    }

    /// Begins.
    pub(crate) fn start(mut self) -> Running {
        // SIP, and media: SIPp takes four ports a call.
        let port = free_ports(2 + 4 * (self.calls + 1));
        self.command.args(["-p", &port.to_string(), "-mp", &(port + 2).to_string()]);
        let calls = self.calls.to_string();
        self.command.args(["-m", &calls, "-l", &calls]);
        if self.calls == 1 {
            self.command.args(["-trace_msg", "-message_file", "messages.log"]);
        }
        fs::write(self.folder.path().join("scenario.xml"), &self.text).unwrap();
        let child = match self.command.args(["-sf", "scenario.xml"]).spawn() {
            Ok(child) => child,
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                panic!("this test needs sipp, which is not installed: run scripts/install-test-tools")
            }
            Err(fault) => panic!("sipp cannot be run: {fault}"),
        };
        Running { child, scenario: self.scenario, folder: self.folder, port, nudges: 0 }
    }

    /// Plays it to its end, which must be a good one.
    #[track_caller]
    pub(crate) fn run(self) -> Running {
        let mut running = self.start();
        let what = format!("{} to end", running.scenario);
        eventually(&what, || running.is_over().then_some(()));
        running
    }
}

/// A run.
pub(crate) struct Running {
    child: Child,
    scenario: String,
    folder: TempDir,
    port: u16,
    nudges: u32,
}

impl Running {
    /// Whether it is over. It must not have failed.
    #[track_caller]
    pub(crate) fn is_over(&mut self) -> bool {
        let Some(status) = self.child.try_wait().unwrap() else { return false };
        assert!(status.success(), "{} failed ({status}):\n{}", self.scenario, self.told());
        true
    }

    /// Tells the scenario to go on where it waits for a NOTIFY: our way to say "now" to SIPp.
    pub(crate) fn nudge(&mut self, call_id: &str) {
        self.nudges += 1;
        let message = format!(
            "NOTIFY sip:caller@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKnudge{nudge}\r\nMax-Forwards: 70\r\n\
             From: <sip:test@127.0.0.1>;tag=test\r\nTo: <sip:caller@127.0.0.1>;tag=caller\r\n\
             Call-ID: {call_id}\r\nCSeq: {nudge} NOTIFY\r\nContent-Length: 0\r\n\r\n",
            nudge = self.nudges,
        );
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(message.as_bytes(), ("127.0.0.1", self.port)).unwrap();
    }

    /// Where it speaks SIP.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The Call-ID of what it sent or received first.
    pub(crate) fn call_id(&self) -> Option<String> {
        let messages = self.read("messages.log");
        Some(messages.lines().find_map(|line| line.strip_prefix("Call-ID: "))?.trim().to_owned())
    }

    /// Whether a message that begins like this was sent or received.
    pub(crate) fn had(&self, beginning: &str) -> bool {
        self.read("messages.log").lines().any(|line| line.starts_with(beginning))
    }

    fn read(&self, log: &str) -> String {
        fs::read_to_string(self.folder.path().join(log)).unwrap_or_default()
    }

    fn told(&self) -> String {
        let text = self.read("messages.log") + &self.read("errors.log");
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
