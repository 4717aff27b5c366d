//! How much of each of the eight tones is in the last 12.75 ms, and in which phase.

use std::f64::consts::PI;
use std::ops::{Add, AddAssign, Mul};

/// Samples from one judgement to the next: 4.25 ms, a third of a window.
pub(super) const STEP: usize = 34;

/// Steps in a window.
const STEPS: usize = 3;

/// Samples in a window: 12.75 ms. What answers to one tone is then deaf 78 Hz beside it, and the
/// nearest neighbours of the same group are 73 Hz away.
pub(super) const WINDOW: usize = STEP * STEPS;

/// The eight frequencies in Hz, the low group and then the high one (ITU-T Q.23).
pub(super) const TONES_HZ: [f64; TONES] = [697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0];

pub(super) const TONES: usize = 8;

/// Samples a second.
pub(super) const RATE_HZ: f64 = 8000.0;

/// A complex number: the strength and phase of a tone.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Phasor {
    pub(super) re: f32,
    pub(super) im: f32,
}

impl Phasor {
    pub(super) const ZERO: Self = Self { re: 0.0, im: 0.0 };

    pub(super) const fn conjugate(self) -> Self {
        Self { re: self.re, im: -self.im }
    }

    pub(super) const fn squared(self) -> f32 {
        self.re * self.re + self.im * self.im
    }
}

impl Add for Phasor {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl AddAssign for Phasor {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Mul for Phasor {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

/// One window: its energy, and each tone in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Sum of the squares of its samples.
    pub(super) energy: f32,
    /// By [`TONES_HZ`]; the phase is that at the window's first sample.
    pub(super) tones: [Phasor; TONES],
}

/// What a step added.
pub(super) enum Sound {
    /// Nothing but zeros; `lost` of its samples never came.
    Silence { lost: usize },
    /// Some sound, but not yet a window of it since the last silence.
    Beginning,
    /// Enough sound to judge.
    Window(Window),
}

/// Turns samples into windows, one every [`STEP`], none across a silence.
///
/// Each tone is a discrete Fourier transform at its own frequency, which is what Goertzel's recurrence
/// computes too. Here it is a sum over a table, because windows overlap: each sample is weighed once,
/// and three steps are put together with their phases turned.
#[derive(Debug, Clone)]
pub(super) struct Spectrum {
    samples: [i16; STEP],
    /// How many of `samples` have been taken, and how many of these are there for lost ones.
    taken: usize,
    lost: usize,
    steps: [Step; STEPS],
    /// Steps since the last silence, at most [`STEPS`].
    sounding: usize,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    energy: f32,
    /// The real parts of the tones, then the imaginary ones: the order in which processors add them fastest.
    sums: [f32; 2 * TONES],
}

impl Spectrum {
    pub(super) const fn new() -> Self {
        let empty = Step { energy: 0.0, sums: [0.0; 2 * TONES] };
        Self { samples: [0; STEP], taken: 0, lost: 0, steps: [empty; STEPS], sounding: 0 }
    }

    /// Samples that the current step still lacks.
    pub(super) const fn lacks(&self) -> usize {
        STEP - self.taken
    }

    /// Takes samples, at most as many as the step lacks. When that fills it, tells what it added.
    pub(super) fn take(&mut self, samples: &[i16]) -> Option<Sound> {
        for (slot, sample) in self.samples.iter_mut().skip(self.taken).zip(samples) {
            *slot = *sample;
        }
        self.taken += samples.len();
        (self.taken >= STEP).then(|| self.step())
    }

    /// As [`take`](Self::take), of samples that never came.
    pub(super) fn take_lost(&mut self, samples: usize) -> Option<Sound> {
        self.lost += samples;
        self.take(SILENCE.get(..samples).unwrap_or(&SILENCE))
    }

    fn step(&mut self) -> Sound {
        let lost = std::mem::take(&mut self.lost);
        self.taken = 0;
        if self.samples.iter().all(|sample| sample.unsigned_abs() <= SILENCE_MAX) {
            self.sounding = 0;
            return Sound::Silence { lost };
        }
        self.steps.rotate_left(1);
        self.steps[STEPS - 1] = Step::weigh(&self.samples);
        self.sounding = STEPS.min(self.sounding + 1);
        if self.sounding < STEPS { Sound::Beginning } else { Sound::Window(self.window()) }
    }

    fn window(&self) -> Window {
        let [eldest, middle, latest] = &self.steps;
        let tones = std::array::from_fn(|tone| {
            eldest.tone(tone) + (middle.tone(tone) + latest.tone(tone) * TURN[tone]) * TURN[tone]
        });
        Window { energy: eldest.energy + middle.energy + latest.energy, tones }
    }
}

const SILENCE: [i16; STEP] = [0; STEP];

/// What comes of zero by A-law, which has no code for it.
const SILENCE_MAX: u16 = 8;

impl Step {
    fn weigh(samples: &[i16; STEP]) -> Self {
        let mut sums = [0.0; 2 * TONES];
        for (sample, waves) in samples.iter().zip(&WAVES) {
            let sample = f32::from(*sample);
            for (sum, wave) in sums.iter_mut().zip(waves) {
                *sum += sample * wave;
            }
        }
        let energy: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
        Self { energy: energy as f32, sums }
    }

    fn tone(&self, tone: usize) -> Phasor {
        Phasor { re: self.sums[tone], im: self.sums[TONES + tone] }
    }
}

/// Turns a tone's phase back by what it advances in a step.
pub(super) const TURN: [Phasor; TONES] = {
    let mut turns = [Phasor::ZERO; TONES];
    let mut tone = 0;
    while tone < TONES {
        let (cosine, sine) = wave(TONES_HZ[tone], STEP);
        turns[tone] = Phasor { re: cosine as f32, im: -sine as f32 };
        tone += 1;
    }
    turns
};

/// At each sample of a step the cosines of the tones, then their sines, negated as Fourier has them.
const WAVES: [[f32; 2 * TONES]; STEP] = {
    let mut waves = [[0.0; 2 * TONES]; STEP];
    let mut at = 0;
    while at < STEP {
        let mut tone = 0;
        while tone < TONES {
            let (cosine, sine) = wave(TONES_HZ[tone], at);
            waves[at][tone] = cosine as f32;
            waves[at][TONES + tone] = -sine as f32;
            tone += 1;
        }
        at += 1;
    }
    waves
};

/// Cosine and sine of a tone at a sample, by their power series: those of the standard library do not run
/// at compile time.
pub(super) const fn wave(hz: f64, at: usize) -> (f64, f64) {
    let turns = hz * at as f64 / RATE_HZ;
    // Half a turn away lies an angle within half a turn of zero, where the series ends soon.
    let angle = 2.0 * PI * (turns - (turns as u32) as f64 - 0.5);
    let (mut cosine, mut sine) = (0.0, 0.0);
    let mut term = 1.0;
    let mut power = 0;
    while power < SERIES {
        cosine += term;
        term *= angle / (power + 1) as f64;
        sine += term;
        term *= -angle / (power + 2) as f64;
        power += 2;
    }
    (-cosine, -sine)
}

/// Powers of the series: the last is below 10^-18 at half a turn.
const SERIES: u32 = 36;
