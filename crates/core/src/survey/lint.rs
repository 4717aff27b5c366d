//! What can be wrong with a survey whose every name is right: steps nobody reaches, paths that
//! never end, and steps that test or speak of what comes only after them. What its words say of the scores is read in `polarity`.

use std::collections::BTreeSet;

use crate::survey::fault::{Fault, Pointer};
use crate::survey::model::{Arm, At, Confirmation, Does, Goto, Step, Subject, Survey, Word};
use crate::survey::words;

/// Steps that no caller reaches, paths that lead back, and steps that come too early.
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
    // Only where no path leads back is there a before and after.
    if faults.is_empty() {
        faults.extend(too_early(survey));
    }
    faults
}

/// Steps that test or speak of what no caller can have said yet, or no step have done.
fn too_early(survey: &Survey) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, step) in survey.steps.iter().enumerate() {
        for (source, place) in sources(survey, at, step) {
            if !leads(survey, source, at) {
                let id = survey.steps.get(source).map(|step| step.id.as_str()).unwrap_or_default();
                let message = format!("\"{id}\" comes only after this step, or on another path");
                faults.push(Fault::new(place, message));
            }
        }
    }
    faults
}

/// The steps that a step tests or speaks of, each with the place where it does.
fn sources(survey: &Survey, at: usize, step: &Step) -> Vec<(usize, Pointer)> {
    let here = Pointer::root().key("step").index(at);
    let spoken = |say: &[Word]| -> Vec<(usize, Pointer)> {
        let Some(author) = survey.definition.step.get(at) else { return Vec::new() };
        let answers = say.iter().enumerate().filter_map(|(number, word)| match word {
            Word::Answer { question, .. } => {
                Some((usize::from(*question), words::place(&author.say, &here, number)))
            }
            Word::Prompt(_) => None,
        });
        answers.collect()
    };
    match &step.does {
        Does::Branch(arms) => {
            let tested = |(number, arm): (usize, &Arm)| {
                let (name, key) = match &arm.subject {
                    Subject::Answer(question) => (question, "answer"),
                    Subject::Variable(name) => (name, "variable"),
                };
                // A variable that no step sets is there from the beginning.
                let source = survey.steps.iter().position(|step| step.id == *name)?;
                Some((source, here.key("when").index(number).key(key)))
            };
            arms.iter().enumerate().filter_map(tested).collect()
        }
        Does::Confirm(Confirmation { of, say, .. }) => {
            let of = usize::from(*of);
            let others = spoken(say).into_iter().filter(|(source, _)| *source != of);
            std::iter::once((of, here.key("of"))).chain(others).collect()
        }
        Does::Say { say, .. } => spoken(say),
        Does::Ask(question) => spoken(&question.say),
        Does::Record(recorder) => spoken(&recorder.say),
        Does::Webhook { .. } | Does::Transfer { .. } => Vec::new(),
    }
}

/// Whether a caller can come from one step to another.
fn leads(survey: &Survey, from: usize, to: usize) -> bool {
    let mut open = vec![from];
    let mut seen = BTreeSet::new();
    while let Some(at) = open.pop() {
        let onwards = survey.steps.get(at).map(targets).unwrap_or_default().into_iter().map(usize::from);
        open.extend(onwards.filter(|&next| seen.insert(next)));
    }
    seen.contains(&to)
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
pub(crate) fn targets(step: &Step) -> Vec<At> {
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
