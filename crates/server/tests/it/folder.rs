//! A folder of a test's own, gone when the test is.

use std::path::Path;

use tempfile::TempDir;

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn database(&self) -> String {
        format!("sqlite://{}/aftercall.db", self.path().display())
    }
}
