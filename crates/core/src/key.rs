//! A key of a telephone: what the caller pressed. Never a score.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One of the sixteen DTMF keys, `0`-`9`, `*`, `#`, `A`-`D` (ITU-T Q.23).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "char", into = "char")]
pub struct Key(u8);

/// The character is not on a telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a telephone key (0-9, *, #, A-D)")]
pub struct NotAKey(pub char);

impl Key {
    /// `*`
    pub const STAR: Self = Self(b'*');
    /// `#`
    pub const POUND: Self = Self(b'#');

    /// The key as a character, letters in upper case.
    #[must_use]
    pub fn char(self) -> char {
        char::from(self.0)
    }

    /// The digit's value, if the key is a digit.
    #[must_use]
    pub fn digit(self) -> Option<u8> {
        self.0.is_ascii_digit().then(|| self.0 - b'0')
    }
}

impl TryFrom<char> for Key {
    type Error = NotAKey;
    fn try_from(c: char) -> Result<Self, NotAKey> {
        match c.to_ascii_uppercase() {
            upper @ ('0'..='9' | '*' | '#' | 'A'..='D') => Ok(Self(upper as u8)),
            _ => Err(NotAKey(c)),
        }
    }
}

impl From<Key> for char {
    fn from(key: Key) -> char {
        key.char()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.char())
    }
}
