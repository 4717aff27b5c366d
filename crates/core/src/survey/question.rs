//! Compiling an `ask`.

use std::collections::BTreeMap;

use crate::key::Key;
use crate::score::Score;
use crate::survey::compile::Compiler;
use crate::survey::definition::{AskKind, KeyDefinition, StepDefinition};
use crate::survey::fault::Pointer;
use crate::survey::model::{At, Goto, Kind, Question, Rated};
use crate::survey::words;

/// A caller who fails ten times will not succeed at the eleventh.
const ATTEMPTS: std::ops::RangeInclusive<u8> = 1..=10;

/// A card or account number fits; more digits nobody types.
const DIGITS: std::ops::RangeInclusive<u8> = 1..=32;

pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    step: &StepDefinition,
    here: &Pointer,
    main: Option<&str>,
) -> Question {
    compiler.needs_say(step, here);
    let attempts = step.attempts.unwrap_or(3);
    if !ATTEMPTS.contains(&attempts) {
        compiler.fault(here.key("attempts"), format!("{attempts} attempts: 1 to 10 are allowed"));
    }
    let invalid = step.invalid.clone().unwrap_or_else(|| "invalid_key".to_owned());
    let silence = step.silence.clone().unwrap_or_else(|| "no_key".to_owned());
    words::prompt(compiler, &invalid, &here.key("invalid"));
    words::prompt(compiler, &silence, &here.key("silence"));
    let question = Question {
        kind: kind(compiler, step, here),
        main: main == Some(step.id.as_str()),
        say: compiler.words(step, here, None),
        interruptible: step.interruptible.unwrap_or(true),
        attempts,
        silence_after: compiler.silence(step, here, 5_000),
        invalid,
        silence,
        otherwise: otherwise(compiler, step, here),
        repeat: compiler.key(step.repeat_key.as_deref(), &here.key("repeat_key"), '*').unwrap_or(Key::STAR),
        back: optional_key(compiler, step.back_key.as_deref(), &here.key("back_key")),
        skip: optional_key(compiler, step.skip_key.as_deref(), &here.key("skip_key")),
    };
    distinct_keys(compiler, &question, here);
    question
}

fn otherwise(compiler: &mut Compiler<'_>, step: &StepDefinition, here: &Pointer) -> Goto {
    let farewell = At::try_from(compiler.definition.step.len()).map_or(Goto::End, Goto::Step);
    if step.otherwise.is_none() {
        words::prompt(compiler, "goodbye", &here.key("otherwise"));
    }
    compiler.target_or(step.otherwise.as_deref(), &here.key("otherwise"), farewell)
}

fn optional_key(compiler: &mut Compiler<'_>, text: Option<&str>, here: &Pointer) -> Option<Key> {
    text.and_then(|text| compiler.key(Some(text), here, '0'))
}

fn kind(compiler: &mut Compiler<'_>, step: &StepDefinition, here: &Pointer) -> Kind {
    let Some(kind) = step.kind else {
        compiler.fault(here.clone(), "a question needs a `kind`: rating, nps, ces, yes_no, choice or digits");
        return Kind::Nps;
    };
    match kind {
        AskKind::Nps => Kind::Nps,
        AskKind::Ces => Kind::Ces,
        AskKind::Rating => Kind::Rating(ratings(compiler, step, here)),
        AskKind::Choice => {
            if step.keys.len() < 2 {
                compiler.fault(here.key("keys"), "a choice needs at least two keys");
            }
            Kind::Choice(labels(compiler, step, here))
        }
        AskKind::YesNo => {
            Kind::YesNo { keys: yes_no(compiler, step, here), decline: step.opt_in.unwrap_or(false) }
        }
        AskKind::Digits => {
            let (least, most) = (step.min_digits.unwrap_or(1), step.max_digits.unwrap_or(16));
            if !DIGITS.contains(&least) || !DIGITS.contains(&most) || least > most {
                let message =
                    format!("{least} to {most} digits: both are 1 to 32, the first not above the second");
                compiler.fault(here.key("min_digits"), message);
            }
            Kind::Digits { least, most }
        }
    }
}

fn ratings(compiler: &mut Compiler<'_>, step: &StepDefinition, here: &Pointer) -> BTreeMap<Key, Rated> {
    if step.keys.len() < 2 {
        compiler.fault(
            here.key("keys"),
            "a rating needs a map from keys to scores, such as 1 = { score = 5, label = \"very_satisfied\" }",
        );
    }
    mapped(compiler, step, here, |compiler, meaning, place| {
        let score = meaning.score.and_then(|number| Score::try_from(number).ok());
        if score.is_none() {
            compiler.fault(place.key("score"), "a rating's key needs a `score` from 1 (worst) to 5 (best)");
        }
        Some(Rated { score: score?, label: meaning.label.clone() })
    })
}

fn labels(compiler: &mut Compiler<'_>, step: &StepDefinition, here: &Pointer) -> BTreeMap<Key, String> {
    mapped(compiler, step, here, |compiler, meaning, place| {
        if meaning.score.is_some() {
            compiler.fault(place.key("score"), "only the keys of a `rating` have scores");
        }
        Some(meaning.label.clone())
    })
}

fn yes_no(compiler: &mut Compiler<'_>, step: &StepDefinition, here: &Pointer) -> BTreeMap<Key, String> {
    if step.keys.is_empty() {
        let default = [('1', "yes"), ('2', "no")];
        words::prompt(compiler, "yes", here);
        words::prompt(compiler, "no", here);
        return default
            .into_iter()
            .filter_map(|(key, label)| Some((Key::try_from(key).ok()?, label.to_owned())))
            .collect();
    }
    let keys = labels(compiler, step, here);
    let words: Vec<&str> = keys.values().map(String::as_str).collect();
    if !(words.len() == 2 && words.contains(&"yes") && words.contains(&"no")) {
        compiler.fault(here.key("keys"), "a yes_no question has two keys, labelled \"yes\" and \"no\"");
    }
    keys
}

fn mapped<T>(
    compiler: &mut Compiler<'_>,
    step: &StepDefinition,
    here: &Pointer,
    mut meaning: impl FnMut(&mut Compiler<'_>, &KeyDefinition, &Pointer) -> Option<T>,
) -> BTreeMap<Key, T> {
    let mut map = BTreeMap::new();
    for (text, key_definition) in &step.keys {
        let place = here.key("keys").key(text.as_str());
        words::prompt(compiler, &key_definition.label, &place.key("label"));
        let key = compiler.key(Some(text), &place, '0');
        if let (Some(key), Some(value)) = (key, meaning(compiler, key_definition, &place)) {
            map.insert(key, value);
        }
    }
    map
}

/// One key, one meaning.
fn distinct_keys(compiler: &mut Compiler<'_>, question: &Question, here: &Pointer) {
    let controls =
        [("repeat_key", Some(question.repeat)), ("back_key", question.back), ("skip_key", question.skip)];
    let answers: Vec<Key> = match &question.kind {
        Kind::Rating(map) => map.keys().copied().collect(),
        Kind::YesNo { keys, .. } | Kind::Choice(keys) => keys.keys().copied().collect(),
        Kind::Ces => ('1'..='7').filter_map(|c| Key::try_from(c).ok()).collect(),
        Kind::Nps | Kind::Digits { .. } => {
            ('0'..='9').chain(['#']).filter_map(|c| Key::try_from(c).ok()).collect()
        }
    };
    for (at, (name, control)) in controls.iter().enumerate() {
        let Some(control) = control else { continue };
        let twice = controls[..at].iter().any(|(_, other)| *other == Some(*control));
        if twice || answers.contains(control) {
            compiler.fault(
                here.key(*name),
                format!("the key {control} has another meaning in this question already"),
            );
        }
    }
}
