//! A line of a CSV file: a rating, or a change of one.

use aftercall_core::{CallId, TenantId};
use aftercall_store::{Actor, Erasure, Revision, Write};
use csv::StringRecord;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::api::rfc_3339;
use crate::fields::{Fields, parsed, text};
use crate::posted::Posted;

/// What a column may hold.
pub(super) const FIELDS: [&str; 13] = [
    "call_id",
    "score",
    "agent_id",
    "queue_id",
    "created_at",
    "comment",
    "key",
    "survey",
    "channel",
    "language",
    "op",
    "revision",
    "arrived_at",
];

/// The columns that every file has.
pub(super) const NEEDED: [&str; 2] = ["call_id", "score"];

/// A line, read.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) call: CallId,
    /// When the other system learned of it.
    pub(super) arrived_at: Option<Timestamp>,
    pub(super) change: Change,
}

/// What a line says of its call.
#[derive(Debug)]
pub(super) enum Change {
    /// It was rated so.
    Rated(Posted),
    /// Its rating was this after so many changes.
    Revised(Posted, u32),
    /// Its rating was deleted.
    Deleted,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Create,
    Amend,
    Delete,
}

impl Line {
    /// Reads the cells of these fields as a form is read: what is empty is not there.
    pub(super) fn read(
        fields: &[Option<&'static str>],
        record: &StringRecord,
        best_score: u8,
        now: Timestamp,
    ) -> Result<Self, Vec<String>> {
        if record.len() != fields.len() {
            return Err(vec![format!("has {} cells, and the header {}", record.len(), fields.len())]);
        }
        let mut object = Map::new();
        for (field, cell) in fields.iter().zip(record) {
            if let (Some(field), false) = (field, cell.is_empty()) {
                object.insert((*field).to_owned(), value(field, cell, best_score));
            }
        }
        let read = Fields::read(&Value::Object(object), "column", |fields| {
            let (call, op) = (fields.required("call_id", parsed::<CallId>), fields.optional("op", op));
            let arrived_at = fields.optional("arrived_at", |value| arrived_at(value, now));
            let change = Change::read(fields, op.flatten(), now);
            op?;
            Some(Self { call: call?, arrived_at: arrived_at?, change: change? })
        });
        read.map_err(|faults| faults.into_iter().map(|fault| fault.message).collect())
    }

    /// As what is to be kept.
    pub(super) fn write(self, tenant: TenantId, now: Timestamp) -> Write {
        let (at, actor) = (self.arrived_at.unwrap_or(now), Actor::Import);
        match self.change {
            Change::Rated(posted) => Write::Rate(posted.rating(tenant, self.call, actor, at)),
            Change::Revised(posted, number) => {
                Write::Revise(Revision { rating: posted.rating(tenant, self.call, actor, at), number })
            }
            Change::Deleted => Write::Erase(Erasure { tenant, call: self.call, within: None, actor, at }),
        }
    }
}

impl Change {
    fn read(fields: &mut Fields<'_, '_>, op: Option<Op>, now: Timestamp) -> Option<Self> {
        if op == Some(Op::Delete) {
            // Whatever else its line says of the rating is gone with it.
            for name in FIELDS {
                fields.optional(name, |_| Ok(()));
            }
            return Some(Self::Deleted);
        }
        let number = match op {
            Some(Op::Amend) => fields.required("revision", number).map(Some),
            _ => fields.optional("revision", number),
        };
        let posted = Posted::read(fields, now);
        Some(match number?.or(op.map(|_| 0)) {
            Some(number) => Self::Revised(posted?, number),
            None => Self::Rated(posted?),
        })
    }
}

fn op(value: &Value) -> Result<Op, String> {
    match text(value)?.as_str() {
        "create" => Ok(Op::Create),
        "amend" => Ok(Op::Amend),
        "delete" => Ok(Op::Delete),
        _ => Err("must be create, amend or delete".to_owned()),
    }
}

fn number(value: &Value) -> Result<u32, String> {
    let number = text(value)?.parse();
    number.map_err(|_| "must be a whole number: 0 as it was first given, one more for each change".to_owned())
}

fn arrived_at(value: &Value, now: Timestamp) -> Result<Timestamp, String> {
    // Whatever another system's clock says, it has arrived by now.
    rfc_3339(&text(value)?).map(|at| at.min(now))
}

fn value(field: &str, cell: &str, best_score: u8) -> Value {
    match cell.trim().parse::<u8>() {
        Ok(score) if field == "score" && best_score == 1 => Value::from(6_u8.saturating_sub(score)),
        Ok(score) if field == "score" => Value::from(score),
        _ => Value::from(cell),
    }
}
