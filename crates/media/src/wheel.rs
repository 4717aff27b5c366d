//! Who is due at which millisecond: twenty slots of one millisecond, gone round fifty times a second.

use std::time::Duration;

/// One turn of the wheel, in milliseconds: the longest wait of a datagram, and so of a key.
pub(crate) const TURN_MS: u64 = 20;

const SLOTS: usize = TURN_MS as usize;

/// How late the wheel may be, in milliseconds, before it leaves time out instead of making up for it: three
/// turns, so that a leg sends at most three packets of 20 ms at once. Jitter buffers take that; a longer
/// burst they drop.
pub(crate) const CATCH_UP_MS: u64 = 3 * TURN_MS;

/// Whole milliseconds of the engine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(pub(crate) u64);

impl Tick {
    /// The tick so much later.
    pub(crate) fn after(self, pause: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// How often a leg is due, and its place among the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat {
    slot: usize,
    step: Step,
}

/// How often a leg is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Every 10 ms: for packets of 10, 30 and 50 ms, and for relayed audio, which should not wait.
    Ten,
    /// Every 20 ms.
    Twenty,
}

impl Seat {
    /// The slots of a turn in which the leg is due.
    fn slots(self) -> impl Iterator<Item = usize> {
        let step = match self.step {
            Step::Ten => SLOTS / 2,
            Step::Twenty => SLOTS,
        };
        (self.slot % step..SLOTS).step_by(step)
    }

    pub(crate) fn step(self) -> Step {
        self.step
    }
}

/// The legs, by their index in the slab, in the slots in which they are due.
#[derive(Debug, Default)]
pub(crate) struct Wheel {
    slots: [Vec<u32>; SLOTS],
}

impl Wheel {
    /// Seats a leg in the emptiest slot, so that the load is spread over the turn; of equals in the first
    /// that comes after `now`.
    pub(crate) fn seat(&mut self, leg: u32, step: Step, now: Tick) -> Seat {
        let first = (now.0 + 1) % TURN_MS;
        let slot = (0..SLOTS).map(|after| (first as usize + after) % SLOTS).min_by_key(|&slot| {
            Seat { slot, step }.slots().map(|slot| self.slots[slot].len()).sum::<usize>()
        });
        let seat = Seat { slot: slot.unwrap_or(0), step };
        for slot in seat.slots() {
            self.slots[slot].push(leg);
        }
        seat
    }

    /// Frees the seat of `leg`.
    pub(crate) fn leave(&mut self, leg: u32, seat: Seat) {
        for slot in seat.slots() {
            self.slots[slot].retain(|&other| other != leg);
        }
    }

    /// The first tick after `past` at which somebody is due; `None` when the wheel is empty.
    pub(crate) fn next(&self, past: Tick) -> Option<Tick> {
        (past.0 + 1..=past.0 + TURN_MS).map(Tick).find(|&tick| !self.due(tick).is_empty())
    }

    /// Who is due at `tick`.
    pub(crate) fn due(&self, tick: Tick) -> &[u32] {
        &self.slots[(tick.0 % TURN_MS) as usize]
    }
}

/// Where to go on after `past` when the clock shows `now`: not further back than [`CATCH_UP_MS`].
pub(crate) fn resume(past: Tick, now: Tick) -> Tick {
    Tick(past.0.max(now.0.saturating_sub(CATCH_UP_MS)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The ticks after `from`, up to and including `to`, at which `leg` is due.
    fn visits(wheel: &Wheel, leg: u32, from: u64, to: u64) -> Vec<u64> {
        (from + 1..=to).filter(|&tick| wheel.due(Tick(tick)).contains(&leg)).collect()
    }

    #[test]
    fn a_leg_is_due_every_step_from_the_next_millisecond_on() {
        for (step, expected) in
            [(Step::Twenty, vec![101, 121, 141]), (Step::Ten, vec![101, 111, 121, 131, 141, 151])]
        {
            let mut wheel = Wheel::default();
            wheel.seat(7, step, Tick(100));
            assert_eq!(visits(&wheel, 7, 100, 160), expected);
        }
    }

    #[test]
    fn a_thousand_legs_are_spread_evenly() {
        let mut wheel = Wheel::default();
        for leg in 0..1000 {
            wheel.seat(leg, Step::Twenty, Tick(u64::from(leg) / 7));
        }
        assert!(wheel.slots.iter().all(|slot| slot.len() == 50));
    }

    #[test]
    fn an_empty_wheel_has_no_next_tick_and_one_leg_wakes_it_once_a_turn() {
        let mut wheel = Wheel::default();
        assert_eq!(wheel.next(Tick(5)), None);
        let seat = wheel.seat(0, Step::Twenty, Tick(5));
        assert_eq!(wheel.next(Tick(5)), Some(Tick(6)));
        assert_eq!(wheel.next(Tick(6)), Some(Tick(26)));
        wheel.leave(0, seat);
        assert_eq!(wheel.next(Tick(6)), None);
    }

    #[test]
    fn after_a_stall_three_turns_are_made_up_for_and_the_rest_is_left_out() {
        assert_eq!(resume(Tick(1000), Tick(1001)), Tick(1000));
        assert_eq!(resume(Tick(1000), Tick(1060)), Tick(1000));
        assert_eq!(resume(Tick(1000), Tick(1061)), Tick(1001));
        assert_eq!(resume(Tick(1000), Tick(9000)), Tick(8940));
    }

    proptest! {
        #[test]
        fn whoever_comes_and_goes_everyone_seated_is_due_exactly_once_a_step(
            moves in prop::collection::vec((0u32..12, any::<bool>(), 0u64..50), 1..60)
        ) {
            let mut wheel = Wheel::default();
            let mut seats: std::collections::HashMap<u32, Seat> = Default::default();
            let mut now = 0;
            for (leg, ten, later) in moves {
                now += later;
                match seats.remove(&leg) {
                    Some(seat) => wheel.leave(leg, seat),
                    None => {
                        let step = if ten { Step::Ten } else { Step::Twenty };
                        seats.insert(leg, wheel.seat(leg, step, Tick(now)));
                    }
                }
                for leg in 0..12 {
                    let due = visits(&wheel, leg, now, now + 40).len();
                    let expected = match seats.get(&leg).map(|seat| seat.step()) {
                        None => 0,
                        Some(Step::Twenty) => 2,
                        Some(Step::Ten) => 4,
                    };
                    prop_assert_eq!(due, expected);
                }
            }
        }
    }
}
