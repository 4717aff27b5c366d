//! What goes over the wire, as tshark sees it.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _};
use std::net::UdpSocket;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::server::eventually;

/// Probes that may lie unread; more of them say nothing new.
const PROBES_MAX: usize = 4;

/// The length of the probe that is sent last, told from the others by it. In bytes, with UDP's header.
const LAST_PROBE: usize = 99;

/// A capture that is running.
pub(crate) struct Capture {
    tshark: Child,
    file: PathBuf,
    probe: UdpSocket,
    probes: Receiver<String>,
}

impl Capture {
    /// Captures on loopback what has one of these UDP ports, into this file. Returns once it does.
    pub(crate) fn start(file: &Path, ports: &[Range<u16>]) -> Self {
        let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
        let probed = probe.local_addr().unwrap().port();
        let ports = ports.iter().map(|range| format!("udp portrange {}-{}", range.start, range.end - 1));
        let filter = ports.chain([format!("udp port {probed}")]).collect::<Vec<_>>().join(" or ");
        let mut command = Command::new("tshark");
        command.args(["-i", "lo", "-f", &filter, "-P", "-l", "-T", "fields"]);
        command.args(["-e", "udp.dstport", "-e", "udp.length", "-w"]).arg(file);
        let mut tshark = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(tshark) => tshark,
            Err(fault) if fault.kind() == ErrorKind::NotFound => {
                panic!("this test needs tshark, which is not installed: run scripts/install-test-tools")
            }
            Err(fault) => panic!("tshark cannot be run: {fault}"),
        };
        let (tell, probes) = sync_channel(PROBES_MAX);
        let lines = BufReader::new(tshark.stdout.take().unwrap()).lines();
        let wanted = format!("{probed}\t");
        thread::spawn(move || {
            let lengths = lines.map_while(Result::ok);
            for length in lengths.filter_map(|line| line.strip_prefix(&wanted).map(str::to_owned)) {
                drop(tell.try_send(length));
            }
        });
        let mut capture = Self { tshark, file: file.to_owned(), probe, probes };
        capture.await_probe(1);
        capture
    }

    /// Ends it once everything sent before has been seen.
    pub(crate) fn stop(mut self) -> Captured {
        self.await_probe(LAST_PROBE - 8);
        let told = Command::new("kill").args(["-INT", &self.tshark.id().to_string()]).status().unwrap();
        assert!(told.success());
        eventually("tshark to stop", || self.tshark.try_wait().unwrap());
        Captured { file: std::mem::take(&mut self.file) }
    }

    fn await_probe(&mut self, bytes: usize) {
        let wanted = (bytes + 8).to_string();
        eventually("tshark to capture", || {
            if let Some(status) = self.tshark.try_wait().unwrap() {
                let mut said = String::new();
                self.tshark.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("tshark ended ({status}); capturing needs root, or the right to it:\n{said}");
            }
            self.probe.send_to(&vec![0; bytes], self.probe.local_addr().unwrap()).unwrap();
            self.probes.try_iter().find(|length| *length == wanted)
        });
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.tshark.kill().ok();
        self.tshark.wait().ok();
    }
}

/// What is asked of every packet.
const FIELDS: [&str; 11] = [
    "frame.time_epoch",
    "udp.srcport",
    "udp.dstport",
    "sip.Method",
    "sip.Call-ID",
    "sdp.media.port",
    "rtp.p_type",
    "rtp.seq",
    "rtp.timestamp",
    "rtp.marker",
    "rtp.payload",
];

/// A packet: what tshark answered.
pub(crate) struct Packet(Vec<String>);

impl Packet {
    /// A field in tshark's words; empty where the packet has none.
    pub(crate) fn get(&self, field: &str) -> &str {
        &self.0[FIELDS.iter().position(|asked| *asked == field).unwrap()]
    }

    /// A field that is a number.
    pub(crate) fn number<T: FromStr>(&self, field: &str) -> T {
        self.get(field).parse().unwrap_or_else(|_| panic!("{field} is {}", self.get(field)))
    }
}

/// What was captured.
pub(crate) struct Captured {
    file: PathBuf,
}

impl Captured {
    /// Every packet of SIP, which is on this port, and of RTP.
    pub(crate) fn packets(&self, sip: u16) -> Vec<Packet> {
        let fields = FIELDS.iter().flat_map(|field| ["-e", field]);
        let rows = self.read(sip, ["-Y", "sip || rtp", "-T", "fields"].into_iter().chain(fields));
        rows.lines().map(|row| Packet(row.split('\t').map(str::to_owned).collect())).collect()
    }

    /// tshark's own analysis of every RTP stream: its lines of `-z rtp,streams`, in words.
    pub(crate) fn streams(&self, sip: u16) -> Vec<Vec<String>> {
        let table = self.read(sip, ["-q", "-z", "rtp,streams"]);
        let rows = table.lines().filter(|line| line.contains("0x"));
        rows.map(|row| row.split_whitespace().map(str::to_owned).collect()).collect()
    }

    fn read<'a>(&self, sip: u16, arguments: impl IntoIterator<Item = &'a str>) -> String {
        let mut command = Command::new("tshark");
        command.arg("-r").arg(&self.file).args(["-d", &format!("udp.port=={sip},sip")]).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}
