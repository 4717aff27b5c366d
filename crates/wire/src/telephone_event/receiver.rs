//! Hearing keys: each press once, at its first report.

use std::time::Duration;

use super::source::{Source, Stroke};
use super::{REPORT_BYTES, Report};
use crate::digit::Digit;
use crate::rtp::{Packet, PayloadType};

/// Streams remembered at once: after a transfer, packets of the old one may still be on their way.
const SOURCES_MAX: usize = 2;

/// Reports read from one packet: RFC 4733, 2.5.1.5 packs events that touch, in practice two.
const REPORTS_MAX: usize = 4;

/// Hears the keys of one call's telephone-event stream.
///
/// Feed it every RTP packet, or only those of its payload type: others are ignored and it needs
/// none of them. It reports a key when it goes down, so it waits for no end, no audio and no time-out.
///
/// Loudness is not judged: a digit at -60 dBm0 is a digit.
#[derive(Debug, Clone)]
pub struct Receiver {
    payload_type: PayloadType,
    /// Latest first.
    sources: [Option<Source>; SOURCES_MAX],
}

/// The keys that one packet told of, to iterate over: mostly none, sometimes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pressed([Option<Digit>; REPORTS_MAX]);

impl IntoIterator for Pressed {
    type Item = Digit;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Digit>, REPORTS_MAX>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

impl Receiver {
    /// Listens to the payload type that SDP gave to telephone events.
    ///
    /// Their clock is not asked for: senders state wrong ones, so no rule depends on it.
    #[must_use]
    pub const fn new(payload_type: PayloadType) -> Self {
        Self { payload_type, sources: [None, None] }
    }

    /// The keys first heard of in this packet. Each press comes exactly once, at its first report,
    /// whichever of its reports that is.
    ///
    /// `at` is the packet's arrival, counted from any fixed moment, never going back.
    pub fn receive(&mut self, packet: &Packet<'_>, at: Duration) -> Pressed {
        let mut pressed = Pressed::default();
        if packet.header.payload_type != self.payload_type {
            return pressed;
        }
        let mut strokes = strokes(packet).peekable();
        if strokes.peek().is_none() {
            return pressed;
        }
        let source = self.source(packet.header.ssrc);
        let late = source.arrived(packet.header.sequence, at);
        for (slot, stroke) in pressed.0.iter_mut().zip(strokes) {
            *slot = source.is_new_press(stroke, late, at).then_some(stroke.digit);
        }
        pressed
    }

    fn source(&mut self, ssrc: u32) -> &mut Source {
        let known = self.sources.iter().flatten().position(|source| source.ssrc == ssrc);
        // An unknown one takes the place of the one not heard for longest.
        self.sources[..=known.unwrap_or(SOURCES_MAX - 1)].rotate_right(1);
        if known.is_none() {
            self.sources[0] = None;
        }
        self.sources[0].get_or_insert(Source::new(ssrc))
    }
}

/// The digits that a packet reports.
///
/// A report behind the first one counts only as RFC 4733, 2.5.1.5 has it: next to an event that has
/// ended, beginning where that ended. Anything else there is filling.
fn strokes(packet: &Packet<'_>) -> impl Iterator<Item = Stroke> {
    let header = packet.header;
    let (blocks, rest) = packet.payload.as_chunks::<REPORT_BYTES>();
    let packed = if rest.is_empty() { blocks } else { blocks.get(..1).unwrap_or_default() };
    let mut timestamp = header.timestamp;
    let mut before: Option<Report> = None;
    packed
        .iter()
        .map_while(move |block| {
            let report = Report::read(*block);
            if before.is_some_and(|earlier| !earlier.end || report.duration == 0) {
                return None;
            }
            let leads = before.replace(report).is_none();
            let begun = timestamp;
            timestamp = begun.wrapping_add(u32::from(report.duration));
            Some((report, header.marker && leads, begun))
        })
        .filter_map(move |(report, marker, timestamp)| {
            Some(Stroke {
                digit: Digit::from_event(report.event)?,
                timestamp,
                duration: report.duration,
                end: report.end,
                marker,
                sequence: header.sequence,
            })
        })
}
