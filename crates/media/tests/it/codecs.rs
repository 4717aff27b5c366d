//! The codecs over real RTP: what is played arrives as it was recorded, what is said is recorded as it was said.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aftercall_media::{
    Agreed, Clip, Codec, Decoder, Encoder, Happened, LegHandle, OnKey, PlayId, RecordEnd, RecordOrder,
    SAMPLES_MAX,
};

use crate::peer::{Got, Peer, Stage, agreed};

/// A shipped prompt: 16,000 samples a second.
const PROMPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../prompts/en/press_1_to_change.wav");

/// How much later a sample may be heard than it was said: 25 ms, of which a packet that was silent before it
/// takes 20 and the codec the rest.
const LAG_MAX: usize = 200;

/// How alike what was heard is to what was said, at least: 1 is the same. G.711 and G.722 keep the form of the
/// wave; Opus takes away what is below speech, and keeps the sound rather than the form.
const ALIKE: [(Codec, f64); 4] =
    [(Codec::Pcmu, 0.98), (Codec::Pcma, 0.98), (Codec::G722, 0.98), (Codec::Opus, 0.88)];

fn said() -> Vec<i16> {
    hound::WavReader::open(PROMPT).unwrap().into_samples().collect::<Result<_, _>>().unwrap()
}

/// At the telephone's rate, well enough to compare.
fn narrow(samples: &[i16]) -> Vec<i16> {
    samples.chunks_exact(2).map(|pair| i16::midpoint(pair[0], pair[1])).collect()
}

/// The correlation of the two, where `heard` comes up to [`LAG_MAX`] samples later.
fn alike(said: &[i16], heard: &[i16]) -> f64 {
    let correlation = |lag: usize| {
        let pairs = said.iter().zip(&heard[lag.min(heard.len())..]);
        let (mut both, mut one, mut other) = (0.0, 0.0, 0.0);
        for (a, b) in pairs.map(|(a, b)| (f64::from(*a), f64::from(*b))) {
            both += a * b;
            one += a * a;
            other += b * b;
        }
        both / (one * other).sqrt().max(1.0)
    };
    (0..LAG_MAX).map(correlation).fold(-1.0, f64::max)
}

fn open(stage: &Stage, peer: &Peer, codec: Codec) -> (LegHandle, u16) {
    let port = stage.engine.reserve_port().unwrap();
    let number = port.number();
    let usual = agreed(peer.address());
    let payload_type = codec.payload_type();
    let agreed = Agreed { codec, audio: payload_type, heard: payload_type, ..usual };
    (stage.engine.open(port, agreed).unwrap(), number)
}

fn decode(decoder: &mut Decoder, payload: &[u8]) -> Vec<i16> {
    decoder.decode(payload, &mut [0; SAMPLES_MAX]).to_vec()
}

#[test]
fn a_prompt_that_arrives_is_the_one_that_was_recorded() {
    let clip = Arc::new(Clip::load(Path::new(PROMPT)).unwrap());
    let said = narrow(&said());
    for (codec, least) in ALIKE {
        let (stage, peer) = (Stage::new(), Peer::new());
        let (leg, _) = open(&stage, &peer, codec);
        let before = peer.get().header;
        leg.play(PlayId(1), vec![Arc::clone(&clip)], OnKey::PlayOn).unwrap();
        let (mut decoder, mut heard) = (Decoder::new(codec), Vec::new());
        let mut last = before;
        while stage.events.try_recv().is_err() {
            let Got { header, payload } = peer.get();
            let step = header.timestamp.wrapping_sub(last.timestamp);
            assert_eq!(header.sequence, last.sequence.wrapping_add(1), "{codec:?}");
            assert_eq!(step, if header.marker { step } else { codec.clock_hz() / 50 }, "{codec:?}");
            assert_eq!(header.payload_type, codec.payload_type());
            heard.extend(decode(&mut decoder, &payload));
            last = header;
        }
        // Where the prompt began is not known: it waited until it was made in this codec.
        let sound = |samples: &[i16]| samples.iter().position(|sample| sample.abs() > 500).unwrap();
        let begins = sound(&heard).saturating_sub(sound(&said) + LAG_MAX / 2);
        let found = alike(&said, &heard[begins..]);
        assert!(found >= least, "{codec:?}: {found:.4}");
    }
}

/// Returns when the tone before a recording is over, which is when one speaks.
fn hear_the_beep(peer: &Peer, codec: Codec) {
    let mut decoder = Decoder::new(codec);
    let mut loudest = || {
        decode(&mut decoder, &peer.get().payload).iter().map(|sample| sample.unsigned_abs()).max().unwrap()
    };
    let began = (0..200).find(|_| loudest() > 5000);
    assert!(began.is_some() && (0..200).any(|_| loudest() < 500), "{codec:?}");
}

#[test]
fn a_comment_is_recorded_as_it_was_said() {
    let order =
        RecordOrder { beep: true, longest: Duration::from_secs(60), silence_after: Duration::from_secs(30) };
    let wide = said();
    for (codec, least) in ALIKE {
        let (stage, mut peer) = (Stage::new(), Peer::new());
        let (leg, port) = open(&stage, &peer, codec);
        leg.record_start(order).unwrap();
        hear_the_beep(&peer, codec);
        let mut encoder = Encoder::new(codec);
        let samples = if encoder.rate_hz() == 8000 { narrow(&wide) } else { wide.clone() };
        for packet in samples.chunks_exact(encoder.rate_hz() as usize / 50) {
            peer.step(codec.clock_hz() / 50);
            peer.send(port, codec.payload_type(), &encoder.encode(packet));
            // A packet each time that one is heard: the two go at one pace.
            peer.get();
        }
        leg.record_stop().unwrap();
        let Happened::Recorded { recording } = stage.result() else { panic!("no recording") };
        assert_eq!(recording.end, RecordEnd::Stopped);
        let seconds = recording.samples.len() as f64 / 8000.0;
        assert!((seconds - wide.len() as f64 / 16_000.0).abs() < 0.1, "{codec:?}: {seconds} s");
        let found = alike(&narrow(&wide), &recording.samples);
        assert!(found >= least, "{codec:?}: {found:.4}");
    }
}
