//! Which reports belong to one press, whatever the network and the sender did to them.
//!
//! A sender that keeps RFC 4733 makes it easy: one press, one timestamp. Others exist, and a digit
//! told twice is a wrong rating; so there are rules for the ones seen in the field. Each is so narrow
//! that two presses of a correct sender are never taken for one.

use std::time::Duration;

use super::DURATION_MAX;
use crate::digit::Digit;
use crate::rtp::{sequence_after, timestamp_after};

/// Presses remembered of a stream, so that their late reports are known. At four presses a second
/// they reach two seconds back, far longer than packets overtake each other.
const PRESSES_MAX: usize = 8;

/// A packet up to this far behind the newest is late; one further behind shows that the sender
/// counts anew. 250 packets are 5 s at 50 a second.
const LATE_PACKETS_MAX: i16 = 250;

/// After a silence this long nothing is late: the counter may have gone round meanwhile.
const LATE_MAX: Duration = Duration::from_secs(5);

/// A shorter report of an ended press this long after it is the same key struck again. Nobody strikes
/// faster, and reports that overtook each other before a relay renumbered them lie closer.
const STROKE_PAUSE: Duration = Duration::from_millis(100);

/// Reports this many packets apart can show that a sender's timestamps run with the duration.
/// In a correct stream two reports that look so are at least four apart: the first press's three
/// final reports lie between them.
const RUNNING_GAP_MAX: u16 = 3;

/// Parts into which the duration field splits one press (RFC 4733, 2.5.1.3): 65 s at 8 kHz. It is below
/// 16, the first multiple of 65,535 that also counts whole frames of 10, 20, 30, 40 or 60 ms: so no other
/// press begins where a segment would.
const SEGMENTS_MAX: i32 = 8;

/// One report of a digit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stroke {
    pub(super) digit: Digit,
    pub(super) timestamp: u32,
    pub(super) duration: u16,
    pub(super) end: bool,
    pub(super) marker: bool,
    pub(super) sequence: u16,
}

/// What is remembered of one RTP source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    pub(super) ssrc: u32,
    newest: Option<Arrival>,
    timestamps: Timestamps,
    /// Latest first.
    presses: [Option<Press>; PRESSES_MAX],
}

#[derive(Debug, Clone, Copy)]
struct Arrival {
    sequence: u16,
    at: Duration,
}

/// What a sender does with the timestamp while a key is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Timestamps {
    /// It stays, as RFC 4733 has it.
    Stay,
    /// It runs with the duration, so that their difference stays.
    Run,
}

/// A press that has been told of.
#[derive(Debug, Clone, Copy)]
struct Press {
    /// The report with the highest sequence number, or of a sender that counts anew.
    latest: Stroke,
    ended: bool,
    /// The time that the key was down, as far as reports show: `span` ticks from `first` on.
    first: u32,
    span: u32,
    heard_at: Duration,
}

impl Source {
    pub(super) const fn new(ssrc: u32) -> Self {
        Self { ssrc, newest: None, timestamps: Timestamps::Stay, presses: [None; PRESSES_MAX] }
    }

    /// Takes note of a packet; whether it was overtaken by others, or is a copy.
    pub(super) fn arrived(&mut self, sequence: u16, at: Duration) -> bool {
        let late = self.newest.is_some_and(|newest| {
            let ahead = sequence_after(sequence, newest.sequence);
            (-LATE_PACKETS_MAX..=0).contains(&ahead) && at.saturating_sub(newest.at) < LATE_MAX
        });
        let newest = self.newest.get_or_insert(Arrival { sequence, at });
        newest.at = at;
        if !late {
            newest.sequence = sequence;
        }
        late
    }

    /// Whether this report is the first of its press.
    pub(super) fn is_new_press(&mut self, stroke: Stroke, late: bool, at: Duration) -> bool {
        if let Some(age) = self.press_of(stroke, late)
            && let Some(press) = &mut self.presses[age]
            && !press.is_struck_again(stroke, late, age, at)
        {
            self.timestamps = press.habit(stroke, self.timestamps);
            press.add(stroke, late, at);
            return false;
        }
        self.presses.rotate_right(1);
        self.presses[0] = Some(Press::new(stroke, at));
        true
    }

    /// The press that a report belongs to: one of its very timestamp, before one that it may be a part of.
    fn press_of(&self, stroke: Stroke, late: bool) -> Option<usize> {
        let latest = |belongs: &dyn Fn(&Press) -> bool| {
            let of_digit = |press: &Press| press.latest.digit == stroke.digit && belongs(press);
            self.presses.iter().position(|press| press.as_ref().is_some_and(of_digit))
        };
        latest(&|press| press.latest.timestamp == stroke.timestamp)
            .or_else(|| latest(&|press| press.goes_on(stroke, late, self.timestamps)))
    }
}

impl Press {
    const fn new(stroke: Stroke, at: Duration) -> Self {
        Self {
            latest: stroke,
            ended: stroke.end,
            first: stroke.timestamp,
            span: stroke.duration as u32,
            heard_at: at,
        }
    }

    fn add(&mut self, stroke: Stroke, late: bool, at: Duration) {
        let earlier = timestamp_after(self.first, stroke.timestamp).max(0).unsigned_abs();
        self.first = self.first.wrapping_sub(earlier);
        let end = stroke.timestamp.wrapping_sub(self.first).saturating_add(u32::from(stroke.duration));
        self.span = self.span.saturating_add(earlier).max(end);
        self.ended |= stroke.end;
        self.heard_at = at;
        if !late || sequence_after(stroke.sequence, self.latest.sequence) > 0 {
            self.latest = stroke;
        }
    }

    /// What is known of the sender's timestamps after one more report of this press.
    fn habit(&self, stroke: Stroke, known: Timestamps) -> Timestamps {
        if stroke.timestamp == self.latest.timestamp {
            if stroke.duration == self.latest.duration { known } else { Timestamps::Stay }
        } else if self.runs_on(stroke, known) {
            Timestamps::Run
        } else {
            known
        }
    }

    /// For senders that give several presses one timestamp (livekit/sip#796).
    fn is_struck_again(&self, stroke: Stroke, late: bool, age: usize, at: Duration) -> bool {
        if late || stroke.timestamp != self.latest.timestamp {
            return false;
        }
        let shorter = self.ended && stroke.duration < self.latest.duration;
        let paused = at.saturating_sub(self.heard_at) >= STROKE_PAUSE;
        let another_key_between = age > 0;
        shorter && (stroke.marker || paused) || stroke.marker && another_key_between
    }

    /// Whether a report with another timestamp, and not the first of its press, belongs to this one.
    fn goes_on(&self, stroke: Stroke, late: bool, timestamps: Timestamps) -> bool {
        let follows = !late || sequence_after(stroke.sequence, self.latest.sequence) > 0;
        if follows && stroke.marker {
            return false;
        }
        self.is_segment(stroke) && !(follows && self.ended)
            || self.runs_on(stroke, timestamps)
            || timestamps != Timestamps::Run && self.overlaps(stroke)
            || self.repeats_end(stroke)
    }

    /// RFC 4733, 2.5.1.3: a long press goes on with timestamps that differ by the largest duration.
    fn is_segment(&self, stroke: Stroke) -> bool {
        let apart = timestamp_after(stroke.timestamp, self.latest.timestamp);
        let whole = apart % i32::from(DURATION_MAX) == 0;
        whole && (apart / i32::from(DURATION_MAX)).abs() <= SEGMENTS_MAX
    }

    /// FreeSWITCH's `SONUS_SEND_INVALID_TIMESTAMP_2833`: every report has a timestamp of its own.
    fn runs_on(&self, stroke: Stroke, timestamps: Timestamps) -> bool {
        let apart = sequence_after(stroke.sequence, self.latest.sequence).unsigned_abs();
        let begun = |s: Stroke| s.timestamp.wrapping_sub(u32::from(s.duration));
        (timestamps == Timestamps::Run || apart <= RUNNING_GAP_MAX) && begun(stroke) == begun(self.latest)
    }

    /// A key cannot be struck while it is down. Also final reports stamped anew (rtpengine#1812).
    fn overlaps(&self, stroke: Stroke) -> bool {
        let after = i64::from(timestamp_after(stroke.timestamp, self.first));
        after < i64::from(self.span) && after + i64::from(stroke.duration) > 0
    }

    /// Final reports stamped anew, of presses too short to overlap.
    fn repeats_end(&self, stroke: Stroke) -> bool {
        self.ended
            && stroke.end
            && stroke.duration == self.latest.duration
            && sequence_after(stroke.sequence, self.latest.sequence) == 1
    }
}
