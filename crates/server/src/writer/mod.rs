//! The one task that writes. Doors hand over and go on; the API waits for its acknowledgement.
//!
//! Whoever has to write sends to one bounded queue; the task takes what has queued, writes it in one
//! transaction and only then tells those who wait. While nobody does, it gathers for a moment ([`Gather`]). Nothing is acknowledged before it is durable,
//! and nothing that was taken is dropped because the database is busy, full or gone for a while.

mod task;
pub mod words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use aftercall_store::{BATCH_MAX, Store, Write, Written};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::recordings::Recordings;

/// Writes that wait to be taken: 4096 of mostly ~400 bytes are under 2 MiB; if each had the longest
/// comment (16 kB) they would be 64 MiB. At 20,000 rows a second it holds a fifth of a second.
pub const WRITES_QUEUED_MAX: usize = 4096;

/// How long writes wait for company while nobody waits for them: a commit costs little more with thirty than with
/// one.
#[derive(Debug, Clone, Copy)]
pub struct Gather {
    /// That a call was offered a survey, that it began, that it ended: the funnel can do without its last tenth
    /// of a second.
    pub marks: Duration,
    /// What a caller answered: on disk by the time that the first packet of the confirmation goes out.
    pub answers: Duration,
    /// How soon after one commit the next one may begin for answers alone: while a hundred callers answer in a
    /// second, they share commits.
    pub apart: Duration,
}

impl Gather {
    /// 100 ms, some twenty marks at 75 calls a second; for answers 5 ms, and no more than 25 commits a second.
    pub const USUAL: Self = Self {
        marks: Duration::from_millis(100),
        answers: Duration::from_millis(5),
        apart: Duration::from_millis(40),
    };
}

/// Why a write was not taken, by what to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// Too much is waiting: the same again a little later.
    #[error("too many writes are waiting")]
    Busy,
    /// The writer has stopped: the server is shutting down.
    #[error("the server is shutting down")]
    Stopped,
}

/// Why nothing is known to have been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotWritten {
    /// It was not taken.
    #[error(transparent)]
    NotTaken(#[from] Full),
    /// The database refuses this write, while it takes others.
    #[error("the database refused it")]
    Refused,
}

/// Where writes are handed in. Clones lead to the same task.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    hurry: Arc<Hurry>,
    metrics: Arc<Metrics>,
    well: Arc<AtomicBool>,
    changes: watch::Receiver<u64>,
}

/// The task behind it, for whoever ends it.
#[derive(Debug)]
pub struct WriterTask {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Ends a batch's gathering.
#[derive(Debug, Default)]
struct Hurry {
    /// Somebody waits for what is in the queue, or it is a whole batch.
    now: Notify,
    /// There is an answer in the queue.
    soon: Notify,
}

#[derive(Debug)]
struct Job {
    write: Write,
    /// `None`: nobody waits for what comes of it.
    asker: Option<oneshot::Sender<Result<Written, NotWritten>>>,
}

impl Writer {
    /// Starts the task, which gathers as usual.
    #[must_use]
    pub fn start(
        store: Store,
        recordings: Recordings,
        clock: Clock,
        metrics: Arc<Metrics>,
    ) -> (Self, WriterTask) {
        Self::start_gathering(store, recordings, clock, metrics, Gather::USUAL)
    }

    /// Starts the task with another time to gather.
    #[must_use]
    pub fn start_gathering(
        store: Store,
        recordings: Recordings,
        clock: Clock,
        metrics: Arc<Metrics>,
        gather: Gather,
    ) -> (Self, WriterTask) {
        let (sender, jobs) = mpsc::channel(WRITES_QUEUED_MAX);
        let stop = CancellationToken::new();
        let well = Arc::new(AtomicBool::new(true));
        let hurry = Arc::new(Hurry::default());
        let (changed, changes) = watch::channel(0);
        let writer = Self {
            jobs: sender,
            hurry: Arc::clone(&hurry),
            metrics: Arc::clone(&metrics),
            well: Arc::clone(&well),
            changes,
        };
        let task = task::Task {
            store,
            recordings,
            clock,
            metrics,
            well,
            jobs,
            hurry,
            changed,
            gather,
            stop: stop.clone(),
        };
        (writer, WriterTask { stop, task: tokio::spawn(task.run()) })
    }

    /// Hands a write in and waits until it is durable.
    ///
    /// # Errors
    /// When it was not taken (nothing will be written), or the database refuses it. After
    /// [`Full::Stopped`] it may have been written all the same; asking again is harmless.
    pub async fn ask(&self, write: Write) -> Result<Written, NotWritten> {
        let (asker, answer) = oneshot::channel();
        self.send(Job { write, asker: Some(asker) }).map_err(|(_, full)| full)?;
        self.hurry.now.notify_one();
        answer.await.unwrap_or(Err(NotWritten::NotTaken(Full::Stopped)))
    }

    /// Hands a write in, waiting for a place in the queue if need be, and does not wait for more.
    ///
    /// # Errors
    /// Gives the write back when the writer has stopped.
    pub async fn tell(&self, write: Write) -> Result<(), Box<Write>> {
        let Ok(place) = self.jobs.reserve().await else { return Err(Box::new(write)) };
        self.metrics.writer.queued.add(1);
        place.send(Job { write, asker: None });
        Ok(())
    }

    /// For one who must not wait at all: what finds no place is kept until it does.
    #[must_use]
    pub fn handover(&self) -> Handover {
        Handover { writer: self.clone(), kept: VecDeque::new() }
    }

    /// Whether the last commit went well.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.well.load(Relaxed)
    }

    /// Changes each time that a rating was created, changed or erased here, once that is durable.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    fn send(&self, job: Job) -> Result<(), (Box<Job>, Full)> {
        // Counted before it is sent: the task may take it before this one goes on.
        self.metrics.writer.queued.add(1);
        let is_answer = is_answer(&job.write);
        self.jobs.try_send(job).map_err(|error| {
            self.metrics.writer.queued.add(-1);
            match error {
                TrySendError::Full(job) => (Box::new(job), Full::Busy),
                TrySendError::Closed(job) => (Box::new(job), Full::Stopped),
            }
        })?;
        if WRITES_QUEUED_MAX - self.jobs.capacity() >= BATCH_MAX {
            self.hurry.now.notify_one();
        } else if is_answer {
            self.hurry.soon.notify_one();
        }
        Ok(())
    }
}

/// Whether it is something a caller answered, which gathers for less long than the marks of the funnel.
fn is_answer(write: &Write) -> bool {
    matches!(write, Write::Answered(_))
}

impl WriterTask {
    /// Takes nothing more, writes what was taken and ends. When the database does not take it even
    /// now, that is counted (`aftercall_writes_lost_total`), logged, and given up after a few attempts.
    pub async fn drain(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the writer did not end as it should");
        }
    }
}

/// One door's, or one call's, way to the writer. It keeps the order, and what the queue has no place for.
///
/// What it keeps is bounded by what one call can write before someone calls [`Handover::settle`].
#[derive(Debug)]
pub struct Handover {
    writer: Writer,
    kept: VecDeque<Write>,
}

impl Handover {
    /// Hands a write over without waiting.
    pub fn hand_over(&mut self, write: Write) {
        self.kept.push_back(write);
        while let Some(write) = self.kept.pop_front() {
            if let Err((job, _)) = self.writer.send(Job { write, asker: None }) {
                self.kept.push_front(job.write);
                break;
            }
        }
    }

    /// Whether something waits for [`Handover::settle`].
    #[must_use]
    pub fn is_keeping(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Waits until everything kept is in the queue. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the writer has stopped.
    pub async fn settle(&mut self) -> Result<(), Full> {
        while !self.kept.is_empty() {
            let Ok(place) = self.writer.jobs.reserve().await else { return Err(Full::Stopped) };
            if let Some(write) = self.kept.pop_front() {
                self.writer.metrics.writer.queued.add(1);
                place.send(Job { write, asker: None });
            }
        }
        Ok(())
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        let lost = self.kept.len();
        if lost > 0 {
            self.writer.metrics.writer.lost.add(lost as u64);
            tracing::error!(lost, "writes were dropped before the writer took them");
        }
    }
}
