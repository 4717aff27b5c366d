//! Numbers in words, for who has to act on them.

use std::fmt;

use crate::stats::buckets::Grain;
use crate::stats::chart::MeanChart;
use crate::stats::compare::{Comparison, Rest};
use crate::stats::tally::Tally;
use crate::stats::trend::{Direction, Trend};

/// With fewer ratings than this a mean may still go anywhere.
pub const SETTLED_MIN: u64 = 30;

/// What a number means. `Display` says it in English.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Nobody has rated.
    NoRatings,
    /// There are fewer than [`SETTLED_MIN`] ratings.
    Provisional {
        /// So many.
        ratings: u64,
    },
    /// There are [`SETTLED_MIN`] ratings or more.
    Settled {
        /// So many.
        ratings: u64,
    },
    /// There is too little to compare, or to see a trend in.
    TooFew,
    /// Scores go up.
    Rising(Pace),
    /// Scores go down.
    Falling(Pace),
    /// Scores go nowhere that chance would not go.
    NoTrend,
    /// The share of the satisfied is higher than before, or than elsewhere.
    Higher {
        /// In percentage points.
        points: f64,
    },
    /// It is lower.
    Lower {
        /// In percentage points, above 0.
        points: f64,
    },
    /// It does not differ by more than chance.
    NoDifference,
    /// An agent is rated higher than the others.
    Above,
    /// An agent is rated lower than the others.
    Below,
    /// An agent is not rated differently from the others by more than chance.
    AsOthers,
    /// Single buckets were unusual.
    Unusual {
        /// So many.
        buckets: usize,
    },
    /// Many small steps up have added up.
    ShiftedUp,
    /// Many small steps down have added up.
    ShiftedDown,
    /// Nothing in the chart is unusual.
    Steady,
}

/// How fast scores change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Points of the score in each such time, above 0.
    pub points: f64,
    /// The time.
    pub each: Each,
}

/// The time in which a pace is told: long enough for a number that says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Each {
    /// A day.
    Day,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Verdict {
    /// How far to trust a mean of these.
    #[must_use]
    pub fn of_ratings(tally: &Tally) -> Self {
        match tally.count() {
            0 => Self::NoRatings,
            ratings if ratings < SETTLED_MIN => Self::Provisional { ratings },
            ratings => Self::Settled { ratings },
        }
    }

    /// Where scores go, over buckets of this length. The test is the one that regards how much
    /// buckets resemble those before them, where that one can tell.
    #[must_use]
    pub fn of_trend(trend: Option<&Trend>, grain: Grain) -> Self {
        let Some(trend) = trend else { return Self::TooFew };
        let pace = Pace::of(trend.slope, grain);
        match trend.hamed_rao.unwrap_or(trend.mann_kendall).direction {
            Direction::Rising => Self::Rising(pace),
            Direction::Falling => Self::Falling(pace),
            Direction::None => Self::NoTrend,
        }
    }

    /// Whether the share of the satisfied differs: its interval does not hold 0.
    #[must_use]
    pub fn of_comparison(comparison: Option<&Comparison>) -> Self {
        let Some(Comparison { csat_difference: points, csat_interval, .. }) = comparison else {
            return Self::TooFew;
        };
        if csat_interval.low > 0.0 {
            Self::Higher { points: *points }
        } else if csat_interval.high < 0.0 {
            Self::Lower { points: -points }
        } else {
            Self::NoDifference
        }
    }

    /// How an agent stands against the rest.
    #[must_use]
    pub fn of_rest(rest: Option<&Rest>) -> Self {
        match rest {
            None => Self::TooFew,
            Some(rest) if !rest.stands_out => Self::AsOthers,
            Some(rest) if rest.ranks.superiority > 0.5 => Self::Above,
            Some(_) => Self::Below,
        }
    }

    /// What a chart shows. A shift is said before single buckets.
    #[must_use]
    pub fn of_chart(chart: Option<&MeanChart>) -> Self {
        let Some(chart) = chart else { return Self::TooFew };
        // Of two shifts the later one is how it is now.
        match (chart.shift_up, chart.shift_down, chart.unusual.len()) {
            (None, None, 0) => Self::Steady,
            (None, None, buckets) => Self::Unusual { buckets },
            (up, down, _) if up > down => Self::ShiftedUp,
            _ => Self::ShiftedDown,
        }
    }
}

impl Pace {
    fn of(slope: f64, grain: Grain) -> Self {
        let (buckets, each) = match grain {
            Grain::Hour => (24.0, Each::Day),
            Grain::Day => (365.2425 / 12.0, Each::Month),
            Grain::Week(_) => (365.2425 / 12.0 / 7.0, Each::Month),
            Grain::Month => (1.0, Each::Month),
            Grain::Quarter => (4.0, Each::Year),
        };
        Self { points: slope.abs() * buckets, each }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRatings => f.write_str("no ratings"),
            Self::Provisional { ratings } => write!(f, "provisional: {}", Counted(*ratings, "rating")),
            Self::Settled { ratings } => write!(f, "{}", Counted(*ratings, "rating")),
            Self::TooFew => f.write_str("too few to say"),
            Self::Rising(pace) => write!(f, "rising, {pace}, beyond chance"),
            Self::Falling(pace) => write!(f, "falling, {pace}, beyond chance"),
            Self::NoTrend => f.write_str("no trend that chance would not make"),
            Self::Higher { points } => write!(f, "{points:.1} percentage points higher, beyond chance"),
            Self::Lower { points } => write!(f, "{points:.1} percentage points lower, beyond chance"),
            Self::NoDifference => f.write_str("no difference that chance would not make"),
            Self::Above => f.write_str("rated higher than the others, beyond chance"),
            Self::Below => f.write_str("rated lower than the others, beyond chance"),
            Self::AsOthers => f.write_str("rated as the others, as far as chance lets us see"),
            Self::Unusual { buckets } => write!(f, "unusual: {}", Counted(*buckets as u64, "period")),
            Self::ShiftedUp => f.write_str("shifted up: small steps have added up"),
            Self::ShiftedDown => f.write_str("shifted down: small steps have added up"),
            Self::Steady => f.write_str("steady: nothing unusual"),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.points {
            points if points < 0.005 => f.write_str("by less than 0.01 points")?,
            points if points < 0.095 => write!(f, "about {points:.2} points")?,
            points => write!(f, "about {points:.1} points")?,
        }
        f.write_str(match self.each {
            Each::Day => " a day",
            Each::Month => " a month",
            Each::Year => " a year",
        })
    }
}

/// So many of these, with the s that English wants.
struct Counted(u64, &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::WeekStart;
    use crate::stats::chart::charts;
    use crate::stats::compare::{MannWhitney, compare};
    use crate::stats::interval::Interval;
    use crate::stats::trend::trend;

    fn of(counts: [u64; 5]) -> Tally {
        Tally::new(counts).unwrap()
    }

    fn said(verdict: Verdict) -> String {
        verdict.to_string()
    }

    #[test]
    fn few_ratings_are_said_to_be_provisional() {
        for (counts, words) in [
            ([0, 0, 0, 0, 0], "no ratings"),
            ([0, 0, 0, 0, 1], "provisional: 1 rating"),
            ([1, 1, 1, 2, 2], "provisional: 7 ratings"),
            ([0, 0, 0, 0, 29], "provisional: 29 ratings"),
            ([0, 0, 0, 0, 30], "30 ratings"),
        ] {
            assert_eq!(said(Verdict::of_ratings(&of(counts))), words);
        }
    }

    #[test]
    fn a_trend_is_said_with_its_pace_where_chance_would_not_make_it() {
        let rising: Vec<Tally> = (0..12).map(|i| of([0, 0, 60 - 5 * i, 5 * i, 0])).collect();
        let rising = trend(&rising).unwrap().unwrap();
        assert!((rising.slope - 1.0 / 12.0).abs() < 1e-12);
        let falling = Trend { slope: -rising.slope, ..rising };
        let down = |mut test: crate::stats::trend::Kendall| {
            test.direction = Direction::Falling;
            test
        };
        let falling = Trend { hamed_rao: None, mann_kendall: down(falling.mann_kendall), ..falling };
        let mut flat = rising;
        flat.hamed_rao =
            flat.hamed_rao.map(|test| crate::stats::trend::Kendall { direction: Direction::None, ..test });
        let week = Grain::Week(WeekStart::Monday);
        for (trend, grain, words) in [
            (rising, Grain::Hour, "rising, about 2.0 points a day, beyond chance"),
            (rising, Grain::Day, "rising, about 2.5 points a month, beyond chance"),
            (rising, week, "rising, about 0.4 points a month, beyond chance"),
            (rising, Grain::Month, "rising, about 0.08 points a month, beyond chance"),
            (rising, Grain::Quarter, "rising, about 0.3 points a year, beyond chance"),
            (falling, week, "falling, about 0.4 points a month, beyond chance"),
            (Trend { slope: 0.0, ..rising }, week, "rising, by less than 0.01 points a month, beyond chance"),
            (
                Trend { slope: 0.005, ..rising },
                Grain::Month,
                "rising, about 0.01 points a month, beyond chance",
            ),
            (
                Trend { slope: 0.095, ..rising },
                Grain::Month,
                "rising, about 0.1 points a month, beyond chance",
            ),
            (flat, week, "no trend that chance would not make"),
        ] {
            assert_eq!(said(Verdict::of_trend(Some(&trend), grain)), words);
        }
        assert_eq!(said(Verdict::of_trend(None, week)), "too few to say");
    }

    #[test]
    fn a_difference_is_said_where_its_interval_does_not_hold_zero() {
        let (low, high, few) = (of([50, 0, 0, 50, 0]), of([20, 0, 0, 80, 0]), of([1, 0, 0, 2, 0]));
        for (first, second, words) in [
            (high, low, "30.0 percentage points higher, beyond chance"),
            (low, high, "30.0 percentage points lower, beyond chance"),
            (few, low, "no difference that chance would not make"),
            (few, Tally::default(), "too few to say"),
        ] {
            assert_eq!(said(Verdict::of_comparison(compare(&first, &second).as_ref())), words);
        }
        // An end that is exactly 0 still holds it.
        let mut edge = compare(&high, &low).unwrap();
        edge.csat_interval = Interval { low: 0.0, high: 60.0 };
        assert_eq!(Verdict::of_comparison(Some(&edge)), Verdict::NoDifference);
        edge.csat_interval = Interval { low: -60.0, high: 0.0 };
        assert_eq!(Verdict::of_comparison(Some(&edge)), Verdict::NoDifference);
    }

    #[test]
    fn an_agent_is_told_from_the_others_only_where_they_stand_out() {
        let rest = |superiority, stands_out| Rest {
            ranks: MannWhitney { u: 0.0, p: 0.01, superiority },
            p_adjusted: 0.02,
            stands_out,
        };
        for (rest, words) in [
            (None, "too few to say"),
            (Some(rest(0.7, true)), "rated higher than the others, beyond chance"),
            (Some(rest(0.3, true)), "rated lower than the others, beyond chance"),
            (Some(rest(0.7, false)), "rated as the others, as far as chance lets us see"),
        ] {
            assert_eq!(said(Verdict::of_rest(rest.as_ref())), words);
        }
    }

    #[test]
    fn a_chart_is_said_by_its_last_shift_else_by_its_unusual_periods() {
        let series = [of([0, 0, 0, 2, 8]), of([0, 0, 0, 4, 6]), of([0, 0, 0, 2, 8])];
        let chart = charts(&series, 3).mean.unwrap();
        let with = |unusual: &[usize], shift_up, shift_down| MeanChart {
            unusual: unusual.to_vec(),
            shift_up,
            shift_down,
            ..chart.clone()
        };
        for (chart, words) in [
            (with(&[], None, None), "steady: nothing unusual"),
            (with(&[4], None, None), "unusual: 1 period"),
            (with(&[4, 5], None, None), "unusual: 2 periods"),
            (with(&[4, 5], Some(6), None), "shifted up: small steps have added up"),
            (with(&[], Some(3), Some(6)), "shifted down: small steps have added up"),
            (with(&[], Some(6), Some(3)), "shifted up: small steps have added up"),
            (with(&[], None, Some(3)), "shifted down: small steps have added up"),
        ] {
            assert_eq!(said(Verdict::of_chart(Some(&chart))), words);
        }
        assert_eq!(Verdict::of_chart(None), Verdict::TooFew);
    }
}
