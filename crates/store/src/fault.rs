//! What goes wrong inside, and how it is told to the outside.

use crate::error::{Place, StoreError};
use crate::rows::Damage;

/// What went wrong, before it is known where.
#[derive(Debug)]
pub(crate) enum Fault {
    Sql(sqlx::Error),
    Damage(Damage),
    /// The question was refused.
    Told(StoreError),
    /// Rows were not as they had been read a moment before, in the same transaction.
    Raced,
    /// A value of the row behind this one, where a table is read from its first row to its last.
    Row {
        damage: Damage,
        table: &'static str,
        behind: String,
    },
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
    pub(crate) fn told(self, place: &Place) -> StoreError {
        let failed = |what: &str| StoreError::Failed { place: place.clone(), what: what.to_owned() };
        match self {
            Self::Sql(sqlx::Error::PoolClosed) => StoreError::Closed,
            Self::Sql(error) => match place {
                Place::File(_) => crate::sqlite::fault::told(error, place),
                Place::Server(_) => crate::postgres::fault::told(error, place),
            },
            Self::Damage(Damage(column)) => StoreError::Damaged {
                place: place.clone(),
                what: format!("a value of column {column} is none of ours"),
            },
            Self::Row { damage: Damage(column), table, behind } => {
                let which = if behind.is_empty() {
                    "its first row".to_owned()
                } else {
                    format!("the row behind {behind}")
                };
                StoreError::Damaged {
                    place: place.clone(),
                    what: format!("table {table}, {which}: a value of column {column} is none of ours"),
                }
            }
            Self::Told(error) => error,
            Self::Raced => failed("rows changed while they were written"),
            Self::Json => failed("a row could not be encoded"),
        }
    }
}
