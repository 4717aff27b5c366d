//! Counts the server's system calls while calls are on: by perf's trace points, or by strace where there is no perf.
//!
//! Both slow the server down, so nothing else is measured meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is counted by name; everything else shows in the sum.
const NAMES: [&str; 14] = [
    "recvmmsg",
    "recvmsg",
    "recvfrom",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "clock_nanosleep",
    "epoll_wait",
    "futex",
    "connect",
    "write",
    "pwrite64",
    "fdatasync",
    "fsync",
];

/// How many system calls a server made while it sent and took so many packets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Syscalls {
    /// What counted them, or why nothing did.
    pub counted_by: String,
    /// For how long.
    pub seconds: f64,
    /// Packets that went to the server and came from it meanwhile.
    pub packets: u64,
    /// All system calls.
    pub total: u64,
    /// The most frequent by name.
    pub by_name: BTreeMap<String, u64>,
}

/// A tool that is counting.
pub struct Counting {
    tool: Tool,
    child: Child,
    report: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Perf,
    Strace,
}

impl Counting {
    /// Begins to count those of this process, for so many seconds.
    ///
    /// # Errors
    /// Says why it cannot be counted here.
    pub fn start(process: u32, length: Duration) -> Result<Self, String> {
        let report = std::env::temp_dir().join(format!("aftercall-bench-{}.syscalls", std::process::id()));
        let mut faults = Vec::new();
        for tool in [Tool::Perf, Tool::Strace] {
            match tool.start(process, length, &report) {
                Ok(child) => return Ok(Self { tool, child, report }),
                Err(fault) => faults.push(format!("{}: {fault}", tool.name())),
            }
        }
        Err(format!("not counted ({})", faults.join("; ")))
    }

    /// What was counted; waits for the tool to end, which it does by itself.
    ///
    /// # Errors
    /// When the tool could not count.
    pub fn finish(mut self) -> Result<(String, u64, BTreeMap<String, u64>), String> {
        let ended = self.child.wait();
        let text = fs::read_to_string(&self.report).unwrap_or_default();
        fs::remove_file(&self.report).ok();
        let counts = match self.tool {
            Tool::Perf => perf_counts(&text),
            Tool::Strace => strace_counts(&text),
        };
        match (counts, ended) {
            (Some((total, by_name)), Ok(_)) => Ok((self.tool.name().to_owned(), total, by_name)),
            _ => Err(format!("not counted ({} could not: {})", self.tool.name(), text.trim())),
        }
    }
}

impl Tool {
    const fn name(self) -> &'static str {
        match self {
            Self::Perf => "perf",
            Self::Strace => "strace",
        }
    }

    fn start(self, process: u32, length: Duration, report: &PathBuf) -> std::io::Result<Child> {
        let seconds = length.as_secs_f64().to_string();
        let process = process.to_string();
        let mut command = match self {
            Self::Perf => {
                let named = NAMES.map(|name| format!("syscalls:sys_enter_{name}")).join(",");
                let mut perf = Command::new("perf");
                perf.args([
                    "stat",
                    "-x",
                    ",",
                    "-e",
                    &format!("raw_syscalls:sys_enter,{named}"),
                    "-p",
                    &process,
                ]);
                perf.args(["-o"]).arg(report).args(["--", "sleep", &seconds]);
                perf
            }
            Self::Strace => {
                File::create(report)?;
                let mut strace = Command::new("timeout");
                strace.args(["-s", "INT", &seconds, "strace", "-c", "-f", "-p", &process, "-o"]).arg(report);
                strace
            }
        };
        let mut probe = Command::new(self.name());
        probe.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    }
}

/// Lines such as `50123,,syscalls:sys_enter_sendto,8000123,100.00,,`.
fn perf_counts(text: &str) -> Option<(u64, BTreeMap<String, u64>)> {
    let mut total = None;
    let mut by_name = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split(',');
        let (Some(count), Some(event)) = (fields.next(), fields.nth(1)) else { continue };
        let Ok(count) = count.parse() else { continue };
        match event.strip_prefix("syscalls:sys_enter_") {
            Some(name) if count > 0 => {
                by_name.insert(name.to_owned(), count);
            }
            None if event == "raw_syscalls:sys_enter" => total = Some(count),
            _ => {}
        }
    }
    Some((total?, by_name))
}

/// Lines such as ` 61.21    0.002020           1      1500         3 sendto`, and a sum named `total`.
fn strace_counts(text: &str) -> Option<(u64, BTreeMap<String, u64>)> {
    let mut by_name: BTreeMap<String, u64> = text
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (name, count) = (fields.last()?, fields.get(3)?.parse().ok()?);
            (fields.len() >= 5).then(|| ((*name).to_owned(), count))
        })
        .collect();
    Some((by_name.remove("total")?, by_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_says_is_read() {
        let text = "# started on Sun Nov 22\n\n151234,,raw_syscalls:sys_enter,7990001,100.00,,\n\
            50123,,syscalls:sys_enter_sendto,8000123,100.00,,\n0,,syscalls:sys_enter_fsync,8,100.00,,\n\
            <not supported>,,syscalls:sys_enter_recvmmsg,0,100.00,,\n";
        let expected = BTreeMap::from([("sendto".to_owned(), 50_123)]);
        assert_eq!(perf_counts(text), Some((151_234, expected)));
        assert_eq!(perf_counts("Error:\nAccess to performance monitoring is limited.\n"), None);
    }

    #[test]
    fn what_strace_says_is_read() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            \x20 61.21    0.002020           1      1500         3 sendto\n\
            \x20 38.79    0.001280           2       600           recvmmsg\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.003300           1      2100         3 total\n";
        let expected = BTreeMap::from([("sendto".to_owned(), 1500), ("recvmmsg".to_owned(), 600)]);
        assert_eq!(strace_counts(text), Some((2100, expected)));
        assert_eq!(strace_counts("strace: attach: ptrace: Operation not permitted"), None);
    }
}
