//! No person in a log, however much is logged.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::harness::{Agent, Manner, config};
use super::peer::{Peer, invite, to_tag, within};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn log_of_a_call() -> String {
    let lines = Lines::default();
    let filter = EnvFilter::new("trace");
    let logging = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(logging);
    let mut agent = Agent::start(Manner::Accept, config(Duration::from_millis(20))).await;
    let mut peer = Peer::udp(&agent).await;
    let sent = invite("a", "X-Secret: 13800138000\n").replace("sip:caller@", "sip:13800138000@");
    peer.send(&sent).await;
    let tag = to_tag(&peer.until("SIP/2.0 200").await);
    let from = |request: String| request.replace("sip:caller@", "sip:13800138000@");
    peer.send(&from(within("ACK", "a", &tag, 1, ""))).await;
    peer.send("BYE 13800138000\nCSeq: 13800138000\nVia: SIP/2.0/13800138000 h\n").await;
    peer.send(&from(within("BYE", "a", &tag, 2, ""))).await;
    agent.until("ended:peer").await;
    let log = lines.0.lock().unwrap().clone();
    String::from_utf8(log).unwrap()
}

#[tokio::test]
async fn a_call_leaves_its_key_in_the_log_and_no_number() {
    let log = log_of_a_call().await;
    assert!(log.contains("call=c1"), "{log}");
    for personal in ["13800138000", "a@test", "sip:", "tag="] {
        assert!(!log.contains(personal), "{personal} in\n{log}");
    }
}
