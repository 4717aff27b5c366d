//! What a stretch of time cost, on the server's side and on ours.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::process::{Process, Snapshot, Usage};

/// Looks at the server and at this process together.
#[derive(Debug, Clone)]
pub struct Meter {
    clock: Clock,
    server: Option<Process>,
    own: Process,
}

/// Both at one moment.
#[derive(Debug)]
pub struct Reading {
    server: Option<Snapshot>,
    own: Snapshot,
}

/// What was used between two readings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// By the server; nothing when its process is not known.
    pub server: Option<Usage>,
    /// By the generator.
    pub generator: Usage,
}

impl Meter {
    /// For a server of this process id, if one is known.
    #[must_use]
    pub fn new(clock: Clock, server: Option<u32>) -> Self {
        Self { clock, server: server.map(Process::of), own: Process::of(std::process::id()) }
    }

    /// Looks.
    ///
    /// # Errors
    /// When the server has ended.
    pub fn look(&self) -> anyhow::Result<Reading> {
        let at: Duration = self.clock.now();
        Ok(Reading {
            server: self.server.as_ref().map(|server| server.look(at)).transpose()?,
            own: self.own.look(at)?,
        })
    }
}

impl Reading {
    /// What was used since an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Cost {
        let server = self.server.as_ref().zip(before.server.as_ref()).map(|(now, then)| now.since(then));
        Cost { server, generator: self.own.since(&before.own) }
    }

    /// The server's memory, in KiB.
    #[must_use]
    pub fn server_kib(&self) -> Option<u64> {
        self.server.as_ref().map(Snapshot::resident_kib)
    }
}
