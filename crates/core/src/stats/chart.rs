//! Control charts: which buckets are unusual, measured by a baseline that stays as it was.
//!
//! A chart says "look here", not "somebody is at fault". Of buckets that only chance moves, about
//! one in 370 lies beyond three standard deviations.

use crate::stats::interval::Interval;
use crate::stats::tally::Tally;

/// A moving range is so much larger, on average, than a standard deviation: d2 for two values
/// (W. A. Shewhart, "Economic control of quality of manufactured product", 1931).
const RANGE_PER_DEVIATION: f64 = 1.128;
/// Limits lie three standard deviations off: in moving ranges 3 / 1.128, by custom rounded to this.
const LIMITS_PER_RANGE: f64 = 2.66;
/// Rule 1: beyond so many standard deviations a value is unusual (Western Electric Company,
/// "Statistical quality control handbook", 1956).
const DEVIATIONS: f64 = 3.0;
/// What a cumulative sum forgives at each step, in standard deviations.
const SLACK: f64 = 0.5;
/// The sum at which it signals, in standard deviations.
const DECISION: f64 = 5.0;

/// The charts of a series. A chart is None where its baseline has no variation to measure by.
///
/// Places are those in the series that was given, the first 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Charts {
    /// The share of scores 4 and 5.
    pub csat: Option<ShareChart>,
    /// The mean score.
    pub mean: Option<MeanChart>,
}

/// The p' chart of D. B. Laney, "Improved control charts for attributes" (2002): limits for shares,
/// widened by as much as the baseline varies beyond what the numbers of ratings explain.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareChart {
    /// The baseline's share, in percent.
    pub centre: f64,
    /// By how much the limits are wider than chance alone would have them: 1 is not at all.
    pub sigma_z: f64,
    /// Each rated bucket's place and limits, in percent.
    pub limits: Vec<(usize, Interval)>,
    /// The places of buckets beyond three standard deviations (rule 1).
    pub unusual: Vec<usize>,
}

/// The chart of individual values and moving ranges (XmR), and the cumulative sums of E. S. Page,
/// "Continuous inspection schemes" (1954), with slack 0.5 and decision interval 5.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanChart {
    /// The mean of the baseline's means.
    pub centre: f64,
    /// The mean distance from a bucket to the next in the baseline.
    pub moving_range: f64,
    /// `centre` ± 2.66 moving ranges.
    pub limits: Interval,
    /// The places of buckets beyond three standard deviations (rule 1).
    pub unusual: Vec<usize>,
    /// The first bucket at which many small steps up have added up to a shift.
    pub shift_up: Option<usize>,
    /// The first bucket at which many small steps down have.
    pub shift_down: Option<usize>,
}

/// A rule by which a bucket is unusual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChartRule {
    /// Its mean score lies beyond three standard deviations (XmR).
    Mean,
    /// Its share of scores 4 and 5 does (Laney p').
    Csat,
    /// It is the first by which many small steps up have added up (CUSUM).
    ShiftUp,
    /// It is the first by which many small steps down have.
    ShiftDown,
}

impl ChartRule {
    /// Every rule.
    pub const ALL: [Self; 4] = [Self::Mean, Self::Csat, Self::ShiftUp, Self::ShiftDown];

    /// The word in the database and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Csat => "csat",
            Self::ShiftUp => "shift_up",
            Self::ShiftDown => "shift_down",
        }
    }
}

/// Why a bucket is unusual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unusual {
    /// By which rule.
    pub rule: ChartRule,
    /// What is usual: a mean score, or a percentage.
    pub centre: f64,
    /// Its limits; none where many small steps added up.
    pub limits: Option<Interval>,
}

impl Charts {
    /// Why the bucket at this place is unusual; nothing where it is not.
    #[must_use]
    pub fn unusual(&self, place: usize) -> Vec<Unusual> {
        let mean = self.mean.iter().flat_map(|chart| {
            let beyond = chart.unusual.contains(&place).then_some((ChartRule::Mean, Some(chart.limits)));
            let shift = |at: Option<usize>, rule| (at == Some(place)).then_some((rule, None));
            let shifts =
                [shift(chart.shift_up, ChartRule::ShiftUp), shift(chart.shift_down, ChartRule::ShiftDown)];
            let found = beyond.into_iter().chain(shifts.into_iter().flatten());
            found.map(|(rule, limits)| Unusual { rule, centre: chart.centre, limits })
        });
        let csat = self.csat.iter().filter(|chart| chart.unusual.contains(&place)).map(|chart| Unusual {
            rule: ChartRule::Csat,
            centre: chart.centre,
            limits: chart.limits.iter().find(|(at, _)| *at == place).map(|(_, limits)| *limits),
        });
        mean.chain(csat).collect()
    }
}

/// Charts of these buckets in the order of time; the first `baseline` of those with ratings are
/// the baseline. No chart where there are fewer than that, or the baseline is below two.
#[must_use]
pub fn charts(buckets: &[Tally], baseline: usize) -> Charts {
    let rated: Vec<(usize, &Tally)> =
        buckets.iter().enumerate().filter(|(_, tally)| tally.count() > 0).collect();
    if baseline < 2 || rated.len() < baseline {
        return Charts::default();
    }
    Charts { csat: ShareChart::of(&rated, baseline), mean: MeanChart::of(&rated, baseline) }
}

impl ShareChart {
    fn of(rated: &[(usize, &Tally)], baseline: usize) -> Option<Self> {
        let sum =
            |of: fn(&Tally) -> u64| rated[..baseline].iter().map(|(_, tally)| of(tally) as f64).sum::<f64>();
        let centre = sum(Tally::satisfied) / sum(Tally::count);
        let deviation = |tally: &Tally| (centre * (1.0 - centre) / tally.count() as f64).sqrt();
        let z = |tally: &Tally| (tally.satisfied() as f64 / tally.count() as f64 - centre) / deviation(tally);
        let standard: Vec<f64> = rated.iter().map(|(_, tally)| z(tally)).collect();
        let sigma_z = moving_range(&standard[..baseline]) / RANGE_PER_DEVIATION;
        if !varies(sigma_z) {
            return None;
        }
        let limits = |tally: &Tally| {
            Interval::around(centre, DEVIATIONS * deviation(tally) * sigma_z, 0.0, 1.0).percent()
        };
        let unusual = places(rated, standard.iter().map(|z| z / sigma_z));
        let limits = rated.iter().map(|(place, tally)| (*place, limits(tally))).collect();
        Some(Self { centre: 100.0 * centre, sigma_z, limits, unusual })
    }
}

impl MeanChart {
    fn of(rated: &[(usize, &Tally)], baseline: usize) -> Option<Self> {
        let means: Vec<f64> = rated.iter().filter_map(|(_, tally)| tally.mean()).collect();
        let centre = means[..baseline].iter().sum::<f64>() / baseline as f64;
        let moving_range = moving_range(&means[..baseline]);
        if !varies(moving_range) {
            return None;
        }
        let half = LIMITS_PER_RANGE * moving_range;
        let standard = || means.iter().map(|mean| (mean - centre) / (moving_range / RANGE_PER_DEVIATION));
        let place = |at: usize| rated[at].0;
        Some(Self {
            centre,
            moving_range,
            limits: Interval { low: centre - half, high: centre + half },
            unusual: places(rated, standard()),
            shift_up: shift(standard()).map(place),
            shift_down: shift(standard().map(|z| -z)).map(place),
        })
    }
}

/// Whether a baseline's spread is more than rounding.
fn varies(spread: f64) -> bool {
    const ROUNDING: f64 = 1e-12;
    spread.is_finite() && spread > ROUNDING
}

/// The mean distance from one value to the next.
fn moving_range(values: &[f64]) -> f64 {
    let ranges = values.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    ranges.sum::<f64>() / (values.len() - 1) as f64
}

/// The places of those that lie beyond three standard deviations.
fn places(rated: &[(usize, &Tally)], standard: impl Iterator<Item = f64>) -> Vec<usize> {
    rated.iter().zip(standard).filter(|(_, z)| z.abs() > DEVIATIONS).map(|((place, _), _)| *place).collect()
}

/// Where the cumulative sum of what exceeds the slack first passes the decision interval.
fn shift(standard: impl Iterator<Item = f64>) -> Option<usize> {
    let mut sum = 0.0_f64;
    standard.into_iter().position(|z| {
        sum = (sum + z - SLACK).max(0.0);
        sum > DECISION
    })
}
