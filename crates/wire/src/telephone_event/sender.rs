//! Pressing a key: the packets that a telephone sends for it.

use std::time::Duration;

use super::{DURATION_MAX, REPORT_BYTES, Report};
use crate::digit::Digit;

/// The longest press we send; a longer one is cut. Six thousand packets at 10 ms.
pub const PRESS_MAX: Duration = Duration::from_secs(60);

/// The final report goes out three times, since nothing else says that the key is up (RFC 4733, 2.5.1.4).
const ENDS: u32 = 3;

/// How a telephone presses keys: its event clock and how often it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    slot_ticks: u32,
    clock_hz: u32,
}

/// One packet of a press. The stream's owner adds payload type, sequence number and source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPacket {
    /// Set on the first packet of the press.
    pub marker: bool,
    /// When the key went down, the same in all packets (but for presses too long for one duration field).
    pub timestamp: u32,
    /// The event report.
    pub payload: [u8; REPORT_BYTES],
}

/// The packets of one press, to be sent one each packet time in place of audio.
///
/// They fill [`len`](ExactSizeIterator::len) packet times: audio goes on at that many frames after
/// the press's timestamp.
#[derive(Debug, Clone)]
pub struct Press {
    digit: Digit,
    timestamp: u32,
    slot_ticks: u32,
    total_ticks: u32,
    sent: u32,
    packets: u32,
}

impl Sender {
    /// Takes the event clock in Hz (8000 for G.711) and the packet time.
    ///
    /// A packet time below one tick counts as one tick.
    #[must_use]
    pub fn new(clock_hz: u32, packet_time: Duration) -> Self {
        Self { slot_ticks: ticks(packet_time, clock_hz).max(1), clock_hz }
    }

    /// The packets of a key held down for `length`, at least one tick, from `timestamp` on.
    #[must_use]
    pub fn press(&self, digit: Digit, length: Duration, timestamp: u32) -> Press {
        let total_ticks = ticks(length.min(PRESS_MAX), self.clock_hz).max(1);
        let packets = total_ticks.div_ceil(self.slot_ticks) + ENDS - 1;
        Press { digit, timestamp, slot_ticks: self.slot_ticks, total_ticks, sent: 0, packets }
    }
}

impl Iterator for Press {
    type Item = EventPacket;

    fn next(&mut self) -> Option<EventPacket> {
        if self.sent == self.packets {
            return None;
        }
        self.sent += 1;
        let elapsed = self.sent.saturating_mul(self.slot_ticks).min(self.total_ticks);
        // RFC 4733, 2.5.1.3: what does not fit the duration field goes on as a new segment, later
        // by exactly the largest duration.
        let segment = (elapsed - 1) / u32::from(DURATION_MAX);
        let segment_start = segment * u32::from(DURATION_MAX);
        let report = Report {
            event: self.digit.event(),
            end: elapsed == self.total_ticks,
            duration: u16::try_from(elapsed - segment_start).unwrap_or(DURATION_MAX),
        };
        Some(EventPacket {
            marker: self.sent == 1,
            timestamp: self.timestamp.wrapping_add(segment_start),
            payload: report.write(),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.packets - self.sent) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Press {}

fn ticks(time: Duration, clock_hz: u32) -> u32 {
    u32::try_from(time.as_micros() * u128::from(clock_hz) / 1_000_000).unwrap_or(u32::MAX)
}
