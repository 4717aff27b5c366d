//! The codecs at work: samples of a packet, packets of samples. G.711 is ours; G.722 and Opus are borrowed.
//!
//! What is decoded has the telephone's rate, whatever was sampled: the key detector and the comments of
//! callers want no more. Of G.722 that is its lower band, of Opus what its decoder makes at that rate.

use std::panic::{AssertUnwindSafe, catch_unwind};

use audio_codec::g722::{Bitrate, G722Decoder, G722Encoder};
use audio_codec::{Decoder as _, Encoder as _};
use opus_pure::{Application, MAX_PACKET_BYTES, OpusDecoder, OpusEncoder};

use aftercall_wire::codec::Codec;
use aftercall_wire::g711::Law;

use crate::sys::DATAGRAM_BYTES_MAX;

/// The most samples of one packet: G.711 and G.722 have one a byte, Opus lasts 120 ms at most (RFC 6716,
/// 3.2.5), which are 960.
pub const SAMPLES_MAX: usize = DATAGRAM_BYTES_MAX;

/// The sample rate of what is encoded as G.722 and Opus, in hertz.
pub(crate) const WIDE_HZ: u32 = 16_000;

/// The longest packet of Opus, in samples of the telephone's rate.
const OPUS_LONGEST: usize = 960;

/// Samples of [`WIDE_HZ`] in a packet of Opus: 20 ms.
pub(crate) const OPUS_FRAME: usize = WIDE_HZ as usize / 50;

/// Wideband speech that is transparent for a telephone, by the codec's own recommendation (RFC 7587, 3.1.1:
/// 16 to 20 kbit/s; a little more, as there is nothing to save).
const OPUS_BITS_A_SECOND: i32 = 24_000;

/// How hard the encoder tries, of 10. Prompts are encoded once, so that it may take its time.
const OPUS_COMPLEXITY: i32 = 9;

/// A packet of Opus that is silence: what the encoder makes of zeros.
pub const OPUS_SILENCE: [u8; 8] = [0x48, 0x06, 0xe3, 0x79, 0xc8, 0xc9, 0x57, 0xc0];

/// What G.722 silence is made of. A decoder comes to rest on it, 62 dB below full scale and without a tone.
pub const G722_SILENCE: u8 = 0xfd;

/// Hears what comes in one codec, packet by packet. The codecs but G.711 have a memory, so packets are to come
/// in order; what was lost is left out.
pub struct Decoder(Hears);

enum Hears {
    Law(Law),
    G722(Box<G722Decoder>),
    /// `None` once it has failed: who sends what brings the decoder down is not heard any more.
    Opus(Option<Box<OpusDecoder>>),
}

impl Decoder {
    /// Hears this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self(match (codec, codec.law()) {
            (_, Some(law)) => Hears::Law(law),
            (Codec::Opus, None) => Hears::Opus(OpusDecoder::new(8000, 1).ok().map(Box::new)),
            (_, None) => Hears::G722(Box::new(G722Decoder::with_options(Bitrate::Mode1_64000, false, true))),
        })
    }

    /// The samples in a packet, 8,000 a second; none of what cannot be decoded.
    pub fn decode<'b>(&mut self, payload: &[u8], out: &'b mut [i16; SAMPLES_MAX]) -> &'b [i16] {
        let count = match &mut self.0 {
            Hears::Law(law) => {
                let law = *law;
                payload.iter().zip(out.iter_mut()).map(|(&byte, sample)| *sample = law.decode(byte)).count()
            }
            Hears::G722(decoder) => decoder.decode_into(payload, out).unwrap_or(0),
            Hears::Opus(decoder) => hear_opus(decoder, payload, out),
        };
        out.get(..count).unwrap_or_default()
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.0 {
            Hears::Law(Law::Mu) => Codec::Pcmu.name(),
            Hears::Law(Law::A) => Codec::Pcma.name(),
            Hears::G722(_) => Codec::G722.name(),
            Hears::Opus(_) => Codec::Opus.name(),
        };
        write!(f, "Decoder({name})")
    }
}

/// A fault of the decoder is not to end the thread, and with it the calls of a thousand others.
fn hear_opus(decoder: &mut Option<Box<OpusDecoder>>, payload: &[u8], out: &mut [i16]) -> usize {
    let Some(opus) = decoder.as_mut().filter(|_| !payload.is_empty()) else { return 0 };
    let room = out.len().min(OPUS_LONGEST);
    match catch_unwind(AssertUnwindSafe(|| opus.decode_s16(payload, room, out))) {
        Ok(decoded) => decoded.unwrap_or(0),
        Err(_) => {
            *decoder = None;
            0
        }
    }
}

/// Says something in one codec, packet by packet.
pub struct Encoder(Says);

enum Says {
    Law(Law),
    G722(Box<G722Encoder>),
    Opus(Option<Box<OpusEncoder>>),
}

impl Encoder {
    /// Speaks this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self(match (codec, codec.law()) {
            (_, Some(law)) => Says::Law(law),
            (Codec::Opus, None) => Says::Opus(opus_encoder().map(Box::new)),
            (_, None) => Says::G722(Box::new(G722Encoder::new())),
        })
    }

    /// The sample rate of what it takes, in hertz.
    #[must_use]
    pub fn rate_hz(&self) -> u32 {
        match self.0 {
            Says::Law(_) => crate::decimate::TELEPHONE_HZ,
            Says::G722(_) | Says::Opus(_) => WIDE_HZ,
        }
    }

    /// The payload of a packet: any even number of samples; of Opus 20 ms. Empty where it cannot be.
    pub fn encode(&mut self, samples: &[i16]) -> Vec<u8> {
        match &mut self.0 {
            Says::Law(law) => samples.iter().map(|&sample| law.encode(sample)).collect(),
            Says::G722(encoder) => {
                let mut bytes = vec![0; samples.len() / 2 + 1];
                let length = encoder.encode_into(samples, &mut bytes).unwrap_or(0);
                bytes.truncate(length);
                bytes
            }
            Says::Opus(encoder) => {
                let mut packet = vec![0; MAX_PACKET_BYTES];
                let opus = encoder.as_mut();
                let length = opus.and_then(|opus| opus.encode_s16(samples, samples.len(), &mut packet).ok());
                packet.truncate(length.unwrap_or(0));
                packet
            }
        }
    }

    /// How many samples later what is said is heard.
    pub(crate) fn delay(&self) -> usize {
        match &self.0 {
            Says::Opus(Some(encoder)) => encoder.lookahead(),
            Says::Law(_) | Says::G722(_) | Says::Opus(None) => 0,
        }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

fn opus_encoder() -> Option<OpusEncoder> {
    let mut encoder = OpusEncoder::new(WIDE_HZ.cast_signed(), 1, Application::Voip).ok()?;
    encoder.bitrate_bps = OPUS_BITS_A_SECOND;
    encoder.complexity = OPUS_COMPLEXITY;
    Some(encoder)
}
