//! Questions on other scales than 1 to 5: recommendation (0-10) and effort (1-7).

/// What answers to "would you recommend us", 0 to 10, add up to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NetPromoter {
    /// How many answered.
    pub count: u64,
    /// The share of 9 and 10 minus the share of 0 to 6, -100 to 100 (F. F. Reichheld, "The one
    /// number you need to grow", 2003).
    pub score: f64,
    /// Its standard error, in the same points: `√((p + d - (p - d)²) / n)`, the deviation of a
    /// difference of two shares of one multinomial sample.
    pub standard_error: f64,
}

/// What answers to "it was easy", 1 to 7 with 7 the easiest, add up to (M. Dixon, K. Freeman,
/// N. Toman, "Stop trying to delight your customers", 2010).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CustomerEffort {
    /// How many answered.
    pub count: u64,
    /// The plain mean, 1-7.
    pub mean: f64,
    /// The share above 4, in percent.
    pub easy_percent: f64,
}

/// The net promoter score of the counts of 0 to 10, in this order. None where nobody answered, or
/// more than a `u64` holds.
#[must_use]
pub fn net_promoter(counts: [u64; 11]) -> Option<NetPromoter> {
    let count = total(&counts)?;
    let share = |part: &[u64]| part.iter().sum::<u64>() as f64 / count as f64;
    let (against, in_favour) = (share(&counts[..7]), share(&counts[9..]));
    let net = in_favour - against;
    let variance = ((in_favour + against - net * net) / count as f64).max(0.0);
    Some(NetPromoter { count, score: 100.0 * net, standard_error: 100.0 * variance.sqrt() })
}

/// The customer effort score of the counts of 1 to 7, in this order. None where nobody answered, or
/// more than a `u64` holds.
#[must_use]
pub fn customer_effort(counts: [u64; 7]) -> Option<CustomerEffort> {
    let count = total(&counts)?;
    let sum: u128 = counts.iter().zip(1_u128..).map(|(n, score)| u128::from(*n) * score).sum();
    let easy: u64 = counts[4..].iter().sum();
    Some(CustomerEffort {
        count,
        mean: sum as f64 / count as f64,
        easy_percent: 100.0 * (easy as f64 / count as f64),
    })
}

fn total(counts: &[u64]) -> Option<u64> {
    counts.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n)).filter(|count| *count > 0)
}
