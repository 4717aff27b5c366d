//! What the caller sends: silence all the time, as a telephone does, and now and then a key.

use std::time::Duration;

use aftercall_wire::Digit;
use aftercall_wire::g711::MU_LAW_SILENCE;
use aftercall_wire::rtp::{HEADER_BYTES, Header, PayloadType};
use aftercall_wire::telephone_event::{Press, Sender};

use super::{PACKET_SAMPLES, PAYLOAD_BYTES};

/// How long a key is held down.
pub const KEY_HELD: Duration = Duration::from_millis(100);

/// The longest packet sent.
pub const PACKET_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES;

const PACKET_TIME: Duration = Duration::from_millis(20);
const EVENT_CLOCK_HZ: u32 = 8000;
const SAMPLES_A_MS: u32 = 8;

/// One stream going out.
#[derive(Debug)]
pub struct Talk {
    ssrc: u32,
    sequence: u16,
    /// The time stamp of tick 0.
    origin: u32,
    /// The next packet's tick, if no tick is left out.
    due: Option<u64>,
    press: Option<(PayloadType, Press)>,
}

impl Talk {
    /// A stream whose numbers are made from `seed`. Security wants random ones (RFC 3550, 5.1); a benchmark wants the
    /// same ones again.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mixed = mix(seed);
        Self {
            ssrc: (mixed >> 32) as u32,
            sequence: mixed as u16,
            origin: mix(mixed) as u32,
            due: None,
            press: None,
        }
    }

    /// Presses a key: its packets go out instead of audio, from the packet of `tick` on.
    pub fn press(&mut self, digit: Digit, payload_type: PayloadType, tick: u64) {
        let press = Sender::new(EVENT_CLOCK_HZ, PACKET_TIME).press(digit, KEY_HELD, self.timestamp(tick));
        self.press = Some((payload_type, press));
    }

    /// Whether a key is still being told.
    #[must_use]
    pub fn is_pressing(&self) -> bool {
        self.press.is_some()
    }

    /// Writes the packet of this tick, in milliseconds, and says how long it is. Ask every 20 ticks.
    pub fn packet(&mut self, tick: u64, out: &mut [u8; PACKET_BYTES]) -> usize {
        let gap = self.due != Some(tick);
        self.due = Some(tick + u64::from(PACKET_SAMPLES / SAMPLES_A_MS));
        let audio = Header {
            payload_type: PayloadType::PCMU,
            marker: gap,
            sequence: self.sequence,
            timestamp: self.timestamp(tick),
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let event =
            self.press.as_mut().and_then(|(payload_type, press)| Some((*payload_type, press.next()?)));
        let (header, payload) = match &event {
            Some((payload_type, event)) => {
                let (marker, timestamp) = (event.marker, event.timestamp);
                let header = Header { payload_type: *payload_type, marker, timestamp, ..audio };
                (header, event.payload.as_slice())
            }
            None => (audio, [MU_LAW_SILENCE; PAYLOAD_BYTES].as_slice()),
        };
        if self.press.as_ref().is_some_and(|(_, press)| press.len() == 0) {
            self.press = None;
        }
        let mut head = [0; HEADER_BYTES];
        header.write(&mut head);
        let length = HEADER_BYTES + payload.len();
        out[..HEADER_BYTES].copy_from_slice(&head);
        out[HEADER_BYTES..length].copy_from_slice(payload);
        length
    }

    fn timestamp(&self, tick: u64) -> u32 {
        self.origin.wrapping_add((tick as u32).wrapping_mul(SAMPLES_A_MS))
    }
}

/// Spreads a seed over all bits (the finaliser of SplitMix64).
const fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use aftercall_wire::rtp::Packet;
    use aftercall_wire::telephone_event::Receiver;

    use super::*;

    fn run(talk: &mut Talk, ticks: impl IntoIterator<Item = u64>) -> Vec<(Header, Vec<u8>)> {
        let mut buffer = [0; PACKET_BYTES];
        ticks
            .into_iter()
            .map(|tick| {
                let length = talk.packet(tick, &mut buffer);
                let packet = Packet::parse(&buffer[..length]).unwrap();
                (packet.header, packet.payload.to_vec())
            })
            .collect()
    }

    #[test]
    fn silence_follows_the_clock_and_a_gap_in_it_has_a_marker() {
        let mut talk = Talk::new(1);
        let packets = run(&mut talk, [1007, 1027, 1047, 1107, 1127]);
        let (first, _) = packets[0];
        let shown: Vec<_> = packets
            .iter()
            .map(|(header, payload)| {
                assert_eq!(
                    (header.payload_type, payload.as_slice()),
                    (PayloadType::PCMU, [0xff; 160].as_slice())
                );
                let sequence = header.sequence.wrapping_sub(first.sequence);
                (sequence, header.timestamp.wrapping_sub(first.timestamp), header.marker)
            })
            .collect();
        assert_eq!(shown, [(0, 0, true), (1, 160, false), (2, 320, false), (3, 800, true), (4, 960, false)]);
    }

    #[test]
    fn a_key_takes_the_place_of_seven_packets_and_is_heard_once() {
        let events = PayloadType::new(97).unwrap();
        let mut talk = Talk::new(2);
        run(&mut talk, [20, 40]);
        talk.press(Digit::from_char('4').unwrap(), events, 60);
        let mut packets = Vec::new();
        for tick in (60..).step_by(20) {
            packets.extend(run(&mut talk, [tick]));
            if !talk.is_pressing() {
                break;
            }
        }
        assert_eq!(packets.len(), 7);
        let sequence = packets[0].0.sequence;
        let mut receiver = Receiver::new(events);
        let mut heard = Vec::new();
        for (place, (header, payload)) in packets.iter().enumerate() {
            assert_eq!(header.payload_type, events);
            assert_eq!(header.sequence, sequence.wrapping_add(place as u16));
            let packet = Packet { header: *header, payload };
            heard.extend(receiver.receive(&packet, Duration::from_millis(20 * place as u64)));
        }
        let digits: Vec<char> = heard.iter().map(|digit| digit.char()).collect();
        assert_eq!(digits, ['4']);
        let (after, _) = run(&mut talk, [60 + 7 * 20])[0];
        assert_eq!(after.timestamp.wrapping_sub(packets[0].0.timestamp), 7 * 160);
        assert!(!after.marker);
    }

    #[test]
    fn streams_of_different_calls_have_different_numbers() {
        let mut sources: Vec<u32> = (0..1000).map(|call| Talk::new(call).ssrc).collect();
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), 1000);
    }
}
