//! What holds in every conversation, whatever the caller, the network and the PBX do.

use aftercall_core::session::TURNS_MAX;
use aftercall_core::{Answer, Effect, OfferState, Survey};
use proptest::prelude::*;

use crate::line::Line;
use crate::surveys::{csat, everything, two_questions, with_change};

const SURVEYS: [fn() -> Survey; 4] = [csat, with_change, two_questions, everything];

fn conversation() -> impl Strategy<Value = (usize, String)> {
    let event = prop_oneof![
        6 => Just('p'),
        8 => prop::sample::select("0123456789".chars().collect::<Vec<_>>()),
        1 => prop::sample::select("*#ABCD".chars().collect::<Vec<_>>()),
        3 => Just('~'),
        2 => Just('='),
        1 => Just('r'),
        1 => Just('o'),
        1 => Just('x'),
    ];
    (0..SURVEYS.len(), prop::collection::vec(event, 0..80).prop_map(|events| events.into_iter().collect()))
}

fn converse(survey: usize, script: &str) -> Line {
    let mut line = Line::new(SURVEYS[survey]());
    line.start();
    line.play(script);
    line
}

proptest! {
    #[test]
    fn every_conversation_keeps_a_story_that_makes_sense((survey, script) in conversation()) {
        let mut line = converse(survey, &script);
        // Whatever state it was left in, the call ends: the caller hangs up.
        line.play("x");
        let started = line.effects.iter().filter(|effect| matches!(effect, Effect::Started)).count();
        let ended = line.effects.iter().filter(|effect| matches!(effect, Effect::Ended(_))).count();
        prop_assert_eq!((started, ended), (1, 1));
        prop_assert!(matches!(line.effects.last(), Some(Effect::Ended(_))), "nothing is kept after the end");
        let mut answers: Vec<&str> = Vec::new();
        let mut standing = None;
        for effect in &line.effects {
            match effect {
                Effect::Answer(Answer { question, score, main, state, .. }) => {
                    prop_assert!(!answers.contains(&question.as_str()), "{} was answered twice", question);
                    prop_assert!(!main || score.is_some(), "the rating has a score");
                    answers.push(question);
                    standing = Some(*state);
                }
                Effect::Amended(Answer { question, state, .. }) => {
                    prop_assert!(answers.contains(&question.as_str()), "{} was amended before it was answered", question);
                    standing = Some(*state);
                }
                Effect::Started | Effect::Ended(_) => {}
            }
        }
        let Some(Effect::Ended(ending)) = line.effects.last() else { unreachable!() };
        let rated = answers.iter().any(|question| *question != "consent");
        match ending.state {
            OfferState::Completed => prop_assert!(rated || answers.is_empty()),
            OfferState::Partial => prop_assert!(rated),
            OfferState::Abandoned | OfferState::NoInput => prop_assert!(!rated),
            OfferState::Declined => prop_assert!(!rated),
            other => prop_assert!(false, "a conversation cannot end {:?}", other),
        }
        if standing == Some(OfferState::Completed) {
            prop_assert_eq!(ending.state, OfferState::Completed, "what an answer promised holds");
        }
    }

    #[test]
    fn a_retry_of_any_message_at_any_time_changes_nothing((survey, script) in conversation()) {
        let plain: String = script.chars().filter(|c| *c != '=').collect();
        let retried: String = plain.chars().flat_map(|c| [c, '=']).collect();
        let (once, twice) = (converse(survey, &plain), converse(survey, &retried));
        prop_assert_eq!(&once.effects, &twice.effects);
        prop_assert_eq!(once.session(), twice.session());
    }

    #[test]
    fn no_caller_is_trapped((survey, key) in (0..SURVEYS.len(), prop::sample::select("0123456789*#AB".chars().collect::<Vec<_>>()))) {
        let mut line = Line::new(SURVEYS[survey]());
        line.start();
        for _ in 0..=TURNS_MAX {
            line.play(&format!("p{key}ro"));
        }
        prop_assert!(line.hung_up, "a stuck key {} does not hold the line", key);
        let mut line = Line::new(SURVEYS[survey]());
        line.start();
        for _ in 0..=TURNS_MAX {
            line.play("p~o");
        }
        prop_assert!(line.hung_up, "silence does not hold the line: {:?}", line.heard);
    }
}
