//! From handled calls to completed surveys: who was asked, who answered.

use crate::stats::interval::{Interval, Level, wilson};
use crate::stats::tally::{TooMany, share};

/// How far a call got. Each stage includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The call was handled; the rules kept it from being asked.
    Handled,
    /// It might have been asked.
    Eligible,
    /// The survey was put to the caller.
    Offered,
    /// The caller heard the first question.
    Started,
    /// The caller gave at least one valid answer.
    Answered,
    /// The caller went through to the end.
    Completed,
}

impl Stage {
    /// Every stage, in the order of a call.
    pub const ALL: [Self; 6] =
        [Self::Handled, Self::Eligible, Self::Offered, Self::Started, Self::Answered, Self::Completed];
}

/// Calls by how far they got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Funnel([u64; 6]);

impl Funnel {
    /// The numbers of calls that got to each [`Stage`] and no further, in their order.
    ///
    /// # Errors
    /// When they add up to more than a `u64` holds.
    pub fn new(calls: [u64; 6]) -> Result<Self, TooMany> {
        let all = calls.iter().try_fold(0_u64, |sum, n| sum.checked_add(*n));
        all.map(|_| Self(calls)).ok_or(TooMany)
    }

    /// These calls and those together.
    ///
    /// # Errors
    /// When they are more than a `u64` holds.
    pub fn merge(&self, other: &Self) -> Result<Self, TooMany> {
        let mut calls = self.0;
        for (mine, theirs) in calls.iter_mut().zip(other.0) {
            *mine = mine.checked_add(theirs).ok_or(TooMany)?;
        }
        Self::new(calls)
    }

    /// How many calls got at least so far.
    #[must_use]
    pub fn reached(&self, stage: Stage) -> u64 {
        self.0[stage as usize..].iter().sum()
    }

    /// Of the eligible, how many were offered the survey, in percent.
    #[must_use]
    pub fn offer_rate(&self) -> Option<f64> {
        self.percent(Stage::Offered, Stage::Eligible)
    }

    /// Of those who were offered it, how many heard the first question, in percent.
    #[must_use]
    pub fn start_rate(&self) -> Option<f64> {
        self.percent(Stage::Started, Stage::Offered)
    }

    /// Of those who were offered it, how many answered, in percent: the response rate.
    /// (Response rate 2 of the American Association for Public Opinion Research, "Standard
    /// definitions": partial interviews count.)
    #[must_use]
    pub fn response_rate(&self) -> Option<f64> {
        self.percent(Stage::Answered, Stage::Offered)
    }

    /// Of the eligible, how many answered, in percent.
    #[must_use]
    pub fn response_rate_of_eligible(&self) -> Option<f64> {
        self.percent(Stage::Answered, Stage::Eligible)
    }

    /// Of all handled calls, how many answered, in percent.
    #[must_use]
    pub fn response_rate_of_handled(&self) -> Option<f64> {
        self.percent(Stage::Answered, Stage::Handled)
    }

    /// Of those who answered, how many went through to the end, in percent.
    #[must_use]
    pub fn completion_rate(&self) -> Option<f64> {
        self.percent(Stage::Completed, Stage::Answered)
    }

    /// Of those who were offered it, how many did not answer, in percent.
    #[must_use]
    pub fn abandonment(&self) -> Option<f64> {
        let offered = self.reached(Stage::Offered);
        share(offered - self.reached(Stage::Answered), offered).map(|part| 100.0 * part)
    }

    /// The Wilson interval of [`Funnel::response_rate`], in percent.
    #[must_use]
    pub fn response_interval(&self, level: Level) -> Option<Interval> {
        wilson(self.reached(Stage::Answered), self.reached(Stage::Offered), level).map(Interval::percent)
    }

    fn percent(&self, part: Stage, whole: Stage) -> Option<f64> {
        share(self.reached(part), self.reached(whole)).map(|part| 100.0 * part)
    }
}
