//! Which key each caller presses.

use std::str::FromStr;

use aftercall_wire::Digit;

/// Keys and how often each is pressed: `1=60,2=25,5=15`, or plain `1,2,3` for equal shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    shares: Vec<(Digit, u32)>,
    total: u32,
}

/// The largest share, so that no sum of sixteen overflows.
const SHARE_MAX: u32 = 1_000_000;

impl Keys {
    /// The key that caller number `caller` presses. The shares are met exactly over every round of as many callers as
    /// they add up to, and neighbours differ where they can.
    #[must_use]
    pub fn of(&self, caller: u64) -> Digit {
        // A stride without common divisor visits every place of the round once.
        let total = u64::from(self.total);
        let stride = (total * 5 / 8..total).find(|&stride| gcd(stride, total) == 1).unwrap_or(1);
        let mut place = (caller % total) * stride % total;
        for &(digit, share) in &self.shares {
            match place.checked_sub(u64::from(share)) {
                Some(rest) => place = rest,
                None => return digit,
            }
        }
        self.shares[0].0
    }
}

impl FromStr for Keys {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let shares = text.split(',').map(share).collect::<Result<Vec<_>, _>>()?;
        let total = shares.iter().map(|(_, share)| share).sum();
        Ok(Self { shares, total })
    }
}

fn share(text: &str) -> Result<(Digit, u32), String> {
    let (key, share) = text.split_once('=').unwrap_or((text, "1"));
    let mut chars = key.trim().chars();
    let digit = chars.next().filter(|_| chars.as_str().is_empty()).and_then(Digit::from_char);
    let digit = digit.ok_or_else(|| format!("`{key}` is not a key: write 0-9, *, # or A-D"))?;
    let share = share.trim().parse().ok().filter(|share| (1..=SHARE_MAX).contains(share));
    Ok((digit, share.ok_or_else(|| format!("`{text}`: a share is a whole number from 1 to {SHARE_MAX}"))?))
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_met_exactly_in_every_round() {
        for (text, expected) in [
            ("1", vec![('1', 100)]),
            ("1=60,2=25,5=15", vec![('1', 60), ('2', 25), ('5', 15)]),
            ("1,2,3,4,5", vec![('1', 20), ('2', 20), ('3', 20), ('4', 20), ('5', 20)]),
            ("* = 1, # = 3", vec![('*', 25), ('#', 75)]),
        ] {
            let keys: Keys = text.parse().unwrap();
            for (key, count) in expected {
                let pressed = (700..800).filter(|&caller| keys.of(caller).char() == key).count();
                assert_eq!(pressed, count, "{text}: {key}");
            }
        }
    }

    #[test]
    fn what_is_not_a_key_or_a_share_is_refused() {
        for text in ["", "12", "x", "1=", "1=0", "1=-3", "1=2000000", "1,,2", "=5"] {
            assert!(text.parse::<Keys>().is_err(), "{text}");
        }
    }
}
