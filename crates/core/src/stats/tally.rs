//! Five counts, one for each score: all that any average, share or ranking needs.

use crate::score::Score;
use crate::stats::interval::{Interval, Level, goodman, wilson};
use crate::stats::probability::t_deviate;

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

    /// From so many ratings on the mean is as good as normal, and its interval is Student's.
    pub const STUDENT_MIN: u64 = 100;

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

    /// All of these together.
    ///
    /// # Errors
    /// When they are more than [`Tally::RATINGS_MAX`].
    pub fn total<'a>(tallies: impl IntoIterator<Item = &'a Self>) -> Result<Self, TooMany> {
        tallies.into_iter().try_fold(Self::default(), |sum, tally| sum.merge(tally))
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

    /// What is left of these ratings without those, none below zero.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut counts = self.0;
        for (mine, theirs) in counts.iter_mut().zip(other.0) {
            *mine = mine.saturating_sub(theirs);
        }
        Self(counts)
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

    /// How many rated 1 or 2.
    #[must_use]
    pub fn dissatisfied(&self) -> u64 {
        self.0[0] + self.0[1]
    }

    /// The plain mean of the scores, 1-5.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        share(self.sum(), self.count())
    }

    /// The score in the middle, 1-5; of an even number halfway between the two in the middle.
    #[must_use]
    pub fn median(&self) -> Option<f64> {
        let last = self.count().checked_sub(1)?;
        Some((self.score_at(last / 2) + self.score_at(last.div_ceil(2))) / 2.0)
    }

    /// The standard deviation of the scores, with n - 1. Of fewer than two there is none.
    #[must_use]
    pub fn standard_deviation(&self) -> Option<f64> {
        let spare = self.count().checked_sub(2)? + 1;
        Some((self.squares_within() / spare as f64).sqrt())
    }

    /// The share of scores 4 and 5, in percent, 0-100.
    #[must_use]
    pub fn csat_percent(&self) -> Option<f64> {
        share(self.satisfied(), self.count()).map(|part| 100.0 * part)
    }

    /// The share of scores 1 and 2, in percent, 0-100.
    #[must_use]
    pub fn dsat_percent(&self) -> Option<f64> {
        share(self.dissatisfied(), self.count()).map(|part| 100.0 * part)
    }

    /// [`Tally::csat_percent`] minus [`Tally::dsat_percent`], in percentage points, -100 to 100.
    #[must_use]
    pub fn net_percent(&self) -> Option<f64> {
        let difference = i128::from(self.satisfied()) - i128::from(self.dissatisfied());
        (self.count() > 0).then(|| 100.0 * (difference as f64 / self.count() as f64))
    }

    /// The Wilson interval of [`Tally::csat_percent`], in percent.
    #[must_use]
    pub fn csat_interval(&self, level: Level) -> Option<Interval> {
        wilson(self.satisfied(), self.count(), level).map(Interval::percent)
    }

    /// The 95 % interval of [`Tally::mean`], within 1 to 5.
    ///
    /// From [`Tally::STUDENT_MIN`] ratings on it is [`Tally::student_interval`]. Below, and where all
    /// scores are the same, that one is too sure of itself: there it is the mean of the posterior
    /// with Jeffreys' prior, Dirichlet(1/2), ± 1.96 of its standard deviations (H. Jeffreys, "An
    /// invariant form for the prior probability in estimation problems", 1946).
    #[must_use]
    pub fn mean_interval(&self) -> Option<Interval> {
        let student = self.student_interval(Level::P95).filter(|_| self.count() >= Self::STUDENT_MIN);
        student.or_else(|| self.posterior_interval())
    }

    /// Student's t interval of [`Tally::mean`]: `mean ± t · sd / √n`, cut to 1 to 5. None where all
    /// scores are the same. Student, "The probable error of a mean" (1908).
    #[must_use]
    pub fn student_interval(&self, level: Level) -> Option<Interval> {
        let (mean, deviation) = (self.mean()?, self.standard_deviation().filter(|sd| *sd > 0.0)?);
        let n = self.count() as f64;
        let half = t_deviate(level.share(), n - 1.0) * deviation / n.sqrt();
        Some(Interval::around(mean, half, 1.0, 5.0))
    }

    /// Simultaneous intervals of the shares of the scores 1 to 5, in percent: all five hold at once
    /// at this level ([`goodman`]).
    #[must_use]
    pub fn distribution_intervals(&self, level: Level) -> Option<[Interval; 5]> {
        goodman(self.0, level).map(|shares| shares.map(Interval::percent))
    }

    /// The squared distances of the scores from their mean, summed.
    pub(super) fn squares_within(&self) -> f64 {
        let mean = self.mean().unwrap_or_default();
        self.0.iter().zip(1_u8..).map(|(n, score)| *n as f64 * (f64::from(score) - mean).powi(2)).sum()
    }

    /// The score at this place when all are in order, the first at 0.
    fn score_at(&self, place: u64) -> f64 {
        let mut seen = 0;
        let below = self.0.iter().take_while(|n| {
            seen += **n;
            seen <= place
        });
        below.count() as f64 + 1.0
    }

    fn posterior_interval(&self) -> Option<Interval> {
        const PRIOR: f64 = 0.5;
        const DEVIATIONS: f64 = 1.96;
        if self.count() == 0 {
            return None;
        }
        let weights = self.0.map(|n| n as f64 + PRIOR);
        let all: f64 = weights.iter().sum();
        let of_scores = |f: &dyn Fn(f64) -> f64| -> f64 {
            weights.iter().zip(1_u8..).map(|(w, score)| w * f(f64::from(score))).sum::<f64>() / all
        };
        let mean = of_scores(&|score| score);
        let deviation = (of_scores(&|score| (score - mean).powi(2)) / (all + 1.0)).sqrt();
        Some(Interval::around(mean, DEVIATIONS * deviation, 1.0, 5.0))
    }
}

/// `part / whole`, unless there is nothing to divide by.
pub(super) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| ratio(part.into(), whole.into()))
}

/// `part / whole`. What a float cannot hold is divided in whole numbers first, so that five times
/// as many are never more than 5.
pub(super) fn ratio(part: u128, whole: u128) -> f64 {
    const FLOAT_MAX: u128 = 1 << 53;
    if part <= FLOAT_MAX && whole <= FLOAT_MAX {
        return part as f64 / whole as f64;
    }
    (part / whole) as f64 + (part % whole) as f64 / whole as f64
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
