//! Whether a window holds the two tones of a digit and next to nothing else.

use std::ops::Range;

use super::spectrum::{Phasor, TONES, WINDOW, Window};
use crate::digit::Digit;

/// A window that sounds like a digit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) digit: Digit,
    pub(super) low: Tone,
    pub(super) high: Tone,
}

/// One of the two tones, by its place in [`TONES_HZ`](super::spectrum::TONES_HZ).
#[derive(Debug, Clone, Copy)]
pub(super) struct Tone {
    pub(super) place: usize,
    pub(super) phasor: Phasor,
}

impl Hit {
    /// The digit that a window holds, if it holds one.
    pub(super) fn judge(window: &Window) -> Option<Self> {
        if window.energy < 2.0 * FLOOR {
            return None;
        }
        let powers = window.tones.map(|tone| tone.squared() * ENERGY);
        let (row, column) = (strongest(&powers, LOW_GROUP), strongest(&powers, HIGH_GROUP));
        let (low, high) = (powers[row], powers[column]);
        let is_loud = low.min(high) >= FLOOR;
        let is_level = low <= high * TWIST_NORMAL_MAX && high <= low * TWIST_REVERSE_MAX;
        let is_pure = low + high >= window.energy * PURITY_MIN;
        let stands_out = |group: Range<usize>, chosen: usize| {
            group.into_iter().all(|tone| tone == chosen || powers[tone] * NEIGHBOUR_BELOW <= powers[chosen])
        };
        if !(is_loud && is_level && is_pure && stands_out(LOW_GROUP, row) && stands_out(HIGH_GROUP, column)) {
            return None;
        }
        let tone = |place: usize| Tone { place, phasor: window.tones[place] };
        let digit = Digit::from_event(EVENTS[row][column - HIGH_GROUP.start])?;
        Some(Self { digit, low: tone(row), high: tone(column) })
    }
}

fn strongest(powers: &[f32; TONES], group: Range<usize>) -> usize {
    let first = group.start;
    group.fold(first, |best, tone| if powers[tone] > powers[best] { tone } else { best })
}

const LOW_GROUP: Range<usize> = 0..4;
const HIGH_GROUP: Range<usize> = 4..8;

/// The keypad of ITU-T Q.23 in event codes: 10 is the star, 11 the hash, 12 to 15 are A to D.
const EVENTS: [[u8; 4]; 4] = [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

/// Makes of a phasor's square the energy that the tone has in a window.
const ENERGY: f32 = 2.0 / WINDOW as f32;

/// The least energy of a tone: -40 dBm0, half way in dB between what must be heard (-25 dBm0) and what
/// must not (-55 dBm0; ITU-T Q.24).
///
/// A full-scale sine has 3.14 dBm0 and half the square of 32,768; 43.14 dB below that are 26,054 a sample.
const FLOOR: f32 = 26_054.0 * WINDOW as f32;

/// The low tone may be 12 dB above the high one. ITU-T Q.24 has receivers accept 8 dB, because lines dampen
/// high tones more; but 2.2 dB seem to be missing where 941 Hz leak into a high tone so much weaker, in
/// the wrong phase, and a frequency 1.5 % off looks up to 1.5 dB weaker.
const TWIST_NORMAL_MAX: f32 = 16.0;

/// The high tone may be 6 dB above the low one: Q.24's 4 dB, and what a weaker low tone seems to lack.
const TWIST_REVERSE_MAX: f32 = 4.0;

/// The tones' share of the energy, -1.8 dB. Where a tone begins or ends within a window, the share is the
/// part of it that the tone fills: with 0.66 one step of the three may be missing, so that of a tone
/// cut to pieces little is wasted. A voice has its energy in many harmonics, and falls short.
const PURITY_MIN: f32 = 0.66;

/// Any other tone of a group is at least 6 dB below the chosen one: a sound between two tones excites
/// both. From a tone 73 Hz away 6.5 dB less leak over into a window two thirds full.
const NEIGHBOUR_BELOW: f32 = 4.0;
