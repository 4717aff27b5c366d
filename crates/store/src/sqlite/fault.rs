//! What SQLite says is wrong, in words of ours.

use crate::error::{Place, StoreError};

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

pub(crate) fn told(error: sqlx::Error, place: &Place) -> StoreError {
    let place = place.clone();
    let database = match error {
        sqlx::Error::Database(database) => database,
        sqlx::Error::PoolTimedOut => {
            return StoreError::Failed { place, what: "every connection was busy for too long".to_owned() };
        }
        other => return StoreError::Failed { place, what: other.to_string() },
    };
    let code = database.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
    let what = database.message().to_owned();
    // The low byte of an extended code is its primary code.
    match code & 0xff {
        BUSY | LOCKED => StoreError::Locked { place },
        FULL => StoreError::Full { place },
        CANTOPEN | READONLY | PERM | AUTH => StoreError::Unusable { place, why: what },
        CORRUPT => StoreError::Damaged { place, what },
        NOTADB => StoreError::NotOurs { place, why: "it is not a SQLite file" },
        _ => StoreError::Failed { place, what },
    }
}
