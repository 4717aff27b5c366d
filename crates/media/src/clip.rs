//! A prompt, made ready once: read, brought to the telephone's rate, and encoded as G.711; as G.722 and Opus
//! when that is first wanted ([`crate::wide`]).

use std::f64::consts::PI;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::resample::TELEPHONE_HZ;
use crate::voice::WIDE_HZ;
use crate::wide::{Packets, Source, Wide, to_rate};
use aftercall_wire::codec::Codec;
use aftercall_wire::g711::Law;

/// The longest clip: ten minutes, 4.8 MB in each codec (of Opus 1.8), 19 MB of what the others are made of, and
/// 58 MB while a 48 kHz recording is being read.
pub const CLIP_MAX: Duration = Duration::from_secs(600);

/// Clips end on whole 10 ms, so that packets of 10 ms are full.
const GRAIN: usize = 80;

/// How loud a tone is: -10 dB below full scale, an ordinary prompt's peak.
const TONE_AMPLITUDE: f64 = 10_362.0;

/// A tone rises and falls this long, in samples: 5 ms, so that it does not click.
const TONE_RAMP: usize = 40;

/// Audio that can be played in every codec. Share it by `Arc`.
pub struct Clip {
    pcmu: Box<[u8]>,
    pcma: Box<[u8]>,
    wide: Wide,
}

/// Why a file is not a clip. The text names the file, the fault and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", file.display())]
pub struct ClipError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub fault: ClipFault,
}

/// What is wrong with a recording.
#[derive(Debug, thiserror::Error)]
pub enum ClipFault {
    /// The file cannot be read, or is not a whole WAV file.
    #[error(
        "cannot be read as a WAV file ({0}); record it anew, or convert it with `sox IN -r 16000 -b 16 -c 1 OUT.wav`"
    )]
    Unreadable(#[from] hound::Error),
    /// Not a whole multiple of 8 kHz.
    #[error(
        "has {0} samples a second, not 8000, 16000, 24000, 32000 or 48000; convert it with `sox IN -r 16000 OUT.wav`"
    )]
    Rate(u32),
    /// Not 16-bit integers.
    #[error(
        "does not have samples of 16-bit integers; convert it with `sox IN -b 16 -e signed-integer OUT.wav`"
    )]
    Format,
    /// More than two channels.
    #[error("has {0} channels, not one or two; convert it with `sox IN -c 1 OUT.wav`")]
    Channels(u16),
    /// Longer than [`CLIP_MAX`].
    #[error("is longer than {} s; cut it into several prompts", CLIP_MAX.as_secs())]
    TooLong,
    /// Not one sample.
    #[error("has no sound; remove it, or record it anew")]
    Empty,
}

impl Clip {
    /// Reads a WAV file of 8, 16, 24, 32 or 48 kHz, 16 bits, one or two channels.
    ///
    /// # Errors
    /// Names the file, what is wrong with it, and how to convert it.
    pub fn load(file: &Path) -> Result<Self, ClipError> {
        let named = |fault| ClipError { file: file.to_owned(), fault };
        let opened = std::fs::File::open(file).map_err(|fault| named(hound::Error::IoError(fault).into()))?;
        Self::read(std::io::BufReader::new(opened)).map_err(named)
    }

    /// Reads WAV bytes as [`load`](Self::load) reads a file.
    ///
    /// # Errors
    /// What is wrong with the bytes, and how to convert them.
    pub fn read(wav: impl Read) -> Result<Self, ClipFault> {
        let (samples, hz) = mono(wav)?;
        let wide = to_rate(&samples, hz, hz.min(WIDE_HZ));
        Ok(Self::new(&to_rate(&samples, hz, TELEPHONE_HZ), Source::Samples(wide.into(), hz.min(WIDE_HZ))))
    }

    /// Reads WAV bytes that are part of the program. Nothing of them is kept in memory but what is played.
    ///
    /// # Errors
    /// As [`read`](Self::read) has them.
    pub fn of_program(wav: &'static [u8]) -> Result<Self, ClipFault> {
        let (samples, hz) = mono(wav)?;
        Ok(Self::new(&to_rate(&samples, hz, TELEPHONE_HZ), Source::Program(wav)))
    }

    /// Takes 8,000 samples a second, filled up with silence to whole 10 ms.
    #[must_use]
    pub fn from_samples(samples: &[i16]) -> Self {
        Self::new(samples, Source::Samples(samples.into(), TELEPHONE_HZ))
    }

    fn new(narrow: &[i16], source: Source) -> Self {
        let whole = narrow.len().next_multiple_of(GRAIN);
        let padded = || narrow.iter().copied().chain(std::iter::repeat(0)).take(whole);
        Self {
            pcmu: padded().map(|sample| Law::Mu.encode(sample)).collect(),
            pcma: padded().map(|sample| Law::A.encode(sample)).collect(),
            wide: Wide::new(source, whole),
        }
    }

    /// A sine of `hertz`, of the loudness of a prompt; at most [`CLIP_MAX`].
    #[must_use]
    pub fn tone(hertz: u32, length: Duration) -> Self {
        let count = samples_in(length);
        let turn = 2.0 * PI * f64::from(hertz) / f64::from(TELEPHONE_HZ);
        let samples: Vec<i16> = (0..count)
            .map(|at| {
                let from_edge = at.min(count - 1 - at).min(TONE_RAMP);
                let ramp = from_edge as f64 / TONE_RAMP as f64;
                (TONE_AMPLITUDE * ramp * (turn * at as f64).sin()).round() as i16
            })
            .collect();
        Self::from_samples(&samples)
    }

    /// Silence; at most [`CLIP_MAX`].
    #[must_use]
    pub fn silence(length: Duration) -> Self {
        Self::from_samples(&vec![0; samples_in(length)])
    }

    /// How long it plays, a multiple of 10 ms.
    #[must_use]
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.pcmu.len() as u64 * 1000 / u64::from(TELEPHONE_HZ))
    }

    /// The payload bytes, one a sample of the telephone's rate; `None` while they are not made, and of Opus.
    pub(crate) fn bytes(&self, codec: Codec) -> Option<&[u8]> {
        match codec {
            Codec::Pcmu => Some(&self.pcmu),
            Codec::Pcma => Some(&self.pcma),
            Codec::G722 => self.wide.g722(),
            Codec::Opus => None,
        }
    }

    /// The packets of Opus; `None` while they are not made.
    pub(crate) fn packets(&self) -> Option<&Packets> {
        self.wide.opus()
    }

    /// What takes a while to make.
    pub(crate) fn wide(&self) -> &Wide {
        &self.wide
    }
}

/// Only what is heard is compared.
impl PartialEq for Clip {
    fn eq(&self, other: &Self) -> bool {
        self.pcmu == other.pcmu && self.pcma == other.pcma
    }
}

impl Eq for Clip {}

/// One channel of a WAV file, and its sample rate.
pub(crate) fn mono(wav: impl Read) -> Result<(Vec<i16>, u32), ClipFault> {
    let mut reader = hound::WavReader::new(wav)?;
    let spec = reader.spec();
    if !matches!(spec.sample_rate, 8000 | 16_000 | 24_000 | 32_000 | 48_000) {
        return Err(ClipFault::Rate(spec.sample_rate));
    }
    if spec.bits_per_sample != 16 || spec.sample_format != hound::SampleFormat::Int {
        return Err(ClipFault::Format);
    }
    if !matches!(spec.channels, 1 | 2) {
        return Err(ClipFault::Channels(spec.channels));
    }
    if u64::from(reader.duration()) > u64::from(spec.sample_rate) * CLIP_MAX.as_secs() {
        return Err(ClipFault::TooLong);
    }
    let samples = reader.samples::<i16>().collect::<Result<Vec<i16>, _>>()?;
    if samples.is_empty() {
        return Err(ClipFault::Empty);
    }
    let samples = match spec.channels {
        1 => samples,
        _ => samples.chunks_exact(2).map(|pair| i16::midpoint(pair[0], pair[1])).collect(),
    };
    Ok((samples, spec.sample_rate))
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({:?})", self.length())
    }
}

fn samples_in(length: Duration) -> usize {
    let ms = length.min(CLIP_MAX).as_millis() as usize;
    ms * (TELEPHONE_HZ / 1000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(sample_rate: u32, channels: u16, bits: u16, samples: &[i16]) -> Vec<u8> {
        let format = hound::SampleFormat::Int;
        let spec = hound::WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format: format };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for &sample in samples {
            writer.write_sample(if bits == 8 { sample >> 8 } else { sample }).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn heard(clip: &Clip, codec: Codec) -> Vec<i16> {
        clip.bytes(codec).unwrap().iter().map(|&byte| codec.law().unwrap().decode(byte)).collect()
    }

    #[test]
    fn a_recording_sounds_the_same_in_both_codecs_at_every_rate() {
        for rate in [8000, 16_000, 24_000, 32_000, 48_000] {
            let tone: Vec<i16> = (0..rate)
                .map(|at| (8000.0 * (2.0 * PI * 440.0 * f64::from(at) / f64::from(rate)).sin()) as i16)
                .collect();
            let clip = Clip::read(&wav(rate, 1, 16, &tone)[..]).unwrap();
            assert_eq!(clip.length(), Duration::from_secs(1));
            for codec in [Codec::Pcmu, Codec::Pcma] {
                let out = heard(&clip, codec);
                for (at, sample) in out.into_iter().enumerate().take(7800).skip(200) {
                    let wanted = 8000.0 * (2.0 * PI * 440.0 * at as f64 / 8000.0).sin();
                    assert!((f64::from(sample) - wanted).abs() < 300.0, "{rate} Hz, {codec:?}, sample {at}");
                }
            }
        }
    }

    #[test]
    fn two_channels_become_their_mean() {
        let both: Vec<i16> = (0..160).flat_map(|_| [4000, 2000]).collect();
        let clip = Clip::read(&wav(8000, 2, 16, &both)[..]).unwrap();
        assert_eq!(clip, Clip::from_samples(&[3000; 160]));
    }

    #[test]
    fn lengths_are_filled_up_to_whole_ten_milliseconds_with_silence() {
        let clip = Clip::from_samples(&[5000; 81]);
        assert_eq!(clip.length(), Duration::from_millis(20));
        assert_eq!(clip.bytes(Codec::Pcmu).unwrap()[81..], [0xff; 79]);
        assert_eq!(clip.bytes(Codec::Pcma).unwrap()[81..], [0xd5; 79]);
        assert_eq!(Clip::from_samples(&[]).length(), Duration::ZERO);
    }

    #[test]
    fn a_tone_is_loud_between_its_ramps_and_silence_is_not() {
        let tone = heard(&Clip::tone(1000, Duration::from_millis(200)), Codec::Pcmu);
        assert_eq!(tone.len(), 1600);
        let crossings = tone.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        assert!((395..=405).contains(&crossings), "{crossings} crossings for 200 waves");
        assert!(tone.iter().any(|sample| sample.abs() > 10_000));
        assert!(tone[..4].iter().chain(&tone[1596..]).all(|sample| sample.abs() < 1100));
        assert!(
            heard(&Clip::silence(Duration::from_millis(30)), Codec::Pcma)
                .iter()
                .all(|sample| sample.abs() <= 8)
        );
        assert_eq!(Clip::silence(Duration::MAX).length(), CLIP_MAX);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_remedy() {
        let (second, cut) = (vec![0; 8000], wav(8000, 1, 16, &[1; 100]));
        for (wav, expected) in [
            (wav(44_100, 1, 16, &second), "has 44100 samples a second"),
            (wav(11_025, 1, 16, &second), "sox IN -r 16000"),
            (wav(8000, 1, 8, &second), "16-bit integers"),
            (wav(8000, 3, 16, &second[..30]), "has 3 channels"),
            (wav(8000, 1, 16, &[]), "has no sound"),
            (cut[..100].to_vec(), "cannot be read as a WAV file"),
            (b"ID3 an mp3 that someone renamed".to_vec(), "cannot be read as a WAV file"),
            (Vec::new(), "cannot be read as a WAV file"),
        ] {
            let fault = Clip::read(&wav[..]).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn a_header_that_announces_hours_is_refused_before_a_sample_is_read() {
        let mut bytes = wav(8000, 1, 16, &[0; 8]);
        let data = bytes.windows(4).position(|window| window == b"data").unwrap();
        bytes[data + 4..data + 8].copy_from_slice(&0x7fff_0000_u32.to_le_bytes());
        assert!(matches!(Clip::read(&bytes[..]), Err(ClipFault::TooLong)));
    }

    #[test]
    fn a_missing_file_is_named() {
        let fault = Clip::load(Path::new("prompts/zz/none.wav")).unwrap_err().to_string();
        assert!(fault.starts_with("prompts/zz/none.wav: cannot be read"), "{fault}");
    }
}
