//! One stream of RTP going out: its counters, and what it says.
//!
//! The stream never pauses of its own accord. When nothing is played it carries silence, so that NAT bindings
//! and the peer's jitter buffer live and every prompt begins at once. Time stamps follow the clock: what was
//! not sent (on hold, or because the machine stood still) leaves a gap in them, and the packet after it has
//! the marker (RFC 3551, 4.1); the sequence numbers have no gap. A prompt waits while nothing may be sent,
//! and loses nothing.

use std::sync::Arc;
use std::vec::IntoIter;

use aftercall_wire::rtp::{HEADER_BYTES, Header, PayloadType, sequence_after, timestamp_after};

use crate::agreed::{Agreed, Ptime};
use crate::clip::Clip;
use crate::event::{OnKey, PlayId};
use crate::resample::TELEPHONE_HZ;
use crate::voice::{G722_SILENCE, OPUS_SILENCE};
use crate::wheel::Tick;
use aftercall_wire::codec::Codec;
use aftercall_wire::g711::Law;

/// The longest packet we build ourselves: 60 ms.
const OWN_PAYLOAD_MAX: usize = Ptime::MAX.samples();

/// The longest payload relayed, in bytes: 180 ms of G.711, more than any telephone sends.
const RELAYED_PAYLOAD_MAX: usize = 3 * OWN_PAYLOAD_MAX;

/// The longest packet sent.
pub(crate) const PACKET_MAX: usize = HEADER_BYTES + RELAYED_PAYLOAD_MAX;

/// What a packet of Opus takes of a prompt, in samples of the telephone's rate: 20 ms.
const OPUS_SAMPLES: usize = Ptime::USUAL.samples();

/// What a stream begins with; random, so that nobody can guess it (RFC 3550, 5.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beginning {
    pub(crate) ssrc: u32,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
}

/// What is played, and how far it is.
#[derive(Debug)]
pub(crate) struct Playing {
    what: Played,
    on_key: OnKey,
    /// Apart from those to come, so that it is reached at once.
    clip: Option<Arc<Clip>>,
    /// In samples of the telephone's rate, which are bytes but for Opus.
    at: usize,
    to_come: IntoIter<Arc<Clip>>,
}

/// What has been played to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Played {
    Prompt(PlayId),
    Beep,
}

/// A packet to send, in the buffer it was built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// Its length in bytes.
    pub(crate) length: usize,
    /// What ended with it.
    pub(crate) ended: Option<Played>,
    /// What is to be made in this codec before the prompt can go on; somebody else has to.
    pub(crate) wanted: Vec<Arc<Clip>>,
}

/// How a prompt stands after a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// There is more of it.
    Going,
    /// There was no more of it; what remained of the packet is silence.
    Ended,
    /// What comes next is not yet made in this codec. The packet is silence meanwhile, and nothing is lost.
    Waiting,
}

/// One stream of RTP going out.
#[derive(Debug)]
pub(crate) struct Speaker {
    ssrc: u32,
    /// The next packet's.
    sequence: u16,
    /// The time stamp of tick 0.
    origin: u32,
    /// How far time stamps go on in a millisecond.
    ticks_a_ms: u32,
    /// No packet goes out before.
    due: Tick,
    /// The next packet comes after a gap, or is the first.
    gap: bool,
    playing: Option<Playing>,
    relaying: Option<Relaying>,
}

/// A packet of another stream, to be relayed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) header: Header,
    /// The first packet of its stream.
    pub(crate) begins: bool,
    /// How long it lasts.
    pub(crate) samples: u32,
}

/// How a relayed stream's counters become ours, gaps and all (a translator, RFC 3550, 7.2).
#[derive(Debug, Clone, Copy)]
struct Relaying {
    sequence_shift: u16,
    timestamp_shift: u32,
    /// The time stamp behind the last sample relayed.
    end: u32,
}

impl Playing {
    pub(crate) fn new(what: Played, on_key: OnKey, clips: Vec<Arc<Clip>>) -> Self {
        let mut to_come = clips.into_iter();
        Self { what, on_key, clip: to_come.next(), at: 0, to_come }
    }

    /// Fills `payload` from where it stopped, in a codec of a byte for each sample.
    fn fill(&mut self, codec: Codec, payload: &mut [u8]) -> Stand {
        let mut filled = 0;
        let stand = loop {
            let Some(clip) = &self.clip else { break Stand::Ended };
            let Some(bytes) = clip.bytes(codec) else { break Stand::Waiting };
            // Behind its end is where an agreement on another codec may leave a prompt.
            let rest = bytes.get(self.at..).unwrap_or_default();
            let length = rest.len().min(payload.len() - filled);
            payload[filled..filled + length].copy_from_slice(&rest[..length]);
            filled += length;
            if length < rest.len() {
                self.at += length;
                return Stand::Going;
            }
            self.turn_to_next();
        };
        payload[filled..].fill(silence(codec));
        stand
    }

    /// Puts the next packet of Opus at the beginning of `payload`: its length.
    fn fill_opus(&mut self, payload: &mut [u8]) -> (usize, Stand) {
        loop {
            let Some(clip) = &self.clip else { return (silent_opus(payload), Stand::Ended) };
            let Some(packets) = clip.packets() else { return (silent_opus(payload), Stand::Waiting) };
            let number = self.at / OPUS_SAMPLES;
            let Some(packet) = packets.get(number) else {
                self.turn_to_next();
                continue;
            };
            let length = put(packet, payload);
            if number + 1 < packets.count() {
                self.at = (number + 1) * OPUS_SAMPLES;
            } else {
                self.turn_to_next();
            }
            return (length, if self.clip.is_some() { Stand::Going } else { Stand::Ended });
        }
    }

    fn turn_to_next(&mut self) {
        self.clip = self.to_come.next();
        self.at = 0;
    }

    /// What of it nobody has been asked to make in this codec.
    fn wanted(&self, codec: Codec) -> Vec<Arc<Clip>> {
        let rest = self.clip.iter().chain(self.to_come.as_slice());
        rest.filter(|clip| clip.wide().ask(codec)).cloned().collect()
    }
}

/// What silence is made of in a codec of a byte for each sample.
fn silence(codec: Codec) -> u8 {
    codec.law().map_or(G722_SILENCE, Law::silence)
}

fn silent_opus(payload: &mut [u8]) -> usize {
    put(&OPUS_SILENCE, payload)
}

/// Puts a packet at the beginning of `payload`: its length. One that is too long, which no encoder of ours
/// makes, becomes an empty one, which a decoder takes for a lost one.
fn put(packet: &[u8], payload: &mut [u8]) -> usize {
    match payload.get_mut(..packet.len()) {
        Some(room) => {
            room.copy_from_slice(packet);
            packet.len()
        }
        None => 0,
    }
}

impl Speaker {
    pub(crate) fn new(beginning: Beginning, now: Tick) -> Self {
        let Beginning { ssrc, sequence, timestamp } = beginning;
        let mut speaker = Self::at_zero(ssrc, sequence, now);
        speaker.origin = timestamp.wrapping_sub(speaker.timestamp(now));
        speaker
    }

    fn at_zero(ssrc: u32, sequence: u16, now: Tick) -> Self {
        let ticks_a_ms = TELEPHONE_HZ / 1000;
        Self { ssrc, sequence, origin: 0, ticks_a_ms, due: now, gap: true, playing: None, relaying: None }
    }

    /// Plays this instead of what was playing.
    pub(crate) fn play(&mut self, playing: Playing) {
        self.playing = Some(playing);
    }

    /// Plays nothing more. Says what was cut.
    pub(crate) fn stop(&mut self) -> Option<Played> {
        self.playing.take().map(|playing| playing.what)
    }

    /// A key was pressed. Says which prompt it cut.
    pub(crate) fn key(&mut self) -> Option<PlayId> {
        let cut = self.playing.take_if(|playing| playing.on_key == OnKey::Cut)?;
        match cut.what {
            Played::Prompt(play) => Some(play),
            Played::Beep => None,
        }
    }

    /// The packet that is due at `tick`, if one is. Ask at every tick of the leg at which it may send; where
    /// it may not, call [`pause`](Self::pause).
    pub(crate) fn speak(
        &mut self,
        tick: Tick,
        agreed: &Agreed,
        out: &mut [u8; PACKET_MAX],
    ) -> Option<Spoken> {
        if tick < self.due {
            return None;
        }
        self.keep_clock(agreed.codec);
        let (head, body) = out.split_first_chunk_mut::<HEADER_BYTES>()?;
        let (count, stand) = self.fill(agreed, body)?;
        let mut ended = None;
        let mut wanted = Vec::new();
        match (&self.playing, stand) {
            (Some(playing), Stand::Waiting) => wanted = playing.wanted(agreed.codec),
            (Some(_), Stand::Ended) => ended = self.stop(),
            (_, Stand::Going) | (None, _) => {}
        }
        let gap = self.gap || tick.0 >= self.due.0 + agreed.ptime.ms();
        if gap {
            self.due = tick;
            self.follow_relayed();
        }
        self.header(agreed.audio, gap, self.sequence, self.timestamp(self.due)).write(head);
        self.due = Tick(self.due.0 + agreed.ptime.ms());
        self.sequence = self.sequence.wrapping_add(1);
        self.gap = false;
        Some(Spoken { length: HEADER_BYTES + count, ended, wanted })
    }

    /// The payload that is due, at the beginning of `body`: its length.
    fn fill(&mut self, agreed: &Agreed, body: &mut [u8]) -> Option<(usize, Stand)> {
        let count = agreed.ptime.samples();
        Some(match (&mut self.playing, agreed.codec) {
            (Some(playing), Codec::Opus) => playing.fill_opus(body),
            (None, Codec::Opus) => (silent_opus(body), Stand::Going),
            (Some(playing), codec) => (count, playing.fill(codec, body.get_mut(..count)?)),
            (None, codec) => {
                body.get_mut(..count)?.fill(silence(codec));
                (count, Stand::Going)
            }
        })
    }

    /// Counts time stamps as this codec does. Where that changes they go on from where they are.
    fn keep_clock(&mut self, codec: Codec) {
        let ticks_a_ms = codec.clock_hz() / 1000;
        if ticks_a_ms != self.ticks_a_ms {
            let now = self.timestamp(self.due);
            self.ticks_a_ms = ticks_a_ms;
            self.origin = self.origin.wrapping_add(now.wrapping_sub(self.timestamp(self.due)));
        }
    }

    /// Nothing of our own is sent at this tick: what we send next comes after a gap.
    pub(crate) fn pause(&mut self) {
        self.gap = true;
    }

    /// Whether a prompt or the tone before a recording is playing.
    pub(crate) fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// Makes a packet of another stream one of ours: writes its header before the payload that lies in `out`
    /// already.
    pub(crate) fn relay(
        &mut self,
        tick: Tick,
        source: &Source,
        agreed: &Agreed,
        payload_type: PayloadType,
        out: &mut [u8; PACKET_MAX],
    ) {
        self.keep_clock(agreed.codec);
        let begins = source.begins || self.relaying.is_none();
        let now = self.timestamp(tick);
        let shifts = self.relaying.filter(|_| !source.begins).unwrap_or(Relaying {
            sequence_shift: self.sequence.wrapping_sub(source.header.sequence),
            timestamp_shift: now.wrapping_sub(source.header.timestamp),
            end: now,
        });
        let sequence = source.header.sequence.wrapping_add(shifts.sequence_shift);
        let timestamp = source.header.timestamp.wrapping_add(shifts.timestamp_shift);
        if let Some(head) = out.first_chunk_mut() {
            self.header(payload_type, source.header.marker || begins, sequence, timestamp).write(head);
        }
        if sequence_after(sequence, self.sequence) >= 0 {
            self.sequence = sequence.wrapping_add(1);
        }
        let end = timestamp.wrapping_add(source.samples);
        let end = if timestamp_after(end, shifts.end) > 0 { end } else { shifts.end };
        self.relaying = Some(Relaying { end, ..shifts });
        self.gap = true;
    }

    /// A relayed peer whose clock runs faster gets ahead of ours: our own audio begins after what it sent.
    fn follow_relayed(&mut self) {
        let Some(relayed) = self.relaying.take() else { return };
        let ahead = timestamp_after(relayed.end, self.timestamp(self.due));
        if ahead > 0 {
            self.origin = self.origin.wrapping_add(ahead.cast_unsigned());
        }
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The stream's time stamp of this moment.
    pub(crate) fn timestamp(&self, tick: Tick) -> u32 {
        // Wraps, as time stamps do.
        self.origin.wrapping_add((tick.0 as u32).wrapping_mul(self.ticks_a_ms))
    }

    fn header(&self, payload_type: PayloadType, marker: bool, sequence: u16, timestamp: u32) -> Header {
        Header { payload_type, marker, sequence, timestamp, ssrc: self.ssrc }
    }
}

#[cfg(test)]
mod tests {
    use aftercall_wire::rtp::Packet;
    use proptest::prelude::*;

    use super::*;
    use crate::wheel::{Step, TURN_MS, Wheel, resume};
    use aftercall_wire::sdp::{Direction, Rtcp};

    const BEGINNING: Beginning = Beginning { ssrc: 0x5eed, sequence: 65_534, timestamp: u32::MAX - 100 };

    fn agreed(ms: u32) -> Agreed {
        Agreed {
            codec: Codec::Pcma,
            audio: PayloadType::PCMA,
            heard: PayloadType::PCMA,
            events: None,
            ptime: Ptime::nearest(ms),
            remote: None,
            direction: Direction::SendRecv,
            rtcp: Rtcp::Above,
        }
    }

    #[derive(Debug, Clone, PartialEq)]
    struct Out {
        tick: u64,
        header: Header,
        payload: Vec<u8>,
        ended: Option<Played>,
    }

    fn read(tick: u64, out: &[u8], ended: Option<Played>) -> Out {
        let packet = Packet::parse(out).unwrap();
        Out { tick, header: packet.header, payload: packet.payload.to_vec(), ended }
    }

    /// What the speaker says when asked every `step` ms in this range of ticks.
    fn run(speaker: &mut Speaker, agreed: &Agreed, ticks: std::ops::Range<u64>, step: usize) -> Vec<Out> {
        let mut buffer = [0; PACKET_MAX];
        ticks
            .step_by(step)
            .filter_map(|tick| {
                let spoken = speaker.speak(Tick(tick), agreed, &mut buffer)?;
                Some(read(tick, &buffer[..spoken.length], spoken.ended))
            })
            .collect()
    }

    fn clip(byte: u8, tens: usize) -> Arc<Clip> {
        let sample = Law::A.decode(byte);
        Arc::new(Clip::from_samples(&vec![sample; tens * 80]))
    }

    fn prompt(number: u64, clips: Vec<Arc<Clip>>) -> Playing {
        Playing::new(Played::Prompt(PlayId(number)), OnKey::PlayOn, clips)
    }

    #[test]
    fn every_packet_time_has_one_packet_and_its_counters_run_on_over_the_wrap() {
        for ms in [10, 20, 30, 40, 50, 60] {
            let agreed = agreed(ms);
            let step = if u64::from(ms) % TURN_MS == 0 { 20 } else { 10 };
            let out = run(&mut Speaker::new(BEGINNING, Tick(1000)), &agreed, 1000..1600, step);
            assert_eq!(out.len(), 600_usize.div_ceil(ms as usize));
            for (n, packet) in out.iter().enumerate() {
                let n = n as u32;
                assert_eq!(packet.tick, u64::from(1000 + ms * n));
                let header = Header {
                    payload_type: PayloadType::PCMA,
                    marker: n == 0,
                    sequence: 65_534_u16.wrapping_add(n as u16),
                    timestamp: (u32::MAX - 100).wrapping_add(8 * ms * n),
                    ssrc: 0x5eed,
                };
                assert_eq!((packet.header, packet.payload.len()), (header, 8 * ms as usize));
            }
        }
    }

    #[test]
    fn while_nothing_is_played_it_carries_silence_of_its_codec() {
        let out = run(&mut Speaker::new(BEGINNING, Tick(0)), &agreed(20), 0..40, 20);
        assert!(out.iter().all(|packet| packet.payload == [0xd5; 160]));
        let pcmu = Agreed { codec: Codec::Pcmu, audio: PayloadType::PCMU, ..agreed(20) };
        let out = run(&mut Speaker::new(BEGINNING, Tick(0)), &pcmu, 0..40, 20);
        assert!(out.iter().all(|packet| packet.payload == [0xff; 160]));
    }

    #[test]
    fn clips_follow_each_other_without_a_gap_and_the_end_is_told_with_the_last_packet() {
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        speaker.play(prompt(7, vec![clip(0x10, 3), clip(0x20, 1), clip(0x10, 0), clip(0x30, 3)]));
        let out = run(&mut speaker, &agreed(20), 0..120, 20);
        let told: Vec<_> = out.iter().map(|packet| packet.ended).collect();
        let end = Some(Played::Prompt(PlayId(7)));
        assert_eq!(told, [None, None, None, end, None, None]);
        let sound: Vec<u8> = out.iter().flat_map(|packet| packet.payload.clone()).collect();
        let expected = [vec![0x10; 240], vec![0x20; 80], vec![0x30; 240], vec![0xd5; 400]].concat();
        assert_eq!(sound, expected);
    }

    #[test]
    fn a_prompt_that_fills_its_last_packet_ends_with_that_packet() {
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        speaker.play(prompt(7, vec![clip(0x10, 2), clip(0x20, 2)]));
        let out = run(&mut speaker, &agreed(20), 0..60, 20);
        assert_eq!(out[1].ended, Some(Played::Prompt(PlayId(7))));
        assert_eq!(out[2].payload, [0xd5; 160]);
    }

    #[test]
    fn a_new_prompt_or_a_stop_cuts_the_old_one_at_the_next_packet() {
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        speaker.play(prompt(1, vec![clip(0x10, 100)]));
        assert_eq!(run(&mut speaker, &agreed(20), 0..20, 20)[0].payload, [0x10; 160]);
        speaker.play(prompt(2, vec![clip(0x20, 100)]));
        assert_eq!(run(&mut speaker, &agreed(20), 20..40, 20)[0].payload, [0x20; 160]);
        assert_eq!(speaker.stop(), Some(Played::Prompt(PlayId(2))));
        let out = run(&mut speaker, &agreed(20), 40..60, 20);
        assert_eq!((out[0].payload.as_slice(), out[0].header.marker), (&[0xd5; 160][..], false));
        assert_eq!(speaker.stop(), None);
    }

    fn wideband(codec: Codec) -> Agreed {
        Agreed { codec, audio: codec.payload_type(), heard: codec.payload_type(), ..agreed(20) }
    }

    #[test]
    fn a_prompt_waits_until_it_is_made_in_its_codec_and_then_loses_nothing() {
        for codec in [Codec::G722, Codec::Opus] {
            let silence = if codec == Codec::Opus { OPUS_SILENCE.to_vec() } else { vec![G722_SILENCE; 160] };
            let (agreed, clips) = (wideband(codec), vec![clip(0x10, 4), clip(0x20, 2)]);
            let mut speaker = Speaker::new(BEGINNING, Tick(0));
            speaker.play(prompt(7, clips.clone()));
            let mut buffer = [0; PACKET_MAX];
            let first = speaker.speak(Tick(0), &agreed, &mut buffer).unwrap();
            assert_eq!(first.wanted, clips, "{codec:?}: both are asked for");
            assert_eq!(buffer[HEADER_BYTES..first.length], silence);
            let second = speaker.speak(Tick(20), &agreed, &mut buffer).unwrap();
            assert_eq!(second.wanted, [], "{codec:?}: and only once");
            clips.iter().for_each(|clip| clip.wide().make(codec));
            let out = run(&mut speaker, &agreed, 40..240, 20);
            let mut expected: Vec<Vec<u8>> = clips.iter().flat_map(|clip| packets(clip, codec)).collect();
            let end = expected.len() - 1;
            expected.resize(out.len(), silence);
            for (n, (packet, expected)) in out.iter().zip(expected).enumerate() {
                assert_eq!(packet.payload, expected, "{codec:?}, packet {n}");
                assert_eq!(packet.ended, (n == end).then_some(Played::Prompt(PlayId(7))), "{codec:?} {n}");
                let ticks = codec.clock_hz() / 50 * (n as u32 + 2);
                assert_eq!(packet.header.timestamp, BEGINNING.timestamp.wrapping_add(ticks));
            }
        }
    }

    /// A clip that is made, packet by packet.
    fn packets(clip: &Clip, codec: Codec) -> Vec<Vec<u8>> {
        match clip.packets() {
            Some(packets) => (0..packets.count()).map(|n| packets.get(n).unwrap().to_vec()).collect(),
            None => clip.bytes(codec).unwrap().chunks(160).map(<[u8]>::to_vec).collect(),
        }
    }

    #[test]
    fn another_codec_within_a_prompt_goes_on_in_its_place_and_in_one_stream_of_time_stamps() {
        let speech: Vec<i16> = (0..80 * 20).map(|at| (at * 37 % 9000) as i16).collect();
        let clip = Arc::new(Clip::from_samples(&speech));
        [Codec::G722, Codec::Opus].iter().for_each(|&codec| clip.wide().make(codec));
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        speaker.play(prompt(1, vec![Arc::clone(&clip)]));
        let mut stamps = Vec::new();
        for (turn, codec) in
            [Codec::Pcma, Codec::Opus, Codec::Opus, Codec::G722, Codec::Pcma].iter().enumerate()
        {
            let tick = 20 * turn as u64;
            let out = run(&mut speaker, &wideband(*codec), tick..tick + 1, 1);
            let expected = match codec {
                Codec::Opus => clip.packets().unwrap().get(turn).unwrap(),
                codec => &clip.bytes(*codec).unwrap()[160 * turn..160 * (turn + 1)],
            };
            assert_eq!(out[0].payload, expected, "{codec:?}");
            stamps.push(out[0].header.timestamp.wrapping_sub(BEGINNING.timestamp));
        }
        assert_eq!(stamps, [0, 160, 160 + 960, 160 + 2 * 960, 160 + 2 * 960 + 160]);
    }

    #[test]
    fn a_prompt_whose_opus_outlasts_its_bytes_ends_when_the_codec_changes_at_its_end() {
        let clip = clip(0x10, 2);
        clip.wide().make(Codec::Opus);
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        speaker.play(prompt(1, vec![clip]));
        assert_eq!(run(&mut speaker, &wideband(Codec::Opus), 0..1, 1)[0].ended, None);
        let rest = run(&mut speaker, &wideband(Codec::Pcma), 20..21, 1);
        assert_eq!((rest[0].ended, rest[0].payload[0]), (Some(Played::Prompt(PlayId(1))), 0xd5));
    }

    #[test]
    fn a_pause_leaves_a_gap_in_time_but_none_in_sequence_and_the_prompt_loses_nothing() {
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        speaker.play(prompt(1, vec![clip(0x10, 2), clip(0x20, 2)]));
        let before = run(&mut speaker, &agreed(20), 0..20, 20);
        for _ in 0..50 {
            speaker.pause();
        }
        let after = run(&mut speaker, &agreed(20), 1020..1060, 20);
        let (first, next, last) = (&before[0], &after[0], &after[1]);
        assert_eq!(next.header.sequence, first.header.sequence.wrapping_add(1));
        assert_eq!(next.header.timestamp.wrapping_sub(first.header.timestamp), 1020 * 8);
        assert_eq!((next.header.marker, last.header.marker), (true, false));
        assert_eq!(next.payload, [0x20; 160]);
        assert_eq!(next.ended, Some(Played::Prompt(PlayId(1))));
    }

    #[test]
    fn after_a_stall_at_most_sixty_milliseconds_come_at_once_and_time_stamps_stay_true() {
        for ms in [10, 20, 40] {
            let mut wheel = Wheel::default();
            let agreed = agreed(ms);
            let step = if ms == 10 { Step::Ten } else { Step::Twenty };
            wheel.seat(0, step, Tick(0));
            let mut speaker = Speaker::new(BEGINNING, Tick(0));
            let (mut past, mut bursts, mut out) = (Tick(0), Vec::new(), Vec::new());
            // The clock as the thread sees it: it stands still twice.
            for now in (1..200).chain(230..400).chain(3400..3600) {
                let before = out.len();
                past = resume(past, Tick(now));
                while let Some(tick) = wheel.next(past).filter(|&tick| tick <= Tick(now)) {
                    out.extend(run(&mut speaker, &agreed, tick.0..tick.0 + 1, 1));
                    past = tick;
                }
                bursts.push(out.len() - before);
            }
            let most = bursts.iter().max().copied().unwrap();
            assert!(
                (2..=60_usize.div_ceil(ms as usize)).contains(&most),
                "{most} packets of {ms} ms at once"
            );
            let mut markers = 0;
            for pair in out.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                assert_eq!(b.header.sequence, a.header.sequence.wrapping_add(1));
                assert_eq!(
                    u64::from(b.header.timestamp.wrapping_sub(a.header.timestamp)),
                    8 * (b.tick - a.tick)
                );
                assert_eq!(b.header.marker, b.tick - a.tick != u64::from(ms));
                markers += usize::from(b.header.marker);
            }
            assert_eq!(markers, 1, "only the long stall leaves a gap");
        }
    }

    /// A stream to be relayed: its packet `n` of 20 ms, of a source that began somewhere else.
    fn source(n: u16, begins: bool) -> Source {
        let header = Header {
            payload_type: PayloadType::PCMU,
            marker: false,
            sequence: 9000 + n,
            timestamp: 77 + 160 * u32::from(n),
            ssrc: 0xa11,
        };
        Source { header, begins, samples: 160 }
    }

    fn relay(speaker: &mut Speaker, tick: u64, source: Source) -> Out {
        let mut buffer = [0; PACKET_MAX];
        speaker.relay(Tick(tick), &source, &agreed(20), PayloadType::PCMA, &mut buffer);
        read(tick, &buffer[..HEADER_BYTES + 160], None)
    }

    #[test]
    fn a_relayed_stream_continues_ours_and_keeps_its_own_gaps_and_order() {
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        let own = run(&mut speaker, &agreed(20), 0..40, 20);
        let last = own[1].header;
        let relayed: Vec<_> =
            [0, 1, 3, 2, 6].map(|n| relay(&mut speaker, 60 + 20 * u64::from(n), source(n, false))).to_vec();
        for (packet, n) in relayed.iter().zip([0_u16, 1, 3, 2, 6]) {
            assert_eq!(packet.header.sequence, last.sequence.wrapping_add(1 + n));
            assert_eq!(packet.header.timestamp, last.timestamp.wrapping_add(320 + 160 * u32::from(n)));
            assert_eq!(packet.header.ssrc, 0x5eed);
            assert_eq!(packet.header.marker, n == 0);
        }
        let again = run(&mut speaker, &agreed(20), 200..220, 20);
        assert_eq!(again[0].header.sequence, last.sequence.wrapping_add(8));
        assert_eq!(again[0].header.timestamp, last.timestamp.wrapping_add(180 * 8));
        assert!(again[0].header.marker);
    }

    #[test]
    fn our_audio_never_begins_before_the_end_of_what_was_relayed() {
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        let relayed: Vec<_> =
            (0..10).map(|n| relay(&mut speaker, 10 * u64::from(n), source(n, n == 0))).collect();
        let own = run(&mut speaker, &agreed(20), 100..140, 20);
        let end = relayed[9].header.timestamp.wrapping_add(160);
        assert_eq!(own[0].header.timestamp, end);
        assert_eq!(own[1].header.timestamp, end.wrapping_add(160));
    }

    #[test]
    fn another_source_to_relay_is_joined_on_where_the_last_one_ended() {
        let mut speaker = Speaker::new(BEGINNING, Tick(0));
        let first = relay(&mut speaker, 0, source(0, true));
        let mut other = source(0, true);
        other.header.sequence = 3;
        other.header.timestamp = 4_000_000_000;
        let next = relay(&mut speaker, 20, other);
        assert_eq!(next.header.sequence, first.header.sequence.wrapping_add(1));
        assert_eq!(next.header.timestamp, first.header.timestamp.wrapping_add(160));
        assert!(next.header.marker);
    }

    proptest! {
        #[test]
        fn whatever_is_played_stopped_or_held_the_stream_is_one_unbroken_sequence_in_true_time(
            ms in prop::sample::select(vec![10_u32, 20, 30, 40, 50, 60]),
            acts in prop::collection::vec(0_u8..6, 1..200),
        ) {
            let agreed = agreed(ms);
            let mut speaker = Speaker::new(BEGINNING, Tick(0));
            let mut out = Vec::new();
            for (n, act) in acts.iter().enumerate() {
                let tick = 10 * n as u64;
                match act {
                    0 => speaker.play(prompt(n as u64, vec![clip(0x10, n % 7), clip(0x20, n % 3)])),
                    1 => { speaker.stop(); }
                    2 => { speaker.pause(); continue; }
                    _ => {}
                }
                out.extend(run(&mut speaker, &agreed, tick..tick + 1, 1));
            }
            for pair in out.windows(2) {
                let (a, b) = (&pair[0], &pair[1]);
                let apart = b.header.timestamp.wrapping_sub(a.header.timestamp);
                prop_assert_eq!(b.header.sequence, a.header.sequence.wrapping_add(1));
                prop_assert_eq!(b.payload.len(), 8 * ms as usize);
                if b.header.marker {
                    prop_assert_eq!(u64::from(apart), 8 * (b.tick - a.tick));
                } else {
                    prop_assert_eq!(apart, 8 * ms);
                }
            }
        }
    }
}
