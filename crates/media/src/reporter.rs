//! RTCP of one leg: what was said and heard of it, and when to speak next (RFC 3550, section 6).
//!
//! The clock of our reports is the machine's uptime, which the RFC allows: it does not jump, so round trips do not.

use std::net::SocketAddr;
use std::time::Duration;

use aftercall_wire::rtcp::{Block, COMPOUND_BYTES_MAX, Malformed, Outgoing, Part, Sent, parse};

use crate::quality::PeerView;
use crate::reception::Present;
use crate::speaker::Beginning;

/// The mean pause between reports (section 6.2): the least there may be.
const PAUSE: Duration = Duration::from_secs(5);

/// A round trip longer than this is somebody's wrong clock.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// Our own stream as a sender report tells of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    pub(crate) ssrc: u32,
    pub(crate) timestamp: u32,
    /// What time stamps count, the peer's too: both speak one codec.
    pub(crate) clock_hz: u32,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

/// What one leg remembers of its reports.
#[derive(Debug)]
pub(crate) struct Reporter {
    /// Random, as RFC 7022 wants it, and the same in all reports of the leg.
    name: String,
    dice: u32,
    /// What we had sent at our last report.
    sent_before: u64,
    /// The peer's stream at our last report.
    before: Option<Present>,
    /// The peer's last sender report: whose, its middle, and when it came.
    their_report: Option<(u32, u32, Duration)>,
    heard_last: Duration,
    peer: Option<PeerView>,
    round_trip: Option<Duration>,
    /// Where the peer's RTCP came from: that is where it wants ours, whatever a NAT did to its port.
    pub(crate) answers: Option<SocketAddr>,
}

impl Reporter {
    pub(crate) fn new(beginning: &Beginning) -> Self {
        let Beginning { ssrc, sequence, timestamp } = *beginning;
        Self {
            name: format!("{ssrc:08x}{timestamp:08x}{sequence:04x}"),
            // Of noughts nothing but noughts would follow.
            dice: (ssrc ^ timestamp.rotate_left(7)).max(1),
            sent_before: 0,
            before: None,
            their_report: None,
            heard_last: Duration::ZERO,
            peer: None,
            round_trip: None,
            answers: None,
        }
    }

    /// Until the first report: half of what it is later (section 6.2).
    pub(crate) fn first_pause(&mut self) -> Duration {
        self.pause() / 2
    }

    /// Until the next report: half to one and a half of the mean, so that many do not speak at once (section 6.3.1).
    pub(crate) fn pause(&mut self) -> Duration {
        // Marsaglia's xorshift: anything that differs from leg to leg will do.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 17;
        self.dice ^= self.dice << 5;
        PAUSE / 2 + PAUSE * (self.dice >> 16) / 65_536
    }

    /// Hears a datagram that came at `at`; `ours` and `theirs` are the two streams, whose time stamps count `clock_hz`.
    ///
    /// # Errors
    /// When it is not RTCP.
    pub(crate) fn hear(
        &mut self,
        bytes: &[u8],
        ours: u32,
        theirs: Option<u32>,
        clock_hz: u32,
        at: Duration,
    ) -> Result<(), Malformed> {
        for part in parse(bytes)? {
            let Part::Report { ssrc, sent, blocks } = part else { continue };
            if let Some(sent) = sent
                && theirs.is_none_or(|theirs| theirs == ssrc)
            {
                self.their_report = Some((ssrc, sent.middle(), at));
            }
            if let Some(block) = blocks.into_iter().find(|block| block.ssrc == ours) {
                self.hear_block(&block, clock_hz, at);
            }
        }
        self.heard_last = at;
        Ok(())
    }

    pub(crate) fn heard_last(&self) -> Duration {
        self.heard_last
    }

    fn hear_block(&mut self, block: &Block, clock_hz: u32, at: Duration) {
        let jitter = Duration::from_secs(block.jitter.into()) / clock_hz;
        self.peer = Some(PeerView { lost: u64::from(block.lost.max(0).unsigned_abs()), jitter });
        if block.last_report == 0 {
            return;
        }
        let units = middle(at).wrapping_sub(block.last_report).wrapping_sub(block.delay);
        let round_trip = Duration::from_secs(units.into()) / 65_536;
        if round_trip <= ROUND_TRIP_MAX {
            self.round_trip = Some(round_trip);
        }
    }

    /// Writes our report: its length in `out`.
    pub(crate) fn write(
        &mut self,
        own: &Own,
        theirs: Option<Present>,
        now: Duration,
        goodbye: bool,
        out: &mut [u8; COMPOUND_BYTES_MAX],
    ) -> usize {
        let speaks = own.packets > self.sent_before;
        self.sent_before = own.packets;
        let sent = Sent {
            ntp: ntp(now),
            timestamp: own.timestamp,
            packets: own.packets as u32,
            octets: own.octets as u32,
        };
        let block = theirs.map(|theirs| self.block(&theirs, own.clock_hz, now));
        self.before = theirs;
        let name = &self.name;
        Outgoing { ssrc: own.ssrc, sent: speaks.then_some(sent), block, name, goodbye }.write(out)
    }

    fn block(&self, theirs: &Present, clock_hz: u32, now: Duration) -> Block {
        let before = self.before.filter(|before| before.ssrc == theirs.ssrc);
        // The first report of a stream tells of it from its beginning on, which it does not know; of no loss, then.
        let expected = before.map_or(0, |before| theirs.highest.wrapping_sub(before.highest));
        let lost = before.map_or(0, |before| theirs.lost.saturating_sub(before.lost));
        let fraction = (u64::from(lost) * 256).checked_div(expected.into()).unwrap_or_default();
        let report = self.their_report.filter(|(ssrc, ..)| *ssrc == theirs.ssrc);
        Block {
            ssrc: theirs.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: i32::try_from(theirs.lost).unwrap_or(i32::MAX),
            highest: theirs.highest,
            jitter: (theirs.jitter.as_secs_f64() * f64::from(clock_hz)) as u32,
            last_report: report.map_or(0, |(_, middle, _)| middle),
            delay: report.map_or(0, |(.., at)| middle(now.saturating_sub(at))),
        }
    }

    /// What the peer last said of our stream.
    pub(crate) fn peer(&self) -> Option<PeerView> {
        self.peer
    }

    /// The last round trip.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }
}

/// A time in the form of NTP: seconds above, their 2^32nd parts below.
fn ntp(time: Duration) -> u64 {
    (time.as_secs() << 32) | ((u64::from(time.subsec_nanos()) << 32) / 1_000_000_000)
}

/// The same in 65,536ths of a second.
fn middle(time: Duration) -> u32 {
    (ntp(time) >> 16) as u32
}

#[cfg(test)]
mod tests;
