//! Ids made here: UUIDv7 (RFC 9562, 5.7) of a time that is handed in, a counter and random bits.

use std::fmt;
use std::sync::Mutex;

use jiff::Timestamp;
use uuid::{ContextV7, Uuid};

/// Makes ids, each sorting behind all before, also within a millisecond and when time steps back.
pub(crate) struct Ids(Mutex<ContextV7>);

impl Ids {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(ContextV7::new()))
    }

    /// The next id, of that instant (1970 at the earliest).
    pub(crate) fn next(&self, at: Timestamp) -> Uuid {
        let at = at.max(Timestamp::UNIX_EPOCH);
        let (seconds, nanos) = (at.as_second().unsigned_abs(), at.subsec_nanosecond().unsigned_abs());
        Uuid::new_v7(uuid::Timestamp::from_unix(&self.0, seconds, nanos))
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ids")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_carry_the_time_handed_in_and_rise_whatever_it_does() {
        let ids = Ids::new();
        let instants = ["2026-11-22T08:00:00.001Z", "2026-11-22T08:00:00.001Z", "2026-11-22T07:59:59Z"];
        let made: Vec<Uuid> = instants
            .iter()
            .flat_map(|at| std::iter::repeat_n(at.parse::<Timestamp>().unwrap(), 1_000))
            .map(|at| ids.next(at))
            .collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert_eq!(made[0].get_version_num(), 7);
        assert_eq!(made[0].get_timestamp().unwrap().to_unix(), (1_795_334_400, 1_000_000));
        assert_eq!(Ids::new().next(Timestamp::MIN).get_timestamp().unwrap().to_unix(), (0, 0));
    }
}
