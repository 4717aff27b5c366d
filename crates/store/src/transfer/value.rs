//! Values on their way from one database to another, in one form whichever database they are of.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::rows::{Damage, Decoded};
use crate::stamp::text;
use crate::transfer::tables::{Column, ColumnKind, Table};

/// A value of a column. Of one kind two are equal where the databases hold the same.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Text(String),
    Id(Uuid),
    Moment(Timestamp),
    Whole(i64),
    Bytes(Vec<u8>),
}

/// The values of a row, in the order of its table's columns.
pub(crate) type Row = Vec<Value>;

impl Value {
    /// Reads what SQLite made JSON of. What it would not write back letter by letter is damage: an id or a moment that
    /// somebody wrote in another form.
    pub(crate) fn of_json(json: Json, column: &'static Column) -> Decoded<Self> {
        let damage = Damage(column.name);
        match (column.kind, json) {
            (_, Json::Null) => Ok(Self::Null),
            (ColumnKind::Text, Json::String(text)) => Ok(Self::Text(text)),
            (ColumnKind::Id, Json::String(word)) => {
                let id: Uuid = word.parse().map_err(|_| damage)?;
                if id.to_string() == word { Ok(Self::Id(id)) } else { Err(damage) }
            }
            (ColumnKind::Moment, Json::String(word)) => {
                let at: Timestamp = word.parse().map_err(|_| damage)?;
                if text(at) == word { Ok(Self::Moment(at)) } else { Err(damage) }
            }
            (ColumnKind::Bytes, Json::String(digits)) => unhex(&digits).map(Self::Bytes).ok_or(damage),
            (ColumnKind::Small | ColumnKind::Whole, Json::Number(number)) => {
                let number = number.as_i64().ok_or(damage)?;
                let fits = column.kind == ColumnKind::Whole || i16::try_from(number).is_ok();
                if fits { Ok(Self::Whole(number)) } else { Err(damage) }
            }
            _ => Err(damage),
        }
    }

    /// Adds it to a checksum, so that no two rows that differ add the same.
    fn add_to(&self, sum: &mut Sha256) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Text(text) => (1, text.as_bytes()),
            Self::Id(id) => (2, id.as_bytes()),
            Self::Moment(at) => (3, &at.as_microsecond().to_be_bytes()),
            Self::Whole(number) => (4, &number.to_be_bytes()),
            Self::Bytes(bytes) => (5, bytes),
        };
        sum.update([kind]);
        sum.update((bytes.len() as u64).to_be_bytes());
        sum.update(bytes);
    }
}

/// As SQLite reads it from JSON; bytes in hexadecimal.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Id(id) => serializer.collect_str(id),
            Self::Moment(at) => serializer.serialize_str(&text(*at)),
            Self::Whole(number) => serializer.serialize_i64(*number),
            Self::Bytes(bytes) => serializer.serialize_str(&hex(bytes)),
        }
    }
}

/// As it is shown where it is a part of a key.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Id(id) => write!(f, "{id}"),
            Self::Moment(at) => f.write_str(&text(*at)),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Bytes(bytes) => f.write_str(&hex(bytes)),
        }
    }
}

/// The key of a row, behind the tenant.
pub(crate) fn key_of(table: &Table, row: &[Value]) -> Vec<Value> {
    table.key_places().filter_map(|place| row.get(place).cloned()).collect()
}

/// The same, for people: `call_id "c1"`.
pub(crate) fn shown(table: &Table, key: &[Value]) -> String {
    let parts = table.key.iter().zip(key).map(|(name, value)| format!("{name} {value}"));
    parts.collect::<Vec<_>>().join(", ")
}

/// Whether each key comes behind the one before, as both databases sort: byte by byte.
pub(crate) fn rises(before: &[Value], behind: &[Value]) -> bool {
    for (a, b) in before.iter().zip(behind) {
        let order = match (a, b) {
            (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Value::Id(a), Value::Id(b)) => a.as_bytes().cmp(b.as_bytes()),
            _ => return false,
        };
        if order.is_ne() {
            return order.is_lt();
        }
    }
    false
}

/// The checksum of rows in the order of their keys.
#[derive(Clone, Default)]
pub(crate) struct Checksum(Sha256);

impl Checksum {
    pub(crate) fn add(&mut self, row: &[Value]) {
        for value in row {
            value.add_to(&mut self.0);
        }
    }

    pub(crate) fn shown(self) -> String {
        hex(&self.0.finalize())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const fn of(kind: ColumnKind) -> Column {
        Column { name: "it", kind }
    }

    static TEXT: Column = of(ColumnKind::Text);
    static ID: Column = of(ColumnKind::Id);
    static MOMENT: Column = of(ColumnKind::Moment);
    static SMALL: Column = of(ColumnKind::Small);
    static WHOLE: Column = of(ColumnKind::Whole);
    static BYTES: Column = of(ColumnKind::Bytes);

    #[test]
    fn what_is_read_is_written_back_letter_by_letter_or_refused() {
        let written = [
            (&TEXT, json!("谢谢 🙂\n\u{1}\"\\")),
            (&ID, json!("01a202cf-5994-719f-b717-1866d37544c8")),
            (&MOMENT, json!("2026-11-22T08:00:00.000001Z")),
            (&MOMENT, json!("0001-01-01T00:00:00.000000Z")),
            (&SMALL, json!(-32_768)),
            (&WHOLE, json!(i64::MIN)),
            (&BYTES, json!("00ff7f")),
            (&BYTES, json!("")),
            (&TEXT, json!(null)),
        ];
        for (column, json) in written {
            let value = Value::of_json(json.clone(), column).unwrap_or_else(|_| panic!("{json}"));
            assert_eq!(serde_json::to_value(&value).unwrap(), json);
        }
        let refused = [
            (&TEXT, json!(1)),
            (&ID, json!("01A202CF-5994-719F-B717-1866D37544C8")),
            (&ID, json!("one")),
            (&MOMENT, json!("2026-11-22T08:00:00Z")),
            (&MOMENT, json!("2026-11-22T09:00:00.000000+01:00")),
            (&SMALL, json!(32_768)),
            (&WHOLE, json!(0.5)),
            (&WHOLE, json!("1")),
            (&BYTES, json!("0")),
            (&BYTES, json!("zz")),
        ];
        for (column, json) in refused {
            assert!(Value::of_json(json.clone(), column).is_err(), "{json}");
        }
    }

    #[test]
    fn rows_that_differ_have_checksums_that_differ() {
        let text = |text: &str| Value::Text(text.to_owned());
        let rows = [
            vec![text("a"), text("bc")],
            vec![text("ab"), text("c")],
            vec![text("ab"), Value::Null],
            vec![Value::Null, text("ab")],
            vec![text("ab"), text("")],
            vec![text("ab"), Value::Bytes(Vec::new())],
            vec![text("ab"), Value::Whole(0)],
            vec![text("ab"), Value::Moment(Timestamp::UNIX_EPOCH)],
        ];
        let sum = |row: &Row| {
            let mut sum = Checksum::default();
            sum.add(row);
            sum.shown()
        };
        let sums: std::collections::BTreeSet<String> = rows.iter().map(sum).collect();
        assert_eq!(sums.len(), rows.len());
        assert_eq!(Checksum::default().shown().get(..8), Some("e3b0c442"));
    }

    #[test]
    fn keys_rise_byte_by_byte() {
        let text = |text: &str| Value::Text(text.to_owned());
        let key = |parts: &[&str]| parts.iter().map(|part| text(part)).collect::<Row>();
        for (before, behind) in [
            (key(&["a"]), key(&["b"])),
            (key(&["B"]), key(&["a"])),
            (key(&["a", "z"]), key(&["b", "a"])),
            (key(&["a", "a"]), key(&["a", "b"])),
            (key(&["z"]), key(&["é"])),
            (key(&["\u{ffff}"]), key(&["\u{10000}"])),
        ] {
            assert!(rises(&before, &behind) && !rises(&behind, &before) && !rises(&before, &before));
        }
    }
}
