//! What arrived of a peer's stream, what did not, and how evenly (RFC 3550, 6.4.1 and appendix A).

use std::time::Duration;

use aftercall_wire::rtp::{Header, sequence_after, timestamp_after};

/// The largest gap that is a gap: a minute of packets at 50 a second (MAX_DROPOUT in RFC 3550, A.1).
const GAP_MAX: i16 = 3000;

/// The furthest a packet comes late (MAX_MISORDER in RFC 3550, A.1).
const LATE_MAX: i16 = 100;

/// Sequence numbers behind the highest of which it is known whether they came: 1.28 s at 50 a second.
const WINDOW: i16 = 64;

/// Two packets whose transit times differ by more tell of another time base, not of jitter.
const JITTER_STEP_MAX_MS: i64 = 1000;

/// How a packet stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The first of a stream.
    First,
    /// The newest so far.
    New,
    /// It was overtaken, and came now.
    Late,
    /// It came before.
    Duplicate,
    /// Far from where the stream was, and alone there: not believed.
    Stray,
}

/// Counters of what arrived. All of them only grow, but for `lost`: a late packet is not lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Arrived {
    /// RTP packets of the peer, duplicates and late ones included.
    pub packets: u64,
    /// The bytes in their payloads.
    pub octets: u64,
    /// Sequence numbers that were left out and never came.
    pub lost: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub late: u64,
    /// Packets far outside the stream, alone there.
    pub strays: u64,
    /// How often the peer began a new stream: another source, or its counter set anew.
    pub restarts: u64,
    /// Interarrival jitter of the audio at the end (RFC 3550, 6.4.1).
    pub jitter: Duration,
}

/// Follows one peer's stream.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    stream: Option<Stream>,
    arrived: Arrived,
    evenness: Evenness,
}

/// How the jitter was over all audio packets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evenness {
    sum_us: u64,
    /// Two that differ by more than a second are not believed, so this is enough.
    max_us: u32,
    packets: u32,
}

impl Evenness {
    fn add(&mut self, jitter: Duration) {
        let us = u32::try_from(jitter.as_micros()).unwrap_or(u32::MAX);
        self.packets = self.packets.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(us.into());
        self.max_us = self.max_us.max(us);
    }

    pub(crate) fn mean(&self) -> Duration {
        Duration::from_micros(self.sum_us.checked_div(self.packets.into()).unwrap_or_default())
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_micros(self.max_us.into())
    }
}

/// The stream of the peer as a report block tells of it (RFC 3550, 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) ssrc: u32,
    /// The highest sequence number, with the rounds of the counter above it.
    pub(crate) highest: u32,
    /// Packets lost since the stream began.
    pub(crate) lost: u32,
    pub(crate) jitter: Duration,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    highest: u16,
    /// How often the counter went round.
    rounds: u16,
    /// What had been lost before the stream began; wraps.
    lost_before: u32,
    /// Bit n: the packet n before the highest came.
    window: u64,
    /// What would come next if the last stray was the beginning of something.
    restart: Option<u16>,
    /// The last audio packet.
    transit: Option<Transit>,
    /// In nanoseconds.
    jitter: i64,
}

#[derive(Debug, Clone, Copy)]
struct Transit {
    arrival: Duration,
    timestamp: u32,
}

impl Stream {
    fn new(header: &Header, lost_before: u32) -> Self {
        Self {
            ssrc: header.ssrc,
            highest: header.sequence,
            rounds: 0,
            lost_before,
            window: 1,
            restart: None,
            transit: None,
            jitter: 0,
        }
    }
}

impl Reception {
    /// Counts a packet of the peer and says how it stands to the others.
    pub(crate) fn hear(&mut self, header: &Header, payload_bytes: usize) -> Order {
        self.arrived.packets += 1;
        self.arrived.octets += payload_bytes as u64;
        let order = match &mut self.stream {
            None => Order::First,
            Some(stream) if stream.ssrc != header.ssrc => Order::First,
            Some(stream) => stream.place(header.sequence, &mut self.arrived),
        };
        if order == Order::First {
            self.arrived.restarts += u64::from(self.stream.is_some());
            self.stream = Some(Stream::new(header, self.arrived.lost as u32));
        }
        order
    }

    /// Takes an audio packet into the jitter. Events do not count: their time stamps stand still.
    pub(crate) fn time(&mut self, timestamp: u32, clock_hz: u32, arrival: Duration) {
        let Some(stream) = &mut self.stream else { return };
        if let Some(last) = stream.transit {
            let apart = nanos(arrival) - nanos(last.arrival);
            let stamped =
                i64::from(timestamp_after(timestamp, last.timestamp)) * 1_000_000_000 / i64::from(clock_hz);
            let step = (apart - stamped).abs();
            if step <= JITTER_STEP_MAX_MS * 1_000_000 {
                stream.jitter += (step - stream.jitter) / 16;
            }
        }
        stream.transit = Some(Transit { arrival, timestamp });
        self.arrived.jitter = Duration::from_nanos(stream.jitter.unsigned_abs());
        self.evenness.add(self.arrived.jitter);
    }

    pub(crate) fn arrived(&self) -> Arrived {
        self.arrived
    }

    pub(crate) fn evenness(&self) -> Evenness {
        self.evenness
    }

    /// The stream that comes now, if one has come.
    pub(crate) fn present(&self) -> Option<Present> {
        let Stream { ssrc, highest, rounds, lost_before, .. } = self.stream.as_ref()?;
        Some(Present {
            ssrc: *ssrc,
            highest: u32::from(*rounds) << 16 | u32::from(*highest),
            lost: (self.arrived.lost as u32).wrapping_sub(*lost_before),
            jitter: self.arrived.jitter,
        })
    }
}

impl Stream {
    fn place(&mut self, sequence: u16, arrived: &mut Arrived) -> Order {
        let ahead = sequence_after(sequence, self.highest);
        if !(-LATE_MAX..=GAP_MAX).contains(&ahead) {
            // Two in sequence are no stray: the peer set its counter anew.
            if self.restart.replace(sequence.wrapping_add(1)) == Some(sequence) {
                return Order::First;
            }
            arrived.strays += 1;
            return Order::Stray;
        }
        self.restart = None;
        if ahead > 0 {
            self.window = self.window.checked_shl(u32::from(ahead.unsigned_abs())).unwrap_or(0) | 1;
            self.rounds = self.rounds.wrapping_add(u16::from(sequence < self.highest));
            self.highest = sequence;
            arrived.lost += u64::from(ahead.unsigned_abs()) - 1;
            return Order::New;
        }
        let bit = 1_u64.checked_shl(u32::from(ahead.unsigned_abs())).unwrap_or(0);
        if self.window & bit != 0 {
            arrived.duplicates += 1;
            return Order::Duplicate;
        }
        arrived.late += 1;
        if -ahead < WINDOW {
            self.window |= bit;
            arrived.lost = arrived.lost.saturating_sub(1);
        }
        Order::Late
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use aftercall_wire::rtp::PayloadType;
    use proptest::prelude::*;

    use super::*;

    fn header(ssrc: u32, sequence: u16) -> Header {
        Header { payload_type: PayloadType::PCMU, marker: false, sequence, timestamp: 0, ssrc }
    }

    /// packets, lost, duplicates, late, strays, restarts
    fn counts(sequences: &[u16]) -> [u64; 6] {
        let mut reception = Reception::default();
        for &sequence in sequences {
            reception.hear(&header(1, sequence), 160);
        }
        let a = reception.arrived();
        [a.packets, a.lost, a.duplicates, a.late, a.strays, a.restarts]
    }

    #[test]
    fn sequences_are_read_as_gaps_repeats_and_latecomers() {
        for (what, sequences, expected) in [
            ("in order", &[1, 2, 3][..], [3, 0, 0, 0, 0, 0]),
            ("over the wrap", &[65_534, 65_535, 0, 1], [4, 0, 0, 0, 0, 0]),
            ("a gap over the wrap", &[65_535, 2], [2, 2, 0, 0, 0, 0]),
            ("a repeat", &[1, 2, 2, 3, 1], [5, 0, 2, 0, 0, 0]),
            ("swapped", &[1, 3, 2, 4], [4, 0, 0, 1, 0, 0]),
            ("late twice", &[1, 3, 2, 2], [4, 0, 1, 1, 0, 0]),
            ("before the first", &[5, 4], [2, 0, 0, 1, 0, 0]),
            ("as late as is remembered", &[1, 66, 3], [3, 63, 0, 1, 0, 0]),
            ("one later", &[1, 66, 2], [3, 64, 0, 1, 0, 0]),
            ("much later than is remembered", &[1, 2, 90, 3], [4, 87, 0, 1, 0, 0]),
            ("one stray", &[1, 2, 40_000, 3], [4, 0, 0, 0, 1, 0]),
            ("the counter set anew", &[1, 2, 40_000, 40_001, 40_002], [5, 0, 0, 0, 1, 1]),
            ("strays that do not follow", &[1, 40_000, 50_000, 2], [4, 0, 0, 0, 2, 0]),
        ] {
            assert_eq!(counts(sequences), expected, "{what}");
        }
    }

    #[test]
    fn another_source_begins_afresh_and_its_gap_to_the_old_one_is_no_loss() {
        let mut reception = Reception::default();
        reception.hear(&header(1, 100), 160);
        assert_eq!(reception.hear(&header(2, 9000), 160), Order::First);
        assert_eq!(reception.arrived().lost, 0);
        assert_eq!(reception.arrived().restarts, 1);
    }

    #[test]
    fn the_present_stream_counts_its_rounds_and_only_its_own_losses() {
        let mut reception = Reception::default();
        assert_eq!(reception.present(), None);
        let mut hear = |ssrc, sequence| {
            reception.hear(&header(ssrc, sequence), 160);
            reception.present().map(|present| (present.ssrc, present.highest, present.lost))
        };
        assert_eq!(hear(1, 65_530), Some((1, 65_530, 0)));
        assert_eq!(hear(1, 2), Some((1, 65_538, 7)));
        assert_eq!(hear(1, 1), Some((1, 65_538, 6)), "late");
        assert_eq!(hear(2, 9), Some((2, 9, 0)), "another source");
        assert_eq!(hear(2, 11), Some((2, 11, 1)));
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        let mut reception = Reception::default();
        reception.hear(&header(1, 0), 160);
        let mut expected = 0.0;
        let arrivals_ms = [0_u64, 25, 40, 75, 80, 100];
        for (n, &at) in arrivals_ms.iter().enumerate() {
            reception.time(160 * n as u32, 8000, Duration::from_millis(at));
            if n > 0 {
                let step = (at as f64 - arrivals_ms[n - 1] as f64 - 20.0).abs();
                expected += (step - expected) / 16.0;
            }
        }
        let jitter = reception.arrived().jitter.as_secs_f64() * 1000.0;
        assert!((jitter - expected).abs() < 1e-4, "{jitter} ms, not {expected}");
        assert!(expected > 1.0);
    }

    #[test]
    fn a_new_time_base_is_not_jitter() {
        let mut reception = Reception::default();
        reception.hear(&header(1, 0), 160);
        reception.time(0, 8000, Duration::ZERO);
        reception.time(3_000_000_000, 8000, Duration::from_millis(20));
        reception.time(3_000_000_160, 8000, Duration::from_millis(40));
        assert_eq!(reception.arrived().jitter, Duration::ZERO);
    }

    proptest! {
        #[test]
        fn what_is_dropped_is_lost_and_what_is_repeated_or_overtaken_is_not(
            start in any::<u16>(),
            fates in prop::collection::vec(0u8..8, 3..400),
        ) {
            // 0: dropped, 1: twice, 2: swapped with the next, others: arrive. The ends arrive.
            let mut order = Vec::new();
            let (mut dropped, mut twice) = (0, 0);
            let last = fates.len() - 1;
            for (n, fate) in fates.iter().enumerate() {
                let sequence = start.wrapping_add(n as u16);
                match fate {
                    0 if n != 0 && n != last => dropped += 1,
                    1 => { order.extend([sequence, sequence]); twice += 1; }
                    2 if order.len() > 1 => { let at = order.len() - 1; order.insert(at, sequence); }
                    _ => order.push(sequence),
                }
            }
            let [packets, lost, duplicates, ..] = counts(&order);
            prop_assert_eq!(packets, order.len() as u64);
            prop_assert_eq!(lost, dropped);
            prop_assert_eq!(duplicates, twice);
        }
    }
}
