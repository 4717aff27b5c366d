//! The one place of the benchmark that reads the time and sleeps.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that began to run when it was made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

/// The two clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Since the [`Clock`] was made; never goes back.
    pub now: Duration,
    /// Since 1970: what the kernel stamps datagrams with.
    pub calendar: Duration,
}

/// A stamp further back than this is not believed: the calendar clock was set meanwhile.
const WAITED_MAX: Duration = Duration::from_secs(10);

impl Clock {
    /// Starts it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this module is where time comes from")]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// How long it has been running.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Both clocks.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this module is where time comes from")]
    pub fn moment(&self) -> Moment {
        // Before 1970 there were no kernel stamps to compare with.
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { now: self.now(), calendar }
    }

    /// Sleeps until it shows `deadline`; returns at once if that has passed.
    pub fn sleep_until(&self, deadline: Duration) {
        let left = deadline.saturating_sub(self.now());
        if !left.is_zero() {
            thread::sleep(left);
        }
    }
}

impl Moment {
    /// When a datagram arrived, by [`Moment::now`]'s clock, from the kernel's stamp; without one, now.
    #[must_use]
    pub fn arrival(&self, stamp: Option<Duration>) -> Duration {
        let waited =
            stamp.and_then(|stamp| self.calendar.checked_sub(stamp)).filter(|&waited| waited <= WAITED_MAX);
        self.now.saturating_sub(waited.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_says_how_long_a_datagram_has_waited_unless_the_calendar_jumped() {
        let moment = Moment { now: Duration::from_secs(50), calendar: Duration::from_secs(1_000_000) };
        for (stamp, expected) in [
            (None, 50_000),
            (Some(Duration::from_millis(999_999_993)), 49_993),
            (Some(Duration::from_secs(1_000_001)), 50_000),
            (Some(Duration::from_secs(900_000)), 50_000),
        ] {
            assert_eq!(moment.arrival(stamp), Duration::from_millis(expected), "{stamp:?}");
        }
    }
}
