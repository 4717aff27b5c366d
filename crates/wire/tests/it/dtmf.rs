use std::f64::consts::TAU;

use aftercall_wire::Digit;
use aftercall_wire::dtmf::{Detector, Onset};
use aftercall_wire::g711::{decode_a_law, decode_mu_law, encode_a_law, encode_mu_law};
use proptest::prelude::*;
use serde::Deserialize;

use crate::reference::{self, Class};

/// How far a line's tones are from ideal ones.
#[derive(Clone, Copy)]
struct Line {
    low_dbm0: f64,
    high_dbm0: f64,
    low_off_percent: f64,
    high_off_percent: f64,
    coded: fn(i16) -> i16,
    /// What else is on the line, by the time in seconds.
    beneath: fn(f64) -> f64,
}

const LINE: Line = Line {
    low_dbm0: -10.0,
    high_dbm0: -10.0,
    low_off_percent: 0.0,
    high_off_percent: 0.0,
    coded: linear,
    beneath: |_| 0.0,
};

fn linear(sample: i16) -> i16 {
    sample
}

fn a_law(sample: i16) -> i16 {
    decode_a_law(encode_a_law(sample))
}

fn mu_law(sample: i16) -> i16 {
    decode_mu_law(encode_mu_law(sample))
}

/// What is on the line, in order.
#[derive(Clone, Debug)]
enum Part {
    Tone(Digit, usize),
    Pause(usize),
    /// Samples that are told to be lost.
    Lost(usize),
    /// Samples that somebody else lost, and filled with zeros.
    Zeros(usize),
    Noise(Vec<i16>),
}

/// Reads `5:60 -40 5:20 !20 5:20`: key 5 for 60 ms, a pause of 40 ms, key 5 again for 20 ms, 20 ms lost,
/// and 20 ms more of it; `_20` in place of `!20` are zeros that came.
fn parts(transcript: &str) -> Vec<Part> {
    let samples = |ms: &str| (ms.parse::<f64>().unwrap() * 8.0) as usize;
    let part = |word: &str| match word.split_at(1) {
        ("-", ms) => Part::Pause(samples(ms)),
        ("!", ms) => Part::Lost(samples(ms)),
        ("_", ms) => Part::Zeros(samples(ms)),
        (key, ms) => Part::Tone(digit(key), samples(ms.strip_prefix(':').unwrap())),
    };
    transcript.split(' ').map(part).collect()
}

fn digit(key: &str) -> Digit {
    key.chars().next().and_then(Digit::from_char).unwrap()
}

/// A chunk of samples, or so many lost.
#[derive(Clone, Debug)]
enum Arrival {
    Samples(Vec<i16>),
    Lost(u32),
}

impl Line {
    fn carries(&self, parts: &[Part]) -> Vec<Arrival> {
        let mut at = 0;
        parts
            .iter()
            .map(|part| {
                let from = at;
                let (samples, digit) = match part {
                    Part::Tone(digit, samples) => (*samples, Some(*digit)),
                    Part::Pause(samples) | Part::Lost(samples) | Part::Zeros(samples) => (*samples, None),
                    Part::Noise(samples) => (samples.len(), None),
                };
                at += samples;
                match part {
                    Part::Tone(..) | Part::Pause(_) => {
                        Arrival::Samples((from..at).map(|at| self.sample(digit, at)).collect())
                    }
                    Part::Lost(samples) => Arrival::Lost(u32::try_from(*samples).unwrap()),
                    Part::Zeros(samples) => Arrival::Samples(vec![0; *samples]),
                    Part::Noise(samples) => Arrival::Samples(samples.clone()),
                }
            })
            .collect()
    }

    fn sample(&self, digit: Option<Digit>, at: usize) -> i16 {
        let seconds = at as f64 / 8000.0;
        let tones = digit.map_or(0.0, |digit| {
            let key = "123A456B789C*0#D".find(digit.char()).unwrap();
            let low = [697.0, 770.0, 852.0, 941.0][key / 4] * (1.0 + self.low_off_percent / 100.0);
            let high = [1209.0, 1336.0, 1477.0, 1633.0][key % 4] * (1.0 + self.high_off_percent / 100.0);
            sine(low, self.low_dbm0, seconds) + sine(high, self.high_dbm0, seconds)
        });
        (self.coded)((tones + (self.beneath)(seconds)).round() as i16)
    }

    /// The keys heard of a transcript, when it begins at each of the places that it can have in a step.
    fn hears(&self, transcript: &str) -> String {
        let heard = |lead: usize| {
            let mut all = vec![Part::Pause(400 + lead)];
            all.extend(parts(transcript));
            all.push(Part::Pause(800));
            keys(&hear(&self.carries(&all)))
        };
        let first = heard(0);
        match (1..34).find(|lead| heard(*lead) != first) {
            Some(lead) => format!("{first:?}, but {lead} samples later {:?}", heard(lead)),
            None => first,
        }
    }
}

/// The loudest sine that mu-law can code (ITU-T G.711).
const FULL_SCALE_DBM0: f64 = 3.17;

fn amplitude(dbm0: f64) -> f64 {
    32768.0 * 10_f64.powf((dbm0 - FULL_SCALE_DBM0) / 20.0)
}

fn sine(hz: f64, dbm0: f64, seconds: f64) -> f64 {
    amplitude(dbm0) * (TAU * hz * seconds).sin()
}

fn hear(arrivals: &[Arrival]) -> Vec<Onset> {
    let (mut detector, mut onsets) = (Detector::new(), Vec::new());
    for arrival in arrivals {
        match arrival {
            Arrival::Samples(samples) => detector.hear(samples, |onset| onsets.push(onset)),
            Arrival::Lost(samples) => detector.lost(*samples, |onset| onsets.push(onset)),
        }
    }
    onsets
}

fn keys(onsets: &[Onset]) -> String {
    onsets.iter().map(|onset| onset.digit.char()).collect()
}

fn assert_heard(table: &[(&str, Line, &str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .filter_map(|(name, line, transcript, expected)| {
            let heard = line.hears(transcript);
            (heard != *expected).then(|| format!("{name}: {heard}, not {expected:?}"))
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_key_is_heard_once_and_from_where_it_began() {
    for coded in [linear, a_law, mu_law] {
        let line = Line { coded, ..LINE };
        for digit in Digit::ALL {
            for lead in 0..34 {
                let parts = [Part::Pause(800 + lead), Part::Tone(digit, 400), Part::Pause(800)];
                let onsets = hear(&line.carries(&parts));
                assert_eq!(keys(&onsets), digit.to_string(), "{lead} samples in");
                let late = onsets[0].at.checked_sub(800 + lead as u64);
                assert!(late.is_some_and(|late| late <= 80), "{digit}: {late:?} samples late, {lead} in");
            }
        }
    }
}

#[rustfmt::skip]
#[test]
fn the_limits_of_q_24_are_kept() {
    let level = |dbm0| Line { low_dbm0: dbm0, high_dbm0: dbm0, coded: a_law, ..LINE };
    let twist = |low, high| Line { low_dbm0: low, high_dbm0: high, coded: a_law, ..LINE };
    let off = |low, high| Line { low_off_percent: low, high_off_percent: high, coded: mu_law, ..level(-17.0) };
    const ALL: &str = "1:50 -50 2:50 -50 3:50 -50 A:50 -50 4:50 -50 8:50 -50 #:50 -50 *:50 -50 0:50 -50 D:50";
    const KEYS: &str = "123A48#*0D";
    assert_heard(&[
        ("loud", level(-3.0), ALL, KEYS),
        ("soft", level(-25.0), ALL, KEYS),
        ("softer than anybody asks for", level(-35.0), ALL, KEYS),
        ("too soft", level(-55.0), ALL, ""),
        ("too soft to be a tone of a line", level(-42.0), ALL, ""),
        ("8 dB normal twist", twist(-6.0, -14.0), ALL, KEYS),
        ("14 dB normal twist", twist(-6.0, -20.0), ALL, ""),
        ("4 dB reverse twist", twist(-10.0, -6.0), ALL, KEYS),
        ("8 dB reverse twist", twist(-14.0, -6.0), ALL, ""),
        ("1.5 % up", off(1.5, 1.5), ALL, KEYS),
        ("1.5 % down", off(-1.5, -1.5), ALL, KEYS),
        ("1.5 % asunder", off(-1.5, 1.5), ALL, KEYS),
        ("1.5 % together", off(1.5, -1.5), ALL, KEYS),
        ("2 % up, half way to what must not be heard", off(2.0, 2.0), ALL, KEYS),
        ("2 % down", off(-2.0, -2.0), ALL, KEYS),
        ("low tone 3.5 % up", off(3.5, 0.0), ALL, ""),
        ("low tone 3.5 % down", off(-3.5, 0.0), ALL, ""),
        ("high tone 3.5 % up", off(0.0, 3.5), ALL, ""),
        ("high tone 3.5 % down", off(0.0, -3.5), ALL, ""),
        ("low tone 6 % up, where the next one begins", off(6.0, 0.0), ALL, ""),
        ("40 ms", level(-10.0), "1:40 -60 5:40 -60 9:40 -60 D:40", "159D"),
        ("23 ms", level(-10.0), "1:23 -60 5:23 -60 9:23 -60 D:23", ""),
        ("23 ms again and again", level(-10.0), "5:23 -40 5:23 -40 5:23 -40 5:23", ""),
        ("a key held for long", level(-10.0), "5:3000", "5"),
        ("pauses of 40 ms", level(-10.0), "5:50 -40 5:50 -40 5:40 -40 5:50", "5555"),
        ("pauses of 40 ms, mu-law", Line { coded: mu_law, ..LINE }, "5:50 -40 5:50 -40 5:40 -40 5:50", "5555"),
        ("interruptions of 10 ms", level(-10.0), "5:60 -10 5:60 -60 8:40 -5 8:60 -60 3:60 -2 3:60", "583"),
        ("one after another", level(-10.0), "5:60 -10 5:60 -10 5:60 -10 5:60 -10 5:60 -10 5:60", "5"),
        ("a pause that another sound begins", level(-10.0), "5:60 6:20 -20 5:60", "55"),
        ("no pause between different keys", level(-10.0), "1:60 2:60 1:60", "121"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_digit_outlives_a_lost_packet_and_none_is_made_of_it() {
    assert_heard(&[
        ("a packet in the middle", LINE, "5:40 !20 5:40", "5"),
        ("two packets of a long press", LINE, "5:60 !40 5:60", "5"),
        ("one here, one there", LINE, "5:60 !20 5:60 !20 5:60", "5"),
        ("the beginning", LINE, "!20 5:50", "5"),
        ("the end", LINE, "5:50 !20", "5"),
        ("a packet of a pause", LINE, "5:60 -20 !20 -40 5:60", "55"),
        ("the pause's beginning", LINE, "5:60 !20 -40 5:60", "55"),
        ("much more than a digit", LINE, "5:60 !200 5:60", "55"),
        ("between two keys", LINE, "5:50 !20 6:50", "56"),
        ("a blip before it", LINE, "5:23 !20 -80 6:23 !20", ""),
        ("a blip after it", LINE, "!20 5:23 -80 !20 6:23", ""),
        ("different blips", LINE, "5:23 !20 6:23", ""),
        ("nothing but losses", LINE, "!20 -20 !20 -20 !20", ""),
        ("filled with zeros", LINE, "5:40 _20 5:40", "5"),
        ("the same on an A-law line", Line { coded: a_law, ..LINE }, "5:40 _20 5:40 -60 7:30 _20 7:50", "57"),
    ]);
}

#[test]
fn of_a_digit_in_two_pieces_40_ms_are_enough() {
    let off = Line { low_off_percent: 1.5, high_off_percent: -1.5, ..LINE };
    for begin in 0..=40 {
        for loss in ["!20", "_20"] {
            let transcript = format!("5:{begin} {loss} 5:{} -80 9:60", 40 - begin);
            assert_eq!(LINE.hears(&transcript), "59", "{transcript}");
        }
        let transcript = format!("1:{begin} !20 1:{} -80 D:60", 50 - begin);
        assert_eq!(off.hears(&transcript), "1D", "{transcript}, out of tune");
    }
    for gap in 12..=20 {
        let transcript = format!("D:20 !{gap} D:20 !{gap} D:20 !{gap} D:20");
        assert_eq!(off.hears(&transcript), "D", "{transcript}, out of tune");
    }
}

#[test]
fn blips_make_no_digit_together() {
    for digit in Digit::ALL {
        for pause in 40..50 {
            let transcript = format!("{digit}:23 -{pause} {digit}:23 -{pause} {digit}:23");
            assert_eq!(LINE.hears(&transcript), "", "{transcript}");
        }
    }
    let chatter = "5:8.5 -12 ".repeat(12);
    assert_eq!(LINE.hears(chatter.trim_end()), "");
}

#[rustfmt::skip]
#[test]
fn digits_are_heard_above_what_is_beneath_them() {
    let above = |beneath| Line { beneath, coded: mu_law, ..LINE };
    const TYPED: &str = "1:80 -80 4:80 -80 4:80 -80 #:80 -80 D:80";
    assert_heard(&[
        ("dial tone", above(|t| sine(350.0, -22.0, t) + sine(440.0, -22.0, t)), TYPED, "144#D"),
        ("the echo of a voice", above(|t| voice(t, 130.0, -28.0)), TYPED, "144#D"),
        ("white noise", above(|t| noise(t, -25.0)), TYPED, "144#D"),
        ("hum", above(|t| sine(50.0, -25.0, t)), TYPED, "144#D"),
    ]);
}

/// Beneath silence everything is the line itself.
#[rustfmt::skip]
#[test]
fn what_is_not_two_tones_of_a_key_is_none() {
    let only = |beneath| Line { beneath, coded: mu_law, ..LINE };
    const LONG: &str = "-4000";
    assert_heard(&[
        ("nothing", only(|_| 0.0), LONG, ""),
        ("a deep voice", only(|t| voice(t, 98.0, -10.0)), LONG, ""),
        ("a voice", only(|t| voice(t, 174.0, -10.0)), LONG, ""),
        ("a child's voice", only(|t| voice(t, 270.0, -10.0)), LONG, ""),
        ("a voice whose harmonics are a key's", only(|t| voice(t, 139.5, -10.0)), LONG, ""),
        ("noise", only(|t| noise(t, -10.0)), LONG, ""),
        ("one tone", only(|t| sine(770.0, -8.0, t)), LONG, ""),
        ("two low tones", only(|t| sine(697.0, -10.0, t) + sine(852.0, -10.0, t)), LONG, ""),
        ("two high tones", only(|t| sine(1209.0, -10.0, t) + sine(1633.0, -10.0, t)), LONG, ""),
        ("three tones", only(|t| sine(697.0, -10.0, t) + sine(1209.0, -10.0, t) + sine(1477.0, -10.0, t)), LONG, ""),
        ("between the keys", only(|t| sine(733.0, -10.0, t) + sine(1270.0, -10.0, t)), LONG, ""),
        ("dial tone", only(|t| sine(350.0, -10.0, t) + sine(440.0, -10.0, t)), LONG, ""),
        ("busy", only(|t| sine(480.0, -10.0, t) + sine(620.0, -10.0, t)), LONG, ""),
        ("fax", only(|t| sine(1100.0, -10.0, t) + sine(2100.0, -10.0, t)), LONG, ""),
        ("sirens across the keys", only(|t| sweep(t, 600.0, 1000.0) + sweep(t, 1150.0, 1700.0)), LONG, ""),
    ]);
}

/// Twenty harmonics with two formants, in a pitch that sways by 3 % five times a second.
fn voice(seconds: f64, hz: f64, dbm0: f64) -> f64 {
    let turns = hz * (seconds - 0.03 / (TAU * 5.0) * (TAU * 5.0 * seconds).cos());
    let formant = |f: f64, at: f64| 1.0 / (1.0 + ((f - at) / 120.0).powi(2));
    let loudness = |n: f64| 0.1 + formant(n * hz, 720.0) + formant(n * hz, 1300.0);
    (1..=20).map(f64::from).map(|n| amplitude(dbm0) * loudness(n) / 2.0 * (TAU * turns * n).sin()).sum()
}

/// As strong as a sine of this level, and the same at the same time.
fn noise(seconds: f64, dbm0: f64) -> f64 {
    let mut bits =
        ((seconds * 8000.0).round() as u64).wrapping_add(0x9e37_79b9).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    let even = (bits >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0;
    amplitude(dbm0) * even * 1.5_f64.sqrt()
}

/// Eight times a second from one frequency to the other.
fn sweep(seconds: f64, from: f64, to: f64) -> f64 {
    let since = seconds % 0.125;
    let turns = from * since + (to - from) * 4.0 * since * since;
    amplitude(-10.0) * (TAU * turns).sin()
}

#[test]
fn a_call_costs_less_than_a_kilobyte() {
    assert!(size_of::<Detector>() < 1024, "{} bytes", size_of::<Detector>());
}

#[test]
fn the_longest_loss_ends_what_was_and_leaves_the_rest_as_it_is() {
    let mut arrivals = LINE.carries(&parts("5:60 -10"));
    arrivals.push(Arrival::Lost(u32::MAX));
    arrivals.extend(LINE.carries(&parts("-50 5:60 -60")));
    let onsets = hear(&arrivals);
    assert_eq!(keys(&onsets), "55");
    let second = 70 * 8 + u64::from(u32::MAX) + 50 * 8;
    assert!((second..=second + 80).contains(&onsets[1].at), "{onsets:?}");
}

fn any_part() -> impl Strategy<Value = Part> {
    let key = (0..16_u8).prop_map(|event| Digit::from_event(event).unwrap());
    prop_oneof![
        4 => (key, 100..800_usize).prop_map(|(digit, samples)| Part::Tone(digit, samples)),
        3 => (1..500_usize).prop_map(Part::Pause),
        1 => (1..400_usize).prop_map(Part::Lost),
        1 => prop::collection::vec(any::<i16>(), 1..400).prop_map(Part::Noise),
    ]
}

/// The same, cut anew: each chunk falls into pieces as long as the lengths say, in turn.
fn cut(arrivals: &[Arrival], lengths: &[usize]) -> Vec<Arrival> {
    let mut lengths = lengths.iter().cycle();
    let mut pieces = Vec::new();
    for arrival in arrivals {
        match arrival {
            Arrival::Samples(samples) => {
                let mut rest = samples.as_slice();
                while !rest.is_empty() {
                    let (piece, later) = rest.split_at((*lengths.next().unwrap()).min(rest.len()));
                    pieces.push(Arrival::Samples(piece.to_vec()));
                    rest = later;
                }
            }
            Arrival::Lost(samples) => {
                pieces.extend([Arrival::Lost(samples / 3), Arrival::Lost(samples - samples / 3)]);
            }
        }
    }
    pieces
}

proptest! {
    #[test]
    fn any_samples_give_the_same_digits_in_any_chunks(
        parts in prop::collection::vec(any_part(), 1..12),
        lengths in prop::collection::vec(0..200_usize, 1..6).prop_filter("no end", |l| l.iter().any(|l| *l > 0)),
    ) {
        let arrivals = LINE.carries(&parts);
        let onsets = hear(&arrivals);
        prop_assert_eq!(&onsets, &hear(&cut(&arrivals, &lengths)));
        prop_assert!(onsets.is_sorted_by_key(|onset| onset.at), "{:?}", onsets);
    }

    #[test]
    fn keys_pressed_as_people_press_them_are_all_heard(
        presses in prop::collection::vec((0..16_u8, 400..1600_usize, 400..3000_usize), 1..8),
        low_dbm0 in -25.0..-4.0_f64, twist in -4.0..8.0_f64,
        low_off_percent in -1.5..1.5_f64, high_off_percent in -1.5..1.5_f64,
    ) {
        let line = Line {
            low_dbm0: low_dbm0.max(twist - 25.0), high_dbm0: low_dbm0.max(twist - 25.0) - twist,
            low_off_percent, high_off_percent, coded: mu_law, ..LINE
        };
        let parts: Vec<Part> = presses.iter().flat_map(|(event, on, off)| {
            [Part::Pause(*off), Part::Tone(Digit::from_event(*event).unwrap(), *on)]
        }).collect();
        let pressed: String = presses.iter().map(|(event, ..)| Digit::from_event(*event).unwrap().char()).collect();
        prop_assert_eq!(keys(&hear(&line.carries(&parts))), pressed);
    }
}

#[derive(Deserialize)]
struct Manifest {
    cases: Vec<Recording>,
}

#[derive(Deserialize)]
struct Recording {
    file: String,
    cls: Class,
    /// Key, beginning and length in milliseconds.
    events: Vec<(char, f64, f64)>,
}

/// How far behind a tone's end an onset still belongs to it, in milliseconds.
const BEHIND_MAX_MS: f64 = 90.0;

impl Recording {
    /// Of the digits those found, and how many were told without one.
    fn score(&self) -> (usize, usize) {
        let samples = hound::WavReader::open(reference::path(&self.file)).unwrap().into_samples();
        let mut told = hear(&[Arrival::Samples(samples.map(Result::unwrap).collect())]);
        let found = self.events.iter().filter(|(key, begin, length)| {
            let within = *begin..=begin + length + BEHIND_MAX_MS;
            let own = |onset: &Onset| onset.digit.char() == *key && within.contains(&(onset.at as f64 / 8.0));
            told.iter().position(own).map(|own| told.remove(own)).is_some()
        });
        (found.count(), told.len())
    }
}

/// 326 minutes that `make dtmf` generates; too much to carry in the repository.
#[test]
fn the_generated_audio_gives_its_digits() {
    if !reference::path("manifest_audio.json").exists() {
        eprintln!(
            "SKIPPED: no manifest_audio.json in AFTERCALL_REFERENCE_DTMF; `make dtmf` generates and scores it"
        );
        return;
    }
    let recordings = reference::manifest::<Manifest>("manifest_audio.json").cases;
    let sum = |cls: Class| {
        let scores = recordings.iter().filter(|recording| recording.cls == cls).map(Recording::score);
        scores.fold((0, 0), |(found, extra), score| (found + score.0, extra + score.1))
    };
    let ((found, extra), (_, invented)) = (sum(Class::Must), sum(Class::MustNot));
    assert!(found >= 4674 && extra == 0, "of 4,676 digits {found} found, and {extra} more");
    assert!(invented <= 12, "{invented} digits where there are none");
}
