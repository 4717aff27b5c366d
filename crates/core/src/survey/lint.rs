//! What can be wrong with a survey whose every name is right: steps nobody reaches and
//! paths that never end. What its words say of the scores is read in `polarity`.

use std::collections::BTreeSet;

use crate::survey::fault::{Fault, Pointer};
use crate::survey::model::{At, Does, Goto, Step, Survey};

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
