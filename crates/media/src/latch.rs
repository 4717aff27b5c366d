//! Whom a leg believes: symmetric RTP that nobody else can slip into.
//!
//! We send to the address of the SDP until somebody speaks. Then:
//!
//! 1. A packet from the SDP's address settles it at once.
//! 2. Somebody else (a caller behind NAT, whose SDP names an inside address) is answered and heard from the
//!    first packet on, but settled only after [`TRIAL_PACKETS`] in sequence; until then the SDP's address
//!    wins, and after [`TRIAL_IDLE`] without a packet the next one may try.
//! 3. Once settled, the socket is connected: the kernel drops what others send.
//! 4. When the settled peer is silent for [`RELATCH_AFTER`], the socket is opened again, but only for the
//!    same address, for the SDP's, and for the same source (SSRC) from a new address, which is a NAT that
//!    forgot. A stranger who sprays packets over our ports knows none of them.
//! 5. A new address in the SDP begins anew; the former peer, whose last packets are still on their way, is
//!    not believed again unless the SDP names it.

use std::net::SocketAddr;
use std::time::Duration;

use aftercall_wire::rtp::{Header, sequence_after};

/// Packets in sequence that settle a peer whom the SDP did not name: 100 ms at 50 a second.
pub(crate) const TRIAL_PACKETS: u8 = 5;

/// How long a peer on trial may be silent before another may try: five packets of 20 ms.
pub(crate) const TRIAL_IDLE: Duration = Duration::from_millis(100);

/// How long a settled peer may be silent before its stream may come from a new address: 25 packets of 20 ms.
pub(crate) const RELATCH_AFTER: Duration = Duration::from_millis(500);

/// Whom a leg believes, and therefore answers.
#[derive(Debug)]
pub(crate) struct Latch {
    named: Option<SocketAddr>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody has spoken.
    Open { former: Option<SocketAddr> },
    /// Somebody whom the SDP does not name has spoken, not yet long enough.
    Trial {
        peer: SocketAddr,
        ssrc: u32,
        sequence: u16,
        packets: u8,
        heard: Duration,
        former: Option<SocketAddr>,
    },
    /// This one.
    Settled { peer: SocketAddr, ssrc: u32, heard: Duration },
    /// This one, who is silent.
    Missed { peer: SocketAddr, ssrc: u32 },
}

impl Latch {
    /// Begins with the address that the SDP names, if it is known.
    pub(crate) fn new(named: Option<SocketAddr>) -> Self {
        Self { named, state: State::Open { former: None } }
    }

    /// Takes the SDP's new address. The same address again changes nothing.
    pub(crate) fn rename(&mut self, named: Option<SocketAddr>) {
        if named == self.named || named.is_none() {
            return;
        }
        self.named = named;
        let former = self.peer();
        if former != named {
            self.state = State::Open { former };
        }
    }

    /// Whether the packet is the peer's. It becomes the peer's if the rules above say so.
    pub(crate) fn admit(&mut self, from: SocketAddr, header: &Header, at: Duration) -> bool {
        let settled = State::Settled { peer: from, ssrc: header.ssrc, heard: at };
        let next = match self.state {
            State::Settled { peer, .. } => (from == peer).then_some(settled),
            _ if Some(from) == self.named => Some(settled),
            State::Open { former } => {
                (former != Some(from)).then(|| Self::trial(from, header, 1, at, former))
            }
            State::Trial { peer, ssrc, sequence, packets, former, .. } if from == peer => {
                let follows = ssrc == header.ssrc && sequence_after(header.sequence, sequence) > 0;
                let packets = if follows { packets + 1 } else { 1 };
                let enough = packets >= TRIAL_PACKETS;
                Some(if enough { settled } else { Self::trial(from, header, packets, at, former) })
            }
            State::Trial { heard, former, .. } => {
                let idle = at.saturating_sub(heard) > TRIAL_IDLE && former != Some(from);
                idle.then(|| Self::trial(from, header, 1, at, former))
            }
            State::Missed { peer, ssrc } => (from == peer || header.ssrc == ssrc).then_some(settled),
        };
        if let Some(next) = next {
            self.state = next;
        }
        next.is_some()
    }

    fn trial(
        peer: SocketAddr,
        header: &Header,
        packets: u8,
        heard: Duration,
        former: Option<SocketAddr>,
    ) -> State {
        State::Trial { peer, ssrc: header.ssrc, sequence: header.sequence, packets, heard, former }
    }

    /// Lets a settled peer who has been silent too long come from a new address.
    pub(crate) fn tick(&mut self, now: Duration) {
        if let State::Settled { peer, ssrc, heard } = self.state
            && now.saturating_sub(heard) > RELATCH_AFTER
        {
            self.state = State::Missed { peer, ssrc };
        }
    }

    /// Where to send: to who spoke, or else to whom the SDP names.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.peer().or(self.named)
    }

    /// The one address from which datagrams are wanted; `None` while it may be several.
    pub(crate) fn only(&self) -> Option<SocketAddr> {
        match self.state {
            State::Settled { peer, .. } => Some(peer),
            State::Open { .. } | State::Trial { .. } | State::Missed { .. } => None,
        }
    }

    fn peer(&self) -> Option<SocketAddr> {
        match self.state {
            State::Open { .. } => None,
            State::Trial { peer, .. } | State::Settled { peer, .. } | State::Missed { peer, .. } => {
                Some(peer)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aftercall_wire::rtp::PayloadType;

    use super::*;

    /// One line of a transcript: who sends at which millisecond, its source and sequence number, and whether
    /// it is admitted; or a new address in the SDP.
    enum Line {
        From(&'static str, u64, u32, u16, bool),
        Named(&'static str),
    }
    use Line::{From, Named};

    fn address(name: &str) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, name.as_bytes()[0]], 4000))
    }

    /// Plays the lines to a latch whose SDP names "s"; says whom it then answers, and whom alone it hears.
    fn play(lines: &[Line]) -> (String, Option<String>) {
        let mut latch = Latch::new(Some(address("s")));
        for (number, line) in lines.iter().enumerate() {
            match *line {
                Named(name) => latch.rename(Some(address(name))),
                From(who, ms, ssrc, sequence, admitted) => {
                    let at = Duration::from_millis(ms);
                    latch.tick(at);
                    let payload_type = PayloadType::PCMU;
                    let header = Header { payload_type, marker: false, sequence, timestamp: 0, ssrc };
                    assert_eq!(latch.admit(address(who), &header, at), admitted, "line {number}");
                }
            }
        }
        let name = |address: SocketAddr| match address.ip() {
            std::net::IpAddr::V4(ip) => char::from(ip.octets()[3]).to_string(),
            std::net::IpAddr::V6(_) => String::new(),
        };
        (latch.destination().map(name).unwrap_or_default(), latch.only().map(name))
    }

    fn trial(who: &'static str, from_ms: u64, ssrc: u32, packets: u16) -> Vec<Line> {
        (0..packets).map(|n| From(who, from_ms + 20 * u64::from(n), ssrc, n, true)).collect()
    }

    #[test]
    fn until_somebody_speaks_we_send_where_the_sdp_points() {
        assert_eq!(play(&[]), ("s".into(), None));
        assert_eq!(Latch::new(None).destination(), None);
    }

    #[test]
    fn the_named_peer_is_settled_at_its_first_packet() {
        assert_eq!(play(&[From("s", 0, 1, 1, true)]), ("s".into(), Some("s".into())));
    }

    #[test]
    fn a_caller_behind_nat_is_answered_at_once_and_settled_after_five_packets() {
        assert_eq!(play(&trial("n", 0, 1, 1)), ("n".into(), None));
        assert_eq!(play(&trial("n", 0, 1, 4)), ("n".into(), None));
        assert_eq!(play(&trial("n", 0, 1, 5)), ("n".into(), Some("n".into())));
    }

    #[test]
    fn the_named_peer_beats_one_on_trial() {
        let mut lines = trial("x", 0, 9, 4);
        lines.push(From("s", 90, 1, 1, true));
        lines.push(From("x", 91, 9, 5, false));
        assert_eq!(play(&lines), ("s".into(), Some("s".into())));
    }

    #[test]
    fn one_stray_packet_does_not_keep_the_caller_out() {
        let mut lines = vec![From("x", 0, 9, 1, true), From("n", 100, 1, 0, false)];
        lines.extend(trial("n", 101, 1, 5));
        assert_eq!(play(&lines), ("n".into(), Some("n".into())));
    }

    #[test]
    fn packets_out_of_sequence_or_of_changing_sources_do_not_add_up() {
        let repeated: Vec<Line> = (0..9).map(|n| From("x", 20 * n, 9, 7, true)).collect();
        assert_eq!(play(&repeated), ("x".into(), None));
        let changing: Vec<Line> = (0..9).map(|n| From("x", 20 * n, n as u32, n as u16, true)).collect();
        assert_eq!(play(&changing), ("x".into(), None));
    }

    #[test]
    fn once_settled_nobody_else_is_heard_not_even_the_named() {
        let mut lines = trial("n", 0, 1, 5);
        lines.push(From("x", 200, 1, 6, false));
        lines.push(From("s", 200, 2, 6, false));
        assert_eq!(play(&lines), ("n".into(), Some("n".into())));
    }

    #[test]
    fn a_silent_peer_may_come_back_from_a_new_address_with_its_own_source_only() {
        let silence = [From("s", 0, 1, 1, true), From("x", 501, 9, 2, false)];
        assert_eq!(play(&silence), ("s".into(), None), "a stranger is no reason to leave the peer");
        let [first, stranger] = silence;
        let rebound = [first, stranger, From("n", 600, 1, 30, true), From("s", 620, 1, 31, false)];
        assert_eq!(play(&rebound), ("n".into(), Some("n".into())));
        assert_eq!(
            play(&[From("s", 0, 1, 1, true), From("n", 500, 1, 30, false)]),
            ("s".into(), Some("s".into()))
        );
    }

    #[test]
    fn a_new_address_in_the_sdp_begins_anew_without_the_former_peer() {
        let mut lines = vec![From("s", 0, 1, 1, true), Named("t")];
        assert_eq!(play(&lines), ("t".into(), None));
        lines.push(From("s", 20, 1, 2, false));
        lines.push(From("t", 40, 5, 1, true));
        assert_eq!(play(&lines), ("t".into(), Some("t".into())));
    }

    #[test]
    fn the_same_address_again_or_the_one_it_speaks_from_keeps_the_peer() {
        let mut lines = trial("n", 0, 1, 5);
        lines.push(Named("s"));
        assert_eq!(play(&lines), ("n".into(), Some("n".into())));
        lines.push(Named("n"));
        assert_eq!(play(&lines), ("n".into(), Some("n".into())));
    }
}
