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
        let theirs = self.reception.present().map(|stream| stream.ssrc);
        let at = at.max(self.reporter.heard_last());
        if self.reporter.hear(bytes, self.speaker.ssrc(), theirs, at).is_err() {
            self.stats.malformed += 1;
        } else if self.agreed.rtcp != Rtcp::Muxed {
            self.reporter.answers = Some(from);
        }
    }

    pub(crate) fn report_is_due(&self, now: Duration) -> bool {
        now >= self.report_at
    }

    /// The report that is due: its length in `out`, and where it goes; `None` while nobody is known to take it.
    pub(crate) fn report(
        &mut self,
        tick: Tick,
        now: Duration,
        goodbye: bool,
        out: &mut [u8; COMPOUND_BYTES_MAX],
    ) -> Option<(usize, ReportWay)> {
        self.report_at = now + self.reporter.pause();
        let rtp = self.latch.destination()?;
        let with_port = |port| SocketAddr::new(rtp.ip(), port);
        let apart = |port| ReportWay::Apart(self.reporter.answers.unwrap_or(with_port(port)));
        let way = match self.agreed.rtcp {
            Rtcp::Muxed => ReportWay::WithRtp(rtp),
            Rtcp::Port(port) => apart(port),
            Rtcp::Above => apart(rtp.port().checked_add(1)?),
        };
        let own = Own {
            ssrc: self.speaker.ssrc(),
            timestamp: self.speaker.timestamp(tick),
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
