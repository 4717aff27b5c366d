//! Encodes WAV files (16 kHz, mono, 16 bits) in every codec, decodes them again, and says what that cost. Given
//! a folder first, it also leaves there the packets of each file, each after its length in two bytes (big
//! endian), for `make codecs` to hear them with other people's decoders.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "it measures the real time")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use aftercall_media::{Codec, Decoder, Encoder, SAMPLES_MAX};

fn main() -> Result<(), Box<dyn Error>> {
    let mut files: Vec<_> = std::env::args().skip(1).collect();
    let folder = files.first().filter(|first| Path::new(first).is_dir()).cloned();
    files.drain(..usize::from(folder.is_some()));
    let mut wide = Vec::new();
    for file in &files {
        wide.push(hound::WavReader::open(file)?.into_samples().collect::<Result<Vec<i16>, _>>()?);
    }
    let seconds = wide.iter().map(Vec::len).sum::<usize>() as f64 / 16_000.0;
    println!("{} files, {seconds:.1} s", files.len());
    for codec in Codec::ALL {
        let (mut encoding, mut decoding, mut bytes) = (Duration::ZERO, Duration::ZERO, 0);
        for (file, samples) in files.iter().zip(&wide) {
            let (packets, took) = timed(|| encode(codec, samples));
            encoding += took;
            bytes += packets.iter().map(Vec::len).sum::<usize>();
            decoding += timed(|| decode(codec, &packets)).1;
            if let Some(folder) = &folder {
                let name = Path::new(file).file_stem().ok_or("a file has a name")?;
                let name = format!("{}.{}", name.to_string_lossy(), codec.name());
                let framed: Vec<u8> = packets.iter().flat_map(|packet| framed(packet)).collect();
                std::fs::write(Path::new(folder).join(name), framed)?;
            }
        }
        let (encoding, decoding) = (encoding.as_secs_f64() * 1e3, decoding.as_secs_f64() * 1e3);
        println!("{}: encoded in {encoding:.0} ms, {bytes} bytes, decoded in {decoding:.0} ms", codec.name());
    }
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    // tidy allows clock: it measures what the codecs really cost
    let began = Instant::now();
    (work(), began.elapsed())
}

fn encode(codec: Codec, samples: &[i16]) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec);
    // Of G.711 only the cost is of interest: every second sample is enough.
    let narrow: Vec<i16> = samples.iter().copied().step_by(2).collect();
    let samples = if encoder.rate_hz() == 8000 { &narrow } else { samples };
    samples.chunks_exact(encoder.rate_hz() as usize / 50).map(|packet| encoder.encode(packet)).collect()
}

fn decode(codec: Codec, packets: &[Vec<u8>]) {
    let mut decoder = Decoder::new(codec);
    let mut samples = [0; SAMPLES_MAX];
    for packet in packets {
        std::hint::black_box(decoder.decode(packet, &mut samples));
    }
}

fn framed(packet: &[u8]) -> impl Iterator<Item = u8> {
    let length = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
    length.into_iter().chain(packet.iter().copied())
}
