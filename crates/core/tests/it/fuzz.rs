//! The corpora of `fuzz/`, run again by what libFuzzer runs.

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/src/engine/mod.rs"]
mod targets;

use corpus::{Target, replay};

const TARGETS: [Target; 2] = [("survey", targets::survey), ("conversation", targets::conversation)];

#[test]
fn what_was_found_once_stays_found() {
    replay(&TARGETS);
}
