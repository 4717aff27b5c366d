//! A CSV file: its header, its lines in order, and what is wrong with them.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use aftercall_core::{CallId, Score, TenantId};
use aftercall_store::{BATCH_MAX, Write};
use anyhow::{Context as _, bail};
use csv::{ReaderBuilder, StringRecord};
use jiff::Timestamp;

use super::CsvFile;
use super::line::{Change, Line, NEEDED};

/// Lines that are at fault and shown; more are counted.
const SHOWN_MAX: usize = 100;

/// What is wrong with a file.
#[derive(Default)]
pub(super) struct Faults {
    /// How many lines there are.
    pub(super) lines: u64,
    /// How many of them are at fault.
    pub(super) count: u64,
    /// What is wrong, the first of it.
    pub(super) shown: Vec<String>,
    last: Option<u64>,
}

impl Faults {
    fn add(&mut self, file: &Path, line: u64, fault: &str) {
        self.count += u64::from(self.last.replace(line) != Some(line));
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(format!("{}:{line}: {fault}", file.display()));
        }
    }
}

/// A file being read.
pub(super) struct Table<'a> {
    csv: &'a CsvFile,
    reader: csv::Reader<File>,
    /// The field of each column; none of one that is left out.
    fields: Vec<Option<&'static str>>,
}

impl<'a> Table<'a> {
    pub(super) fn open(csv: &'a CsvFile) -> anyhow::Result<Self> {
        let shown = csv.file.display();
        let delimiter = u8::try_from(csv.delimiter).context("--delimiter must be an ASCII character")?;
        let file = File::open(&csv.file).with_context(|| format!("{shown}: cannot be read"))?;
        let mut reader = ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
        let header = reader.headers().with_context(|| format!("{shown}: has no header"))?.clone();
        let fields = header.iter().map(|column| csv.field(column.trim_start_matches('\u{feff}').trim()));
        let fields: Vec<_> =
            fields.collect::<Result<_, String>>().map_err(|why| anyhow::anyhow!("{shown}:1: {why}"))?;
        for needed in NEEDED {
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
    pub(super) fn faults(mut self, now: Timestamp) -> Faults {
        let mut faults = Faults::default();
        let mut calls: HashMap<CallId, (u64, Score)> = HashMap::new();
        let mut last_arrived = None;
        let mut record = StringRecord::new();
        loop {
            let line = self.reader.position().line();
            match self.reader.read_record(&mut record) {
                Ok(false) => return faults,
                Ok(true) => {
                    faults.lines += 1;
                    let line = record.position().map_or(line, csv::Position::line);
                    match self.line(&record, now) {
                        Ok(read) => {
                            if read.arrived_at < last_arrived {
                                let fault = "arrived before the line above it: sort the file by arrived_at";
                                faults.add(&self.csv.file, line, fault);
                            }
                            last_arrived = read.arrived_at.or(last_arrived);
                            if let Change::Rated(posted) = read.change
                                && let before = calls.insert(read.call.clone(), (line, posted.score))
                                && let Some((before, score)) = before
                                && score != posted.score
                            {
                                let fault =
                                    format!("call_id \"{}\" has another score in line {before}", read.call);
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
    pub(super) fn batch(&mut self, tenant: &TenantId, now: Timestamp) -> anyhow::Result<Vec<Write>> {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut record = StringRecord::new();
        while batch.len() < BATCH_MAX && self.reader.read_record(&mut record)? {
            let line = record.position().map_or(0, csv::Position::line);
            let read = self.line(&record, now).map_err(|faults| {
                anyhow::anyhow!(
                    "{}:{line}: {}: the file has changed meanwhile",
                    self.csv.file.display(),
                    faults.join("; ")
                )
            })?;
            batch.push(read.write(tenant.clone(), now));
        }
        Ok(batch)
    }

    fn line(&self, record: &StringRecord, now: Timestamp) -> Result<Line, Vec<String>> {
        Line::read(&self.fields, record, self.csv.best_score, now)
    }
}
