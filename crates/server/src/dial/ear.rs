//! Hearing whether somebody speaks: enough to know that a prompt began, ended, was cut, or is played again.

use std::borrow::Cow;
use std::time::Duration;

use aftercall_media::{Decoder, G722_SILENCE, OPUS_SILENCE, SAMPLES_MAX};
use aftercall_wire::codec::Codec;
use aftercall_wire::g711::Law;

use super::memory::Memory;

/// Louder than this (root mean square of a packet) is speech: -44 dB below full scale. Prompts have
/// -23, line noise -60.
const SPEECH_RMS: f64 = 200.0;

/// A pause this long ends a prompt; words within one stand closer.
const PAUSE: Duration = Duration::from_millis(900);

/// Audio that was on its way when a key was pressed, and the server's time to react.
pub(super) const STILL_ON_ITS_WAY: Duration = Duration::from_millis(250);

/// A key cuts a prompt by then, or not at all.
const CUT_WITHIN: Duration = Duration::from_millis(500);

/// The samples, 5 ms of them, that are compared on both sides of where two packets meet.
const EDGE_SAMPLES: usize = 40;

/// Samples of the telephone's rate in a packet of Opus: 20 ms.
const OPUS_PACKET_SAMPLES: usize = 160;

/// Where it gets this much quieter (32 dB) from one packet to the next, a prompt was cut: speech fades. Of
/// the shipped prompts one packet in 750 ends like that.
const EDGE_DROP: f64 = 40.0;

/// What was heard so far. Moments are those of the caller's clock.
#[derive(Debug, Default)]
pub(super) struct Ear {
    first_packet: Option<Duration>,
    first_sound: Option<Duration>,
    /// The last packet that was speech.
    last_sound: Option<Duration>,
    /// How loud the last packet ended.
    last_edge: f64,
    /// What was said last is over: it was quiet for long, or it was cut.
    ended: bool,
    /// The first speech since the last key that is surely not what was on its way then.
    since: Option<Duration>,
    deaf_until: Duration,
    cut_until: Duration,
    after: After,
    memory: Memory,
    voice: Option<Voice>,
    packets: u64,
}

/// What was agreed on, and what hears it.
#[derive(Debug)]
struct Voice {
    codec: Codec,
    decoder: Decoder,
}

/// What is known since the last key of the prompt that was playing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum After {
    /// It is over: the next sound is new.
    #[default]
    Over,
    /// It may be playing still.
    Unsure,
    /// Something new began.
    Began(Duration),
}

impl Ear {
    /// Hears a packet of audio that arrived now.
    pub(super) fn hear(&mut self, codec: Codec, payload: &[u8], now: Duration) {
        self.packets += 1;
        let voice = self.voice.get_or_insert_with(|| Voice { codec, decoder: Decoder::new(codec) });
        let mut samples = [0; SAMPLES_MAX];
        let samples = voice.decoder.decode(payload, &mut samples);
        self.first_packet.get_or_insert(now);
        let loud = loudness(samples) >= SPEECH_RMS;
        let cut = self.is_cut(samples);
        let quiet = !loud && self.quiet(now);
        self.ended = !loud && (self.ended || cut || quiet);
        if self.after == After::Unsure && (cut && now < self.cut_until || quiet && self.was_ending()) {
            self.after = After::Over;
        }
        if quiet {
            self.memory.pause(silence(codec));
        }
        self.memory.hear(&a_byte_a_sample(codec, payload), loud, silence(codec));
        if loud {
            self.on_sound(now);
        }
    }

    fn on_sound(&mut self, now: Duration) {
        self.first_sound.get_or_insert(now);
        self.last_sound = Some(now);
        if self.after == After::Over {
            self.after = After::Began(now);
        }
        if now >= self.deaf_until || self.after == After::Began(now) {
            self.since.get_or_insert(now);
        }
    }

    /// Whether it went quiet at once, between the last packet and this one.
    fn is_cut(&mut self, samples: &[i16]) -> bool {
        let edge = samples.len().min(EDGE_SAMPLES);
        let (begins, ends) = (&samples[..edge], &samples[samples.len() - edge..]);
        let before = std::mem::replace(&mut self.last_edge, loudness(ends));
        before >= SPEECH_RMS && loudness(begins) * EDGE_DROP <= before
    }

    fn quiet(&self, now: Duration) -> bool {
        self.last_sound.is_some_and(|last| now.saturating_sub(last) >= PAUSE)
    }

    /// Whether the last sound belongs to what was on its way when the key was pressed.
    fn was_ending(&self) -> bool {
        self.last_sound.is_none_or(|last| last < self.deaf_until)
    }

    /// A key was pressed: what is said from now on is an answer to it, but for what is still on its way.
    pub(super) fn key(&mut self, key: char, now: Duration) {
        if let Some(Voice { codec, .. }) = self.voice {
            self.memory.key(key, silence(codec));
        }
        self.listen_anew(now);
    }

    /// One more key of the same answer was pressed.
    pub(super) fn another_key(&mut self, key: char, now: Duration) {
        self.memory.another_key(key);
        let cut_until = self.cut_until;
        if self.after == After::Over {
            self.ended = true;
        }
        self.listen_anew(now);
        self.cut_until = self.cut_until.max(cut_until);
    }

    fn listen_anew(&mut self, now: Duration) {
        self.since = None;
        self.deaf_until = now + STILL_ON_ITS_WAY;
        self.cut_until = now + CUT_WITHIN;
        self.after = if self.ended || self.last_sound.is_none() { After::Over } else { After::Unsure };
    }

    /// When somebody began to speak since the last key.
    pub(super) fn speech(&self) -> Option<Duration> {
        self.since
    }

    /// When what was said after the last key began; none where it cannot be told from what was said before.
    pub(super) fn answer(&self) -> Option<Duration> {
        match self.after {
            After::Began(at) => Some(at),
            After::Over | After::Unsure => None,
        }
    }

    /// The call is over. The key after which the question was asked again.
    pub(super) fn asked_again_after(&mut self) -> Option<&str> {
        if let Some(Voice { codec, .. }) = self.voice {
            self.memory.pause(silence(codec));
        }
        self.memory.asked_again_after()
    }

    /// Whether what was spoken since then is over.
    pub(super) fn over(&self, now: Duration) -> bool {
        self.since.is_some() && self.quiet(now)
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

fn loudness(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let squares: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    // At most 1,500 samples a packet: exact in a double.
    (squares / samples.len() as f64).sqrt()
}

/// What silence is, of [`a_byte_a_sample`].
fn silence(codec: Codec) -> u8 {
    codec.law().map_or(G722_SILENCE, Law::silence)
}

/// What a packet is remembered as. Packets of Opus are too short for that, and always the same 20 ms of a
/// prompt: each is repeated until it is as long as one of the other codecs.
fn a_byte_a_sample(codec: Codec, payload: &[u8]) -> Cow<'_, [u8]> {
    if codec != Codec::Opus {
        return Cow::Borrowed(payload);
    }
    let silent = payload == OPUS_SILENCE;
    let bytes = if silent { std::slice::from_ref(&G722_SILENCE) } else { payload };
    Cow::Owned(bytes.iter().copied().cycle().take(OPUS_PACKET_SAMPLES).collect())
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

    /// Speech-like: no part of it is like another, and none like that of another seed.
    fn speech(seed: u32, packets: usize) -> Vec<[u8; 160]> {
        let mut state = seed;
        let mut code = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            0x90 | (state >> 28) as u8
        };
        (0..packets).map(|_| std::array::from_fn(|_| code())).collect()
    }

    /// An ear, and what it heard and when.
    #[derive(Default)]
    struct Call {
        ear: Ear,
        now: Duration,
    }

    impl Call {
        fn hear(&mut self, packets: &[[u8; 160]]) {
            for packet in packets {
                self.now += ms(20);
                self.ear.hear(Codec::Pcmu, packet, self.now);
            }
        }

        fn silence(&mut self, packets: usize) {
            self.hear(&vec![SILENT; packets]);
        }

        fn key(&mut self, key: char) {
            self.ear.key(key, self.now);
        }

        fn again(mut self) -> Option<String> {
            self.ear.asked_again_after().map(str::to_owned)
        }
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
        ear.key('1', ms(40));
        ear.hear(Codec::Pcmu, &LOUD, ms(60));
        assert_eq!(ear.speech(), None);
        assert!(!ear.over(ms(2_000)), "nothing new was said, so nothing new is over");
        ear.hear(Codec::Pcmu, &LOUD, ms(300));
        assert_eq!(ear.speech(), Some(ms(300)));
        assert_eq!(ear.answer(), None, "it may be the same prompt still");
    }

    #[test]
    fn an_answer_begins_where_the_prompt_was_cut_or_was_over_and_is_not_invented_elsewhere() {
        let (question, answer) = (speech(1, 100), speech(2, 50));
        let mut cut = Call::default();
        cut.hear(&question[..20]);
        cut.key('1');
        cut.hear(&question[20..22]);
        cut.silence(1);
        cut.hear(&answer);
        assert_eq!(cut.ear.answer(), Some(ms(24 * 20)));

        let mut heard_out = Call::default();
        heard_out.hear(&question);
        heard_out.silence(50);
        heard_out.key('1');
        heard_out.silence(2);
        heard_out.hear(&answer);
        assert_eq!(heard_out.ear.answer(), Some(ms(153 * 20)));

        let mut seamless = Call::default();
        seamless.hear(&question[..20]);
        seamless.key('1');
        seamless.hear(&answer);
        seamless.silence(50);
        seamless.hear(&answer);
        assert_eq!(seamless.ear.answer(), None);
        assert!(seamless.ear.speech().is_some());
    }

    #[test]
    fn a_question_that_is_asked_again_is_known_however_it_was_heard_first() {
        let (question, no_key, answer) = (speech(1, 100), speech(3, 30), speech(2, 50));
        let asked_again = |call: &mut Call| {
            call.silence(60);
            // Half a packet of another prompt puts every packet out of step.
            let shifted: Vec<u8> = no_key.concat().into_iter().chain(question.concat()).collect();
            let shifted: Vec<_> =
                shifted[80..].chunks_exact(160).map(|part| part.try_into().unwrap()).collect();
            call.hear(&shifted);
        };
        for pressed_at in [20, 100] {
            let mut unheard = Call::default();
            unheard.hear(&question[..pressed_at]);
            unheard.key('1');
            unheard.ear.another_key('0', unheard.now);
            unheard.hear(&question[pressed_at..]);
            asked_again(&mut unheard);
            assert_eq!(unheard.again().as_deref(), Some("10"), "{pressed_at}");

            let mut heard = Call::default();
            heard.hear(&question[..pressed_at]);
            heard.key('1');
            heard.hear(&answer);
            assert_eq!(heard.again(), None, "{pressed_at}");

            let mut repeat = Call::default();
            repeat.hear(&question[..pressed_at]);
            repeat.key('*');
            asked_again(&mut repeat);
            assert_eq!(repeat.again(), None, "{pressed_at}");
        }
    }

    #[test]
    fn a_prompt_that_is_heard_after_the_key_and_again_was_not_answered() {
        let (welcome, question, no_key) = (speech(1, 50), speech(2, 50), speech(3, 30));
        let mut call = Call::default();
        call.hear(&welcome[..20]);
        call.key('1');
        call.hear(&[&welcome[20..], &question].concat());
        call.silence(50);
        call.hear(&[no_key, question].concat());
        assert_eq!(call.again().as_deref(), Some("1"));
    }

    #[test]
    fn a_tone_that_plays_on_is_not_played_again() {
        let mut call = Call::default();
        call.hear(&[LOUD; 20]);
        call.key('1');
        call.hear(&[LOUD; 20]);
        call.silence(5);
        assert_eq!(call.again(), None);
    }
}
