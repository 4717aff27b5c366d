//! Keys in a leg's audio: when they are listened for, and which of them are told a second time another way.

use std::time::Duration;

use aftercall_wire::digit::Digit;
use aftercall_wire::dtmf::Detector;
use aftercall_wire::rtp::timestamp_after;

use crate::reception::Order;
use crate::resample::TELEPHONE_HZ;

/// Keys remembered as heard in the audio: as many as somebody types until the first of them is told another
/// way.
const HEARD_MAX: usize = 8;

/// A key that is told another way within this time after it was heard in the audio is that press. A gateway
/// that makes telephone events of tones takes 0.1 s; one that waits until the key is let go, as long as it is
/// held.
pub const SAME_PRESS_WITHIN: Duration = Duration::from_secs(3);

/// Whether keys are listened for in a leg's audio.
#[derive(Debug)]
pub(crate) enum Inband {
    /// From this moment on, unless one comes another way before.
    From(Duration),
    /// Now.
    Listening(Box<Listener>),
    /// Not any more: a key came another way. What was heard in the audio shortly before may be told that way,
    /// too.
    Elsewhere(Option<Box<Heard>>),
}

/// An ear for keys, on samples of the telephone's rate.
#[derive(Debug)]
pub(crate) struct Listener {
    detector: Detector,
    /// The time stamp that follows on what was heard.
    next: Option<u32>,
    heard: Heard,
}

/// Keys heard in the audio and when, latest last.
#[derive(Debug, Default)]
pub(crate) struct Heard(Vec<(Digit, Duration)>);

impl Inband {
    /// Listens from `now` on; where telephone events were agreed on, after this pause.
    pub(crate) fn new(events: bool, pause: Duration, now: Duration) -> Self {
        Self::From(if events { now.saturating_add(pause) } else { now })
    }

    /// The ear, when keys are listened for.
    pub(crate) fn ear(&mut self, now: Duration) -> Option<&mut Listener> {
        if let Self::From(moment) = self
            && now >= *moment
        {
            *self = Self::Listening(Box::default());
        }
        match self {
            Self::Listening(listener) => Some(listener),
            Self::From(_) | Self::Elsewhere(_) => None,
        }
    }

    /// Keys come another way: none is listened for any more.
    pub(crate) fn stop(&mut self) {
        *self = match std::mem::replace(self, Self::Elsewhere(None)) {
            Self::Listening(listener) => Self::Elsewhere(Some(Box::new(listener.heard))),
            Self::From(_) => Self::Elsewhere(None),
            Self::Elsewhere(heard) => Self::Elsewhere(heard),
        };
    }

    /// A key came another way. Says whether that press was heard in the audio before.
    pub(crate) fn stop_for(&mut self, digit: Digit, at: Duration) -> bool {
        self.stop();
        match self {
            Self::Elsewhere(Some(heard)) => heard.take(digit, at),
            _ => false,
        }
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self { detector: Detector::new(), next: None, heard: Heard::default() }
    }
}

impl Listener {
    /// Hears the samples of one packet, and tells the keys that became certain with them.
    pub(crate) fn hear(&mut self, packet: Timed, samples: &[i16], at: Duration) -> Vec<Digit> {
        let mut pressed = Vec::new();
        match packet.order {
            Order::Duplicate | Order::Stray | Order::Late => return pressed,
            Order::First => self.next = None,
            Order::New => {}
        }
        let missing = self.next.map_or(0, |next| timestamp_after(packet.timestamp, next));
        if let Ok(missing) = u32::try_from(missing) {
            self.detector.lost(missing / packet.ticks_a_sample(), |onset| pressed.push(onset.digit));
        }
        self.detector.hear(samples, |onset| pressed.push(onset.digit));
        let lasts = (samples.len() as u32).wrapping_mul(packet.ticks_a_sample());
        self.next = Some(packet.timestamp.wrapping_add(lasts));
        pressed.iter().for_each(|&digit| self.heard.add(digit, at));
        pressed
    }
}

/// Where a packet of audio is in time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timed {
    pub(crate) timestamp: u32,
    /// What the time stamp counts, in hertz.
    pub(crate) clock_hz: u32,
    pub(crate) order: Order,
}

impl Timed {
    /// How far time stamps go on in a sample of the telephone's rate.
    pub(crate) fn ticks_a_sample(self) -> u32 {
        (self.clock_hz / TELEPHONE_HZ).max(1)
    }
}

impl Heard {
    fn add(&mut self, digit: Digit, at: Duration) {
        if self.0.len() == HEARD_MAX {
            self.0.remove(0);
        }
        self.0.push((digit, at));
    }

    /// Takes out the first press of this key that can be the one told at `at`, and what was pressed before.
    fn take(&mut self, digit: Digit, at: Duration) -> bool {
        let same = |&(other, heard): &(Digit, Duration)| {
            other == digit && at.saturating_sub(heard) <= SAME_PRESS_WITHIN
        };
        let found = self.0.iter().position(same);
        if let Some(index) = found {
            self.0.drain(..=index);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digit(c: char) -> Digit {
        Digit::from_char(c).unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn without_events_it_listens_at_once_and_with_them_after_the_pause_unless_one_comes() {
        for (events, now, listens) in
            [(false, 1000, true), (true, 1000, false), (true, 10_999, false), (true, 11_000, true)]
        {
            let mut inband = Inband::new(events, ms(10_000), ms(1000));
            assert_eq!(inband.ear(ms(now)).is_some(), listens, "{events} {now}");
        }
        let mut inband = Inband::new(true, ms(10_000), ms(1000));
        assert!(!inband.stop_for(digit('1'), ms(5000)));
        assert!(inband.ear(ms(90_000)).is_none());
    }

    #[test]
    fn a_press_that_was_heard_and_is_told_once_more_is_one_press_and_each_is_taken_once() {
        let mut inband = Inband::new(false, ms(0), ms(0));
        let listener = inband.ear(ms(0)).unwrap();
        for (key, at) in [('1', 1000), ('0', 1400), ('1', 1800)] {
            listener.heard.add(digit(key), ms(at));
        }
        for (key, at, same) in
            [('1', 1900, true), ('0', 1950, true), ('0', 2000, false), ('1', 4800, true), ('1', 4801, false)]
        {
            assert_eq!(inband.stop_for(digit(key), ms(at)), same, "{key} at {at}");
        }
        let mut late = Inband::new(false, ms(0), ms(0));
        late.ear(ms(0)).unwrap().heard.add(digit('1'), ms(1000));
        assert!(!late.stop_for(digit('1'), ms(4001)));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut heard = Heard::default();
        for number in 0..100 {
            heard.add(digit('5'), ms(number));
        }
        assert_eq!(heard.0.len(), HEARD_MAX);
    }
}
