//! How long things took: a histogram of fixed resolution, so that millions of values cost nothing to keep.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Values are told apart to this much.
pub const STEP: Duration = Duration::from_micros(50);

/// Up to one second, by steps; what is longer shares the last place, and only the maximum tells it.
const STEPS: usize = 20_000;

/// Counts durations.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Box<[u64]>,
    count: u64,
    max: Duration,
}

/// What a [`Histogram`] says, in milliseconds; all zero where nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// How many values.
    pub count: u64,
    /// Half of them are at most this.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// All of them.
    pub max_ms: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; STEPS + 1].into_boxed_slice(), count: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: Duration) {
        let step = usize::try_from(value.as_nanos() / STEP.as_nanos()).unwrap_or(STEPS).min(STEPS);
        self.counts[step] += 1;
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Takes in what another counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.max = self.max.max(other.max);
    }

    /// A bound that `share` (0-1) of the values do not pass: the upper edge of their step, and never more than
    /// the longest. Zero when nothing was counted.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (edge, count) in (1_u32..).zip(&self.counts[..STEPS]) {
            seen += count;
            if seen >= wanted {
                return (STEP * edge).min(self.max);
            }
        }
        self.max
    }

    /// The figures that are shown.
    #[must_use]
    pub fn spread(&self) -> Spread {
        let ms = |duration: Duration| duration.as_micros() as f64 / 1000.0;
        Spread {
            count: self.count,
            p50_ms: ms(self.quantile(0.5)),
            p99_ms: ms(self.quantile(0.99)),
            p999_ms: ms(self.quantile(0.999)),
            max_ms: ms(self.max),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        micros.into_iter().for_each(|value| histogram.record(Duration::from_micros(value)));
        histogram
    }

    #[test]
    fn nothing_counted_is_zero_everywhere() {
        assert_eq!(Histogram::default().spread(), Spread::default());
    }

    #[test]
    fn the_tail_is_told_apart_from_the_middle() {
        // 985 values below one step, ten at 3 ms, four at 30 ms, one at two seconds.
        let values = (0..985).map(|n| n % 50).chain([3_000; 10]).chain([30_000; 4]).chain([2_000_000]);
        let spread = of(values).spread();
        let shown = (spread.count, spread.p50_ms, spread.p99_ms, spread.p999_ms, spread.max_ms);
        assert_eq!(shown, (1000, 0.05, 3.05, 30.05, 2000.0));
    }

    proptest! {
        #[test]
        fn a_quantile_is_within_one_step_of_the_sorted_values(
            values in prop::collection::vec(0_u64..900_000, 1..200), share in 0.0..=1.0_f64,
        ) {
            let quantile = of(values.iter().copied()).quantile(share);
            let mut sorted = values;
            sorted.sort_unstable();
            let place = ((share * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len());
            let exact = Duration::from_micros(sorted[place - 1]);
            prop_assert!(exact <= quantile && quantile <= exact + STEP, "{exact:?} {quantile:?}");
        }

        #[test]
        fn merging_is_counting_everything_in_one(
            left in prop::collection::vec(0_u64..2_000_000, 0..50),
            right in prop::collection::vec(0_u64..2_000_000, 0..50),
        ) {
            let mut merged = of(left.iter().copied());
            merged.merge(&of(right.iter().copied()));
            prop_assert_eq!(merged.spread(), of(left.into_iter().chain(right)).spread());
        }
    }
}
