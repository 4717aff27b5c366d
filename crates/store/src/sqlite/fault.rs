//! What goes wrong inside, and how it is told to the outside.

use crate::error::StoreError;
use crate::rows::Damage;

/// What went wrong, before it is known in which file.
#[derive(Debug)]
pub(super) enum Fault {
    Sql(sqlx::Error),
    Damage(Damage),
    /// Rows were not as they had been read a moment before, in the same transaction.
    Raced,
    /// What was to be kept could not be put into JSON.
    Json,
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(_: serde_json::Error) -> Self {
        Self::Json
    }
}

impl Fault {
    /// The fault as the caller hears it.
    pub(super) fn told(self, path: &str) -> StoreError {
        let path = path.to_owned();
        match self {
            Self::Sql(error) => sql_told(error, path),
            Self::Damage(Damage(column)) => {
                StoreError::Damaged { path, what: format!("a value of column {column} is none of ours") }
            }
            Self::Raced => {
                StoreError::Failed { path, what: "rows changed while they were written".to_owned() }
            }
            Self::Json => StoreError::Failed { path, what: "a row could not be encoded".to_owned() },
        }
    }
}

/// Primary result codes of SQLite (sqlite.org/rescode.html).
const PERM: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANTOPEN: i32 = 14;
const AUTH: i32 = 23;
const NOTADB: i32 = 26;

fn sql_told(error: sqlx::Error, path: String) -> StoreError {
    let failed = |path, what: &str| StoreError::Failed { path, what: what.to_owned() };
    let database = match error {
        sqlx::Error::Database(database) => database,
        sqlx::Error::PoolClosed => return StoreError::Closed,
        sqlx::Error::PoolTimedOut => return failed(path, "every connection was busy for too long"),
        other => return failed(path, &other.to_string()),
    };
    let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
    let what = database.message().to_owned();
    // The low byte of an extended code is its primary code.
    match code & 0xff {
        BUSY | LOCKED => StoreError::Locked { path },
        FULL => StoreError::Full { path },
        CANTOPEN | READONLY | PERM | AUTH => StoreError::Unusable { path, why: what },
        CORRUPT => StoreError::Damaged { path, what },
        NOTADB => StoreError::NotOurs { path, why: "it is not a SQLite file" },
        _ => StoreError::Failed { path, what },
    }
}
