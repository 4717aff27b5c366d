//! What must not be waited for: webhooks and the disk. Each comes back as a [`Later`].

use std::sync::Arc;
use std::time::Duration;

use crate::writer::words::Session;
use aftercall_media::Recording;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use super::call::{Call, CallNumber};
use crate::clock::Clock;
use crate::doors::webhook;
use crate::recordings::Recordings;

/// Things done at once, each on a thread of its own while it blocks: 64 callers waiting for a webhook.
/// More wait their turn; their time runs.
const AT_ONCE_MAX: usize = 64;

/// Results not yet heard: each call waits for one at most, so this is as many as there are calls
/// in the busiest hall; a sender beyond it waits.
pub(super) const RESULTS_MAX: usize = 4_096;

/// Something was done.
#[derive(Debug)]
pub(super) enum Later {
    /// A webhook answered, or did not.
    Webhook { call: CallNumber, outcome: String },
    /// A comment is on disk; no reference: nothing was said, or it could not be kept.
    Saved { call: CallNumber, reference: Option<String>, seconds: u32 },
}

/// The hands that do it.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    results: mpsc::Sender<Later>,
    places: Arc<Semaphore>,
    recordings: Recordings,
    clock: Clock,
}

impl Hands {
    pub(super) fn new(recordings: Recordings, clock: Clock) -> (Self, mpsc::Receiver<Later>) {
        let (results, receiver) = mpsc::channel(RESULTS_MAX);
        let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
        (Self { results, places, recordings, clock }, receiver)
    }

    /// Tells a webhook what is known of this call.
    pub(super) fn webhook(
        &self,
        number: CallNumber,
        call: &Call,
        step: &str,
        url: String,
        timeout: Duration,
    ) {
        let about = &call.kept.about;
        let body = json!({
            "call_id": call.kept.call,
            "session_id": call.kept.id.as_str(),
            "agent_id": about.agent,
            "queue_id": about.queue,
            "survey": about.survey,
            "language": about.language,
            "step": step,
            "answers": call.conversation.session().answers(),
        });
        self.spawn(move || Later::Webhook { call: number, outcome: webhook::tell(&url, timeout, &body) });
    }

    /// Puts a comment on disk, if anything was said.
    pub(super) fn save(&self, number: CallNumber, session: &Session, question: &str, recording: Recording) {
        let seconds = u32::try_from(recording.samples.len().div_ceil(8_000)).unwrap_or(u32::MAX);
        let reference = Recordings::reference(session, question, self.clock.now());
        let recordings = self.recordings.clone();
        self.spawn(move || {
            if recording.voiced.is_zero() {
                return Later::Saved { call: number, reference: None, seconds: 0 };
            }
            match recordings.save(&reference, &recording) {
                Ok(()) => Later::Saved { call: number, reference: Some(reference), seconds },
                Err(error) => {
                    tracing::error!(%error, "a voice comment could not be kept: look at the data folder");
                    Later::Saved { call: number, reference: None, seconds: 0 }
                }
            }
        });
    }

    fn spawn(&self, work: impl FnOnce() -> Later + Send + 'static) {
        let (results, places) = (self.results.clone(), Arc::clone(&self.places));
        tokio::spawn(async move {
            let Ok(_place) = places.acquire().await else { return };
            let Ok(later) = tokio::task::spawn_blocking(work).await else { return };
            // Nobody listens any more once the door has closed.
            results.send(later).await.ok();
        });
    }
}
