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
pub const OPUS_SILENCE: [u8; 8] = [0x48, 0x0b, 0xe4, 0x55, 0xc6, 0x74, 0xd9, 0x88];

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
            Says::Law(_) => crate::resample::TELEPHONE_HZ,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn speech(rate: u32) -> Vec<i16> {
        let mut state = 1_u32;
        let noise = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*state >> 20) as i32 - 2048
        };
        let wave = |at: u32| {
            (6000.0 * (std::f64::consts::TAU * 300.0 * f64::from(at) / f64::from(rate)).sin()) as i32
        };
        (0..rate / 2).map(|at| (wave(at) + noise(&mut state)) as i16).collect()
    }

    fn loudest(samples: &[i16]) -> u16 {
        samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
    }

    fn hear(decoder: &mut Decoder, payload: &[u8]) -> Vec<i16> {
        decoder.decode(payload, &mut [0; SAMPLES_MAX]).to_vec()
    }

    #[test]
    fn the_silence_of_opus_is_what_its_encoder_makes_of_zeros() {
        let mut encoder = Encoder::new(Codec::Opus);
        let last = (0..50).map(|_| encoder.encode(&[0; OPUS_FRAME])).next_back().unwrap();
        assert_eq!(last, OPUS_SILENCE);
    }

    #[test]
    fn silence_is_silent_a_moment_after_speech_and_stays_so() {
        for codec in [Codec::G722, Codec::Opus] {
            let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
            let mut spoken = 0;
            for packet in speech(WIDE_HZ).chunks_exact(OPUS_FRAME) {
                spoken = spoken.max(loudest(&hear(&mut decoder, &encoder.encode(packet))));
            }
            assert!(spoken > 4000, "{codec:?}");
            let silence = if codec == Codec::Opus { OPUS_SILENCE.to_vec() } else { vec![G722_SILENCE; 160] };
            for packet in 0..500 {
                let loud = loudest(&hear(&mut decoder, &silence));
                assert!(packet < 5 || loud < 50, "{codec:?}, packet {packet}: {loud}");
            }
        }
    }

    #[test]
    fn a_packet_is_as_long_as_what_was_said_and_a_lost_one_is_no_trouble() {
        for codec in Codec::ALL {
            let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
            let packet = encoder.rate_hz() as usize / 50;
            for (number, said) in speech(encoder.rate_hz()).chunks_exact(packet).enumerate() {
                let payload = encoder.encode(said);
                if number % 7 != 3 {
                    assert_eq!(hear(&mut decoder, &payload).len(), 160, "{codec:?}");
                }
            }
            assert_eq!(hear(&mut decoder, &[]).len(), 0, "{codec:?}");
        }
    }

    proptest! {
        #[test]
        fn no_payload_brings_a_decoder_down(
            packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..DATAGRAM_BYTES_MAX), 1..20),
            short in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 1..20),
        ) {
            for codec in Codec::ALL {
                let mut decoder = Decoder::new(codec);
                for packet in packets.iter().chain(&short) {
                    prop_assert!(hear(&mut decoder, packet).len() <= SAMPLES_MAX);
                }
                prop_assert!(!matches!(decoder.0, Hears::Opus(None)), "the decoder of Opus panicked");
            }
        }

        #[test]
        fn no_damage_to_real_packets_brings_the_decoder_of_opus_down(
            damage in prop::collection::vec((0_usize..25, any::<prop::sample::Index>(), any::<u8>()), 0..40),
        ) {
            let mut encoder = Encoder::new(Codec::Opus);
            let samples = speech(WIDE_HZ);
            let mut packets: Vec<_> = samples.chunks_exact(OPUS_FRAME).map(|said| encoder.encode(said)).collect();
            for (packet, at, byte) in damage {
                let packet = &mut packets[packet];
                let at = at.index(packet.len());
                packet[at] = byte;
            }
            let mut decoder = Decoder::new(Codec::Opus);
            for packet in &packets {
                hear(&mut decoder, packet);
            }
            prop_assert!(matches!(decoder.0, Hears::Opus(Some(_))));
        }
    }
}
