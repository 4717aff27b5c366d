//! What callers saw, heard and measured: kept while calls run, then shown and written down.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::histogram::{Histogram, Spread};
use crate::rtp::prompt::Cuts;
use crate::rtp::stream::Counters;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// The caller rated, heard the thanks, and the server hung up.
    Rated,
    /// The caller hung up as it meant to, and the server agreed.
    Left,
    /// The INVITE got this final response.
    Refused(u16),
    /// The INVITE got no final response in time.
    NoAnswer,
    /// The answer's SDP cannot be used: no mu-law, no telephone events, or no address.
    BadAnswer,
    /// The server hung up before the caller had rated.
    HungUpEarly,
    /// The server did not hang up after the rating.
    NeverHungUp,
    /// The server did not answer the caller's BYE, or refused it.
    ByeFailed,
}

impl Ending {
    /// Whether the call went as a survey call should.
    #[must_use]
    pub const fn is_right(self) -> bool {
        matches!(self, Self::Rated | Self::Left)
    }

    /// Whether the server took the call, whatever became of it.
    #[must_use]
    pub const fn was_taken(self) -> bool {
        !matches!(self, Self::Refused(_) | Self::NoAnswer)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rated => f.write_str("rated, and the server hung up"),
            Self::Left => f.write_str("rated or listened, and hung up"),
            Self::Refused(status) => write!(f, "refused with {status}"),
            Self::NoAnswer => f.write_str("no answer"),
            Self::BadAnswer => f.write_str("answered with SDP that cannot be used"),
            Self::HungUpEarly => f.write_str("the server hung up before the rating"),
            Self::NeverHungUp => f.write_str("the server did not hang up after the rating"),
            Self::ByeFailed => f.write_str("the caller's BYE was not answered or refused"),
        }
    }
}

/// Everything measured in some stretch of time.
#[derive(Debug, Default)]
pub struct Seen {
    /// INVITEs sent, each call once.
    pub placed: u64,
    /// Calls answered.
    pub answered: u64,
    /// Ratings pressed.
    pub rated: u64,
    /// How calls ended.
    pub endings: BTreeMap<Ending, u64>,
    /// Messages sent again because no answer came in time.
    pub sent_again: u64,
    /// Requests that a survey call has no use for, and datagrams that are no SIP of ours.
    pub unexpected: u64,
    /// From the INVITE to the 200.
    pub answered_after: Histogram,
    /// From the ACK to the first RTP packet; zero when that came before.
    pub first_packet_after: Histogram,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// How late our own packets were, by their millisecond.
    pub own_lateness: Histogram,
    /// Milliseconds in which we sent nothing because we were too late for them.
    pub skipped_ms: u64,
    /// The streams heard.
    pub streams: Counters,
    /// How late their packets were.
    pub lateness: Histogram,
    /// Keys pressed during the prompt.
    pub cuts: Cuts,
    /// Time that answered calls lasted, all together.
    pub call_time: Duration,
    /// In how much time that was.
    pub span: Duration,
}

/// [`Seen`], to be written down.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Heard {
    /// INVITEs sent, each call once.
    pub placed: u64,
    /// Calls answered.
    pub answered: u64,
    /// Ratings pressed.
    pub rated: u64,
    /// How calls ended, in words.
    pub endings: BTreeMap<String, u64>,
    /// Calls that did not go as they should.
    pub wrong_endings: u64,
    /// Calls that the server did not take.
    pub not_taken: u64,
    /// Messages sent again.
    pub sent_again: u64,
    /// Requests and datagrams that should not have come.
    pub unexpected: u64,
    /// From the INVITE to the 200.
    pub answered_after: Spread,
    /// From the ACK to the first RTP packet.
    pub first_packet_after: Spread,
    /// RTP packets sent.
    pub packets_sent: u64,
    /// How late our own packets were.
    pub own_lateness: Spread,
    /// Milliseconds in which we sent nothing.
    pub skipped_ms: u64,
    /// The streams heard.
    pub streams: Counters,
    /// How late their packets were.
    pub lateness: Spread,
    /// From a key to the prompt's cut.
    pub cut_after: Spread,
    /// Keys that cut nothing.
    pub keys_unheard: u64,
    /// Seconds of answered calls.
    pub call_seconds: f64,
}

impl Seen {
    /// Adds what was seen in another stretch.
    pub fn merge(&mut self, other: &Self) {
        self.placed += other.placed;
        self.answered += other.answered;
        self.rated += other.rated;
        for (ending, count) in &other.endings {
            *self.endings.entry(*ending).or_default() += count;
        }
        self.sent_again += other.sent_again;
        self.unexpected += other.unexpected;
        self.answered_after.merge(&other.answered_after);
        self.first_packet_after.merge(&other.first_packet_after);
        self.packets_sent += other.packets_sent;
        self.own_lateness.merge(&other.own_lateness);
        self.skipped_ms += other.skipped_ms;
        self.streams.merge(&other.streams);
        self.lateness.merge(&other.lateness);
        self.cuts.times.merge(&other.cuts.times);
        self.cuts.unheard += other.cuts.unheard;
        self.call_time += other.call_time;
        self.span += other.span;
    }

    /// How many calls were on, on average.
    #[must_use]
    pub fn calls_on(&self) -> f64 {
        self.call_time.as_secs_f64() / self.span.as_secs_f64().max(f64::EPSILON)
    }

    /// The figures.
    #[must_use]
    pub fn heard(&self) -> Heard {
        let count = |wanted: fn(Ending) -> bool| {
            self.endings.iter().filter(|(ending, _)| wanted(**ending)).map(|(_, count)| count).sum()
        };
        Heard {
            placed: self.placed,
            answered: self.answered,
            rated: self.rated,
            endings: self.endings.iter().map(|(ending, count)| (ending.to_string(), *count)).collect(),
            wrong_endings: count(|ending| !ending.is_right()),
            not_taken: count(|ending| !ending.was_taken()),
            sent_again: self.sent_again,
            unexpected: self.unexpected,
            answered_after: self.answered_after.spread(),
            first_packet_after: self.first_packet_after.spread(),
            packets_sent: self.packets_sent,
            own_lateness: self.own_lateness.spread(),
            skipped_ms: self.skipped_ms,
            streams: self.streams,
            lateness: self.lateness.spread(),
            cut_after: self.cuts.times.spread(),
            keys_unheard: self.cuts.unheard,
            call_seconds: self.call_time.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_adds_everything_up() {
        let mut one = Seen {
            placed: 1,
            answered: 2,
            rated: 2,
            endings: [(Ending::Rated, 3), (Ending::Refused(503), 4), (Ending::NeverHungUp, 5)].into(),
            sent_again: 6,
            unexpected: 7,
            packets_sent: 8,
            skipped_ms: 9,
            call_time: Duration::from_secs(10),
            span: Duration::from_secs(4),
            ..Seen::default()
        };
        one.streams.lost = 11;
        one.cuts.unheard = 12;
        for histogram in [
            &mut one.answered_after,
            &mut one.first_packet_after,
            &mut one.own_lateness,
            &mut one.lateness,
            &mut one.cuts.times,
        ] {
            histogram.record(Duration::from_millis(1));
        }
        let mut both = Seen::default();
        both.merge(&one);
        assert_eq!(both.heard(), one.heard());
        both.merge(&one);
        assert_doubled(
            &serde_json::to_value(one.heard()).unwrap(),
            &serde_json::to_value(both.heard()).unwrap(),
            "",
        );
        assert_eq!((one.heard().wrong_endings, one.heard().not_taken), (9, 4));
        assert_eq!([one.calls_on(), both.calls_on()], [2.5, 2.5]);
    }

    /// Every number but those in milliseconds that are quantiles is twice as large.
    fn assert_doubled(one: &serde_json::Value, both: &serde_json::Value, name: &str) {
        match (one, both) {
            (serde_json::Value::Object(fields), both) => {
                fields.iter().for_each(|(name, value)| assert_doubled(value, &both[name], name));
            }
            (one, both) => {
                let factor = if name.ends_with("_ms") && name != "skipped_ms" { 1.0 } else { 2.0 };
                assert_eq!(one.as_f64().unwrap() * factor, both.as_f64().unwrap(), "{name}");
            }
        }
    }
}
