//! What can be wrong with a survey whose every name is right: steps nobody reaches,
//! paths that never end, and words that say the opposite of the scores.

use std::collections::BTreeSet;

use crate::ids::Language;
use crate::key::Key;
use crate::survey::fault::{Fault, Pointer};
use crate::survey::library::Library;
use crate::survey::model::{At, Does, Goto, Rated, Step, Survey, Texts, Word};

/// Labels of the library and the score each stands for.
const LABELS: [(&str, u8); 5] =
    [("very_dissatisfied", 1), ("dissatisfied", 2), ("neutral", 3), ("satisfied", 4), ("very_satisfied", 5)];

/// English words that leave no doubt about which side of the scale they mean.
const GOOD: [&str; 10] = [
    "excellent",
    "great",
    "good",
    "happy",
    "perfect",
    "satisfied",
    "outstanding",
    "pleased",
    "best",
    "wonderful",
];
const BAD: [&str; 12] = [
    "dissatisfied",
    "unsatisfied",
    "bad",
    "poor",
    "terrible",
    "awful",
    "unhappy",
    "worst",
    "horrible",
    "unacceptable",
    "disappointed",
    "disappointing",
];

/// Steps that no caller reaches, and paths that lead back.
pub(crate) fn graph(survey: &Survey) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut walk = Walk { survey, reached: BTreeSet::new(), path: Vec::new(), faults: &mut faults };
    walk.visit(0);
    let reached = walk.reached;
    for (at, step) in survey.steps.iter().enumerate() {
        if At::try_from(at).is_ok_and(|at| !reached.contains(&at)) {
            let message =
                format!("no caller ever reaches step \"{}\": let a step before it lead here", step.id);
            faults.push(Fault::new(Pointer::root().key("step").index(at), message));
        }
    }
    faults
}

struct Walk<'a> {
    survey: &'a Survey,
    reached: BTreeSet<At>,
    path: Vec<At>,
    faults: &'a mut Vec<Fault>,
}

impl Walk<'_> {
    /// Depth is bounded by the number of steps: a step already on the path is not entered again.
    fn visit(&mut self, at: At) {
        let Some(step) = self.survey.step(at) else { return };
        if !self.reached.insert(at) {
            return;
        }
        self.path.push(at);
        for target in targets(step) {
            if let Some(since) = self.path.iter().position(|&earlier| earlier == target) {
                let names = self.path[since..]
                    .iter()
                    .filter_map(|&at| self.survey.step(at))
                    .map(|step| step.id.as_str());
                let round: Vec<&str> = names.collect();
                let message = format!(
                    "the path {} -> {} never ends: a step may lead only onwards (a caller goes back by `back_key` or `change`)",
                    round.join(" -> "),
                    round.first().copied().unwrap_or_default(),
                );
                self.faults.push(Fault::new(Pointer::root().key("step").index(at.into()), message));
            } else {
                self.visit(target);
            }
        }
        self.path.pop();
    }
}

/// Every step that may follow this one.
fn targets(step: &Step) -> Vec<At> {
    let further: Vec<Goto> = match &step.does {
        Does::Ask(question) => vec![question.otherwise],
        Does::Branch(arms) => arms.iter().map(|arm| arm.goto).collect(),
        Does::Say { .. }
        | Does::Confirm(_)
        | Does::Record(_)
        | Does::Webhook { .. }
        | Does::Transfer { .. } => vec![],
    };
    let mut targets: Vec<At> = [step.next]
        .into_iter()
        .chain(further)
        .filter_map(|goto| match goto {
            Goto::Step(at) => Some(at),
            Goto::End => None,
        })
        .collect();
    targets.dedup();
    targets
}

/// Labels and prompts that say another score than the map gives.
pub(crate) fn polarity(survey: &Survey, library: &Library) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, step) in survey.steps.iter().enumerate() {
        let Does::Ask(question) = &step.does else { continue };
        let crate::survey::model::Kind::Rating(map) = &question.kind else { continue };
        let here = Pointer::root().key("step").index(at);
        let rated: Vec<(Key, &Rated)> = map.iter().map(|(key, rated)| (*key, rated)).collect();
        faults.extend(labels(survey, library, &rated, &here));
        faults.extend(order(&rated, &here));
        for word in &question.say {
            if let Word::Prompt(name) = word
                && let Some(texts) = survey.texts.get(name)
            {
                faults.extend(prompt(survey, name, texts, &rated, &here));
            }
        }
    }
    faults
}

fn labels(survey: &Survey, library: &Library, rated: &[(Key, &Rated)], here: &Pointer) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, rated) in rated {
        let score = rated.score.get();
        let place = here.key("keys").key(key.to_string());
        let texts = survey.texts.get(&rated.label);
        if let Some((meant, text)) =
            texts.and_then(|texts| meant_by_library(texts, &survey.language, library))
        {
            if meant != score {
                let message =
                    format!("key {key} says \"{text}\", which means score {meant}, but gives score {score}");
                faults.push(Fault::new(place, message));
            }
            continue;
        }
        let english = Language::new("en").ok().and_then(|en| texts.and_then(|texts| texts.get(&en)).cloned());
        let name = rated.label.replace(['_', '-'], " ");
        let side = english.as_deref().and_then(side_of).or_else(|| side_of(&name));
        let wrong = match side {
            Some(Side::Good) => score < 3,
            Some(Side::Bad) => score > 3,
            None => false,
        };
        if wrong {
            let text = english.unwrap_or(name);
            let message = format!(
                "key {key} says \"{text}\" but gives score {score}; 5 is the best score, 1 the worst"
            );
            faults.push(Fault::new(place, message));
        }
    }
    faults
}

/// The score that a label's text stands for, where it is one of the library's in any language,
/// with that text: in the survey's own language if that says it.
fn meant_by_library<'a>(texts: &'a Texts, own: &Language, library: &Library) -> Option<(u8, &'a str)> {
    let own_first = texts.get_key_value(own).into_iter().chain(texts);
    own_first.into_iter().find_map(|(language, text)| {
        LABELS.iter().find_map(|(label, score)| {
            let known = library.texts(label)?.get(language)?;
            (folded(known) == folded(text)).then_some((*score, text.as_str()))
        })
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Good,
    Bad,
}

fn side_of(text: &str) -> Option<Side> {
    let text = folded(text);
    let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let negated = words.iter().any(|word| matches!(*word, "not" | "never" | "no"));
    let bad = words.iter().any(|word| BAD.contains(word));
    let good = words.iter().any(|word| GOOD.contains(word));
    match (good, bad, negated) {
        (true, false, false) | (false, true, true) => Some(Side::Good),
        (false, true, false) | (true, false, true) => Some(Side::Bad),
        _ => None,
    }
}

/// Scores that go up and down along the keys: hardly ever what was meant.
fn order(rated: &[(Key, &Rated)], here: &Pointer) -> Option<Fault> {
    let scores: Vec<u8> = rated.iter().map(|(_, rated)| rated.score.get()).collect();
    let rising = scores.windows(2).all(|pair| pair[0] <= pair[1]);
    let falling = scores.windows(2).all(|pair| pair[0] >= pair[1]);
    let message = format!("along the keys the scores go {scores:?}, neither up nor down: is that meant?");
    (!rising && !falling).then(|| Fault::advice(here.key("keys"), message))
}

/// The n-th number a prompt names goes with the n-th label it names, in every language we know:
/// "Press 1 for very satisfied", "非常满意请按1". Where the counts differ nothing is concluded.
fn prompt(survey: &Survey, name: &str, texts: &Texts, rated: &[(Key, &Rated)], here: &Pointer) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (language, text) in texts.iter().filter(|(language, _)| survey.languages.contains(*language)) {
        let text = folded(text);
        let numbers: Vec<Key> = text
            .chars()
            .filter_map(|c| Key::try_from(c).ok().filter(|key| key.digit().is_some()))
            .filter(|key| rated.iter().any(|(known, _)| known == key))
            .collect();
        let named = named_labels(survey, language, &text, rated);
        if numbers.len() != rated.len() || named.len() != rated.len() {
            faults.extend(extremes(&text, name, language, rated, here));
            continue;
        }
        for (number, label) in numbers.iter().zip(&named) {
            let Some((_, meaning)) = rated.iter().find(|(key, _)| key == number) else { continue };
            if meaning.label != *label {
                let message = format!(
                    "the prompt \"{name}\" in \"{language}\" says that {number} is \"{label}\", but the key gives \"{}\" and score {}",
                    meaning.label,
                    meaning.score.get(),
                );
                faults.push(Fault::new(here.key("keys").key(number.to_string()), message));
            }
        }
    }
    faults
}

/// The labels a text names, in the order it names them; the longest one that fits each place.
fn named_labels<'a>(
    survey: &Survey,
    language: &Language,
    text: &str,
    rated: &[(Key, &'a Rated)],
) -> Vec<&'a str> {
    let mut labels: Vec<(String, &str)> = rated
        .iter()
        .filter_map(|(_, rated)| {
            Some((folded(survey.texts.get(&rated.label)?.get(language)?), rated.label.as_str()))
        })
        .filter(|(spoken, _)| !spoken.is_empty())
        .collect();
    labels.sort_by_key(|(spoken, _)| std::cmp::Reverse(spoken.len()));
    let mut named = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match labels.iter().find(|(spoken, _)| rest.starts_with(spoken.as_str())) {
            Some((spoken, label)) => {
                named.push(*label);
                rest = &rest[spoken.len()..];
            }
            None => rest = &rest[first.len_utf8()..],
        }
    }
    named
}

/// "1 to 5, where 5 is best" says which end is which without naming labels.
fn extremes(
    text: &str,
    name: &str,
    language: &Language,
    rated: &[(Key, &Rated)],
    here: &Pointer,
) -> Vec<Fault> {
    if language.as_str().split('-').next() != Some("en") {
        return Vec::new();
    }
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let said = rated.iter().flat_map(|(key, rated)| {
        let word = key.to_string();
        let after = words.windows(2).enumerate().filter_map(move |(at, pair)| {
            let says = pair[0] == word && matches!(pair[1], "is" | "means" | "being" | "for" | "meaning");
            says.then_some(at + 2)
        });
        after
            .filter_map(|at| side_of(&words[at..words.len().min(at + 2)].join(" ")))
            .map(move |side| (key, rated, side))
    });
    said.filter(|(_, rated, side)| match side {
        Side::Good => rated.score.get() < 3,
        Side::Bad => rated.score.get() > 3,
    })
    .map(|(key, rated, side)| {
        let word = if side == Side::Good { "good" } else { "bad" };
        let score = rated.score.get();
        let message = format!("the prompt \"{name}\" in \"{language}\" says that {key} is {word}, but the key gives score {score}");
        Fault::new(here.key("keys").key(key.to_string()), message)
    })
    .collect()
}

/// Case and outer punctuation do not matter to meaning; full-width digits are digits.
fn folded(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            '０'..='９' => char::from_u32(u32::from(c) - 0xFF10 + u32::from('0')).unwrap_or(c),
            '٠'..='٩' => char::from_u32(u32::from(c) - 0x0660 + u32::from('0')).unwrap_or(c),
            '०'..='९' => char::from_u32(u32::from(c) - 0x0966 + u32::from('0')).unwrap_or(c),
            other => other,
        })
        .collect::<String>()
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_owned()
}
