//! Compiling a `branch`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::survey::compile::{Compiler, VARIABLES};
use crate::survey::definition::{ArmDefinition, AskKind, StepDefinition, StepType};
use crate::survey::fault::{Pointer, did_you_mean};
use crate::survey::model::{Arm, Goto, Subject, Test};

pub(crate) fn arms(compiler: &mut Compiler<'_>, step: &StepDefinition, here: &Pointer) -> Vec<Arm> {
    if step.when.is_empty() {
        compiler.fault(here.clone(), "a branch needs at least one [[step.when]]");
    }
    let arms = step.when.iter().enumerate();
    arms.filter_map(|(number, arm)| self::arm(compiler, arm, &here.key("when").index(number))).collect()
}

fn arm(compiler: &mut Compiler<'_>, arm: &ArmDefinition, place: &Pointer) -> Option<Arm> {
    let goto = compiler.target_or(Some(&arm.goto), &place.key("goto"), Goto::End);
    let subject = match (&arm.answer, &arm.variable) {
        (Some(question), None) => {
            answered(compiler, question, &place.key("answer"));
            possible(compiler, question, arm, place);
            Subject::Answer(question.clone())
        }
        (None, Some(variable)) => {
            self::variable(compiler, variable, &place.key("variable"));
            Subject::Variable(variable.clone())
        }
        _ => {
            compiler.fault(place.clone(), "an arm tests either an `answer` or a `variable`");
            return None;
        }
    };
    let tests = [
        arm.is.clone().map(|text| Test::OneOf(vec![text])),
        arm.one_of.clone().map(Test::OneOf),
        arm.at_least.map(Test::AtLeast),
        arm.at_most.map(Test::AtMost),
        arm.given.map(Test::Given),
    ];
    let mut given = tests.into_iter().flatten();
    match (given.next(), given.next()) {
        (Some(test), None) => Some(Arm { subject, test, goto }),
        _ => {
            let message = "an arm has exactly one of `is`, `one_of`, `at_least`, `at_most`, `given`";
            compiler.fault(place.clone(), message);
            None
        }
    }
}

/// Answers may be tested of whatever leaves one: questions and recordings.
fn answered(compiler: &mut Compiler<'_>, name: &str, here: &Pointer) {
    let definition = Arc::clone(&compiler.definition);
    let answering = |step: &&StepDefinition| matches!(step.step_type, StepType::Ask | StepType::Record);
    let mut names = definition.step.iter().filter(answering).map(|step| step.id.as_str());
    if !names.clone().any(|known| known == name) {
        let hint = did_you_mean(name, &mut names);
        compiler.fault(here.clone(), format!("no question or recording is called \"{name}\"{hint}"));
    }
}

/// What the answer to a question can be: labels, numbers.
type Answers<'a> = (Vec<&'a str>, Option<RangeInclusive<i64>>);

fn answers(asked: &StepDefinition) -> Option<Answers<'_>> {
    let labels = || asked.keys.values().map(|meaning| meaning.label.as_str()).collect();
    match asked.kind? {
        AskKind::Rating => Some((labels(), Some(1..=5))),
        AskKind::Nps => Some((vec![], Some(0..=10))),
        AskKind::Ces => Some((vec![], Some(1..=7))),
        AskKind::YesNo => Some((vec!["yes", "no"], None)),
        AskKind::Choice => Some((labels(), None)),
        AskKind::Digits => None,
    }
}

/// A fault for every word and number of an arm that no answer to the question is.
fn possible(compiler: &mut Compiler<'_>, question: &str, arm: &ArmDefinition, place: &Pointer) {
    let definition = Arc::clone(&compiler.definition);
    let asked = definition.step.iter().find(|step| step.id == question);
    let Some((labels, numbers)) = asked.and_then(answers) else { return };
    let is = arm.is.iter().map(|word| (word, place.key("is")));
    let one_of = arm.one_of.iter().flatten().enumerate();
    let one_of = one_of.map(|(number, word)| (word, place.key("one_of").index(number)));
    for (word, at) in is.chain(one_of) {
        let number = word.parse().is_ok_and(|number| numbers.iter().any(|range| range.contains(&number)));
        if !number && !labels.contains(&word.as_str()) {
            let hint = did_you_mean(word, labels.iter().copied());
            compiler.fault(at, format!("\"{word}\" is never the answer to \"{question}\"{hint}"));
        }
    }
    for (bound, key) in [(arm.at_least, "at_least"), (arm.at_most, "at_most")] {
        let Some(bound) = bound else { continue };
        let message = match &numbers {
            Some(range) if range.contains(&bound) => continue,
            Some(range) => {
                let (least, most) = (range.start(), range.end());
                format!("{bound} is never the answer to \"{question}\", which is {least} to {most}")
            }
            None => format!("the answer to \"{question}\" is no number: test it by `is` or `one_of`"),
        };
        compiler.fault(place.key(key), message);
    }
}

fn variable(compiler: &mut Compiler<'_>, name: &str, here: &Pointer) {
    let definition = Arc::clone(&compiler.definition);
    let outcome = |step: &&StepDefinition| matches!(step.step_type, StepType::Webhook | StepType::Transfer);
    let outcomes = definition.step.iter().filter(outcome).map(|step| step.id.as_str());
    let own = definition.variables.iter().map(String::as_str);
    let mut known = VARIABLES.into_iter().chain(own).chain(outcomes);
    if !known.clone().any(|variable| variable == name) {
        let hint = did_you_mean(name, &mut known);
        let message =
            format!("nothing sets a variable \"{name}\"{hint}; list it in `variables` if a door does");
        compiler.fault(here.clone(), message);
    }
}
