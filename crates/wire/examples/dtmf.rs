//! Prints what digits are in WAV files (8 kHz, mono, 16 bits): a line of JSON for each file, with the
//! digits and where they begin, in milliseconds. `make dtmf` scores it.

#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use aftercall_wire::dtmf::Detector;

/// Samples that a packet of 20 ms carries.
const PACKET: usize = 160;

fn main() -> Result<(), Box<dyn Error>> {
    for file in std::env::args().skip(1) {
        let samples = hound::WavReader::open(&file)?.into_samples().collect::<Result<Vec<i16>, _>>()?;
        let (mut detector, mut hits) = (Detector::new(), Vec::new());
        for packet in samples.chunks(PACKET) {
            detector.hear(packet, |onset| hits.push((onset.digit.to_string(), onset.at as f64 / 8.0)));
        }
        println!("{}", serde_json::json!({ "file": file, "hits": hits }));
    }
    Ok(())
}
