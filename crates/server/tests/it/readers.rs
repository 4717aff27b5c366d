//! Programs of others that read what is written here, in a Python of the tests' own (`scripts/install-test-tools`).

use std::path::{Path, PathBuf};
use std::process::Command;

/// A script of the tests, ready to be given its arguments; nothing, loudly, where its Python is not installed.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
pub(crate) fn script(name: &str) -> Option<Command> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.join("../../target/tests-venv/bin/python");
    if !python.exists() {
        eprintln!("SKIPPED: no {}: scripts/install-test-tools makes it", python.display());
        return None;
    }
    let mut command = Command::new(python);
    command.arg(here.join("tests/vectors/readers").join(name));
    Some(command)
}

/// A file of the TLS vectors.
pub(crate) fn certificate(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tls").join(name)
}
