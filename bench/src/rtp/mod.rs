//! The caller's side of the media: what it says, and how closely it listens.

pub mod prompt;
pub mod stream;
pub mod talk;

/// Samples of one packet: 20 ms at 8 kHz.
pub const PACKET_SAMPLES: u32 = 160;

/// Its payload in bytes: mu-law has one a sample.
pub const PAYLOAD_BYTES: usize = PACKET_SAMPLES as usize;
