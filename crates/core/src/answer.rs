//! What a session says in its present state, and what keys add up to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::score::Score;
use crate::session::{Answered, Lead, Session, State};
use crate::survey::DIGITS;
use crate::survey::model::{At, Confirmation, Does, Kind, Part, Question, Step, Survey, Word};
use crate::turn::{Act, Asked, Collect, Piece, Spoken};

/// The label of a refusal.
pub(crate) const NO: &str = "no";

/// How long to wait for another digit once one was typed: long enough to look at a card,
/// short enough that a lone "1" on a scale to ten does not feel lost.
const NEXT_DIGIT_NPS: Duration = Duration::from_millis(2_000);
const NEXT_DIGIT: Duration = Duration::from_millis(4_000);

/// How long a caller may think about "to change, press 1".
const CHANGE_WITHIN: Duration = Duration::from_millis(3_000);

/// The digits of one answer so far. At most 32: the survey's bound on `max_digits`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Typed(String);

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) key: Option<Key>,
    pub(crate) score: Option<Score>,
    pub(crate) value: String,
}

/// What a key did to an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    Given(Given),
    More(Typed),
    Invalid,
}

pub(crate) fn hear_key(question: &Question, typed: Typed, key: Key) -> Progress {
    let single = |value: Option<(Option<Score>, String)>| match value {
        Some((score, value)) => Progress::Given(Given { key: Some(key), score, value }),
        None => Progress::Invalid,
    };
    match &question.kind {
        Kind::Rating(map) => single(map.get(&key).map(|rated| (Some(rated.score), rated.label.clone()))),
        Kind::YesNo { keys, .. } | Kind::Choice(keys) => {
            single(keys.get(&key).map(|label| (None, label.clone())))
        }
        Kind::Ces => {
            single(key.digit().filter(|digit| (1..=7).contains(digit)).map(|digit| (None, digit.to_string())))
        }
        Kind::Nps | Kind::Digits { .. } => hear_digit(question, typed, key),
    }
}

fn hear_digit(question: &Question, mut typed: Typed, key: Key) -> Progress {
    if key == Key::POUND {
        return hear_end(question, &typed).map_or(Progress::Invalid, Progress::Given);
    }
    let Some(digit) = key.digit() else { return Progress::Invalid };
    typed.0.push(char::from(b'0' + digit));
    let Collect { most, .. } = question.collect();
    let full = match question.kind {
        Kind::Nps => typed.0 != "1",
        _ => typed.0.len() >= usize::from(most),
    };
    if full {
        hear_end(question, &typed).map_or(Progress::Invalid, Progress::Given)
    } else {
        Progress::More(typed)
    }
}

/// The typed digits were ended by `#`, by silence, or because they are as many as there can be.
pub(crate) fn hear_end(question: &Question, typed: &Typed) -> Option<Given> {
    let last = typed.0.chars().last().and_then(|c| Key::try_from(c).ok())?;
    let fits = match question.kind {
        Kind::Nps => {
            matches!(typed.0.as_str(), "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "10")
        }
        Kind::Digits { least, most } => (usize::from(least)..=usize::from(most)).contains(&typed.0.len()),
        _ => false,
    };
    fits.then(|| Given { key: Some(last), score: None, value: typed.0.clone() })
}

/// The number a text is, if it is one; what is too large to tell from larger ones is the largest.
pub(crate) fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let is_long = text.len() > 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().or(is_long.then_some(i64::MAX))
}

/// The key that repeats what is said of an answer: the one that repeats its question.
pub(crate) fn repeat_key(survey: &Survey, confirmation: &Confirmation) -> Option<Key> {
    survey.question(confirmation.of).map(|(_, question)| question.repeat)
}

/// Whether a confirmation waits for a key.
pub(crate) fn can_change(survey: &Survey, at: At) -> bool {
    survey.step(at).is_some_and(
        |step| matches!(&step.does, Does::Confirm(confirmation) if confirmation.change.is_some()),
    )
}

/// What a door is to do in the session's present state.
pub(crate) fn act(session: &Session, survey: &Survey) -> Act {
    let nothing = || Act::Say { say: Vec::new(), interruptible: false };
    let speech = Speech { session, survey };
    match &session.state {
        State::Fresh => nothing(),
        State::Done(ending) => Act::End(ending.clone()),
        State::Asking { step, lead, .. } => match survey.question(*step) {
            Some((step, question)) => Act::Ask(speech.ask(step, question, lead)),
            None => nothing(),
        },
        State::Saying { step }
        | State::Confirming { step }
        | State::Recording { step }
        | State::Waiting { step } => survey.step(*step).map_or_else(nothing, |step| speech.step(step)),
    }
}

struct Speech<'a> {
    session: &'a Session,
    survey: &'a Survey,
}

impl Speech<'_> {
    fn ask(&self, step: &Step, question: &Question, lead: &Lead) -> Asked {
        let before = match lead {
            Lead::Question | Lead::Typed(_) => None,
            Lead::Invalid => Some(&question.invalid),
            Lead::Silence => Some(&question.silence),
        };
        let typing = matches!(lead, Lead::Typed(_));
        let mut say: Vec<Spoken> = before.map(|name| self.prompt(name)).into_iter().collect();
        if !typing {
            say.extend(self.say(&question.say));
        }
        let silence_after = match (typing, &question.kind) {
            (false, _) => question.silence_after,
            (true, Kind::Nps) => NEXT_DIGIT_NPS,
            (true, _) => NEXT_DIGIT,
        };
        Asked {
            question: step.id.clone(),
            say,
            interruptible: question.interruptible,
            silence_after,
            keys: question.keys(),
            collect: question.collect(),
        }
    }

    fn step(&self, step: &Step) -> Act {
        match &step.does {
            Does::Say { say, interruptible } => {
                Act::Say { say: self.say(say), interruptible: *interruptible }
            }
            Does::Confirm(confirmation) => {
                let say = self.say(&confirmation.say);
                match confirmation.change {
                    None => Act::Say { say, interruptible: confirmation.interruptible },
                    Some(change) => Act::Ask(Asked {
                        keys: std::iter::once(change)
                            .chain(repeat_key(self.survey, confirmation).filter(|repeat| *repeat != change))
                            .collect(),
                        question: step.id.clone(),
                        say,
                        interruptible: confirmation.interruptible,
                        silence_after: CHANGE_WITHIN,
                        collect: Collect { least: 1, most: 1 },
                    }),
                }
            }
            Does::Record(recorder) => Act::Record {
                say: self.say(&recorder.say),
                beep: recorder.beep,
                longest: recorder.longest,
                silence_after: recorder.silence_after,
                finish: recorder.finish,
            },
            Does::Webhook { url, timeout } => {
                Act::Webhook { step: step.id.clone(), url: url.clone(), timeout: *timeout }
            }
            Does::Transfer { target } => Act::Transfer { target: target.clone() },
            // A question is said by `ask`; a branch takes no turn.
            Does::Ask(_) | Does::Branch(_) => Act::Say { say: Vec::new(), interruptible: false },
        }
    }

    fn say(&self, words: &[Word]) -> Vec<Spoken> {
        words.iter().flat_map(|word| self.word(word)).collect()
    }

    fn word(&self, word: &Word) -> Vec<Spoken> {
        match word {
            Word::Prompt(name) => vec![self.prompt(name)],
            Word::Answer { question, part } => {
                let id = self.survey.step(*question).map(|step| step.id.as_str());
                // Several keys typed are one answer: all of them are its key.
                let typed = self
                    .survey
                    .question(*question)
                    .is_some_and(|(_, question)| matches!(question.kind, Kind::Nps | Kind::Digits { .. }));
                let part = if typed && *part == Part::Key { Part::Value } else { *part };
                match id.and_then(|id| self.session.answers.get(id)) {
                    Some(answer) => self.part(answer, part),
                    None => Vec::new(),
                }
            }
        }
    }

    fn part(&self, answer: &Answered, part: Part) -> Vec<Spoken> {
        match part {
            Part::Key => answer.key.map(|key| self.number(&key.to_string())).unwrap_or_default(),
            Part::Value => self.number(&answer.value),
            Part::Label if self.survey.texts.contains_key(&answer.value) => vec![self.prompt(&answer.value)],
            Part::Label => self.number(&answer.value),
        }
    }

    /// A ten as one word, every other number digit by digit, noughts in front of it too.
    fn number(&self, digits: &str) -> Vec<Spoken> {
        let numbers: Vec<usize> = match digits {
            "10" => vec![10],
            _ => digits.chars().filter_map(|c| c.to_digit(10)).map(|digit| digit as usize).collect(),
        };
        numbers.into_iter().filter_map(|number| DIGITS.get(number)).map(|name| self.prompt(name)).collect()
    }

    fn prompt(&self, name: &str) -> Spoken {
        let language = &self.session.language;
        let text =
            self.survey.texts.get(name).and_then(|texts| texts.get(language)).cloned().unwrap_or_default();
        Spoken { piece: Piece { language: language.to_string(), name: name.to_owned() }, text }
    }
}
