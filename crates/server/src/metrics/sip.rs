//! What the SIP door counts.

use aftercall_core::OfferState;
use aftercall_media::Stats;

use super::{Counter, Gauge, Page};

/// Calls at the SIP door.
#[derive(Debug, Default)]
pub struct SipMetrics {
    /// Calls that are on now.
    pub calls: Gauge,
    /// Calls not asked, by a rule.
    pub suppressed: Counter,
    /// Calls answered with something other than 200.
    pub refused: Counter,
    /// Sessions by how they ended.
    endings: [Counter; OfferState::ALL.len()],
    /// RTP packets sent and received by calls that are over, and those missing or thrown away.
    sent: Counter,
    received: Counter,
    lost: Counter,
    malformed: Counter,
    strangers: Counter,
}

impl SipMetrics {
    /// A session ended like this.
    pub fn ended(&self, state: OfferState) {
        if let Some(counter) = self.endings.get(state as usize) {
            counter.add(1);
        }
    }

    /// A leg's media ended with these counters.
    pub fn media_closed(&self, stats: &Stats) {
        self.sent.add(stats.sent_packets);
        self.received.add(stats.arrived.packets);
        self.lost.add(stats.arrived.lost);
        self.malformed.add(stats.malformed);
        self.strangers.add(stats.strangers);
    }

    pub(super) fn render(&self, page: &mut Page) {
        page.gauge("aftercall_calls", "Calls that are on.", &self.calls);
        page.family("aftercall_sessions_ended_total", "counter", "Survey sessions by how they ended.");
        for (state, counter) in OfferState::ALL.into_iter().zip(&self.endings) {
            page.sample(
                "aftercall_sessions_ended_total",
                &format!("state=\"{}\"", state.word()),
                counter.get(),
            );
        }
        for (name, help, counter) in [
            ("aftercall_calls_suppressed_total", "Calls not asked, by a rule.", &self.suppressed),
            ("aftercall_calls_refused_total", "Calls the door refused.", &self.refused),
            ("aftercall_rtp_sent_total", "RTP packets sent in calls that are over.", &self.sent),
            ("aftercall_rtp_received_total", "RTP packets received in calls that are over.", &self.received),
            ("aftercall_rtp_lost_total", "RTP packets missing by their sequence numbers.", &self.lost),
            ("aftercall_rtp_malformed_total", "Datagrams on media ports that are no RTP.", &self.malformed),
            ("aftercall_rtp_strangers_total", "RTP packets from others than the caller.", &self.strangers),
        ] {
            page.counter(name, help, counter);
        }
    }
}
