//! How soon a key cuts the prompt, told from the audio alone: the prompt is learned from one call that presses
//! nothing, and in every other call the first packet that is not the prompt's next one is the cut.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aftercall_wire::g711::decode_mu_law;

use crate::histogram::Histogram;

/// Samples up to this, of 32,767, are the background of a pause.
const PAUSE_MAX: u16 = 64;

/// A prompt that still goes on this long after the key was not cut by it.
const UNHEARD_AFTER: Duration = Duration::from_secs(1);

/// Packets learned at most: two minutes.
const FRAMES_MAX: usize = 6000;

/// One packet's audio, as much of it as needs to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Frame {
    hash: u64,
    audible: bool,
}

/// What a caller hears who presses nothing, from the first sound to the last.
#[derive(Debug)]
pub struct Prompt {
    frames: Vec<Frame>,
}

/// Listens to the call that presses nothing.
#[derive(Debug, Default)]
pub struct Learner {
    frames: Vec<Frame>,
}

/// Where in the prompt a call is.
#[derive(Debug, Default)]
pub struct Follower {
    /// The frame that comes next, while the prompt is on.
    next: Option<usize>,
    pressed: Option<Duration>,
}

/// What became of keys pressed during the prompt.
#[derive(Debug, Default)]
pub struct Cuts {
    /// From the key's first packet being sent to the first packet of something else arriving.
    pub times: Histogram,
    /// Keys after which the prompt went on for a second.
    pub unheard: u64,
}

impl Frame {
    fn of(payload: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        payload.hash(&mut hasher);
        let audible = payload.iter().any(|&code| decode_mu_law(code).unsigned_abs() > PAUSE_MAX);
        Self { hash: hasher.finish(), audible }
    }
}

impl Learner {
    /// Hears one packet.
    pub fn hear(&mut self, payload: &[u8]) {
        if self.frames.len() < FRAMES_MAX {
            self.frames.push(Frame::of(payload));
        }
    }

    /// What was learned; `None` when there was no sound.
    #[must_use]
    pub fn prompt(&self) -> Option<Prompt> {
        let first = self.frames.iter().position(|frame| frame.audible)?;
        let last = self.frames.iter().rposition(|frame| frame.audible)?;
        Some(Prompt { frames: self.frames[first..=last].to_vec() })
    }
}

impl Prompt {
    /// How long it is.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(20) * u32::try_from(self.frames.len()).unwrap_or(u32::MAX)
    }
}

impl Follower {
    /// A key was pressed now. It counts if the prompt is on, and no key before it is still to be heard.
    pub fn pressed(&mut self, now: Duration) {
        self.pressed = self.pressed.or(self.next.map(|_| now));
    }

    /// Hears the next packet.
    pub fn hear(&mut self, payload: &[u8], arrival: Duration, prompt: &Prompt, cuts: &mut Cuts) {
        let frame = Frame::of(payload);
        let expected = self.next.and_then(|next| prompt.frames.get(next));
        if expected == Some(&frame) {
            self.next = self.next.map(|next| next + 1);
            if self.pressed.is_some_and(|pressed| arrival >= pressed + UNHEARD_AFTER) {
                self.pressed = None;
                cuts.unheard += 1;
            }
            return;
        }
        if let (Some(pressed), Some(next), Some(_)) = (self.pressed.take(), self.next, expected)
            // A pause sounds the same in every prompt: when it was cut there, the moment is not known.
            && prompt.frames[next - 1].audible
        {
            cuts.times.record(arrival.saturating_sub(pressed));
        }
        self.next = (prompt.frames.first() == Some(&frame)).then_some(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet that sounds of this number; 0 is a pause.
    fn packet(number: u8) -> [u8; 160] {
        let mut payload = [if number == 0 { 0xff } else { 0x20 }; 160];
        payload[0] = if number == 0 { 0xfe } else { number };
        payload
    }

    fn learned(numbers: &[u8]) -> Prompt {
        let mut learner = Learner::default();
        numbers.iter().for_each(|&number| learner.hear(&packet(number)));
        learner.prompt().unwrap()
    }

    const PROMPT: [u8; 12] = [0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0, 0];

    /// A call that hears these packets from 0 ms on, 20 ms apart, and presses its key after so many of them. What was cut
    /// after how many milliseconds, and how many keys were not heard.
    fn call(pressed_after: usize, numbers: &[u8]) -> (Option<u128>, u64) {
        let prompt = learned(&PROMPT);
        let (mut follower, mut cuts) = (Follower::default(), Cuts::default());
        let at = |place: usize| Duration::from_millis(20 * place as u64);
        for (place, &number) in numbers.iter().enumerate() {
            if place == pressed_after {
                follower.pressed(at(place) - Duration::from_millis(5));
            }
            follower.hear(&packet(number), at(place), &prompt, &mut cuts);
        }
        let cut = (cuts.times.spread().count > 0).then(|| cuts.times.quantile(1.0).as_millis());
        (cut, cuts.unheard)
    }

    #[test]
    fn a_prompt_is_learned_from_its_first_sound_to_its_last() {
        assert_eq!(learned(&PROMPT).length(), Duration::from_millis(8 * 20));
        let mut silence = Learner::default();
        silence.hear(&packet(0));
        assert!(silence.prompt().is_none());
    }

    #[test]
    fn the_cut_is_the_first_packet_of_something_else() {
        for (what, pressed_after, numbers, expected) in [
            ("at once", 4, [0, 0, 1, 2, 9, 9, 9].as_slice(), Some(5)),
            ("four packets later", 4, &[0, 0, 1, 2, 3, 0, 0, 4, 9], Some(85)),
            ("one packet later", 3, &[0, 0, 1, 2, 3, 9], Some(45)),
            ("the prompt again", 4, &[0, 0, 1, 2, 1, 2, 3], Some(5)),
            ("within the pause", 5, &[0, 0, 1, 2, 3, 0, 9], None),
            ("after the prompt's end", 9, &[0, 0, 1, 2, 3, 0, 0, 4, 5, 6, 0, 9], None),
            ("before the prompt", 1, &[0, 0, 1, 2, 9], None),
            ("not pressed", 99, &[0, 0, 1, 2, 9], None),
        ] {
            assert_eq!(call(pressed_after, numbers), (expected, 0), "{what}");
        }
    }

    #[test]
    fn a_prompt_that_goes_on_did_not_hear_the_key() {
        let numbers: Vec<u8> = (1..=100).collect();
        let prompt = learned(&numbers);
        let (mut follower, mut cuts) = (Follower::default(), Cuts::default());
        for (place, &number) in numbers.iter().enumerate() {
            let at = Duration::from_millis(20 * place as u64);
            follower.hear(&packet(number), at, &prompt, &mut cuts);
            // Pressing again does not make it heard.
            if place == 10 || place == 40 {
                follower.pressed(at);
            }
        }
        assert_eq!((cuts.unheard, cuts.times.spread().count), (1, 0));
    }
}
