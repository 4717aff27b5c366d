//! `aftercall import csv`: history from elsewhere, every line of it or none.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use aftercall_core::{CallId, Score, TenantId};
use aftercall_store::{Actor, BATCH_MAX, Store, Write, Written};
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use csv::{ReaderBuilder, StringRecord};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Exit, World, open_servers};
use crate::config::Config;
use crate::fields::{Fields, parsed};
use crate::posted::Posted;

/// What a column may hold.
const FIELDS: [&str; 10] = [
    "call_id",
    "score",
    "agent_id",
    "queue_id",
    "created_at",
    "comment",
    "key",
    "survey",
    "channel",
    "language",
];

/// Lines that are at fault and shown; more are counted.
const SHOWN_MAX: usize = 100;

/// How often a long import says how far it is: each time so many lines are kept.
const TOLD_EVERY: u64 = 100_000;

#[derive(Debug, Subcommand)]
pub(super) enum ImportCommand {
    /// Ratings from a CSV file with a header
    #[command(after_help = "\
The header names the columns: call_id and score, and any of agent_id, queue_id, created_at (RFC 3339), comment,
key, survey, channel, language. Other names are given by --column; what is not wanted by --ignore.

The whole file is read first: where a line is at fault nothing is kept, and each is named. A second run of the
same file changes nothing. The server may run meanwhile.

Examples:
  aftercall import csv history.csv --dry-run
  aftercall import csv export.csv --column call_id=CallRef --column score=Rating --ignore Caller
  aftercall import csv old.csv --best-score 1 --tenant north

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
            let Write::Rate(given) = write else { continue };
            match written {
                Written::New(_) => new += 1,
                Written::Same(_) | Written::Filled(_) => known += 1,
                Written::Contradicts(stored) => {
                    refused += 1;
                    let (here, there) = (stored.score.get(), given.score.get());
                    writeln!(
                        world.out,
                        "call \"{}\" has another rating here: {here}, not {there}; it stays",
                        given.call
                    )?;
                }
                Written::Gone => {
                    refused += 1;
                    writeln!(world.out, "call \"{}\": its rating was erased here; it stays so", given.call)?;
                }
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

/// What is wrong with a file.
#[derive(Default)]
struct Faults {
    lines: u64,
    count: u64,
    shown: Vec<String>,
}

impl Faults {
    fn add(&mut self, file: &Path, line: u64, fault: &str) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(format!("{}:{line}: {fault}", file.display()));
        }
    }
}

/// A file being read.
struct Table<'a> {
    csv: &'a CsvFile,
    reader: csv::Reader<File>,
    /// The field of each column; none of one that is left out.
    fields: Vec<Option<&'static str>>,
}

impl<'a> Table<'a> {
    fn open(csv: &'a CsvFile) -> anyhow::Result<Self> {
        let shown = csv.file.display();
        let delimiter = u8::try_from(csv.delimiter).context("--delimiter must be an ASCII character")?;
        let file = File::open(&csv.file).with_context(|| format!("{shown}: cannot be read"))?;
        let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
        let header = reader.headers().with_context(|| format!("{shown}: has no header"))?.clone();
        let fields = header.iter().map(|column| csv.field(column.trim_start_matches('\u{feff}').trim()));
        let fields: Vec<_> =
            fields.collect::<Result<_, String>>().map_err(|why| anyhow::anyhow!("{shown}:1: {why}"))?;
        for needed in ["call_id", "score"] {
            if !fields.contains(&Some(needed)) {
                bail!("{shown}:1: no column is \"{needed}\": name it by --column {needed}=COLUMN");
            }
        }
        let mut seen = HashMap::new();
        for (field, column) in fields.iter().zip(header.iter()) {
            if let Some(field) = field
                && let Some(other) = seen.insert(field, column)
            {
                bail!("{shown}:1: both \"{other}\" and \"{column}\" are {field}: leave one out by --ignore");
            }
        }
        Ok(Self { csv, reader, fields })
    }

    /// Reads all of it, and keeps nothing.
    fn faults(mut self, now: Timestamp) -> Faults {
        let mut faults = Faults::default();
        let mut calls: HashMap<String, (u64, Score)> = HashMap::new();
        let mut record = StringRecord::new();
        loop {
            let line = self.reader.position().line();
            match self.reader.read_record(&mut record) {
                Ok(false) => return faults,
                Ok(true) => {
                    faults.lines += 1;
                    let line = record.position().map_or(line, csv::Position::line);
                    match self.read(&record, now) {
                        Ok((call, posted)) => {
                            let before = calls.insert(call.to_string(), (line, posted.score));
                            if let Some((before, score)) = before
                                && score != posted.score
                            {
                                let fault = format!("call_id \"{call}\" has another score in line {before}");
                                faults.add(&self.csv.file, line, &fault);
                            }
                        }
                        Err(found) => found.iter().for_each(|fault| faults.add(&self.csv.file, line, fault)),
                    }
                }
                Err(error) => {
                    faults.lines += 1;
                    faults.add(&self.csv.file, line, &format!("cannot be read: {error}"));
                    if error.is_io_error() {
                        return faults;
                    }
                }
            }
        }
    }

    /// The next lines as writes; none at the end.
    fn batch(&mut self, tenant: &TenantId, now: Timestamp) -> anyhow::Result<Vec<Write>> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut record = StringRecord::new();
        while batch.len() < BATCH_MAX && self.reader.read_record(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            let read = self.read(&record, now);
            let (call, posted) = read.map_err(|faults| {
                anyhow::anyhow!(
                    "{}:{line}: {}: the file has changed meanwhile",
                    self.csv.file.display(),
                    faults.join("; ")
                )
            })?;
            batch.push(Write::Rate(posted.rating(tenant.clone(), call, Actor::Import, now)));
        }
        Ok(batch)
    }

    /// A line, read as a form is: what is empty is not there.
    fn read(&self, record: &StringRecord, now: Timestamp) -> Result<(CallId, Posted), Vec<String>> {
        if record.len() != self.fields.len() {
            return Err(vec![format!("has {} cells, and the header {}", record.len(), self.fields.len())]);
        }
        let mut object = Map::new();
        for (field, cell) in self.fields.iter().zip(record) {
            if let (Some(field), false) = (field, cell.is_empty()) {
                object.insert((*field).to_owned(), self.value(field, cell));
            }
        }
        let read = Fields::read(&Value::Object(object), "column", |fields| {
            let call = fields.required("call_id", parsed::<CallId>);
            let posted = Posted::read(fields, now);
            Some((call?, posted?))
        });
        read.map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
    }

    fn value(&self, field: &str, cell: &str) -> Value {
        match cell.trim().parse::<u8>() {
            Ok(score) if field == "score" && self.csv.best_score == 1 => {
                Value::from(6_u8.saturating_sub(score))
            }
            Ok(score) if field == "score" => Value::from(score),
            _ => Value::from(cell),
        }
    }
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
