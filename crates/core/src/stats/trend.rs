//! Whether scores rise or fall over time, by how much, and whether chance would do the same.

use crate::stats::buckets::{BUCKETS_MAX, TooManyBuckets};
use crate::stats::interval::Interval;
use crate::stats::probability::{normal_beyond, t_beyond, t_deviate};
use crate::stats::slopes::{pair_slopes, repeats};
use crate::stats::tally::Tally;

/// Fewer buckets with ratings than these show no trend.
pub const BUCKETS_MIN: usize = 4;

/// The level of all tests and intervals of a trend.
const LEVEL: f64 = 0.95;
/// The standard normal deviate of that level.
const Z: f64 = 1.959_963_984_540_054;

/// How the mean score develops, per bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// How many buckets have ratings.
    pub buckets: usize,
    /// The median of the slopes between all pairs of buckets, which no outlier moves.
    /// H. Theil, "A rank-invariant method of linear and polynomial regression analysis" (1950).
    pub slope: f64,
    /// Its 95 % interval. P. K. Sen, "Estimates of the regression coefficient based on Kendall's
    /// tau" (1968), equation 2.6.
    pub slope_interval: Interval,
    /// Whether there is a trend at all, each bucket taken as independent of those before.
    pub mann_kendall: Kendall,
    /// The same with regard to how much buckets resemble those before them. None where that leaves
    /// no variance to judge by. This is the one to believe.
    pub hamed_rao: Option<Kendall>,
    /// The straight line to be drawn.
    pub line: Line,
}

/// The test of H. B. Mann, "Nonparametric tests against trend" (1945), and M. G. Kendall, "Rank
/// correlation methods" (1975); as modified by K. H. Hamed and A. R. Rao, "A modified Mann-Kendall
/// trend test for autocorrelated data" (1998).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kendall {
    /// Pairs of buckets that rise minus pairs that fall.
    pub s: i64,
    /// The variance of `s` where chance alone decides.
    pub variance: f64,
    /// `s`, one step nearer to 0, in standard deviations.
    pub z: f64,
    /// How often chance alone makes as large an `s`, two-sided.
    pub p: f64,
    /// `s` as a share of all pairs, -1 to 1.
    pub tau: f64,
    /// What follows at 5 %.
    pub direction: Direction,
}

/// Where scores go, beyond chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Up.
    Rising,
    /// Down.
    Falling,
    /// Nowhere that chance would not go.
    None,
}

/// The straight line of least squares, each bucket weighted by its number of ratings
/// (N. R. Draper and H. Smith, "Applied regression analysis", 3rd edition, 1998, 9.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Where it begins: its height at the first bucket of the span.
    pub intercept: f64,
    /// How much it rises from a bucket to the next.
    pub slope: f64,
    /// The 95 % interval of the slope, by Student's t.
    pub slope_interval: Interval,
    /// How often chance alone makes as steep a line.
    pub p: f64,
}

/// Buckets with ratings: where they stand, their means, and how many ratings they are.
struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Vec<f64>,
}

/// The trend over these buckets in the order of time. Buckets without ratings keep their place and
/// say nothing; with fewer than [`BUCKETS_MIN`] others there is no trend.
///
/// # Errors
/// When there are more than [`BUCKETS_MAX`].
pub fn trend(buckets: &[Tally]) -> Result<Option<Trend>, TooManyBuckets> {
    if buckets.len() > BUCKETS_MAX {
        return Err(TooManyBuckets);
    }
    let points = Points::of(buckets);
    let places: Vec<f64> = (0_u32..).map(f64::from).take(points.y.len()).collect();
    if points.y.len() < BUCKETS_MIN {
        return Ok(None);
    }
    let ties = repeats(&points.y);
    let slopes = pair_slopes(&points.x, &points.y, kendall_variance(points.y.len(), &ties).sqrt() * Z);
    let steps = match points.x == places {
        true => slopes,
        false => pair_slopes(&places, &points.y, 0.0),
    };
    let mann_kendall = Kendall::of(score(&points.y), kendall_variance(points.y.len(), &ties), points.y.len());
    Ok(Some(Trend {
        buckets: points.y.len(),
        slope: slopes.median,
        slope_interval: slopes.interval,
        mann_kendall,
        hamed_rao: hamed_rao(&mann_kendall, &points.y, steps.median),
        line: Line::of(&points),
    }))
}

impl Points {
    fn of(buckets: &[Tally]) -> Self {
        let rated =
            (0_u32..).zip(buckets).filter_map(|(x, tally)| Some((f64::from(x), tally.mean()?, tally)));
        let mut points = Self { x: vec![], y: vec![], weights: vec![] };
        for (x, mean, tally) in rated {
            points.x.push(x);
            points.y.push(mean);
            points.weights.push(tally.count() as f64);
        }
        points
    }
}

/// Pairs that rise minus pairs that fall.
fn score(y: &[f64]) -> i64 {
    let later = |at: usize| -> i64 {
        let own = y[at];
        y[at + 1..].iter().map(|other| i64::from(*other > own) - i64::from(*other < own)).sum()
    };
    (0..y.len()).map(later).sum()
}

/// `(n(n-1)(2n+5) - Σ t(t-1)(2t+5)) / 18` with t the sizes of the ties.
fn kendall_variance(count: usize, ties: &[usize]) -> f64 {
    let term = |n: usize| n * (n - 1) * (2 * n + 5);
    (term(count) - ties.iter().map(|t| term(*t)).sum::<usize>()) as f64 / 18.0
}

impl Kendall {
    fn of(s: i64, variance: f64, count: usize) -> Self {
        let pairs = 0.5 * (count * (count - 1)) as f64;
        let z = if s == 0 { 0.0 } else { (s - s.signum()) as f64 / variance.sqrt() };
        let direction = match z {
            _ if z > Z => Direction::Rising,
            _ if z < -Z => Direction::Falling,
            _ => Direction::None,
        };
        Self { s, variance, z, p: normal_beyond(z), tau: s as f64 / pairs, direction }
    }
}

/// Mann and Kendall's test with the variance corrected for the autocorrelation of the ranks of what
/// is left without the trend, as far as it is beyond chance.
fn hamed_rao(plain: &Kendall, y: &[f64], slope: f64) -> Option<Kendall> {
    let rest: Vec<f64> = (1_u32..).zip(y).map(|(place, y)| y - f64::from(place) * slope).collect();
    let (n, count) = (y.len() as f64, y.len());
    let ranks = centred_ranks(&rest);
    let product =
        |lag: usize| -> f64 { ranks[lag..].iter().zip(&ranks).map(|(late, early)| late * early).sum() };
    let whole = product(0);
    let correlated = |lag: usize| {
        let part = (n - lag as f64) * (n - lag as f64 - 1.0) * (n - lag as f64 - 2.0);
        let correlation = product(lag) / whole;
        if correlation.abs() > Z / n.sqrt() { part * correlation } else { 0.0 }
    };
    // Where nothing is left without the trend, nothing is correlated either.
    let sum: f64 = if whole > 0.0 { (1..count).map(correlated).sum() } else { 0.0 };
    let variance = plain.variance * (1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * sum);
    (plain.s == 0 || variance > 0.0).then(|| Kendall::of(plain.s, variance.max(0.0), count))
}

/// The ranks of these, equals sharing theirs, less the mean of all ranks.
fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for equals in order.chunk_by(|a, b| values[*a] == values[*b]) {
        // Twice the distance of their middle from the middle of all is whole.
        let twice = 2 * below + equals.len();
        for place in equals {
            ranks[*place] = (twice as f64 - values.len() as f64) / 2.0;
        }
        below += equals.len();
    }
    ranks
}

impl Line {
    fn of(points: &Points) -> Self {
        let all: f64 = points.weights.iter().sum();
        let weighted = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
            let each = points.x.iter().zip(&points.y).zip(&points.weights);
            each.map(|((x, y), weight)| weight * f(*x, *y)).sum()
        };
        let (x_mean, y_mean) = (weighted(&|x, _| x) / all, weighted(&|_, y| y) / all);
        let first = points.y.first().copied().unwrap_or_default();
        if points.y.iter().all(|y| *y == first) {
            // Rounding would make a line of this that is not quite level.
            let level = Interval { low: 0.0, high: 0.0 };
            return Self { intercept: first, slope: 0.0, slope_interval: level, p: 1.0 };
        }
        let spread = weighted(&|x, _| (x - x_mean).powi(2));
        let slope = weighted(&|x, y| (x - x_mean) * (y - y_mean)) / spread;
        let intercept = y_mean - slope * x_mean;
        let freedom = points.x.len() as f64 - 2.0;
        let rest = weighted(&|x, y| (y - y_mean - slope * (x - x_mean)).powi(2));
        let error = (rest / freedom / spread).sqrt();
        let half = t_deviate(LEVEL, freedom) * error;
        let p = match slope.abs() / error {
            t if t.is_finite() => t_beyond(t, freedom),
            _ if slope == 0.0 => 1.0,
            _ => 0.0,
        };
        let slope_interval = Interval { low: slope - half, high: slope + half };
        Self { intercept, slope, slope_interval, p }
    }
}
