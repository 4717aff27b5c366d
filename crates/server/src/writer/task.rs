//! The loop that commits, and what it does when the database does not take a batch.

use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use aftercall_store::{BATCH_MAX, Said, Store, StoreError, Write, Written};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use super::{Full, Gather, Hurry, Job, NotWritten, is_answer};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::recordings::Recordings;

/// The first pause after a failed commit; each further one is twice as long.
const PAUSE_FIRST: Duration = Duration::from_millis(10);

/// The longest pause: an operator who made space waits no longer for the writer to notice.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Failures of a whole batch before its writes are tried apart: a passing fault is gone by then.
const WHOLE_TRIES: u32 = 3;

/// Failures of a single write, while others succeed, before it is given up.
const SINGLE_TRIES: u32 = 3;

/// Failures after which a server that is shutting down gives up: about three seconds of pauses.
const LAST_TRIES: u32 = 8;

pub(super) struct Task {
    pub(super) store: Store,
    pub(super) recordings: Recordings,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) well: Arc<AtomicBool>,
    pub(super) jobs: mpsc::Receiver<Job>,
    pub(super) hurry: Arc<Hurry>,
    pub(super) changed: watch::Sender<u64>,
    pub(super) gather: Gather,
    pub(super) stop: CancellationToken,
}

/// What has been taken and is not yet settled. Both lists go in step.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    askers: Vec<Option<oneshot::Sender<Result<Written, NotWritten>>>>,
}

/// What came of one write; `None`: nothing yet.
type Outcome = Option<Result<Written, StoreError>>;

impl Task {
    pub(super) async fn run(mut self) {
        let mut taken = Vec::with_capacity(BATCH_MAX);
        let mut calm = Box::pin(tokio::time::sleep(Duration::ZERO));
        loop {
            tokio::select! {
                biased;
                count = self.jobs.recv_many(&mut taken, BATCH_MAX) => {
                    if count == 0 {
                        return;
                    }
                    let mut batch = Batch::default();
                    self.take(&mut batch, taken.drain(..));
                    self.gather(&mut batch, calm.as_mut()).await;
                    calm.set(tokio::time::sleep(self.gather.apart));
                    self.commit(batch).await;
                }
                // What is in the queue by now is still taken; nothing more comes in.
                () = self.stop.cancelled(), if !self.jobs.is_closed() => self.jobs.close(),
            }
        }
    }

    fn take(&self, batch: &mut Batch, jobs: impl Iterator<Item = Job>) {
        for job in jobs {
            self.metrics.writer.queued.add(-1);
            batch.writes.push(job.write);
            batch.askers.push(job.asker);
        }
    }

    /// Lets a batch that nobody waits for grow a little. `calm` has passed when the last commit is long enough ago.
    async fn gather(&mut self, batch: &mut Batch, calm: Pin<&mut Sleep>) {
        if batch.writes.len() >= BATCH_MAX || batch.askers.iter().any(Option::is_some) {
            return;
        }
        let has_answer = batch.writes.iter().any(is_answer);
        if has_answer {
            // It was announced, too; the next batch need not hurry for it.
            std::pin::pin!(self.hurry.soon.notified()).enable();
        }
        let answered = async {
            if !has_answer {
                self.hurry.soon.notified().await;
            }
            tokio::join!(tokio::time::sleep(self.gather.answers), calm);
        };
        tokio::select! {
            () = tokio::time::sleep(self.gather.marks) => {}
            () = answered => {}
            () = self.hurry.now.notified() => {}
            () = self.stop.cancelled() => {}
        }
        self.top_up(batch);
    }

    /// Ends when every write is durable or given up.
    async fn commit(&mut self, mut batch: Batch) {
        let mut pause = PAUSE_FIRST;
        let mut failures = 0;
        while !batch.writes.is_empty() {
            let error = match self.write(&batch.writes).await {
                Ok(written) => {
                    self.recover(failures);
                    let outcomes = written.into_iter().map(|written| Some(Ok(written))).collect();
                    return self.settle(&mut batch, outcomes);
                }
                Err(error) => error,
            };
            failures += 1;
            self.trouble(&error, failures);
            if failures >= WHOLE_TRIES && may_be_one_write(&error) {
                let outcomes = self.sift(&batch.writes).await;
                if outcomes.iter().flatten().any(Result::is_ok) {
                    self.settle(&mut batch, outcomes);
                    continue;
                }
            }
            if self.stop.is_cancelled() && failures >= LAST_TRIES {
                return self.give_up(batch, &error);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
            self.top_up(&mut batch);
        }
        self.recover(failures);
    }

    /// Takes more into a batch that waits anyway: it may show that the database takes others.
    fn top_up(&mut self, batch: &mut Batch) {
        while batch.writes.len() < BATCH_MAX
            && let Ok(job) = self.jobs.try_recv()
        {
            self.take(batch, std::iter::once(job));
        }
    }

    async fn write(&self, writes: &[Write]) -> Result<Vec<Written>, StoreError> {
        let began = self.clock.elapsed();
        let written = self.store.write(writes).await?;
        let metrics = &self.metrics.writer;
        metrics.commit.observe(self.clock.elapsed().saturating_sub(began));
        metrics.batches.add(1);
        metrics.committed.add(writes.len() as u64);
        if written.iter().any(is_change) {
            self.changed.send_modify(|times| *times = times.wrapping_add(1));
        }
        for (write, written) in writes.iter().zip(&written) {
            self.erase_recordings(write, written).await;
        }
        Ok(written)
    }

    /// A voice that was erased, or came to a call that is erased or answered already, does not stay on disk.
    async fn erase_recordings(&self, write: &Write, written: &Written) {
        let gone: Vec<&Said> = match (write, written) {
            (_, Written::Erased(answers)) => answers.iter().collect(),
            (Write::Answered(answered), Written::Gone | Written::OtherSession) => vec![&answered.value],
            _ => return,
        };
        for answer in gone {
            if let Err(error) = self.recordings.erase(answer.expose()).await {
                let file = answer.expose();
                tracing::error!(%error, file, "a voice comment that was erased is still there: remove it by hand");
            }
        }
    }

    /// Tries the batch in ever smaller parts, in order, until each part went through or is one write
    /// that does not. At most twice as many commits as there are writes, and the single ones' retries.
    async fn sift(&self, writes: &[Write]) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = writes.iter().map(|_| None).collect();
        let mut parts: Vec<Range<usize>> = halves(0..writes.len());
        while let Some(part) = parts.pop() {
            match self.write_part(&writes[part.clone()]).await {
                Ok(written) => {
                    for (outcome, written) in outcomes[part].iter_mut().zip(written) {
                        *outcome = Some(Ok(written));
                    }
                }
                Err(error) if !may_be_one_write(&error) => break,
                Err(error) if part.len() == 1 => outcomes[part.start] = Some(Err(error)),
                Err(_) => parts.extend(halves(part)),
            }
        }
        outcomes
    }

    async fn write_part(&self, writes: &[Write]) -> Result<Vec<Written>, StoreError> {
        let tries = if writes.len() == 1 { SINGLE_TRIES } else { 1 };
        let mut tried = 1;
        loop {
            match self.write(writes).await {
                Err(error) if tried < tries && may_be_one_write(&error) => {
                    tokio::time::sleep(PAUSE_FIRST).await;
                    tried += 1;
                }
                done => return done,
            }
        }
    }

    /// Answers those whose writes are settled; the others stay in the batch, in order.
    fn settle(&self, batch: &mut Batch, outcomes: Vec<Outcome>) {
        let writes = std::mem::take(&mut batch.writes);
        let askers = std::mem::take(&mut batch.askers);
        for ((write, asker), outcome) in writes.into_iter().zip(askers).zip(outcomes) {
            match outcome {
                None => {
                    batch.writes.push(write);
                    batch.askers.push(asker);
                }
                Some(Ok(written)) => {
                    self.note(&written, asker.is_some());
                    answer(asker, Ok(written));
                }
                Some(Err(error)) => {
                    self.metrics.writer.refused.add(1);
                    tracing::error!(%error, "the database refused one write while it took others");
                    answer(asker, Err(NotWritten::Refused));
                }
            }
        }
    }

    /// What nobody else would notice.
    fn note(&self, written: &Written, asked: bool) {
        match written {
            Written::Contradicts(_) => self.metrics.writer.contradicted.add(1),
            Written::UnknownTenant if !asked => {
                self.metrics.writer.refused.add(1);
                tracing::error!("a door names a tenant that is not there: `aftercall tenant create`");
            }
            _ => {}
        }
    }

    fn trouble(&self, error: &StoreError, failures: u32) {
        self.metrics.writer.retries.add(1);
        self.well.store(false, Relaxed);
        if failures == 1 {
            tracing::error!(%error, "the database does not take what was said; trying again until it does");
        }
    }

    fn recover(&self, failures: u32) {
        if failures > 0 {
            self.well.store(true, Relaxed);
            tracing::info!(failures, "the database takes what was said again");
        }
    }

    fn give_up(&self, batch: Batch, error: &StoreError) {
        let lost = batch.writes.len();
        self.metrics.writer.lost.add(lost as u64);
        tracing::error!(%error, lost, "shutting down: the database did not take these writes");
        for asker in batch.askers {
            answer(asker, Err(NotWritten::NotTaken(Full::Stopped)));
        }
    }
}

/// Whoever asked may have gone; what was written stays written.
fn answer(asker: Option<oneshot::Sender<Result<Written, NotWritten>>>, result: Result<Written, NotWritten>) {
    if let Some(asker) = asker {
        drop(asker.send(result));
    }
}

/// Whether something happened to a rating.
fn is_change(written: &Written) -> bool {
    matches!(
        written,
        Written::New(_)
            | Written::Filled(_)
            | Written::Amended(_)
            | Written::Replaced(_)
            | Written::Erased(_)
    )
}

/// Whether this may be a single write's fault. A lock, a full disk, a server that is gone and a closed store are not.
fn may_be_one_write(error: &StoreError) -> bool {
    match error {
        StoreError::Failed { .. } | StoreError::Damaged { .. } | StoreError::TooMany { .. } => true,
        StoreError::Url(_)
        | StoreError::Locked { .. }
        | StoreError::Full { .. }
        | StoreError::Unusable { .. }
        | StoreError::Unreachable { .. }
        | StoreError::Refused { .. }
        | StoreError::NotOurs { .. }
        | StoreError::Newer { .. }
        | StoreError::HalfMoved { .. }
        | StoreError::Unfit { .. }
        | StoreError::Differs { .. }
        | StoreError::Closed => false,
    }
}

/// A range's two halves, the first on top; one write has none but itself.
fn halves(whole: Range<usize>) -> Vec<Range<usize>> {
    let middle = whole.start + whole.len() / 2;
    match whole.len() {
        0 => Vec::new(),
        1 => vec![whole],
        _ => vec![middle..whole.end, whole.start..middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_reaches_every_write_once_and_in_order() {
        for count in 0..40 {
            let mut parts = halves(0..count);
            let mut singles = Vec::new();
            while let Some(part) = parts.pop() {
                if part.len() == 1 { singles.push(part.start) } else { parts.extend(halves(part)) }
            }
            assert_eq!(singles, (0..count).collect::<Vec<_>>());
        }
    }
}
