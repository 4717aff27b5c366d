//! What the SDP agreed for a leg.

use std::net::SocketAddr;

use aftercall_wire::rtp::PayloadType;

use crate::resample::TELEPHONE_HZ;
use aftercall_wire::codec::Codec;
use aftercall_wire::sdp::{Direction, Rtcp};

/// What the SDP agreed for a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Our voice, and the peer's. The peer may also send another codec under its static number (RFC 3551).
    pub codec: Codec,
    /// The number of `codec` in what we send.
    pub audio: PayloadType,
    /// Its number in what the peer sends, which may also use the other one.
    pub heard: PayloadType,
    /// The number of telephone events, where the peer has them.
    pub events: Option<PayloadType>,
    /// How much audio we send in each packet.
    pub ptime: Ptime,
    /// Where the peer wants its audio; `None` until its SDP has come. An unspecified address, the hold of old
    /// telephones (RFC 3264, 8.4), and port 0 name nobody and count as `None`.
    pub remote: Option<SocketAddr>,
    /// Who may send.
    pub direction: Direction,
    /// Where the peer wants its RTCP.
    pub rtcp: Rtcp,
}

/// How much audio a packet carries: 10 to 60 ms in steps of 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ptime(u8);

impl Ptime {
    /// The usual 20 ms.
    pub const USUAL: Self = Self(20);

    /// The largest packet we send: 60 ms.
    pub const MAX: Self = Self(60);

    /// The one nearest to what the peer wishes; it may send other lengths itself, all are understood.
    #[must_use]
    pub fn nearest(ms: u32) -> Self {
        let tens = ms.saturating_add(5) / 10;
        Self(tens.clamp(1, 6) as u8 * 10)
    }

    /// In milliseconds.
    #[must_use]
    pub const fn ms(self) -> u64 {
        self.0 as u64
    }

    /// Samples of the telephone's rate in a packet, and so bytes, but for Opus.
    #[must_use]
    pub const fn samples(self) -> usize {
        self.0 as usize * (TELEPHONE_HZ as usize / 1000)
    }
}

/// What a packet of the peer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Audio(Codec),
    Events,
    /// Comfort noise (RFC 3389): a sign of life and nothing else.
    Noise,
    Unknown,
}

const COMFORT_NOISE: u8 = 13;

impl Agreed {
    pub(crate) fn named_remote(&self) -> Option<SocketAddr> {
        self.remote.filter(|remote| !remote.ip().to_canonical().is_unspecified() && remote.port() != 0)
    }

    pub(crate) fn kind(&self, payload_type: PayloadType) -> Kind {
        match payload_type {
            audio if audio == self.audio || audio == self.heard => Kind::Audio(self.codec),
            events if Some(events) == self.events => Kind::Events,
            PayloadType::PCMU => Kind::Audio(Codec::Pcmu),
            PayloadType::PCMA => Kind::Audio(Codec::Pcma),
            PayloadType::G722 => Kind::Audio(Codec::G722),
            other if other.number() == COMFORT_NOISE => Kind::Noise,
            _ => Kind::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_wish_becomes_the_nearest_packet_time_we_send() {
        for (wish, ms) in
            [(0, 10), (10, 10), (14, 10), (15, 20), (20, 20), (30, 30), (56, 60), (60, 60), (200, 60)]
        {
            assert_eq!(Ptime::nearest(wish).ms(), ms, "{wish}");
        }
        assert_eq!(Ptime::nearest(u32::MAX), Ptime::MAX);
        assert_eq!(Ptime::USUAL.samples(), 160);
    }

    #[test]
    fn a_number_is_first_what_the_sdp_says_and_then_what_rfc_3551_says() {
        let dynamic = |number| PayloadType::new(number).unwrap();
        let agreed = Agreed {
            codec: Codec::Pcma,
            audio: PayloadType::PCMA,
            heard: PayloadType::PCMA,
            events: Some(dynamic(101)),
            ptime: Ptime::USUAL,
            remote: None,
            direction: Direction::SendRecv,
            rtcp: Rtcp::Above,
        };
        let opus = Agreed { codec: Codec::Opus, audio: dynamic(96), heard: dynamic(111), ..agreed };
        let odd = Agreed { audio: dynamic(96), events: Some(dynamic(0)), ..agreed };
        for (agreed, number, kind) in [
            (agreed, 8, Kind::Audio(Codec::Pcma)),
            (agreed, 0, Kind::Audio(Codec::Pcmu)),
            (odd, 8, Kind::Audio(Codec::Pcma)),
            (agreed, 101, Kind::Events),
            (agreed, 13, Kind::Noise),
            (agreed, 18, Kind::Unknown),
            (odd, 96, Kind::Audio(Codec::Pcma)),
            (odd, 0, Kind::Events),
            (odd, 101, Kind::Unknown),
            (agreed, 9, Kind::Audio(Codec::G722)),
            (opus, 111, Kind::Audio(Codec::Opus)),
            (opus, 96, Kind::Audio(Codec::Opus)),
        ] {
            assert_eq!(agreed.kind(dynamic(number)), kind, "{number}");
        }
    }
}
