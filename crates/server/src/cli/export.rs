//! `aftercall export`: ratings as a file, the same as `GET /cc/reports/csat/export` sends.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use aftercall_core::TenantId;
use aftercall_store::{RatingFilter, Zone};
use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Map, Value};

use super::{Exit, World, open_servers};
use crate::api::filter;
use crate::api::window::{Asked, When};
use crate::config::Config;
use crate::export::{Export, Format, Scope};
use crate::fields::{Fields, text};

pub(super) const EXAMPLES: &str = "\
One line a rating, newest first. The file appears under its name when it is complete. The server may run meanwhile.

Examples:
  aftercall export ratings.xlsx --from 2026-10-01 --to 2026-10-31
  aftercall export sales.csv --queue sales-queue --tz Europe/Berlin
  aftercall export - | head

Exit codes:
  0  the file is complete
  1  it failed; stderr says why and what to do
  2  what was given is wrong: the command line or the configuration";

#[derive(Debug, Args)]
pub(super) struct ExportCommand {
    /// NAME.csv, NAME.xlsx, or - for CSV on stdout
    file: PathBuf,
    /// Whose ratings
    #[arg(long, value_name = "NAME")]
    tenant: Option<TenantId>,
    /// CSV: begin with a byte order mark, by which Excel knows that it is UTF-8
    #[arg(long)]
    bom: bool,
    #[command(flatten)]
    which: Which,
}

/// What the API's query says.
#[derive(Debug, Args)]
struct Which {
    /// Rated at or after: a date, or an instant (RFC 3339)
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Rated up to the end of this date, or before this instant
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// The time zone of dates and times [default: the tenant's]
    #[arg(long, value_name = "ZONE")]
    tz: Option<String>,
    /// Only of this agent
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Only of this queue
    #[arg(long, value_name = "ID")]
    queue: Option<String>,
    /// Only asked by this survey
    #[arg(long, value_name = "NAME")]
    survey: Option<String>,
    /// Only asked in this way
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Only asked in this language
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Only with this score
    #[arg(long, value_name = "1-5")]
    score: Option<String>,
}

/// The same, read.
struct Said {
    filter: RatingFilter,
    ends: (Option<When>, Option<When>),
    zone: Option<Zone>,
}

pub(super) async fn run(
    command: ExportCommand,
    config: &Config,
    world: &mut World<'_>,
) -> anyhow::Result<Exit> {
    let said = match command.which.read() {
        Ok(said) => said,
        Err(faults) => {
            faults.iter().try_for_each(|fault| writeln!(world.err, "{fault}"))?;
            return Ok(Exit::Faults);
        }
    };
    let Some(format) = command.format() else {
        writeln!(world.err, "{}: name it .csv or .xlsx, or - for stdout", command.file.display())?;
        return Ok(Exit::Faults);
    };
    let store = open_servers(config).await?;
    let name = command.tenant.clone().unwrap_or_default();
    let Some(tenant) = store.tenant(&name).await? else {
        bail!("there is no tenant \"{name}\": `aftercall tenant list`");
    };
    let zone = said.zone.unwrap_or(tenant.time_zone);
    let (from, to) = said.ends;
    let Some(window) = (Asked { days: None, from, to }).ends(&zone) else {
        writeln!(world.err, "`from` must be before `to`")?;
        return Ok(Exit::Faults);
    };
    let filter = RatingFilter { window, ..said.filter };
    let export = Export::new(store.clone(), Scope { tenant: name, filter, zone }, format);
    if command.file == Path::new("-") {
        write(export, world.out).await?;
    } else {
        write_file(export, &command.file).await?;
    }
    store.close().await;
    Ok(Exit::Well)
}

async fn write(mut export: Export, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
    while let Some((piece, next)) = export.next().await? {
        out.write_all(&piece)?;
        export = next;
    }
    Ok(out.flush()?)
}

/// Under another name until it is complete. Only its owner reads it: comments are personal.
async fn write_file(export: Export, file: &Path) -> anyhow::Result<()> {
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let shown = || format!("{}: cannot be written", unfinished.display());
    let mut out = BufWriter::new(make(&unfinished).with_context(shown)?);
    let written = write(export, &mut out).await.and_then(|()| Ok(out.get_ref().sync_all()?));
    if written.is_err() {
        // The one who wrote it is told what failed; that a part stays behind is the lesser trouble.
        drop(fs::remove_file(&unfinished));
        return written.with_context(shown);
    }
    fs::rename(&unfinished, file).with_context(|| format!("{}: cannot be written", file.display()))
}

fn make(file: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)
}

impl ExportCommand {
    fn format(&self) -> Option<Format> {
        let ending = self.file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        match ending.as_deref() {
            Some("csv") => Some(Format::Csv { bom: self.bom }),
            Some("xlsx") => Some(Format::Xlsx),
            _ => (self.file == Path::new("-")).then_some(Format::Csv { bom: self.bom }),
        }
    }
}

impl Which {
    /// Reads it as the API reads a query.
    fn read(&self) -> Result<Said, Vec<String>> {
        let given = [
            ("from", &self.from),
            ("to", &self.to),
            ("tz", &self.tz),
            ("agent", &self.agent),
            ("queue", &self.queue),
            ("survey", &self.survey),
            ("channel", &self.channel),
            ("language", &self.language),
            ("score", &self.score),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        let options: Map<String, Value> =
            given.map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
        let read = Fields::read(&Value::Object(options), "option", |fields| {
            let filter = filter::read(fields);
            let zone = fields.optional("tz", |value| Zone::new(&text(value)?).map_err(|why| why.to_string()));
            let ends = Asked::read_ends(fields)?;
            Some(Said { filter: filter?, ends, zone: zone? })
        });
        read.map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
    }
}
