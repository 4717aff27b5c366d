//! What the player orders, turn by turn.

use std::time::Duration;

use aftercall_core::player::KEYS_KEPT_MAX;
use aftercall_core::{
    Act, Asked, Collect, Ending, Key, OfferState, Order, Piece, Player, Spoken, Turn, What,
};

const NOW: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(60);

fn key(c: char) -> Key {
    Key::try_from(c).unwrap()
}

fn prompt(name: &str) -> Vec<Spoken> {
    let piece = Piece { language: "en".to_owned(), name: name.to_owned() };
    vec![Spoken { piece, text: String::new() }]
}

fn turn(number: u32, act: Act) -> Turn {
    Turn { number, act }
}

/// "1" and "2" answer; five seconds to do so.
fn ask(say: &[Spoken], interruptible: bool) -> Act {
    Act::Ask(Asked {
        question: "rating".to_owned(),
        say: say.to_vec(),
        interruptible,
        silence_after: Duration::from_secs(5),
        keys: vec![key('1'), key('2')],
        collect: Collect { least: 1, most: 1 },
    })
}

fn record() -> Act {
    Act::Record {
        say: prompt("comment"),
        beep: true,
        longest: Duration::from_secs(30),
        silence_after: Duration::from_secs(3),
        finish: Key::POUND,
    }
}

fn webhook() -> Act {
    Act::Webhook { step: "tell".to_owned(), url: "https://example.test".to_owned(), timeout: NOW }
}

fn end() -> Act {
    Act::End(Ending { state: OfferState::Completed, reason: None })
}

/// The orders in words.
fn words(orders: Vec<Order>) -> Vec<String> {
    orders
        .into_iter()
        .map(|order| match order {
            Order::Play { play, say, .. } => format!("play {play} {}", say[0].piece.name),
            Order::Stop => "stop".to_owned(),
            Order::Record { .. } => "record".to_owned(),
            Order::StopRecording => "stop recording".to_owned(),
            Order::Hear(heard) => match heard.what {
                What::Key { key } => format!("hear {key} in {}", heard.turn),
                What::Silence => format!("hear silence in {}", heard.turn),
                What::Played => format!("hear played in {}", heard.turn),
                What::Recorded { reference, .. } => format!("hear {reference} in {}", heard.turn),
                other => unreachable!("a player hears no {other:?}"),
            },
            Order::Webhook { step, .. } => format!("webhook {step}"),
            Order::Transfer { target } => format!("transfer {target}"),
            Order::HangUp(_) => "hang up".to_owned(),
        })
        .collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn the_next_turn_begins_though_the_prompt_of_the_one_before_still_plays() {
    let mut player = Player::default();
    assert_eq!(words(player.turn(turn(1, ask(&prompt("first"), true)), NOW)), ["play 1 first"]);
    assert_eq!(words(player.turn(turn(1, ask(&prompt("first"), true)), NOW)), NOTHING, "once is enough");
    assert_eq!(words(player.turn(turn(2, ask(&prompt("second"), true)), NOW)), ["play 2 second"]);
}

#[test]
fn the_late_end_of_an_earlier_prompt_is_not_the_end_of_this_one() {
    let mut player = Player::default();
    assert_eq!(words(player.turn(turn(1, ask(&prompt("first"), true)), NOW)), ["play 1 first"]);
    assert_eq!(words(player.key(key('9'))), ["stop", "hear 9 in 1"]);
    assert_eq!(words(player.turn(turn(2, ask(&prompt("again"), true)), NOW)), ["play 2 again"]);
    player.played(1, NOW);
    assert_eq!(player.deadline(), None, "the second prompt still plays");
    player.played(2, NOW);
    assert_eq!(player.deadline(), Some(NOW + Duration::from_secs(5)));
}

#[test]
fn keys_typed_ahead_are_kept_in_order_up_to_the_bound() {
    let mut player = Player::default();
    player.turn(turn(1, Act::Say { say: prompt("welcome"), interruptible: false }), NOW);
    for _ in 0..KEYS_KEPT_MAX - 1 {
        assert_eq!(words(player.key(key('1'))), NOTHING);
    }
    for typed in ['2', '1', '1'] {
        assert_eq!(words(player.key(key(typed))), NOTHING);
    }
    assert_eq!(words(player.played(1, NOW)), ["hear played in 1"]);
    let mut counted = String::new();
    for number in 2..100 {
        // A digit of an answer: there is nothing to play.
        match player.turn(turn(number, ask(&[], false)), NOW).first() {
            Some(Order::Hear(heard)) => match heard.what {
                What::Key { key } => counted.push(key.char()),
                _ => unreachable!(),
            },
            _ => break,
        }
    }
    assert_eq!(counted, format!("{}2", "1".repeat(KEYS_KEPT_MAX - 1)));
}

#[test]
fn a_key_typed_ahead_answers_at_once_where_keys_cut_and_after_the_prompt_where_they_do_not() {
    for (interruptible, first, after) in
        [(true, vec!["hear 2 in 2"], vec![]), (false, vec!["play 2 question"], vec!["hear 2 in 2"])]
    {
        let mut player = Player::default();
        player.turn(turn(1, Act::Say { say: prompt("welcome"), interruptible: false }), NOW);
        // "9" means nothing here and is not in the way of what does.
        player.key(key('9'));
        player.key(key('2'));
        player.played(1, NOW);
        assert_eq!(words(player.turn(turn(2, ask(&prompt("question"), interruptible)), NOW)), first);
        assert_eq!(words(player.played(2, NOW)), after);
    }
}

#[test]
fn only_its_own_key_ends_a_recording() {
    let mut player = Player::default();
    assert_eq!(words(player.turn(turn(1, record()), NOW)), ["play 1 comment"]);
    assert_eq!(words(player.key(Key::POUND)), NOTHING, "nobody has spoken yet");
    assert_eq!(words(player.played(1, NOW)), ["record"]);
    assert_eq!(words(player.key(key('5'))), NOTHING);
    assert_eq!(words(player.key(Key::POUND)), ["stop recording"]);
    assert_eq!(words(player.recorded(Some("a.wav".to_owned()), 3)), ["hear a.wav in 1"]);
    assert_eq!(words(player.recorded(Some("a.wav".to_owned()), 3)), NOTHING, "it ended already");
}

#[test]
fn a_recording_without_a_word_is_heard_as_silence() {
    let mut player = Player::default();
    player.turn(turn(1, record()), NOW);
    player.played(1, NOW);
    assert_eq!(words(player.recorded(None, 0)), ["hear silence in 1"]);
}

#[test]
fn who_is_put_on_hold_twice_hears_the_present_prompt_once_on_coming_back() {
    let mut player = Player::default();
    let question = turn(1, ask(&prompt("question"), true));
    player.turn(question.clone(), NOW);
    assert_eq!(words(player.hold()), ["stop"]);
    assert_eq!(words(player.hold()), NOTHING);
    assert_eq!(words(player.key(key('1'))), NOTHING, "keys mean nothing");
    assert_eq!(words(player.tick(LATER)), NOTHING, "no time runs");
    assert_eq!(words(player.resume(question.clone(), LATER)), ["play 2 question"]);
    assert_eq!(words(player.resume(question, LATER)), NOTHING);
}

#[test]
fn a_turn_that_comes_during_hold_waits_for_the_caller_unless_it_is_the_last() {
    for (coming, at_once, on_return) in [
        (ask(&prompt("second"), true), vec![], vec!["play 2 second"]),
        (webhook(), vec![], vec!["webhook tell"]),
        (end(), vec!["hang up"], vec![]),
    ] {
        let mut player = Player::default();
        player.turn(turn(1, ask(&prompt("first"), true)), NOW);
        player.hold();
        assert_eq!(words(player.turn(turn(2, coming.clone()), NOW)), at_once);
        assert_eq!(words(player.resume(turn(2, coming), LATER)), on_return);
    }
}

#[test]
fn a_hold_during_a_recording_ends_it_and_what_follows_waits_for_the_caller() {
    let mut player = Player::default();
    player.turn(turn(1, record()), NOW);
    player.played(1, NOW);
    assert_eq!(words(player.hold()), ["stop recording"]);
    assert_eq!(words(player.hold()), NOTHING);
    assert_eq!(words(player.key(Key::POUND)), NOTHING);
    assert_eq!(words(player.recorded(Some("a.wav".to_owned()), 3)), ["hear a.wav in 1"]);
    let thanks = turn(2, Act::Say { say: prompt("thanks"), interruptible: false });
    assert_eq!(words(player.turn(thanks.clone(), NOW)), NOTHING);
    assert_eq!(words(player.resume(thanks, LATER)), ["play 2 thanks"]);
}

#[test]
fn a_caller_who_is_back_before_the_recording_was_closed_goes_on_as_usual() {
    let mut player = Player::default();
    player.turn(turn(1, record()), NOW);
    player.played(1, NOW);
    player.hold();
    assert_eq!(words(player.resume(turn(1, record()), NOW)), NOTHING);
    assert_eq!(words(player.recorded(Some("a.wav".to_owned()), 3)), ["hear a.wav in 1"]);
    let thanks = turn(2, Act::Say { say: prompt("thanks"), interruptible: false });
    assert_eq!(words(player.turn(thanks, NOW)), ["play 2 thanks"]);
}

#[test]
fn a_webhook_is_sent_once_and_what_follows_waits_for_a_caller_on_hold() {
    let mut player = Player::default();
    assert_eq!(words(player.turn(turn(1, webhook()), NOW)), ["webhook tell"]);
    assert_eq!(words(player.turn(turn(1, webhook()), NOW)), NOTHING, "once is enough");
    assert_eq!(words(player.hold()), NOTHING);
    assert_eq!(words(player.resume(turn(1, webhook()), NOW)), NOTHING, "it is under way");
    assert_eq!(words(player.hold()), NOTHING);
    let question = turn(2, ask(&prompt("question"), true));
    assert_eq!(words(player.turn(question.clone(), NOW)), NOTHING);
    assert_eq!(words(player.resume(question, LATER)), ["play 1 question"]);
}

#[test]
fn a_caller_on_hold_before_the_survey_begins_hears_it_from_the_start_on_coming_back() {
    let mut player = Player::default();
    let nothing_yet = turn(0, Act::Say { say: Vec::new(), interruptible: false });
    assert_eq!(words(player.hold()), NOTHING);
    assert_eq!(words(player.resume(nothing_yet, NOW)), NOTHING);
    assert_eq!(words(player.hold()), NOTHING);
    let question = turn(1, ask(&prompt("question"), true));
    assert_eq!(words(player.turn(question.clone(), NOW)), NOTHING);
    assert_eq!(words(player.resume(question, NOW)), ["play 1 question"]);
}
