//! The command line.

mod check;
mod dial;
mod doctor;
mod export;
mod import;
mod key;
mod migrate_store;
mod report;
mod results;
mod serve;
mod tenant;
mod webhook;

use std::io::Write;
use std::path::PathBuf;

use aftercall_store::Store;
use anyhow::{Context as _, bail};
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

use crate::clock::Clock;
use crate::config::{Config, ConfigError, Database};
use crate::logging::{self, LogFormat};

const EXIT_CODES: &str = "\
Exit codes:
  0  it went well
  1  it failed; stderr says why and what to do
  2  what was given is wrong: the command line, the configuration or a survey";

const EXAMPLES: &str = "\
Examples:
  aftercall serve                             start, with ./aftercall.toml if it is there
  aftercall dial sip:csat-survey@127.0.0.1 --press 1    a test call
  aftercall check --config site.toml          what is wrong, each with file:line:column
  aftercall key create --role ingest          a key for a program that posts ratings
  aftercall key create --role agent --agent agent-001
  aftercall doctor                            why does it not work here?

Exit codes:
  0  it went well
  1  it failed; stderr says why and what to do
  2  what was given is wrong: the command line, the configuration or a survey";

/// Asks callers, right after the call, how it was.
#[derive(Debug, Parser)]
#[command(name = "aftercall", version, after_help = EXAMPLES)]
pub struct Cli {
    /// The configuration [default: ./aftercall.toml if it is there, else built-in defaults]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// What to log, such as `info` or `warn,aftercall=debug` [default: $RUST_LOG, else info]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,

    /// How log lines look
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or SIGINT
    #[command(after_help = EXIT_CODES)]
    Serve,
    /// Say what is wrong with the configuration and the surveys
    #[command(after_help = EXIT_CODES)]
    Check,
    /// Make, list and revoke API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Make and list tenants
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Bring history along from elsewhere
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Write ratings into a file, CSV or a workbook
    #[command(after_help = export::EXAMPLES)]
    Export(export::ExportCommand),
    /// Reports by schedule: look at one, send one now, list them
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Verify or rebuild what is counted of ratings
    #[command(subcommand)]
    Results(results::ResultsCommand),
    /// Move everything into another database
    #[command(after_help = migrate_store::EXAMPLES)]
    MigrateStore(migrate_store::MigrateStore),
    /// List the webhooks, and try one
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Place a test call: a real telephone that waits for the prompt, presses keys and measures
    #[command(after_help = dial::EXAMPLES)]
    Dial(dial::DialCommand),
    /// Print the API's document (OpenAPI)
    Openapi,
    /// Check this machine: folders, database, ports, limits, exposure
    #[command(after_help = EXIT_CODES)]
    Doctor,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  aftercall completions bash > /etc/bash_completion.d/aftercall")]
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It went well.
    Well,
    /// It failed.
    Failed,
    /// What was given is wrong.
    Faults,
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> u8 {
        match exit {
            Exit::Well => 0,
            Exit::Failed => 1,
            Exit::Faults => 2,
        }
    }
}

/// What a command may use of the world around it. `main` hands it down; tests hand down theirs.
pub struct World<'w> {
    /// What time it is.
    pub clock: Clock,
    /// Looks up an environment variable.
    pub env: &'w (dyn Fn(&str) -> Option<String> + Sync),
    /// Where results go.
    pub out: &'w mut (dyn Write + Send),
    /// Where explanations go.
    pub err: &'w mut (dyn Write + Send),
}

/// Runs a command.
pub async fn run(cli: Cli, world: &mut World<'_>) -> Exit {
    let done = match logging_of(&cli, world) {
        Ok(()) => dispatch(cli, world).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(exit) => exit,
        // Who reads the first lines only (`| head`) has what they wanted.
        Err(error) if is_broken_pipe(&error) => Exit::Well,
        Err(error) => {
            let exit = if error.is::<ConfigError>() || error.is::<logging::LogFault>() {
                Exit::Faults
            } else {
                Exit::Failed
            };
            // Where stderr is gone nobody reads why.
            drop(writeln!(world.err, "{error:#}"));
            exit
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Only the server logs; the other commands say what they have to say, and refuse a filter that is none.
fn logging_of(cli: &Cli, world: &World<'_>) -> anyhow::Result<()> {
    if matches!(cli.command, Command::Serve) {
        let filter = cli.log.clone().or_else(|| (world.env)("RUST_LOG"));
        logging::start(filter.as_deref(), cli.log_format)?;
    } else if let Some(filter) = &cli.log {
        logging::read(filter)?;
    }
    Ok(())
}

async fn dispatch(cli: Cli, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let load = |world: &World<'_>| Config::load(cli.config.as_deref(), world.env);
    match cli.command {
        Command::Serve => serve::run(load(world)?, world).await,
        Command::Check => check::run(cli.config.as_deref(), world),
        Command::Key(command) => key::run(command, &load(world)?, world).await,
        Command::Tenant(command) => tenant::run(command, &load(world)?, world).await,
        Command::Import(command) => import::run(command, &load(world)?, world).await,
        Command::Export(command) => export::run(command, &load(world)?, world).await,
        Command::Report(command) => report::run(command, load(world)?, world).await,
        Command::Results(command) => results::run(command, &load(world)?, world).await,
        Command::MigrateStore(command) => migrate_store::run(command, world).await,
        Command::Webhook(command) => webhook::run(command, &load(world)?, world).await,
        Command::Dial(command) => dial::run(command, world).await,
        Command::Openapi => {
            let document = crate::api::document().to_pretty_json()?;
            writeln!(world.out, "{document}")?;
            Ok(Exit::Well)
        }
        Command::Doctor => doctor::run(cli.config.as_deref(), world).await,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "aftercall", &mut world.out);
            Ok(Exit::Well)
        }
    }
}

/// What to do about a clock that shows a time before this program was written: ratings would be dated by it.
fn clock_fault(now: Timestamp) -> Option<String> {
    let wrong = now.to_zoned(TimeZone::UTC).date() < date(2026, 1, 1);
    wrong.then(|| format!("{now:.0} is in the past: set it (`timedatectl set-ntp true`)"))
}

/// The server's database. Where no configuration was found and no database is, a new one would be one that no
/// server knows.
async fn open_servers(config: &Config) -> anyhow::Result<Store> {
    if let Database::Sqlite(path) = &config.database
        && config.file.is_none()
        && matches!(path.try_exists(), Ok(false))
    {
        bail!(
            "{}: there is no database here: run this where the server runs, or with --config FILE; on a new installation start `aftercall serve` first",
            path.display()
        );
    }
    open(config).await
}

async fn open(config: &Config) -> anyhow::Result<Store> {
    let store = match &config.database {
        Database::Sqlite(path) => {
            let path = path
                .to_str()
                .context("the path of the database is not UTF-8: name another in [database] url")?;
            Store::open(&format!("sqlite://{path}")).await?
        }
        Database::Postgres { url, .. } => Store::open(url.expose()).await?,
    };
    Ok(store)
}
