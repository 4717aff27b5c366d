//! Who is rated better: agents ranked by plain scores, or by those that do not trust few ratings.

use std::cmp::Ordering;

use crate::stats::interval::Level;
use crate::stats::tally::{Tally, ratio};

/// How many ratings the common mean is worth where the agents' own scatter cannot tell.
const WEIGHT: u128 = 10;

/// By what agents are ranked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// The plain mean, 1-5.
    Mean,
    /// The plain share of scores 4 and 5, in percent.
    Csat,
    /// The lower end of the 95 % Wilson interval of that share, in percent (E. Miller, "How not to
    /// sort by average rating", 2009).
    Wilson,
    /// `(M·10 + sum) / (10 + n)` with `M` everyone's mean, 1-5: ten ratings of everyone are added to
    /// each agent's own.
    Bayes,
    /// `(M·C + sum) / (C + n)`, 1-5, with `C` the variance within agents over the variance between
    /// them (H. Bühlmann and E. Straub, "Glaubwürdigkeit für Schadensätze", 1970). Where there are
    /// fewer than two agents, or no variance between them shows, it is [`Method::Bayes`].
    #[default]
    Credibility,
}

/// An agent's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked<K> {
    /// 1 is best; equal scores share a rank and the next one counts them all (1, 2, 2, 4).
    pub rank: usize,
    /// Who.
    pub key: K,
    /// Their ratings.
    pub tally: Tally,
    /// The score they are ranked by, 1-5 or percent as the [`Method`] says.
    pub score: f64,
}

/// How far scores can be told apart: the variances that [`Method::Credibility`] goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Credibility {
    /// The variance of an agent's scores around the agent's mean.
    pub within: f64,
    /// The variance of the agents' true means, as far as it shows. Not above 0: it does not.
    pub between: f64,
    /// Everyone's mean.
    pub mean: f64,
}

/// Ranks by credibility mean, best first, those of one rank by key. Who has no rating is unranked.
#[must_use]
pub fn ranking<K: Ord>(agents: impl IntoIterator<Item = (K, Tally)>) -> Vec<Ranked<K>> {
    ranking_by(Method::default(), agents)
}

/// Ranks by this method, best first, those of one rank by key. Who has no rating is unranked.
///
/// Scores that are fractions of counts are compared as fractions, so what is equal is equal and
/// what is not is not, whatever a float can tell apart.
#[must_use]
pub fn ranking_by<K: Ord>(method: Method, agents: impl IntoIterator<Item = (K, Tally)>) -> Vec<Ranked<K>> {
    let mut agents: Vec<(K, Tally)> = agents.into_iter().filter(|(_, tally)| tally.count() > 0).collect();
    agents.sort_by(|a, b| a.0.cmp(&b.0));
    let scale = Scale::of(method, &agents);
    let scored = agents.into_iter().map(|(key, tally)| (key, tally, scale.score(&tally))).collect();
    let placed = placed(scored, Score::compare);
    placed
        .into_iter()
        .map(|(rank, (key, tally, score))| Ranked { rank, key, tally, score: score.value })
        .collect()
}

/// The competition ranks of these, best first. Equals stay in the order they came in.
pub(super) fn placed<K, T, S>(
    mut scored: Vec<(K, T, S)>,
    compare: impl Fn(&S, &S) -> Ordering,
) -> Vec<(usize, (K, T, S))> {
    scored.sort_by(|a, b| compare(&b.2, &a.2));
    let mut ranks: Vec<usize> = (1..=scored.len()).collect();
    for place in 1..scored.len() {
        if compare(&scored[place - 1].2, &scored[place].2) == Ordering::Equal {
            ranks[place] = ranks[place - 1];
        }
    }
    ranks.into_iter().zip(scored).collect()
}

/// The variances within and between these agents. None where there are fewer than two with
/// ratings, or all have but one.
#[must_use]
pub fn credibility<'a>(agents: impl IntoIterator<Item = &'a Tally>) -> Option<Credibility> {
    let rated: Vec<&Tally> = agents.into_iter().filter(|tally| tally.count() > 0).collect();
    let spare: f64 = rated.iter().map(|tally| (tally.count() - 1) as f64).sum();
    if rated.len() < 2 || spare == 0.0 {
        return None;
    }
    let all: u128 = rated.iter().map(|tally| u128::from(tally.count())).sum();
    let mean = rated.iter().map(|tally| tally.sum() as f64).sum::<f64>() / all as f64;
    let within = rated.iter().map(|tally| tally.squares_within()).sum::<f64>() / spare;
    let apart = |tally: &Tally| tally.count() as f64 * (tally.mean().unwrap_or_default() - mean).powi(2);
    let apart: f64 = rated.iter().map(|tally| apart(tally)).sum();
    // N - Σn²/N, summed up as Σ n(N - n)/N: one agent with nearly all ratings leaves more than 0.
    let others = |tally: &Tally| (all - u128::from(tally.count())) as f64;
    let scale: f64 = rated.iter().map(|tally| tally.count() as f64 / all as f64 * others(tally)).sum();
    let between = (apart - (rated.len() - 1) as f64 * within) / scale;
    Some(Credibility { within, between, mean })
}

impl Credibility {
    /// How many ratings everyone's mean is worth, where the agents' means differ at all.
    #[must_use]
    pub fn weight(&self) -> Option<f64> {
        (self.between > 0.0).then(|| self.within / self.between)
    }
}

/// By what everyone's scores are made.
enum Scale {
    Mean,
    Csat,
    Wilson,
    /// Everyone's sum and count, a few of which are added.
    Bayes {
        sum: u128,
        count: u128,
    },
    Credibility {
        mean: f64,
        weight: f64,
    },
}

/// An agent's score, with what is needed to compare it exactly.
#[derive(Clone, Copy)]
struct Score {
    value: f64,
    /// Numerator and denominator, where the score is a fraction.
    fraction: Option<(u128, u128)>,
}

impl Scale {
    fn of<K>(method: Method, agents: &[(K, Tally)]) -> Self {
        let tallies = || agents.iter().map(|(_, tally)| tally);
        let (mut sum, mut count) = tallies().fold((0_u128, 0_u128), |(sum, count), tally| {
            (sum + u128::from(tally.sum()), count + u128::from(tally.count()))
        });
        // Only their ratio counts; what more than one tally holds is halved until the products fit.
        while count > u128::from(Tally::RATINGS_MAX) {
            (sum, count) = (sum / 2, count / 2);
        }
        let bayes = Self::Bayes { sum, count };
        match method {
            Method::Mean => Self::Mean,
            Method::Csat => Self::Csat,
            Method::Wilson => Self::Wilson,
            Method::Bayes => bayes,
            Method::Credibility => {
                let credibility = credibility(tallies());
                let known =
                    credibility.and_then(|c| Some(Self::Credibility { mean: c.mean, weight: c.weight()? }));
                known.unwrap_or(bayes)
            }
        }
    }

    fn score(&self, tally: &Tally) -> Score {
        let (own_sum, own_count) = (u128::from(tally.sum()), u128::from(tally.count()));
        match *self {
            Self::Mean => Score::fraction(own_sum, own_count),
            Self::Csat => {
                let share = Score::fraction(tally.satisfied().into(), own_count);
                Score { value: 100.0 * share.value, ..share }
            }
            Self::Wilson => {
                Score::float(tally.csat_interval(Level::P95).map_or(0.0, |interval| interval.low))
            }
            // (10·S/N + s) / (10 + n) = (10·S + s·N) / (N·(10 + n)): below 2^127, as S, s < 2^64 and N, n < 2^62.
            Self::Bayes { sum, count } => {
                Score::fraction(WEIGHT * sum + own_sum * count, count * (WEIGHT + own_count))
            }
            Self::Credibility { mean, weight } => {
                Score::float((mean * weight + tally.sum() as f64) / (weight + tally.count() as f64))
            }
        }
    }
}

impl Score {
    fn float(value: f64) -> Self {
        Self { value, fraction: None }
    }

    fn fraction(above: u128, below: u128) -> Self {
        Self { value: ratio(above, below), fraction: Some((above, below)) }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.fraction, other.fraction) {
            (Some(mine), Some(theirs)) => compare_fractions(mine, theirs),
            _ => self.value.total_cmp(&other.value),
        }
    }
}

/// Compares a/b with c/d exactly, without a product that could overflow: whole parts first, then
/// the remainders' inverses (the steps of Euclid's algorithm, at most 185 for 128 bits).
fn compare_fractions(mut left: (u128, u128), mut right: (u128, u128)) -> Ordering {
    let mut turned = false;
    loop {
        let ((a, b), (c, d)) = (left, right);
        let order = (a / b).cmp(&(c / d));
        let order = match (order, a % b, c % d) {
            (Ordering::Equal, 0, 0) => Ordering::Equal,
            (Ordering::Equal, 0, _) => Ordering::Less,
            (Ordering::Equal, _, 0) => Ordering::Greater,
            (Ordering::Equal, rest_left, rest_right) => {
                (left, right) = ((b, rest_left), (d, rest_right));
                turned = !turned;
                continue;
            }
            (order, _, _) => order,
        };
        return if turned { order.reverse() } else { order };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tally(counts: [u64; 5]) -> Tally {
        Tally::new(counts).unwrap()
    }

    #[test]
    fn where_no_variance_between_agents_shows_ten_ratings_of_everyone_are_added() {
        // Three agents of mean 4 by different ways: equal as fractions, whatever floats say.
        let agents =
            [("c", tally([0, 0, 2, 2, 2])), ("a", tally([0, 0, 0, 7, 0])), ("b", tally([1, 0, 0, 1, 3]))];
        let ranked = ranking(agents);
        assert!(ranked.iter().all(|r| r.rank == 1 && (r.score - 4.0).abs() < 1e-12), "{ranked:?}");
        assert_eq!(ranked.iter().map(|r| r.key).collect::<Vec<_>>(), ["a", "b", "c"]);
        // One agent alone, one rating each, none at all.
        let alone = ranking([("a", tally([0, 1, 0, 0, 0]))]);
        assert_eq!((alone[0].rank, alone[0].score), (1, 2.0));
        let single = ranking([("a", tally([1, 0, 0, 0, 0])), ("b", tally([0, 0, 0, 0, 1]))]);
        let places: Vec<_> = single.iter().map(|r| (r.rank, r.key, r.score)).collect();
        assert_eq!(places, [(1, "b", 35.0 / 11.0), (2, "a", 31.0 / 11.0)]);
        assert_eq!(ranking([("a", Tally::default())]), vec![]);
        assert_eq!(ranking::<&str>([]), vec![]);
    }

    #[test]
    fn agents_who_never_waver_are_ranked_by_their_plain_means() {
        let ranked = ranking([("low", tally([2, 0, 0, 0, 0])), ("high", tally([0, 0, 0, 0, 9]))]);
        let places: Vec<_> = ranked.iter().map(|r| (r.rank, r.key, r.score)).collect();
        assert_eq!(places, [(1, "high", 5.0), (2, "low", 1.0)]);
    }

    #[test]
    fn agents_who_got_nothing_but_one_score_share_the_first_rank_with_it() {
        let ranked = ranking([("a", tally([0, 0, 0, 7, 0])), ("b", tally([0, 0, 0, 3, 0]))]);
        let places: Vec<_> = ranked.iter().map(|r| (r.rank, r.key, r.score)).collect();
        assert_eq!(places, [(1, "a", 4.0), (1, "b", 4.0)]);
    }

    #[test]
    fn scores_too_near_for_a_float_to_tell_apart_have_their_own_ranks() {
        let many = 1_u64 << 60;
        let agents = vec![("a", tally([0, 0, 0, many, 0])), ("b", tally([0, 0, 0, many - 1, 1]))];
        for method in [Method::Mean, Method::Bayes] {
            let ranked = ranking_by(method, agents.clone());
            let places: Vec<_> = ranked.iter().map(|r| (r.rank, r.key, r.score)).collect();
            assert_eq!(places, [(1, "b", 4.0), (2, "a", 4.0)], "{method:?}");
        }
    }

    #[test]
    fn equal_scores_share_a_rank_and_the_next_one_counts_them() {
        let middle = tally([1, 2, 3, 2, 1]);
        let ranked = ranking([
            ("d", tally([9, 0, 0, 0, 0])),
            ("c", middle),
            ("b", middle),
            ("nobody", Tally::default()),
            ("a", tally([0, 0, 0, 0, 9])),
        ]);
        let places: Vec<_> = ranked.iter().map(|r| (r.rank, r.key)).collect();
        assert_eq!(places, [(1, "a"), (2, "b"), (2, "c"), (4, "d")]);
    }

    #[test]
    fn the_largest_tallies_are_ranked_without_overflow() {
        let most = Tally::RATINGS_MAX;
        let ranked = ranking([("a", tally([0, 0, 0, 0, most])), ("b", tally([0, 0, 0, 0, most]))]);
        assert!(ranked.iter().all(|r| r.rank == 1 && (r.score - 5.0).abs() < 1e-9), "{ranked:?}");
    }

    proptest! {
        #[test]
        fn fractions_compare_as_their_cross_products(
            a in 0_u64.., b in 1_u64.., c in 0_u64.., d in 1_u64.., k in 1_u64..1000,
        ) {
            let [wide_a, wide_b, wide_c, wide_d] = [a, b, c, d].map(u128::from);
            prop_assert_eq!(
                compare_fractions((wide_a, wide_b), (wide_c, wide_d)),
                (wide_a * wide_d).cmp(&(wide_c * wide_b))
            );
            let k = u128::from(k);
            prop_assert_eq!(compare_fractions((wide_a, wide_b), (wide_a * k, wide_b * k)), Ordering::Equal);
        }
    }
}
