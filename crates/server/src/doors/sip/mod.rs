//! The SIP door: answers calls, plays the survey, hears the keys.
//!
//! One task owns every call (`switchboard`). `facts` reads what a call says of itself, `plan` chooses
//! its survey, `negotiate` agrees on media, `keys` counts each press once, `orders` does what the conversation says, `later` does
//! what takes time.

mod agreement;
mod call;
mod facts;
mod keys;
mod later;
mod negotiate;
mod open;
mod orders;
mod plan;
mod switchboard;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

pub use open::{NotOpened, OpenDoor};

use aftercall_media::{Engine, Event as MediaEvent};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::prompts::Prompts;
use crate::recordings::Recordings;
use crate::signalling::{Event, Security, Signalling};
use crate::surveys::Surveys;
use crate::unusual::Unusual;
use crate::writer::Writer;
use later::Hands;
use switchboard::Switchboard;

/// How a caller of this door is asked: `cc_csat.channel`.
pub(crate) const CHANNEL: &str = "phone";

/// Media events not yet heard: 2,000 calls of which each presses two keys at once.
const MEDIA_EVENTS_MAX: usize = 4_096;

/// How long calls may go on after the server was told to stop, and then to say goodbye.
const LAST_CALLS: Duration = Duration::from_secs(20);
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a PBX should wait before it sends the next call when there was no room (RFC 3261, 20.33).
const RETRY_AFTER_SECONDS: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// What the door works with.
#[derive(Clone)]
pub struct Parts {
    /// What the operator set.
    pub config: Arc<Config>,
    /// The surveys of this installation.
    pub surveys: Arc<Surveys>,
    /// Their recordings.
    pub prompts: Arc<Prompts>,
    /// Where what is heard is kept.
    pub writer: Writer,
    /// What SIP over TLS needs, where it is configured.
    pub sip_tls: Option<Security>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where voice comments are kept.
    pub recordings: Recordings,
    /// What looks unusual about ratings.
    pub unusual: Arc<Unusual>,
    /// What time it is.
    pub clock: Clock,
}

/// The door's one task.
struct SipDoor {
    switchboard: Switchboard,
    results: mpsc::Receiver<later::Later>,
}

impl SipDoor {
    fn new(parts: Parts, signalling: Signalling, media: Engine) -> Self {
        let (later, results) = Hands::new(parts.recordings.clone(), parts.clock.clone());
        Self { switchboard: Switchboard::new(parts, signalling, media, later), results }
    }

    /// Takes calls until told to stop, then lets those that are on end: by themselves for a while,
    /// then by saying goodbye. Everything heard is handed to the writer before this returns.
    async fn serve(
        mut self,
        mut signalling: mpsc::Receiver<Event>,
        mut media: mpsc::Receiver<MediaEvent>,
        stop: CancellationToken,
    ) {
        let mut last_moment: Option<Duration> = None;
        loop {
            let now = self.switchboard.parts.clock.elapsed();
            let done = last_moment.is_some() && self.switchboard.calls.is_empty();
            if done && !self.switchboard.handover.is_keeping() {
                break;
            }
            if last_moment.is_some_and(|moment| now >= moment + LAST_WORDS) {
                break;
            }
            let last = last_moment.map(|moment| if now < moment { moment } else { moment + LAST_WORDS });
            let wake = [self.switchboard.next_due(), last];
            let wake = wake.into_iter().flatten().min();
            tokio::select! {
                () = stop.cancelled(), if last_moment.is_none() => {
                    self.switchboard.signalling.close(RETRY_AFTER_SECONDS);
                    last_moment = Some(now + LAST_CALLS);
                }
                Some(event) = signalling.recv() => self.switchboard.on_signalling(event),
                Some(event) = media.recv() => self.switchboard.on_media(event),
                Some(later) = self.results.recv() => self.switchboard.on_later(later),
                // An error means that the writer has stopped; the handover counts what it loses.
                _ = self.switchboard.handover.settle(), if self.switchboard.handover.is_keeping() => {}
                () = wait(wake, now) => {
                    let now = self.switchboard.parts.clock.elapsed();
                    self.switchboard.on_time(now);
                    if last_moment.is_some_and(|moment| now >= moment) {
                        self.switchboard.end_all();
                    }
                }
            }
        }
    }
}

/// Until that moment; for ever where there is none.
async fn wait(moment: Option<Duration>, now: Duration) {
    match moment {
        Some(moment) => tokio::time::sleep(moment.saturating_sub(now)).await,
        None => std::future::pending().await,
    }
}
