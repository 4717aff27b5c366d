//! Session descriptions (RFC 8866), and agreeing on one audio stream with them (RFC 3264).

mod agree;
mod crypto;
mod description;
mod write;

pub use agree::{Agreed, Events, Local, NoCommon, agreed_from_answer, answer, offer};
pub use crypto::{Key, Keys, SEED_BYTES, Seed, Srtp, Suite};
pub use description::{BadDescription, DESCRIPTION_BYTES_MAX, Description};

/// What a session description's Content-Type is.
pub const CONTENT_TYPE: &str = "application/sdp";

/// The packet times that we send, in milliseconds, are the multiples of ten from here ...
pub const PTIME_MS_MIN: u8 = 10;
/// ... to here.
pub const PTIME_MS_MAX: u8 = 60;
/// The packet time where nobody asks for one (RFC 3551, 4.2).
pub const PTIME_MS_DEFAULT: u8 = 20;

/// Which way media flows, seen from the side that says it (RFC 3264, 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// Only out: the other side is on hold.
    SendOnly,
    /// Only in: we are on hold.
    RecvOnly,
    /// Neither way.
    Inactive,
}

/// Where RTCP goes, and is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rtcp {
    /// To the port above RTP's (RFC 3550, 11).
    #[default]
    Above,
    /// To this port of theirs (RFC 3605), at the address of RTP; ours is the one above RTP's.
    Port(u16),
    /// Both ways over the ports of RTP (RFC 5761).
    Muxed,
}

impl Direction {
    const ALL: [Self; 4] = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];

    /// Whether media flows out.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether media flows in.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same, seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::from(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self::from(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The attribute that says it.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    const fn from(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }
}
