//! How sure a share is: the intervals of Wilson, Goodman and Newcombe.

use crate::stats::probability::normal_deviate;

/// A range that holds the true value at some level of confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// Low, high.
impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

impl Interval {
    /// Both ends times a hundred: shares become percent.
    pub(super) fn percent(self) -> Self {
        Self { low: 100.0 * self.low, high: 100.0 * self.high }
    }

    /// As far on either side, cut to what can be.
    pub(super) fn around(centre: f64, half: f64, least: f64, most: f64) -> Self {
        // Rounding may put the centre of the largest numbers a hair outside.
        let centre = centre.clamp(least, most);
        Self { low: (centre - half).clamp(least, centre), high: (centre + half).clamp(centre, most) }
    }
}

/// How often an interval shall hold the true value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    share: f64,
    /// The standard normal deviate that leaves half of the rest on either side.
    z: f64,
}

/// The level is outside what can be computed to the promised precision.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a level of confidence lies between 0.5 and 0.9999, not at {0}")]
pub struct NotALevel(pub f64);

impl Level {
    /// 95 %: what every interval of the API has unless another is asked for.
    pub const P95: Self = Self { share: 0.95, z: 1.959_963_984_540_054 };

    /// Any level from 0.5 to 0.9999.
    ///
    /// # Errors
    /// When it lies outside, or is not a number.
    pub fn new(level: f64) -> Result<Self, NotALevel> {
        if !(0.5..=0.9999).contains(&level) {
            return Err(NotALevel(level));
        }
        Ok(Self { share: level, z: normal_deviate(level) })
    }

    /// The standard normal deviate that leaves half of the rest on either side.
    #[must_use]
    pub fn z(self) -> f64 {
        self.z
    }

    /// The level itself, as a share.
    #[must_use]
    pub fn share(self) -> f64 {
        self.share
    }
}

/// The Wilson score interval of `part` out of `whole`, both ends from 0 to 1.
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
#[must_use]
pub fn wilson(part: u64, whole: u64, level: Level) -> Option<Interval> {
    (whole > 0).then(|| score(part, whole, level.z))
}

/// Intervals of the shares of `counts` that hold all of them at once.
///
/// They are Wilson's with the error shared out evenly: z² is the quantile of χ² with one degree of
/// freedom at `1 - (1 - level) / N`. L. A. Goodman, "On simultaneous confidence intervals for
/// multinomial proportions" (1965).
#[must_use]
pub fn goodman<const N: usize>(counts: [u64; N], level: Level) -> Option<[Interval; N]> {
    let whole = counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n)).filter(|sum| *sum > 0)?;
    let z = normal_deviate(1.0 - (1.0 - level.share) / N as f64);
    Some(counts.map(|part| score(part, whole, z)))
}

/// The interval of the difference between two shares, each `(part, whole)`: first minus second,
/// both ends from -1 to 1. R. G. Newcombe, "Interval estimation for the difference between
/// independent proportions" (1998), method 10.
#[must_use]
pub fn newcombe(first: (u64, u64), second: (u64, u64), level: Level) -> Option<Interval> {
    let (one, two) = (wilson(first.0, first.1, level)?, wilson(second.0, second.1, level)?);
    let [p, q] = [first, second].map(|(part, whole)| part as f64 / whole as f64);
    let below = (p - one.low).hypot(two.high - q);
    let above = (q - two.low).hypot(one.high - p);
    Some(Interval { low: (p - q - below).max(-1.0), high: (p - q + above).min(1.0) })
}

fn score(part: u64, whole: u64, z: f64) -> Interval {
    let (n, share) = (whole as f64, part as f64 / whole as f64);
    let scale = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / scale;
    let half = z / scale * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // At 0 and at 100 percent the formula's end is exactly that, and the share lies within;
    // rounding must not leave a crumb.
    let low = if part == 0 { 0.0 } else { (centre - half).clamp(0.0, share) };
    let high = if part == whole { 1.0 } else { (centre + half).clamp(share, 1.0) };
    Interval { low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviates_agree_with_the_tables() {
        for (level, z) in [
            (0.5, 0.674_489_750_196_081_7),
            (0.8, 1.281_551_565_544_600_4),
            (0.9, 1.644_853_626_951_472_2),
            (0.95, Level::P95.z()),
            (0.99, 2.575_829_303_548_901),
            (0.999, 3.290_526_731_491_889_5),
            (0.9999, 3.890_591_886_413_093_6),
        ] {
            let own = Level::new(level).unwrap().z();
            assert!((own - z).abs() < 1e-11, "{level}: {own} is not {z}");
        }
    }

    #[test]
    fn an_interval_of_all_or_none_ends_exactly_there_and_of_nothing_there_is_none() {
        for whole in [1, 2, 3, 7, 49, 1_000_003, u64::MAX / 5] {
            assert_eq!(wilson(0, whole, Level::P95).unwrap().low, 0.0);
            assert_eq!(wilson(whole, whole, Level::P95).unwrap().high, 1.0);
        }
        assert_eq!(wilson(0, 0, Level::P95), None);
    }

    #[test]
    fn levels_that_are_none_are_refused() {
        for level in [0.0, 0.499, 1.0, 95.0, -0.9, f64::INFINITY] {
            assert_eq!(Level::new(level), Err(NotALevel(level)));
        }
        assert!(Level::new(f64::NAN).is_err());
    }
}
