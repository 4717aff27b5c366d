//! RTCP: how a stream arrives, told to who sends it (RFC 3550, section 6).
//!
//! A datagram is a row of packets. Reports and farewells are read, everything else is stepped over.

mod write;

pub use write::{COMPOUND_BYTES_MAX, Outgoing};

/// The most packets read from one datagram. A telephone sends three.
const PACKETS_MAX: usize = 16;

const VERSION_2: u8 = 0b1000_0000;
const VERSION_MASK: u8 = 0b1100_0000;
const PADDING: u8 = 0b0010_0000;
const COUNT: u8 = 0b0001_1111;

/// Common header, in bytes.
const HEADER_BYTES: usize = 4;
const SENDER_BYTES: usize = 20;
const BLOCK_BYTES: usize = 24;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// What a source says of its own stream (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sent {
    /// When this was said, by the sender's own clock: seconds above, their 2^32nd parts below.
    pub ntp: u64,
    /// The same moment in the stream's time stamps.
    pub timestamp: u32,
    /// RTP packets so far; wraps.
    pub packets: u32,
    /// Bytes in their payloads so far; wraps.
    pub octets: u32,
}

/// What somebody says of a stream that they receive (section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    /// Whose stream.
    pub ssrc: u32,
    /// The share lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, within 24 bits; below zero where copies outnumber them.
    pub lost: i32,
    /// The highest sequence number, with the rounds of the counter above it.
    pub highest: u32,
    /// Interarrival jitter, in units of the stream's clock.
    pub jitter: u32,
    /// The middle of [`Sent::ntp`] in the last report of that source; 0 where none came.
    pub last_report: u32,
    /// How long ago that came, in 65,536ths of a second.
    pub delay: u32,
}

/// A packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// A sender or receiver report.
    Report {
        /// Who reports.
        ssrc: u32,
        /// Of their own stream, where they send one.
        sent: Option<Sent>,
        /// Of the streams that they receive.
        blocks: Blocks<'a>,
    },
    /// These sources end, up to 31 of them; the first is named here.
    Goodbye {
        /// The first.
        ssrc: Option<u32>,
    },
    /// Something that means nothing to us.
    Other,
}

/// The report blocks of a packet, to iterate over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks<'a>(&'a [[u8; BLOCK_BYTES]]);

/// Why a datagram is not RTCP: drop it and count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Malformed {
    /// Another version than 2.
    #[error("not RTCP version 2")]
    Version,
    /// A packet is longer than the datagram, or shorter than what it announces.
    #[error("an RTCP packet is cut off")]
    Truncated,
    /// More packets than anybody sends.
    #[error("too many RTCP packets in one datagram")]
    TooMany,
}

/// Whether a datagram on a port that carries both is RTCP (RFC 5761, section 4): as RTP it would have a marker and a
/// payload type of 64-95, which nobody uses for that reason.
#[must_use]
pub const fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [flags, 192..=223, ..] if *flags & VERSION_MASK == VERSION_2)
}

/// The packets of a datagram, in order.
///
/// # Errors
/// When it is not RTCP from end to end: then nothing of it is to be believed (RFC 3550, A.2).
pub fn parse(datagram: &[u8]) -> Result<impl Iterator<Item = Part<'_>>, Malformed> {
    let mut parts = [None; PACKETS_MAX];
    let mut rest = datagram;
    for slot in &mut parts {
        let (packet, behind) = split(rest)?;
        *slot = Some(part(packet)?);
        rest = behind;
        if rest.is_empty() {
            return Ok(parts.into_iter().flatten());
        }
    }
    Err(Malformed::TooMany)
}

/// The first packet, and what is behind it.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let [flags, _, w0, w1, ..] = *bytes else { return Err(Malformed::Truncated) };
    if flags & VERSION_MASK != VERSION_2 {
        return Err(Malformed::Version);
    }
    let words = usize::from(u16::from_be_bytes([w0, w1])) + 1;
    bytes.split_at_checked(words * 4).ok_or(Malformed::Truncated)
}

fn part(packet: &[u8]) -> Result<Part<'_>, Malformed> {
    let ([flags, kind, ..], body) = packet.split_first_chunk::<HEADER_BYTES>().ok_or(Malformed::Truncated)?;
    let body = if flags & PADDING == 0 { body } else { before_padding(body)? };
    let count = usize::from(flags & COUNT);
    match *kind {
        SENDER_REPORT | RECEIVER_REPORT => {
            let (ssrc, body) = number(body).ok_or(Malformed::Truncated)?;
            let (sent, body) = match *kind {
                SENDER_REPORT => {
                    let (sent, body) =
                        body.split_first_chunk::<SENDER_BYTES>().ok_or(Malformed::Truncated)?;
                    (Some(Sent::read(*sent)), body)
                }
                _ => (None, body),
            };
            // What is behind the blocks is an extension of somebody's profile.
            let blocks = body.as_chunks::<BLOCK_BYTES>().0.get(..count).ok_or(Malformed::Truncated)?;
            Ok(Part::Report { ssrc, sent, blocks: Blocks(blocks) })
        }
        GOODBYE if body.len() < count * 4 => Err(Malformed::Truncated),
        GOODBYE => Ok(Part::Goodbye { ssrc: number(body).filter(|_| count > 0).map(|(ssrc, _)| ssrc) }),
        _ => Ok(Part::Other),
    }
}

fn before_padding(body: &[u8]) -> Result<&[u8], Malformed> {
    let count = body.last().copied().map(usize::from).filter(|count| *count > 0);
    let kept = count.and_then(|count| body.len().checked_sub(count)).ok_or(Malformed::Truncated)?;
    body.get(..kept).ok_or(Malformed::Truncated)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}

impl Sent {
    fn read(bytes: [u8; SENDER_BYTES]) -> Self {
        let word = |at: usize| word(&bytes, at);
        Self {
            ntp: u64::from(word(0)) << 32 | u64::from(word(1)),
            timestamp: word(2),
            packets: word(3),
            octets: word(4),
        }
    }

    /// What a [`Block::last_report`] says of this report.
    #[must_use]
    pub const fn middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

impl Block {
    fn read(bytes: &[u8; BLOCK_BYTES]) -> Self {
        let word = |at: usize| word(bytes, at);
        Self {
            ssrc: word(0),
            fraction_lost: bytes[4],
            // The sign is the uppermost of 24 bits.
            lost: (word(1) << 8).cast_signed() >> 8,
            highest: word(2),
            jitter: word(3),
            last_report: word(4),
            delay: word(5),
        }
    }
}

impl Iterator for Blocks<'_> {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(Block::read(first))
    }
}

fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    bytes.as_chunks::<4>().0.get(at).map_or(0, |word| u32::from_be_bytes(*word))
}
