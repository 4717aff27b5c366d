//! Captures that SIPp plays (`play_pcap_audio`): a caller's RTP with a key in it, as a telephone sends it. One
//! source, one sequence; telephone events take the place of the audio that lasts as long.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// A packet's time, in milliseconds.
const STEP_MS: u64 = 20;

/// A press lasts five packets, and its last one comes three times (RFC 4733, 2.5.1).
const PRESS_PACKETS: u64 = 5;

/// A quiet hum of PCMU, no silence: one period of 20 samples, 400 Hz.
const HUM: [u8; 20] = [
    0xff, 0xf5, 0xee, 0xe9, 0xe7, 0xe6, 0xe7, 0xe9, 0xee, 0xf5, 0xff, 0x75, 0x6e, 0x69, 0x67, 0x66, 0x67,
    0x69, 0x6e, 0x75,
];

/// What the caller sends beside the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Around {
    /// A packet every 20 ms.
    Audio,
    /// One packet at the beginning, so that the time of the key is known.
    Nothing,
}

/// Writes a stream of this length with this key at this time. Telephone events have payload type 101.
pub(crate) fn write(file: &Path, key: char, at: Duration, length: Duration, around: Around) {
    let event = "0123456789*#".find(key).unwrap() as u8;
    let steps = |time: Duration| time.as_millis() as u64 / STEP_MS;
    let pressed = steps(at)..steps(at) + PRESS_PACKETS;
    let mut stream = Stream::default();
    for step in 0..steps(length) {
        if pressed.contains(&step) {
            let duration = (step - pressed.start + 1) * 160;
            let last = step + 1 == pressed.end;
            let [high, low] = (duration as u16).to_be_bytes();
            let payload = [event, if last { 0x8a } else { 0x0a }, high, low];
            for _ in 0..if last { 3 } else { 1 } {
                stream.packet(step, 101, step == pressed.start, pressed.start, &payload);
            }
        } else if around == Around::Audio || step == 0 {
            stream.packet(step, 0, step == 0, step, &HUM.repeat(8));
        }
    }
    fs::write(file, stream.file()).unwrap();
}

#[derive(Default)]
struct Stream {
    sequence: u16,
    records: Vec<u8>,
}

impl Stream {
    fn packet(&mut self, step: u64, payload_type: u8, marker: bool, stamp: u64, payload: &[u8]) {
        let mut rtp = vec![0x80, u8::from(marker) << 7 | payload_type];
        rtp.extend((1_000 + self.sequence).to_be_bytes());
        rtp.extend((16_000 + stamp as u32 * 160).to_be_bytes());
        rtp.extend(0x0C5A_7001_u32.to_be_bytes());
        rtp.extend(payload);
        self.sequence += 1;
        // SIPp puts its own ports and addresses in the place of these.
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00]);
        let (ip_length, udp_length) = (28 + rtp.len() as u16, 8 + rtp.len() as u16);
        frame.extend([0x45, 0x00]);
        frame.extend(ip_length.to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        for field in [6_000, 6_000, udp_length, 0] {
            frame.extend(field.to_be_bytes());
        }
        frame.extend(rtp);
        let (ms, length) = (step * STEP_MS, frame.len() as u32);
        for field in [1_700_000_000 + (ms / 1_000) as u32, (ms % 1_000) as u32 * 1_000, length, length] {
            self.records.extend(field.to_le_bytes());
        }
        self.records.extend(frame);
    }

    /// The file: libpcap's header for Ethernet frames, and the records.
    fn file(&self) -> Vec<u8> {
        let mut file = Vec::new();
        for field in [0xA1B2_C3D4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.extend(field.to_le_bytes());
        }
        file.extend(&self.records);
        file
    }
}
