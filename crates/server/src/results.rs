//! The result service: counts anew, in the background, what has changed. Answers are exact without it, and fast with it.

use std::time::Duration;

use aftercall_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;

/// How often it is looked for changes: what is not counted yet is read from the ratings, so nobody waits for this.
const LOOKED_FOR_EVERY: Duration = Duration::from_secs(1);

/// Keeps counting until it is told to stop.
pub(crate) async fn keep_counting(store: Store, clock: Clock, stop: CancellationToken) {
    let mut looks = interval(LOOKED_FOR_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        match count(&store, &clock, &stop).await {
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
