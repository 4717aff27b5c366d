//! The command line: `aftercall-bench load | signalling | floor | http | report`.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aftercall_bench::generator::Line;
use aftercall_bench::http::What;
use aftercall_bench::keys::Keys;
use aftercall_bench::report::{self, Results};
use aftercall_bench::{floor, http, load, signalling};
use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

/// Calls aftercall by the hundred, listens closely, and says what it cost.
///
/// `bench/run` starts a server and runs all parts against it; bench/README.md says what the figures mean.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Many survey calls at once, with real SIP, RTP both ways and RFC 4733 keys.
    Load(LoadArgs),
    /// Short calls, more and more in a second, until the server refuses 1 % of them.
    Signalling(SignallingArgs),
    /// The driving side of the kernel's own floor; it measures the answering side.
    Floor(FloorArgs),
    /// The answering side of the floor: starts first, and ends by itself.
    FloorAnswer(FloorAnswerArgs),
    /// Ratings posted, or answers asked for, over HTTP.
    Http(HttpArgs),
    /// Tables of the results in a folder.
    Report(ReportArgs),
}

#[derive(Args)]
struct LineArgs {
    /// The server's SIP address, for instance 127.0.0.1:5060.
    #[arg(long)]
    target: SocketAddr,
    /// The user that is called: a survey's name.
    #[arg(long, default_value = "csat-survey")]
    user: String,
    /// The server's process id, to measure what it uses.
    #[arg(long)]
    pid: Option<u32>,
    /// Ports for the callers' RTP; an even one is used for each call.
    #[arg(long, default_value = "30000-49999")]
    ports: String,
    /// What callers press, with shares if they are not the same: 1=60,2=20,5=20. Only keys that end the question.
    #[arg(long, default_value = "1=60,2=20,3=10,4=5,5=5")]
    press: Keys,
    /// Writes the results as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct HttpArgs {
    /// The server's HTTP address, for instance 127.0.0.1:8080.
    #[arg(long)]
    target: SocketAddr,
    /// The server's process id, to measure what it uses.
    #[arg(long)]
    pid: Option<u32>,
    /// Connections at once.
    #[arg(long, default_value_t = 1)]
    clients: u32,
    /// Requests a second of all together; without it each asks again as soon as it has its answer.
    #[arg(long)]
    rate: Option<f64>,
    /// For how long.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Asks for this path again and again; without it calls are rated that nobody rated yet.
    #[arg(long)]
    get: Option<String>,
    /// Writes the results as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct LoadArgs {
    #[command(flatten)]
    line: LineArgs,
    /// Calls at once.
    #[arg(long, default_value_t = 1000)]
    calls: usize,
    /// Calls placed in a second until that many are on; a call that ended is replaced at this rate too.
    #[arg(long, default_value_t = 100.0)]
    rate: f64,
    /// Seconds of a round.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Rounds measured, one after the other, with the calls staying on.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds that a caller listens before rating. Without it callers wait until the last round is over.
    #[arg(long)]
    hold: Option<f64>,
    /// Seconds after which a waiting caller has the question repeated (by `*`), so that its silence ends no call.
    #[arg(long, default_value_t = 8.0)]
    stay: f64,
    /// Seconds that the first caller listens, to learn the prompt; more must be left before anything else is said.
    #[arg(long, default_value_t = 12.0)]
    rehearsal: f64,
    /// Seconds that pass once all calls are on, before the first round.
    #[arg(long, default_value_t = 2.0)]
    settle: f64,
    /// Counts the server's system calls after the last round (needs perf or strace).
    #[arg(long, requires = "pid")]
    syscalls: bool,
}

#[derive(Args)]
struct SignallingArgs {
    #[command(flatten)]
    line: LineArgs,
    /// Calls a second in the first step.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// How many times as many in the next.
    #[arg(long, default_value_t = 1.5)]
    factor: f64,
    /// The highest rate tried.
    #[arg(long, default_value_t = 5000.0)]
    rate_max: f64,
    /// Seconds of a step.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
}

#[derive(Args)]
struct FloorArgs {
    /// Calls at once.
    #[arg(long, default_value_t = 1000)]
    calls: usize,
    /// The answering side's first port.
    #[arg(long, default_value_t = 20_000)]
    port: u16,
    /// The answering side's process id.
    #[arg(long)]
    pid: u32,
    /// Seconds of a round.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Rounds measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Writes the results as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Args)]
struct FloorAnswerArgs {
    /// Calls at once.
    #[arg(long, default_value_t = 1000)]
    calls: usize,
    /// The first port; the driving side uses those behind the last.
    #[arg(long, default_value_t = 20_000)]
    port: u16,
    /// Seconds after which it ends.
    #[arg(long, default_value_t = 600.0)]
    seconds: f64,
}

#[derive(Args)]
struct ReportArgs {
    /// Where floor.json, held.json, whole.json and signalling.json are; what is missing is left out.
    folder: PathBuf,
    /// The version that was measured, to be named in the report.
    #[arg(long)]
    measured: Option<String>,
    /// How many ratings the database holds after all parts, to be held against how many were pressed.
    #[arg(long)]
    ratings: Option<u64>,
    /// Puts the tables into the results section of this file too.
    #[arg(long)]
    write: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Load(args) => load(&args),
        Command::Signalling(args) => signalling(&args),
        Command::Floor(args) => floor(&args),
        Command::FloorAnswer(args) => floor::answer(args.calls, args.port, seconds(args.seconds)?),
        Command::Http(args) => http(&args),
        Command::Report(args) => report(&args),
    }
}

fn load(args: &LoadArgs) -> anyhow::Result<()> {
    ensure!(args.calls > 0 && args.rounds > 0, "--calls and --rounds must be at least 1");
    let outcome = load::run(&load::Order {
        line: line(&args.line)?,
        server: args.line.pid,
        calls: args.calls,
        rate: rate(args.rate)?,
        round: seconds(args.seconds)?,
        rounds: args.rounds,
        keys: args.line.press.clone(),
        hold: args.hold.map(seconds).transpose()?,
        stay: seconds(args.stay)?,
        rehearsal: seconds(args.rehearsal)?,
        settles: seconds(args.settle)?,
        count_syscalls: args.syscalls,
    })?;
    write_json(args.line.json.as_ref(), &outcome)?;
    let endings = outcome.whole.endings.iter();
    let endings: String = endings.map(|(ending, count)| format!("{count} calls: {ending}\n")).collect();
    let results = match args.hold {
        None => Results { held: Some(outcome), ..Results::default() },
        Some(_) => Results { whole: Some(outcome), ..Results::default() },
    };
    say(&format!("{}\n{endings}", results.markdown()))
}

fn signalling(args: &SignallingArgs) -> anyhow::Result<()> {
    ensure!(args.factor > 1.0, "--factor must be above 1");
    let outcome = signalling::run(&signalling::Order {
        line: line(&args.line)?,
        server: args.line.pid,
        rate: rate(args.rate)?,
        factor: args.factor,
        rate_max: args.rate_max,
        step: seconds(args.seconds)?,
        keys: args.line.press.clone(),
    })?;
    write_json(args.line.json.as_ref(), &outcome)?;
    say(&report::signalling(&outcome))
}

fn floor(args: &FloorArgs) -> anyhow::Result<()> {
    let outcome = floor::drive(&floor::Order {
        calls: args.calls,
        port: args.port,
        round: seconds(args.seconds)?,
        rounds: args.rounds,
        peer: args.pid,
    })?;
    write_json(args.json.as_ref(), &outcome)?;
    say(&Results { floor: Some(outcome), ..Results::default() }.markdown())
}

fn http(args: &HttpArgs) -> anyhow::Result<()> {
    let outcome = http::run(&http::Order {
        target: args.target,
        server: args.pid,
        clients: args.clients,
        rate: args.rate.map(rate).transpose()?,
        during: seconds(args.seconds)?,
        what: match &args.get {
            Some(path) => What::Get(path.clone()),
            None => What::Rate(run_name()?),
        },
    })?;
    write_json(args.json.as_ref(), &outcome)?;
    say(&format!(
        "{:.0} a second, {:.2} ms in the middle, {:.2} ms p99",
        outcome.per_second, outcome.took.p50_ms, outcome.took.p99_ms
    ))
}

fn report(args: &ReportArgs) -> anyhow::Result<()> {
    let results = Results::read(&args.folder)?;
    let tables = results.markdown();
    let kept = args.ratings.map_or_else(String::new, |stored| {
        format!(
            "\nRatings pressed in all parts: {}. Ratings in the database: **{stored}**.\n",
            results.rated()
        )
    });
    let measured =
        args.measured.as_ref().map_or_else(String::new, |version| format!("Version `{version}`. "));
    let text = format!("{measured}Measured on {}.\n\n{tables}{kept}", report::machine());
    if let Some(file) = &args.write {
        let readme = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let replaced = report::replace_results(&readme, &text)
            .with_context(|| format!("{} has no place for results", file.display()))?;
        fs::write(file, replaced).with_context(|| format!("writing {}", file.display()))?;
    }
    say(&text)
}

fn line(args: &LineArgs) -> anyhow::Result<Line> {
    Ok(Line { target: args.target, user: args.user.clone(), ports: args.ports.clone(), run: run_name()? })
}

/// Different in every run, so that no call id comes twice.
#[expect(clippy::disallowed_methods, reason = "a name is made here, nothing is timed")]
fn run_name() -> anyhow::Result<String> {
    // tidy allows clock: a name is made of it, nothing is timed
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(format!("bench-{:x}", since_1970.as_millis()))
}

fn seconds(seconds: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(seconds).with_context(|| format!("{seconds} is no number of seconds"))
}

fn rate(per_second: f64) -> anyhow::Result<f64> {
    ensure!((0.01..=100_000.0).contains(&per_second), "a rate is from 0.01 to 100,000 calls a second");
    Ok(per_second)
}

fn write_json(file: Option<&PathBuf>, results: &impl Serialize) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let json = serde_json::to_string_pretty(results)?;
    fs::write(file, json + "\n").with_context(|| format!("writing {}", file.display()))
}

fn say(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout().lock(), "{text}")?)
}
