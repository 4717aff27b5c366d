//! What PostgreSQL says is wrong, in words of ours. Its message only: details may hold values of a row.

use std::io;

use sqlx::Error;

use crate::error::{Place, StoreError};
use crate::fault::Fault;

/// What an operator does where the server does not answer.
const WAKE: &str = "check that it runs, and the host and port in [database] url";
const CERTIFICATE: &str = "check sslmode and sslrootcert in [database] url";
const WHO: &str = "check the user and the password in [database] url, and pg_hba.conf on the server";
const OWNER: &str = "let the user own it: `ALTER DATABASE name OWNER TO user`";

pub(crate) fn told(error: Error, place: &Place) -> StoreError {
    let place = place.clone();
    let unreachable = |why: String, remedy| StoreError::Unreachable { place: place.clone(), why, remedy };
    let database = match error {
        Error::Database(database) => database,
        Error::Io(error) if is_certificate(&error) => {
            return StoreError::Refused { place, why: error.to_string(), remedy: CERTIFICATE };
        }
        Error::Io(error) => return unreachable(error.to_string(), WAKE),
        Error::PoolTimedOut => return unreachable("no connection in time".to_owned(), WAKE),
        Error::Tls(error) => {
            return StoreError::Refused { place, why: error.to_string(), remedy: CERTIFICATE };
        }
        other => return StoreError::Failed { place, what: other.to_string() },
    };
    let code = database.code().unwrap_or_default();
    let why = database.message().to_owned();
    let refused = |why, remedy| StoreError::Refused { place: place.clone(), why, remedy };
    match &*code {
        "28P01" | "28000" => refused(why, WHO),
        "3D000" => {
            refused(why, "make it: `CREATE DATABASE name OWNER user ENCODING 'UTF8' TEMPLATE template0`")
        }
        "42501" | "3F000" => refused(why, OWNER),
        "25006" => refused(why, "name the server that takes writes, not its standby"),
        "53300" => unreachable(why, "raise max_connections on it, or run fewer nodes"),
        "53100" => StoreError::Full { place },
        "55P03" => StoreError::Locked { place },
        "XX001" | "XX002" => StoreError::Damaged { place, what: why },
        code if is_lost(code) => unreachable(why, WAKE),
        code => StoreError::Failed { place, what: format!("{why} (SQLSTATE {code})") },
    }
}

/// Whether the same again, from the beginning, may go well at once: somebody else was in the way, or the
/// connection went away (storage of several nodes; postgresql.org/docs/current/errcodes-appendix.html).
pub(super) fn passes(fault: &Fault) -> bool {
    match fault {
        Fault::Raced => true,
        Fault::Sql(Error::Io(error)) => !is_certificate(error),
        Fault::Sql(Error::Database(database)) => {
            let code = database.code().unwrap_or_default();
            matches!(&*code, SERIALIZATION | DEADLOCK) || is_lost(&code)
        }
        Fault::Sql(_) | Fault::Damage(_) | Fault::Row { .. } | Fault::Told(_) | Fault::Json => false,
    }
}

/// A handshake that went wrong comes as an error of the socket, with what rustls says of it.
fn is_certificate(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

const SERIALIZATION: &str = "40001";
const DEADLOCK: &str = "40P01";

/// The server, or the way to it, went away: class 08, and the shutdowns of class 57.
fn is_lost(code: &str) -> bool {
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03")
}
