//! Whether two lots of ratings differ by more than chance: two periods, an agent and the rest.

use crate::stats::interval::{Interval, Level, newcombe};
use crate::stats::probability::normal_beyond;
use crate::stats::tally::Tally;

/// Of all flags raised, at most this share is raised by chance, in the long run.
pub const FALSE_FLAGS_MAX: f64 = 0.05;

/// How the first of two tallies differs from the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The difference of the shares of scores 4 and 5, in percentage points.
    pub csat_difference: f64,
    /// Its 95 % interval ([`newcombe`]), in percentage points.
    pub csat_interval: Interval,
    /// The difference of the means.
    pub mean_difference: f64,
    /// Whether the whole distributions differ.
    pub ranks: MannWhitney,
}

/// The test of H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables is
/// stochastically larger than the other" (1947), by the normal approximation with continuity and
/// tie correction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannWhitney {
    /// In how many pairs the first has the higher score; pairs of equals count half.
    pub u: f64,
    /// How often chance alone makes a difference as large, two-sided.
    pub p: f64,
    /// How often a rating of the first is higher than one of the second, equals counted half: 0.5
    /// is no difference.
    pub superiority: f64,
}

/// An agent against everyone else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rest {
    /// The agent's ratings against those of the rest.
    pub ranks: MannWhitney,
    /// The p value with regard to how many agents are compared ([`benjamini_hochberg`]).
    pub p_adjusted: f64,
    /// Whether the agent stands out: `p_adjusted` is at most [`FALSE_FLAGS_MAX`].
    pub stands_out: bool,
}

/// Compares the first tally with the second. None where either is empty.
#[must_use]
pub fn compare(first: &Tally, second: &Tally) -> Option<Comparison> {
    let parts = |tally: &Tally| (tally.satisfied(), tally.count());
    Some(Comparison {
        csat_difference: first.csat_percent()? - second.csat_percent()?,
        csat_interval: newcombe(parts(first), parts(second), Level::P95)?.percent(),
        mean_difference: first.mean()? - second.mean()?,
        ranks: mann_whitney(first, second)?,
    })
}

/// Whether the first tally's scores are higher or lower than the second's. None where either is
/// empty.
#[must_use]
pub fn mann_whitney(first: &Tally, second: &Tally) -> Option<MannWhitney> {
    let (n, m) = (u128::from(first.count()), u128::from(second.count()));
    if n == 0 || m == 0 {
        return None;
    }
    // In halves of pairs everything is whole: at most 2·n·m < 2^125.
    let (mut below, mut twice_u) = (0, 0);
    for (mine, theirs) in first.counts().into_iter().zip(second.counts()) {
        twice_u += u128::from(mine) * (2 * below + u128::from(theirs));
        below += u128::from(theirs);
    }
    let pairs = n * m;
    // Half a pair less than what lies beyond the middle: the correction for continuity.
    let beyond = (twice_u.abs_diff(pairs) as f64 - 1.0) / 2.0;
    let deviation = deviation(first, second);
    // Where that leaves nothing, or all scores are one, chance alone makes no less.
    let p = if beyond > 0.0 && deviation > 0.0 { normal_beyond(beyond / deviation) } else { 1.0 };
    let half = |twice: u128| twice as f64 / 2.0;
    Some(MannWhitney { u: half(twice_u), p, superiority: half(twice_u) / pairs as f64 })
}

/// The standard deviation of U where chance alone decides:
/// `√(n m (N³ - Σt³) / (12 N (N - 1)))` with N = n + m and t the sizes of the ties
/// (E. L. Lehmann, "Nonparametrics", 1975, 1.35). The cubes' difference is summed up as
/// `3·s·t·(s + t)`, tie by tie: all terms are positive, nothing cancels.
fn deviation(first: &Tally, second: &Tally) -> f64 {
    let (n, m) = (first.count() as f64, second.count() as f64);
    let ties = first.counts().into_iter().zip(second.counts()).map(|(a, b)| a as f64 + b as f64);
    let (_, cubes) = ties.fold((0.0, 0.0), |(s, cubes), t| (s + t, cubes + 3.0 * s * t * (s + t)));
    let all = n + m;
    (n * m / 12.0 * (cubes / (all * (all - 1.0)))).sqrt()
}

/// The p values with regard to how many there are, in their order:
/// the least `p·m/rank` of those at and above each. Y. Benjamini and Y. Hochberg, "Controlling the
/// false discovery rate" (1995).
#[must_use]
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut adjusted = p_values.to_vec();
    let mut least = 1.0_f64;
    for (below, place) in order.into_iter().enumerate().rev() {
        // The factor first: the largest p value's is then exactly 1, and none ends below itself.
        least = least.min(p_values[place] * (p_values.len() as f64 / (below + 1) as f64));
        adjusted[place] = least;
    }
    adjusted
}

/// Each agent against the rest of these, in their order. None for an agent without ratings, for one
/// without a rest, and for all where together they have more ratings than a [`Tally`] holds.
#[must_use]
pub fn against_rest(agents: &[Tally]) -> Vec<Option<Rest>> {
    let all = Tally::total(agents).ok();
    let tests: Vec<Option<MannWhitney>> =
        agents.iter().map(|own| mann_whitney(own, &all?.without(own))).collect();
    let p_values: Vec<f64> = tests.iter().flatten().map(|test| test.p).collect();
    let mut adjusted = benjamini_hochberg(&p_values).into_iter();
    let with = |ranks: MannWhitney, p_adjusted: f64| Rest {
        ranks,
        p_adjusted,
        stands_out: p_adjusted <= FALSE_FLAGS_MAX,
    };
    tests.into_iter().map(|test| Some(with(test?, adjusted.next()?))).collect()
}
