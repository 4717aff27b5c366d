//! The slopes between all pairs of points, at a few places of their order.
//!
//! Of 3,660 points there are 6.7 million. What is asked for lies near their middle, so a sample
//! brackets it, and only what lies in the bracket is kept and put in order: a tenth, 5 MB. Where
//! the sample misleads, all are kept once: 54 MB.

use crate::stats::interval::Interval;

/// Below this all pairs are kept: 512 points, 1 MiB.
const KEPT_MAX: usize = 512 * 511 / 2;
/// How many of the distances between points the sample is of.
const SAMPLED: usize = 24;
/// By how much of the sample the bracket is wider on either side than what is asked for.
const MARGIN: f64 = 0.03;

/// What is asked of the slopes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slopes {
    pub median: f64,
    pub interval: Interval,
}

/// The median slope between all pairs, and the slopes as many places before and after it as `reach`
/// says in units of the score of Kendall, which goes in twos. `x` rises.
pub(super) fn pair_slopes(x: &[f64], y: &[f64], reach: f64) -> Slopes {
    let count = x.len() * (x.len() - 1) / 2;
    // The places are rounded as scipy.stats.theilslopes rounds them.
    let low = (((count as f64 - reach) / 2.0).round_ties_even() as usize).saturating_sub(1);
    let high = (((count as f64 + reach) / 2.0).round_ties_even() as usize).min(count - 1);
    let places = [low, (count - 1) / 2, count / 2, high];
    let bracketed = bracket(x, y, places, count).and_then(|bracket| at(places, x, y, bracket));
    let everything = (f64::NEG_INFINITY, f64::INFINITY);
    let [low, left, right, high] = bracketed.or_else(|| at(places, x, y, everything)).unwrap_or_default();
    Slopes { median: (left + right) / 2.0, interval: Interval { low, high } }
}

/// The sizes of the groups of equal values, those of one left out.
pub(super) fn repeats(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.chunk_by(|a, b| a == b).map(<[f64]>::len).filter(|size| *size > 1).collect()
}

/// Makes `slopes` those of all pairs that are so far apart in the order.
fn apart(distance: usize, x: &[f64], y: &[f64], slopes: &mut Vec<f64>) {
    let late = x[distance..].iter().zip(&y[distance..]);
    let pairs = late.zip(x.iter().zip(y));
    slopes.clear();
    slopes.extend(pairs.map(|((x_late, y_late), (x, y))| (y_late - y) / (x_late - x)));
}

/// Two slopes between which those at these places very likely lie. None where all can be kept.
fn bracket(x: &[f64], y: &[f64], places: [usize; 4], count: usize) -> Option<(f64, f64)> {
    if count <= KEPT_MAX {
        return None;
    }
    let (mut sample, mut slopes) = (Vec::new(), Vec::new());
    let step = x.len().div_ceil(SAMPLED);
    for distance in (1..x.len()).skip(step / 2).step_by(step) {
        apart(distance, x, y, &mut slopes);
        sample.extend_from_slice(&slopes);
    }
    let last = sample.len().checked_sub(1)? as f64;
    let mut near = |place: usize, margin: f64| {
        let share = (place as f64 / count as f64 + margin).clamp(0.0, 1.0);
        let (_, slope, _) = sample.select_nth_unstable_by((share * last) as usize, f64::total_cmp);
        *slope
    };
    Some((near(places[0], -MARGIN), near(places[3], MARGIN)))
}

/// The slopes at these places, which rise. None where one of them does not lie in the bracket.
fn at(places: [usize; 4], x: &[f64], y: &[f64], (least, most): (f64, f64)) -> Option<[f64; 4]> {
    let (mut below, mut held) = (0, 0);
    let (mut kept, mut slopes) = (Vec::new(), Vec::new());
    let mut chosen = vec![0.0; x.len()];
    for distance in 1..x.len() {
        apart(distance, x, y, &mut slopes);
        below += slopes.iter().filter(|slope| **slope < least).count();
        // Written first and counted after: no branch to guess wrong, which would take five times as long.
        let mut count = 0;
        for slope in &slopes {
            chosen[count] = *slope;
            count += usize::from(*slope >= least && *slope <= most);
        }
        held += count;
        // Where scores tie so often that the bracket is one slope, to count it is enough.
        if least < most {
            kept.extend_from_slice(&chosen[..count]);
        }
    }
    let inside = |place: usize| place.checked_sub(below).filter(|place| *place < held);
    let inside = [inside(places[0])?, inside(places[1])?, inside(places[2])?, inside(places[3])?];
    let mut slopes = [least; 4];
    if kept.is_empty() {
        return Some(slopes);
    }
    // From the highest place down, each is looked for among those below the last one found.
    let mut end = kept.len();
    for (slope, place) in slopes.iter_mut().zip(inside).rev() {
        let (_, found, _) = kept[..end].select_nth_unstable_by(place, f64::total_cmp);
        *slope = *found;
        end = place + 1;
    }
    Some(slopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by putting all slopes in order.
    fn plain(x: &[f64], y: &[f64], reach: f64) -> Slopes {
        let pairs = (0..x.len()).flat_map(|late| (0..late).map(move |early| (early, late)));
        let mut all: Vec<f64> = pairs.map(|(i, j)| (y[j] - y[i]) / (x[j] - x[i])).collect();
        all.sort_by(f64::total_cmp);
        let count = all.len() as f64;
        let low = (((count - reach) / 2.0).round_ties_even() - 1.0).max(0.0) as usize;
        let high = ((count + reach) / 2.0).round_ties_even().min(count - 1.0) as usize;
        let median = (all[(all.len() - 1) / 2] + all[all.len() / 2]) / 2.0;
        Slopes { median, interval: Interval { low: all[low], high: all[high] } }
    }

    #[test]
    fn what_a_bracket_finds_is_what_an_order_of_all_slopes_finds() {
        let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24);
        type Shape = fn(f64, f64) -> f64;
        let shapes: [(&str, Shape); 7] = [
            ("noise", |_, noise| noise),
            ("a trend", |x, noise| noise + x / 300.0),
            ("ties", |_, noise| (noise * 3.0).floor()),
            ("hardly anything but ties", |_, noise| f64::from(noise > 0.8)),
            ("a line", |x, _| x / 7.0),
            ("a step", |x, noise| noise / 10.0 + f64::from(x > 400.0)),
            ("a bow", |x, _| (x - 350.0).powi(2)),
        ];
        for (name, shape) in shapes {
            for gap in [1_000_000, 13] {
                let x: Vec<f64> = (0..560).filter(|i| i % gap != 5).map(f64::from).collect();
                let y: Vec<f64> = (0..).zip(&x).map(|(i, x)| shape(*x, noise(i))).collect();
                for reach in [0.0, 3_000.0, 20_000.0, 400_000.0] {
                    assert_eq!(pair_slopes(&x, &y, reach), plain(&x, &y, reach), "{name} {gap} {reach}");
                }
            }
        }
    }

    #[test]
    fn a_bracket_that_misses_is_noticed() {
        let (x, y): (Vec<f64>, Vec<f64>) = (0..40).map(|i| (f64::from(i), f64::from(i * i))).unzip();
        let count = 40 * 39 / 2;
        let places = [0, count / 2, count / 2, count - 1];
        assert_eq!(at(places, &x, &y, (2.0, 1e9)), None);
        assert_eq!(at(places, &x, &y, (0.0, 50.0)), None);
        assert_eq!(at(places, &x, &y, (0.0, 1e9)).unwrap()[3], 77.0);
        // Few are kept all, of many a small part.
        assert_eq!(bracket(&x, &y, places, count), None);
    }

    #[test]
    fn equal_values_are_told_by_how_many_they_are() {
        assert_eq!(repeats(&[1.0, 2.0, 1.0, 3.0, 3.0, 3.0, 0.0]), [2, 3]);
        assert_eq!(repeats(&[]), [0; 0]);
    }
}
