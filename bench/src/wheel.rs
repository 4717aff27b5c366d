//! Whose packet is due at which millisecond: twenty slots, gone round fifty times a second.

/// One turn, in milliseconds: a packet time.
pub const TURN_MS: u64 = 20;

/// How late the wheel may be, in milliseconds, before it leaves time out: a generator that sends bursts would
/// measure its own bursts.
pub const CATCH_UP_MS: u64 = 40;

/// The calls in their slots.
#[derive(Debug, Default)]
pub struct Wheel {
    slots: [Vec<u64>; TURN_MS as usize],
}

/// Where a call sits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(usize);

impl Wheel {
    /// Gives a call the emptiest slot, so that packets are spread over the turn.
    pub fn seat(&mut self, call: u64) -> Slot {
        let mut emptiest = 0;
        for slot in 1..self.slots.len() {
            if self.slots[slot].len() < self.slots[emptiest].len() {
                emptiest = slot;
            }
        }
        self.slots[emptiest].push(call);
        Slot(emptiest)
    }

    /// Takes a call out.
    pub fn leave(&mut self, call: u64, Slot(slot): Slot) {
        if let Some(place) = self.slots[slot].iter().position(|&seated| seated == call) {
            self.slots[slot].swap_remove(place);
        }
    }

    /// Who is due at this millisecond.
    #[must_use]
    pub fn due(&self, tick: u64) -> &[u64] {
        &self.slots[(tick % TURN_MS) as usize]
    }
}

/// The ticks to be done now, after `done` and up to `now`, and how many are left out because they are too long ago.
#[must_use]
pub fn ticks_due(done: u64, now: u64) -> (std::ops::RangeInclusive<u64>, u64) {
    let first = (done + 1).max((now + 1).saturating_sub(CATCH_UP_MS));
    (first..=now, first - (done + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_due_once_a_turn_and_the_turn_is_evenly_filled() {
        let mut wheel = Wheel::default();
        for call in 0..1000 {
            wheel.seat(call);
        }
        for tick in 500..520 {
            assert_eq!(wheel.due(tick).len(), 50);
        }
        let mut turn: Vec<u64> = (700..720).flat_map(|tick| wheel.due(tick).to_vec()).collect();
        turn.sort_unstable();
        assert_eq!(turn, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_seat_that_was_left_is_given_to_the_next() {
        let mut wheel = Wheel::default();
        let slots: Vec<Slot> = (0..40).map(|call| wheel.seat(call)).collect();
        wheel.leave(27, slots[27]);
        assert!((0..20).all(|tick| !wheel.due(tick).contains(&27)));
        assert_eq!(wheel.seat(99), slots[27]);
    }

    #[test]
    fn time_too_long_ago_is_left_out() {
        for (done, now, first, left_out) in [
            (100, 101, 101, 0),
            (100, 103, 101, 0),
            (100, 140, 101, 0),
            (100, 141, 102, 1),
            (100, 1000, 961, 860),
            (0, 5, 1, 0),
        ] {
            assert_eq!(ticks_due(done, now), (first..=now, left_out), "{done} {now}");
        }
        assert!(ticks_due(7, 7).0.is_empty());
    }
}
