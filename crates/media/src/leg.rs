//! One leg of a call: everything it knows and decides. No socket, no clock: the thread that owns it has
//! those.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aftercall_wire::digit::Digit;
use aftercall_wire::rtp::{HEADER_BYTES, Packet};
use aftercall_wire::telephone_event::Receiver;

use crate::agreed::{Agreed, Kind};
use crate::clip::Clip;
use crate::event::{Happened, KeyBy, LegId, OnKey, PlayId, Stats};
use crate::inband::{Inband, Timed};
use crate::latch::Latch;
use crate::reception::{Order, Reception};
use crate::record::{RecordEnd, RecordOrder, Take};
use crate::reporter::Reporter;
use crate::secure::Secure;
use crate::speaker::{Beginning, PACKET_MAX, Played, Playing, Source, Speaker, Spoken};
use crate::voice::{Decoder, SAMPLES_MAX};
use crate::wheel::{Step, TURN_MS, Tick};
use aftercall_wire::codec::Codec;

/// Keys that wait in a leg while nobody takes its events; more are dropped and counted. A caller presses some
/// four a second, so these are 8 s of furious typing.
pub const KEYS_WAITING_MAX: usize = 32;

/// Events that wait in a leg while nobody takes them. What commands led to has room behind the keys: one
/// recording and some thirty prompts, whose sender would have to be alive without listening for as long as
/// they play.
pub const EVENTS_WAITING_MAX: usize = 2 * KEYS_WAITING_MAX;

mod secured;
pub(crate) use reports::ReportWay;

mod reports;

/// One leg of a call.
#[derive(Debug)]
pub(crate) struct Leg {
    agreed: Agreed,
    pauses: Pauses,
    latch: Latch,
    speaker: Speaker,
    reception: Reception,
    /// Apart: it is larger than all the rest, and most packets are no keys.
    keys: Option<Box<Receiver>>,
    inband: Inband,
    /// What the peer's audio is decoded with, where that is wanted.
    ear: Option<Box<Ear>>,
    recorder: Recorder,
    partner: Option<LegId>,
    /// Apart: most calls have none.
    secure: Option<Box<Secure>>,
    /// When something of the peer came last, or when we began to wait for it.
    alive: Duration,
    silence_told: bool,
    first_told: bool,
    stats: Stats,
    events: VecDeque<Happened>,
    /// When the next report is due.
    report_at: Tick,
    /// Apart: it is looked at every five seconds.
    reporter: Box<Reporter>,
}

/// How long a leg waits for what does not come, in milliseconds: every leg holds it, and legs are to be small.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses {
    /// For any packet of a peer who may send, before that is told.
    rtp_silence_ms: u32,
    /// For a telephone event, where they were agreed on, before keys are listened for in the audio.
    inband_ms: u32,
}

impl Pauses {
    pub(crate) fn new(rtp_silence: Duration, inband: Duration) -> Self {
        let ms = |pause: Duration| u32::try_from(pause.as_millis()).unwrap_or(u32::MAX);
        Self { rtp_silence_ms: ms(rtp_silence), inband_ms: ms(inband) }
    }

    fn rtp_silence(self) -> Duration {
        Duration::from_millis(self.rtp_silence_ms.into())
    }

    fn inband(self) -> Duration {
        Duration::from_millis(self.inband_ms.into())
    }
}

/// A decoder, and whose it is.
#[derive(Debug)]
struct Ear {
    codec: Codec,
    decoder: Decoder,
}

#[derive(Debug)]
enum Recorder {
    Idle,
    AfterBeep(RecordOrder),
    Taking(Box<Take>),
}

/// A packet of the peer that its partner is to send on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overheard<'a> {
    packet: Packet<'a>,
    kind: Kind,
    begins: bool,
}

impl Leg {
    /// A leg that has these pauses.
    pub(crate) fn new(
        agreed: Agreed,
        pauses: Pauses,
        beginning: Beginning,
        tick: Tick,
        now: Duration,
    ) -> Self {
        let mut reporter = Box::new(Reporter::new(&beginning));
        let report_at = tick.after(reporter.first_pause());
        Self {
            agreed,
            pauses,
            latch: Latch::new(agreed.named_remote()),
            speaker: Speaker::new(beginning, tick),
            reception: Reception::default(),
            keys: receiver(&agreed),
            inband: Inband::new(agreed.events.is_some(), pauses.inband(), now),
            ear: None,
            recorder: Recorder::Idle,
            partner: None,
            secure: None,
            alive: now,
            silence_told: false,
            first_told: false,
            stats: Stats::default(),
            events: VecDeque::new(),
            report_at,
            reporter,
        }
    }

    /// Takes what a new offer and answer agreed.
    pub(crate) fn update(&mut self, agreed: Agreed, now: Duration) {
        self.latch.rename(agreed.named_remote());
        if agreed.events != self.agreed.events {
            self.keys = receiver(&agreed);
        }
        if agreed.events.is_some() != self.agreed.events.is_some() {
            self.inband = Inband::new(agreed.events.is_some(), self.pauses.inband(), now);
        }
        if agreed.direction.sends() && agreed.direction != self.agreed.direction {
            self.alive = now;
        }
        self.agreed = agreed;
    }

    /// Plays the clips without a gap instead of what was playing.
    pub(crate) fn play(&mut self, play: PlayId, clips: Vec<Arc<Clip>>, on_key: OnKey, now: Duration) {
        self.stop(now);
        if clips.iter().all(|clip| clip.length().is_zero()) {
            self.tell(Happened::Played { play });
        } else {
            self.speaker.play(Playing::new(Played::Prompt(play), on_key, clips));
        }
    }

    /// Stops what is playing. A recording whose tone is cut begins at once.
    pub(crate) fn stop(&mut self, now: Duration) {
        if self.speaker.stop() == Some(Played::Beep) {
            self.take(now);
        }
    }

    /// Records the peer, after the beep if one is wanted. A recording under way ends.
    pub(crate) fn record(&mut self, order: RecordOrder, beep: &Arc<Clip>, now: Duration) {
        self.stop_recording(RecordEnd::Stopped, now);
        self.recorder = Recorder::AfterBeep(order);
        if order.beep {
            self.speaker.play(Playing::new(Played::Beep, OnKey::PlayOn, vec![Arc::clone(beep)]));
        } else {
            self.take(now);
        }
    }

    /// Ends the recording, if there is one, and tells of it.
    pub(crate) fn stop_recording(&mut self, end: RecordEnd, now: Duration) {
        let take = match std::mem::replace(&mut self.recorder, Recorder::Idle) {
            Recorder::Idle => return,
            Recorder::AfterBeep(order) => {
                self.speaker.stop();
                Take::new(order, now)
            }
            Recorder::Taking(take) => *take,
        };
        self.tell(Happened::Recorded { recording: take.finish(end) });
    }

    /// Keys come another way than in the RTP: they are not listened for in the audio any more.
    pub(crate) fn ignore_tones(&mut self) {
        self.inband.stop();
    }

    /// Sends on what the peer of `partner` sends, from now on.
    pub(crate) fn join(&mut self, partner: LegId) {
        self.partner = Some(partner);
        self.speaker.pause();
    }

    /// Speaks for itself again.
    pub(crate) fn part(&mut self) {
        self.partner = None;
    }

    pub(crate) fn partner(&self) -> Option<LegId> {
        self.partner
    }

    /// How often the leg is to be visited.
    pub(crate) fn step(&self) -> Step {
        let twenty = self.partner.is_none() && self.agreed.ptime.ms().is_multiple_of(TURN_MS);
        if twenty { Step::Twenty } else { Step::Ten }
    }

    /// Hears a datagram: `None` bytes when it was too long. What comes back is for the partner to send on.
    pub(crate) fn hear<'a>(
        &mut self,
        bytes: Option<&'a [u8]>,
        from: SocketAddr,
        at: Duration,
    ) -> Option<Overheard<'a>> {
        let Some(Ok(packet)) = bytes.map(Packet::parse) else {
            self.hear_other(bytes, from, at);
            return None;
        };
        let kind = self.agreed.kind(packet.header.payload_type);
        // A payload type that was not agreed proves nothing about who sends it.
        if kind == Kind::Unknown && self.latch.only() != Some(from) {
            self.stats.strangers += 1;
            return None;
        }
        if !self.latch.admit(from, &packet.header, at) {
            self.stats.strangers += 1;
            return None;
        }
        // Arrival times are the kernel's calendar brought to our clock: they may step back by a hair.
        let at = at.max(self.alive);
        self.alive = at;
        self.silence_told = false;
        if !std::mem::replace(&mut self.first_told, true) {
            self.tell(Happened::FirstPacket { at });
        }
        let order = self.reception.hear(&packet.header, packet.payload.len());
        match kind {
            Kind::Audio(codec) => self.hear_audio(&packet, codec, order, at),
            Kind::Events => self.hear_keys(&packet, at),
            Kind::Noise => {}
            Kind::Unknown => self.stats.unknown_payloads += 1,
        }
        let relayed = self.partner.is_some() && !matches!(order, Order::Duplicate | Order::Stray);
        relayed.then_some(Overheard { packet, kind, begins: order == Order::First })
    }

    /// Makes what the partner overheard a packet of ours: its length in `out`. A prompt goes before it.
    pub(crate) fn relay(
        &mut self,
        heard: &Overheard<'_>,
        tick: Tick,
        out: &mut [u8; PACKET_MAX],
    ) -> Option<usize> {
        if self.speaker.is_playing() || !self.may_send() {
            return None;
        }
        let payload = heard.packet.payload;
        let body = out.get_mut(HEADER_BYTES..HEADER_BYTES + payload.len())?;
        body.copy_from_slice(payload);
        let (payload_type, samples) = match heard.kind {
            Kind::Audio(codec) => {
                transcode(codec, self.agreed.codec, body)?;
                (self.agreed.audio, lasts(codec, payload)?)
            }
            Kind::Events => (self.agreed.events?, 0),
            Kind::Noise | Kind::Unknown => return None,
        };
        let source = Source { header: heard.packet.header, begins: heard.begins, samples };
        self.speaker.relay(tick, &source, &self.agreed, payload_type, out);
        Some(HEADER_BYTES + payload.len())
    }

    /// The packet that is due at `tick`, in `out`.
    pub(crate) fn speak(&mut self, tick: Tick, now: Duration, out: &mut [u8; PACKET_MAX]) -> Option<Spoken> {
        let relaying = self.partner.is_some() && !self.speaker.is_playing();
        if relaying || !self.may_send() {
            self.speaker.pause();
            return None;
        }
        let spoken = self.speaker.speak(tick, &self.agreed, out)?;
        match spoken.ended {
            Some(Played::Prompt(play)) => self.tell(Happened::Played { play }),
            Some(Played::Beep) => self.take(now),
            None => {}
        }
        Some(spoken)
    }

    /// What is spoken.
    pub(crate) fn codec(&self) -> Codec {
        self.agreed.codec
    }

    /// Whether the packet went out.
    pub(crate) fn sent(&mut self, length: usize, went: bool) {
        if went {
            self.stats.sent_packets += 1;
            self.stats.sent_octets += length.saturating_sub(HEADER_BYTES) as u64;
        } else {
            self.stats.send_faults += 1;
        }
    }

    /// Something sent earlier came back: nobody listens there.
    pub(crate) fn bounced(&mut self) {
        self.stats.send_faults += 1;
    }

    /// Looks at what passes with time: the peer's silence, the recording's end, the latch.
    pub(crate) fn watch(&mut self, now: Duration) {
        self.latch.tick(now);
        let silent = now.saturating_sub(self.alive) >= self.pauses.rtp_silence();
        // Who has put us on hold need not send anything (RFC 3264, 8.4).
        let talks = self.agreed.direction.receives() && self.agreed.direction.sends();
        if silent && talks && !std::mem::replace(&mut self.silence_told, true) {
            self.tell(Happened::RtpSilence);
        }
        if let Recorder::Taking(take) = &self.recorder
            && let Some(end) = take.ended(now)
        {
            self.stop_recording(end, now);
        }
    }

    /// Ends the leg: what it recorded and its counters are its last events.
    pub(crate) fn close(&mut self, now: Duration) {
        self.stop_recording(RecordEnd::Closed, now);
        self.stats.arrived = self.reception.arrived();
        let quality = self.quality().map(Box::new);
        self.events.push_back(Happened::Closed { stats: Box::new(self.stats), quality });
    }

    /// The next event to tell.
    pub(crate) fn next_event(&mut self) -> Option<Happened> {
        self.events.pop_front()
    }

    /// Keeps an event that nobody could take yet: it is the next one again.
    pub(crate) fn keep_event(&mut self, event: Happened) {
        self.events.push_front(event);
    }

    /// Where to send.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.latch.destination()
    }

    /// The one address to which the socket should be connected.
    pub(crate) fn only(&self) -> Option<SocketAddr> {
        self.latch.only()
    }

    fn may_send(&self) -> bool {
        self.agreed.direction.sends() && self.latch.destination().is_some()
    }

    fn hear_audio(&mut self, packet: &Packet<'_>, codec: Codec, order: Order, at: Duration) {
        let in_order = matches!(order, Order::First | Order::New);
        if in_order {
            self.reception.time(packet.header.timestamp, codec.clock_hz(), at);
        }
        let listener = self.inband.ear(at);
        let wanted = listener.is_some() || matches!(self.recorder, Recorder::Taking(_));
        // A decoder with a memory takes no packet that was overtaken: for it that one is lost.
        if !wanted || (!in_order && codec.law().is_none()) {
            return;
        }
        let ear = match &mut self.ear {
            Some(ear) if ear.codec == codec => ear,
            other => other.insert(Box::new(Ear { codec, decoder: Decoder::new(codec) })),
        };
        let mut samples = [0; SAMPLES_MAX];
        let samples = ear.decoder.decode(packet.payload, &mut samples);
        let timed = Timed { timestamp: packet.header.timestamp, clock_hz: codec.clock_hz(), order };
        let pressed = listener.map(|listener| listener.hear(timed, samples, at)).unwrap_or_default();
        if let Recorder::Taking(take) = &mut self.recorder {
            take.hear(timed, samples, at);
        }
        for digit in pressed {
            self.press(digit, KeyBy::Tone, at);
        }
    }

    fn hear_keys(&mut self, packet: &Packet<'_>, at: Duration) {
        let Some(keys) = &mut self.keys else { return };
        for digit in keys.receive(packet, at) {
            if !self.inband.stop_for(digit, at) {
                self.press(digit, KeyBy::Event, at);
            }
        }
    }

    fn press(&mut self, digit: Digit, by: KeyBy, at: Duration) {
        self.stats.keys += 1;
        // A key that cannot be told cuts nothing: nobody would know why it is still.
        let cut = if self.has_room(KEYS_WAITING_MAX) { self.speaker.key() } else { None };
        self.tell(Happened::Key { digit, by, at, cut });
    }

    fn take(&mut self, now: Duration) {
        if let Recorder::AfterBeep(order) = self.recorder {
            self.recorder = Recorder::Taking(Box::new(Take::new(order, now)));
        }
    }

    fn has_room(&self, most: usize) -> bool {
        self.events.len() < most
    }

    fn tell(&mut self, event: Happened) {
        let room = match event {
            Happened::Key { .. } | Happened::RtpSilence => KEYS_WAITING_MAX,
            _ => EVENTS_WAITING_MAX,
        };
        if self.has_room(room) {
            self.events.push_back(event);
        } else {
            self.stats.events_dropped += 1;
        }
    }
}

fn receiver(agreed: &Agreed) -> Option<Box<Receiver>> {
    agreed.events.map(|events| Box::new(Receiver::new(events)))
}

/// Puts a payload into another codec. Only those of G.711 can be put into each other: of two others, and of one
/// with another, nothing is relayed.
fn transcode(from: Codec, to: Codec, payload: &mut [u8]) -> Option<()> {
    if from != to {
        let (from, to) = (from.law()?, to.law()?);
        for byte in payload {
            *byte = to.encode(from.decode(*byte));
        }
    }
    Some(())
}

/// How long a payload lasts, in ticks of its clock. A packet of Opus is taken for the usual 20 ms.
fn lasts(codec: Codec, payload: &[u8]) -> Option<u32> {
    match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => u32::try_from(payload.len()).ok(),
        Codec::Opus => Some(codec.clock_hz() / 50),
    }
}

#[cfg(test)]
mod tests;
