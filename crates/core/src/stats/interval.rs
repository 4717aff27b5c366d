//! How sure a share is: the Wilson score interval.

/// A range that holds the true value at some level of confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How often an interval shall hold the true value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The standard normal deviate that leaves half of the rest on either side.
    z: f64,
}

/// The level is outside what can be computed to the promised precision.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("a level of confidence lies between 0.5 and 0.9999, not at {0}")]
pub struct NotALevel(pub f64);

impl Level {
    /// 95 %: what every interval of the API has unless another is asked for.
    pub const P95: Self = Self { z: 1.959_963_984_540_054 };

    /// Any level from 0.5 to 0.9999.
    ///
    /// # Errors
    /// When it lies outside, or is not a number.
    pub fn new(level: f64) -> Result<Self, NotALevel> {
        if !(0.5..=0.9999).contains(&level) {
            return Err(NotALevel(level));
        }
        Ok(Self { z: deviate(level) })
    }

    /// The standard normal deviate that leaves half of the rest on either side.
    #[must_use]
    pub fn z(self) -> f64 {
        self.z
    }
}

/// The Wilson score interval of `part` out of `whole`, both ends from 0 to 1.
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
#[must_use]
pub fn wilson(part: u64, whole: u64, level: Level) -> Option<Interval> {
    if whole == 0 {
        return None;
    }
    let (n, share, z) = (whole as f64, part as f64 / whole as f64, level.z);
    let scale = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / scale;
    let half = z / scale * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    // At 0 and at 100 percent the formula's end is exactly that; rounding must not leave a crumb.
    let low = if part == 0 { 0.0 } else { centre - half };
    let high = if part == whole { 1.0 } else { centre + half };
    Some(Interval { low, high })
}

/// The z for which a standard normal lies within ±z as often as `level`, by Newton's method.
fn deviate(level: f64) -> f64 {
    /// Near the end each step doubles the right digits; from the start below, 0.9999 takes thirteen.
    const STEPS: usize = 16;
    let mut z = 1.0;
    for _ in 0..STEPS {
        z -= (within(z) - level) / (2.0 * density(z));
    }
    z
}

/// How often a standard normal lies within ±z: twice the series
/// φ(z) (z + z³/3 + z⁵/(3·5) + …), all of whose terms are positive, so nothing cancels.
fn within(z: f64) -> f64 {
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term > sum * 1e-17 {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    2.0 * density(z) * sum
}

/// The standard normal density.
fn density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt()
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
    fn intervals_are_the_reference_ones_at_95_and_90_percent() {
        let rows: Vec<(u64, u64, [f64; 2], [f64; 2])> =
            serde_json::from_str(include_str!("../../tests/vectors/stats/wilson.json")).unwrap();
        assert!(rows.len() >= 70);
        for (part, whole, at_95, at_90) in rows {
            for (level, [low, high]) in [(Level::P95, at_95), (Level::new(0.9).unwrap(), at_90)] {
                let own = wilson(part, whole, level).unwrap();
                assert!((own.low - low).abs() < 1e-9, "{part}/{whole}: {own:?}");
                assert!((own.high - high).abs() < 1e-9, "{part}/{whole}: {own:?}");
            }
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
