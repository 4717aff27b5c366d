use std::time::Duration;

use aftercall_wire::Digit;
use aftercall_wire::rtp::{Header, Packet, PayloadType};
use aftercall_wire::telephone_event::{Receiver, Sender};

use super::input::Input;

const EVENTS: PayloadType = PayloadType::new(101).unwrap();
const FRAME_MS: u64 = 20;

/// Keys as RTP packets. With an even first byte: whatever packets come, copies of them change nothing. With an odd one:
/// our own presses, whatever the network loses and doubles, are each heard once if one of its packets arrives.
pub fn telephone_event(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    if input.byte().is_multiple_of(2) {
        copies_change_nothing(&mut input)
    } else {
        presses_arrive(&mut input)
    }
}

fn copies_change_nothing(input: &mut Input<'_>) {
    let (mut once, mut twice) = (Receiver::new(EVENTS), Receiver::new(EVENTS));
    let (mut sequence, mut timestamp, mut at) = (0_u16, 0_u32, Duration::ZERO);
    while !input.is_empty() {
        let [flags, moved, later] = [input.byte(), input.byte(), input.byte()];
        // Steps are small as a rule, and sometimes any.
        sequence = match flags & 0b11 {
            0 => u16::from_be_bytes([input.byte(), input.byte()]),
            _ => sequence.wrapping_add_signed(i16::from(moved.cast_signed() >> 3)),
        };
        timestamp = match flags >> 2 & 0b11 {
            0 => timestamp.wrapping_add(u32::from_be_bytes([0, input.byte(), input.byte(), input.byte()])),
            1 => timestamp.wrapping_add(65_535),
            2 => timestamp,
            _ => timestamp.wrapping_add(u32::from(moved) * 160),
        };
        at += Duration::from_millis(u64::from(later) * if flags & 0b1_0000 == 0 { 1 } else { 100 });
        let header = Header {
            payload_type: EVENTS,
            marker: flags & 0b10_0000 != 0,
            sequence,
            timestamp,
            ssrc: u32::from(flags >> 6),
        };
        let payload = input.bytes(usize::from(moved % 5) * 4 + usize::from(moved / 250));
        let packet = Packet { header, payload };
        let heard: Vec<Digit> = once.receive(&packet, at).into_iter().collect();
        assert!(heard.len() <= payload.len() / 4, "a digit has a report");
        assert!(heard.iter().all(|digit| payload.chunks(4).any(|report| report[0] == digit.event())));
        assert_eq!(heard, twice.receive(&packet, at).into_iter().collect::<Vec<_>>(), "{packet:?}");
        // Of several reports in one packet some may be filling, which a sender that packs none may mean otherwise.
        if payload.len() == 4 {
            assert_eq!(twice.receive(&packet, at).into_iter().count(), 0, "a copy is no press: {packet:?}");
        }
    }
}

fn presses_arrive(input: &mut Input<'_>) {
    let sender = Sender::new(8000, Duration::from_millis(FRAME_MS));
    let mut receiver = Receiver::new(EVENTS);
    let (mut sequence, mut frame) = (u16::from(input.byte()) << 8, u64::from(input.byte()) << 16);
    while !input.is_empty() {
        let [key, length, pause, lost, doubled] = [(); 5].map(|()| input.byte());
        let digit = Digit::ALL[usize::from(key % 16)];
        let timestamp = u32::try_from(frame * 160 % (1 << 32)).unwrap_or_default();
        let press = sender.press(digit, Duration::from_millis(20 + u64::from(length) * 4), timestamp);
        let packets = press.len();
        let mut heard = Vec::new();
        for (number, event) in press.enumerate() {
            let header = Header {
                payload_type: EVENTS,
                marker: event.marker,
                sequence,
                timestamp: event.timestamp,
                ssrc: 7,
            };
            let packet = Packet { header, payload: &event.payload };
            let at = Duration::from_millis(frame * FRAME_MS);
            let arrives = lost >> (number % 8) & 1 == 0 || number + 1 == packets;
            let times = usize::from(arrives) * (1 + usize::from(doubled >> (number % 8) & 1));
            for _ in 0..times {
                heard.extend(receiver.receive(&packet, at));
            }
            sequence = sequence.wrapping_add(1);
            frame += 1;
        }
        assert_eq!(heard, [digit], "one press, one key");
        // Audio goes on for 40 ms or more: nobody strikes faster.
        let between = 2 + u64::from(pause);
        sequence = sequence.wrapping_add(u16::try_from(between).unwrap_or_default());
        frame += between;
    }
}
