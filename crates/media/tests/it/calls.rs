use std::net::{Ipv6Addr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use aftercall_media::{
    CLIPS_MAX, Clip, Codec, Config, Engine, Happened, LegHandle, OnKey, PlayId, RecordEnd, RecordOrder,
    Refused, Stats,
};
use aftercall_wire::Digit;
use aftercall_wire::rtp::PayloadType;
use aftercall_wire::telephone_event::Sender;

use crate::peer::{EVENTS, Peer, Stage, agreed, config, fresh_ports};

/// Mu-law codes of three levels.
const SILENCE: u8 = 0xff;
const LOUD: u8 = 0x90;
const SOFT: u8 = 0xb0;

fn open(stage: &Stage, peer: &Peer) -> (LegHandle, u16) {
    let port = stage.engine.reserve_port().unwrap();
    let number = port.number();
    (stage.engine.open(port, agreed(peer.address())).unwrap(), number)
}

/// A clip whose mu-law bytes are all `byte`.
fn clip(byte: u8, ms: usize) -> Arc<Clip> {
    let sample = match byte {
        LOUD => 15_996,
        SOFT => 3900,
        other => panic!("{other} is not a level of these tests"),
    };
    Arc::new(Clip::from_samples(&vec![sample; 8 * ms]))
}

fn closing_stats(stage: &Stage) -> Stats {
    match stage.result() {
        Happened::Closed { stats, .. } => *stats,
        other => panic!("{other:?} instead of the leg's end"),
    }
}

#[test]
fn a_prompt_arrives_whole_and_in_order_and_is_told_when_it_is_over() {
    let (stage, peer) = (Stage::new(), Peer::new());
    let (leg, _) = open(&stage, &peer);
    leg.play(PlayId(7), vec![clip(LOUD, 50), clip(SOFT, 30)], OnKey::PlayOn).unwrap();
    let first = peer.get_sound(LOUD);
    let packets: Vec<_> = (0..4).map(|_| peer.get()).collect();
    let sound: Vec<u8> = packets.iter().flat_map(|got| got.payload.clone()).collect();
    assert_eq!(sound, [vec![LOUD; 240], vec![SOFT; 240], vec![SILENCE; 160]].concat());
    for (n, got) in packets.iter().enumerate() {
        let n = n as u16 + 1;
        assert_eq!(got.header.sequence, first.header.sequence.wrapping_add(n));
        assert_eq!(got.header.timestamp, first.header.timestamp.wrapping_add(160 * u32::from(n)));
        assert_eq!((got.header.marker, got.header.ssrc), (false, first.header.ssrc));
    }
    assert_eq!(stage.next(), Happened::Played { play: PlayId(7) });
}

#[test]
fn a_press_is_told_once_and_a_stop_cuts_the_prompt() {
    let (stage, mut peer) = (Stage::new(), Peer::new());
    let (leg, port) = open(&stage, &peer);
    leg.play(PlayId(1), vec![clip(LOUD, 60_000)], OnKey::PlayOn).unwrap();
    peer.get_sound(LOUD);
    let digit = Digit::from_char('3').unwrap();
    for report in Sender::new(8000, Duration::from_millis(20)).press(digit, Duration::from_millis(80), 9) {
        peer.send(port, EVENTS, &report.payload);
    }
    assert!(matches!(stage.next(), Happened::FirstPacket { .. }));
    assert!(matches!(stage.next(), Happened::Key { digit: told, .. } if told == digit));
    leg.stop().unwrap();
    peer.get_sound(SILENCE);
    leg.close();
    let stats = closing_stats(&stage);
    assert_eq!((stats.keys, stats.arrived.packets, stats.arrived.lost), (1, 6, 0));
}

#[test]
fn a_key_cuts_what_may_be_cut_without_waiting_for_anybody() {
    let (stage, mut peer) = (Stage::new(), Peer::new());
    let (leg, port) = open(&stage, &peer);
    leg.play(PlayId(1), vec![clip(LOUD, 60_000)], OnKey::Cut).unwrap();
    peer.get_sound(LOUD);
    let digit = Digit::from_char('3').unwrap();
    for report in Sender::new(8000, Duration::from_millis(20)).press(digit, Duration::from_millis(80), 9) {
        peer.send(port, EVENTS, &report.payload);
    }
    // Nobody takes an event or gives a command, and yet it is still.
    peer.get_sound(SILENCE);
    assert!(matches!(stage.next(), Happened::FirstPacket { .. }));
    assert!(matches!(stage.next(), Happened::Key { cut: Some(PlayId(1)), .. }));
    drop(leg);
}

#[test]
fn a_key_pressed_just_before_the_end_is_told_before_the_end() {
    let (stage, mut peer) = (Stage::new(), Peer::new());
    let port = stage.engine.reserve_port().unwrap();
    // All of it comes before the leg is there: a second of speech, and the key.
    let number = port.number();
    (0..50).for_each(|_| peer.speak(number));
    let digit = Digit::from_char('3').unwrap();
    for report in Sender::new(8000, Duration::from_millis(20)).press(digit, Duration::from_millis(80), 9) {
        peer.send(number, EVENTS, &report.payload);
    }
    let leg = stage.engine.open(port, agreed(peer.address())).unwrap();
    leg.play(PlayId(1), vec![clip(LOUD, 60_000)], OnKey::Cut).unwrap();
    leg.close();
    assert!(matches!(stage.next(), Happened::FirstPacket { .. }));
    assert!(matches!(stage.next(), Happened::Key { digit: told, cut: Some(PlayId(1)), .. } if told == digit));
    assert_eq!(closing_stats(&stage).arrived.packets, 56);
}

#[test]
fn a_caller_whose_sdp_names_another_address_is_answered_where_it_speaks_from() {
    let (stage, mut peer, named) = (Stage::new(), Peer::new(), Peer::new());
    let (leg, port) = open(&stage, &named);
    named.get();
    for _ in 0..5 {
        peer.speak(port);
        peer.get();
    }
    leg.close();
    assert_eq!(closing_stats(&stage).arrived.packets, 5);
}

#[test]
fn a_stranger_is_not_heard() {
    let (stage, mut peer, mut stranger) = (Stage::new(), Peer::new(), Peer::new());
    let (leg, port) = open(&stage, &peer);
    for _ in 0..5 {
        peer.speak(port);
        peer.get();
        stranger.send(port, EVENTS, &[1, 10, 0, 160]);
    }
    peer.get();
    leg.close();
    let stats = closing_stats(&stage);
    assert_eq!((stats.keys, stats.arrived.packets), (0, 5));
    assert!(stranger.get_within(Duration::from_millis(1)).is_none());
}

#[test]
fn a_silent_peer_whose_nat_forgot_it_is_found_again() {
    let (stage, mut before, mut after) = (Stage::new(), Peer::new(), Peer::new());
    let (leg, port) = open(&stage, &before);
    for _ in 0..3 {
        before.speak(port);
        before.get();
    }
    // The same source from another port, once for each packet that still goes to the old one.
    let packets = (0..100).take_while(|_| {
        after.speak(port);
        before.get_within(Duration::from_millis(200)).is_some()
    });
    let packets = packets.count();
    assert!((20..100).contains(&packets), "found after {packets} packets");
    after.get();
    leg.close();
    assert!(matches!(stage.result(), Happened::Closed { .. }));
}

#[test]
fn two_legs_are_relayed_and_part_again() {
    let stage = Stage::new();
    let (mut caller, mut agent) = (Peer::new(), Peer::new());
    let (a, a_port) = open(&stage, &caller);
    let port = stage.engine.reserve_port().unwrap();
    let b_port = port.number();
    let pcma =
        aftercall_media::Agreed { codec: Codec::Pcma, audio: PayloadType::PCMA, ..agreed(agent.address()) };
    let b = stage.engine.open_beside(&a, port, pcma).unwrap();
    for _ in 0..2 {
        caller.speak(a_port);
        agent.send(b_port, PayloadType::PCMA, &[0x2a; 160]);
        caller.get();
        agent.get();
    }
    a.relay(&b).unwrap();
    let from_caller = (0..50).any(|_| {
        caller.speak(a_port);
        agent.get().payload[0] != 0xd5
    });
    assert!(from_caller);
    agent.send(b_port, PayloadType::PCMA, &[0x2a; 160]);
    let heard = (0..50).map(|_| caller.get()).find(|got| got.payload[0] != SILENCE).unwrap();
    assert_eq!((heard.header.payload_type, heard.payload.len()), (PayloadType::PCMU, 160));
    b.close();
    assert!(matches!(stage.result(), Happened::Closed { .. }));
    caller.get_sound(SILENCE);
}

#[test]
fn a_comment_is_recorded_after_a_beep() {
    let (stage, mut peer) = (Stage::new(), Peer::new());
    let (leg, port) = open(&stage, &peer);
    peer.get();
    let order =
        RecordOrder { beep: true, longest: Duration::from_secs(20), silence_after: Duration::from_secs(10) };
    leg.record_start(order).unwrap();
    let beeps = (0..50).map(|_| peer.get()).skip_while(|got| got.payload == [SILENCE; 160]);
    let beeps = beeps.take_while(|got| got.payload != [SILENCE; 160]).count();
    assert!((11..=13).contains(&beeps), "{beeps} packets of beep");
    for _ in 0..10 {
        peer.send(port, PayloadType::PCMU, &[LOUD; 160]);
        peer.get();
    }
    leg.record_stop().unwrap();
    let Happened::Recorded { recording } = stage.result() else { panic!("no recording") };
    assert_eq!(recording.end, RecordEnd::Stopped);
    assert!(recording.samples.len() >= 8 * 160 && recording.samples.iter().all(|sample| *sample == 15_996));
}

#[test]
fn an_ipv6_socket_serves_an_ipv4_peer() {
    if UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        eprintln!("there is no IPv6 on this machine");
        return;
    }
    let bind = Ipv6Addr::UNSPECIFIED.into();
    let stage = Stage::with(Config { bind, ..config(fresh_ports(1)) }, 100);
    let mut peer = Peer::new();
    let (leg, port) = open(&stage, &peer);
    for _ in 0..5 {
        peer.get();
        peer.speak(port);
    }
    peer.get();
    leg.close();
    let stats = closing_stats(&stage);
    assert_eq!((stats.arrived.packets, stats.strangers, stats.send_faults), (5, 0, 0));
}

#[test]
fn an_engine_without_legs_sleeps() {
    let (stage, peer) = (Stage::new(), Peer::new());
    assert_eq!((stage.is_quiet(), stage.engine.load().ticks), (true, 0));
    let (leg, _) = open(&stage, &peer);
    peer.get();
    leg.close();
    assert!(matches!(stage.next(), Happened::Closed { .. }));
    let ticks = stage.engine.load().ticks;
    assert!(ticks > 0);
    assert!(stage.is_quiet());
    let load = stage.engine.load();
    assert!(load.ticks <= ticks + 1, "it ticked on: {} after {ticks}", load.ticks);
    assert_eq!(load.legs, 0);
}

#[test]
fn events_wait_for_room_and_come_in_order() {
    let stage = Stage::with(config(fresh_ports(1)), 1);
    let peer = Peer::new();
    let (leg, _) = open(&stage, &peer);
    for play in 0..20 {
        leg.play(PlayId(play), vec![], OnKey::PlayOn).unwrap();
    }
    drop(leg);
    for play in 0..20 {
        assert_eq!(stage.next(), Happened::Played { play: PlayId(play) });
    }
    assert_eq!(closing_stats(&stage).events_dropped, 0);
}

#[test]
fn threads_end_with_the_last_handle_and_legs_are_closed_with_it() {
    let config = Config { threads: 2, ..config(fresh_ports(2)) };
    let Stage { engine, events } = Stage::with(config, 100);
    let stage = Stage { engine, events };
    let peer = Peer::new();
    let legs = [open(&stage, &peer).0, open(&stage, &peer).0];
    peer.get();
    drop(stage.engine);
    peer.get();
    let [a, b] = legs;
    assert_eq!(a.relay(&b), Err(Refused::Apart), "the emptier thread took the second leg");
    drop((a, b));
    let patience = Duration::from_secs(5);
    let told: Vec<_> = std::iter::from_fn(|| stage.events.recv_timeout(patience).ok()).collect();
    assert_eq!(told.iter().filter(|event| matches!(event.what, Happened::Closed { .. })).count(), 2);
    assert_eq!(stage.events.recv_timeout(patience), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_peer_whose_port_is_closed_is_counted_and_does_not_stop_the_leg() {
    let (stage, mut peer) = (Stage::new(), Peer::new());
    let (leg, port) = open(&stage, &peer);
    peer.speak(port);
    assert!(matches!(stage.next(), Happened::FirstPacket { .. }));
    drop(peer);
    leg.play(PlayId(1), vec![clip(LOUD, 100)], OnKey::PlayOn).unwrap();
    assert_eq!(stage.next(), Happened::Played { play: PlayId(1) });
    leg.close();
    assert!(closing_stats(&stage).send_faults > 0);
}

#[test]
fn a_thread_that_fails_is_missed_and_its_legs_say_so() {
    let (alive, dead) = sync_channel::<()>(0);
    let sink = move |event| panic!("{event:?} reached {alive:?}: part of the test");
    let engine = Engine::start(config(fresh_ports(1)), sink).unwrap();
    assert_eq!(engine.load().threads, 1);
    let leg = engine.open(engine.reserve_port().unwrap(), agreed(Peer::new().address())).unwrap();
    leg.play(PlayId(1), vec![], OnKey::PlayOn).unwrap();
    assert_eq!(dead.recv_timeout(Duration::from_secs(5)), Err(RecvTimeoutError::Disconnected));
    assert_eq!(engine.load().threads, 0);
    assert_eq!(leg.stop(), Err(Refused::Stopped));
}

#[test]
fn too_many_clips_are_refused_and_nothing_changes() {
    let (stage, peer) = (Stage::new(), Peer::new());
    let (leg, _) = open(&stage, &peer);
    leg.play(PlayId(1), vec![clip(LOUD, 60_000)], OnKey::PlayOn).unwrap();
    peer.get_sound(LOUD);
    let clips = vec![clip(SOFT, 10); CLIPS_MAX + 1];
    assert_eq!(leg.play(PlayId(2), clips, OnKey::PlayOn), Err(Refused::TooManyClips));
    assert_eq!(peer.get().payload, [LOUD; 160]);
}
