use std::time::Duration;

use aftercall_wire::Digit;
use aftercall_wire::rtp::{Header, Packet, PayloadType};
use aftercall_wire::telephone_event::{PRESS_MAX, Receiver, Sender};
use proptest::prelude::*;

use crate::reference::{self, Capture, Class};

const EVENTS: PayloadType = PayloadType::new(101).unwrap();
const FRAME: Duration = Duration::from_millis(20);

#[test]
fn every_reference_capture_gives_its_digits() {
    let captures: Vec<Capture> = reference::manifest("manifest_rtp.json");
    assert!(captures.len() >= 58, "the manifest lost captures: {}", captures.len());
    let wrong: Vec<String> = captures
        .iter()
        .filter_map(|capture| {
            let heard = hear_capture(capture);
            let right = heard == capture.expected || capture.accepts.contains(&heard);
            (!right).then(|| {
                format!("{} ({:?}): {heard:?}, not {:?}", capture.file, capture.cls, capture.expected)
            })
        })
        .collect();
    assert_eq!(wrong, Vec::<String>::new());
    assert!(captures.iter().any(|capture| capture.cls == Class::Quirk));
}

#[test]
fn a_key_is_told_at_the_first_packet_of_its_press_that_arrives() {
    let press = press('5', 100);
    for first in 0..press.len() {
        let mut receiver = Receiver::new(EVENTS);
        let heard: Vec<String> = press[first..].iter().map(|report| report.hear(&mut receiver)).collect();
        assert_eq!(heard[0], "5", "when the first {first} are lost");
        assert_eq!(heard.concat(), "5");
    }
}

fn hear_capture(capture: &Capture) -> String {
    let mut receiver = Receiver::new(PayloadType::new(capture.payload_type).unwrap());
    let mut heard = String::new();
    for (at, datagram) in reference::datagrams(&capture.file) {
        if let Ok(packet) = Packet::parse(&datagram) {
            heard.extend(receiver.receive(&packet, at).into_iter().map(Digit::char));
        }
    }
    heard
}

/// Reports as they arrive: `0 #1 @160 5:320 m` is, after 0 ms, the packet with sequence number 1 and
/// timestamp 160 that reports key 5, down for 320 ticks, with the marker; `e` is the end bit, `~2` another
/// source. Of each packet, the key heard or a dot.
fn assert_heard(transcripts: &[(&str, &str, &str)]) {
    for (name, transcript, expected) in transcripts {
        let mut receiver = Receiver::new(EVENTS);
        let heard: String = transcript
            .split(", ")
            .map(|line| match Arrival::read(line).hear(&mut receiver).as_str() {
                "" => ".".to_owned(),
                keys => keys.to_owned(),
            })
            .collect();
        assert_eq!(heard, *expected, "{name}");
    }
}

#[rustfmt::skip]
#[test]
fn repeats_copies_and_late_reports_are_the_same_press() {
    assert_heard(&[
        ("one press", "0 #1 @0 5:160 m, 20 #2 @0 5:320, 40 #3 @0 5:480 e, 60 #4 @0 5:480 e", "5..."),
        ("a copy of the start after the end", "0 #1 @0 5:160 m, 20 #2 @0 5:320 e, 30 #1 @0 5:160 m", "5.."),
        ("the end is all there is", "0 #7 @0 #:800 e, 20 #8 @0 #:800 e, 40 #9 @0 #:800 e", "#.."),
        ("no duration at all", "0 #1 @0 5:0 m, 20 #2 @0 5:0, 40 #3 @0 5:0 e", "5.."),
        ("a late start begins its press all the same", "0 #1 @0 1:160 m e, 60 #7 @900 2:160 m e, 70 #4 @400 1:160 m e", "121"),
        ("the same after a lost marker", "0 #3 @0 1:160 e, 60 #7 @900 2:160 m e, 70 #4 @400 1:160 m e", "121"),
        ("no pause, the start lost", "0 #1 @0 1:160 m, 120 #7 @480 1:640", "11"),
        ("touching it, the first one late", "0 #9 @800 1:160, 20 #3 @0 1:800 e", "11"),
        ("a new source", "0 #1 @0 1:160 m, 50 #1 @0 1:160 m ~2, 60 #2 @0 1:320 e, 70 #2 @0 1:320 e ~2", "11.."),
        ("a third source replaces the eldest", "0 #1 @0 1:8 ~1, 1 #1 @0 1:8 ~2, 2 #1 @0 1:8 ~3, 3 #2 @0 1:8 ~2, 4 #2 @0 1:8 ~1", "111.1"),
        ("the sequence starts anew", "0 #40000 @0 1:160 m e, 90 #3 @9000 1:160 m e, 110 #4 @9000 1:160 e", "11."),
        ("the counter has gone round unseen", "0 #9 @0 1:320 m e, 5000 #8 @0 1:160 m", "11"),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_press_of_several_segments_is_one_press() {
    assert_heard(&[
        ("without the first one's last report", "0 #1 @0 7:65440, 20 #2 @65535 7:65, 40 #3 @65535 7:225 e", "7.."),
        ("out of order", "0 #3 @65535 7:225 e, 20 #1 @0 7:65440", "7."),
        ("a whole one lost", "0 #1 @0 7:160 m, 20 #900 @131070 7:225 e", "7."),
        ("but it had ended", "0 #1 @0 7:160 e, 8000 #401 @65535 7:160", "77"),
        ("a copy behind a sender that counts anew", "0 #1 @65535 7:47545, 22 #2 @131070 7:47545 m e, 18000 #65528 @196605 7:2827, 18001 #65528 @196605 7:2827, 18010 #4 @196605 7:47366 e, 18020 #5 @262140 7:1542", "77...7"),
        // A segment of a press lies at most eight further; sixteen further begins another, whatever was lost between.
        ("eight segments further", "0 #1 @0 5:65535 m, 60000 #2 @524280 5:160", "5."),
        ("sixteen segments further", "0 #1 @0 5:65535 m, 120000 #2 @1048560 5:160", "55"),
    ]);
}

#[rustfmt::skip]
#[test]
fn presses_that_share_a_timestamp_are_told_apart() {
    assert_heard(&[
        ("three keys", "0 #1 @0 1:160 m e, 90 #5 @0 0:160 m e, 180 #9 @0 1:160 m e", "101"),
        ("three keys, the ends lost", "0 #1 @0 1:160 m, 90 #5 @0 0:160 m, 180 #9 @0 1:160 m", "101"),
        ("three keys, no marker", "0 #1 @0 1:320 e, 90 #5 @0 0:320 e, 180 #9 @0 1:160", "101"),
        ("one key twice, no marker", "0 #1 @0 1:320 e, 100 #5 @0 1:160", "11"),
        ("sequence anew", "0 #400 @0 1:320 m e, 90 #100 @9000 2:160 m e, 190 #200 @9000 2:80 m", "122"),
        ("struck at once, with marker", "0 #1 @0 1:160 m, 20 #2 @0 1:320 e, 60 #5 @0 1:160 m", "1.1"),
        ("reports out of order before that", "0 #1 @0 1:160 m, 20 #3 @0 1:480 e, 30 #2 @0 1:320, 200 #5 @0 1:320 m e", "1..1"),
        ("not when the marker is on every report", "0 #1 @0 5:160 m, 20 #2 @0 5:320 m, 40 #3 @0 5:320 m e", "5.."),
        ("not when a relay numbered anew what was out of order", "0 #1 @0 1:320 e, 99 #2 @0 1:160", "1."),
        ("not when it lasted long before", "0 #1 @0 1:160 m, 90 #2 @0 1:320 e, 120 #3 @0 1:160", "1.."),
        ("not before the end", "0 #1 @0 1:320 m, 200 #2 @0 1:160", "1."),
    ]);
}

#[rustfmt::skip]
#[test]
fn presses_whose_reports_are_stamped_anew_are_one_press() {
    assert_heard(&[
        ("running, the start late", "0 #2 @160 5:320, 20 #1 @0 5:160 m", "5."),
        ("running, the next press without its start", "0 #1 @0 5:160 m, 20 #2 @160 5:320, 40 #3 @320 5:480 e, 80 #6 @640 5:320", "5..5"),
        ("running, many lost", "0 #1 @0 5:160 m, 20 #2 @160 5:320, 200 #11 @1600 5:1760 e", "5.."),
        ("ends, after one that looked like running", "0 #1 @0 1:160 m, 20 #2 @160 1:320 e, 200 #9 @900 1:160 m, 220 #10 @900 1:480, 280 #13 @1220 1:640 e", "1.1.."),
        ("ends, too short to overlap", "0 #1 @0 1:160 m e, 20 #2 @160 1:160 e, 40 #3 @320 1:160 e", "1.."),
        ("ends, out of order", "0 #6 @160 1:800 e, 10 #3 @0 1:320, 20 #8 @480 1:800 e", "1.."),
        ("not an end: another press, no marker", "0 #1 @0 1:320 e, 20 #2 @2000 1:320", "11"),
        ("not the same end: another press, no marker", "0 #1 @0 1:320 e, 20 #2 @2000 1:160 e", "11"),
        ("not the next packet: another press, no marker", "0 #1 @0 1:320 e, 20 #3 @2000 1:320 e", "11"),
        ("no end before: another press, no marker", "0 #1 @0 1:320, 20 #2 @2000 1:320 e", "11"),
    ]);
}

#[test]
fn a_running_timestamp_is_one_press_whichever_two_of_its_packets_are_lost() {
    let running = |at: usize| (160 * at.min(4), 160 * (at + 1).min(5));
    assert_heard_once_without_any_two(running);
}

#[test]
fn ends_stamped_anew_are_one_press_whichever_two_of_its_packets_are_lost() {
    let anew = |at: usize| (160 * at.saturating_sub(4), 160 * (at + 1).min(5));
    assert_heard_once_without_any_two(anew);
}

/// Two presses of one key, each of seven packets with the timestamp and duration that `stamp` gives.
fn assert_heard_once_without_any_two(stamp: impl Fn(usize) -> (usize, usize)) {
    for (lost, also_lost) in (0..7).flat_map(|a| (0..7).map(move |b| (a, b))) {
        let mut receiver = Receiver::new(EVENTS);
        let heard: String = (0..14)
            .filter(|packet| packet % 7 != lost && packet % 7 != also_lost)
            .map(|packet| {
                let (press, at) = (packet / 7, packet % 7);
                let (after, duration) = stamp(at);
                let flags = [if at == 0 { "m" } else { "" }, if at > 3 { "e" } else { "" }].join(" ");
                let line =
                    format!("{} #{} @{} 4:{duration} {flags}", packet * 20, packet, press * 1120 + after);
                Arrival::read(&line).hear(&mut receiver)
            })
            .collect();
        assert_eq!(heard, "44", "without packets {lost} and {also_lost}");
    }
}

#[test]
fn a_copy_of_two_presses_of_one_key_that_touch_changes_neither() {
    // Found by fuzzing: the copy of the first, as long as a press can say it is, was taken for a part of the second.
    let heard = |times: usize| {
        let mut receiver = Receiver::new(EVENTS);
        let header = |marker, sequence, timestamp| Header {
            payload_type: EVENTS,
            marker,
            sequence,
            timestamp,
            ssrc: 1,
        };
        let both = Packet { header: header(false, 1, 0), payload: &[3, 0x80, 0xff, 0xff, 3, 0, 0x14, 0xff] };
        let goes_on = Packet { header: header(true, 17, 65_535), payload: &[3, 0, 0, 0] };
        let mut heard = Vec::new();
        for packet in std::iter::repeat_n(&both, times).chain([&goes_on]) {
            heard.extend(receiver.receive(packet, Duration::ZERO).into_iter().map(Digit::char));
        }
        heard
    };
    assert_eq!((heard(1), heard(2)), (vec!['3', '3'], vec!['3', '3']));
}

#[test]
fn what_is_behind_a_report_counts_only_as_an_event_that_touches_it() {
    for (name, payload, expected) in [
        ("two events that touch", "01 8a 0320  02 8a 0320", "12"),
        ("the same key twice", "01 8a 0320  01 8a 0320", "11"),
        ("a pause event between keys", "01 8a 0320  10 8a 0320  02 8a 0320", "12"),
        ("five, one more than is read", "01 8a 0320  02 8a 0320  03 8a 0320  04 8a 0320  05 8a 0320", "1234"),
        ("the first goes on, so nothing touches it", "01 0a 0320  02 8a 0320", "1"),
        ("filled up with zeroes", "01 8a 0320  00 00 0000  00 00 0000", "1"),
        ("a byte too many", "01 8a 0320  02 8a 0320  00", "1"),
        ("three bytes", "01 8a 03", ""),
        ("nothing", "", ""),
    ] {
        let digits: String = payload.split_whitespace().collect();
        let bytes: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
            .collect();
        let mut receiver = Receiver::new(EVENTS);
        let header = header(1, 0, true);
        let mut hear = |header| {
            let pressed = receiver.receive(&Packet { header, payload: &bytes }, Duration::ZERO);
            pressed.into_iter().map(Digit::char).collect::<String>()
        };
        assert_eq!(hear(header), expected, "{name}");
        assert_eq!(hear(Header { sequence: 2, marker: false, ..header }), "", "{name}, sent again");
    }
}

#[test]
fn a_press_is_sent_as_the_rfc_draws_it() {
    let sent = |length_ms: u64| -> Vec<String> {
        let press = Sender::new(8000, FRAME).press(Digit::from_char('#').unwrap(), ms(length_ms), 1000);
        assert_eq!(press.len(), press.clone().count());
        press
            .map(|p| {
                let [event, flags, d0, d1] = p.payload;
                let marker = if p.marker { " m" } else { "" };
                format!("@{} {event}:{} {flags:02x}{marker}", p.timestamp, u16::from_be_bytes([d0, d1]))
            })
            .collect()
    };
    let ends = |line: &'static str| [line; 3];
    assert_eq!(sent(20), ["@1000 11:160 8a m", "@1000 11:160 8a", "@1000 11:160 8a"]);
    assert_eq!(sent(0)[0], "@1000 11:1 8a m");
    assert_eq!(sent(50)[..2], ["@1000 11:160 0a m", "@1000 11:320 0a"]);
    assert_eq!(sent(50)[2..], ends("@1000 11:400 8a"));
    let long = sent(10_000);
    assert_eq!(long[408..411], ["@1000 11:65440 0a", "@66535 11:65 0a", "@66535 11:225 0a"]);
    assert_eq!(long[499..], ends("@66535 11:14465 8a"));
    let mut full = Sender::new(65_535, ms(1000)).press(Digit::ALL[1], ms(2000), 0);
    let all = full.len();
    let first = full.next().unwrap();
    assert_eq!(full.len(), all - 1);
    assert_eq!((first.timestamp, first.payload), (0, [1, 0x0a, 0xff, 0xff]), "a full segment");
    assert_eq!(full.next().unwrap().timestamp, 65_535);
    assert_eq!(sent(3_600_000).len(), 3002, "cut at {PRESS_MAX:?}");
}

proptest! {
    #[test]
    fn each_press_of_a_correct_sender_is_heard_once_if_any_packet_survives(
        presses in proptest::collection::vec(Press::any(20..=300), 1..12),
        frame in prop_oneof![Just(10_u64), Just(20), Just(30), Just(60)],
        clock_hz in prop_oneof![Just(8000_u32), Just(48_000)],
        (sequence, timestamp) in any::<(u16, u32)>(),
        loss in 0..=95_u8,
        network in proptest::collection::vec(Fate::any(), 1500),
    ) {
        let stream = Stream { sender: Sender::new(clock_hz, ms(frame)), clock_hz, frame };
        let arrivals = stream.send(&presses, sequence, timestamp).through(&network, loss);
        assert_each_heard_at_first_sight(&arrivals)?;
    }

    #[test]
    fn a_press_of_many_segments_is_heard_once(
        press in Press::any(8_000..=60_000),
        (sequence, timestamp) in any::<(u16, u32)>(),
        loss in 0..=99_u8,
        network in proptest::collection::vec(Fate::any(), 3100),
    ) {
        let stream = Stream { sender: Sender::new(8000, FRAME), clock_hz: 8000, frame: 20 };
        let arrivals = stream.send(&[press], sequence, timestamp).through(&network, loss);
        assert_each_heard_at_first_sight(&arrivals)?;
    }

    #[test]
    fn no_packets_make_the_receiver_panic(
        packets in proptest::collection::vec(
            (any::<(u16, u32, bool)>(), 0..3_u32, proptest::collection::vec(any::<u8>(), 0..24), any::<u32>()),
            0..60,
        ),
    ) {
        let mut receiver = Receiver::new(EVENTS);
        for ((sequence, timestamp, marker), ssrc, payload, at) in packets {
            let header = Header { ssrc, ..header(sequence, timestamp, marker) };
            let pressed = receiver.receive(&Packet { header, payload: &payload }, ms(at.into()));
            prop_assert!(pressed.into_iter().count() <= payload.len() / 4);
        }
    }
}

/// One key as the generated caller presses it.
#[derive(Debug, Clone)]
struct Press {
    digit: Digit,
    length_ms: u64,
    /// Packet times until the next press, with audio in them or nothing at all.
    pause: u32,
    audio: bool,
}

impl Press {
    /// Only three keys, so that the same one often comes twice.
    fn any(length_ms: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = Self> {
        (0..3_u8, length_ms, 0..20_u32, any::<bool>()).prop_map(|(code, length_ms, pause, audio)| Self {
            digit: Digit::from_event(code).unwrap(),
            length_ms,
            pause,
            audio,
        })
    }
}

/// What the network does to a packet.
#[derive(Debug, Clone)]
struct Fate {
    lot: u8,
    copied: bool,
    delay_ms: u64,
}

impl Fate {
    fn any() -> impl Strategy<Value = Self> {
        (0..100_u8, proptest::bool::weighted(0.1), prop_oneof![3 => Just(0_u64), 1 => 0..200_u64])
            .prop_map(|(lot, copied, delay_ms)| Self { lot, copied, delay_ms })
    }
}

struct Stream {
    sender: Sender,
    clock_hz: u32,
    frame: u64,
}

#[derive(Debug, Clone)]
struct Arrival {
    at_ms: u64,
    header: Header,
    payload: Vec<u8>,
    /// Which press it belongs to.
    press: usize,
}

struct Sent(Vec<Arrival>);

impl Stream {
    fn send(&self, presses: &[Press], mut sequence: u16, mut timestamp: u32) -> Sent {
        let slot_ticks = u32::try_from(self.frame).unwrap() * self.clock_hz / 1000;
        let mut slot = 0;
        let mut sent = Vec::new();
        for (press, pressed) in presses.iter().enumerate() {
            let packets = self.sender.press(pressed.digit, ms(pressed.length_ms), timestamp);
            let slots = u32::try_from(packets.len()).unwrap() + pressed.pause;
            for packet in packets {
                let header = header(sequence, packet.timestamp, packet.marker);
                sent.push(Arrival {
                    at_ms: slot * self.frame,
                    header,
                    payload: packet.payload.to_vec(),
                    press,
                });
                sequence = sequence.wrapping_add(1);
                slot += 1;
            }
            slot += u64::from(pressed.pause);
            timestamp = timestamp.wrapping_add(slots * slot_ticks);
            if pressed.audio {
                sequence = sequence.wrapping_add(u16::try_from(pressed.pause).unwrap());
            }
        }
        Sent(sent)
    }
}

impl Sent {
    fn through(self, network: &[Fate], loss: u8) -> Vec<Arrival> {
        let mut arrivals = Vec::new();
        for (packet, fate) in self.0.into_iter().zip(network.iter().cycle()) {
            if fate.lot >= loss {
                let arrival = Arrival { at_ms: packet.at_ms + fate.delay_ms, ..packet };
                if fate.copied {
                    arrivals.push(Arrival { at_ms: arrival.at_ms + fate.delay_ms / 2, ..arrival.clone() });
                }
                arrivals.push(arrival);
            }
        }
        arrivals.sort_by_key(|arrival| arrival.at_ms);
        arrivals
    }
}

fn assert_each_heard_at_first_sight(arrivals: &[Arrival]) -> Result<(), TestCaseError> {
    let mut receiver = Receiver::new(EVENTS);
    let mut seen = std::collections::BTreeSet::new();
    for arrival in arrivals {
        let heard = arrival.hear(&mut receiver);
        let expected = Digit::from_event(arrival.payload[0]).filter(|_| seen.insert(arrival.press));
        prop_assert_eq!(heard, expected.map(|d| d.to_string()).unwrap_or_default(), "at {:?}", arrival);
    }
    Ok(())
}

impl Arrival {
    fn read(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let mut word = |prefix: &str| words.next().unwrap().strip_prefix(prefix).unwrap().to_owned();
        let (at_ms, sequence, timestamp, report) = (word(""), word("#"), word("@"), word(""));
        let flags: Vec<&str> = words.collect();
        let (key, duration) = report.split_once(':').unwrap();
        let event = Digit::from_char(key.parse().unwrap()).unwrap().event();
        let [d0, d1] = duration.parse::<u16>().unwrap().to_be_bytes();
        let mut header = header(sequence.parse().unwrap(), timestamp.parse().unwrap(), flags.contains(&"m"));
        if let Some(ssrc) = flags.iter().find_map(|flag| flag.strip_prefix('~')) {
            header.ssrc = ssrc.parse().unwrap();
        }
        let end = if flags.contains(&"e") { 0x8a } else { 0x0a };
        Self { at_ms: at_ms.parse().unwrap(), header, payload: vec![event, end, d0, d1], press: 0 }
    }

    fn hear(&self, receiver: &mut Receiver) -> String {
        let packet = Packet { header: self.header, payload: &self.payload };
        receiver.receive(&packet, ms(self.at_ms)).into_iter().map(Digit::char).collect()
    }
}

fn press(key: char, length_ms: u64) -> Vec<Arrival> {
    let digit = Digit::from_char(key).unwrap();
    let stream = Stream { sender: Sender::new(8000, FRAME), clock_hz: 8000, frame: 20 };
    stream.send(&[Press { digit, length_ms, pause: 0, audio: true }], 0, 0).0
}

fn header(sequence: u16, timestamp: u32, marker: bool) -> Header {
    Header { payload_type: EVENTS, marker, sequence, timestamp, ssrc: 1 }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
