//! A caller: SIPp speaks SIP for it, and the test itself is its ear and its thumb, so that what is pressed
//! depends on what was heard and on no clock.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::Duration;

use aftercall_wire::codec::Codec;
use aftercall_wire::rtp::Packet;

use super::sipp::{Running, Sipp};
use super::tones::{Sound, recognise};
use crate::server::Server;

/// Samples a millisecond.
const A_MS: u32 = 8;

/// A prompt is heard once this much of it came.
const NOTED: u32 = 40 * A_MS;

/// A prompt is over when it has been quiet for so long.
const QUIET: u32 = 200 * A_MS;

/// How long to wait for a packet: as much as five of them, or one on a very busy machine.
const NO_PACKET: Duration = Duration::from_millis(100);

/// A stream that sends nothing for so many waits has stopped.
const STOPPED: u32 = 4;

/// How long a caller speaks who speaks: one second of packets of 20 ms.
const SPEECH_PACKETS: usize = 50;

/// What the caller's telephone can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) codec: Codec,
    /// The payload type of telephone events.
    pub(crate) events: u8,
    pub(crate) ptime_ms: u32,
}

/// How keys are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Telephone events (RFC 4733).
    Events,
    /// The same, and the network doubles every packet.
    EventsTwice,
    /// Tones in the audio, though telephone events were agreed on.
    Tones,
    /// Tones in the audio, of which a gateway makes telephone events, too late to take them out.
    TonesThenEvents,
    /// The scenario sends them when it is told to go on.
    ByScenario,
    /// Not at all: it sends no packet of any kind.
    Mute,
}

/// Somebody who is about to call.
pub(crate) struct Caller<'s> {
    rtp: Range<u16>,
    relayed: bool,
    id: String,
    queue: &'s str,
    sipp: Sipp,
    line: Line,
    keys: Keys,
}

impl<'s> Caller<'s> {
    /// Calls the survey of this name about the call of this id, as the scenario says.
    pub(crate) fn new(server: &Server, id: &str, survey: &str, scenario: &str) -> Self {
        Self::of(server.udp, server.rtp.clone(), id, survey, scenario)
    }

    /// Calls this extension of a PBX, which relays what somebody else sends from these ports of its own.
    pub(crate) fn relayed(udp: SocketAddr, rtp: Range<u16>, id: &str, extension: &str) -> Self {
        Self { relayed: true, ..Self::of(udp, rtp, id, extension, "caller_stays") }
    }

    fn of(udp: SocketAddr, rtp: Range<u16>, id: &str, called: &str, scenario: &str) -> Self {
        let sipp = Sipp::new(scenario, udp).args(["-s", called, "-cid_str", &format!("sip-{id}")]);
        let sipp = sipp.key("call_ref", id).key("agent", "PJSIP/agent1001-0000000a");
        let line = Line { codec: Codec::Pcmu, events: 101, ptime_ms: 20 };
        Self { rtp, relayed: false, id: id.to_owned(), queue: "sales", sipp, line, keys: Keys::Events }
    }

    pub(crate) fn queue(self, queue: &'s str) -> Self {
        Self { queue, ..self }
    }

    pub(crate) fn line(self, line: Line) -> Self {
        Self { line, ..self }
    }

    pub(crate) fn keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// Changes the scenario.
    pub(crate) fn scenario(self, change: impl FnOnce(Sipp) -> Sipp) -> Self {
        Self { sipp: change(self.sipp), ..self }
    }

    /// Calls.
    pub(crate) fn dial(self) -> Call {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(NO_PACKET)).unwrap();
        let (format, codec) = (self.line.codec.payload_type().number(), self.line.codec.name());
        let sipp = self
            .sipp
            .key("queue", self.queue)
            .key("rtp_port", &socket.local_addr().unwrap().port().to_string());
        let sipp = sipp.key("rtp_format", &format.to_string()).key("rtp_codec", codec);
        let sipp = sipp.key("rtp_events", &self.line.events.to_string());
        Call {
            sip_call_id: format!("sip-{}", self.id),
            running: sipp.key("rtp_ptime", &self.line.ptime_ms.to_string()).start(),
            socket,
            server_ports: self.rtp,
            relayed: self.relayed,
            line: self.line,
            format,
            keys: self.keys,
            heard: Vec::new(),
            ear: Ear::default(),
            mouth: Mouth::default(),
        }
    }

    /// Calls, does what the script says, and stays until the call is over. Returns the prompts it heard.
    ///
    /// `p`: the prompt is heard to its end. A key, or `x` (hangs up), `h` (holds): at once after a `p`, else
    /// as soon as something new is said. `b`: back from hold. `n`: as soon as something new is said, the
    /// scenario does what it does. `~`: no key, until something is said. `v`: speaks for a second, now. A
    /// prompt's name: until that is being said.
    #[track_caller]
    pub(crate) fn call(self, script: &str) -> String {
        let mut call = self.dial();
        for step in script.split_whitespace() {
            call.step(step);
        }
        call.stay()
    }
}

/// Calls, and gets this status instead of a survey. Returns the run, for what was said in it.
#[track_caller]
pub(crate) fn refused(
    server: &Server,
    call: &str,
    status: &str,
    change: impl FnOnce(Sipp) -> Sipp,
) -> Running {
    let sipp = change(Sipp::new("caller_is_refused", server.udp).with("STATUS", status));
    let sipp = sipp.args(["-s", "csat-survey", "-cid_str", &format!("sip-{call}")]);
    let usual = [
        ("call_ref", call),
        ("agent", "1001"),
        ("queue", "sales"),
        ("wanted", "yes"),
        ("rtp_port", "9"),
        ("rtp_format", "0"),
        ("rtp_codec", "PCMU"),
        ("rtp_events", "101"),
        ("rtp_ptime", "20"),
    ];
    usual.into_iter().fold(sipp, |sipp, (name, value)| sipp.key(name, value)).run()
}

/// A call that is on.
pub(crate) struct Call {
    sip_call_id: String,
    running: Running,
    socket: UdpSocket,
    server_ports: Range<u16>,
    /// A relay counts packets itself, or passes the sender's count on, and changes its mind.
    relayed: bool,
    line: Line,
    format: u8,
    keys: Keys,
    heard: Vec<&'static str>,
    ear: Ear,
    mouth: Mouth,
}

/// What was heard lately.
#[derive(Default)]
struct Ear {
    /// A prompt began since the last thing that was done.
    news: bool,
    /// It was heard to its end.
    heard_out: bool,
    /// The sound of now, and since how many samples.
    now: Option<&'static str>,
    lasted: u32,
    quiet: u32,
    last_sequence: Option<u16>,
    /// Waits without a packet.
    missed: u32,
}

/// What is sent: a packet for every packet heard, as the clocks of both sides are one.
#[derive(Default)]
struct Mouth {
    /// Telephone events to send, each with its marker and how far back its time stamp lies.
    events: VecDeque<([u8; 4], bool, u32)>,
    /// Packets of a key's tones to send, before the events.
    tones: VecDeque<Vec<u8>>,
    speech: usize,
    sequence: u16,
    timestamp: u32,
}

impl Call {
    /// The SIP side of it.
    pub(crate) fn sipp(&self) -> &Running {
        &self.running
    }

    /// Tells the scenario to go on.
    pub(crate) fn nudge(&mut self) {
        self.running.nudge(&self.sip_call_id);
    }

    /// Stays until the call is over. Returns the prompts it heard.
    #[track_caller]
    pub(crate) fn stay(mut self) -> String {
        while !self.running.is_over() {
            self.listen();
        }
        self.heard.join(" ")
    }

    #[track_caller]
    pub(crate) fn step(&mut self, step: &str) {
        match step {
            "p" => {
                self.until(step, |ear| ear.news && ear.quiet >= QUIET);
                (self.ear.news, self.ear.heard_out) = (false, true);
                return;
            }
            "~" => return self.until(step, |ear| ear.news),
            "n" => {
                self.until(step, |ear| ear.news);
                return self.nudge();
            }
            "v" => {
                self.mouth.speech = SPEECH_PACKETS;
                while self.mouth.speech > 0 && !self.running.is_over() {
                    self.listen();
                }
                (self.ear.news, self.ear.heard_out) = (false, true);
                return;
            }
            name if name.len() > 1 => return self.until(step, |ear| ear.now == Some(step) && ear.news),
            "b" => self.nudge(),
            _ => {
                if !self.ear.heard_out {
                    self.until(step, |ear| ear.news);
                }
                self.act(step);
            }
        }
        (self.ear.news, self.ear.heard_out) = (false, false);
    }

    #[track_caller]
    fn act(&mut self, step: &str) {
        match step {
            "x" => self.nudge(),
            "h" => {
                self.nudge();
                self.until(step, |ear| ear.missed >= STOPPED);
                // What is heard after this is heard anew.
                self.ear.now = None;
            }
            _ if self.keys == Keys::ByScenario => self.nudge(),
            key => self.press("0123456789*#ABCD".find(key).unwrap() as u8),
        }
    }

    /// Listens until this is so. The call must not end before.
    #[track_caller]
    fn until(&mut self, step: &str, so: impl Fn(&Ear) -> bool) {
        while !so(&self.ear) {
            assert!(!self.running.is_over(), "the call was over before \"{step}\"; heard: {:?}", self.heard);
            self.listen();
        }
    }

    /// A press of 100 ms: the event grows, and its last packet comes three times (RFC 4733, 2.5.1).
    fn press(&mut self, event: u8) {
        if matches!(self.keys, Keys::Tones | Keys::TonesThenEvents) {
            let samples = (0..100 * A_MS).map(|at| self.encode(tone(event, at)));
            let samples: Vec<u8> = samples.collect();
            self.mouth.tones.extend(samples.chunks((self.line.ptime_ms * A_MS) as usize).map(<[u8]>::to_vec));
        }
        if self.keys == Keys::Tones {
            return;
        }
        let step = self.line.ptime_ms * A_MS;
        let whole = 100 * A_MS / step * step;
        let lasting = (1..=whole / step).map(|at| at * step);
        let last = [whole; 2];
        for (at, duration) in lasting.chain(last).enumerate() {
            let end = if duration == whole { 0x80 } else { 0 };
            let [high, low] = (duration as u16).to_be_bytes();
            self.mouth.events.push_back(([event, end | 10, high, low], at == 0, at as u32));
        }
    }

    /// Hears one packet, or that none comes, and answers it with one.
    fn listen(&mut self) {
        let mut datagram = [0; 2_048];
        match self.socket.recv_from(&mut datagram) {
            Ok((length, from)) => {
                self.hear(&datagram[..length], from.port());
                if self.keys != Keys::Mute {
                    self.speak(from);
                }
            }
            Err(fault) if matches!(fault.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                self.ear.missed += 1;
                self.ear.quiet += NO_PACKET.as_millis() as u32 * A_MS;
            }
            Err(fault) => panic!("the caller's socket: {fault}"),
        }
    }

    fn hear(&mut self, datagram: &[u8], from: u16) {
        let Packet { header, payload, .. } = Packet::parse(datagram).unwrap();
        let samples = self.line.ptime_ms * A_MS;
        assert_eq!((header.payload_type.number(), payload.len()), (self.format, samples as usize));
        assert!(self.server_ports.contains(&from), "a packet from port {from}");
        let ear = &mut self.ear;
        if let Some(last) = ear.last_sequence.replace(header.sequence)
            && !self.relayed
        {
            assert_eq!(header.sequence, last.wrapping_add(1), "a gap in the sequence, or a packet twice");
        }
        ear.missed = 0;
        let sound = match recognise(self.line.codec, payload) {
            Sound::Prompt(name) => Some(name),
            Sound::Silence => None,
            Sound::Mixed => return,
        };
        ear.quiet = if sound.is_none() { ear.quiet + samples } else { 0 };
        let before = if ear.now == sound { ear.lasted } else { 0 };
        (ear.now, ear.lasted) = (sound, before + samples);
        if let Some(name) = sound
            && before < NOTED
            && ear.lasted >= NOTED
        {
            ear.news = true;
            self.heard.push(name);
        }
    }

    fn speak(&mut self, to: SocketAddr) {
        let mouth = &mut self.mouth;
        let samples = self.line.ptime_ms * A_MS;
        let event = if mouth.tones.is_empty() { mouth.events.pop_front() } else { None };
        let (payload_type, marker, back, payload) = match event {
            Some((payload, marker, back)) => (self.line.events, marker, back * samples, payload.to_vec()),
            None => (self.format, mouth.sequence == 0, 0, self.sound(samples)),
        };
        let mouth = &mut self.mouth;
        let mut packet = vec![0x80, u8::from(marker) << 7 | payload_type];
        packet.extend(mouth.sequence.to_be_bytes());
        packet.extend(mouth.timestamp.wrapping_sub(back).to_be_bytes());
        packet.extend(0x0C5A_7001_u32.to_be_bytes());
        packet.extend(payload);
        mouth.sequence += 1;
        mouth.timestamp += samples;
        let twice = self.keys == Keys::EventsTwice && event.is_some();
        for _ in 0..=usize::from(twice) {
            self.socket.send_to(&packet, to).unwrap();
        }
    }

    /// A packet of the caller's voice, or of silence.
    fn sound(&mut self, samples: u32) -> Vec<u8> {
        if let Some(tone) = self.mouth.tones.pop_front() {
            return tone;
        }
        let speaks = self.mouth.speech > 0;
        self.mouth.speech = self.mouth.speech.saturating_sub(1);
        let loudness = i16::from(speaks) * 9_000;
        let wave = |at: u32| if (at / 10).is_multiple_of(2) { loudness } else { -loudness };
        (0..samples).map(wave).map(|sample| self.encode(sample)).collect()
    }

    fn encode(&self, sample: i16) -> u8 {
        self.line.codec.law().unwrap().encode(sample)
    }
}

/// The two tones of a key (ITU-T Q.23).
fn tone(event: u8, at: u32) -> i16 {
    const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f64; 3] = [1209.0, 1336.0, 1477.0];
    // By event code: 0 to 9, the star, the hash.
    const PLACES: [(usize, usize); 12] =
        [(3, 1), (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (3, 0), (3, 2)];
    let (row, column) = PLACES[usize::from(event)];
    let wave = |hertz: f64| (std::f64::consts::TAU * hertz * f64::from(at) / 8_000.0).sin();
    (6_000.0 * (wave(ROWS[row]) + wave(COLUMNS[column]))) as i16
}
