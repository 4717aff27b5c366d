//! One stream that is heard: whether its counters, time stamps, markers and arrivals are what they should be.
//!
//! What is held against is RFC 3550 and RFC 3551, and the promise of aftercall's media engine: 20 ms a packet, never a
//! gap in the sequence numbers, and after a gap in the time stamps a marker.

use std::time::Duration;

use aftercall_wire::rtp::{Header, Packet, PayloadType, sequence_after, timestamp_after};
use serde::{Deserialize, Serialize};

use super::{PACKET_SAMPLES, PAYLOAD_BYTES};
use crate::histogram::Histogram;

/// Microseconds of one time stamp unit at 8 kHz.
const TICK_MICROS: i64 = 125;

/// Packets heard before a stream's grid is known: a second. The earliest of them, by its time stamp, lies on it.
const SETTLING: usize = 50;

/// What was counted of the streams heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// RTP packets.
    pub packets: u64,
    /// Datagrams that are none.
    pub malformed: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Sequence numbers that came twice.
    pub duplicated: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets with another payload type than mu-law.
    pub wrong_payload_type: u64,
    /// Packets that do not last 20 ms.
    pub wrong_size: u64,
    /// Time stamps that are not 160 after the one before, without a marker that would announce it.
    pub wrong_steps: u64,
    /// Gaps in the time stamps that a marker announces: the machine stood still, or the stream paused.
    pub announced_gaps: u64,
    /// Markers that announce nothing, and first packets without one.
    pub wrong_markers: u64,
    /// Changes of source within a call.
    pub new_sources: u64,
}

impl Counters {
    /// Adds what another counted.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.malformed += other.malformed;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.wrong_payload_type += other.wrong_payload_type;
        self.wrong_size += other.wrong_size;
        self.wrong_steps += other.wrong_steps;
        self.announced_gaps += other.announced_gaps;
        self.wrong_markers += other.wrong_markers;
        self.new_sources += other.new_sources;
    }

    /// How many things were not as they should be.
    #[must_use]
    pub const fn faults(&self) -> u64 {
        self.malformed
            + self.lost
            + self.duplicated
            + self.reordered
            + self.wrong_payload_type
            + self.wrong_size
            + self.wrong_steps
            + self.wrong_markers
            + self.new_sources
    }
}

/// The stream that one call hears.
#[derive(Debug, Default)]
pub struct Stream {
    source: Option<Source>,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// The highest sequence number so far, and its time stamp.
    last: (u16, u32),
    /// Which of the 64 sequence numbers up to `last` came; the lowest bit is `last` itself.
    came: u64,
    first_timestamp: u32,
    grid: Grid,
}

/// Where packets would arrive if none were late: arrival minus time stamp, of the earliest.
#[derive(Debug)]
enum Grid {
    /// Not known yet: what was heard so far.
    Settling(Vec<i64>),
    /// In microseconds.
    Known(i64),
}

impl Stream {
    /// Hears a datagram that arrived at `arrival`, and gives what it carries if that is audio in its place: not what
    /// came twice or too late.
    pub fn hear<'a>(
        &mut self,
        datagram: &'a [u8],
        arrival: Duration,
        counters: &mut Counters,
        lateness: &mut Histogram,
    ) -> Option<&'a [u8]> {
        let Ok(packet) = Packet::parse(datagram) else {
            counters.malformed += 1;
            return None;
        };
        counters.packets += 1;
        if packet.header.payload_type != PayloadType::PCMU {
            counters.wrong_payload_type += 1;
            return None;
        }
        if packet.payload.len() != PAYLOAD_BYTES {
            counters.wrong_size += 1;
        }
        let source = match &mut self.source {
            Some(source) if source.ssrc == packet.header.ssrc => {
                if !source.place(&packet.header, counters) {
                    return None;
                }
                source
            }
            known => {
                counters.new_sources += u64::from(known.is_some());
                counters.wrong_markers += u64::from(!packet.header.marker);
                known.insert(Source::new(&packet.header))
            }
        };
        source.arrived(packet.header.timestamp, arrival, lateness);
        Some(packet.payload)
    }

    /// Counts what a stream too short to settle heard.
    pub fn finish(&mut self, lateness: &mut Histogram) {
        if let Some(Source { grid: grid @ Grid::Settling(_), .. }) = &mut self.source {
            grid.settle(lateness);
        }
    }
}

impl Source {
    fn new(header: &Header) -> Self {
        Self {
            ssrc: header.ssrc,
            last: (header.sequence, header.timestamp),
            came: 1,
            first_timestamp: header.timestamp,
            grid: Grid::Settling(Vec::with_capacity(SETTLING)),
        }
    }

    /// Puts a packet in its place; says whether it goes on from where the stream was.
    fn place(&mut self, header: &Header, counters: &mut Counters) -> bool {
        let (last_sequence, last_timestamp) = self.last;
        let step = sequence_after(header.sequence, last_sequence);
        let Some(ahead) = u32::try_from(step).ok().filter(|&ahead| ahead > 0) else {
            self.looked_back(u32::from(step.unsigned_abs()), counters);
            return false;
        };
        counters.lost += u64::from(ahead - 1);
        self.came = self.came.checked_shl(ahead).unwrap_or(0) | 1;
        self.last = (header.sequence, header.timestamp);
        // With packets missing, their marker is missing too: such steps are not judged.
        if ahead == 1 {
            let moved = timestamp_after(header.timestamp, last_timestamp);
            let expected = PACKET_SAMPLES.cast_signed();
            counters.wrong_steps += u64::from(moved < expected || (moved > expected && !header.marker));
            counters.announced_gaps += u64::from(moved > expected && header.marker);
            counters.wrong_markers += u64::from(moved <= expected && header.marker);
        }
        true
    }

    /// A packet from `back` places ago. One from too long ago to know counts as late, not as lost and found.
    fn looked_back(&mut self, back: u32, counters: &mut Counters) {
        let place = 1_u64.checked_shl(back).unwrap_or(0);
        if self.came & place != 0 {
            counters.duplicated += 1;
            return;
        }
        counters.reordered += 1;
        if place != 0 {
            self.came |= place;
            counters.lost = counters.lost.saturating_sub(1);
        }
    }

    fn arrived(&mut self, timestamp: u32, arrival: Duration, lateness: &mut Histogram) {
        let meant = i64::from(timestamp_after(timestamp, self.first_timestamp)) * TICK_MICROS;
        let delay = i64::try_from(arrival.as_micros()).unwrap_or(i64::MAX) - meant;
        match &mut self.grid {
            Grid::Settling(delays) => {
                delays.push(delay);
                if delays.len() == SETTLING {
                    self.grid.settle(lateness);
                }
            }
            Grid::Known(earliest) => {
                *earliest = delay.min(*earliest);
                lateness.record(late_by(delay, *earliest));
            }
        }
    }
}

impl Grid {
    fn settle(&mut self, lateness: &mut Histogram) {
        let Self::Settling(delays) = self else { return };
        let earliest = delays.iter().copied().min().unwrap_or_default();
        for &delay in &*delays {
            lateness.record(late_by(delay, earliest));
        }
        *self = Self::Known(earliest);
    }
}

fn late_by(delay: i64, earliest: i64) -> Duration {
    Duration::from_micros((delay - earliest).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use aftercall_wire::rtp::HEADER_BYTES;

    use super::*;

    /// A packet of the stream whose packet 0 has sequence 65,530 and a time stamp that wraps soon.
    #[derive(Clone, Copy)]
    struct Sent {
        number: u16,
        timestamp_number: u32,
        marker: bool,
        ssrc: u32,
        payload_type: u8,
        size: usize,
        late_us: u64,
    }

    fn sent(number: u16) -> Sent {
        let timestamp_number = u32::from(number);
        Sent {
            number,
            timestamp_number,
            marker: number == 0,
            ssrc: 1,
            payload_type: 0,
            size: 160,
            late_us: 0,
        }
    }

    impl Sent {
        fn bytes(self) -> Vec<u8> {
            let mut head = [0; HEADER_BYTES];
            let header = Header {
                payload_type: PayloadType::new(self.payload_type).unwrap(),
                marker: self.marker,
                sequence: 65_530_u16.wrapping_add(self.number),
                timestamp: (u32::MAX - 500).wrapping_add(self.timestamp_number * 160),
                ssrc: self.ssrc,
            };
            header.write(&mut head);
            [head.as_slice(), &vec![0xff; self.size]].concat()
        }

        fn arrival(self) -> Duration {
            Duration::from_micros(5_000_000 + u64::from(self.timestamp_number) * 20_000 + self.late_us)
        }
    }

    fn hear(packets: impl IntoIterator<Item = Sent>) -> (Counters, Histogram, usize) {
        let (mut stream, mut counters, mut lateness) = Default::default();
        let mut audio = 0;
        for sent in packets {
            let bytes = sent.bytes();
            let heard = Stream::hear(&mut stream, &bytes, sent.arrival(), &mut counters, &mut lateness);
            audio += usize::from(heard.is_some());
        }
        stream.finish(&mut lateness);
        (counters, lateness, audio)
    }

    #[test]
    fn a_flawless_stream_over_both_wraps_has_no_faults() {
        let (counters, lateness, audio) = hear((0..200).map(sent));
        assert_eq!(counters, Counters { packets: 200, ..Counters::default() });
        assert_eq!((audio, lateness.spread().count, lateness.spread().max_ms), (200, 200, 0.0));
    }

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        let clean = Counters::default();
        let order = |numbers: &[u16]| numbers.iter().map(|&number| sent(number)).collect::<Vec<_>>();
        let with = |place: usize, change: fn(&mut Sent)| {
            let mut packets = order(&[0, 1, 2, 3, 4]);
            change(&mut packets[place]);
            packets
        };
        let from = |place: usize, change: fn(&mut Sent)| {
            let mut packets = order(&[0, 1, 2, 3, 4]);
            packets[place..].iter_mut().for_each(change);
            packets
        };
        for (what, packets, expected) in [
            ("lost", order(&[0, 1, 4, 5]), Counters { lost: 2, ..clean }),
            ("twice", order(&[0, 1, 1, 2, 0]), Counters { duplicated: 2, ..clean }),
            ("late", order(&[0, 2, 1, 3]), Counters { reordered: 1, ..clean }),
            ("late twice", order(&[0, 2, 1, 1, 3]), Counters { reordered: 1, duplicated: 1, ..clean }),
            ("long lost", order(&[0, 100, 1]), Counters { lost: 99, reordered: 1, ..clean }),
            ("size", with(2, |p| p.size = 80), Counters { wrong_size: 1, ..clean }),
            ("no first marker", with(0, |p| p.marker = false), Counters { wrong_markers: 1, ..clean }),
            ("marker", with(3, |p| p.marker = true), Counters { wrong_markers: 1, ..clean }),
            ("gap", from(3, |p| p.timestamp_number += 5), Counters { wrong_steps: 1, ..clean }),
            ("standing still", from(3, |p| p.timestamp_number -= 1), Counters { wrong_steps: 1, ..clean }),
            (
                "announced gap",
                from(3, |p| {
                    p.timestamp_number += 5;
                    p.marker = p.number == 3;
                }),
                Counters { announced_gaps: 1, ..clean },
            ),
            (
                "new source",
                from(3, |p| {
                    p.ssrc = 2;
                    p.marker = p.number == 3;
                }),
                Counters { new_sources: 1, ..clean },
            ),
        ] {
            let packets_sent = packets.len() as u64;
            assert_eq!(hear(packets).0, Counters { packets: packets_sent, ..expected }, "{what}");
        }
    }

    #[test]
    fn what_is_not_audio_in_its_place_is_not_given_on() {
        let mut event = sent(1);
        event.payload_type = 101;
        let (counters, _, audio) = hear([sent(0), event, sent(2), sent(2), sent(1)]);
        let lost = 0;
        assert_eq!(
            counters,
            Counters {
                packets: 5,
                wrong_payload_type: 1,
                duplicated: 1,
                reordered: 1,
                lost,
                ..Counters::default()
            }
        );
        assert_eq!(audio, 2);
        let (mut stream, mut counters, mut lateness) = Default::default();
        let heard = Stream::hear(&mut stream, b"noise", Duration::ZERO, &mut counters, &mut lateness);
        assert_eq!((heard, counters.malformed, counters.packets), (None, 1, 0));
    }

    #[test]
    fn lateness_is_against_the_earliest_packet_and_known_for_the_first_ones_too() {
        let late = |number: u16| Sent {
            late_us: match number {
                7 => 0,
                120 => 30_000,
                _ => 2_000,
            },
            ..sent(number)
        };
        for packets in [30, 200] {
            let (_, lateness, _) = hear((0..packets).map(late));
            let spread = lateness.spread();
            let max = if packets == 30 { 2.0 } else { 30.0 };
            assert_eq!(
                (spread.count, spread.p50_ms, spread.max_ms),
                (u64::from(packets), 2.05_f64.min(max), max)
            );
        }
    }

    #[test]
    fn merging_adds_every_counter() {
        let all = Counters {
            packets: 1,
            malformed: 2,
            lost: 4,
            duplicated: 8,
            reordered: 16,
            wrong_payload_type: 32,
            wrong_size: 64,
            wrong_steps: 128,
            announced_gaps: 256,
            wrong_markers: 512,
            new_sources: 1024,
        };
        let mut sum = all;
        sum.merge(&all);
        let json = serde_json::to_value(sum).unwrap();
        let doubled = serde_json::to_value(all).unwrap();
        for (name, value) in json.as_object().unwrap() {
            assert_eq!(value.as_u64(), doubled[name].as_u64().map(|value| 2 * value), "{name}");
        }
        // Packets are no fault, and announced gaps are the machine's.
        assert_eq!(all.faults(), 2047 - 1 - 256);
    }
}
