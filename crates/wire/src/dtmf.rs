//! Digits as two tones in the audio (ITU-T Q.23), for calls that have no telephone events.
//!
//! The limits are those that the annex of ITU-T Q.24 gives for AT&T. To be heard: tones within 1.5 % of their
//! frequencies, from -25 dBm0 on, the low one up to 8 dB above the high one or 4 dB below it, for 40 ms. Not
//! to be heard: tones 3.5 % off, at -55 dBm0, or of 23 ms. A pause of 40 ms parts two digits, an
//! interruption of 10 ms does not part one. What lies between is free, and each constant says how it was used.

mod hit;
mod rising;
mod spectrum;

use hit::Hit;
use rising::Rising;
use spectrum::{STEP, Sound, Spectrum, WINDOW};

use crate::digit::Digit;

/// A digit in the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Onset {
    /// The digit whose tone it is.
    pub digit: Digit,
    /// Where the tone began, counted in samples heard and lost. On a clean line it is up to 10 ms late
    /// and never early.
    pub at: u64,
}

/// Hears the digits in one direction of one call: 16-bit linear samples, 8,000 a second.
///
/// Each digit is told once, about 40 ms after its tone began, however long it lasts. How the samples are
/// cut into chunks makes no difference. The detector is less than a kilobyte and allocates nothing.
#[derive(Debug, Clone)]
pub struct Detector {
    spectrum: Spectrum,
    /// Samples heard or lost.
    position: u64,
    held: Option<Lasting<Digit>>,
    rising: Option<Lasting<Rising>>,
}

/// A tone, and for how many samples it has not been heard.
#[derive(Debug, Clone, Copy)]
struct Lasting<T> {
    tone: T,
    absent: usize,
}

/// A tone that is absent for this many samples, 29.75 ms, is over.
///
/// An interruption of 20 ms, a packet that somebody filled with zeros or noise, comes to six steps at most,
/// and a pause of 40 ms to eight at least. The same goes for a tone that is not yet a digit: in two pieces
/// it is one as well.
const ABSENT_MAX: usize = 7 * STEP;

/// Samples of one loss that are looked at, 0.5 s: any tone is over after an eighth of that.
const LOST_MAX: u32 = 4000;

impl Default for Detector {
    fn default() -> Self {
        Self::new()
    }
}

impl Detector {
    /// A detector that has heard nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { spectrum: Spectrum::new(), position: 0, held: None, rising: None }
    }

    /// Takes the next samples, and tells of each digit that they make certain.
    pub fn hear(&mut self, samples: &[i16], mut tell: impl FnMut(Onset)) {
        let mut rest = samples;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.spectrum.lacks().min(rest.len()));
            self.position += now.len() as u64;
            let sound = self.spectrum.take(now);
            sound.and_then(|sound| self.judge(sound)).into_iter().for_each(&mut tell);
            rest = later;
        }
    }

    /// Says that the next samples never came, and tells of a digit that is certain without them.
    ///
    /// A digit lasts on through a loss of 40 ms. A loss counts half as pause, since nobody knows what was in
    /// it, and never as tone, so that no digit is made of it.
    pub fn lost(&mut self, samples: u32, mut tell: impl FnMut(Onset)) {
        let mut rest = samples.min(LOST_MAX) as usize;
        let unseen = samples.saturating_sub(LOST_MAX);
        while rest > 0 {
            let now = self.spectrum.lacks().min(rest);
            self.position += now as u64;
            let sound = self.spectrum.take_lost(now);
            sound.and_then(|sound| self.judge(sound)).into_iter().for_each(&mut tell);
            rest -= now;
        }
        self.position += u64::from(unseen);
    }

    fn judge(&mut self, sound: Sound) -> Option<Onset> {
        match sound {
            Sound::Beginning => {}
            Sound::Silence { lost } => self.pass(STEP - lost / 2),
            Sound::Window(window) => match Hit::judge(&window) {
                Some(hit) => return self.follow(hit),
                None => self.pass(STEP),
            },
        }
        None
    }

    /// So many samples without a digit.
    fn pass(&mut self, samples: usize) {
        self.held = self.held.and_then(|held| held.without(samples));
        self.rising = self.rising.and_then(|rising| rising.without(samples));
    }

    fn follow(&mut self, hit: Hit) -> Option<Onset> {
        if let Some(held) = &mut self.held
            && held.tone == hit.digit
        {
            held.absent = 0;
            self.rising = None;
            return None;
        }
        self.held = self.held.and_then(|held| held.without(STEP));
        let at = self.position - WINDOW as u64;
        let before = self.rising.take().filter(|rising| rising.tone.latest.digit == hit.digit);
        let tone = before.map_or(Rising::new(hit, at), |rising| rising.tone.with(hit, at));
        let Some(began) = tone.digit_since() else {
            self.rising = Some(Lasting { tone, absent: 0 });
            return None;
        };
        self.held = Some(Lasting { tone: hit.digit, absent: 0 });
        Some(Onset { digit: hit.digit, at: began })
    }
}

impl<T> Lasting<T> {
    fn without(self, samples: usize) -> Option<Self> {
        let absent = self.absent + samples;
        (absent < ABSENT_MAX).then_some(Self { absent, ..self })
    }
}
