//! The result service: counts anew, in the background, what has changed. Answers are exact without it, and fast with it.

use std::time::Duration;

use aftercall_store::{Store, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// How soon it is looked for changes again: what is not counted yet is read from the ratings, so nobody waits for this.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// A pause lasts so many times as long as the counting before it took. A busy queue's day is counted as a whole each time
/// it changes, while nobody else writes: so that takes a fiftieth of the time at most, however many ratings it has.
const PAUSE_TIMES: u32 = 50;

/// But no longer than this: what a million ratings from elsewhere changed takes seconds to count, and what came in behind
/// them is not to wait for minutes.
const PAUSE_MAX: Duration = Duration::from_secs(15);

/// Keeps counting until it is told to stop.
pub(crate) async fn keep_counting(store: Store, clock: Clock, stop: CancellationToken) {
    let mut is_failing = false;
    let mut pause = PAUSE_MIN;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(pause) => {}
        }
        let began = clock.elapsed();
        let counted = count(&store, &clock, &stop).await;
        pause = (clock.elapsed().saturating_sub(began) * PAUSE_TIMES).clamp(PAUSE_MIN, PAUSE_MAX);
        match counted {
            Ok(()) => is_failing = false,
            // Said once, not every second; the writer says the same of the same disk.
            Err(error) if !std::mem::replace(&mut is_failing, true) => {
                tracing::warn!(%error, "what has changed cannot be counted now: answers are exact, but slower");
            }
            Err(_) => {}
        }
    }
}

async fn count(store: &Store, clock: &Clock, stop: &CancellationToken) -> Result<(), StoreError> {
    for tenant in store.tenants().await? {
        while !stop.is_cancelled() && !store.catch_up(&tenant.id, clock.now()).await?.is_idle() {}
    }
    Ok(())
}
