//! A voice comment: received audio put where its time stamps say, until the caller falls silent.

use std::time::Duration;

use aftercall_wire::rtp::timestamp_after;

use crate::inband::Timed;
use crate::reception::Order;
use crate::resample::TELEPHONE_HZ;

/// The longest recording. Two minutes at 8,000 samples of two bytes a second are 1.9 MB for each leg that
/// records.
pub const RECORDING_MAX: Duration = Duration::from_secs(120);

/// Samples a millisecond.
const SAMPLES_A_MS: u64 = TELEPHONE_HZ as u64 / 1000;

/// The stretch whose loudness is judged at once, in samples: 10 ms.
const FRAME: usize = 80;

/// How far a stream may jump ahead of the time that passed, in samples: one second. Further, its clock was
/// set anew.
const JUMP_MAX: i64 = TELEPHONE_HZ as i64;

/// So many voiced frames in a row are speech; fewer are a click.
const CLICK_FRAMES_MAX: u32 = 2;

/// What is kept after the last word when a pause ends the recording, in samples: 200 ms, so that no word is
/// clipped.
const TAIL: usize = 1600;

/// Quieter is silence whatever the line's noise: -50 dB below full scale, in squared sample values.
const QUIET: f64 = 104.0 * 104.0;

/// Louder is voice whatever the line's noise: -30 dB below full scale, in squared sample values.
const LOUD: f64 = 1036.0 * 1036.0;

/// Voice stands out of the noise by 10 dB.
const ABOVE_NOISE: f64 = 10.0;

/// How fast the noise is believed to rise, a frame: 3 dB a second.
const NOISE_RISE: f64 = 1.007;

/// What to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordOrder {
    /// Whether a short tone tells the caller to speak. The recording begins after it.
    pub beep: bool,
    /// The longest recording; more than [`RECORDING_MAX`] counts as that.
    pub longest: Duration,
    /// A pause this long ends the recording, at its beginning too.
    pub silence_after: Duration,
}

/// What was recorded.
#[derive(Clone, PartialEq, Eq)]
pub struct Recording {
    /// 8,000 samples a second. What was lost on the way is silence of the same length.
    pub samples: Vec<i16>,
    /// How much of it is louder than the line's noise; zero when nothing was said.
    pub voiced: Duration,
    /// What ended it.
    pub end: RecordEnd,
}

/// What ended a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordEnd {
    /// A pause. What follows the last word is cut off, but for 200 ms.
    Silence,
    /// The longest time.
    Longest,
    /// The command to stop.
    Stopped,
    /// The leg was closed.
    Closed,
}

// A comment is personal: not even its samples belong in a log.
impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { samples, voiced, end } = self;
        write!(f, "Recording {{ {} samples, voiced: {voiced:?}, end: {end:?} }}", samples.len())
    }
}

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Take {
    longest: Duration,
    longest_samples: usize,
    silence_after: Duration,
    samples: Vec<i16>,
    anchor: Option<Anchor>,
    meter: Meter,
    started: Duration,
    spoken: Duration,
}

/// Where a stream's time stamps are on the recording.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    timestamp: u32,
    position: usize,
    heard: Duration,
}

impl Take {
    pub(crate) fn new(order: RecordOrder, now: Duration) -> Self {
        let longest = order.longest.min(RECORDING_MAX);
        Self {
            longest,
            longest_samples: usize::try_from(longest.as_millis() as u64 * SAMPLES_A_MS).unwrap_or(0),
            silence_after: order.silence_after,
            samples: Vec::new(),
            anchor: None,
            meter: Meter::default(),
            started: now,
            spoken: now,
        }
    }

    /// Puts the samples of one packet where its time stamp says.
    pub(crate) fn hear(&mut self, packet: Timed, samples: &[i16], at: Duration) {
        let Some(position) = self.position(packet, at) else { return };
        let end = (position + samples.len()).min(self.longest_samples);
        let Some(fitting) = end.checked_sub(position).and_then(|length| samples.get(..length)) else {
            return;
        };
        if self.samples.len() < end {
            self.samples.resize(end, 0);
        }
        self.samples[position..end].copy_from_slice(fitting);
        if self.meter.hear(fitting, position) {
            self.spoken = at;
        }
    }

    /// What ends the recording now, if anything does.
    pub(crate) fn ended(&self, now: Duration) -> Option<RecordEnd> {
        if self.samples.len() >= self.longest_samples || now.saturating_sub(self.started) >= self.longest {
            return Some(RecordEnd::Longest);
        }
        (now.saturating_sub(self.spoken) >= self.silence_after).then_some(RecordEnd::Silence)
    }

    pub(crate) fn finish(mut self, end: RecordEnd) -> Recording {
        if end == RecordEnd::Silence {
            let kept = if self.meter.voiced_frames == 0 { 0 } else { self.meter.voiced_until + TAIL };
            self.samples.truncate(kept);
        }
        let voiced = Duration::from_millis(self.meter.voiced_frames * (FRAME as u64 / SAMPLES_A_MS));
        Recording { samples: self.samples, voiced, end }
    }

    fn position(&mut self, packet: Timed, at: Duration) -> Option<usize> {
        let end = self.samples.len();
        let known = self.anchor.and_then(|anchor| {
            let after = i64::from(timestamp_after(packet.timestamp, anchor.timestamp))
                / i64::from(packet.ticks_a_sample());
            let passed = at.saturating_sub(anchor.heard).as_millis() as i64 * SAMPLES_A_MS as i64;
            let position = anchor.position as i64 + after;
            let plausible = position >= end as i64 - JUMP_MAX && position <= end as i64 + passed + JUMP_MAX;
            usize::try_from(position).ok().filter(|_| plausible)
        });
        match (known, packet.order) {
            (_, Order::Duplicate | Order::Stray) => None,
            (known, Order::Late) => known,
            (known, Order::New | Order::First) => {
                let position = known.filter(|_| packet.order == Order::New).unwrap_or(end);
                self.anchor = Some(Anchor { timestamp: packet.timestamp, position, heard: at });
                Some(position)
            }
        }
    }
}

/// Tells voice from the noise of a line by its energy, in frames of 10 ms.
#[derive(Debug, Default)]
struct Meter {
    noise: Option<f64>,
    loud_in_a_row: u32,
    voiced_frames: u64,
    /// Where the last voiced frame ended, in samples.
    voiced_until: usize,
}

impl Meter {
    /// Whether there is speech in the samples, which lie at `position`.
    fn hear(&mut self, samples: &[i16], position: usize) -> bool {
        let mut speech = false;
        for (index, frame) in samples.chunks_exact(FRAME).enumerate() {
            let energy = frame.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / FRAME as f64;
            let noise = self.noise.map_or(energy, |noise| (noise * NOISE_RISE).min(energy)).max(1.0);
            self.noise = Some(noise);
            if energy <= (noise * ABOVE_NOISE).clamp(QUIET, LOUD) {
                self.loud_in_a_row = 0;
                continue;
            }
            self.loud_in_a_row += 1;
            if self.loud_in_a_row > CLICK_FRAMES_MAX {
                let first = self.loud_in_a_row == CLICK_FRAMES_MAX + 1;
                self.voiced_frames += if first { u64::from(self.loud_in_a_row) } else { 1 };
                self.voiced_until = self.voiced_until.max(position + (index + 1) * FRAME);
                speech = true;
            }
        }
        speech
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ORDER: RecordOrder =
        RecordOrder { beep: false, longest: Duration::from_secs(10), silence_after: Duration::from_secs(2) };

    fn timed(timestamp: u32, order: Order) -> Timed {
        Timed { timestamp, clock_hz: 8000, order }
    }

    /// 20 ms of a loud tone whose samples can be told apart.
    fn speech(number: u32) -> Vec<i16> {
        (0..160).map(|at| if at % 2 == 0 { 8000 + number as i16 } else { -8000 }).collect()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn hear(take: &mut Take, number: u32, samples: &[i16]) {
        take.hear(timed(5_000 + 160 * number, Order::New), samples, ms(20 * u64::from(number)));
    }

    #[test]
    fn audio_lies_where_its_time_stamps_say_and_what_was_lost_is_silence() {
        let mut take = Take::new(ORDER, ms(0));
        hear(&mut take, 0, &speech(0));
        hear(&mut take, 3, &speech(3));
        take.hear(timed(5_000 + 160, Order::Late), &speech(1), ms(65));
        take.hear(timed(5_000 + 160, Order::Duplicate), &speech(9), ms(66));
        let recording = take.finish(RecordEnd::Stopped);
        let expected: Vec<i16> = [speech(0), speech(1), vec![0; 160], speech(3)].concat();
        assert_eq!(recording.samples, expected);
    }

    #[test]
    fn a_pause_ends_it_and_is_cut_off_but_for_a_tail() {
        let mut take = Take::new(ORDER, ms(0));
        for number in 0..50 {
            hear(&mut take, number, &speech(number));
        }
        for number in 50..149 {
            hear(&mut take, number, &[3; 160]);
            assert_eq!(take.ended(ms(20 * u64::from(number))), None, "packet {number}");
        }
        assert_eq!(take.ended(ms(980 + 1999)), None);
        assert_eq!(take.ended(ms(980 + 2000)), Some(RecordEnd::Silence));
        let recording = take.finish(RecordEnd::Silence);
        assert_eq!(recording.samples.len(), 50 * 160 + TAIL);
        assert_eq!(recording.voiced, ms(1000));
    }

    #[test]
    fn a_caller_who_says_nothing_or_sends_nothing_leaves_an_empty_recording() {
        let sent_nothing = Take::new(ORDER, ms(0));
        assert_eq!(sent_nothing.ended(ms(2000)), Some(RecordEnd::Silence));
        let mut said_nothing = Take::new(ORDER, ms(0));
        for number in 0..100 {
            hear(&mut said_nothing, number, &[0; 160]);
        }
        for take in [sent_nothing, said_nothing] {
            let recording = take.finish(RecordEnd::Silence);
            assert_eq!((recording.samples.len(), recording.voiced), (0, ms(0)));
        }
    }

    #[test]
    fn steady_noise_and_clicks_are_not_speech_but_words_above_the_noise_are() {
        let hum: Vec<i16> = (0..160).map(|at| if at % 4 < 2 { 500 } else { -500 }).collect();
        let mut click = vec![0; 160];
        click[..100].fill(20_000);
        for (what, packets, spoken) in [
            ("hum", vec![hum.clone(); 40], false),
            (
                "clicks in silence",
                [vec![vec![0; 160]; 5], vec![click], vec![vec![0; 160]; 5]].concat(),
                false,
            ),
            (
                "words above the hum",
                [vec![hum.clone(); 10], vec![speech(0); 10], vec![hum; 10]].concat(),
                true,
            ),
            ("words at once", vec![speech(0); 10], true),
            ("what is softer than -50 dB", [vec![vec![0; 160]; 5], vec![vec![100; 160]; 5]].concat(), false),
            ("a whisper above that", [vec![vec![0; 160]; 5], vec![vec![110; 160]; 5]].concat(), true),
        ] {
            let mut take = Take::new(ORDER, ms(0));
            for (number, packet) in packets.iter().enumerate() {
                hear(&mut take, number as u32, packet);
            }
            assert_eq!(take.finish(RecordEnd::Stopped).voiced > ms(0), spoken, "{what}");
        }
    }

    #[test]
    fn the_longest_time_ends_it_by_audio_or_by_the_clock_and_the_bound_holds() {
        let mut take = Take::new(RecordOrder { longest: ms(50), ..ORDER }, ms(0));
        for number in 0..4 {
            hear(&mut take, number, &speech(number));
        }
        assert_eq!(take.ended(ms(41)), Some(RecordEnd::Longest));
        assert_eq!(take.finish(RecordEnd::Longest).samples.len(), 400);
        let order = RecordOrder { longest: ms(50), silence_after: ms(9000), ..ORDER };
        assert_eq!(Take::new(order, ms(7)).ended(ms(57)), Some(RecordEnd::Longest));
        let endless = RecordOrder { longest: Duration::MAX, ..ORDER };
        assert_eq!(Take::new(endless, ms(0)).longest_samples, 960_000);
    }

    #[test]
    fn another_source_or_a_clock_set_anew_goes_on_at_the_end() {
        for (what, order, second) in [("source", Order::First, 5_400), ("clock", Order::New, 3_000_000_000)] {
            let mut take = Take::new(ORDER, ms(0));
            hear(&mut take, 0, &speech(0));
            take.hear(timed(second, order), &speech(1), ms(20));
            assert_eq!(take.finish(RecordEnd::Stopped).samples, [speech(0), speech(1)].concat(), "{what}");
        }
    }

    #[test]
    fn the_stream_may_pause_as_long_as_time_passes() {
        let mut take = Take::new(ORDER, ms(0));
        hear(&mut take, 0, &speech(0));
        hear(&mut take, 150, &speech(1));
        let samples = take.finish(RecordEnd::Stopped).samples;
        assert_eq!(samples.len(), 151 * 160);
        assert_eq!(samples[150 * 160..], speech(1));
    }

    #[test]
    fn what_was_said_is_not_in_the_debug_text() {
        let recording = Recording { samples: vec![12_345; 3], voiced: ms(10), end: RecordEnd::Stopped };
        assert_eq!(format!("{recording:?}"), "Recording { 3 samples, voiced: 10ms, end: Stopped }");
    }

    #[test]
    fn time_stamps_of_a_faster_clock_are_counted_by_it() {
        let mut take = Take::new(ORDER, ms(0));
        let opus = |timestamp| Timed { timestamp, clock_hz: 48_000, order: Order::New };
        take.hear(opus(u32::MAX - 959), &speech(0), ms(0));
        take.hear(opus(960), &speech(2), ms(40));
        let expected = [speech(0), vec![0; 160], speech(2)].concat();
        assert_eq!(take.finish(RecordEnd::Stopped).samples, expected);
    }

    #[test]
    fn time_stamps_wrap() {
        let mut take = Take::new(ORDER, ms(0));
        take.hear(timed(u32::MAX - 79, Order::New), &speech(0), ms(0));
        take.hear(timed(80, Order::New), &speech(1), ms(20));
        assert_eq!(take.finish(RecordEnd::Stopped).samples, [speech(0), speech(1)].concat());
    }

    proptest! {
        #[test]
        fn no_stream_however_hostile_makes_it_longer_than_allowed_or_panic(
            packets in prop::collection::vec((any::<u32>(), 0usize..5, 0usize..1500, 0u64..500), 0..200)
        ) {
            let mut take = Take::new(RecordOrder { longest: ms(1500), ..ORDER }, ms(0));
            let mut now = 0;
            for (timestamp, order, length, later) in packets {
                now += later;
                let order = [Order::First, Order::New, Order::Late, Order::Duplicate, Order::Stray][order];
                take.hear(timed(timestamp, order), &vec![9000; length], ms(now));
            }
            let recording = take.finish(RecordEnd::Closed);
            prop_assert!(recording.samples.len() <= 12_000);
        }
    }
}
