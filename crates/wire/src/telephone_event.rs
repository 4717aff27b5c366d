//! Telephone events: digits as RTP payloads of their own (RFC 4733, 2.3).

mod receiver;
mod sender;
mod source;

pub use receiver::{Pressed, Receiver};
pub use sender::{EventPacket, PRESS_MAX, Press, Sender};

/// The longest duration that a report can state, in clock ticks: 8.2 s at 8 kHz.
pub(crate) const DURATION_MAX: u16 = u16::MAX;

/// One event's report, in bytes.
pub(crate) const REPORT_BYTES: usize = 4;

/// Four bytes of an event payload: what is happening, and for how long already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Report {
    /// 0-15 are the digits, other codes other signals.
    pub(crate) event: u8,
    /// The event is over and `duration` is final.
    pub(crate) end: bool,
    /// Clock ticks since the packet's timestamp.
    pub(crate) duration: u16,
}

impl Report {
    pub(crate) const fn read([event, flags, d0, d1]: [u8; REPORT_BYTES]) -> Self {
        Self { event, end: flags & END != 0, duration: u16::from_be_bytes([d0, d1]) }
    }

    pub(crate) const fn write(self) -> [u8; REPORT_BYTES] {
        let [d0, d1] = self.duration.to_be_bytes();
        [self.event, if self.end { END + VOLUME } else { VOLUME }, d0, d1]
    }
}

const END: u8 = 0b1000_0000;
/// What we say of our loudness, in -dBm0: that of an ordinary telephone. Nobody's is looked at.
const VOLUME: u8 = 10;
