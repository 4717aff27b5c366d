//! The house rules that a machine can judge, judged over this repository's own files.
//!
//! Sources are read as text with a small lexer of our own: no rule needs to know types, and a
//! parser would be one more dependency. Each rule is proved by a snippet that breaks it.
//!
//! A line that must break a rule says so in the comment above it: `// tidy allows RULE: the reason`.

#![allow(clippy::expect_used, reason = "a test panics to fail")]

mod allowed;
mod arrows;
mod files;
mod source;
mod style;

use std::fmt;

use source::Source;

/// Where a rule is broken, and how.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fault {
    path: String,
    line: usize,
    rule: &'static str,
    detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.detail)
    }
}

type Rule = fn(&Source) -> Vec<Fault>;

/// The rules that look at one source at a time.
const RULES: &[Rule] = &[
    style::file_length,
    style::function_length,
    style::banners,
    style::unfinished,
    style::sleeping_tests,
    style::unbounded_channels,
    style::clock_reads,
    arrows::environment,
];

#[test]
fn the_sources_keep_the_rules_of_the_house() {
    let sources = files::sources();
    let this = sources.iter().any(|source| source.path == "crates/server/tests/it/tidy.rs");
    assert!(this && sources.len() > 20, "the walk over the repository missed its sources");

    let mut faults: Vec<Fault> = sources.iter().flat_map(|s| RULES.iter().flat_map(|rule| rule(s))).collect();
    faults.extend(style::twins(&sources));
    faults.extend(arrows::modules(&sources));
    demand_none(allowed::without_allowed(&sources, faults));
}

#[test]
fn the_crates_know_only_whom_they_may() {
    let crates = arrows::workspace();
    assert!(crates.len() >= 5, "cargo metadata told of {} crates", crates.len());
    demand_none(arrows::crates(&crates));
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let texts = files::texts();
    assert!(
        texts.iter().any(|(path, _)| path == "Makefile"),
        "the walk over the repository missed its files"
    );
    demand_none(texts.iter().flat_map(|(path, text)| files::machine_names(path, text)).collect());
}

fn demand_none(mut faults: Vec<Fault>) {
    faults.sort();
    faults.dedup();
    let list: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
    assert!(faults.is_empty(), "{} rules of the house are broken:{list}", faults.len());
}

/// What a rule says about a snippet, as `line: detail`.
fn said(rule: Rule, path: &str, snippet: &str) -> Vec<String> {
    rule(&Source::read(path, snippet)).iter().map(|f| format!("{}: {}", f.line, f.detail)).collect()
}
