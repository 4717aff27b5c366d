//! Opening the door: signalling, media and the switchboard, from what the operator set.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use aftercall_media as media;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{MEDIA_EVENTS_MAX, Parts, SipDoor};
use crate::config::{Config, PeerAuth, Sip, Transport};
use crate::signalling::{
    self, Bounds, Credentials, Listen, Peer, Peers, Security, Signalling, SignallingConfig, StartError,
    Timers,
};

/// Why the door cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// An address cannot be listened on.
    #[error(transparent)]
    Signalling(#[from] StartError),
    /// The range of ports holds none that RTP can use.
    #[error("[rtp] ports {0}")]
    Ports(#[from] media::PortRangeFault),
    /// The operating system gives no thread for the media engine.
    #[error("the media engine did not start: {0}")]
    Media(#[from] io::Error),
}

/// An open door.
pub struct OpenDoor {
    signalling: Signalling,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl OpenDoor {
    /// Listens and takes calls from now on.
    ///
    /// # Errors
    /// When an address or the media engine cannot be had.
    pub async fn open(parts: Parts) -> Result<Self, NotOpened> {
        let config = Arc::clone(&parts.config);
        let clock = parts.clock.clone();
        let (signalling, events) =
            Signalling::start(signalling_config(&config.sip, parts.sip_tls.clone(), move || clock.elapsed()))
                .await?;
        let (heard, media_events) = mpsc::channel(MEDIA_EVENTS_MAX);
        let media = media::Engine::start(media_config(&config)?, move |event| {
            // The survey begins with the ACK, whether the caller has made a sound by then or not.
            if matches!(event.what, media::Happened::FirstPacket { .. }) {
                return Ok(());
            }
            heard.try_send(event).or_else(|error| match error {
                mpsc::error::TrySendError::Full(event) => Err(event),
                mpsc::error::TrySendError::Closed(_) => Ok(()),
            })
        })?;
        parts.metrics.sip.opened(signalling.clone(), media.clone());
        let stop = CancellationToken::new();
        let door = SipDoor::new(parts, signalling.clone(), media.clone());
        let task = tokio::spawn(door.serve(events, media_events, stop.clone()));
        Ok(Self { signalling, task, stop })
    }

    /// Where it really listens.
    #[must_use]
    pub fn listens(&self) -> Vec<Listen> {
        self.signalling.local_addrs().to_vec()
    }

    /// Takes no more calls, lets those that are on end, and has handed everything to the writer when it returns.
    pub async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the SIP door did not end as it should");
        }
    }
}

fn media_config(config: &Config) -> Result<media::Config, NotOpened> {
    let ports = media::PortRange::new(config.rtp.ports.first, config.rtp.ports.last)?;
    let ipv6 = config.sip.listen.iter().any(|listen| listen.address.is_ipv6());
    let bind = if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
    let (rtp_silence_after, inband_after) = (config.rtp.silence, config.rtp.inband_after);
    Ok(media::Config { bind, rtp_silence_after, inband_after, ..media::Config::new(ports) })
}

fn signalling_config(
    sip: &Sip,
    tls: Option<Security>,
    clock: impl Fn() -> std::time::Duration + Send + Sync + 'static,
) -> SignallingConfig {
    let listen = sip.listen.iter().map(|listen| Listen {
        transport: match listen.transport {
            Transport::Udp => signalling::Transport::Udp,
            Transport::Tcp => signalling::Transport::Tcp,
            Transport::Tls => signalling::Transport::Tls,
        },
        addr: listen.address,
    });
    let credentials =
        |auth: &PeerAuth| Credentials { user: auth.user.clone(), password: auth.password.expose().into() };
    let peer = |peer: &crate::config::Peer| Peer {
        from: peer.from,
        auth: peer.auth.as_ref().map(credentials),
        md5_only: peer.auth.as_ref().is_some_and(|auth| auth.md5_only),
    };
    SignallingConfig {
        listen: listen.collect(),
        external_ip: sip.external_ip,
        tls: tls.unwrap_or_default(),
        user_agent: concat!("aftercall/", env!("CARGO_PKG_VERSION")).to_owned(),
        peers: Peers { list: sip.peers.iter().map(peer).collect(), open: sip.open },
        bounds: Bounds {
            calls_max: sip.max_calls,
            calls_per_second_per_source: sip.calls_per_second_per_source,
            answer_within: sip.max_ringing,
            ..Bounds::default()
        },
        timers: Timers::default(),
        clock: Arc::new(clock),
    }
}
