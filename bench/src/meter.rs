//! What a stretch of time cost, on the server's side and on ours.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::process::{Machine, Process, Snapshot, Usage};

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
    machine: Machine,
}

/// What was used between two readings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// By the server; nothing when its process is not known.
    pub server: Option<Usage>,
    /// By the generator.
    pub generator: Usage,
    /// By everything on this machine, on all its cores.
    pub machine_seconds: f64,
    /// What the machine that this virtual one runs on did not let it use.
    pub stolen_seconds: f64,
}

impl Cost {
    /// What others than server and generator did or took meanwhile, in percent of a core.
    #[must_use]
    pub fn others_percent(&self) -> f64 {
        let ours = self.generator.total_seconds() + self.server.as_ref().map_or(0.0, Usage::total_seconds);
        let others = self.machine_seconds - ours + self.stolen_seconds;
        // The accounts are a hundredth of a second apart: a machine at rest may come out just below zero.
        (100.0 * others / self.generator.seconds.max(f64::EPSILON)).max(0.0)
    }
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
            machine: Machine::look()?,
        })
    }
}

impl Reading {
    /// What was used since an earlier reading.
    #[must_use]
    pub fn since(&self, before: &Self) -> Cost {
        let server = self.server.as_ref().zip(before.server.as_ref()).map(|(now, then)| now.since(then));
        Cost {
            server,
            generator: self.own.since(&before.own),
            machine_seconds: self.machine.busy.saturating_sub(before.machine.busy).as_secs_f64(),
            stolen_seconds: self.machine.stolen.saturating_sub(before.machine.stolen).as_secs_f64(),
        }
    }

    /// The server's memory, in KiB.
    #[must_use]
    pub fn server_kib(&self) -> Option<u64> {
        self.server.as_ref().map(Snapshot::resident_kib)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_all_that_is_neither_server_nor_generator() {
        let usage = |user_seconds| Usage { seconds: 10.0, user_seconds, ..Usage::default() };
        let cost = |server: Option<f64>, machine_seconds| Cost {
            server: server.map(usage),
            generator: usage(2.0),
            machine_seconds,
            stolen_seconds: 0.5,
        };
        for (cost, expected) in
            [(cost(Some(3.0), 9.0), 45.0), (cost(None, 9.0), 75.0), (cost(Some(3.0), 4.4), 0.0)]
        {
            assert!((cost.others_percent() - expected).abs() < 1e-9, "{cost:?}");
        }
    }
}
