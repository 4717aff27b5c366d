//! Who is rated better: agents ranked by a mean that does not trust few ratings.

use std::cmp::Ordering;

use crate::stats::tally::Tally;

/// How many ratings the common mean is worth where the agents' own scatter cannot tell.
const WEIGHT: u64 = 10;

/// An agent's place.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked<K> {
    /// 1 is best; equal scores share a rank and the next one counts them all (1, 2, 2, 4).
    pub rank: usize,
    /// Who.
    pub key: K,
    /// Their ratings.
    pub tally: Tally,
    /// The score they are ranked by, 1-5: their mean, drawn towards everyone's the more the fewer
    /// ratings they have.
    pub adjusted_score: f64,
}

/// Ranks by credibility mean, best first, those of one rank by key. Who has no rating is unranked.
///
/// The score is `(M·C + sum) / (C + n)`, with `M` everyone's mean and `C` the variance within
/// agents over the variance between them (H. Bühlmann and E. Straub, "Glaubwürdigkeit für
/// Schadensätze", 1970). Where there are fewer than two agents, or no variance between them shows,
/// `C` is 10.
#[must_use]
pub fn ranking<K: Ord>(agents: impl IntoIterator<Item = (K, Tally)>) -> Vec<Ranked<K>> {
    let mut agents: Vec<(K, Tally)> = agents.into_iter().filter(|(_, tally)| tally.count() > 0).collect();
    agents.sort_by(|a, b| a.0.cmp(&b.0));
    let scale = Scale::of(&agents);
    placed(agents, &scale)
}

/// Best first; `agents` come in the order of their keys.
fn placed<K>(agents: Vec<(K, Tally)>, scale: &Scale) -> Vec<Ranked<K>> {
    let mut scored: Vec<(Scored, K)> =
        agents.into_iter().map(|(key, tally)| (scale.score(tally), key)).collect();
    // A stable sort: equals stay in the order of their keys.
    scored.sort_by(|a, b| b.0.compare(&a.0));
    let mut rank = 1;
    let mut last: Option<Scored> = None;
    let mut ranked = Vec::with_capacity(scored.len());
    for (place, (score, key)) in (1..).zip(scored) {
        if last.is_none_or(|last| last.compare(&score) != Ordering::Equal) {
            rank = place;
        }
        last = Some(score);
        ranked.push(Ranked { rank, key, tally: score.tally, adjusted_score: score.value });
    }
    ranked
}

/// By what everyone's means are adjusted.
enum Scale {
    /// The variances say how far to trust an agent's own mean.
    Credibility { mean: f64, weight: f64 },
    /// They do not; the score is then a fraction of whole numbers.
    Fixed { sum: u64, count: u64 },
}

/// An agent's score, with what is needed to compare it exactly.
#[derive(Clone, Copy)]
struct Scored {
    tally: Tally,
    value: f64,
    /// Numerator and denominator, where the score is a fraction.
    fraction: Option<(u128, u128)>,
}

impl Scale {
    fn of<K>(agents: &[(K, Tally)]) -> Self {
        let tallies = || agents.iter().map(|(_, tally)| tally);
        let (sum, count) = tallies().fold((0_u64, 0_u64), |(sum, count), tally| {
            (sum.saturating_add(tally.sum()), count.saturating_add(tally.count()))
        });
        let fixed = Self::Fixed { sum, count };
        let spare: f64 = tallies().map(|tally| (tally.count() - 1) as f64).sum();
        if agents.len() < 2 || spare == 0.0 {
            return fixed;
        }
        let (n, mean) = (count as f64, sum as f64 / count as f64);
        let within = tallies().map(squares_within).sum::<f64>() / spare;
        let apart: f64 = tallies().map(|tally| tally.count() as f64 * (own_mean(tally) - mean).powi(2)).sum();
        let largest: f64 = tallies().map(|tally| (tally.count() as f64).powi(2)).sum();
        let between = (apart - (agents.len() - 1) as f64 * within) / (n - largest / n);
        if between > 0.0 { Self::Credibility { mean, weight: within / between } } else { fixed }
    }

    fn score(&self, tally: Tally) -> Scored {
        match *self {
            Self::Credibility { mean, weight } => {
                let value = (mean * weight + tally.sum() as f64) / (weight + tally.count() as f64);
                Scored { tally, value, fraction: None }
            }
            // (10·S/N + s) / (10 + n) = (10·S + s·N) / (N·(10 + n)): below 2^128, as S, s <= 2^64 and N, n <= 2^62.
            Self::Fixed { sum, count } => {
                let (sum, count) = (u128::from(sum), u128::from(count));
                let weight = u128::from(WEIGHT);
                let above = weight * sum + u128::from(tally.sum()) * count;
                let below = count * (weight + u128::from(tally.count()));
                Scored { tally, value: above as f64 / below as f64, fraction: Some((above, below)) }
            }
        }
    }
}

impl Scored {
    fn compare(&self, other: &Self) -> Ordering {
        match (self.fraction, other.fraction) {
            (Some(mine), Some(theirs)) => compare_fractions(mine, theirs),
            _ => self.value.total_cmp(&other.value),
        }
    }
}

/// The squared distances of an agent's scores from their mean, summed.
fn squares_within(tally: &Tally) -> f64 {
    let mean = own_mean(tally);
    tally.counts().iter().zip(1_u8..).map(|(n, score)| *n as f64 * (f64::from(score) - mean).powi(2)).sum()
}

fn own_mean(tally: &Tally) -> f64 {
    tally.mean().unwrap_or_default()
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
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Scope {
        scope: String,
        weight: f64,
        agents: Vec<Agent>,
    }

    #[derive(Deserialize)]
    struct Agent {
        agent: String,
        dist: [u64; 5],
        credibility: f64,
        credibility_rank: usize,
        bayes: f64,
        bayes_rank: usize,
    }

    impl Scope {
        fn all() -> Vec<Self> {
            serde_json::from_str(include_str!("../../tests/vectors/stats/ranking.json")).unwrap()
        }

        fn agents(&self) -> Vec<(&str, Tally)> {
            self.agents.iter().map(|a| (a.agent.as_str(), Tally::new(a.dist).unwrap())).collect()
        }

        fn agent(&self, name: &str) -> &Agent {
            self.agents.iter().find(|a| a.agent == name).unwrap()
        }
    }

    fn tally(counts: [u64; 5]) -> Tally {
        Tally::new(counts).unwrap()
    }

    #[test]
    fn credibility_means_and_ranks_are_the_reference_ones() {
        for scope in Scope::all() {
            let agents = scope.agents();
            let Scale::Credibility { weight, .. } = Scale::of(&agents) else { panic!("{}", scope.scope) };
            assert!((weight / scope.weight - 1.0).abs() < 1e-9, "{}: {weight}", scope.scope);
            let ranked = ranking(agents);
            assert_eq!(ranked.len(), scope.agents.len());
            for r in ranked {
                let expected = scope.agent(r.key);
                assert_eq!(r.rank, expected.credibility_rank, "{}", r.key);
                assert!((r.adjusted_score - expected.credibility).abs() < 1e-12, "{}", r.key);
            }
        }
    }

    #[test]
    fn means_with_ten_ratings_of_everyone_and_their_exact_ranks_are_the_reference_ones() {
        for scope in Scope::all() {
            let agents = scope.agents();
            let (sum, count) = agents.iter().fold((0, 0), |(s, n), (_, t)| (s + t.sum(), n + t.count()));
            for r in placed(agents, &Scale::Fixed { sum, count }) {
                let expected = scope.agent(r.key);
                assert_eq!(r.rank, expected.bayes_rank, "{}", r.key);
                assert!((r.adjusted_score - expected.bayes).abs() < 1e-12, "{}", r.key);
            }
        }
    }

    #[test]
    fn where_no_variance_between_agents_shows_ten_ratings_of_everyone_are_added() {
        // Three agents of mean 4 by different ways: equal as fractions, whatever floats say.
        let agents =
            [("c", tally([0, 0, 2, 2, 2])), ("a", tally([0, 0, 0, 7, 0])), ("b", tally([1, 0, 0, 1, 3]))];
        let ranked = ranking(agents);
        assert!(ranked.iter().all(|r| r.rank == 1 && (r.adjusted_score - 4.0).abs() < 1e-12), "{ranked:?}");
        assert_eq!(ranked.iter().map(|r| r.key).collect::<Vec<_>>(), ["a", "b", "c"]);
        // One agent alone, one rating each, none at all.
        let alone = ranking([("a", tally([0, 1, 0, 0, 0]))]);
        assert_eq!((alone[0].rank, alone[0].adjusted_score), (1, 2.0));
        let single = ranking([("a", tally([1, 0, 0, 0, 0])), ("b", tally([0, 0, 0, 0, 1]))]);
        let places: Vec<_> = single.iter().map(|r| (r.rank, r.key, r.adjusted_score)).collect();
        assert_eq!(places, [(1, "b", 35.0 / 11.0), (2, "a", 31.0 / 11.0)]);
        assert_eq!(ranking([("a", Tally::default())]), vec![]);
        assert_eq!(ranking::<&str>([]), vec![]);
    }

    #[test]
    fn agents_who_never_waver_are_ranked_by_their_plain_means() {
        let ranked = ranking([("low", tally([2, 0, 0, 0, 0])), ("high", tally([0, 0, 0, 0, 9]))]);
        let places: Vec<_> = ranked.iter().map(|r| (r.rank, r.key, r.adjusted_score)).collect();
        assert_eq!(places, [(1, "high", 5.0), (2, "low", 1.0)]);
    }

    #[test]
    fn agents_who_got_nothing_but_one_score_share_the_first_rank_with_it() {
        let ranked = ranking([("a", tally([0, 0, 0, 7, 0])), ("b", tally([0, 0, 0, 3, 0]))]);
        let places: Vec<_> = ranked.iter().map(|r| (r.rank, r.key, r.adjusted_score)).collect();
        assert_eq!(places, [(1, "a", 4.0), (1, "b", 4.0)]);
    }

    #[test]
    fn scores_too_near_for_a_float_to_tell_apart_have_their_own_ranks() {
        let many = 1_u64 << 60;
        let agents = vec![("a", tally([0, 0, 0, many, 0])), ("b", tally([0, 0, 0, many - 1, 1]))];
        let (sum, count) = agents.iter().fold((0, 0), |(s, n), (_, t)| (s + t.sum(), n + t.count()));
        let ranked = placed(agents, &Scale::Fixed { sum, count });
        let places: Vec<_> = ranked.iter().map(|r| (r.rank, r.key, r.adjusted_score)).collect();
        assert_eq!(places, [(1, "b", 4.0), (2, "a", 4.0)]);
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
        assert!(ranked.iter().all(|r| r.rank == 1 && (r.adjusted_score - 5.0).abs() < 1e-9), "{ranked:?}");
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
