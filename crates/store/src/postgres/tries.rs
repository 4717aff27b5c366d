//! Again, where the same again may go well: bounded, with a pause that grows and is never the same on two nodes.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use crate::fault::Fault;
use crate::postgres::fault;

/// Tries of one read or batch. More than the connections that a pool may hold, each of which may turn out to be
/// gone; and of those who race for the same calls one wins each time.
const TRIES_MAX: u32 = 24;

/// The longest pause grows from one millisecond to this: all together take at most a second.
const PAUSE_MAX: Duration = Duration::from_millis(64);

/// How often something has been tried.
#[derive(Default)]
pub(super) struct Tries(u32);

impl Tries {
    /// Returns when it is time to try again.
    ///
    /// # Errors
    /// Gives the fault back when that would not help, or has not helped often enough.
    pub(super) async fn again(&mut self, fault: Fault) -> Result<(), Fault> {
        self.0 += 1;
        if self.0 >= TRIES_MAX || !fault::passes(&fault) {
            return Err(fault);
        }
        let longest = Duration::from_millis(1 << self.0.min(16)).min(PAUSE_MAX);
        tokio::time::sleep(longest.mul_f64(share())).await;
        Ok(())
    }
}

/// A random share of one: the hasher's keys are the standard library's own random numbers.
fn share() -> f64 {
    f64::from(RandomState::new().hash_one(()) as u32) / f64::from(u32::MAX)
}
