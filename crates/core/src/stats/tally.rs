//! Five counts, one for each score: all that any average, share or ranking needs.

use crate::score::Score;
use crate::stats::interval::{Interval, Level, wilson};

/// How many ratings there are of each score.
///
/// The counts add up to at most [`Tally::RATINGS_MAX`], so that no figure made of them overflows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Tally([u64; 5]);

/// More ratings than a tally holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tally holds at most {} ratings", Tally::RATINGS_MAX)]
pub struct TooMany;

impl Tally {
    /// The most ratings of one tally: five times as many (the largest sum of scores) fit a `u64`.
    /// At 10,000 ratings a second it would take eleven million years.
    pub const RATINGS_MAX: u64 = u64::MAX / 5;

    /// The counts of the scores 1 to 5, in this order.
    ///
    /// # Errors
    /// When they add up to more than [`Tally::RATINGS_MAX`].
    pub fn new(counts: [u64; 5]) -> Result<Self, TooMany> {
        let count = counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n)).ok_or(TooMany)?;
        if count > Self::RATINGS_MAX { Err(TooMany) } else { Ok(Self(counts)) }
    }

    /// These ratings and those together.
    ///
    /// # Errors
    /// When they are more than [`Tally::RATINGS_MAX`]; neither changes.
    pub fn merge(&self, other: &Self) -> Result<Self, TooMany> {
        let mut counts = self.0;
        for (mine, theirs) in counts.iter_mut().zip(other.0) {
            *mine = mine.checked_add(theirs).ok_or(TooMany)?;
        }
        Self::new(counts)
    }

    /// One rating more.
    ///
    /// # Errors
    /// When it is one too many; nothing changes.
    pub fn add(&mut self, score: Score) -> Result<(), TooMany> {
        let mut one = Self::default();
        one.0[usize::from(score.get() - 1)] = 1;
        *self = self.merge(&one)?;
        Ok(())
    }

    /// The counts of the scores 1 to 5, in this order.
    #[must_use]
    pub fn counts(&self) -> [u64; 5] {
        self.0
    }

    /// How many ratings.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The scores' sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.0.iter().zip(1..).map(|(n, score): (&u64, u64)| n * score).sum()
    }

    /// How many rated 4 or 5.
    #[must_use]
    pub fn satisfied(&self) -> u64 {
        self.0[3] + self.0[4]
    }

    /// The plain mean of the scores, 1-5.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        share(self.sum(), self.count())
    }

    /// The share of scores 4 and 5, in percent, 0-100.
    #[must_use]
    pub fn csat_percent(&self) -> Option<f64> {
        share(self.satisfied(), self.count()).map(|part| 100.0 * part)
    }

    /// The Wilson interval of [`Tally::csat_percent`], in percent.
    #[must_use]
    pub fn csat_interval(&self, level: Level) -> Option<Interval> {
        let share = wilson(self.satisfied(), self.count(), level)?;
        Some(Interval { low: 100.0 * share.low, high: 100.0 * share.high })
    }
}

/// `part / whole`, unless there is nothing to divide by.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_count_has_no_mean_no_share_and_no_interval() {
        let none = Tally::default();
        assert_eq!((none.count(), none.sum()), (0, 0));
        assert_eq!((none.mean(), none.csat_percent(), none.csat_interval(Level::P95)), (None, None, None));
    }

    #[test]
    fn scores_are_counted_where_they_belong() {
        let mut tally = Tally::default();
        for number in [5, 3, 4, 5] {
            tally.add(Score::try_from(number).unwrap()).unwrap();
        }
        assert_eq!(tally.counts(), [0, 0, 1, 1, 2]);
        assert_eq!((tally.count(), tally.sum(), tally.satisfied()), (4, 17, 3));
        assert_eq!((tally.mean(), tally.csat_percent()), (Some(4.25), Some(75.0)));
    }

    #[test]
    fn means_and_shares_are_the_reference_ones() {
        #[derive(serde::Deserialize)]
        struct Row {
            scope: String,
            dist: [u64; 5],
            n: u64,
            sum: u64,
            mean: f64,
            csat: f64,
            wilson95: [f64; 2],
        }
        let rows: Vec<Row> =
            serde_json::from_str(include_str!("../../tests/vectors/stats/summary.json")).unwrap();
        assert!(rows.len() >= 8);
        for row in rows {
            let tally = Tally::new(row.dist).unwrap();
            assert_eq!((tally.count(), tally.sum()), (row.n, row.sum), "{}", row.scope);
            assert!((tally.mean().unwrap() - row.mean).abs() < 1e-12, "{}", row.scope);
            assert!((tally.csat_percent().unwrap() - row.csat).abs() < 1e-10, "{}", row.scope);
            let own = tally.csat_interval(Level::P95).unwrap();
            assert!((own.low / 100.0 - row.wilson95[0]).abs() < 1e-9, "{}", row.scope);
            assert!((own.high / 100.0 - row.wilson95[1]).abs() < 1e-9, "{}", row.scope);
        }
    }

    #[test]
    fn a_tally_refuses_what_would_overflow_and_stays_as_it_was() {
        let max = Tally::RATINGS_MAX;
        let mut full = Tally::new([0, 0, 0, 0, max]).unwrap();
        assert_eq!((full.sum(), full.mean()), (max * 5, Some(5.0)));
        assert_eq!(full.add(Score::ALL[0]), Err(TooMany));
        assert_eq!(full.counts(), [0, 0, 0, 0, max]);
        assert_eq!(full.merge(&full), Err(TooMany));
        assert_eq!(Tally::new([1, 0, 0, 0, max]), Err(TooMany));
        assert_eq!(Tally::new([u64::MAX, 1, 0, 0, 0]), Err(TooMany));
    }
}
