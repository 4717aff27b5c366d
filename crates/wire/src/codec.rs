//! The audio codecs that we speak.

use crate::rtp::PayloadType;

/// An audio codec, by what SDP calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// Every codec, in the order in which we offer them.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name in `a=rtpmap` (RFC 3551, 6).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The RTP clock, in Hz. Timestamps count it.
    #[must_use]
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma => 8000,
        }
    }

    /// The payload type under which we offer it, and that it has without `a=rtpmap`.
    #[must_use]
    pub const fn payload_type(self) -> PayloadType {
        match self {
            Self::Pcmu => PayloadType::PCMU,
            Self::Pcma => PayloadType::PCMA,
        }
    }
}
