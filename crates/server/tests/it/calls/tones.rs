//! Prompts that a machine can tell apart: every one is a tone of its own, dropped as a WAV into the site's
//! folder, so that what a caller was told can be heard in the packets.

use std::f64::consts::TAU;
use std::fs;
use std::path::Path;
use std::time::Duration;

use aftercall_wire::codec::Codec;
use aftercall_wire::g711;

/// Samples a second.
const RATE: u32 = 8_000;

/// How long a prompt is, unless a test says otherwise.
pub(crate) const PROMPT: Duration = Duration::from_millis(240);

/// The loudness of our prompts, out of 32,767.
const PEAK: f64 = 8_000.0;

/// Below this (mean square) nothing is said.
const SILENT: f64 = 500.0 * 500.0;

/// This much of a packet's energy in one tone makes it that tone; packets in which one tone ends and
/// another begins have less.
const PURE: f64 = 0.8;

/// The tones, 100 Hz apart from 300 Hz: packets of 10 ms and more hold whole periods of all of them, so
/// none has a part in another. The place of `beep` (1,000 Hz) is the program's own tone before a recording.
const NAMES: [&str; 24] = [
    "please_rate",
    "you_rated",
    "digit_1",
    "digit_2",
    "digit_3",
    "digit_4",
    "digit_5",
    "beep",
    "very_satisfied",
    "satisfied",
    "neutral",
    "dissatisfied",
    "very_dissatisfied",
    "thank_you",
    "invalid_key",
    "no_key",
    "goodbye",
    "nps_question",
    "press_1_to_change",
    "leave_comment",
    "comment_saved",
    "opt_in",
    "yes",
    "no",
];

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    Silence,
    /// This prompt.
    Prompt(&'static str),
    /// Something between two prompts, or unknown.
    Mixed,
}

/// Drops our recording of every prompt into a prompts folder, English ones. Those named are this long.
pub(crate) fn record(folder: &Path, long: &[(&str, Duration)]) {
    let folder = folder.join("en");
    fs::create_dir_all(&folder).unwrap();
    for (index, name) in NAMES.iter().enumerate().filter(|(_, name)| **name != "beep") {
        let length = long.iter().find_map(|(other, length)| (other == name).then_some(*length));
        let samples = length.unwrap_or(PROMPT).as_millis() as u32 * RATE / 1_000;
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(folder.join(name).with_extension("wav"), spec).unwrap();
        for at in 0..samples {
            wav.write_sample((PEAK * turn(hertz(index), at).sin()) as i16).unwrap();
        }
        wav.finalize().unwrap();
    }
}

/// Tells what a packet's payload holds.
pub(crate) fn recognise(codec: Codec, payload: &[u8]) -> Sound {
    let law = codec.law().unwrap();
    let samples: Vec<f64> = payload.iter().map(|code| f64::from(law.decode(*code))).collect();
    let energy: f64 = samples.iter().map(|sample| sample * sample).sum();
    if energy < SILENT * samples.len() as f64 {
        return Sound::Silence;
    }
    let share = |index: usize| {
        let part = |wave: fn(f64) -> f64| -> f64 {
            (0..).zip(&samples).map(|(at, sample)| sample * wave(turn(hertz(index), at))).sum()
        };
        (part(f64::sin).powi(2) + part(f64::cos).powi(2)) * 2.0 / (energy * samples.len() as f64)
    };
    let pure = (0..NAMES.len()).find(|index| share(*index) > PURE);
    pure.map_or(Sound::Mixed, |index| Sound::Prompt(NAMES[index]))
}

fn hertz(index: usize) -> u32 {
    300 + 100 * index as u32
}

fn turn(hertz: u32, at: u32) -> f64 {
    TAU * f64::from(hertz * at) / f64::from(RATE)
}

#[test]
fn every_tone_is_told_from_the_others_in_both_codecs_and_every_packet_time() {
    for (index, name) in NAMES.iter().enumerate() {
        for (codec, encode) in
            [(Codec::Pcmu, g711::encode_mu_law as fn(i16) -> u8), (Codec::Pcma, g711::encode_a_law)]
        {
            for samples in [80, 160, 240, 320, 480] {
                let sample = |at: u32| (PEAK * turn(hertz(index), at + 40).sin()) as i16;
                let payload: Vec<u8> = (0..samples).map(sample).map(encode).collect();
                assert_eq!(recognise(codec, &payload), Sound::Prompt(name), "{samples} samples");
            }
        }
    }
    assert_eq!(recognise(Codec::Pcmu, &[g711::MU_LAW_SILENCE; 160]), Sound::Silence);
}
