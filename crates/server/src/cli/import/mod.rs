//! `aftercall import csv`: history from elsewhere, every line of it or none.

mod line;
mod table;

use std::path::PathBuf;

use aftercall_core::TenantId;
use aftercall_store::{Revision, Store, Write, Written};
use anyhow::bail;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use self::line::FIELDS;
use self::table::Table;
use super::{Exit, World, open_servers};
use crate::config::Config;

/// How often a long import says how far it is: each time so many lines are kept.
const TOLD_EVERY: u64 = 100_000;

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Ratings from a CSV file with a header
    #[command(after_help = "\
The header names the columns: call_id and score, and any of agent_id, queue_id, created_at (RFC 3339), comment,
key, survey, channel, language. Other names are given by --column; what is not wanted by --ignore.

A file of changes has one line for each, in the order in which they arrived, and more columns: op (create, amend or
delete), revision (how often the rating had been changed: 0 as it was first given), arrived_at (RFC 3339), by which
reports `as_of` an earlier time know what was known then. An amend and a delete may come before what they change: of
the lines of a call the highest revision holds, of two alike the first; a delete is final.

The whole file is read first: where a line is at fault nothing is kept, and each is named. A second run of the
same file changes nothing. The server may run meanwhile.

Examples:
  aftercall import csv history.csv --dry-run
  aftercall import csv export.csv --column call_id=CallRef --column score=Rating --ignore Caller
  aftercall import csv old.csv --best-score 1 --tenant north
  aftercall import csv changes.csv --column created_at=rated_at --ignore seq

Exit codes:
  0  every line is kept, or was already
  1  it failed, or some call has another rating here (each is named)
  2  some line is at fault; nothing was kept")]
    Csv(CsvFile),
}

#[derive(Debug, Args)]
pub(super) struct CsvFile {
    /// The file
    file: PathBuf,
    /// Whose ratings they are
    #[arg(long, value_name = "NAME")]
    tenant: Option<TenantId>,
    /// Only say what is wrong with it
    #[arg(long)]
    dry_run: bool,
    /// The file's name of a field, once for each that is named otherwise
    #[arg(long = "column", value_name = "FIELD=COLUMN", value_parser = renamed)]
    columns: Vec<(String, String)>,
    /// A column to leave out
    #[arg(long, value_name = "COLUMN")]
    ignore: Vec<String>,
    /// Which score was the best where they come from
    #[arg(long, value_name = "1|5", default_value = "5", value_parser = clap::value_parser!(u8).range(1..=5))]
    best_score: u8,
    /// What separates the cells
    #[arg(long, value_name = "CHARACTER", default_value = ",")]
    delimiter: char,
}

fn renamed(text: &str) -> Result<(String, String), String> {
    let (field, column) = text.split_once('=').ok_or("must be FIELD=COLUMN")?;
    if FIELDS.contains(&field) {
        return Ok((field.to_owned(), column.to_owned()));
    }
    Err(format!("there is no field \"{field}\": there are {}", FIELDS.join(", ")))
}

pub(super) async fn run(
    command: ImportCommand,
    config: &Config,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    let ImportCommand::Csv(csv) = command;
    if !matches!(csv.best_score, 1 | 5) {
        bail!("--best-score must be 1 or 5");
    }
    let now = world.clock.now();
    let store = open_servers(config).await?;
    let tenant = csv.tenant.clone().unwrap_or_default();
    if store.tenant(&tenant).await?.is_none() {
        bail!("there is no tenant \"{tenant}\": `aftercall tenant list`");
    }
    let faults = Table::open(&csv)?.faults(now);
    for fault in faults.shown.iter() {
        writeln!(world.out, "{fault}")?;
    }
    let name = csv.file.display();
    let exit = if faults.count > 0 {
        writeln!(
            world.err,
            "{name}: {} of {} lines are at fault; nothing was kept",
            faults.count, faults.lines
        )?;
        Exit::Faults
    } else if csv.dry_run {
        writeln!(world.err, "{name}: {} lines, all fine; nothing was kept (--dry-run)", faults.lines)?;
        Exit::Well
    } else {
        keep(&store, &csv, &tenant, now, world).await?
    };
    store.close().await;
    Ok(exit)
}

/// Keeps every line, batch by batch.
async fn keep(
    store: &Store,
    csv: &CsvFile,
    tenant: &TenantId,
    now: Timestamp,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    let mut table = Table::open(csv)?;
    let (mut new, mut known, mut refused, mut told) = (0_u64, 0_u64, 0_u64, 0_u64);
    loop {
        let batch = table.batch(tenant, now)?;
        if batch.is_empty() {
            break;
        }
        for (write, written) in batch.iter().zip(store.write(&batch).await?) {
            match written {
                Written::New(_) | Written::Amended(_) | Written::Erased(_) => new += 1,
                Written::Same(_) | Written::Filled(_) => known += 1,
                Written::Contradicts(stored) => {
                    let (Write::Rate(given) | Write::Revise(Revision { rating: given, .. })) = write else {
                        continue;
                    };
                    refused += 1;
                    let (here, there) = (stored.score.get(), given.score.get());
                    writeln!(
                        world.out,
                        "call \"{}\" has another rating here: {here}, not {there}; it stays",
                        given.call
                    )?;
                }
                Written::Gone => match write {
                    Write::Rate(given) => {
                        refused += 1;
                        writeln!(
                            world.out,
                            "call \"{}\": its rating was erased here; it stays so",
                            given.call
                        )?;
                    }
                    // The file itself says so.
                    _ => known += 1,
                },
                other => bail!("the database answered something that was not asked: {other:?}"),
            }
        }
        if (new + known + refused) / TOLD_EVERY > told {
            told = (new + known + refused) / TOLD_EVERY;
            writeln!(world.err, "{} lines kept so far", new + known)?;
        }
    }
    writeln!(world.err, "{}: {new} new, {known} known already, {refused} refused", csv.file.display())?;
    Ok(if refused == 0 { Exit::Well } else { Exit::Failed })
}

impl CsvFile {
    /// The field that a column holds.
    fn field(&self, column: &str) -> Result<Option<&'static str>, String> {
        let named = self.columns.iter().find(|(_, name)| name == column).map(|(field, _)| field.as_str());
        let field = FIELDS.into_iter().find(|field| Some(*field) == named.or(Some(column)));
        match field {
            Some(field) if named.is_some() || !self.columns.iter().any(|(renamed, _)| renamed == field) => {
                Ok(Some(field))
            }
            _ if self.ignore.iter().any(|name| name == column) => Ok(None),
            _ => Err(format!(
                "column \"{column}\" is none of ours: say which by --column FIELD={column}, or leave it out by --ignore {column}"
            )),
        }
    }
}
