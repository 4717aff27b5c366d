//! The audio codecs that we speak.

use crate::g711;
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

    /// The code of a sample.
    #[must_use]
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => g711::encode_mu_law(sample),
            Self::Pcma => g711::encode_a_law(sample),
        }
    }

    /// The sample that a code stands for.
    #[must_use]
    pub const fn decode(self, code: u8) -> i16 {
        match self {
            Self::Pcmu => g711::decode_mu_law(code),
            Self::Pcma => g711::decode_a_law(code),
        }
    }

    /// The code that silence is made of.
    #[must_use]
    pub const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => g711::MU_LAW_SILENCE,
            Self::Pcma => g711::A_LAW_SILENCE,
        }
    }
}
