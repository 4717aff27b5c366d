//! Exceptions: a comment above a line allows it to break one rule, for a reason that it must give.

use super::Fault;
use super::source::Source;

const WORDS: &str = "tidy allows ";

/// One exception: the rule, and the line that may break it.
struct Allowed<'a> {
    source: &'a Source,
    rule: &'a str,
    line: usize,
}

/// The faults that no comment allows, and the comments that allow nothing.
pub(super) fn without_allowed(sources: &[Source], faults: Vec<Fault>) -> Vec<Fault> {
    let allowed: Vec<Allowed<'_>> = sources.iter().flat_map(allowances).collect();
    let covers = |a: &Allowed<'_>, fault: &Fault| {
        a.source.path == fault.path && a.rule == fault.rule && a.line == fault.line
    };
    let idle = allowed.iter().filter(|a| !faults.iter().any(|fault| covers(a, fault)));
    let idle: Vec<Fault> = idle
        .map(|a| a.source.fault(a.line - 1, "idle-exception", format!("nothing below breaks `{}`", a.rule)))
        .collect();
    let kept = faults.into_iter().filter(|fault| !allowed.iter().any(|a| covers(a, fault)));
    kept.chain(idle).collect()
}

fn allowances(source: &Source) -> impl Iterator<Item = Allowed<'_>> {
    (2..).zip(source.comments.lines()).filter_map(move |(line, comment)| {
        let comment = comment.trim().strip_prefix("//")?.trim_start();
        let (rule, reason) = comment.strip_prefix(WORDS)?.split_once(": ")?;
        (!reason.trim().is_empty()).then_some(Allowed { source, rule, line })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::style::unbounded_channels;

    fn said(comment: &str, code: &str) -> Vec<String> {
        let sources = [Source::read("a.rs", &format!("fn a() {{\n{comment}\n{code}\n}}"))];
        let faults = unbounded_channels(&sources[0]);
        without_allowed(&sources, faults).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_exception_needs_its_rule_its_line_and_a_reason() {
        let broken = "unbounded_channel();";
        let fault = "a.rs:3: unbounded: a queue without a named bound".to_owned();
        assert!(said("    // tidy allows unbounded: its sender is dropped at once.", broken).is_empty());
        for not_enough in ["// why", "// tidy allows unbounded: ", "// tidy allows unbounded"] {
            assert_eq!(said(not_enough, broken), std::slice::from_ref(&fault), "{not_enough}");
        }
        let other = said("// tidy allows clock: why", broken);
        assert_eq!(other, [fault, "a.rs:2: idle-exception: nothing below breaks `clock`".to_owned()]);
    }

    #[test]
    fn an_exception_that_nothing_needs_is_a_fault() {
        let idle = said("// tidy allows unbounded: why", "bounded(QUEUED_MAX);");
        assert_eq!(idle, ["a.rs:2: idle-exception: nothing below breaks `unbounded`"]);
    }
}
