//! The one place that reads the time. Everything else is handed a [`Clock`], or a reading of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

/// What time it is, for people (`now`) and for deadlines (`elapsed`). Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { started: Instant },
    Set(Arc<Mutex<Reading>>),
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    now: Timestamp,
    elapsed: Duration,
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this module is where time comes from")]
    pub fn system() -> Self {
        Self(Source::System { started: Instant::now() })
    }

    /// A clock that stands still at `now` until it is advanced or set: for tests.
    #[must_use]
    pub fn set_to(now: Timestamp) -> Self {
        Self(Source::Set(Arc::new(Mutex::new(Reading { now, elapsed: Duration::ZERO }))))
    }

    /// The time of day, in microseconds: what the database and the wire can hold.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this module is where time comes from")]
    pub fn now(&self) -> Timestamp {
        let now = match &self.0 {
            Source::System { .. } => {
                // A machine whose clock lies outside the years -9999..9999 has other worries.
                Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
            }
            Source::Set(reading) => reading.lock().unwrap_or_else(PoisonError::into_inner).now,
        };
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    /// How long this clock has been running. It never goes back, whatever happens to the time of day.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match &self.0 {
            Source::System { started } => started.elapsed(),
            Source::Set(reading) => reading.lock().unwrap_or_else(PoisonError::into_inner).elapsed,
        }
    }

    /// Moves a set clock, and all its clones, forward. The machine's clock moves by itself.
    pub fn advance(&self, by: Duration) {
        if let Source::Set(reading) = &self.0 {
            let mut reading = reading.lock().unwrap_or_else(PoisonError::into_inner);
            reading.now = reading.now.checked_add(by).unwrap_or(Timestamp::MAX);
            reading.elapsed += by;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_clock_stands_still_until_advanced_and_its_clones_follow() {
        let clock = Clock::set_to("2026-11-22T08:00:00.123456789Z".parse().unwrap());
        let clone = clock.clone();
        assert_eq!(clock.now().to_string(), "2026-11-22T08:00:00.123456Z");
        assert_eq!(clock.elapsed(), Duration::ZERO);
        clock.advance(Duration::from_secs(90));
        assert_eq!(clone.now().to_string(), "2026-11-22T08:01:30.123456Z");
        assert_eq!(clone.elapsed(), Duration::from_secs(90));
    }

    #[test]
    fn the_system_clock_shows_whole_microseconds() {
        assert_eq!(Clock::system().now().subsec_nanosecond() % 1_000, 0);
    }
}
