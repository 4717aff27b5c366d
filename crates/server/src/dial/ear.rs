//! Hearing whether somebody speaks: enough to know that a prompt began, ended, or another began.

use std::time::Duration;

use aftercall_wire::codec::Codec;

/// Louder than this (root mean square of a packet) is speech: -44 dB below full scale. Prompts have
/// -23, line noise -60.
const SPEECH_RMS: f64 = 200.0;

/// A pause this long ends a prompt; words within one stand closer.
const PAUSE: Duration = Duration::from_millis(900);

/// What was heard so far. Moments are those of the caller's clock.
#[derive(Debug, Clone, Default)]
pub(super) struct Ear {
    first_packet: Option<Duration>,
    first_sound: Option<Duration>,
    /// The last packet that was speech.
    last_sound: Option<Duration>,
    /// The first speech since [`Ear::listen_anew`].
    since: Option<Duration>,
    deaf_until: Duration,
    packets: u64,
}

impl Ear {
    /// Hears a packet of audio that arrived now.
    pub(super) fn hear(&mut self, codec: Codec, payload: &[u8], now: Duration) {
        self.packets += 1;
        self.first_packet.get_or_insert(now);
        if loudness(codec, payload) < SPEECH_RMS {
            return;
        }
        self.first_sound.get_or_insert(now);
        self.last_sound = Some(now);
        if now >= self.deaf_until {
            self.since.get_or_insert(now);
        }
    }

    /// Forgets what was spoken; what is still on its way for a while does not count as new.
    pub(super) fn listen_anew(&mut self, now: Duration, still_on_its_way: Duration) {
        self.since = None;
        self.deaf_until = now + still_on_its_way;
    }

    /// When somebody began to speak since then.
    pub(super) fn speech(&self) -> Option<Duration> {
        self.since
    }

    /// Whether what was spoken since then is over.
    pub(super) fn over(&self, now: Duration) -> bool {
        let quiet = self.last_sound.is_some_and(|last| now.saturating_sub(last) >= PAUSE);
        self.since.is_some() && quiet
    }

    pub(super) fn first_packet(&self) -> Option<Duration> {
        self.first_packet
    }

    pub(super) fn first_sound(&self) -> Option<Duration> {
        self.first_sound
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }
}

fn loudness(codec: Codec, payload: &[u8]) -> f64 {
    if payload.is_empty() {
        return 0.0;
    }
    let squares: f64 = payload.iter().map(|code| f64::from(codec.decode(*code)).powi(2)).sum();
    // At most 480 samples a packet: exact in a double.
    (squares / payload.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use aftercall_wire::g711;

    use super::*;

    const LOUD: [u8; 160] = [0x90; 160];
    const SILENT: [u8; 160] = [g711::MU_LAW_SILENCE; 160];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_prompt_begins_with_sound_and_is_over_after_a_pause() {
        let mut ear = Ear::default();
        ear.hear(Codec::Pcmu, &SILENT, ms(0));
        assert_eq!((ear.first_packet(), ear.speech()), (Some(ms(0)), None));
        ear.hear(Codec::Pcmu, &LOUD, ms(20));
        assert_eq!((ear.first_sound(), ear.speech()), (Some(ms(20)), Some(ms(20))));
        assert!(!ear.over(ms(919)));
        assert!(ear.over(ms(920)));
    }

    #[test]
    fn what_was_on_its_way_when_a_key_was_pressed_is_not_the_next_prompt() {
        let mut ear = Ear::default();
        ear.hear(Codec::Pcmu, &LOUD, ms(20));
        ear.listen_anew(ms(40), ms(200));
        ear.hear(Codec::Pcmu, &LOUD, ms(60));
        assert_eq!(ear.speech(), None);
        assert!(!ear.over(ms(2_000)), "nothing new was said, so nothing new is over");
        ear.hear(Codec::Pcmu, &LOUD, ms(300));
        assert_eq!(ear.speech(), Some(ms(300)));
    }
}
