//! The audio codecs that we speak.

use crate::g711::Law;
use crate::rtp::PayloadType;

/// An audio codec, by what SDP calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s: 16,000 samples a second.
    G722,
    /// Opus (RFC 6716).
    Opus,
}

impl Codec {
    /// Every codec, in the order in which we offer them where nothing else is said.
    pub const ALL: [Self; 4] = [Self::Pcmu, Self::Pcma, Self::G722, Self::Opus];

    /// The encoding name in `a=rtpmap` (RFC 3551, 6; RFC 7587, 7).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The RTP clock, in Hz. Timestamps count it, which is not always what is sampled: that of G.722 is half
    /// the sample rate by an old mistake that stays (RFC 3551, 4.5.2), that of Opus the highest there is
    /// (RFC 7587, 4.1).
    #[must_use]
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 8000,
            Self::Opus => 48_000,
        }
    }

    /// The channels that `a=rtpmap` names: two for Opus, whatever is sent (RFC 7587, 7).
    #[must_use]
    pub const fn channels(self) -> u8 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => 1,
            Self::Opus => 2,
        }
    }

    /// The payload type under which we offer it, and that it has without `a=rtpmap` unless it is dynamic.
    #[must_use]
    pub const fn payload_type(self) -> PayloadType {
        match self {
            Self::Pcmu => PayloadType::PCMU,
            Self::Pcma => PayloadType::PCMA,
            Self::G722 => PayloadType::G722,
            Self::Opus => PayloadType::OPUS,
        }
    }

    /// What `a=fmtp` says of what we take and send. Of Opus: that we hear what a telephone hears, and send
    /// what was sampled at 16 kHz (RFC 7587, 6.1).
    #[must_use]
    pub const fn format_parameters(self) -> Option<&'static str> {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => None,
            Self::Opus => Some("maxplaybackrate=8000;sprop-maxcapturerate=16000"),
        }
    }

    /// The packet time that we send, in milliseconds, where this one is asked for. Opus is encoded once, in
    /// frames of 20 ms.
    #[must_use]
    pub const fn ptime_ms(self, asked: u8) -> u8 {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => asked,
            Self::Opus => 20,
        }
    }

    /// The law by which each byte is a sample, if that is so.
    #[must_use]
    pub const fn law(self) -> Option<Law> {
        match self {
            Self::Pcmu => Some(Law::Mu),
            Self::Pcma => Some(Law::A),
            Self::G722 | Self::Opus => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_a_sample_in_g711_alone() {
        let laws = Codec::ALL.map(|codec| (codec.name(), codec.law()));
        assert_eq!(laws.iter().filter(|(_, law)| law.is_some()).count(), 2);
        assert!(
            laws.contains(&("PCMU", Some(Law::Mu))) && laws.contains(&("PCMA", Some(Law::A))),
            "{laws:?}"
        );
    }
}
