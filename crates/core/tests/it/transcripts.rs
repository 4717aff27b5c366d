//! The conformance set: twenty conversations and what must be kept of each.
//! `p` the prompt ends, digits are keys, `~` silence, `x` hang-up, `=` the last message again.

use aftercall_core::{Effect, Score, Survey};

use crate::line::{Line, call};
use crate::surveys::{branching, csat, everything, read_back, two_questions, welcomed, with_change};

#[test]
fn the_twenty_transcripts_leave_exactly_their_records() {
    let table: [(u8, fn() -> Survey, &str, &str); 20] = [
        (1, csat, "p 1", "5 completed"),
        (2, csat, "p 2", "4 completed"),
        (3, csat, "p 3", "3 completed"),
        (4, csat, "p 4", "2 completed"),
        (5, csat, "p 5", "1 completed"),
        (6, csat, "2", "4 completed"),
        (7, csat, "p 9 p 3", "3 completed"),
        (8, csat, "p ~ p ~ p ~", "- no_input"),
        (9, csat, "p 9 p 8 p 7", "- no_input"),
        (10, csat, "p ~ p 1", "5 completed"),
        (11, csat, "x", "- abandoned"),
        (12, csat, "p x", "- abandoned"),
        (13, csat, "p 2 x", "4 completed"),
        (14, csat, "p * p 4", "2 completed"),
        (15, csat, "p 2 = p", "4 completed"),
        (16, csat, "p 2 2", "4 completed"),
        (17, csat, "= p 5", "1 completed"),
        (18, with_change, "p 5 1 p 1", "1 then 5"),
        (19, two_questions, "p 5 p 5", "1 \"5\" completed"),
        (20, two_questions, "p 4 x", "2 partial"),
    ];
    for (number, survey, script, record) in table {
        let mut line = call(survey(), script);
        if number == 18 {
            assert_eq!(line.record(), record, "transcript 18 waits for a change of mind");
            assert_eq!(line.play("~").rest().record(), "1 then 5 completed");
        } else {
            assert_eq!(line.record(), record, "transcript {number}: {script}");
        }
        assert!(
            line.hung_up || line.effects.iter().any(|effect| matches!(effect, Effect::Ended(_))),
            "{number}"
        );
        let started = line.effects.iter().filter(|effect| matches!(effect, Effect::Started)).count();
        assert_eq!(started, 1, "transcript {number} starts once");
    }
}

#[test]
fn what_the_caller_hears_is_the_documented_flow() {
    let line = call(csat(), "p 1");
    assert_eq!(line.heard, ["please_rate", "you_rated", "digit_1", "very_satisfied", "thank_you"]);
}

#[test]
fn a_key_during_the_prompt_cuts_it() {
    assert_eq!(call(csat(), "2").heard[..2], ["please_rate", "cut"]);
    assert_eq!(call(csat(), "p 2").said("cut"), 0);
}

#[test]
fn an_invalid_key_and_silence_each_cost_one_attempt_and_are_said() {
    let table = [
        ("p 9 p 3", 1, 0, 2),
        ("p ~ p ~ p ~", 0, 2, 3),
        ("p 9 p 8 p 7", 2, 0, 3),
        ("p 9 p ~ p 1", 1, 1, 3),
        ("p * p * p * p 4", 0, 0, 4),
    ];
    for (script, invalid, silent, asked) in table {
        let line = call(csat(), script);
        assert_eq!(
            (line.said("invalid_key"), line.said("no_key"), line.said("please_rate")),
            (invalid, silent, asked),
            "{script}"
        );
    }
}

#[test]
fn who_gave_no_rating_is_thanked_all_the_same() {
    let line = call(csat(), "p ~ p ~ p ~");
    assert_eq!(line.heard.last().map(String::as_str), Some("goodbye"));
    assert!(line.hung_up);
}

#[test]
fn a_repeat_of_any_message_changes_nothing() {
    for script in ["p 1", "p 9 p 3", "p ~ p 1", "p 5 1 p 1", "p * p 4", "1"] {
        let repeated: String =
            script.chars().flat_map(|c| if c == ' ' { vec![c] } else { vec![c, '=', '='] }).collect();
        let (once, thrice) = (call(with_change(), script), call(with_change(), &repeated));
        assert_eq!(once.effects, thrice.effects, "{repeated}");
        assert_eq!(once.heard, thrice.heard, "{repeated}");
    }
}

#[test]
fn an_answer_says_at_once_what_state_it_brings() {
    let states = |line: &Line| -> Vec<&'static str> {
        line.effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Answer(answer) | Effect::Amended(answer) => Some(answer.state.word()),
                _ => None,
            })
            .collect()
    };
    assert_eq!(states(&call(csat(), "p 1")), ["completed"]);
    assert_eq!(states(&call(two_questions(), "p 1 p 9")), ["partial", "completed"]);
    assert_eq!(states(&call(with_change(), "p 5 1 p 1")), ["completed", "completed"]);
    // Only who rated below 4 is asked more.
    let branches = || branching("answer = \"rating\"\nat_least = 4", "nps");
    assert_eq!(states(&call(branches(), "p 2")), ["completed"]);
    assert_eq!(states(&call(branches(), "p 3")), ["partial"]);
}

#[test]
fn the_same_answer_again_is_no_amendment() {
    assert_eq!(call(with_change(), "p 5 1 p 5 p ~").record(), "1 completed");
}

#[test]
fn a_change_of_mind_that_ends_in_a_hangup_keeps_the_first_answer() {
    assert_eq!(call(with_change(), "p 5 1 x").record(), "1 completed");
    assert_eq!(call(with_change(), "p 5 1 p ~ p ~ p ~ p ~").record(), "1 completed");
}

#[test]
fn nps_is_typed_and_a_lone_one_is_one() {
    for (script, record) in [
        ("p 1 p 0", "5 \"0\" completed"),
        ("p 1 p 1 0", "5 \"10\" completed"),
        ("p 1 p 1 ~", "5 \"1\" completed"),
        ("p 1 p 1 #", "5 \"1\" completed"),
        ("p 1 p 1 5 p 7", "5 \"7\" completed"),
        ("p 1 p # p 3", "5 \"3\" completed"),
        ("p 1 p ~ p ~ p ~", "5 partial"),
    ] {
        assert_eq!(call(two_questions(), script).record(), record, "{script}");
    }
}

#[test]
fn a_survey_with_every_kind_of_step_goes_where_its_author_said() {
    for (script, record, last) in [
        ("p 2", "\"no\" declined", "goodbye"),
        ("p x", "- abandoned", "opt_in"),
        ("p 1 p x", "\"yes\" abandoned", "please_rate"),
        // Happy: no comment; effort, order number, echo, thanks.
        ("p 1 p 1 p ~ p 7 p 1234 p", "\"yes\" 5 \"7\" \"1234\" completed", "thank_you"),
        // Unhappy: comment, webhook, effort, order, transfer to an agent.
        ("p 1 p 5 p ~ p r o p 2 p 12#p", "\"yes\" 1 \"comment.wav\" \"2\" \"12\"", "transfer 200"),
        // Effort skipped on purpose.
        ("p 1 p 1 p ~ p 9 p 99#p", "\"yes\" 5 \"99\" completed", "thank_you"),
        // One question back, and another answer there.
        ("p 1 p 1 p ~ p 0 p 2 p ~ p 3 p 77#p", "\"yes\" 5 then 4 \"3\" \"77\" completed", "thank_you"),
        // Digits: too few is invalid, '#' ends, and keys typed during a prompt that no key cuts are kept.
        ("p 1 p 1 p ~ p 7 12#p p", "\"yes\" 5 \"7\" \"12\" completed", "thank_you"),
        ("p 1 p 1 p ~ p 7 p 1# p 12# p", "\"yes\" 5 \"7\" \"12\" completed", "thank_you"),
        // Two attempts at the rating, none good.
        ("p 1 p 8 p 8", "\"yes\" no_input", "goodbye"),
        // Effort missed: its own way on.
        ("p 1 p 1 p ~ p ~ p ~ p ~ p 1111 p", "\"yes\" 5 \"1111\" partial", "thank_you"),
    ] {
        let line = call(everything(), script);
        assert_eq!(line.record(), record, "{script}: {:?}", line.heard);
        assert_eq!(line.heard.last().map(String::as_str), Some(last), "{script}");
    }
}

#[test]
fn hanging_up_during_the_comment_keeps_the_rating() {
    assert_eq!(call(everything(), "p 1 p 4 p ~ p x").record(), "\"yes\" 2 partial");
    let line = call(everything(), "p 1 p 4 p ~ p x");
    let rated = line.effects.iter().any(|effect| {
        matches!(effect, Effect::Answer(answer) if answer.main && answer.score.map(Score::get) == Some(2))
    });
    assert!(rated, "{:?}", line.effects);
}

#[test]
fn nothing_is_heard_after_the_end() {
    let mut line = call(csat(), "p 1");
    let (effects, turn) = (line.effects.clone(), line.turn());
    line.play("x = 1 x");
    assert_eq!(line.turn(), turn);
    assert_eq!(line.effects, effects);
}

#[test]
fn a_session_goes_on_after_it_was_put_down_as_json() {
    let line = call(two_questions(), "p 4 p");
    let put_down = serde_json::to_string(line.session()).unwrap();
    let taken_up: aftercall_core::Session = serde_json::from_str(&put_down).unwrap();
    assert_eq!(&taken_up, line.session());
}

#[test]
fn on_hold_nothing_is_played_and_no_time_runs_and_then_the_prompt_comes_again() {
    let line = call(csat(), "h 1 p ~ b p 2");
    assert_eq!(line.heard[..3], ["please_rate", "cut", "please_rate"]);
    assert_eq!(line.record(), "4 completed");
    let line = call(csat(), "p h ~ ~ ~ ~ b 2");
    assert_eq!(line.record(), "4 completed");
    let line = call(csat(), "p h x");
    assert_eq!(line.record(), "- abandoned");
}

#[test]
fn a_failure_of_ours_keeps_what_was_answered_and_says_why() {
    let table: [(fn() -> Survey, &str, &str); 6] = [
        (csat, "p f", "- failed"),
        (csat, "p 1 f", "5 completed"),
        (two_questions, "p 4 f", "2 failed"),
        (two_questions, "p ~ p ~ p ~ f", "- no_input"),
        (everything, "p 1 p f", "\"yes\" failed"),
        (everything, "p 2 f", "\"no\" declined"),
    ];
    for (survey, script, record) in table {
        let line = call(survey(), script);
        assert_eq!(line.record(), record, "{script}");
        let Some(Effect::Ended(ending)) = line.effects.last() else { unreachable!() };
        assert_eq!(ending.reason.as_deref(), Some("rtp_timeout"), "{script}");
    }
}

#[test]
fn an_ending_says_why_where_its_state_does_not() {
    let table: [(fn() -> Survey, &str, &str, Option<&str>); 6] = [
        (two_questions, "p 4 x", "partial", Some("hangup")),
        (two_questions, "p 4 p ~ p ~ p ~", "partial", Some("no_input")),
        (two_questions, "p 4 p 7", "completed", None),
        (two_questions, "p 4 p 7 x", "completed", None),
        (two_questions, "p ~ p ~ p ~", "no_input", None),
        (two_questions, "x", "abandoned", None),
    ];
    for (survey, script, state, reason) in table {
        let line = call(survey(), script);
        let Some(Effect::Ended(ending)) = line.effects.last() else { unreachable!() };
        assert_eq!((ending.state.word(), ending.reason.as_deref()), (state, reason), "{script}");
        assert_eq!(line.ending(), Some(ending), "{script}");
    }
}

#[test]
fn an_answer_is_read_back_digit_by_digit_and_ten_as_one_word() {
    for (typed, heard) in [
        ("7#", "digit_7 - digit_7 - digit_7"),
        ("10#", "digit_10 - digit_10 - digit_10"),
        ("12#", "digit_1 digit_2 - digit_1 digit_2 - digit_1 digit_2"),
        ("010#", "digit_0 digit_1 digit_0 - digit_0 digit_1 digit_0 - digit_0 digit_1 digit_0"),
    ] {
        let line = call(read_back(), &format!("p {typed}"));
        assert_eq!(line.heard[1..].join(" ").replace("please_wait", "-"), heard, "{typed}");
    }
}

#[test]
fn the_step_that_the_caller_is_at_is_known_by_its_name() {
    let mut line = Line::new(everything());
    assert_eq!(line.step(), "");
    line.start();
    assert_eq!(line.step(), "consent");
    for (script, step) in [
        ("p 1", "rating"),
        ("p 5", "confirmation"),
        ("~ p", "confirmation"),
        ("~", "comment"),
        ("p r", "tell"),
        ("o", "effort"),
        ("p 2", "order"),
        ("p 12#", "echo"),
        ("p", "agent"),
        ("x", ""),
    ] {
        assert_eq!(line.play(script).step(), step, "{script}");
    }
}

#[test]
fn what_was_answered_so_far_can_be_told_to_others() {
    let line = call(everything(), "p 1 p 5 p ~ p r");
    let told: Vec<String> = line
        .session()
        .answers()
        .iter()
        .map(|(question, answer)| {
            let key = answer.key.map_or('-', aftercall_core::Key::char);
            format!("{question} {key} {} {}", answer.score.map_or(0, Score::get), answer.value)
        })
        .collect();
    assert_eq!(told, ["comment - 0 comment.wav", "consent 1 0 yes", "rating 5 1 very_dissatisfied"]);
}

#[test]
fn a_key_that_cuts_a_welcome_answers_the_question_if_it_means_something_there() {
    for (script, heard, record) in [
        ("4", vec!["welcome", "cut", "you_rated"], "2 completed"),
        ("9", vec!["welcome", "cut", "please_rate"], ""),
        ("9 2", vec!["welcome", "cut", "please_rate", "cut", "you_rated"], "4 completed"),
        ("p 2 2", vec!["welcome", "please_rate", "cut", "you_rated", "cut"], "4 completed"),
        // Skipped: there is nothing to confirm.
        ("0", vec!["welcome", "cut"], "- completed"),
        ("p 0", vec!["welcome", "please_rate", "cut"], "- completed"),
    ] {
        let line = call(welcomed(true), script);
        assert_eq!(
            (line.heard.clone(), line.record()),
            (heard.iter().map(|s| (*s).to_owned()).collect(), record.to_owned()),
            "{script}"
        );
    }
}

#[test]
fn any_other_key_than_the_one_that_changes_says_that_the_answer_stands() {
    for other in ['2', '5', '9', '#'] {
        let line = call(with_change(), &format!("p 5 {other}"));
        assert_eq!(line.record(), "1 completed", "{other}");
        assert_eq!(line.said("please_rate"), 1, "{other}");
    }
}

#[test]
fn the_repeat_key_repeats_a_confirmation_that_hears_keys() {
    let line = call(with_change(), "p 5 * p * 1 p 2 p ~");
    assert_eq!((line.record().as_str(), line.said("press_1_to_change")), ("1 then 4 completed", 4));
    for (interruptible, said) in [(true, 2), (false, 1)] {
        let line = call(welcomed(interruptible), "p p 2 * p");
        assert_eq!(
            (line.record().as_str(), line.said("you_rated")),
            ("4 completed", said),
            "{interruptible}"
        );
    }
}

#[test]
fn who_changes_an_answer_can_still_go_back_to_the_question_before_it() {
    let line = call(everything(), "p 1 p 5 1 0");
    assert_eq!(line.heard.last().map(String::as_str), Some("opt_in"));
    let line = call(everything(), "p 1 p 5 1 0 1 2 p ~ 0");
    assert_eq!(line.heard.last().map(String::as_str), Some("please_rate"));
}

#[test]
fn who_says_nothing_when_asked_for_a_comment_leaves_none() {
    let line = call(everything(), "p 1 p 5 p ~ p n o p 9 p 99#p");
    assert_eq!(line.record(), "\"yes\" 1 \"99\"");
}

#[test]
fn who_is_put_on_hold_while_speaking_hears_what_follows_on_coming_back() {
    // Music on hold is not silence: no time runs, nothing is missed.
    let mut line = call(everything(), "p 1 p 5 p ~ p h ~ ~ ~");
    assert_eq!(line.heard.last().map(String::as_str), Some("recorded"));
    line.play("b");
    assert_eq!(line.heard.last().map(String::as_str), Some("webhook tell"));
    line.play("h o ~ ~ ~");
    assert_eq!(line.heard.last().map(String::as_str), Some("webhook tell"), "sent once, nothing played");
    line.play("b p 2 p 12#p");
    assert_eq!(line.record(), "\"yes\" 1 \"comment.wav\" \"2\" \"12\"");
    assert_eq!(line.said("webhook tell"), 1);
}

#[test]
fn a_key_kept_for_a_caller_on_hold_answers_on_coming_back_and_the_survey_goes_on() {
    // Found by fuzzing: what followed the kept key waited for the end of a hold that was over.
    let mut line = call(everything(), "p 1 p 5 p ~ p r 2 h o");
    assert_eq!(line.heard.last().map(String::as_str), Some("webhook tell"));
    line.play("b");
    assert_eq!(line.heard.last().map(String::as_str), Some("order_number"));
    line.play("p 12#p");
    assert_eq!(line.record(), "\"yes\" 1 \"comment.wav\" \"2\" \"12\"");
}

#[test]
fn a_webhook_is_sent_once_whatever_is_heard_again_meanwhile() {
    let line = call(everything(), "p 1 p 5 p ~ p r = = = o");
    assert_eq!(line.said("webhook tell"), 1, "{:?}", line.heard);
}

#[test]
fn what_happens_before_the_start_means_nothing_but_a_hangup() {
    let mut line = Line::new(csat());
    line.play("o ~ r h b");
    assert_eq!((line.effects.len(), line.heard.len()), (0, 0));
    line.start();
    assert_eq!(line.play("p 1").rest().record(), "5 completed");
    assert_eq!(Line::new(csat()).play("o x").record(), "- abandoned");
}

#[test]
fn a_door_that_reports_the_prompts_end_does_not_end_a_question() {
    use aftercall_core::{Heard, Session, What};
    let survey = with_change();
    let mut session = Session::new(&survey, None, std::collections::BTreeMap::new());
    let mut say = |turn: u32, what: What| {
        let (next, turn, _) = session.clone().hear(Heard { turn, what }, &survey);
        session = next;
        turn.number
    };
    assert_eq!(say(0, What::Start), 1);
    assert_eq!(say(1, What::Played), 1, "the question waits for a key");
    assert_eq!(say(1, What::Key { key: '5'.try_into().unwrap() }), 2);
    assert_eq!(say(2, What::Played), 2, "the confirmation waits for a change of mind");
    assert_eq!(say(2, What::Silence), 3);
    assert_eq!(say(3, What::Played), 4);
}

#[test]
fn a_door_that_reports_a_key_does_not_cut_what_no_key_cuts() {
    use aftercall_core::{Act, Heard, Session, What};
    let survey = welcomed(false);
    let mut session = Session::new(&survey, None, std::collections::BTreeMap::new());
    let mut say = |turn: u32, what: What| {
        let (next, turn, _) = session.clone().hear(Heard { turn, what }, &survey);
        session = next;
        turn
    };
    let key = || What::Key { key: '5'.try_into().unwrap() };
    assert_eq!(say(0, What::Start).number, 1);
    assert_eq!(say(1, key()).number, 1, "the welcome is played to its end");
    assert_eq!(say(1, What::Played).number, 2);
    assert_eq!(say(2, key()).number, 3);
    assert_eq!(say(3, key()).number, 3, "so is the confirmation");
    let last = say(3, What::Played);
    assert!(matches!(last.act, Act::End(_)), "a step without a word takes no turn: {last:?}");
}
