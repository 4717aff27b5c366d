//! The two codecs of the telephone (ITU-T G.711).

use aftercall_wire::g711;

/// One of the two codecs of the telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Mu-law: North America and Japan.
    Pcmu,
    /// A-law: everywhere else.
    Pcma,
}

impl Codec {
    pub(crate) const fn encode(self, sample: i16) -> u8 {
        match self {
            Self::Pcmu => g711::encode_mu_law(sample),
            Self::Pcma => g711::encode_a_law(sample),
        }
    }

    pub(crate) const fn decode(self, byte: u8) -> i16 {
        match self {
            Self::Pcmu => g711::decode_mu_law(byte),
            Self::Pcma => g711::decode_a_law(byte),
        }
    }

    /// What silence is made of.
    pub(crate) const fn silence(self) -> u8 {
        match self {
            Self::Pcmu => g711::MU_LAW_SILENCE,
            Self::Pcma => g711::A_LAW_SILENCE,
        }
    }
}
