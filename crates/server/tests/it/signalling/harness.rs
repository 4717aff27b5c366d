//! A user agent built from nothing but the public interface: answers calls with a fixed SDP, and hangs up if told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aftercall::signalling::{
    Bounds, CallKey, Ending, Event, InviteRequest, Peers, Security, Signalling, SignallingConfig, Timers,
    Transport,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::until::until;

pub(crate) const SDP: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";

/// No test waits longer for anything; only a failing one waits at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

#[expect(clippy::disallowed_methods, reason = "tests have no server clock")]
pub(crate) fn config(t1: Duration) -> SignallingConfig {
    let started = Instant::now();
    SignallingConfig {
        listen: vec!["udp://127.0.0.1:0".parse().unwrap(), "tcp://127.0.0.1:0".parse().unwrap()],
        tls: Security::default(),
        external_ip: None,
        user_agent: "aftercall-test".into(),
        peers: Peers::default(),
        bounds: Bounds::default(),
        timers: Timers { t1, t2: t1 * 8, t4: t1 * 10 },
        clock: Arc::new(move || started.elapsed()),
    }
}

/// What the agent does with calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Rings, accepts, and waits for the peer to hang up.
    Accept,
    /// Rings, accepts, and hangs up at the ACK.
    AcceptAndHangUp,
    /// Rings, and leaves it at that.
    Ring,
    /// Does nothing: the test does.
    Silent,
}

impl Manner {
    fn act(self, event: &Event, signalling: &Signalling) {
        match event {
            Event::Invite { call, .. } if self != Self::Silent => {
                signalling.ring(*call).unwrap();
                if matches!(self, Self::Accept | Self::AcceptAndHangUp) {
                    signalling.accept(*call, SDP.to_vec()).unwrap();
                }
            }
            Event::ReInvite { call, .. } if self != Self::Silent => {
                signalling.answer_reinvite(*call, Ok(SDP.to_vec())).unwrap();
            }
            Event::Ack { call, .. } if self == Self::AcceptAndHangUp => {
                signalling.bye(*call, Some("Q.850;cause=16")).unwrap();
            }
            _ => {}
        }
    }
}

/// The agent.
pub(crate) struct Agent {
    pub(crate) signalling: Signalling,
    happened: mpsc::Receiver<(CallKey, String, Option<Box<InviteRequest>>)>,
    /// What happened, a word each.
    pub(crate) heard: Vec<String>,
    /// The last INVITE.
    pub(crate) invite: Option<Box<InviteRequest>>,
}

impl Agent {
    pub(crate) async fn start(manner: Manner, config: SignallingConfig) -> Self {
        let (signalling, mut events) = Signalling::start(config).await.unwrap();
        let (tell, happened) = mpsc::channel(10_000);
        let acting = signalling.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                manner.act(&event, &acting);
                let (call, word) = (event.call(), word(&event));
                let invite = if let Event::Invite { request, .. } = event { Some(request) } else { None };
                if tell.send((call, word, invite)).await.is_err() {
                    return;
                }
            }
        });
        Self { signalling, happened, heard: Vec::new(), invite: None }
    }

    pub(crate) fn address(&self, transport: Transport) -> SocketAddr {
        self.signalling.local_addrs().iter().find(|l| l.transport == transport).unwrap().addr
    }

    /// The next thing that happened; the agent has acted upon it already.
    pub(crate) async fn next(&mut self) -> (CallKey, String) {
        let next = timeout(PATIENCE, self.happened.recv()).await;
        let (call, word, invite) = next.expect("nothing happened").expect("stopped");
        self.heard.push(word.clone());
        self.invite = invite.or(self.invite.take());
        (call, word)
    }

    /// Goes on until this happens.
    pub(crate) async fn until(&mut self, wanted: &str) -> CallKey {
        loop {
            let (call, word) = self.next().await;
            if word == wanted {
                return call;
            }
        }
    }

    /// Goes on until so many calls have ended, and gives what happened in between, a word each.
    pub(crate) async fn until_ended(&mut self, calls: usize) -> String {
        let from = self.heard.len();
        let mut ended = 0;
        while ended < calls {
            let (_, word) = self.next().await;
            ended += usize::from(word.starts_with("ended"));
        }
        self.heard[from..].join(" ")
    }

    /// Nothing of any call is left.
    pub(crate) fn assert_empty(&self) {
        self.assert_live(0);
    }

    pub(crate) fn assert_live(&self, calls: usize) {
        assert_eq!((self.signalling.calls_live(), self.signalling.dialogs_live()), (calls, calls));
    }

    /// Waits for what lingers after calls to go, too.
    pub(crate) async fn until_transactions_are_gone(&self) {
        until("no transaction is left", || self.signalling.transactions_live() == 0).await;
    }
}

fn word(event: &Event) -> String {
    let sdp =
        |word: &str, sdp: &Option<Vec<u8>>| format!("{word}{}", if sdp.is_some() { "+sdp" } else { "" });
    match event {
        Event::Invite { request, .. } => sdp("invite", &request.sdp),
        Event::Ack { sdp: s, .. } => sdp("ack", s),
        Event::ReInvite { sdp: s, .. } => sdp("reinvite", s),
        Event::Info { content_type, body, .. } => {
            format!(
                "info[{} {}]",
                content_type.as_deref().unwrap_or("-"),
                String::from_utf8_lossy(body).trim()
            )
        }
        Event::Progress { status, sdp: s, .. } => sdp(&format!("progress-{status}"), s),
        Event::Answered { sdp: s, .. } => sdp("answered", s),
        Event::Refreshed { .. } => "refreshed".into(),
        Event::Transfer { progress, .. } => format!("transfer-{progress:?}"),
        Event::TransportClosed { .. } => "transport-closed".into(),
        Event::Ended { ending, .. } => match ending {
            Ending::PeerHungUp => "ended:peer".into(),
            Ending::WeHungUp => "ended:us".into(),
            Ending::Unreachable(_) => "ended:Unreachable".into(),
            Ending::Refused { status, .. } => format!("ended:refused-{status}"),
            other => format!("ended:{other:?}"),
        },
    }
}
