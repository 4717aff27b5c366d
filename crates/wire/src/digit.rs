//! A DTMF digit, as RTP events and SIP INFO name it.

use std::fmt;

/// One of the sixteen DTMF digits: `0`-`9`, `*`, `#`, `A`-`D`. Kept as its event code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digit(u8);

impl Digit {
    /// Every digit, in the order of its event code.
    pub const ALL: [Self; 16] = {
        let mut all = [Self(0); 16];
        let mut code = 0;
        while code < 16 {
            all[code as usize] = Self(code);
            code += 1;
        }
        all
    };

    /// The digit of an event code, 0-15 (RFC 4733, 3.2); `None` for flash hook, tones and others.
    #[must_use]
    pub const fn from_event(code: u8) -> Option<Self> {
        if code < 16 { Some(Self(code)) } else { None }
    }

    /// The digit's event code, 0-15.
    #[must_use]
    pub const fn event(self) -> u8 {
        self.0
    }

    /// The digit that a character names, letters in either case.
    #[must_use]
    pub fn from_char(c: char) -> Option<Self> {
        let named = c.to_ascii_uppercase();
        CHARS
            .iter()
            .position(|known| char::from(*known) == named)
            .and_then(|code| Self::ALL.get(code).copied())
    }

    /// The digit as a character, letters in upper case.
    #[must_use]
    pub fn char(self) -> char {
        char::from(CHARS[usize::from(self.0 & 0xf)])
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.char())
    }
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digit({})", self.char())
    }
}

const CHARS: &[u8; 16] = b"0123456789*#ABCD";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_digits_have_a_code_and_a_character_each() {
        let chars: String = Digit::ALL.iter().map(|digit| digit.char()).collect();
        assert_eq!(chars, "0123456789*#ABCD");
        for (code, digit) in (0..16).zip(Digit::ALL) {
            assert_eq!((digit.event(), Digit::from_event(code)), (code, Some(digit)));
            assert_eq!(Digit::from_char(digit.char().to_ascii_lowercase()), Some(digit));
            assert_eq!(format!("{digit} {digit:?}"), format!("{c} Digit({c})", c = digit.char()));
        }
        assert_eq!(Digit::from_event(16), None);
        assert_eq!("EX-.é１".chars().find_map(Digit::from_char), None);
    }
}
