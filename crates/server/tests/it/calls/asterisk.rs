//! Calls that a real Asterisk hands over, configured by the very examples of `docs/sip.md`: a caller waits in a
//! queue, an agent answers and hangs up, and the caller is asked.
//!
//! It stands in `target/asterisk` (`scripts/install-asterisk`), a folder of its own with a system of its own in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::caller::{Call, Caller};
use super::sipp::Sipp;
use super::surveys;
use super::tls::{self, vector};
use crate::server::{Server, Site, eventually, free_ports};

const DOCS: &str = include_str!("../../../../../docs/sip.md");

/// Ports of RTP: two for each of the three legs of the one call, twice.
const RTP_PORTS: u16 = 12;

const NEEDED: &str = "this test needs Asterisk in target/asterisk: run scripts/install-asterisk";

/// Lines of its log that a failed test shows.
const LOG_LINES_SHOWN: usize = 60;

/// What it loads: PJSIP, the queue, the dialplan of the examples, and what these need.
const MODULES: [&str; 31] = [
    "app_dial",
    "app_queue",
    "app_stack",
    "bridge_native_rtp",
    "bridge_simple",
    "chan_pjsip",
    "codec_alaw",
    "codec_g722",
    "codec_opus_open_source",
    "codec_resample",
    "codec_ulaw",
    "pbx_config",
    "res_format_attr_opus",
    "res_musiconhold",
    "res_pjproject",
    "res_pjsip",
    "res_pjsip_caller_id",
    "res_pjsip_endpoint_identifier_anonymous",
    "res_pjsip_header_funcs",
    "res_pjsip_nat",
    "res_pjsip_pubsub",
    "res_pjsip_rfc3326",
    "res_pjsip_sdp_rtp",
    "res_pjsip_session",
    "res_resolver_unbound",
    "res_rtp_asterisk",
    "res_sorcery_astdb",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_srtp",
    "res_timing_timerfd",
];

/// Configuration files by their names.
type Files = BTreeMap<String, String>;

/// The examples for Asterisk in the documentation: the plain one, and the encrypted one.
fn examples() -> [Files; 2] {
    let (_, section) = DOCS.split_once("\n### Asterisk\n").unwrap();
    let (section, _) = section.split_once("\n### ").unwrap();
    let blocks: Vec<_> = section.split("```\n").skip(1).step_by(2).map(files).collect();
    blocks.try_into().unwrap()
}

/// The files of an example, each of which begins with a comment of its name.
fn files(block: &str) -> Files {
    let mut files = Files::new();
    let mut file = String::new();
    for line in block.lines() {
        match line.strip_prefix("; ").filter(|name| name.ends_with(".conf")) {
            Some(name) => name.clone_into(&mut file),
            None => *files.entry(file.clone()).or_default() += &format!("{line}\n"),
        }
    }
    files
}

/// Puts this in the place of what stands in an example for something that only the operator knows.
fn put(files: &mut Files, file: &str, word: &str, instead: &str) {
    let text = files.get_mut(file).unwrap();
    assert!(text.contains(word), "the example of {file} has no {word}");
    *text = text.replace(word, instead);
}

/// A running Asterisk.
struct Asterisk {
    child: Child,
    folder: TempDir,
    rtp: Range<u16>,
}

impl Asterisk {
    /// With these files, to which it adds where it is itself, who calls, and the agent.
    fn start(udp: SocketAddr, agent: SocketAddr, mut files: Files) -> Self {
        assert!(root().join("installed-by").exists(), "{NEEDED}");
        let folder = tempfile::tempdir_in(root().join("tmp")).expect(NEEDED);
        let rtp = free_ports(RTP_PORTS);
        let rtp = rtp..rtp + RTP_PORTS;
        let inside = inside(folder.path());
        *files.entry("pjsip.conf".to_owned()).or_default() += &neighbours(udp, agent);
        files.extend(surroundings(&inside, &rtp));
        for (name, text) in files {
            let text = text.replace("/etc/asterisk", inside.to_str().unwrap());
            fs::write(folder.path().join(name), text).unwrap();
        }
        let said = File::create(folder.path().join("said.log")).unwrap();
        let mut command = asterisk(&inside);
        command.args(["-f", "-n"]).stdin(Stdio::null());
        let child = command.stdout(said.try_clone().unwrap()).stderr(said).spawn().expect(NEEDED);
        let mut this = Self { child, folder, rtp };
        eventually("Asterisk to be ready", || {
            let ended = this.child.try_wait().unwrap();
            assert!(ended.is_none(), "Asterisk ended at once: {ended:?}; {NEEDED}");
            this.read("full").contains("Asterisk Ready").then_some(())
        });
        // Not by `println`, which is shown of a failed test only.
        let version = format!("{}\n", this.asked("core show version"));
        io::stdout().write_all(version.as_bytes()).unwrap();
        this
    }

    fn read(&self, log: &str) -> String {
        fs::read_to_string(self.folder.path().join(log)).unwrap_or_default()
    }

    /// What it answers to a command of its console.
    fn asked(&self, command: &str) -> String {
        let answer = asterisk(&inside(self.folder.path())).args(["-r", "-x", command]).output().unwrap();
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    }

    /// The id that it gave to the call of the caller: the last field of what it lists of a channel.
    fn unique_id(&self) -> String {
        let channels = self.asked("core show channels concise");
        let caller = channels.lines().find(|line| line.starts_with("PJSIP/anonymous-"));
        caller.and_then(|line| line.rsplit('!').next()).unwrap().to_owned()
    }
}

impl Drop for Asterisk {
    #[allow(clippy::print_stderr, reason = "a failed test shows what Asterisk said")]
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
        if std::thread::panicking() {
            let log = self.read("said.log") + &self.read("full");
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("Asterisk's log ends:\n{}", shown.join("\n"));
        }
    }
}

/// The folder of its system.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/asterisk")
}

/// A path as Asterisk sees it.
fn inside(path: &Path) -> PathBuf {
    Path::new("/").join(path.strip_prefix(root()).unwrap())
}

/// Asterisk with the configuration in this folder. Only root may change to another system; who is not, may be
/// root of a world of its own.
fn asterisk(inside: &Path) -> Command {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = Command::new(if is_root { "chroot" } else { "unshare" });
    if !is_root {
        command.args(["--map-root-user", "chroot"]);
    }
    command.arg(root()).arg("asterisk").arg("-C").arg(inside.join("asterisk.conf"));
    command
}

/// What `pjsip.conf` has beside the example: who calls, and the agent.
fn neighbours(udp: SocketAddr, agent: SocketAddr) -> String {
    let telephone = "type = endpoint\ntransport = udp\nallow = !all,ulaw\ndirect_media = no\n";
    format!(
        "[udp]\ntype = transport\nprotocol = udp\nbind = {udp}\n\
         [anonymous]\n{telephone}context = with-survey\n\
         [agent1001]\n{telephone}aors = agent1001\n\
         [agent1001]\ntype = aor\ncontact = sip:agent1001@{agent}\n"
    )
}

/// The files that say where it is and what it loads.
fn surroundings(inside: &Path, rtp: &Range<u16>) -> [(String, String); 4] {
    let directories = ["etc", "varlib", "db", "key", "spool", "run", "log", "cache"];
    let directories = directories.map(|name| format!("ast{name}dir => {}\n", inside.display()));
    let modules = MODULES.map(|name| format!("load => {name}.so\n"));
    [
        ("asterisk.conf", format!("[directories]\n{}", directories.concat())),
        ("modules.conf", format!("[modules]\nautoload = no\n{}", modules.concat())),
        ("logger.conf", "[logfiles]\nfull => notice,warning,error,verbose(3)\n".to_owned()),
        ("rtp.conf", format!("[general]\nrtpstart = {}\nrtpend = {}\n", rtp.start, rtp.end - 1)),
    ]
    .map(|(name, text)| (name.to_owned(), text))
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A caller waits in the queue and speaks with the agent, who hangs up. Returns what is left: the call, and the
/// id that Asterisk gave to it.
fn hand_over(files: Files) -> (Asterisk, Call, String) {
    let udp = here(free_ports(2));
    let mut agent = Sipp::new("agent_hangs_up", udp).start();
    let asterisk = Asterisk::start(udp, here(agent.port()), files);
    let call = Caller::relayed(udp, asterisk.rtp.clone(), "queued", "s").dial();
    eventually("the caller to speak with the agent", || call.sipp().had("SIP/2.0 200").then_some(()));
    let id = asterisk.unique_id();
    let agents_call = agent.call_id().unwrap();
    agent.nudge(&agents_call);
    eventually("the agent to be gone", || agent.is_over().then_some(()));
    (asterisk, call, id)
}

/// A caller who is handed over is asked, rates 4, and is let go by Asterisk.
#[track_caller]
fn is_asked(server: &Server, files: Files) {
    let (_asterisk, mut call, id) = hand_over(files);
    call.step("p");
    call.step("2");
    assert_eq!(call.stay(), "please_rate you_rated digit_2 satisfied thank_you");
    assert_eq!(server.record(&id), "4 completed");
    let rating = server.rating(&id).unwrap();
    assert_eq!((&rating["agent_id"], &rating["queue_id"]), (&"agent1001".into(), &"sales-queue".into()));
}

/// The plain example for this server.
fn plain(server: &Server) -> Files {
    let [mut files, _] = examples();
    put(&mut files, "pjsip.conf", "ADDRESS-OF-AFTERCALL:5060", &server.udp.to_string());
    files
}

#[test]
fn the_example_for_asterisk_is_what_makes_a_queue_ask_its_callers() {
    let site = surveys::site();
    let server = site.start();
    is_asked(&server, plain(&server));
    server.stop();
}

#[test]
fn asterisk_hears_our_g722_and_our_opus_and_says_it_again_in_the_codec_of_the_caller() {
    let site = surveys::site();
    let server = site.start();
    for codec in ["g722", "opus"] {
        let mut files = plain(&server);
        put(&mut files, "pjsip.conf", "allow = ulaw,alaw", &format!("allow = {codec}"));
        is_asked(&server, files);
        server.until_quiet();
    }
    server.stop();
}

/// A server, and the encrypted example for an Asterisk that trusts this certificate.
fn encrypted(trusted: &str) -> (Site, Server, Files) {
    let site = tls::site("localhost", "");
    let server = site.start();
    let [mut files, encrypted] = examples();
    files.extend(encrypted);
    let name = format!("localhost:{}", server.tls.unwrap().port());
    put(&mut files, "pjsip.conf", "NAME-IN-THE-CERTIFICATE:5061", &name);
    put(&mut files, "pjsip.conf", "0.0.0.0:5061", &here(free_ports(2)).to_string());
    files.insert("aftercall-ca.pem".to_owned(), fs::read_to_string(vector(trusted)).unwrap());
    (site, server, files)
}

#[test]
fn the_encrypted_example_for_asterisk_asks_them_in_secret() {
    let (_site, server, files) = encrypted("localhost.pem");
    is_asked(&server, files);
    server.until_quiet();
    assert_eq!(server.metric("aftercall_srtp_calls_total"), 1);
    assert_eq!(server.metric("aftercall_srtp_forged_total"), 0);
    server.stop();
}

#[test]
fn an_asterisk_that_does_not_trust_our_certificate_hands_nobody_over() {
    let (_site, server, files) = encrypted("renewed.pem");
    let (_asterisk, call, id) = hand_over(files);
    assert_eq!(call.stay(), "", "the caller is let go and has heard nothing");
    assert_eq!((server.offer(&id), server.metric("aftercall_sip_total{kind=\"calls_in\"}")), (None, 0));
    server.stop();
}
