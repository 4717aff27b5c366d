//! Which fields belong to which type of step.

use crate::survey::definition::{AskKind, StepDefinition, StepType};
use crate::survey::fault::{Fault, Pointer};

/// A fault for every field that is given but means nothing in a step of this type.
pub(crate) fn strangers(step: &StepDefinition, here: &Pointer) -> Vec<Fault> {
    use StepType::{Ask, Branch, Confirm, End, Record, Say, Transfer, Webhook};
    let given: [(&str, bool, &[StepType]); 26] = [
        ("say", !step.say.is_empty(), &[Say, Ask, Record, Confirm, End]),
        ("interruptible", step.interruptible.is_some(), &[Say, Ask, Confirm, End]),
        ("next", step.next.is_some(), &[Say, Ask, Record, Confirm, Webhook, Transfer]),
        ("kind", step.kind.is_some(), &[Ask]),
        ("keys", !step.keys.is_empty(), &[Ask]),
        ("attempts", step.attempts.is_some(), &[Ask]),
        ("silence_ms", step.silence_ms.is_some(), &[Ask, Record]),
        ("invalid", step.invalid.is_some(), &[Ask]),
        ("silence", step.silence.is_some(), &[Ask]),
        ("otherwise", step.otherwise.is_some(), &[Ask, Branch]),
        ("repeat_key", step.repeat_key.is_some(), &[Ask]),
        ("back_key", step.back_key.is_some(), &[Ask]),
        ("skip_key", step.skip_key.is_some(), &[Ask]),
        ("min_digits", step.min_digits.is_some(), &[Ask]),
        ("max_digits", step.max_digits.is_some(), &[Ask]),
        ("opt_in", step.opt_in.is_some(), &[Ask]),
        ("of", step.of.is_some(), &[Confirm]),
        ("change", step.change.is_some(), &[Confirm]),
        ("change_key", step.change_key.is_some(), &[Confirm]),
        ("beep", step.beep.is_some(), &[Record]),
        ("max_seconds", step.max_seconds.is_some(), &[Record]),
        ("finish_key", step.finish_key.is_some(), &[Record]),
        ("when", !step.when.is_empty(), &[Branch]),
        ("url", step.url.is_some(), &[Webhook]),
        ("timeout_ms", step.timeout_ms.is_some(), &[Webhook]),
        ("target", step.target.is_some(), &[Transfer]),
    ];
    let of_type = given
        .into_iter()
        .filter(|(_, given, types)| *given && !types.contains(&step.step_type))
        .map(|(field, _, _)| {
            let message = format!("`{field}` means nothing in a step of type `{}`", word(step.step_type));
            Fault::new(here.key(field), message)
        });
    of_type.chain(of_kind(step, here)).collect()
}

fn of_kind(step: &StepDefinition, here: &Pointer) -> Vec<Fault> {
    let Some(kind) = step.kind.filter(|_| step.step_type == StepType::Ask) else { return Vec::new() };
    let typed = kind == AskKind::Digits;
    let mapped = matches!(kind, AskKind::Rating | AskKind::YesNo | AskKind::Choice);
    let given = [
        ("keys", !step.keys.is_empty() && !mapped, "its keys are given by its kind"),
        ("min_digits", step.min_digits.is_some() && !typed, "only `digits` has a number of digits"),
        ("max_digits", step.max_digits.is_some() && !typed, "only `digits` has a number of digits"),
        ("opt_in", step.opt_in.is_some() && kind != AskKind::YesNo, "only `yes_no` can ask for consent"),
    ];
    given
        .into_iter()
        .filter(|(_, wrong, _)| *wrong)
        .map(|(field, _, why)| {
            Fault::new(here.key(field), format!("`{field}` means nothing in this kind of question: {why}"))
        })
        .collect()
}

fn word(step_type: StepType) -> &'static str {
    match step_type {
        StepType::Say => "say",
        StepType::Ask => "ask",
        StepType::Record => "record",
        StepType::Confirm => "confirm",
        StepType::Branch => "branch",
        StepType::Webhook => "webhook",
        StepType::Transfer => "transfer",
        StepType::End => "end",
    }
}
