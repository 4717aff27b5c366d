//! What the test caller sends: silence, and keys as telephone events or as tones.

use std::f64::consts::TAU;
use std::time::Duration;

use aftercall_media::Encoder;
use aftercall_wire::codec::Codec;
use aftercall_wire::digit::Digit;
use aftercall_wire::rtp::{HEADER_BYTES, Header, PayloadType};
use aftercall_wire::sdp::Events;
use aftercall_wire::telephone_event::{Press, Sender};

/// How long a key is held: what a person does.
pub(super) const PRESS: Duration = Duration::from_millis(120);

/// Each of a key's two tones: together -6 dB below full scale, as telephones send.
const TONE_PEAK: f64 = 8_000.0;

/// Rows and columns of the keypad, in hertz (ITU-T Q.23), in the order of the event codes.
const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];

/// A stream of RTP, one packet at a time.
#[derive(Debug)]
pub(super) struct Mouth {
    voice: Encoder,
    events: Option<Events>,
    frame: Duration,
    /// How far time stamps go on in a packet.
    ticks: u32,
    next: Header,
    saying: Saying,
}

#[derive(Debug)]
enum Saying {
    Silence,
    Key {
        press: Press,
        payload_type: PayloadType,
    },
    /// Two tones, at a sample and until one.
    Tone {
        tones: [f64; 2],
        at: u32,
        until: u32,
    },
}

impl Mouth {
    /// Sends packets of `ptime_ms`. The first numbers are the caller's to choose (RFC 3550, 5.1).
    pub(super) fn new(
        codec: Codec,
        audio: PayloadType,
        events: Option<Events>,
        ptime_ms: u8,
        ssrc: u32,
    ) -> Self {
        let [a, b, c, d] = ssrc.to_be_bytes();
        let next = Header {
            payload_type: audio,
            marker: true,
            // In the lower half (RFC 3711, 3.3.1).
            sequence: u16::from_be_bytes([a & 0x7f, c]),
            timestamp: u32::from_be_bytes([d, b, a, c]),
            ssrc,
        };
        let ticks = u32::from(ptime_ms) * (codec.clock_hz() / 1000);
        let frame = Duration::from_millis(ptime_ms.into());
        Self { voice: Encoder::new(codec), events, frame, ticks, next, saying: Saying::Silence }
    }

    /// Whether it can send keys as telephone events.
    pub(super) fn knows_events(&self) -> bool {
        self.events.is_some()
    }

    /// Presses a key as telephone events, where they were agreed on.
    pub(super) fn press(&mut self, digit: Digit) {
        if let Some(events) = self.events {
            let press = Sender::new(events.clock_hz, self.frame).press(digit, PRESS, self.next.timestamp);
            self.saying = Saying::Key { press, payload_type: events.send };
        }
    }

    /// Presses a key as two tones in the audio.
    pub(super) fn tone(&mut self, digit: Digit) {
        let until = self.samples_in(PRESS);
        self.saying = Saying::Tone { tones: frequencies(digit), at: 0, until };
    }

    /// The packet to send now. One is due every packet time.
    pub(super) fn packet(&mut self) -> Vec<u8> {
        let samples = self.samples_in(self.frame);
        let mut header = self.next;
        let payload = match &mut self.saying {
            Saying::Silence => self.silence(),
            Saying::Key { press, payload_type } => match press.next() {
                Some(event) => {
                    header = Header {
                        payload_type: *payload_type,
                        marker: event.marker,
                        timestamp: event.timestamp,
                        ..header
                    };
                    event.payload.to_vec()
                }
                None => {
                    self.saying = Saying::Silence;
                    self.silence()
                }
            },
            Saying::Tone { tones, at, until } => {
                let (tones, from) = (*tones, *at);
                *at += samples;
                if *at >= *until {
                    self.saying = Saying::Silence;
                }
                self.say(tones, from)
            }
        };
        self.next.sequence = self.next.sequence.wrapping_add(1);
        self.next.timestamp = self.next.timestamp.wrapping_add(self.ticks);
        self.next.marker = false;
        let mut head = [0; HEADER_BYTES];
        header.write(&mut head);
        [head.as_slice(), &payload].concat()
    }

    fn silence(&mut self) -> Vec<u8> {
        let samples = self.samples_in(self.frame);
        self.voice.encode(&vec![0; samples as usize])
    }

    fn say(&mut self, tones: [f64; 2], from: u32) -> Vec<u8> {
        let rate = f64::from(self.voice.rate_hz());
        let sample = |at: u32| {
            let time = f64::from(at) / rate;
            let sum: f64 = tones.iter().map(|hertz| TONE_PEAK * (TAU * hertz * time).sin()).sum();
            sum as i16
        };
        let samples: Vec<i16> = (from..from + self.samples_in(self.frame)).map(sample).collect();
        self.voice.encode(&samples)
    }

    fn samples_in(&self, time: Duration) -> u32 {
        u32::try_from(time.as_millis()).unwrap_or_default() * (self.voice.rate_hz() / 1000)
    }
}

/// The two tones of a key (ITU-T Q.23).
fn frequencies(digit: Digit) -> [f64; 2] {
    const LAYOUT: [&str; 4] = ["123A", "456B", "789C", "*0#D"];
    let place = LAYOUT.iter().enumerate().find_map(|(row, keys)| Some((row, keys.find(digit.char())?)));
    let (row, column) = place.unwrap_or_default();
    [ROWS[row], COLUMNS[column]]
}

#[cfg(test)]
mod tests {
    use aftercall_wire::rtp::Packet;
    use aftercall_wire::telephone_event::Receiver;

    use super::*;

    fn mouth(events: Option<Events>) -> Mouth {
        Mouth::new(Codec::Pcmu, PayloadType::PCMU, events, 20, 0x1234_5678)
    }

    #[test]
    fn a_press_is_heard_once_and_audio_goes_on_after_it() {
        let number = PayloadType::new(101).unwrap();
        let mut mouth = mouth(Some(Events { receive: number, send: number, clock_hz: 8_000 }));
        let mut receiver = Receiver::new(number);
        let mut heard = String::new();
        let mut stamps = Vec::new();
        for at in 0..60_u64 {
            if at == 10 {
                mouth.press(Digit::from_char('7').unwrap());
            }
            let bytes = mouth.packet();
            let packet = Packet::parse(&bytes).unwrap();
            let pressed = receiver.receive(&packet, Duration::from_millis(at * 20));
            heard.extend(pressed.into_iter().map(Digit::char));
            if packet.header.payload_type == PayloadType::PCMU {
                stamps.push((packet.header.sequence, packet.header.timestamp));
            }
        }
        assert_eq!(heard, "7");
        for pair in stamps.windows(2) {
            let steps = u32::from(pair[1].0.wrapping_sub(pair[0].0));
            assert_eq!(pair[1].1.wrapping_sub(pair[0].1), steps * 160, "timestamps count samples");
        }
    }

    #[test]
    fn each_key_has_its_own_two_tones() {
        for (key, tones) in
            [('1', [697.0, 1209.0]), ('0', [941.0, 1336.0]), ('#', [941.0, 1477.0]), ('D', [941.0, 1633.0])]
        {
            assert_eq!(frequencies(Digit::from_char(key).unwrap()), tones, "{key}");
        }
    }
}
