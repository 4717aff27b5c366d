//! What a step says: prompt names and places for answers.

use crate::survey::compile::Compiler;
use crate::survey::definition::{OneOrMany, StepDefinition};
use crate::survey::fault::{Pointer, did_you_mean};
use crate::survey::model::{At, Part, Word};

/// The prompts that speak a number, by its value.
pub(crate) const DIGITS: [&str; 11] = [
    "digit_0", "digit_1", "digit_2", "digit_3", "digit_4", "digit_5", "digit_6", "digit_7", "digit_8",
    "digit_9", "digit_10",
];

/// `of` is the question that `{key}`, `{label}` and `{value}` without a name mean.
pub(crate) fn compile(
    compiler: &mut Compiler<'_>,
    step: &StepDefinition,
    here: &Pointer,
    of: Option<At>,
) -> Vec<Word> {
    let mut words = Vec::new();
    for (number, text) in step.say.as_slice().iter().enumerate() {
        let place = self::place(&step.say, here, number);
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(inside) => words.extend(answer(compiler, inside, &place, of)),
            None => {
                if prompt(compiler, text, &place) {
                    words.push(Word::Prompt(text.clone()));
                }
            }
        }
    }
    words
}

/// Where a step says its word of this number.
pub(crate) fn place(say: &OneOrMany, here: &Pointer, number: usize) -> Pointer {
    let say_at = here.key("say");
    match say {
        OneOrMany::One(_) => say_at,
        OneOrMany::Many(_) => say_at.index(number),
    }
}

/// Notes that a prompt is used; a fault where neither the survey nor the library has it.
pub(crate) fn prompt(compiler: &mut Compiler<'_>, name: &str, place: &Pointer) -> bool {
    let known = compiler.definition.prompt.contains_key(name) || compiler.library.texts(name).is_some();
    if known {
        compiler.used.entry(name.to_owned()).or_insert_with(|| place.clone());
    } else {
        let own = compiler.definition.prompt.keys().map(String::as_str);
        let hint = did_you_mean(name, own.chain(compiler.library.names()));
        compiler.fault(
            place.clone(),
            format!("there is no prompt \"{name}\"{hint}; give its text under {}", table_of(name)),
        );
    }
    known
}

/// The table of a prompt's texts, as it is written in TOML.
pub(crate) fn table_of(prompt: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !prompt.is_empty() && prompt.chars().all(bare) {
        format!("[prompt.{prompt}]")
    } else {
        // JSON's escapes are TOML's as well.
        format!("[prompt.{}]", serde_json::Value::from(prompt))
    }
}

/// `key`, `label`, `value`, or `QUESTION.key` and so on.
fn answer(compiler: &mut Compiler<'_>, inside: &str, place: &Pointer, of: Option<At>) -> Option<Word> {
    let (question, part) = match inside.rsplit_once('.') {
        Some((name, part)) => (compiler.asked(name, place), part),
        None => {
            if of.is_none() {
                compiler.fault(place.clone(), format!("which question's? write {{QUESTION.{inside}}}"));
            }
            (of, inside)
        }
    };
    let part = match part {
        "key" => Part::Key,
        "label" => Part::Label,
        "value" => Part::Value,
        _ => {
            let hint = did_you_mean(part, ["key", "label", "value"]);
            compiler.fault(
                place.clone(),
                format!("\"{part}\" is not a part of an answer: key, label or value{hint}"),
            );
            return None;
        }
    };
    for digit in DIGITS {
        prompt(compiler, digit, place);
    }
    Some(Word::Answer { question: question?, part })
}
