//! Which of the ways that a caller's keys come counts, so that each press counts once.

use std::collections::VecDeque;
use std::time::Duration;

use aftercall_core::Key;
use aftercall_media::SAME_PRESS_WITHIN;

/// Tones remembered until an INFO says the same: as many as somebody types until the first INFO comes.
const TONES_MAX: usize = 8;

/// How a key came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeysFrom {
    /// As a telephone event in the RTP.
    Events,
    /// As SIP INFO.
    Info,
    /// As tones in the audio.
    Tones,
}

/// How a caller's keys come. Of telephone events and INFO the first heard is the only one that counts, so
/// that a telephone which sends both presses each key once. Tones count until one of the two is heard: they
/// are what is left where there is nothing better, and a voice may sound like one.
#[derive(Debug, Default)]
pub(super) struct Keys {
    settled: Option<KeysFrom>,
    /// What counted as a tone, and when: it may be told by INFO as well.
    tones: VecDeque<(Key, Duration)>,
}

impl Keys {
    /// Whether a key that came this way counts.
    pub(super) fn take(&mut self, from: KeysFrom, key: Key, now: Duration) -> bool {
        match from {
            KeysFrom::Tones => self.settled.is_none() && self.take_tone(key, now),
            KeysFrom::Events | KeysFrom::Info => self.settles(from, key) && !self.was_heard(from, key, now),
        }
    }

    /// Hardly a telephone has A to D: one of these does not settle where keys come from.
    fn settles(&mut self, from: KeysFrom, key: Key) -> bool {
        if key.char().is_ascii_alphabetic() {
            return self.settled.is_none_or(|known| known == from);
        }
        *self.settled.get_or_insert(from) == from
    }

    fn take_tone(&mut self, key: Key, now: Duration) -> bool {
        if self.tones.len() == TONES_MAX {
            self.tones.pop_front();
        }
        self.tones.push_back((key, now));
        true
    }

    /// Whether this press counted as a tone before. For telephone events the media engine has said so already.
    fn was_heard(&mut self, from: KeysFrom, key: Key, now: Duration) -> bool {
        let same = |&(other, heard): &(Key, Duration)| {
            other == key && now.saturating_sub(heard) <= SAME_PRESS_WITHIN
        };
        let found = self.tones.iter().position(same).filter(|_| from == KeysFrom::Info);
        if let Some(index) = found {
            self.tones.drain(..=index);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays what came, each 100 ms after the last: a key as an event `e1`, by INFO `i1` or as a tone `t1`;
    /// `~` is four seconds of nothing. Returns what counted.
    fn counted(transcript: &str) -> String {
        let (mut keys, mut now) = (Keys::default(), Duration::ZERO);
        let mut counted = String::new();
        for step in transcript.split_whitespace() {
            now += Duration::from_millis(if step == "~" { 4_000 } else { 100 });
            let mut chars = step.chars();
            let from = match chars.next() {
                Some('e') => KeysFrom::Events,
                Some('i') => KeysFrom::Info,
                Some('t') => KeysFrom::Tones,
                _ => continue,
            };
            let key = Key::try_from(chars.next().unwrap()).unwrap();
            counted.extend(keys.take(from, key, now).then_some(key.char()));
        }
        counted
    }

    #[test]
    fn each_press_counts_once_however_many_ways_it_comes() {
        for (what, transcript, expected) in [
            ("events alone", "e1 e1 e2", "112"),
            ("INFO alone", "i1 i1 i2", "112"),
            ("tones alone", "t1 t1 t2", "112"),
            ("events and INFO", "e1 i1 i2 e2", "12"),
            ("INFO and events", "i1 e1 e2 i2", "12"),
            ("an A settles nothing", "iA e1 i1", "A1"),
            ("a tone, then its INFO", "t1 i1 i2 t2", "12"),
            ("two tones, then their INFO", "t1 t0 i1 i0 i0", "100"),
            ("INFO, then its tone", "i1 t1 i2 t2", "12"),
            ("a voice that sounded like a key, then INFO", "t7 i1 i2", "712"),
            ("INFO of the same key, long after", "t1 ~ i1", "11"),
            ("an event, then its tone", "e1 t1", "1"),
            ("a tone, then an event of another press", "t1 e1 t1 e1", "111"),
        ] {
            assert_eq!(counted(transcript), expected, "{what}");
        }
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut keys = Keys::default();
        let key = Key::try_from('5').unwrap();
        for number in 0..100 {
            assert!(keys.take(KeysFrom::Tones, key, Duration::from_millis(number)));
        }
        assert_eq!(keys.tones.len(), TONES_MAX);
    }
}
