//! What the SIP door counts.

use std::sync::OnceLock;

use aftercall_core::OfferState;
use aftercall_media::{Engine, Quality, Stats};

use super::{Counter, Gauge, Page};
use crate::signalling::{Count, Signalling};

/// Upper ends of the buckets of opinion scores, in hundredths: where G.107 (annex B) begins to speak of nearly all
/// users dissatisfied, of many, of some, of users satisfied, and of users very satisfied.
const OPINIONS_HUNDREDTHS: [u16; 5] = [258, 310, 360, 403, 434];

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
    /// Calls by their estimated opinion score.
    opinions: [Counter; OPINIONS_HUNDREDTHS.len() + 1],
    /// The sum of the scores, in hundredths.
    opinions_sum: Counter,
    /// What the callers' telephones reported of our packets.
    peer_lost: Counter,
    /// Calls of which a round trip is known, and all of these together, in microseconds.
    round_trips: Counter,
    round_trips_us: Counter,
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
    pub fn media_closed(&self, stats: &Stats, quality: Option<&Quality>) {
        if let Some(quality) = quality {
            self.sounded(quality);
        }
        self.sent.add(stats.sent_packets);
        self.received.add(stats.arrived.packets);
        self.lost.add(stats.arrived.lost);
        self.malformed.add(stats.malformed);
        self.strangers.add(stats.strangers);
        self.forged.add(stats.forged);
    }

    fn sounded(&self, quality: &Quality) {
        let opinion = quality.mos_hundredths;
        let bucket = OPINIONS_HUNDREDTHS.iter().take_while(|edge| opinion > **edge).count();
        self.opinions[bucket].add(1);
        self.opinions_sum.add(opinion.into());
        self.peer_lost.add(quality.peer.map_or(0, |peer| peer.lost));
        if let Some(round_trip) = quality.round_trip {
            self.round_trips.add(1);
            self.round_trips_us.add(u64::try_from(round_trip.as_micros()).unwrap_or_default());
        }
    }

    fn render_quality(&self, page: &mut Page) {
        let name = "aftercall_call_mos";
        page.family(name, "histogram", "Calls that are over by their estimated opinion score (ITU-T G.107).");
        let edges = OPINIONS_HUNDREDTHS.iter().map(|edge| format!("{}", f64::from(*edge) / 100.0));
        let mut calls = 0;
        for (edge, counter) in edges.chain(["+Inf".to_owned()]).zip(&self.opinions) {
            calls += counter.get();
            page.sample(&format!("{name}_bucket"), &format!("le=\"{edge}\""), calls);
        }
        let sum = self.opinions_sum.get() as f64 / 100.0;
        page.line(format_args!("{name}_sum {sum}"));
        page.line(format_args!("{name}_count {calls}"));
        let name = "aftercall_rtp_round_trip_seconds";
        page.family(
            name,
            "summary",
            "There and back, of calls that are over and whose telephones speak RTCP.",
        );
        let seconds = self.round_trips_us.get() as f64 / 1e6;
        page.line(format_args!("{name}_sum {seconds}"));
        page.line(format_args!("{name}_count {}", self.round_trips.get()));
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
            (
                "aftercall_rtp_peer_lost_total",
                "Our packets that callers reported lost (RTCP).",
                &self.peer_lost,
            ),
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
        self.render_quality(page);
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
