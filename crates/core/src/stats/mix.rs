//! Agents compared as if all had worked the same queues.

use std::collections::{BTreeMap, BTreeSet};

use crate::stats::rank::placed;
use crate::stats::tally::{Tally, TooMany, ratio};

/// An agent's scores, freed of the mix of queues that the agent happened to work.
#[derive(Debug, Clone, PartialEq)]
pub struct Standardised<K, Q> {
    /// 1 has the best mean; equals share a rank and the next one counts them all (1, 2, 2, 4).
    pub rank: usize,
    /// Who.
    pub key: K,
    /// Their ratings in all queues.
    pub tally: Tally,
    /// The mean that the agent would have with everyone's mix of queues, 1-5.
    pub mean: f64,
    /// The share of scores 4 and 5 with that mix, in percent.
    pub csat_percent: f64,
    /// How many rated the agent 4 or 5, over how many would have if each queue rated this agent as
    /// it rates everyone. Above 1 is better than the queues explain. None where none would have.
    pub observed_to_expected: Option<f64>,
    /// The queues in which nobody rated the agent. Where there are any, the mix of the rest stands
    /// for the whole, and the comparison is the weaker for it.
    pub missing: Vec<Q>,
}

/// An agent's ratings by queue.
type Strata<Q> = BTreeMap<Q, Tally>;

/// Ranks agents by their directly standardised mean `Σ w_q m_q / Σ w_q` over the queues q where the
/// agent has ratings: `m_q` is the agent's mean there and `w_q` everyone's ratings there. Best
/// first, those of one rank by key. Who has no rating is unranked. Means of queues that are equal
/// as fractions are equal here, so agents who are rated the same in each queue share a rank.
///
/// J. L. Fleiss, B. Levin, M. C. Paik, "Statistical methods for rates and proportions" (3rd edition,
/// 2003), chapter 19: direct standardisation, and the indirect ratio of observed to expected.
///
/// # Errors
/// When all ratings are more than a [`Tally`] holds.
pub fn standardised<K: Ord + Clone, Q: Ord + Clone>(
    ratings: impl IntoIterator<Item = (K, Q, Tally)>,
) -> Result<Vec<Standardised<K, Q>>, TooMany> {
    let mut agents: BTreeMap<K, Strata<Q>> = BTreeMap::new();
    let mut everyone: Strata<Q> = BTreeMap::new();
    for (key, queue, tally) in ratings.into_iter().filter(|(_, _, tally)| tally.count() > 0) {
        let own = agents.entry(key).or_default().entry(queue.clone()).or_default();
        *own = own.merge(&tally)?;
        let all = everyone.entry(queue).or_default();
        *all = all.merge(&tally)?;
    }
    Tally::total(everyone.values())?;
    let scored = agents.into_iter().map(|(key, strata)| {
        let scores = Scores::of(&strata, &everyone);
        (key, strata, scores)
    });
    let ranked = placed(scored.collect(), |one, other| one.mean.total_cmp(&other.mean));
    ranked
        .into_iter()
        .map(|(rank, (key, strata, scores))| {
            let queues: BTreeSet<&Q> = everyone.keys().filter(|queue| !strata.contains_key(*queue)).collect();
            Ok(Standardised {
                rank,
                key,
                tally: Tally::total(strata.values())?,
                mean: scores.mean,
                csat_percent: 100.0 * scores.csat,
                observed_to_expected: scores.observed_to_expected,
                missing: queues.into_iter().cloned().collect(),
            })
        })
        .collect()
}

struct Scores {
    mean: f64,
    csat: f64,
    observed_to_expected: Option<f64>,
}

impl Scores {
    fn of<Q: Ord>(own: &Strata<Q>, everyone: &Strata<Q>) -> Self {
        let strata = || own.iter().filter_map(|(queue, tally)| Some((tally, everyone.get(queue)?)));
        let weights: f64 = strata().map(|(_, all)| all.count() as f64).sum();
        let share = |part: u64, whole: u64| ratio(part.into(), whole.into());
        let weighted = |part: fn(&Tally) -> u64| -> f64 {
            strata().map(|(own, all)| all.count() as f64 / weights * share(part(own), own.count())).sum()
        };
        let observed: f64 = strata().map(|(own, _)| own.satisfied() as f64).sum();
        let expected: f64 =
            strata().map(|(own, all)| own.count() as f64 * share(all.satisfied(), all.count())).sum();
        Self {
            mean: weighted(Tally::sum),
            csat: weighted(Tally::satisfied),
            observed_to_expected: (expected > 0.0).then(|| observed / expected),
        }
    }
}
