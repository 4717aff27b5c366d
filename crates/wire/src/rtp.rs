//! RTP packets: their fixed header, and arithmetic on counters that wrap (RFC 3550, 5.1).

use crate::rtcp;

/// A header without contributing sources or extension, in bytes: the only kind we send.
pub const HEADER_BYTES: usize = 12;

/// What a payload is: a codec or telephone events, by the number that SDP gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PayloadType(u8);

impl PayloadType {
    /// G.711 mu-law at 8 kHz, one channel (RFC 3551, table 4).
    pub const PCMU: Self = Self(0);
    /// G.711 A-law at 8 kHz, one channel (RFC 3551, table 4).
    pub const PCMA: Self = Self(8);

    /// G.722, one channel (RFC 3551, table 4).
    pub const G722: Self = Self(9);
    /// Opus, as browsers number it: it has no number of its own.
    pub const OPUS: Self = Self(111);

    /// Takes a number of seven bits; `None` above 127.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 0x7f { Some(Self(number)) } else { None }
    }

    /// The number, 0-127.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether the number means nothing until SDP says so: 96-127 (RFC 3551, 3).
    #[must_use]
    pub const fn is_dynamic(self) -> bool {
        self.0 >= 96
    }
}

/// What every RTP packet says before its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// First packet after silence (audio) or of an event (RFC 4733).
    pub marker: bool,
    /// One more for each packet sent; wraps.
    pub sequence: u16,
    /// When the payload's first sample was taken, in units of the payload's clock; wraps.
    pub timestamp: u32,
    /// The source: one stream of counters.
    pub ssrc: u32,
}

impl Header {
    /// Writes the twelve bytes that go before the payload.
    pub fn write(&self, out: &mut [u8; HEADER_BYTES]) {
        out[0] = VERSION_2;
        out[1] = self.payload_type.0 + if self.marker { MARKER } else { 0 };
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
    }

    /// Finds where the payload begins, behind contributing sources and extension: the header and all that follows
    /// it, padding included. What comes before the payload is in the clear in SRTP, too (RFC 3711, 3.1).
    ///
    /// # Errors
    /// Says why the datagram is not an RTP packet.
    pub fn read(datagram: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (fixed, rest) = datagram.split_first_chunk::<HEADER_BYTES>().ok_or(Malformed::Truncated)?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if flags & VERSION_MASK != VERSION_2 {
            return Err(Malformed::Version);
        }
        if rtcp::is_rtcp(datagram) {
            return Err(Malformed::Rtcp);
        }
        let sources = usize::from(flags & CSRC_COUNT) * 4;
        let rest = rest.get(sources..).ok_or(Malformed::Truncated)?;
        let rest = if flags & EXTENSION != 0 { after_extension(rest)? } else { rest };
        let header = Self {
            payload_type: PayloadType(kind & !MARKER),
            marker: kind & MARKER != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok((header, rest))
    }
}

/// A packet as it lies in the receive buffer; nothing is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// What it carries, without contributing sources, extension and padding. May be empty.
    pub payload: &'a [u8],
}

/// Why a datagram is not an RTP packet. All of them mean: drop it and count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Too short for what its header announces.
    #[error("the datagram ends inside the RTP header")]
    Truncated,
    /// Another version than 2: STUN, noise, or a ping that keeps a NAT open.
    #[error("not RTP version 2")]
    Version,
    /// An RTCP packet on the RTP port (RFC 5761, 4).
    #[error("an RTCP packet, not RTP")]
    Rtcp,
    /// The padding count is zero or larger than what there is.
    #[error("the padding is longer than the payload, or of length zero")]
    Padding,
}

impl<'a> Packet<'a> {
    /// Finds header and payload in a datagram (RFC 3550, 5.1 and 5.3.1).
    ///
    /// # Errors
    /// Says why the datagram is not an RTP packet.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) = Header::read(datagram)?;
        let padded = datagram.first().is_some_and(|flags| flags & PADDING != 0);
        let payload = if padded { before_padding(rest)? } else { rest };
        Ok(Self { header, payload })
    }
}

/// How many packets `sequence` comes after `reference`: negative when it comes before.
///
/// Right for distances below 32,768, that is 10 minutes at 50 packets a second.
#[must_use]
pub const fn sequence_after(sequence: u16, reference: u16) -> i16 {
    sequence.wrapping_sub(reference).cast_signed()
}

/// How many clock ticks `timestamp` comes after `reference`: negative when it comes before.
///
/// Right for distances below 2^31, that is 74 hours at 8 kHz.
#[must_use]
pub const fn timestamp_after(timestamp: u32, reference: u32) -> i32 {
    timestamp.wrapping_sub(reference).cast_signed()
}

const VERSION_2: u8 = 0b1000_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const PADDING: u8 = 0b0010_0000;
const EXTENSION: u8 = 0b0001_0000;
const CSRC_COUNT: u8 = 0b0000_1111;
const MARKER: u8 = 0b1000_0000;

fn after_extension(rest: &[u8]) -> Result<&[u8], Malformed> {
    let ([_, _, w0, w1], body) = rest.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
    let words = usize::from(u16::from_be_bytes([*w0, *w1]));
    body.get(words * 4..).ok_or(Malformed::Truncated)
}

fn before_padding(rest: &[u8]) -> Result<&[u8], Malformed> {
    let count = usize::from(*rest.last().ok_or(Malformed::Padding)?);
    if count == 0 {
        return Err(Malformed::Padding);
    }
    rest.len().checked_sub(count).and_then(|kept| rest.get(..kept)).ok_or(Malformed::Padding)
}
