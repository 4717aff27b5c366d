//! The score a caller gave: 1 to 5, where 5 is best. Never a key.

use serde::{Deserialize, Serialize};

/// A score from 1 (worst) to 5 (best).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Score(u8);

/// The number is not a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a score: 1 (worst) to 5 (best)")]
pub struct NotAScore(pub u8);

impl Score {
    /// The five scores, worst first.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// The score as a number, 1-5.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for Score {
    type Error = NotAScore;
    fn try_from(number: u8) -> Result<Self, NotAScore> {
        if (1..=5).contains(&number) { Ok(Self(number)) } else { Err(NotAScore(number)) }
    }
}

impl From<Score> for u8 {
    fn from(score: Score) -> u8 {
        score.0
    }
}
