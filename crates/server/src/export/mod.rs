//! Ratings, one by one, as a file of any size: CSV or a workbook, newest first.
//!
//! Read page by page behind where the page before ended, each page in a snapshot of its own: between two pages nothing is
//! held open, however slowly they are taken, and never more than a page is in memory. So a rating that is there from
//! beginning to end, and whose time is not changed meanwhile, is in the file exactly once.

pub(crate) mod csv;
mod row;
#[cfg(test)]
mod tests;
mod xlsx;
mod zip;

use aftercall_core::TenantId;
use aftercall_store::{Rating, RatingCursor, RatingFilter, Store, StoreError, Zone};

use self::xlsx::{Column, Workbook};

/// Ratings read at once: with the longest comments 8 MB, and 10 MB more as XML on its way into the archive.
const PAGE: u16 = 500;

/// How ratings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values, in UTF-8; with a mark in front where `bom` is set.
    Csv { bom: bool },
    /// A workbook.
    Xlsx,
}

/// Which ratings of whom, and whose clocks their times are shown by.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) tenant: TenantId,
    pub(crate) filter: RatingFilter,
    pub(crate) zone: Zone,
}

/// Why a file ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

/// A file on its way. What is not asked for is not read.
#[derive(Debug)]
pub(crate) struct Export {
    store: Store,
    scope: Scope,
    stage: Stage,
    sheet: Sheet,
}

#[derive(Debug)]
enum Stage {
    /// Its head is made.
    Begun,
    /// What comes behind this rating is not read yet.
    Behind(Option<RatingCursor>),
    /// All of it is made.
    Ended,
}

#[derive(Debug)]
enum Sheet {
    Csv(String),
    Xlsx(Box<Workbook>),
}

impl Export {
    pub(crate) fn new(store: Store, scope: Scope, format: Format) -> Self {
        let sheet = Sheet::new(format, &scope.zone);
        Self { store, scope, stage: Stage::Begun, sheet }
    }

    /// The next piece, and what comes after it; `None` at the end. The first one is there at once.
    ///
    /// # Errors
    /// Then the file must not look as if it were complete.
    pub(crate) async fn next(mut self) -> Result<Option<(Vec<u8>, Self)>, Broken> {
        let after = match self.stage {
            Stage::Begun => {
                self.stage = Stage::Behind(None);
                return Ok(Some((self.sheet.take(), self)));
            }
            Stage::Behind(after) => after,
            Stage::Ended => return Ok(None),
        };
        let Scope { tenant, filter, zone } = &self.scope;
        let ratings = self.store.ratings(tenant, filter, after.as_ref(), PAGE).await?;
        let is_last = ratings.len() < usize::from(PAGE);
        self.stage = match ratings.last() {
            Some(last) if !is_last => Stage::Behind(Some(RatingCursor::from(last))),
            _ => Stage::Ended,
        };
        let (mut sheet, zone) = (self.sheet, zone.clone());
        // Packing 10 MB takes a moment, in which the other calls of this thread would wait.
        let made = tokio::task::spawn_blocking(move || {
            ratings.iter().for_each(|rating| sheet.add(rating, &zone));
            if is_last {
                sheet.end();
            }
            (sheet.take(), sheet)
        });
        // A runtime that is going away takes its tasks along.
        let (piece, sheet) = made.await.map_err(|_| Broken::Stopping)?;
        self.sheet = sheet;
        Ok(Some((piece, self)))
    }
}

impl Sheet {
    fn new(format: Format, zone: &Zone) -> Self {
        let names = row::header(zone);
        match format {
            Format::Csv { bom } => {
                let mut text = String::from(if bom { csv::MARK } else { "" });
                csv::line(&mut text, names.into_iter());
                Self::Csv(text)
            }
            Format::Xlsx => {
                let columns = names.into_iter().zip(row::COLUMNS);
                let columns = columns.map(|(name, (_, width))| Column { name, width });
                Self::Xlsx(Box::new(Workbook::new(columns.collect())))
            }
        }
    }

    fn add(&mut self, rating: &Rating, zone: &Zone) {
        let cells = row::cells(rating, zone);
        match self {
            Self::Csv(text) => csv::line(text, cells.iter().map(row::Cell::in_csv)),
            Self::Xlsx(book) => book.row(cells),
        }
    }

    fn end(&mut self) {
        match self {
            Self::Csv(_) => {}
            Self::Xlsx(book) => book.end(),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Csv(text) => std::mem::take(text).into_bytes(),
            Self::Xlsx(book) => book.take(),
        }
    }
}
