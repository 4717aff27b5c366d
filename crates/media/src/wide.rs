//! A prompt in the codecs that take a while to encode, G.722 and Opus: made on first use, apart from the
//! threads that keep time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aftercall_wire::codec::Codec;

use crate::resample::{TELEPHONE_HZ, resample};
use crate::voice::{Encoder, G722_SILENCE, OPUS_FRAME, OPUS_SILENCE, WIDE_HZ};

/// Where the samples are until they are wanted.
pub(crate) enum Source {
    /// In the program itself: a WAV file that has been read once without a fault. It takes no memory.
    Program(&'static [u8]),
    /// Here, and so many a second.
    Samples(Box<[i16]>, u32),
}

/// A prompt as G.722 and as Opus, once that is made.
pub(crate) struct Wide {
    source: Source,
    /// The length of the prompt in samples of the telephone's rate.
    length: usize,
    g722: Later<Box<[u8]>>,
    opus: Later<Packets>,
}

/// Something made once, when it is first wanted.
struct Later<T> {
    asked: AtomicBool,
    made: OnceLock<T>,
}

/// Packets of 20 ms.
pub(crate) struct Packets {
    bytes: Box<[u8]>,
    /// Where each packet ends.
    ends: Box<[u32]>,
}

impl Packets {
    /// The packet of this number, from 0.
    pub(crate) fn get(&self, number: usize) -> Option<&[u8]> {
        let end = *self.ends.get(number)? as usize;
        let start =
            number.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |&end| end as usize);
        self.bytes.get(start..end)
    }

    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }
}

impl<T> Later<T> {
    fn new() -> Self {
        Self { asked: AtomicBool::new(false), made: OnceLock::new() }
    }
}

impl Wide {
    /// Of a prompt that lasts `length` samples of the telephone's rate.
    pub(crate) fn new(source: Source, length: usize) -> Self {
        Self { source, length, g722: Later::new(), opus: Later::new() }
    }

    /// The prompt as G.722, a byte for each sample of the telephone's rate.
    pub(crate) fn g722(&self) -> Option<&[u8]> {
        self.g722.made.get().map(|bytes| &bytes[..])
    }

    /// The prompt as Opus.
    pub(crate) fn opus(&self) -> Option<&Packets> {
        self.opus.made.get()
    }

    /// Whether somebody has to be asked to make it: it is not there, and nobody was asked yet.
    pub(crate) fn ask(&self, codec: Codec) -> bool {
        self.asked(codec).is_some_and(|asked| !asked.swap(true, Ordering::Relaxed))
    }

    /// Whoever was asked could not take it: somebody has to be asked again.
    pub(crate) fn ask_again(&self, codec: Codec) {
        if let Some(asked) = self.asked(codec) {
            asked.store(false, Ordering::Relaxed);
        }
    }

    /// Makes it, unless it is there. Takes a hundredth of the time that the prompt lasts.
    pub(crate) fn make(&self, codec: Codec) {
        match codec {
            Codec::G722 => {
                self.g722.made.get_or_init(|| self.make_g722());
            }
            Codec::Opus => {
                self.opus.made.get_or_init(|| self.make_opus());
            }
            Codec::Pcmu | Codec::Pcma => {}
        }
    }

    /// Makes silence of it: it cannot be encoded, and the call is to go on.
    pub(crate) fn silence(&self, codec: Codec) {
        match codec {
            Codec::G722 => {
                self.g722.made.get_or_init(|| vec![G722_SILENCE; self.length].into());
            }
            Codec::Opus => {
                let ends =
                    (1..=(2 * self.length).div_ceil(OPUS_FRAME)).map(|n| (n * OPUS_SILENCE.len()) as u32);
                let ends: Box<[u32]> = ends.collect();
                let bytes = OPUS_SILENCE.repeat(ends.len()).into();
                self.opus.made.get_or_init(|| Packets { bytes, ends });
            }
            Codec::Pcmu | Codec::Pcma => {}
        }
    }

    fn asked(&self, codec: Codec) -> Option<&AtomicBool> {
        match codec {
            Codec::G722 => Some(&self.g722.asked),
            Codec::Opus => Some(&self.opus.asked),
            Codec::Pcmu | Codec::Pcma => None,
        }
    }

    fn make_g722(&self) -> Box<[u8]> {
        let mut bytes = Encoder::new(Codec::G722).encode(&self.samples(2 * self.length));
        // What could not be encoded is silence: the call goes on.
        bytes.resize(self.length, G722_SILENCE);
        bytes.into()
    }

    fn make_opus(&self) -> Packets {
        let mut encoder = Encoder::new(Codec::Opus);
        // What the encoder holds back at the end comes out with the silence that fills up the last packet.
        let count = (2 * self.length + encoder.delay()).div_ceil(OPUS_FRAME);
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for frame in self.samples(count * OPUS_FRAME).chunks_exact(OPUS_FRAME) {
            let packet = encoder.encode(frame);
            bytes.extend_from_slice(if packet.is_empty() { &OPUS_SILENCE } else { &packet });
            ends.push(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        Packets { bytes: bytes.into(), ends: ends.into() }
    }

    /// So many samples of [`WIDE_HZ`], filled up with silence.
    fn samples(&self, count: usize) -> Vec<i16> {
        let mut samples = match &self.source {
            Source::Program(wav) => crate::clip::mono(*wav)
                .map(|(samples, hz)| to_rate(&samples, hz, WIDE_HZ))
                .unwrap_or_default(),
            Source::Samples(samples, hz) => to_rate(samples, *hz, WIDE_HZ),
        };
        samples.resize(count, 0);
        samples
    }
}

/// Samples of one rate at another; both are multiples of the telephone's.
pub(crate) fn to_rate(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    let (up, down) = ((to / TELEPHONE_HZ) as usize, (from / TELEPHONE_HZ) as usize);
    let both =
        (1..=up.min(down)).rev().find(|n| up.is_multiple_of(*n) && down.is_multiple_of(*n)).unwrap_or(1);
    resample(samples, up / both, down / both)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: u32, ms: u32) -> Box<[i16]> {
        let wave = |at: u32| (std::f64::consts::TAU * 440.0 * f64::from(at) / f64::from(hz)).sin();
        (0..hz / 1000 * ms).map(|at| (8000.0 * wave(at)) as i16).collect()
    }

    #[test]
    fn every_source_is_as_long_as_the_prompt_in_both_codecs() {
        for (source, length) in [
            (Source::Samples(tone(8000, 110), 8000), 880),
            (Source::Samples(tone(16_000, 110), 16_000), 880),
            (Source::Samples(Box::default(), 16_000), 0),
            (Source::Program(b"no WAV file"), 80),
        ] {
            let wide = Wide::new(source, length);
            assert_eq!((wide.g722(), wide.opus().is_none()), (None, true));
            wide.make(Codec::G722);
            wide.make(Codec::Opus);
            assert_eq!(wide.g722().map(<[u8]>::len), Some(length));
            let packets = wide.opus().unwrap();
            // 6.5 ms are held back by the encoder: they are in the packets too.
            assert_eq!(packets.count(), (2 * length + 104).div_ceil(OPUS_FRAME), "{length}");
            assert!((0..packets.count()).all(|n| packets.get(n).is_some_and(|packet| !packet.is_empty())));
            assert!(packets.get(packets.count()).is_none());
        }
    }

    #[test]
    fn each_codec_is_asked_for_once_and_g_711_never() {
        let wide = Wide::new(Source::Samples(tone(8000, 20), 8000), 160);
        assert_eq!(
            (wide.ask(Codec::Opus), wide.ask(Codec::Opus), wide.ask(Codec::G722)),
            (true, false, true)
        );
        wide.ask_again(Codec::Opus);
        assert!(wide.ask(Codec::Opus));
        assert!(!wide.ask(Codec::Pcmu));
    }

    #[test]
    fn what_cannot_be_encoded_is_silence_of_the_same_length() {
        let wide = Wide::new(Source::Samples(tone(8000, 60), 8000), 480);
        wide.silence(Codec::G722);
        wide.silence(Codec::Opus);
        assert_eq!(wide.g722(), Some(&[G722_SILENCE; 480][..]));
        let packets = wide.opus().unwrap();
        assert_eq!((packets.count(), packets.get(2)), (3, Some(&OPUS_SILENCE[..])));
    }
}
