//! What the SIP door counts.

use std::sync::OnceLock;

use aftercall_core::OfferState;
use aftercall_media::{Engine, Stats};

use super::{Counter, Gauge, Page};
use crate::signalling::{Count, Signalling};

/// Calls at the SIP door.
#[derive(Debug, Default)]
pub struct SipMetrics {
    /// Calls that are on now.
    pub calls: Gauge,
    /// Calls not asked, by a rule.
    pub suppressed: Counter,
    /// Calls whose media was encrypted when it began.
    pub secure: Counter,
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
    forged: Counter,
    /// What lies beneath the door counts for itself; it is asked when somebody looks.
    beneath: OnceLock<Beneath>,
}

/// Signalling and media of an open door.
struct Beneath {
    signalling: Signalling,
    media: Engine,
}

impl std::fmt::Debug for Beneath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beneath").finish_non_exhaustive()
    }
}

impl SipMetrics {
    /// The door is open: this is what lies beneath it. There is one door in a process.
    pub fn opened(&self, signalling: Signalling, media: Engine) {
        self.beneath.get_or_init(|| Beneath { signalling, media });
    }

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
        self.forged.add(stats.forged);
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
            ("aftercall_srtp_calls_total", "Calls whose media was encrypted.", &self.secure),
            (
                "aftercall_srtp_forged_total",
                "SRTP packets that the caller did not send, or sent before.",
                &self.forged,
            ),
        ] {
            page.counter(name, help, counter);
        }
        if let Some(beneath) = self.beneath.get() {
            beneath.render(page);
        }
    }
}

impl Beneath {
    fn render(&self, page: &mut Page) {
        page.family("aftercall_sip_total", "counter", "What SIP signalling met, by kind.");
        for count in Count::ALL {
            let value = self.signalling.count(*count);
            page.sample("aftercall_sip_total", &format!("kind=\"{}\"", count.name()), value);
        }
        let load = self.media.load();
        let now: [(&str, &str, u64); 4] = [
            ("aftercall_sip_dialogs", "Dialogs that are on.", self.signalling.dialogs_live() as u64),
            (
                "aftercall_sip_transactions",
                "SIP transactions that linger.",
                self.signalling.transactions_live() as u64,
            ),
            ("aftercall_rtp_legs", "Legs with media.", load.legs as u64),
            ("aftercall_rtp_ports_free", "Even RTP ports not in use.", load.ports_free as u64),
        ];
        for (name, help, value) in now {
            page.value(name, "gauge", help, value);
        }
        let ever = [
            ("aftercall_rtp_packets_in_total", "Datagrams taken from media ports.", load.packets_in),
            ("aftercall_rtp_packets_out_total", "RTP packets sent.", load.packets_out),
            ("aftercall_rtp_ticks_total", "How often a media thread went to work.", load.ticks),
            (
                "aftercall_rtp_skipped_ms_total",
                "Media time left out because the machine stood still.",
                load.skipped_ms,
            ),
        ];
        for (name, help, value) in ever {
            page.value(name, "counter", help, value);
        }
    }
}
