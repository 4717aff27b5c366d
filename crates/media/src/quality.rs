//! How a call sounded, from what its stream lost and how long it took: the E-model (ITU-T G.107, 06/2015) with
//! everything at its default that a server cannot know: loudness, echo, noise of the rooms.

use std::time::Duration;

use aftercall_wire::codec::Codec;

use crate::agreed::Ptime;
use crate::reception::{Arrived, Evenness};

/// R of a line with every default (G.107, table 3): nothing lost, no delay.
const R_DEFAULT: f64 = 93.2;

/// A delay below this disturbs nobody (G.107, 7.4), in milliseconds.
const DELAY_UNNOTICED_MS: f64 = 100.0;

/// What a telephone's jitter buffer holds back of the mean jitter: twice, as adaptive ones do.
const JITTER_HELD: u32 = 2;

/// How a call's media went. There is none of a leg on which no RTP of the peer ever came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Packets that the peer's sequence numbers count.
    pub expected: u64,
    /// Those of them that came.
    pub received: u64,
    /// Those that did not.
    pub lost: u64,
    /// Those that came after a later one.
    pub late: u64,
    /// Packets that came again, beside these.
    pub duplicates: u64,
    /// The mean of the interarrival jitter (RFC 3550, 6.4.1) over all audio packets.
    pub jitter_mean: Duration,
    /// Its highest value.
    pub jitter_max: Duration,
    /// What the peer reported of our audio (RTCP), if it did.
    pub peer: Option<PeerView>,
    /// To the peer and back, by RTCP, as last measured.
    pub round_trip: Option<Duration>,
    /// The mean opinion score estimated of what came, in hundredths: 100 (bad) to 441.
    pub mos_hundredths: u16,
}

/// What a peer says of our audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerView {
    /// Packets lost on the way to it, as it counts.
    pub lost: u64,
    /// The interarrival jitter that it last saw.
    pub jitter: Duration,
}

impl Quality {
    pub(crate) fn of(
        arrived: &Arrived,
        evenness: &Evenness,
        codec: Codec,
        peer: Option<PeerView>,
        round_trip: Option<Duration>,
    ) -> Option<Self> {
        if arrived.packets == 0 {
            return None;
        }
        let received = arrived.packets.saturating_sub(arrived.duplicates + arrived.strays);
        let expected = received + arrived.lost;
        let jitter_mean = evenness.mean();
        let lost_share = arrived.lost as f64 / expected.max(1) as f64;
        // Half of the way there and back, what the telephone's buffer holds, and the packet that is filled first.
        let delay = round_trip.unwrap_or_default() / 2
            + jitter_mean * JITTER_HELD
            + Duration::from_millis(Ptime::USUAL.ms());
        let mos = mean_opinion(transmission_rating(codec, lost_share, delay));
        Some(Self {
            expected,
            received,
            lost: arrived.lost,
            late: arrived.late,
            duplicates: arrived.duplicates,
            jitter_mean,
            jitter_max: evenness.max(),
            peer,
            round_trip,
            mos_hundredths: (mos * 100.0).round() as u16,
        })
    }
}

/// R, 0 to 93.2: G.107, equation 7-1, with the impairments of delay (7-27) and of loss (7-29).
///
/// `lost_share` is 0 to 1, taken as random loss; `delay` is one way, from mouth to ear.
#[must_use]
pub fn transmission_rating(codec: Codec, lost_share: f64, delay: Duration) -> f64 {
    let (equipment, robustness) = impairment(codec);
    let lost_percent = lost_share.clamp(0.0, 1.0) * 100.0;
    let loss = equipment + (95.0 - equipment) * lost_percent / (lost_percent + robustness);
    (R_DEFAULT - delay_impairment(delay) - loss).max(0.0)
}

/// The mean opinion score of a rating, 1 to 4.5: G.107, annex B.
#[must_use]
pub fn mean_opinion(rating: f64) -> f64 {
    let rating = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

/// Ie and Bpl of a codec with concealment of loss (G.113, appendix I, tables I.1 and I.4). On this scale, which ends
/// where G.711 does, a wideband codec is as good as that; Opus, for which G.113 has no figures, is taken to be.
const fn impairment(codec: Codec) -> (f64, f64) {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 | Codec::Opus => (0.0, 25.1),
    }
}

/// Idd of G.107, 7.4.
fn delay_impairment(delay: Duration) -> f64 {
    let ms = delay.as_secs_f64() * 1000.0;
    if ms <= DELAY_UNNOTICED_MS {
        return 0.0;
    }
    let x = (ms / DELAY_UNNOTICED_MS).log2();
    let sixth_root = |base: f64| (1.0 + base.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth_root(x) - 3.0 * sixth_root(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratings_are_those_of_the_recommendations() {
        // One-way ms, percent lost: R and MOS by the same formulas, worked apart from this program. The first line is the
        // default of G.107; 25.1 % of loss is where half of the 95 is gone (G.113).
        for (delay_ms, lost_percent, rating, mos) in [
            (0, 0.0, 93.2, 4.41),
            (100, 0.0, 93.2, 4.41),
            (200, 0.0, 90.16, 4.34),
            (400, 0.0, 69.13, 3.56),
            (0, 1.0, 89.56, 4.33),
            (0, 3.0, 83.06, 4.13),
            (0, 25.1, 45.7, 2.35),
            (0, 100.0, 17.26, 1.18),
            (400, 25.1, 21.63, 1.30),
        ] {
            let r = transmission_rating(Codec::Pcma, lost_percent / 100.0, Duration::from_millis(delay_ms));
            assert!((r - rating).abs() < 0.02, "{delay_ms} ms, {lost_percent} %: R {r}, not {rating}");
            assert!((mean_opinion(r) - mos).abs() < 0.01, "R {r}: MOS {}, not {mos}", mean_opinion(r));
        }
    }

    #[test]
    fn opinions_are_those_of_annex_b() {
        // G.107, table B.1: the limits of users' satisfaction.
        for (rating, mos) in
            [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58), (0.0, 1.0)]
        {
            assert!((mean_opinion(rating) - mos).abs() < 0.01, "R {rating}: {}", mean_opinion(rating));
        }
    }

    #[test]
    fn a_leg_that_heard_nothing_has_no_quality() {
        let none = Quality::of(&Arrived::default(), &Evenness::default(), Codec::Pcmu, None, None);
        assert_eq!(none, None);
        let arrived =
            Arrived { packets: 100, duplicates: 2, strays: 1, lost: 3, late: 4, ..Arrived::default() };
        let some = Quality::of(&arrived, &Evenness::default(), Codec::Pcmu, None, None).unwrap();
        assert_eq!((some.expected, some.received, some.lost, some.late, some.duplicates), (100, 97, 3, 4, 2));
        assert_eq!(some.mos_hundredths, 413);
    }
}
