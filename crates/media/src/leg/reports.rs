//! What a leg tells its peer of the two streams, and hears of them (RFC 3550, section 6).

use std::net::SocketAddr;
use std::time::Duration;

use aftercall_wire::rtcp::{self, COMPOUND_BYTES_MAX};
use aftercall_wire::sdp::Rtcp;

use super::Leg;
use crate::quality::Quality;
use crate::reporter::Own;
use crate::wheel::Tick;

/// Which way a report goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportWay {
    /// From the socket of RTP.
    WithRtp(SocketAddr),
    /// From the socket above it.
    Apart(SocketAddr),
}

impl Leg {
    /// A datagram on the RTP port that is no RTP.
    pub(super) fn hear_other(&mut self, bytes: Option<&[u8]>, from: SocketAddr, at: Duration) {
        match bytes.filter(|bytes| self.agreed.rtcp == Rtcp::Muxed && rtcp::is_rtcp(bytes)) {
            Some(report) => self.hear_report(report, from, at),
            None => self.stats.malformed += 1,
        }
    }

    /// Hears RTCP. Only the machine is believed that sends the peer's RTP: its port may be any.
    pub(crate) fn hear_report(&mut self, bytes: &[u8], from: SocketAddr, at: Duration) {
        if self.latch.destination().is_none_or(|peer| peer.ip() != from.ip()) {
            self.stats.strangers += 1;
            return;
        }
        let Some(opened) = self.open_report(bytes) else { return };
        let theirs = self.reception.present().map(|stream| stream.ssrc);
        let at = at.max(self.reporter.heard_last());
        if self.reporter.hear(&opened, self.speaker.ssrc(), theirs, self.agreed.codec.clock_hz(), at).is_err()
        {
            self.stats.malformed += 1;
        } else if self.agreed.rtcp != Rtcp::Muxed {
            self.reporter.answers = Some(from);
        }
    }

    pub(crate) fn report_is_due(&self, tick: Tick) -> bool {
        tick >= self.report_at
    }

    /// The report that is due: its length in `out`, and where it goes; `None` while nobody is known to take it.
    pub(crate) fn report(
        &mut self,
        tick: Tick,
        now: Duration,
        goodbye: bool,
        out: &mut [u8; COMPOUND_BYTES_MAX],
    ) -> Option<(usize, ReportWay)> {
        self.report_at = tick.after(self.reporter.pause());
        let rtp = self.latch.destination()?;
        let with_port = |port| SocketAddr::new(rtp.ip(), port);
        // After a new SDP the old machine has no business with it any more.
        let answers = self.reporter.answers.filter(|answers| answers.ip() == rtp.ip());
        let apart = |port| ReportWay::Apart(answers.unwrap_or(with_port(port)));
        let way = match self.agreed.rtcp {
            Rtcp::Muxed => ReportWay::WithRtp(rtp),
            Rtcp::Port(port) => apart(port),
            Rtcp::Above => apart(rtp.port().checked_add(1)?),
        };
        let own = Own {
            ssrc: self.speaker.ssrc(),
            timestamp: self.speaker.timestamp(tick),
            clock_hz: self.agreed.codec.clock_hz(),
            packets: self.stats.sent_packets,
            octets: self.stats.sent_octets,
        };
        let length = self.reporter.write(&own, self.reception.present(), now, goodbye, out);
        Some((length, way))
    }

    /// How it sounded until now.
    pub(super) fn quality(&self) -> Option<Quality> {
        Quality::of(
            &self.reception.arrived(),
            &self.reception.evenness(),
            self.agreed.codec,
            self.reporter.peer(),
            self.reporter.round_trip(),
        )
    }
}

#[cfg(test)]
mod tests {
    use aftercall_wire::rtcp::Outgoing;
    use aftercall_wire::rtp::PayloadType;
    use aftercall_wire::sdp::Direction;

    use super::*;
    use crate::agreed::{Agreed, Ptime};
    use crate::leg::Pauses;
    use crate::speaker::Beginning;
    use aftercall_wire::codec::Codec;

    const NOW: Duration = Duration::from_secs(9);

    fn agreed(remote: &str, rtcp: Rtcp) -> Agreed {
        Agreed {
            codec: Codec::Pcmu,
            audio: PayloadType::PCMU,
            events: None,
            ptime: Ptime::USUAL,
            remote: remote.parse().ok(),
            direction: Direction::SendRecv,
            heard: PayloadType::PCMU,
            rtcp,
        }
    }

    fn leg(agreed: Agreed) -> Leg {
        let beginning = Beginning { ssrc: 7, sequence: 1, timestamp: 2 };
        Leg::new(
            agreed,
            Pauses::new(Duration::from_secs(30), Duration::from_secs(10)),
            beginning,
            Tick(0),
            Duration::ZERO,
        )
    }

    fn compound() -> Vec<u8> {
        let mut out = [0; COMPOUND_BYTES_MAX];
        let length =
            Outgoing { ssrc: 3, sent: None, block: None, name: "them", goodbye: false }.write(&mut out);
        out[..length].to_vec()
    }

    fn way(leg: &mut Leg) -> Option<ReportWay> {
        leg.report(Tick(0), NOW, false, &mut [0; COMPOUND_BYTES_MAX]).map(|(_, way)| way)
    }

    #[test]
    fn a_report_goes_where_the_sdp_says_until_the_peers_own_came_from_elsewhere() {
        let apart = |to: &str| Some(ReportWay::Apart(to.parse().unwrap()));
        let mut leg = leg(agreed("192.0.2.1:4000", Rtcp::Above));
        assert_eq!(way(&mut leg), apart("192.0.2.1:4001"));
        leg.hear_report(&compound(), "192.0.2.9:5000".parse().unwrap(), NOW);
        assert_eq!(way(&mut leg), apart("192.0.2.1:4001"), "another machine");
        leg.hear_report(b"rubbish", "192.0.2.1:6000".parse().unwrap(), NOW);
        assert_eq!(way(&mut leg), apart("192.0.2.1:4001"), "that was no report");
        leg.hear_report(&compound(), "192.0.2.1:6000".parse().unwrap(), NOW);
        assert_eq!(way(&mut leg), apart("192.0.2.1:6000"), "behind a NAT");
        assert_eq!((leg.stats.strangers, leg.stats.malformed), (1, 1));
        leg.update(agreed("192.0.2.2:7000", Rtcp::Port(7777)), NOW);
        assert_eq!(way(&mut leg), apart("192.0.2.2:7777"), "a new machine, by a new SDP");
        leg.update(agreed("192.0.2.2:7000", Rtcp::Muxed), NOW);
        assert_eq!(way(&mut leg), Some(ReportWay::WithRtp("192.0.2.2:7000".parse().unwrap())));
    }

    #[test]
    fn nothing_is_reported_to_nobody() {
        for remote in ["nobody", "192.0.2.1:65535"] {
            assert_eq!(way(&mut leg(agreed(remote, Rtcp::Above))), None, "{remote}");
        }
    }

    #[test]
    fn rtcp_among_rtp_is_heard_only_where_that_was_agreed() {
        for (rtcp, malformed) in [(Rtcp::Above, 1), (Rtcp::Muxed, 0)] {
            let mut leg = leg(agreed("192.0.2.1:4000", rtcp));
            leg.hear(Some(&compound()), "192.0.2.1:4000".parse().unwrap(), NOW);
            assert_eq!((leg.stats.malformed, leg.reporter.heard_last() == NOW), (malformed, malformed == 0));
        }
    }
}
