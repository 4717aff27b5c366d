//! A tone that may become a digit.

use super::hit::{Hit, Tone};
use super::spectrum::{Phasor, RATE_HZ, STEP, TONES, TONES_HZ, TURN, WINDOW, wave};

/// Hits of one digit, on the way to [`HITS_TO_BEGIN`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Rising {
    pub(super) latest: Hit,
    /// Where the window of the latest hit began, in samples.
    latest_at: u64,
    began: u64,
    hits: u32,
    low: Drift,
    high: Drift,
}

/// Hits that make a digit. A tone of 23 ms gives five at most and must not be heard; one of 40 ms gives
/// seven at least and must be (ITU-T Q.24). The one to spare is for noise, soft edges and losses.
const HITS_TO_BEGIN: u32 = 6;

/// How late a tone may begin in the first window that counts for it: it fills two thirds of that. What
/// noise adds is in it, so that an onset is rather told late than before the tone.
const BEGINS_WITHIN: u64 = WINDOW as u64 * 2 / 5;

impl Rising {
    pub(super) const fn new(hit: Hit, at: u64) -> Self {
        Self {
            latest: hit,
            latest_at: at,
            began: at + BEGINS_WITHIN,
            hits: 1,
            low: Drift(Phasor::ZERO),
            high: Drift(Phasor::ZERO),
        }
    }

    /// With one more hit of the same digit, in the window that begins at `at`.
    pub(super) fn with(mut self, hit: Hit, at: u64) -> Self {
        // Across a silence nobody knows by how many turns the phase advanced.
        if at - self.latest_at == STEP as u64 {
            self.low.add(self.latest.low, hit.low);
            self.high.add(self.latest.high, hit.high);
        }
        self.hits = self.hits.saturating_add(1);
        self.latest = hit;
        self.latest_at = at;
        self
    }

    /// Where the tone began, in samples, once it is a digit.
    pub(super) fn digit_since(&self) -> Option<u64> {
        let Hit { low, high, .. } = self.latest;
        let in_tune = self.low.is_small(low.place) && self.high.is_small(high.place);
        (self.hits >= HITS_TO_BEGIN && in_tune).then_some(self.began)
    }
}

/// By how much more a tone's phase advances in a step than its frequency makes it: how far it is out of tune.
/// It is a mean, each step weighed by the tone's power.
///
/// Magnitudes cannot tell: 3.5 % of 697 Hz are 24 Hz, and what parts these takes windows of 40 ms. Nor
/// do voices hold a pitch well enough, nor two of their harmonics both pitches of a key.
#[derive(Debug, Clone, Copy)]
struct Drift(Phasor);

impl Drift {
    fn add(&mut self, before: Tone, after: Tone) {
        self.0 += after.phasor * TURN[after.place] * before.phasor.conjugate();
    }

    fn is_small(self, place: usize) -> bool {
        let limit = OUT_OF_TUNE_MAX[place];
        // The angle's tangent against the limit's, as both are within a quarter turn. Without two hits in a
        // row there is no angle, and none is not small.
        self.0.im.abs() * limit.re < self.0.re * limit.im
    }
}

/// 2.5 %, half way between what must be heard (1.5 %) and what must not (3.5 %; ITU-T Q.24), as the
/// phase it makes in a step: 27 degrees at 697 Hz, 62 at 1,633 Hz.
const OUT_OF_TUNE_MAX: [Phasor; TONES] = {
    let mut limits = [Phasor::ZERO; TONES];
    let mut tone = 0;
    while tone < TONES {
        let (cosine, sine) = wave(TONES_HZ[tone] * 0.025, STEP);
        limits[tone] = Phasor { re: cosine as f32, im: sine as f32 };
        tone += 1;
    }
    limits
};

const _: () =
    assert!(TONES_HZ[TONES - 1] * 0.025 * (STEP as f64) < RATE_HZ / 4.0, "a limit beyond a quarter turn");
