//! The corpora of `fuzz/`, run again by what libFuzzer runs.

#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/src/wire/mod.rs"]
mod targets;

use corpus::{Target, replay};

const TARGETS: [Target; 7] = [
    ("sip", targets::sip),
    ("layer", targets::layer),
    ("sdp", targets::sdp),
    ("rtcp", targets::rtcp),
    ("rtp", targets::rtp),
    ("telephone_event", targets::telephone_event),
    ("dtmf_info", targets::dtmf_info),
];

#[test]
fn what_was_found_once_stays_found() {
    replay(&TARGETS);
}
