//! Counters, gauges and histograms: a few atomics each.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts that many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// How many so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Goes up, or down by a negative number.
    pub fn add(&self, by: i64) {
        self.0.fetch_add(by, Relaxed);
    }

    /// Where it stands.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How long things took.
#[derive(Debug, Default)]
pub struct Histogram {
    counts: [AtomicU64; Self::EDGES_SECONDS.len() + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    /// Upper ends of the buckets: from a memory hit to the longest request anyone waits for.
    pub const EDGES_SECONDS: [f64; 12] =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

    /// Counts one.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Self::EDGES_SECONDS.iter().take_while(|edge| seconds > **edge).count();
        self.counts[bucket].fetch_add(1, Relaxed);
        // 2^64 ns are 584 years of waiting.
        self.nanoseconds.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// How many in each bucket (the last has no upper end), and how long all of them took.
    #[must_use]
    pub fn read(&self) -> (Vec<u64>, Duration) {
        let counts = self.counts.iter().map(|count| count.load(Relaxed)).collect();
        (counts, Duration::from_nanos(self.nanoseconds.load(Relaxed)))
    }
}
