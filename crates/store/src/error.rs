//! What can go wrong with a store, named by what to do next.

/// Why a store cannot do what it was asked. [`StoreError::next_move`] says what the caller does now.
/// No text in it comes from a caller or from a stored row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one that this version opens.
    #[error("[database] url: {0}")]
    Url(String),
    /// Another program holds the database for longer than we wait.
    #[error(
        "{path}: another program has locked the database; stop it (`fuser {path}` names it), or give it its own"
    )]
    Locked {
        /// The file.
        path: String,
    },
    /// The disk, or the file's quota, is full. Nothing of the batch is kept.
    #[error("{path}: no space left for the database; free some on its disk")]
    Full {
        /// The file.
        path: String,
    },
    /// The file or its folder cannot be made, read or written.
    #[error(
        "{path}: the database cannot be read and written: {why}; check that the folder exists and belongs to the user that runs aftercall"
    )]
    Unusable {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The file is something else.
    #[error(
        "{path}: is not a database of aftercall ({why}); name another file in [database] url, or move this one away"
    )]
    NotOurs {
        /// The file.
        path: String,
        /// What it is instead.
        why: &'static str,
    },
    /// A later version of aftercall has worked with it.
    #[error(
        "{path}: the database has schema version {found}, this program knows up to {known}; run the newer aftercall, or restore the backup from before the upgrade"
    )]
    Newer {
        /// The file.
        path: String,
        /// Its schema version.
        found: i64,
        /// The latest that this program knows.
        known: i64,
    },
    /// The file's content is broken, or a row in it is none that aftercall writes.
    #[error("{path}: the database is damaged ({what}); restore a backup, or try `sqlite3 {path} .recover`")]
    Damaged {
        /// The file.
        path: String,
        /// Where.
        what: String,
    },
    /// Reading or writing the file failed. Nothing of the batch is kept.
    #[error("{path}: {what}")]
    Failed {
        /// The file.
        path: String,
        /// What the database said.
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
            Self::Locked { .. } | Self::Failed { .. } => NextMove::Retry,
            Self::Full { .. } => NextMove::MakeSpace,
            Self::Url(_)
            | Self::Unusable { .. }
            | Self::NotOurs { .. }
            | Self::Newer { .. }
            | Self::Damaged { .. }
            | Self::TooMany { .. }
            | Self::Closed => NextMove::GiveUp,
        }
    }
}
