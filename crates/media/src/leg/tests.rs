//! A leg's life, without sockets: datagrams and milliseconds in, packets and events out.

use aftercall_wire::Digit;
use aftercall_wire::g711::Law;
use aftercall_wire::rtp::{Header, PayloadType};
use aftercall_wire::telephone_event::Sender;
use proptest::prelude::*;

use super::*;
use crate::agreed::Ptime;
use aftercall_wire::sdp::{Direction, Rtcp};

const EVENTS: PayloadType = PayloadType::new(101).unwrap();

fn agreed(codec: Codec) -> Agreed {
    Agreed {
        codec,
        audio: codec.payload_type(),
        heard: codec.payload_type(),
        events: Some(EVENTS),
        ptime: Ptime::USUAL,
        remote: Some(peer()),
        direction: Direction::SendRecv,
        rtcp: Rtcp::Above,
    }
}

fn peer() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 9], 9))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A leg and the milliseconds that have passed.
struct Scene {
    leg: Leg,
    now: u64,
    out: [u8; PACKET_MAX],
    /// The peer's next packet.
    sequence: u16,
}

impl Scene {
    fn new(agreed: Agreed) -> Self {
        let beginning = Beginning { ssrc: 7, sequence: 100, timestamp: 5000 };
        let pauses = Pauses::new(Duration::from_secs(5), Duration::from_secs(4));
        let leg = Leg::new(agreed, pauses, beginning, Tick(0), ms(0));
        Self { leg, now: 0, out: [0; PACKET_MAX], sequence: 1 }
    }

    fn datagram(&mut self, payload_type: PayloadType, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header { payload_type, marker: false, sequence: self.sequence, timestamp, ssrc: 3 };
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = [0; HEADER_BYTES];
        header.write(&mut bytes);
        [&bytes[..], payload].concat()
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.leg.hear(Some(bytes), peer(), ms(self.now));
    }

    fn hear_audio(&mut self, sample: i16) {
        let (payload_type, codec) = (self.leg.agreed.audio, self.leg.agreed.codec);
        let bytes =
            self.datagram(payload_type, 8 * self.now as u32, &[codec.law().unwrap().encode(sample); 160]);
        self.hear(&bytes);
    }

    /// One visit: what is sent, if anything. Twenty milliseconds pass.
    fn visit(&mut self) -> Option<Vec<u8>> {
        self.leg.watch(ms(self.now));
        let length = self.leg.speak(Tick(self.now), ms(self.now), &mut self.out);
        self.now += 20;
        length.map(|Spoken { length, .. }| {
            self.leg.sent(length, true);
            self.out[..length].to_vec()
        })
    }

    fn payload(&mut self) -> Option<u8> {
        let packet = self.visit()?;
        let payload = Packet::parse(&packet).unwrap().payload;
        assert!(payload.iter().all(|byte| *byte == payload[0]));
        Some(payload[0])
    }

    fn events(&mut self) -> Vec<Happened> {
        std::iter::from_fn(|| self.leg.next_event()).collect()
    }

    fn keys(&mut self) -> String {
        let key = |event| if let Happened::Key { digit, .. } = event { Some(digit.char()) } else { None };
        self.events().into_iter().filter_map(key).collect()
    }

    fn stats(&mut self) -> Stats {
        self.leg.close(ms(self.now));
        match self.events().pop() {
            Some(Happened::Closed { stats, .. }) => *stats,
            other => panic!("the last event is {other:?}"),
        }
    }
}

fn clip(sample: i16, tens: usize) -> Arc<Clip> {
    Arc::new(Clip::from_samples(&vec![sample; 80 * tens]))
}

fn beep() -> Arc<Clip> {
    clip(9000, 4)
}

#[test]
fn the_first_packet_is_told_once_with_its_time() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    scene.visit();
    scene.hear_audio(0);
    scene.hear_audio(0);
    assert_eq!(scene.events(), [Happened::FirstPacket { at: ms(20) }]);
}

#[test]
fn a_key_is_told_at_its_first_packet_and_once() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    let digit = Digit::from_char('4').unwrap();
    for event in Sender::new(8000, ms(20)).press(digit, ms(100), 777) {
        let bytes = scene.datagram(EVENTS, event.timestamp, &event.payload);
        scene.hear(&bytes);
        scene.visit();
    }
    let told = [
        Happened::FirstPacket { at: ms(0) },
        Happened::Key { digit, by: KeyBy::Event, at: ms(0), cut: None },
    ];
    assert_eq!(scene.events(), told);
    assert_eq!(scene.stats().keys, 1);
}

#[test]
fn a_key_cuts_only_what_it_may_and_says_so() {
    let digit = Digit::from_char('4').unwrap();
    for (on_key, cut) in [(OnKey::Cut, Some(PlayId(5))), (OnKey::PlayOn, None)] {
        let mut scene = Scene::new(agreed(Codec::Pcmu));
        scene.leg.play(PlayId(5), vec![clip(1000, 6)], on_key, ms(0));
        assert_eq!(scene.payload(), Some(Law::Mu.encode(1000)));
        for event in Sender::new(8000, ms(20)).press(digit, ms(40), 777) {
            let bytes = scene.datagram(EVENTS, event.timestamp, &event.payload);
            scene.hear(&bytes);
        }
        let next = if cut.is_some() { 0 } else { 1000 };
        assert_eq!(scene.payload(), Some(Law::Mu.encode(next)), "the packet after the key");
        assert_eq!(scene.events()[1..2], [Happened::Key { digit, by: KeyBy::Event, at: ms(20), cut }]);
        scene.visit();
        let end = if cut.is_some() { vec![] } else { vec![Happened::Played { play: PlayId(5) }] };
        assert_eq!(scene.events(), end);
    }
}

#[test]
fn a_key_that_nobody_can_be_told_of_cuts_nothing() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    scene.leg.play(PlayId(5), vec![clip(1000, 4)], OnKey::PlayOn, ms(0));
    let press = |scene: &mut Scene, at: u32| {
        let digit = Digit::from_char('4').unwrap();
        for event in Sender::new(8000, ms(20)).press(digit, ms(40), at) {
            let bytes = scene.datagram(EVENTS, event.timestamp, &event.payload);
            scene.hear(&bytes);
        }
    };
    for number in 0..KEYS_WAITING_MAX as u32 {
        press(&mut scene, 1000 * number);
    }
    scene.leg.play(PlayId(6), vec![clip(1000, 4)], OnKey::Cut, ms(0));
    press(&mut scene, 1_000_000);
    assert_eq!(scene.payload(), Some(Law::Mu.encode(1000)));
}

#[test]
fn reference_captures_give_their_keys_through_a_leg_too() {
    for (name, number, expected) in [
        ("basic_all16", 101, "0123456789*#ABCD"),
        ("every_packet_duplicated", 101, "48"),
        ("pairwise_swapped", 101, "48"),
        ("seq_and_ts_wrap", 101, "369"),
        ("pt_127", 127, "15"),
        ("only_first_packet_arrives", 101, "159"),
        ("lost_all_ends_stream_stops", 101, "5"),
        ("digits_share_one_ts", 101, "*01"),
        ("ssrc_change_same_ts", 101, "11"),
        ("wrong_payload_type", 101, "12"),
        ("malformed", 101, "6"),
    ] {
        let path = format!("{}/../wire/tests/vectors/dtmf/rtp/{name}.pcap", env!("CARGO_MANIFEST_DIR"));
        let capture = std::fs::read(&path).unwrap_or_else(|fault| panic!("{path}: {fault}"));
        let mut scene = Scene::new(Agreed { events: PayloadType::new(number), ..agreed(Codec::Pcmu) });
        let mut rest = &capture[24..];
        while let Some((record, after)) = rest.split_at_checked(16) {
            let word = |at: usize| u32::from_le_bytes(record[at..at + 4].try_into().unwrap());
            let (frame, after) = after.split_at(word(8) as usize);
            let at = Duration::new(word(0).into(), word(4) * 1000);
            scene.leg.hear(Some(&frame[42..]), peer(), at);
            rest = after;
        }
        assert_eq!(scene.keys(), expected, "{name}");
    }
}

#[test]
fn a_prompt_is_played_and_told_and_then_silence_goes_on() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    scene.leg.play(PlayId(5), vec![clip(1000, 2), clip(2000, 2)], OnKey::PlayOn, ms(0));
    let mu = |sample| Some(Law::Mu.encode(sample));
    assert_eq!(scene.payload(), mu(1000));
    assert_eq!(scene.events(), []);
    assert_eq!(scene.payload(), mu(2000));
    assert_eq!(scene.events(), [Happened::Played { play: PlayId(5) }]);
    assert_eq!(scene.payload(), mu(0));
}

#[test]
fn a_prompt_of_nothing_is_played_at_once() {
    for clips in [vec![], vec![clip(0, 0)]] {
        let mut scene = Scene::new(agreed(Codec::Pcmu));
        scene.leg.play(PlayId(6), clips, OnKey::PlayOn, ms(0));
        assert_eq!(scene.events(), [Happened::Played { play: PlayId(6) }]);
    }
}

#[test]
fn what_is_stopped_or_replaced_is_not_told_as_played() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    scene.leg.play(PlayId(1), vec![clip(1000, 4)], OnKey::PlayOn, ms(0));
    scene.visit();
    scene.leg.play(PlayId(2), vec![clip(2000, 4)], OnKey::PlayOn, ms(20));
    scene.visit();
    scene.leg.stop(ms(40));
    for _ in 0..5 {
        scene.visit();
    }
    assert_eq!(scene.events(), []);
}

#[test]
fn on_hold_nothing_is_sent_and_the_prompt_goes_on_where_it_was() {
    for held in [Direction::RecvOnly, Direction::Inactive] {
        let mut scene = Scene::new(agreed(Codec::Pcmu));
        scene.leg.play(PlayId(1), vec![clip(1000, 2), clip(2000, 2)], OnKey::PlayOn, ms(0));
        assert_eq!(scene.payload(), Some(Law::Mu.encode(1000)));
        scene.leg.update(Agreed { direction: held, ..agreed(Codec::Pcmu) }, ms(20));
        for _ in 0..100 {
            assert_eq!(scene.visit(), None, "{held:?}");
        }
        scene.leg.update(agreed(Codec::Pcmu), ms(scene.now));
        let resumed = scene.visit().unwrap();
        let packet = Packet::parse(&resumed).unwrap();
        assert_eq!((packet.header.marker, packet.payload[0]), (true, Law::Mu.encode(2000)));
        assert_eq!((packet.header.sequence, packet.header.timestamp), (101, 5000 + 2020 * 8));
    }
}

#[test]
fn nothing_is_sent_until_it_is_known_where_to() {
    let mut scene = Scene::new(Agreed { remote: None, ..agreed(Codec::Pcmu) });
    assert_eq!(scene.visit(), None);
    scene.leg.update(agreed(Codec::Pcmu), ms(20));
    assert!(scene.visit().is_some());
    let mut scene = Scene::new(Agreed { remote: None, ..agreed(Codec::Pcmu) });
    scene.hear_audio(0);
    assert!(scene.visit().is_some());
    assert_eq!(scene.leg.destination(), Some(peer()));
}

#[test]
fn an_address_that_names_nobody_is_not_sent_to_and_does_not_replace_the_one_known() {
    for nobody in ["0.0.0.0:4000", "[::]:4000", "[::ffff:0.0.0.0]:4000", "192.0.2.1:0"] {
        let held = Agreed { remote: nobody.parse().ok(), ..agreed(Codec::Pcmu) };
        assert_eq!(Scene::new(held).visit(), None, "{nobody}");
        let mut scene = Scene::new(agreed(Codec::Pcmu));
        scene.leg.update(held, ms(0));
        assert_eq!(scene.leg.destination(), Some(peer()), "{nobody}");
    }
}

#[test]
fn a_new_agreement_changes_codec_packet_time_and_key_number_within_a_prompt() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    scene.leg.play(PlayId(1), vec![clip(1000, 60)], OnKey::PlayOn, ms(0));
    assert_eq!(scene.payload(), Some(Law::Mu.encode(1000)));
    let events = PayloadType::new(96);
    scene.leg.update(Agreed { events, ptime: Ptime::nearest(40), ..agreed(Codec::Pcma) }, ms(20));
    let packet = scene.visit().unwrap();
    let packet = Packet::parse(&packet).unwrap();
    assert_eq!(packet.header.payload_type, PayloadType::PCMA);
    assert_eq!(packet.payload, [Law::A.encode(1000); 320]);
    assert_eq!(packet.header.timestamp, 5000 + 160);
    for (number, expected) in [(101, ""), (96, "1")] {
        let bytes = scene.datagram(PayloadType::new(number).unwrap(), 9, &[1, 10, 0, 160]);
        scene.hear(&bytes);
        assert_eq!(scene.keys(), expected);
    }
}

#[test]
fn packet_times_that_do_not_divide_the_turn_and_relayed_legs_are_visited_twice_a_turn() {
    for (wish, step) in [(10, Step::Ten), (20, Step::Twenty), (30, Step::Ten), (40, Step::Twenty)] {
        let mut scene = Scene::new(Agreed { ptime: Ptime::nearest(wish), ..agreed(Codec::Pcmu) });
        assert_eq!(scene.leg.step(), step, "{wish}");
        scene.leg.join(LegId(9));
        assert_eq!(scene.leg.step(), Step::Ten);
        scene.leg.part();
        assert_eq!(scene.leg.step(), step);
    }
}

#[test]
fn the_peers_silence_is_told_once_until_it_speaks_again() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    let silences = |scene: &mut Scene, visits: u32| {
        (0..visits).for_each(|_| drop(scene.visit()));
        scene.events().iter().filter(|event| **event == Happened::RtpSilence).count()
    };
    assert_eq!(silences(&mut scene, 250), 0, "not before five seconds");
    assert_eq!(silences(&mut scene, 1000), 1);
    scene.hear_audio(0);
    assert_eq!(silences(&mut scene, 250), 0);
    assert_eq!(silences(&mut scene, 10), 1);
}

#[test]
fn a_new_agreement_does_not_make_a_silent_peer_alive() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    (0..250).for_each(|_| drop(scene.visit()));
    scene.leg.update(agreed(Codec::Pcma), ms(scene.now));
    scene.visit();
    assert_eq!(scene.events(), [Happened::RtpSilence]);
}

#[test]
fn a_peer_who_may_not_send_is_not_missed_and_then_has_the_whole_time() {
    for quiet in [Direction::SendOnly, Direction::Inactive] {
        let mut scene = Scene::new(Agreed { direction: quiet, ..agreed(Codec::Pcmu) });
        (0..1000).for_each(|_| drop(scene.visit()));
        assert_eq!(scene.events(), []);
        scene.leg.update(agreed(Codec::Pcmu), ms(scene.now));
        (0..250).for_each(|_| drop(scene.visit()));
        assert_eq!(scene.events(), []);
        scene.visit();
        assert_eq!(scene.events(), [Happened::RtpSilence]);
    }
}

#[test]
fn comfort_noise_and_unknown_payloads_of_the_peer_are_signs_of_life() {
    for number in [13, 18] {
        let mut scene = Scene::new(agreed(Codec::Pcmu));
        scene.hear_audio(0);
        scene.now = 4900;
        let bytes = scene.datagram(PayloadType::new(number).unwrap(), 0, &[0; 20]);
        scene.hear(&bytes);
        scene.now = 5200;
        scene.visit();
        assert_eq!(scene.events(), [Happened::FirstPacket { at: ms(0) }], "{number}");
    }
}

#[test]
fn what_is_not_the_peers_audio_is_counted_and_does_nothing() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    let unknown = scene.datagram(PayloadType::new(18).unwrap(), 0, &[0; 20]);
    scene.hear(&unknown);
    assert_eq!(scene.events(), [], "an unknown payload type latches nobody");
    scene.hear_audio(0);
    scene.hear(&unknown);
    for garbage in
        [&b""[..], b"\x80", b"OPTIONS sip:a SIP/2.0", &[0; 172], &[0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]]
    {
        scene.hear(garbage);
    }
    scene.leg.hear(None, peer(), ms(0));
    let key = scene.datagram(EVENTS, 0, &[1, 10, 0, 160]);
    scene.leg.hear(Some(&key), stranger(), ms(0));
    let stats = scene.stats();
    assert_eq!((stats.malformed, stats.strangers, stats.unknown_payloads, stats.keys), (6, 2, 1, 0));
    assert_eq!(stats.arrived.packets, 2);
}

#[test]
fn the_counters_tell_how_the_call_went() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    for number in 0..20 {
        match number {
            5 | 6 => scene.sequence += 1,
            _ => scene.hear_audio(0),
        }
        scene.visit();
    }
    scene.leg.sent(172, false);
    let stats = scene.stats();
    assert_eq!((stats.sent_packets, stats.sent_octets, stats.send_faults), (20, 3200, 1));
    let arrived = stats.arrived;
    assert_eq!((arrived.packets, arrived.octets, arrived.lost, arrived.jitter), (18, 2880, 2, ms(0)));
}

const ORDER: RecordOrder =
    RecordOrder { beep: true, longest: ms_const(60_000), silence_after: ms_const(1000) };

const fn ms_const(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn recording(events: Vec<Happened>) -> Option<crate::record::Recording> {
    let recorded = |event| if let Happened::Recorded { recording } = event { Some(recording) } else { None };
    events.into_iter().find_map(recorded)
}

#[test]
fn a_recording_begins_after_the_beep_and_ends_with_the_callers_pause() {
    let mut scene = Scene::new(agreed(Codec::Pcma));
    scene.leg.record(ORDER, &beep(), ms(0));
    for number in 0..100 {
        scene.hear_audio(if number < 22 { 8000 } else { 0 });
        scene.visit();
    }
    let recording = recording(scene.events()).unwrap();
    assert_eq!(
        (recording.end, recording.voiced),
        (RecordEnd::Silence, ms(400)),
        "the 40 ms of beep are left out"
    );
    assert_eq!(recording.samples.len(), 8 * (400 + 200));
    assert!(recording.samples[..3200].iter().all(|sample| (7800..8200).contains(sample)));
}

#[test]
fn without_a_beep_or_with_a_cut_one_it_begins_at_once() {
    type Begin = fn(&mut Leg);
    let begins: [Begin; 3] = [
        |leg| leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(0)),
        |leg| {
            leg.record(ORDER, &beep(), ms(0));
            leg.stop(ms(0));
        },
        |leg| {
            leg.record(ORDER, &beep(), ms(0));
            leg.play(PlayId(1), vec![clip(0, 500)], OnKey::PlayOn, ms(0));
        },
    ];
    for (which, begin) in begins.iter().enumerate() {
        let mut scene = Scene::new(agreed(Codec::Pcma));
        begin(&mut scene.leg);
        for _ in 0..10 {
            scene.hear_audio(8000);
            scene.visit();
        }
        scene.leg.stop_recording(RecordEnd::Stopped, ms(200));
        let recording = recording(scene.events()).unwrap();
        assert_eq!((recording.samples.len(), recording.end), (1600, RecordEnd::Stopped), "{which}");
    }
}

#[test]
fn a_hang_up_keeps_what_was_said_and_is_told_last() {
    let mut scene = Scene::new(agreed(Codec::Pcma));
    scene.leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(0));
    scene.hear_audio(8000);
    scene.leg.close(ms(20));
    let mut events = scene.events();
    assert!(matches!(events.pop(), Some(Happened::Closed { .. })));
    let recording = recording(events).unwrap();
    assert_eq!((recording.samples.len(), recording.end), (160, RecordEnd::Closed));
}

#[test]
fn a_recording_stopped_during_its_beep_is_empty_and_one_that_is_not_there_is_nothing() {
    let mut scene = Scene::new(agreed(Codec::Pcma));
    scene.leg.stop_recording(RecordEnd::Stopped, ms(0));
    assert_eq!(scene.events(), []);
    scene.leg.record(ORDER, &beep(), ms(0));
    scene.leg.stop_recording(RecordEnd::Stopped, ms(0));
    assert_eq!(recording(scene.events()).unwrap().samples, []);
    assert_eq!(scene.payload(), Some(Law::A.silence()), "the beep is stopped too");
}

#[test]
fn a_second_recording_ends_the_first() {
    let mut scene = Scene::new(agreed(Codec::Pcma));
    scene.leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(0));
    scene.hear_audio(8000);
    scene.leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(10));
    assert_eq!(recording(scene.events()).unwrap().samples.len(), 160);
    scene.leg.stop_recording(RecordEnd::Stopped, ms(20));
    assert_eq!(recording(scene.events()).unwrap().samples.len(), 0);
}

/// Two legs, relayed: what the second sends for what the first hears.
fn overhear(a: &mut Scene, b: &mut Scene, bytes: &[u8]) -> Option<Vec<u8>> {
    let heard = a.leg.hear(Some(bytes), peer(), ms(a.now))?;
    let length = b.leg.relay(&heard, Tick(b.now), &mut b.out)?;
    Some(b.out[..length].to_vec())
}

fn relayed(a: Agreed, b: Agreed) -> [Scene; 2] {
    let (mut a, mut b) = (Scene::new(a), Scene::new(b));
    a.leg.join(LegId(2));
    b.leg.join(LegId(1));
    [a, b]
}

#[test]
fn relayed_audio_arrives_in_the_codec_and_stream_of_the_other_leg() {
    for (from, to) in [(Codec::Pcmu, Codec::Pcmu), (Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
        let [mut a, mut b] = relayed(agreed(from), agreed(to));
        assert_eq!(b.visit(), None, "a relayed leg sends nothing of its own");
        let bytes = a.datagram(a.leg.agreed.audio, 70, &[from.law().unwrap().encode(5000); 160]);
        let sent = overhear(&mut a, &mut b, &bytes).unwrap();
        let packet = Packet::parse(&sent).unwrap();
        assert_eq!(packet.header.payload_type, b.leg.agreed.audio);
        assert_eq!((packet.header.ssrc, packet.header.sequence), (7, 100));
        assert_eq!(packet.payload.len(), 160);
        assert!((to.law().unwrap().decode(packet.payload[0]) - 5000).abs() < 300);
        let began = packet.header;
        a.sequence += 1;
        b.now += 45;
        let bytes = a.datagram(a.leg.agreed.audio, 70 + 320, &[from.law().unwrap().encode(5000); 160]);
        let sent = overhear(&mut a, &mut b, &bytes).unwrap();
        let next = Packet::parse(&sent).unwrap().header;
        assert_eq!((began.marker, next.marker), (true, false));
        assert_eq!((next.sequence, next.timestamp), (102, began.timestamp + 320), "its gap is a gap");
    }
}

#[test]
fn relayed_keys_are_told_and_sent_on_with_the_number_of_the_other_leg_or_not_at_all() {
    for (number, expected) in [(PayloadType::new(96), true), (None, false)] {
        let [mut a, mut b] = relayed(agreed(Codec::Pcmu), Agreed { events: number, ..agreed(Codec::Pcma) });
        let bytes = a.datagram(EVENTS, 70, &[5, 10, 0, 160]);
        let sent = overhear(&mut a, &mut b, &bytes);
        assert_eq!(a.keys(), "5");
        let seen = sent.as_deref().map(|sent| Packet::parse(sent).unwrap());
        assert_eq!(seen.map(|packet| packet.header.payload_type), number);
        assert_eq!(seen.is_some_and(|packet| packet.payload == [5, 10, 0, 160]), expected);
    }
}

#[test]
fn a_prompt_goes_before_what_is_relayed_which_then_goes_on() {
    let [mut a, mut b] = relayed(agreed(Codec::Pcmu), agreed(Codec::Pcmu));
    b.leg.play(PlayId(1), vec![clip(1000, 2)], OnKey::PlayOn, ms(0));
    let first = a.datagram(PayloadType::PCMU, 0, &[1; 160]);
    assert_eq!(overhear(&mut a, &mut b, &first), None);
    assert_eq!(b.payload(), Some(Law::Mu.encode(1000)));
    let next = a.datagram(PayloadType::PCMU, 160, &[2; 160]);
    let sent = overhear(&mut a, &mut b, &next).unwrap();
    let packet = Packet::parse(&sent).unwrap();
    assert_eq!((packet.payload[0], packet.header.sequence, packet.header.marker), (2, 101, true));
    assert_eq!(b.visit(), None);
}

#[test]
fn duplicates_strays_and_packets_for_a_held_leg_are_not_relayed() {
    let [mut a, mut b] = relayed(agreed(Codec::Pcmu), agreed(Codec::Pcmu));
    let first = a.datagram(PayloadType::PCMU, 0, &[1; 160]);
    assert!(overhear(&mut a, &mut b, &first).is_some());
    assert_eq!(overhear(&mut a, &mut b, &first), None);
    a.sequence = 30_000;
    let stray = a.datagram(PayloadType::PCMU, 0, &[1; 160]);
    assert_eq!(overhear(&mut a, &mut b, &stray), None);
    a.sequence = 2;
    b.leg.update(Agreed { direction: Direction::Inactive, ..agreed(Codec::Pcmu) }, ms(0));
    let held = a.datagram(PayloadType::PCMU, 160, &[1; 160]);
    assert_eq!(overhear(&mut a, &mut b, &held), None);
}

#[test]
fn a_relayed_packet_longer_than_any_telephone_sends_is_dropped() {
    let [mut a, mut b] = relayed(agreed(Codec::Pcmu), agreed(Codec::Pcma));
    let long = a.datagram(PayloadType::PCMU, 0, &[1; 1441]);
    assert_eq!(overhear(&mut a, &mut b, &long), None);
    let longest = a.datagram(PayloadType::PCMU, 0, &[1; 1440]);
    assert!(overhear(&mut a, &mut b, &longest).is_some());
}

#[test]
fn events_that_nobody_takes_wait_in_order_and_beyond_the_bound_keys_are_counted() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    for press in 0..40 {
        let bytes = scene.datagram(EVENTS, 8000 * press, &[press as u8 % 10, 10, 0, 160]);
        scene.hear(&bytes);
    }
    for play in 0..40 {
        scene.leg.play(PlayId(play), vec![], OnKey::PlayOn, ms(0));
    }
    let first = scene.leg.next_event().unwrap();
    assert_eq!(first, Happened::FirstPacket { at: ms(0) });
    scene.leg.keep_event(first);
    let events = scene.events();
    let is_key = |event: &&Happened| matches!(event, Happened::Key { .. });
    assert_eq!(events.iter().filter(is_key).count(), 31);
    let results: Vec<_> = (0..32).map(|play| Happened::Played { play: PlayId(play) }).collect();
    assert_eq!(events[32..], results, "what commands led to has room of its own");
    assert_eq!(scene.stats().events_dropped, 9 + 8);
}

fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..300)
}

proptest! {
    #[test]
    fn no_datagram_however_hostile_stops_the_stream_or_grows_what_waits(
        datagrams in prop::collection::vec((hostile_bytes(), any::<bool>(), any::<bool>()), 0..100)
    ) {
        let mut scene = Scene::new(agreed(Codec::Pcmu));
        scene.leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(0));
        scene.leg.join(LegId(2));
        let mut other = Scene::new(agreed(Codec::Pcma));
        for (mut bytes, known, rtp) in datagrams {
            if rtp && bytes.len() > 1 {
                bytes[0] = 0x80 | bytes[0] & 0x3f;
                bytes[1] = [0, 8, 13, 101][usize::from(bytes[1] & 3)] | bytes[1] & 0x80;
            }
            let from = if known { peer() } else { stranger() };
            if let Some(heard) = scene.leg.hear(Some(&bytes), from, ms(scene.now)) {
                other.leg.relay(&heard, Tick(scene.now), &mut other.out);
            }
            scene.leg.part();
            prop_assert!(scene.visit().is_some());
            scene.leg.join(LegId(2));
        }
        prop_assert!(scene.events().len() <= EVENTS_WAITING_MAX);
    }
}

#[test]
fn what_was_overtaken_is_recorded_but_of_a_codec_with_a_memory() {
    for (codec, heard) in [(Codec::Pcma, true), (Codec::G722, false), (Codec::Opus, false)] {
        let mut scene = Scene::new(agreed(codec));
        scene.leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(0));
        let mut encoder = crate::Encoder::new(codec);
        let loud: Vec<i16> =
            (0..encoder.rate_hz() / 50).map(|at| if at % 20 < 10 { 9000 } else { -9000 }).collect();
        let mut packets: Vec<_> = (0..10)
            .map(|number| {
                let payload = encoder.encode(&loud);
                scene.datagram(codec.payload_type(), codec.clock_hz() / 50 * number, &payload)
            })
            .collect();
        packets.swap(5, 6);
        packets.iter().for_each(|packet| scene.hear(packet));
        scene.leg.stop_recording(RecordEnd::Stopped, ms(200));
        let samples = recording(scene.events()).unwrap().samples;
        assert_eq!(samples.len(), 1600, "{codec:?}");
        let loudest = |packet: usize| samples[160 * packet..160 * (packet + 1)].iter().max().copied();
        assert!(loudest(4) > Some(4000) && loudest(6) > Some(4000), "{codec:?}");
        assert_eq!(loudest(5) > Some(4000), heard, "{codec:?}");
    }
}

#[test]
fn a_peer_who_changes_codec_within_a_comment_is_decoded_by_the_one_it_names() {
    let mut scene = Scene::new(agreed(Codec::Pcmu));
    scene.leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(0));
    for (number, law) in [(PayloadType::PCMU, Law::Mu), (PayloadType::PCMA, Law::A)] {
        let bytes = scene.datagram(number, 8 * scene.now as u32, &[law.encode(8000); 160]);
        scene.hear(&bytes);
        scene.visit();
    }
    scene.leg.stop_recording(RecordEnd::Stopped, ms(40));
    let samples = recording(scene.events()).unwrap().samples;
    assert!(samples.len() == 320 && samples.iter().all(|sample| (7800..8200).contains(sample)));
}

#[test]
fn g_722_and_opus_are_relayed_as_they_are_and_into_nothing_else() {
    for (from, to, relays) in [
        (Codec::G722, Codec::G722, true),
        (Codec::Opus, Codec::Opus, true),
        (Codec::G722, Codec::Pcmu, false),
        (Codec::Pcma, Codec::Opus, false),
    ] {
        let [mut a, mut b] = relayed(agreed(from), agreed(to));
        let bytes = a.datagram(a.leg.agreed.audio, 70, &[0x48, 1, 2, 3]);
        let sent = overhear(&mut a, &mut b, &bytes);
        assert_eq!(sent.is_some(), relays, "{from:?} to {to:?}");
        if let Some(sent) = sent {
            assert_eq!(Packet::parse(&sent).unwrap().payload, [0x48, 1, 2, 3]);
        }
    }
}

/// A key's two tones, from the sample `from` on, in packets of 20 ms.
fn tone(codec: Codec, digit: char, from: usize) -> Vec<u8> {
    const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
    const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
    let place = ["123A", "456B", "789C", "*0#D"].iter().enumerate();
    let (row, column) = place.filter_map(|(row, keys)| Some((row, keys.find(digit)?))).next().unwrap();
    let wave = |hz: f64, at: usize| (std::f64::consts::TAU * hz * at as f64 / 8000.0).sin();
    let sample = |at| (6000.0 * (wave(ROWS[row], at) + wave(COLUMNS[column], at))) as i16;
    (from..from + 160).map(|at| codec.law().unwrap().encode(sample(at))).collect()
}

impl Scene {
    /// The peer's stream in a line: `.` 100 ms of silence, a key 100 ms of its tones, `-` 20 ms in the midst of
    /// what follows never come, `_` 100 ms that never come, `e` and a key 100 ms of a telephone event.
    fn transcript(&mut self, line: &str) {
        let mut steps = line.chars();
        while let Some(step) = steps.next() {
            let hole = step == '-';
            let step = if hole { steps.next().unwrap() } else { step };
            let event = (step == 'e').then(|| Digit::from_char(steps.next().unwrap()).unwrap());
            let begun = 8 * self.now as u32;
            for packet in 0..5 {
                let timestamp = 8 * self.now as u32;
                let (audio, codec) = (self.leg.agreed.audio, self.leg.agreed.codec);
                let bytes = match (step, event) {
                    (_, Some(digit)) => {
                        let [high, low] = (160 * (packet as u16 + 1)).to_be_bytes();
                        self.datagram(EVENTS, begun, &[digit.event(), 10, high, low])
                    }
                    ('.' | '_', _) => self.datagram(audio, timestamp, &[codec.law().unwrap().encode(0); 160]),
                    (key, _) => self.datagram(audio, timestamp, &tone(codec, key, 160 * packet)),
                };
                if step != '_' && !(hole && packet == 2) {
                    self.hear(&bytes);
                }
                self.visit();
            }
        }
    }
}

#[test]
fn keys_are_heard_in_the_audio_where_nothing_else_tells_them_and_each_press_once() {
    let none = Agreed { events: None, ..agreed(Codec::Pcmu) };
    let both = agreed(Codec::Pcmu);
    let wait = ".".repeat(40);
    for (what, agreed, line, keys) in [
        ("no events agreed on", none, "..1..22..#.".to_owned(), "12#"),
        ("A-law", Agreed { codec: Codec::Pcma, audio: PayloadType::PCMA, ..none }, ".5.0.".into(), "50"),
        ("before the pause", both, "..1..2..".into(), ""),
        ("after the pause", both, wait.clone() + "1.2.", "12"),
        ("an event comes before the pause", both, format!(".e1{wait}2..3."), "1"),
        ("an event and tones at once", both, wait.clone() + "1e1..e2.2.", "12"),
        ("an event of another press", both, wait.clone() + "1.e2.", "12"),
        ("keys typed, then their events", both, wait.clone() + "1.0.e1.e0.e0.", "100"),
        ("the same key, long after", both, wait.clone() + "1." + &wait + "e1.", "11"),
        ("a packet is lost within the tones", none, "..1-11..".into(), "1"),
        ("what lay between two presses is lost", none, "..1_1..".into(), "11"),
        ("a packet is lost between two presses", none, "..1-.1..".into(), "11"),
    ] {
        let mut scene = Scene::new(agreed);
        scene.transcript(&line);
        assert_eq!(scene.keys(), keys, "{what}");
    }
}

#[test]
fn a_key_in_the_audio_cuts_the_prompt_as_an_event_does() {
    let mut scene = Scene::new(Agreed { events: None, ..agreed(Codec::Pcmu) });
    scene.leg.play(PlayId(5), vec![clip(1000, 60)], OnKey::Cut, ms(0));
    scene.transcript(".4.");
    let told = scene.events().pop();
    let digit = Digit::from_char('4').unwrap();
    assert_eq!(told, Some(Happened::Key { digit, by: KeyBy::Tone, at: ms(120), cut: Some(PlayId(5)) }));
    assert_eq!(scene.payload(), Some(Law::Mu.encode(0)));
    assert_eq!(scene.stats().keys, 1);
}

#[test]
fn who_presses_by_info_or_gets_events_by_a_new_agreement_is_not_listened_to() {
    let none = Agreed { events: None, ..agreed(Codec::Pcmu) };
    let mut by_info = Scene::new(none);
    by_info.leg.ignore_tones();
    by_info.transcript("..1..");
    assert_eq!(by_info.keys(), "");
    let mut later = Scene::new(none);
    later.transcript("..1..");
    later.leg.update(agreed(Codec::Pcmu), ms(later.now));
    later.transcript("..2..");
    later.leg.update(none, ms(later.now));
    later.transcript("..3..");
    assert_eq!(later.keys(), "13");
}

#[test]
fn keys_are_heard_while_a_comment_is_recorded_and_the_comment_has_them() {
    let mut scene = Scene::new(Agreed { events: None, ..agreed(Codec::Pcma) });
    scene.leg.record(RecordOrder { beep: false, ..ORDER }, &beep(), ms(0));
    scene.transcript(".#.");
    scene.leg.stop_recording(RecordEnd::Stopped, ms(300));
    let events = scene.events();
    assert!(events.iter().any(|event| matches!(event, Happened::Key { digit, .. } if digit.char() == '#')));
    assert_eq!(recording(events).unwrap().samples.len(), 2400);
}

#[test]
fn a_leg_stays_small_for_a_thread_visits_thousands() {
    // Twelve cache lines are 768.
    assert!(size_of::<Leg>() <= 736, "{} bytes", size_of::<Leg>());
}
