//! The results of one run of all parts, as tables: what `bench/README.md` shows.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::de::DeserializeOwned;

use crate::histogram::Spread;
use crate::meter::Cost;
use crate::process::{Kind, Usage};
use crate::seen::Heard;
use crate::summary::{Rounds, Table};
use crate::{floor, load, signalling};

/// Results go between these two lines of the README.
const BEGIN: &str = "<!-- results: begin -->";
const END: &str = "<!-- results: end -->";

/// Where the results of each part are, in the folder of a run.
pub const FLOOR: &str = "floor.json";
/// Calls that are held on while they are measured.
pub const HELD: &str = "held.json";
/// Calls that come, rate and go while they are measured.
pub const WHOLE: &str = "whole.json";
/// Short calls.
pub const SIGNALLING: &str = "signalling.json";

/// All parts of one run.
#[derive(Debug, Default)]
pub struct Results {
    /// The kernel alone.
    pub floor: Option<floor::Outcome>,
    /// Calls that are held on.
    pub held: Option<load::Outcome>,
    /// Calls that come and go.
    pub whole: Option<load::Outcome>,
    /// Short calls.
    pub signalling: Option<signalling::Outcome>,
}

impl Results {
    /// Reads what is there.
    ///
    /// # Errors
    /// When a file is there and not readable.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            floor: read(&folder.join(FLOOR))?,
            held: read(&folder.join(HELD))?,
            whole: read(&folder.join(WHOLE))?,
            signalling: read(&folder.join(SIGNALLING))?,
        })
    }

    /// Ratings that callers pressed, in all parts.
    #[must_use]
    pub fn rated(&self) -> u64 {
        let loads = [&self.held, &self.whole].into_iter().flatten().map(|load| load.whole.rated);
        let steps =
            self.signalling.iter().flat_map(|signalling| &signalling.steps).map(|step| step.heard.rated);
        loads.chain(steps).sum()
    }

    /// Everything as Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut parts = vec![cost_table(self).markdown()];
        let loads = [("held on", &self.held), ("coming and going", &self.whole)];
        let loads: Vec<_> =
            loads.iter().filter_map(|(name, load)| Some((*name, (*load).as_ref()?))).collect();
        if !loads.is_empty() {
            parts.push(heard_table(&loads).markdown());
        }
        if let Some(signalling) = &self.signalling {
            parts.push(self::signalling(signalling));
        }
        parts.join("\n")
    }
}

/// The README with new results; `None` when it has no place for them.
#[must_use]
pub fn replace_results(readme: &str, results: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", results.trim()))
}

/// What this machine is.
#[must_use]
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<Option<T>> {
    if !file.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).map(Some).with_context(|| format!("{} is not a result", file.display()))
}

/// One round of any part.
struct Measured<'a> {
    cost: &'a Cost,
    calls: f64,
    /// Packets in and out of the server a second and call: a hundred, if none was left out.
    packets: f64,
}

impl Measured<'_> {
    /// What this much of the server comes to in percent of a core for a thousand calls.
    fn per_thousand(&self, seconds: impl Fn(&Usage) -> f64) -> Option<f64> {
        let server = self.cost.server.as_ref()?;
        Some(100_000.0 * seconds(server) / (server.seconds * self.calls))
    }
}

fn of_floor(floor: Option<&floor::Outcome>) -> Vec<Measured<'_>> {
    let Some(floor::Outcome { calls, rounds }) = floor else { return Vec::new() };
    let calls = *calls as f64;
    let measured = rounds.iter().map(|floor::Round { cost, packets }| {
        let packets = (packets.sent + packets.received) as f64 / (cost.generator.seconds * calls);
        Measured { cost, calls, packets }
    });
    measured.collect()
}

fn of_load(load: Option<&load::Outcome>) -> Vec<Measured<'_>> {
    let Some(load) = load else { return Vec::new() };
    let measured = load.rounds.iter().map(|load::Round { calls, cost, heard }| {
        let packets = (heard.packets_sent + heard.streams.packets) as f64;
        Measured { cost, calls: *calls, packets: packets / heard.call_seconds.max(f64::EPSILON) }
    });
    measured.collect()
}

fn shown(rounds: Option<Rounds>, decimals: usize) -> String {
    rounds.map_or_else(|| "-".to_owned(), |rounds| rounds.shown(decimals))
}

/// A row: its name, how many decimals, and what of a round it shows.
type CostRow = (&'static str, usize, fn(&Measured<'_>) -> Option<f64>);

const ALL: CostRow = ("**all**", 1, |round| round.per_thousand(Usage::total_seconds));

const COST_ROWS: [CostRow; 8] = [
    ALL,
    ("media threads (`rtp-*`)", 1, |round| round.per_thousand(|usage| usage.seconds_of(Kind::Rtp))),
    ("signalling, sessions, API (`tokio-*`)", 1, |round| {
        round.per_thousand(|usage| usage.seconds_of(Kind::Async))
    }),
    ("database (`sqlx-*`)", 1, |round| round.per_thousand(|usage| usage.seconds_of(Kind::Database))),
    ("other threads", 1, |round| round.per_thousand(|usage| usage.seconds_of(Kind::Other))),
    ("packets in and out, % of 100 a second a call", 1, |round| Some(round.packets)),
    ("context switches of the server a second", 0, |round| {
        let server = round.cost.server.as_ref()?;
        Some((server.voluntary_switches + server.involuntary_switches) as f64 / server.seconds)
    }),
    ("other work on the machine, % of a core", 0, |round| Some(round.cost.others_percent())),
];

fn cost_table(results: &Results) -> Table {
    let mut table =
        Table::new(["% of a core for 1,000 calls", "the kernel alone", "held on", "coming and going"]);
    let loads = [results.held.as_ref(), results.whole.as_ref()];
    let [held, whole] = loads.map(of_load);
    let columns = [of_floor(results.floor.as_ref()), held, whole];
    let figures = |(_, _, figure): CostRow| {
        columns.each_ref().map(|rounds| Rounds::of(rounds.iter().filter_map(figure)))
    };
    for row in COST_ROWS {
        let (name, decimals, _) = row;
        let cells = figures(row).map(|rounds| shown(rounds, decimals));
        table.row(std::iter::once(name.to_owned()).chain(cells));
    }
    let [floor, ..] = figures(ALL);
    let ratios = figures(ALL).map(|rounds| match (floor, rounds) {
        (Some(floor), Some(rounds)) => format!("{:.2}", rounds.median / floor.median),
        _ => "-".to_owned(),
    });
    table.row(std::iter::once("**ratio to the kernel alone**".to_owned()).chain(ratios));
    let [held, whole] = loads.map(|load| match load.and_then(|load| load.syscalls.as_ref()) {
        Some(counted) if counted.packets > 0 => {
            format!("{:.2} ({})", counted.total as f64 / counted.packets as f64, counted.counted_by)
        }
        Some(counted) => counted.counted_by.clone(),
        None => "-".to_owned(),
    });
    table.row(["system calls for each packet in or out".to_owned(), "-".to_owned(), held, whole]);
    table
}

type Line = (&'static str, fn(&load::Outcome) -> String);

fn heard_table(loads: &[(&str, &load::Outcome)]) -> Table {
    let mut table =
        Table::new(["what callers saw and heard"].into_iter().chain(loads.iter().map(|(name, _)| *name)));
    let lines: [Line; 13] = [
        ("calls on while measured", |load| shown(Rounds::of(load.rounds.iter().map(|round| round.calls)), 0)),
        ("calls placed", |load| load.whole.placed.to_string()),
        ("calls that went wrong", |load| wrong(&load.whole, load.stuck)),
        ("200 after the INVITE, ms", |load| triple(&load.whole.answered_after)),
        ("first packet after the ACK, ms", |load| triple(&load.whole.first_packet_after)),
        ("key to the prompt's cut, ms", |load| triple(&load.whole.cut_after)),
        ("keys not heard", |load| load.whole.keys_unheard.to_string()),
        ("packets heard", |load| load.whole.streams.packets.to_string()),
        ("lost, twice, out of order", |load| {
            let heard = &load.whole.streams;
            format!("{}, {}, {}", heard.lost, heard.duplicated, heard.reordered)
        }),
        ("wrong time stamps, markers, other faults", |load| {
            let heard = &load.whole.streams;
            let others = heard.malformed + heard.wrong_payload_type + heard.wrong_size + heard.new_sources;
            format!("{}, {}, {others}", heard.wrong_steps, heard.wrong_markers)
        }),
        ("announced gaps (the machine stood still)", |load| load.whole.streams.announced_gaps.to_string()),
        ("packets late, ms: p50, p99, p99.9, most", |load| lateness(&load.rounds, |heard| heard.lateness)),
        ("our own packets late, ms", |load| lateness(&load.rounds, |heard| heard.own_lateness)),
    ];
    for (name, line) in lines {
        table.row(std::iter::once(name.to_owned()).chain(loads.iter().map(|(_, load)| line(load))));
    }
    let memory = |load: &load::Outcome| {
        load.memory.map_or_else(
            || "-".to_owned(),
            |memory| {
                let grown = memory.held_kib.saturating_sub(memory.idle_kib);
                format!("{:.1} ({} idle)", grown as f64 / memory.calls.max(1) as f64, memory.idle_kib)
            },
        )
    };
    let cells = loads.iter().map(|(_, load)| memory(load));
    table.row(std::iter::once("memory for each call, KiB".to_owned()).chain(cells));
    table
}

fn wrong(heard: &Heard, stuck: usize) -> String {
    let mut wrong = (heard.wrong_endings + stuck as u64).to_string();
    for (name, count) in
        [("unexpected messages", heard.unexpected), ("messages sent again", heard.sent_again)]
    {
        if count > 0 {
            wrong.push_str(&format!("; {count} {name}"));
        }
    }
    wrong
}

fn triple(spread: &Spread) -> String {
    format!("{:.1}, p99 {:.1}, most {:.1}", spread.p50_ms, spread.p99_ms, spread.max_ms)
}

/// Of the rounds' own figures the median one: a burst of noise on the machine spoils one round, not the result.
fn lateness(rounds: &[load::Round], of: fn(&Heard) -> Spread) -> String {
    let figure = |figure: fn(&Spread) -> f64| {
        let rounds = Rounds::of(rounds.iter().map(|round| figure(&of(&round.heard))));
        rounds.map_or_else(|| "-".to_owned(), |rounds| format!("{:.2}", rounds.median))
    };
    let worst = rounds.iter().map(|round| of(&round.heard).max_ms).fold(0.0, f64::max);
    let [p50, p99, p999] =
        [figure(|spread| spread.p50_ms), figure(|spread| spread.p99_ms), figure(|spread| spread.p999_ms)];
    format!("{p50}, {p99}, {p999}, {worst:.1}")
}

/// Step by step, and the highest rate.
#[must_use]
pub fn signalling(signalling: &signalling::Outcome) -> String {
    let mut table = Table::new([
        "calls a second",
        "placed",
        "not taken",
        "other faults",
        "200 after, ms",
        "server, ms of processor a call",
        "async",
        "database",
        "rtp",
        "generator, % of a core",
    ]);
    for step in &signalling.steps {
        let Heard { placed, answered, not_taken, wrong_endings, .. } = step.heard;
        let per_call = |seconds: f64| format!("{:.2}", 1000.0 * seconds / (answered as f64).max(1.0));
        let of = |figure: &dyn Fn(&Usage) -> f64| {
            step.cost.server.as_ref().map_or_else(|| "-".to_owned(), |server| per_call(figure(server)))
        };
        table.row([
            format!("{:.0}", step.rate),
            placed.to_string(),
            not_taken.to_string(),
            (wrong_endings - not_taken + step.stuck as u64).to_string(),
            triple(&step.heard.answered_after),
            of(&Usage::total_seconds),
            of(&|usage| usage.seconds_of(Kind::Async)),
            of(&|usage| usage.seconds_of(Kind::Database)),
            of(&|usage| usage.seconds_of(Kind::Rtp)),
            format!("{:.0}", 100.0 * step.cost.generator.total_seconds() / step.cost.generator.seconds),
        ]);
    }
    let limit = if signalling.found_the_limit { "" } else { " (no higher rate was tried)" };
    format!(
        "{}\nHighest rate at which at most 1 % of the calls went wrong: **{:.0} calls a second**{limit}.\n",
        table.markdown(),
        signalling.highest_rate
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(user_seconds: f64, rtp: f64) -> Usage {
        Usage {
            seconds: 10.0,
            user_seconds,
            system_seconds: 2.0,
            thread_seconds: [(Kind::Rtp, rtp)].into(),
            ..Usage::default()
        }
    }

    fn cost(user_seconds: f64, rtp: f64) -> Cost {
        let (server, generator) = (Some(usage(user_seconds, rtp)), usage(1.0, 0.0));
        Cost { server, generator, machine_seconds: 20.0, stolen_seconds: 0.0 }
    }

    #[test]
    fn costs_are_in_percent_of_a_core_for_a_thousand_calls_and_next_to_the_kernel_alone() {
        let floor_round = |user, sent| {
            let packets = floor::Packets { sent, received: 500_000 };
            floor::Round { cost: cost(user, 0.0), packets }
        };
        let load_round = |user| {
            let mut heard = Heard { packets_sent: 240_000, call_seconds: 5000.0, ..Heard::default() };
            heard.streams.packets = 235_000;
            load::Round { calls: 500.0, cost: cost(user, 1.0), heard }
        };
        let results = Results {
            floor: Some(floor::Outcome {
                calls: 1000,
                rounds: vec![floor_round(0.0, 500_000), floor_round(0.5, 300_000)],
            }),
            held: Some(load::Outcome { rounds: vec![load_round(0.25)], ..load::Outcome::default() }),
            ..Results::default()
        };
        let text = cost_table(&results).markdown();
        // Without what only lines the columns up.
        let text = text.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        for expected in [
            "| **all** | 22.5 (20.0-25.0) | 45.0 (45.0-45.0) | - |",
            "| media threads (`rtp-*`) | 0.0 (0.0-0.0) | 20.0 (20.0-20.0) | - |",
            "| **ratio to the kernel alone** | 1.00 | 2.00 | - |",
            "a call | 90.0 (80.0-100.0) | 95.0 (95.0-95.0) | - |",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn new_results_take_the_place_of_old_ones_and_nothing_else() {
        let readme = format!("# Bench\n\n{BEGIN}\nold\n{END}\n\n## Caveats\n");
        let replaced = replace_results(&readme, "new\n").unwrap();
        assert_eq!(replaced, format!("# Bench\n\n{BEGIN}\n\nnew\n\n{END}\n\n## Caveats\n"));
        assert_eq!(replace_results(&replaced, "new"), Some(replaced));
        assert_eq!(replace_results("# Bench\n", "new"), None);
    }
}
