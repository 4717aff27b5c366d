//! Real clients: SIPp calls us, and is called by us. Its scenarios are in `tests/sipp`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use aftercall::signalling::{Count, Credentials, Dial, Peer as Allowed, Peers, Transport};

use super::harness::{Agent, Manner, SDP, config};
use crate::until::until;

/// 64*T1 is 3.2 s: SIPp is given its time on a busy machine.
const T1: Duration = Duration::from_millis(50);

/// One run of SIPp.
struct Sipp {
    command: Command,
    scenario: &'static str,
}

impl Sipp {
    fn new(scenario: &'static str) -> Self {
        let mut command = Command::new("sipp");
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(scenario).with_extension("xml");
        command.current_dir(scratch()).arg("-sf").arg(file);
        command.args([
            "-i",
            "127.0.0.1",
            "-nostdin",
            "-timeout",
            "60s",
            "-timeout_error",
            "-max_retrans",
            "20",
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, scenario }
    }

    /// Calls this address so many times, that many at once.
    fn calls(scenario: &'static str, to: SocketAddr, transport: Transport, calls: usize) -> Self {
        let mut sipp = Self::new(scenario);
        let (calls, way) = (calls.to_string(), if transport == Transport::Udp { "u1" } else { "t1" });
        sipp.command.arg(to.to_string()).args(["-t", way, "-m", &calls, "-l", &calls, "-r", "500"]);
        sipp
    }

    /// Waits for one call at this port.
    fn called(scenario: &'static str, port: u16, transport: Transport) -> Self {
        let mut sipp = Self::new(scenario);
        let way = if transport == Transport::Udp { "u1" } else { "t1" };
        sipp.command.args(["-t", way, "-p", &port.to_string(), "-m", "1"]);
        sipp
    }

    /// Runs to the end, which must be a good one.
    async fn run(mut self) {
        let ran = tokio::task::spawn_blocking(move || (self.command.output(), self.scenario));
        let (output, scenario) = ran.await.unwrap();
        let output = match output {
            Ok(output) => output,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {
                panic!("this test needs SIPp, which is not installed: apt-get install sip-tester")
            }
            Err(fault) => panic!("SIPp cannot be run: {fault}"),
        };
        assert!(output.status.success(), "{scenario} failed ({}):\n{}", output.status, told(&output));
    }
}

fn told(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat();
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

/// Where SIPp may leave its files.
fn scratch() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A scenario, what our agent does, and what it hears.
#[tokio::test]
async fn sipp_calls_us_in_every_way_over_both_transports() {
    let info = "info[application/dtmf-relay Signal=5\r\nDuration=160] info[application/dtmf #]";
    for (scenario, manner, heard) in [
        ("uac_hangs_up", Manner::Accept, "invite+sdp ack ended:peer"),
        ("uac_is_hung_up", Manner::AcceptAndHangUp, "invite+sdp ack ended:us"),
        ("uac_cancel", Manner::Ring, "invite+sdp ended:Cancelled"),
        ("uac_no_sdp", Manner::Accept, "invite ack+sdp ended:peer"),
        ("uac_hold", Manner::Accept, "invite+sdp ack reinvite+sdp ack reinvite+sdp ack ended:peer"),
        ("uac_info", Manner::Accept, &format!("invite+sdp ack {info} ended:peer")),
        ("uac_lost_ack", Manner::Accept, "invite+sdp ended:NoAck"),
    ] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut agent = Agent::start(manner, config(T1)).await;
            Sipp::calls(scenario, agent.address(transport), transport, 1).run().await;
            assert_eq!(agent.until_ended(1).await, heard, "{scenario} over {transport}");
            agent.assert_empty();
        }
    }
}

#[tokio::test]
async fn sipp_asks_and_is_answered_without_a_call() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let agent = Agent::start(Manner::Silent, config(T1)).await;
        Sipp::calls("uac_options", agent.address(transport), transport, 3).run().await;
        Sipp::calls("uac_unknown_bye", agent.address(transport), transport, 1).run().await;
        let counts = [Count::Options, Count::NoDialog, Count::CallsIn].map(|c| agent.signalling.count(c));
        assert_eq!(counts, [3, 1, 0], "over {transport}");
        assert_eq!(agent.signalling.transactions_live(), 0);
    }
}

#[tokio::test]
async fn sipp_proves_who_it_is() {
    let mut config = config(T1);
    let allowed = Allowed { from: "127.0.0.0/8".parse().unwrap(), auth: Some(credentials()), md5_only: true };
    config.peers = Peers { list: vec![allowed], open: false };
    let mut agent = Agent::start(Manner::Accept, config).await;
    Sipp::calls("uac_auth", agent.address(Transport::Udp), Transport::Udp, 2).run().await;
    agent.until_ended(2).await;
    assert_eq!(agent.signalling.count(Count::Challenged), 2);
}

#[tokio::test]
async fn two_hundred_calls_at_once_leave_nothing_behind() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut config = config(Duration::from_millis(100));
        config.bounds.calls_per_second_per_source = 1000;
        let mut agent = Agent::start(Manner::AcceptAndHangUp, config).await;
        Sipp::calls("uac_is_hung_up", agent.address(transport), transport, 200).run().await;
        agent.until_ended(200).await;
        agent.assert_empty();
        let endings = agent.heard.iter().filter(|word| *word == "ended:us").count();
        assert_eq!((endings, agent.signalling.count(Count::CallsIn)), (200, 200), "over {transport}");
    }
}

#[tokio::test]
async fn we_call_sipp_over_both_transports() {
    for (scenario, heard) in [
        ("uas_is_hung_up", "progress-180 answered+sdp ended:us"),
        ("uas_busy", "ended:refused-486"),
        ("uas_auth", "answered+sdp ended:us"),
    ] {
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut agent = Agent::start(Manner::Silent, config(T1)).await;
            let port = free_port();
            let sipp = tokio::spawn(Sipp::called(scenario, port, transport).run());
            await_listener(port, transport).await;
            let call = agent.signalling.dial(Dial {
                target: format!("sip:callee@127.0.0.1:{port};transport={transport}").parse().unwrap(),
                sdp: Some(SDP.to_vec()),
                headers: Vec::new(),
                transport: None,
                from_user: "tester".into(),
                credentials: Some(credentials()),
            });
            let call = call.unwrap();
            let mut word = agent.next().await.1;
            while word.starts_with("progress") {
                word = agent.next().await.1;
            }
            if word == "answered+sdp" {
                agent.signalling.bye(call, None).unwrap();
                agent.until_ended(1).await;
            }
            sipp.await.unwrap();
            assert_eq!(agent.heard.join(" "), heard, "{scenario} over {transport}");
            agent.assert_empty();
        }
    }
}

fn credentials() -> Credentials {
    Credentials { user: "pbx".into(), password: "s3cret".into() }
}

/// A port that was free a moment ago, for both transports.
fn free_port() -> u16 {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    std::net::UdpSocket::bind(("127.0.0.1", port)).map_or_else(|_| free_port(), |_| port)
}

/// Waits until somebody listens there: until the port can no longer be bound.
async fn await_listener(port: u16, transport: Transport) {
    let bound = || match transport {
        Transport::Udp => std::net::UdpSocket::bind(("127.0.0.1", port)).is_err(),
        Transport::Tcp | Transport::Tls => std::net::TcpListener::bind(("127.0.0.1", port)).is_err(),
    };
    until("SIPp listens", bound).await;
}
