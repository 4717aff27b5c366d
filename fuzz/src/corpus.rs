//! The corpora on disk, for the tests that run them again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// A target: its folder's name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Runs every file of each target's corpus.
pub fn replay(targets: &[Target]) {
    for (name, target) in targets {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
        let inputs: Vec<_> = fs::read_dir(&folder).expect("every target has a corpus").flatten().collect();
        assert!(!inputs.is_empty(), "the corpus of {name} is empty");
        for input in inputs {
            let bytes = fs::read(input.path()).expect("an input can be read");
            let kept = catch_unwind(AssertUnwindSafe(|| target(&bytes)));
            assert!(kept.is_ok(), "{} broke a promise", input.path().display());
        }
    }
}
