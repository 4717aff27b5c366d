//! What can go wrong with a store, named by what to do next.

use std::fmt;

/// Where a database is, as its operator knows it. It never holds a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The path of a SQLite file.
    File(String),
    /// A database of a PostgreSQL server: `postgres://user@host:5432/name`.
    Server(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::File(place) | Self::Server(place)) = self;
        f.write_str(place)
    }
}

impl Place {
    /// What to do about a lock that somebody else holds.
    fn unlock(&self) -> String {
        match self {
            Self::File(path) => format!("stop it (`fuser {path}` names it), or give it its own"),
            Self::Server(_) => {
                "end its transaction (`SELECT pid, query FROM pg_stat_activity WHERE state <> 'idle'` shows it)"
                    .to_owned()
            }
        }
    }

    /// What to do about a damaged database.
    fn mend(&self) -> String {
        match self {
            Self::File(path) => format!("restore a backup, or try `sqlite3 {path} .recover`"),
            Self::Server(_) => "restore a backup".to_owned(),
        }
    }

    /// What to do about a database of somebody else.
    fn another(&self) -> &'static str {
        match self {
            Self::File(_) => "name another file in [database] url, or move this one away",
            Self::Server(_) => "make one for aftercall alone, and name it in [database] url",
        }
    }
}

/// Why a store cannot do what it was asked. [`StoreError::next_move`] says what the caller does now.
/// No text in it comes from a caller or from a stored row, and none is a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one that this version opens.
    #[error("[database] url: {0}")]
    Url(String),
    /// Another program holds the database for longer than we wait.
    #[error("{place}: another program has locked the database; {}", .place.unlock())]
    Locked {
        /// Where.
        place: Place,
    },
    /// The disk, or the quota, is full. Nothing of the batch is kept.
    #[error("{place}: no space left for the database; free some on its disk")]
    Full {
        /// Where.
        place: Place,
    },
    /// The file or its folder cannot be made, read or written.
    #[error(
        "{place}: the database cannot be read and written: {why}; check that the folder exists and belongs to the user that runs aftercall"
    )]
    Unusable {
        /// Where.
        place: Place,
        /// What the system said.
        why: String,
    },
    /// The server cannot be reached, or went away. It is not known whether a batch under way was kept.
    #[error("{place}: the database server does not answer: {why}; {remedy}")]
    Unreachable {
        /// Where.
        place: Place,
        /// What the system said.
        why: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The server answers, and does not let us do our work.
    #[error("{place}: the database server refuses: {why}; {remedy}")]
    Refused {
        /// Where.
        place: Place,
        /// What it said.
        why: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// The database is something else.
    #[error("{place}: is not a database of aftercall ({why}); {}", .place.another())]
    NotOurs {
        /// Where.
        place: Place,
        /// What it is instead.
        why: &'static str,
    },
    /// A later version of aftercall has worked with it.
    #[error(
        "{place}: the database has schema version {found}, this program knows up to {known}; run the newer aftercall, or restore the backup from before the upgrade"
    )]
    Newer {
        /// Where.
        place: Place,
        /// Its schema version.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// The database's content is broken, or a row in it is none that aftercall writes.
    #[error("{place}: the database is damaged ({what}); {}", .place.mend())]
    Damaged {
        /// Where.
        place: Place,
        /// Where within.
        what: String,
    },
    /// Reading or writing failed. Nothing of the batch is kept.
    #[error("{place}: {what}")]
    Failed {
        /// Where.
        place: Place,
        /// What the database said.
        what: String,
    },
    /// Rows are being moved into it, and not all of them are there and verified.
    #[error(
        "{place}: not everything has been moved into it yet: run `aftercall migrate-store` from {source_place} to here once more, until it says that all is there; or name another database in [database] url"
    )]
    HalfMoved {
        /// Where.
        place: Place,
        /// From where.
        source_place: String,
    },
    /// It is not what is to be moved from, or into.
    #[error("{place}: {why}; {remedy}")]
    Unfit {
        /// Where.
        place: Place,
        /// What it is.
        why: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// What was moved is not what is there.
    #[error(
        "{place}: {what}; make this database anew and move everything once more, and if it differs again, report it"
    )]
    Differs {
        /// Where to.
        place: Place,
        /// The first difference.
        what: String,
    },
    /// More was asked for than a call takes: the caller's fault.
    #[error("{given} {what} in one call; at most {most}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        given: usize,
        /// How many at most.
        most: usize,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

/// What the caller of a store does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextMove {
    /// The same again a little later.
    Retry,
    /// The same again once an operator has made space; until then nothing new is kept.
    MakeSpace,
    /// It will fail again: tell an operator.
    GiveUp,
}

impl StoreError {
    /// What the caller does next.
    #[must_use]
    pub fn next_move(&self) -> NextMove {
        match self {
            Self::Locked { .. } | Self::Unreachable { .. } | Self::Failed { .. } => NextMove::Retry,
            Self::Full { .. } => NextMove::MakeSpace,
            Self::Url(_)
            | Self::Unusable { .. }
            | Self::Refused { .. }
            | Self::NotOurs { .. }
            | Self::Newer { .. }
            | Self::Damaged { .. }
            | Self::HalfMoved { .. }
            | Self::Unfit { .. }
            | Self::Differs { .. }
            | Self::TooMany { .. }
            | Self::Closed => NextMove::GiveUp,
        }
    }
}
