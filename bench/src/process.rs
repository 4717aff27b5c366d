//! What a process costs, from /proc (proc(5)): processor time by kind of thread, memory, context switches.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The kernel counts processor time of a process in hundredths of a second (`USER_HZ`, fixed at 100 on Linux for all
/// that programs see).
const TICK: Duration = Duration::from_millis(10);

/// What a thread is for, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// `rtp-0`, `rtp-1`: the media engine.
    Rtp,
    /// `sqlx-…`: the database's own.
    Database,
    /// `tokio-…`: signalling, sessions, API, writer.
    Async,
    /// The main thread and whatever else there is.
    Other,
}

impl Kind {
    /// In the order they are shown.
    pub const ALL: [Self; 4] = [Self::Rtp, Self::Async, Self::Database, Self::Other];

    fn of(thread: &str) -> Self {
        [("rtp", Self::Rtp), ("sqlx", Self::Database), ("tokio", Self::Async)]
            .into_iter()
            .find(|(begins, _)| thread.starts_with(begins))
            .map_or(Self::Other, |(_, kind)| kind)
    }
}

/// One thread at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Thread {
    kind: Kind,
    /// On a processor, to the nanosecond.
    busy: Duration,
    voluntary_switches: u64,
    involuntary_switches: u64,
}

/// A process at one moment.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    at: Duration,
    user: Duration,
    system: Duration,
    resident_kib: u64,
    threads: BTreeMap<u32, Thread>,
}

/// What a process used between two moments.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// How long that was.
    pub seconds: f64,
    /// Processor time in user mode.
    pub user_seconds: f64,
    /// Processor time in the kernel.
    pub system_seconds: f64,
    /// Processor time by kind of thread. Threads that ended in between are missing here, not above.
    pub thread_seconds: BTreeMap<Kind, f64>,
    /// Context switches because a thread waited for something.
    pub voluntary_switches: u64,
    /// Context switches because another thread was let in.
    pub involuntary_switches: u64,
}

/// What all processors together did since the machine's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Machine {
    /// Worked, for whomever.
    pub busy: Duration,
    /// Were kept from working by the machine that this virtual one runs on.
    pub stolen: Duration,
}

impl Machine {
    /// Looks at it.
    ///
    /// # Errors
    /// Without `/proc/stat`.
    pub fn look() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("/proc/stat cannot be read")?;
        Self::read(&stat).context("/proc/stat has no line `cpu`")
    }

    fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let mut fields = line.split_ascii_whitespace().map(|field| field.parse::<u32>().ok());
        let mut next = || Some(TICK * fields.next()??);
        let [user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen] =
            [next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?];
        Some(Self { busy: user + nice + system + interrupts + soft_interrupts, stolen })
    }
}

/// Reads one process.
#[derive(Debug, Clone)]
pub struct Process {
    folder: PathBuf,
}

impl Process {
    /// The process of this id.
    #[must_use]
    pub fn of(id: u32) -> Self {
        Self { folder: Path::new("/proc").join(id.to_string()) }
    }

    /// Looks at it `at` this moment.
    ///
    /// # Errors
    /// When it is gone.
    pub fn look(&self, at: Duration) -> anyhow::Result<Snapshot> {
        let gone = || format!("{} cannot be read: has the server ended?", self.folder.display());
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).with_context(gone);
        let (user, system) = times(&read("stat")?).with_context(gone)?;
        let resident_kib = field(&read("status")?, "VmRSS:").unwrap_or_default();
        let tasks = fs::read_dir(self.folder.join("task")).with_context(gone)?;
        // A thread that ends while it is looked at is left out.
        let threads = tasks.flatten().filter_map(|task| thread(&task.path())).collect();
        Ok(Snapshot { at, user, system, resident_kib, threads })
    }
}

impl Snapshot {
    /// Memory in use, in KiB (`VmRSS`).
    #[must_use]
    pub const fn resident_kib(&self) -> u64 {
        self.resident_kib
    }

    /// What was used from `before` until this moment.
    #[must_use]
    pub fn since(&self, before: &Self) -> Usage {
        let mut usage = Usage {
            seconds: self.at.saturating_sub(before.at).as_secs_f64(),
            user_seconds: self.user.saturating_sub(before.user).as_secs_f64(),
            system_seconds: self.system.saturating_sub(before.system).as_secs_f64(),
            ..Usage::default()
        };
        let mut busy: BTreeMap<Kind, Duration> = Kind::ALL.map(|kind| (kind, Duration::ZERO)).into();
        for (id, thread) in &self.threads {
            // The number of an ended thread may be another's now; then its counts begin anew, below the old ones.
            let earlier = before.threads.get(id).filter(|earlier| earlier.busy <= thread.busy);
            let (was_busy, voluntary, involuntary) = earlier.map_or((Duration::ZERO, 0, 0), |earlier| {
                (earlier.busy, earlier.voluntary_switches, earlier.involuntary_switches)
            });
            *busy.entry(thread.kind).or_default() += thread.busy.saturating_sub(was_busy);
            usage.voluntary_switches += thread.voluntary_switches.saturating_sub(voluntary);
            usage.involuntary_switches += thread.involuntary_switches.saturating_sub(involuntary);
        }
        usage.thread_seconds = busy.into_iter().map(|(kind, busy)| (kind, busy.as_secs_f64())).collect();
        usage
    }
}

impl Usage {
    /// Processor time, all threads together, in seconds.
    #[must_use]
    pub fn total_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }

    /// Of these threads.
    #[must_use]
    pub fn seconds_of(&self, kind: Kind) -> f64 {
        self.thread_seconds.get(&kind).copied().unwrap_or_default()
    }
}

/// User and system time from a `stat` file: the 14th and 15th fields. The second, the name, may hold spaces and
/// brackets itself.
fn times(stat: &str) -> Option<(Duration, Duration)> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split_ascii_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
    Some((TICK * fields.next()??, TICK * fields.next()??))
}

fn thread(folder: &Path) -> Option<(u32, Thread)> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let id = folder.file_name()?.to_str()?.parse().ok()?;
    let (stat, status) = (read("stat")?, read("status")?);
    // schedstat is exact; a kernel without it has the hundredths.
    let exact = read("schedstat").and_then(|text| text.split_ascii_whitespace().next()?.parse().ok());
    let busy = match exact {
        Some(nanos) => Duration::from_nanos(nanos),
        None => times(&stat).map(|(user, system)| user + system)?,
    };
    let thread = Thread {
        kind: Kind::of(read("comm")?.trim_end()),
        busy,
        voluntary_switches: field(&status, "voluntary_ctxt_switches:")?,
        involuntary_switches: field(&status, "nonvoluntary_ctxt_switches:")?,
    };
    Some((id, thread))
}

/// The number behind a name in a `status` file.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_does_not_shift_the_times() {
        let stat = "42 (a) (b) c) S 1 2 3 4 5 6 7 8 9 10 250 30 13 14 20 0 8 0 331182 3133440 379";
        assert_eq!(times(stat), Some((Duration::from_millis(2500), Duration::from_millis(300))));
        assert_eq!(times("42 (a) S 1 2"), None);
        assert_eq!(times(""), None);
    }

    #[test]
    fn the_machine_is_busy_with_everything_but_idling_and_waiting() {
        let stat = "cpu  100 20 30 5000 600 7 8 90 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let (busy, stolen) = (Duration::from_millis(1650), Duration::from_millis(900));
        assert_eq!(Machine::read(stat), Some(Machine { busy, stolen }));
        assert_eq!(Machine::read("intr 5\n"), None);
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status =
            "Name:\tx\nVmRSS:\t    1234 kB\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t9\n";
        for (name, expected) in [
            ("VmRSS:", Some(1234)),
            ("voluntary_ctxt_switches:", Some(7)),
            ("nonvoluntary_ctxt_switches:", Some(9)),
            ("VmSwap:", None),
        ] {
            assert_eq!(field(status, name), expected, "{name}");
        }
    }

    #[test]
    fn threads_are_known_by_their_names() {
        for (name, kind) in [
            ("rtp-0", Kind::Rtp),
            ("tokio-rt-worker", Kind::Async),
            ("sqlx-sqlite-wor", Kind::Database),
            ("aftercall", Kind::Other),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn usage_is_the_difference_and_new_threads_count_from_their_beginning() {
        let thread = |kind, ms, voluntary_switches| Thread {
            kind,
            busy: Duration::from_millis(ms),
            voluntary_switches,
            involuntary_switches: 1,
        };
        let snapshot = |at, threads: &[(u32, Thread)]| Snapshot {
            at: Duration::from_secs(at),
            user: Duration::from_millis(100 * at),
            system: Duration::from_millis(200 * at),
            resident_kib: 0,
            threads: threads.iter().copied().collect(),
        };
        let before = snapshot(
            10,
            &[
                (1, thread(Kind::Rtp, 500, 10)),
                (2, thread(Kind::Async, 50, 5)),
                (3, thread(Kind::Other, 900, 70)),
            ],
        );
        let after = snapshot(
            15,
            &[
                (1, thread(Kind::Rtp, 1700, 25)),
                (2, thread(Kind::Async, 80, 9)),
                // Number 3 ended, and a new thread has it.
                (3, thread(Kind::Database, 40, 2)),
                (4, thread(Kind::Rtp, 300, 4)),
            ],
        );
        let usage = after.since(&before);
        let rounded = |seconds: f64| (seconds * 1000.0).round();
        let kinds = [Kind::Rtp, Kind::Async, Kind::Database, Kind::Other];
        assert_eq!(kinds.map(|kind| rounded(usage.seconds_of(kind))), [1500.0, 30.0, 40.0, 0.0]);
        assert_eq!((rounded(usage.seconds), rounded(usage.total_seconds())), (5000.0, 1500.0));
        assert_eq!((usage.voluntary_switches, usage.involuntary_switches), (15 + 4 + 2 + 4, 1 + 1));
    }

    #[test]
    fn this_very_process_can_be_read() {
        let snapshot = Process::of(std::process::id()).look(Duration::ZERO).unwrap();
        assert!(snapshot.resident_kib() > 100);
        assert!(snapshot.threads.values().any(|thread| thread.busy > Duration::ZERO));
        assert!(Process::of(u32::MAX).look(Duration::ZERO).is_err());
    }
}
