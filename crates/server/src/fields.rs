//! Reads trees of values (a configuration, a request's body) into types, so that every fault is
//! found at once and each carries the JSON pointer of what is wrong.
//!
//! Reading never stops at the first fault: each field is read into an `Option` that is `None` when
//! it was at fault, and only when all have been read the result is put together with `?`.
//! What a converter says is wrong goes on from the field's name: "must be …", "is …".

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use aftercall_core::survey::fault::{Fault, Pointer, Segment, did_you_mean};
use serde_json::{Map, Value};

/// What was given for a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given<T> {
    /// Nothing.
    Absent,
    /// Null: nothing, on purpose.
    Null,
    /// This.
    Value(T),
}

impl<T> Given<T> {
    /// The value, if there is one.
    pub fn value(self) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> Option<&T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// A table (an object) being read. Fields that nobody asked for are faults.
pub struct Fields<'v, 'f> {
    table: &'v Map<String, Value>,
    pointer: Pointer,
    asked: Vec<&'static str>,
    noun: &'static str,
    faults: &'f mut Vec<Fault>,
}

impl<'v> Fields<'v, '_> {
    /// Reads a whole tree. `noun` is what its entries are called in a fault: key, field.
    ///
    /// # Errors
    /// Every fault found, in the order of reading; never an empty list.
    pub fn read<T>(
        value: &'v Value,
        noun: &'static str,
        read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Result<T, Vec<Fault>> {
        let mut faults = Vec::new();
        let result = Self::enter(value, Pointer::root(), noun, &mut faults, read);
        match result {
            Some(result) if faults.is_empty() => Ok(result),
            _ => Err(faults),
        }
    }

    fn enter<T>(
        value: &'v Value,
        pointer: Pointer,
        noun: &'static str,
        faults: &mut Vec<Fault>,
        read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<T> {
        let Value::Object(table) = value else {
            let message = format!("{} {}", subject(&pointer), expected("a table", value));
            faults.push(Fault::new(pointer, message));
            return None;
        };
        let mut fields = Fields { table, pointer, asked: Vec::new(), noun, faults };
        let result = read(&mut fields);
        fields.refuse_unknown();
        result
    }

    /// A field that may be missing, or null, which is not the same.
    pub fn given<T>(
        &mut self,
        name: &'static str,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<Given<T>> {
        if self.table.get(name).is_some_and(Value::is_null) {
            self.asked.push(name);
            return Some(Given::Null);
        }
        Some(self.optional(name, convert)?.map_or(Given::Absent, Given::Value))
    }

    /// The same, of a text: an empty one says as much as null. So a PBX fills in a variable that it does not have.
    pub fn given_text<T>(
        &mut self,
        name: &'static str,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<Given<T>> {
        let given = self.given(name, |value| match value.as_str() {
            Some("") => Ok(None),
            _ => convert(value).map(Some),
        });
        Some(match given? {
            Given::Value(Some(value)) => Given::Value(value),
            Given::Value(None) | Given::Null => Given::Null,
            Given::Absent => Given::Absent,
        })
    }

    /// A field that may be missing (or null).
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<Option<T>> {
        let Some(value) = self.ask(name) else { return Some(None) };
        match convert(value) {
            Ok(converted) => Some(Some(converted)),
            Err(message) => {
                self.fault_at(name, &message);
                None
            }
        }
    }

    /// A field that must be there.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        convert: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.optional(name, convert)?;
        if found.is_none() {
            self.missing(name);
        }
        found
    }

    /// A list; a missing one is empty.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        convert: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.elements(name, |value, pointer, _, faults| {
            convert(value)
                .map_err(|message| faults.push(Fault::new(pointer, format!("`{name}` {message}"))))
                .ok()
        })
    }

    /// A list of tables; a missing one is empty.
    pub fn tables<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.elements(name, |value, pointer, noun, faults| Self::enter(value, pointer, noun, faults, &read))
    }

    fn elements<T>(
        &mut self,
        name: &'static str,
        element: impl Fn(&'v Value, Pointer, &'static str, &mut Vec<Fault>) -> Option<T>,
    ) -> Option<Vec<T>> {
        match self.ask(name) {
            None => Some(Vec::new()),
            Some(Value::Array(values)) => {
                let pointer = self.at(name);
                let mut elements = Vec::with_capacity(values.len());
                for (index, value) in values.iter().enumerate() {
                    elements.push(element(value, pointer.index(index), self.noun, self.faults));
                }
                elements.into_iter().collect()
            }
            Some(value) => {
                self.fault_at(name, &expected("a list", value));
                None
            }
        }
    }

    /// A table within, which may be missing.
    pub fn table<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<Option<T>> {
        let Some(value) = self.ask(name) else { return Some(None) };
        let pointer = self.at(name);
        Self::enter(value, pointer, self.noun, self.faults, read).map(Some)
    }

    /// A table within, which must be there.
    pub fn required_table<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Fields<'v, '_>) -> Option<T>,
    ) -> Option<T> {
        let found = self.table(name, read)?;
        if found.is_none() {
            self.missing(name);
        }
        found
    }

    /// A table whose keys the writer chooses.
    pub fn pairs<T>(
        &mut self,
        name: &'static str,
        convert: impl Fn(&str, &Value) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let Some(value) = self.ask(name) else { return Some(Vec::new()) };
        let Value::Object(table) = value else {
            self.fault_at(name, &expected("a table", value));
            return None;
        };
        let mut pairs = Vec::with_capacity(table.len());
        for (key, value) in table {
            match convert(key, value) {
                Ok(pair) => pairs.push(Some(pair)),
                Err(fault) => {
                    let pointer = self.at(name).key(key);
                    self.faults.push(Fault::new(pointer, format!("`{key}` {fault}")));
                    pairs.push(None);
                }
            }
        }
        pairs.into_iter().collect()
    }

    /// Says that a field (which was read) is wrong after all, for instance together with another.
    /// `message` goes on from the field's name: "must be …", "is …".
    pub fn fault_at(&mut self, name: &str, message: &str) {
        let pointer = self.at(name);
        self.faults.push(Fault::new(pointer, format!("`{name}` {message}")));
    }

    /// Says that an element of a list is wrong after all.
    pub fn fault_in(&mut self, list: &str, index: usize, message: &str) {
        let pointer = self.at(list).index(index);
        self.faults.push(Fault::new(pointer, format!("`{list}` {message}")));
    }

    /// It points to where the value belongs; in a file, which has no line for it, that leads to its table.
    fn missing(&mut self, name: &str) {
        let message = format!("{} `{name}` is missing", self.noun);
        self.faults.push(Fault::new(self.at(name), message));
    }

    fn at(&self, name: &str) -> Pointer {
        self.pointer.key(name)
    }

    fn ask(&mut self, name: &'static str) -> Option<&'v Value> {
        self.asked.push(name);
        self.table.get(name).filter(|value| !value.is_null())
    }

    fn refuse_unknown(&mut self) {
        for key in self.table.keys() {
            if !self.asked.contains(&key.as_str()) {
                let hint = did_you_mean(key, self.asked.iter().copied());
                let message = format!("unknown {} \"{key}\"{hint}", self.noun);
                self.faults.push(Fault::new(self.at(key), message));
            }
        }
    }
}

/// Any text.
///
/// # Errors
/// When it is not text.
pub fn text(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| expected("text", value))
}

/// Text that is a `T`.
///
/// # Errors
/// What `T` says is wrong.
pub fn parsed<T: FromStr<Err: Display>>(value: &Value) -> Result<T, String> {
    text(value)?.parse().map_err(|fault: T::Err| fault.to_string())
}

/// True or false.
///
/// # Errors
/// When it is neither.
pub fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// A whole number within a range. `5.0` is one too, as in JSON Schema.
///
/// # Errors
/// When it is not a whole number, or lies outside.
pub fn whole(range: RangeInclusive<u32>) -> impl Fn(&Value) -> Result<u32, String> {
    move |value| {
        let (least, most) = (*range.start(), *range.end());
        let outside = || format!("must be a whole number from {least} to {most}");
        let number = value.as_f64().ok_or_else(|| expected("a whole number", value))?;
        let inside = number.fract() == 0.0 && number >= f64::from(least) && number <= f64::from(most);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and inside u32")]
        if inside { Ok(number as u32) } else { Err(outside()) }
    }
}

/// What a fault that has no name of its own is about.
fn subject(pointer: &Pointer) -> String {
    match pointer.segments().last() {
        None => "this".to_owned(),
        Some(Segment::Key(name)) => format!("`{name}`"),
        Some(Segment::Index(index)) => format!("element {}", index + 1),
    }
}

fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    };
    format!("must be {what}, not {found}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_is_found_at_once_each_with_its_pointer() {
        let tree = json!({
            "name": 3, "ages": [1, "x", 200], "inner": { "flga": true }, "rows": [{ "a": "1" }, 7],
            "pairs": { "a/b": 1 }, "null": null, "whole": 5.0,
        });
        let faults = Fields::read(&tree, "key", |fields| {
            let name = fields.required("name", text);
            let ages = fields.list("ages", whole(0..=150));
            let inner = fields.table("inner", |inner| inner.required("flag", flag));
            let rows = fields.tables("rows", |row| row.required("a", parsed::<u8>));
            let pairs = fields.pairs("pairs", |_, value| text(value));
            let null = fields.required("null", text);
            assert_eq!(fields.required("whole", whole(1..=5)), Some(5));
            Some((name?, ages?, inner?, rows?, pairs?, null?))
        })
        .unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "/name: `name` must be text, not a number",
                "/ages/1: `ages` must be a whole number, not text",
                "/ages/2: `ages` must be a whole number from 0 to 150",
                "/inner/flag: key `flag` is missing",
                "/inner/flga: unknown key \"flga\" (did you mean \"flag\"?)",
                "/rows/1: element 2 must be a table, not a number",
                "/pairs/a~1b: `a/b` must be text, not a number",
                "/null: key `null` is missing",
            ]
        );
    }

    #[test]
    fn numbers_are_whole_or_refused() {
        for (value, expected) in [
            (json!(5), Some(5)),
            (json!(5.0), Some(5)),
            (json!(0), None),
            (json!(6), None),
            (json!(4.5), None),
            (json!(-1), None),
            (json!(1e300), None),
            (json!("5"), None),
            (json!(true), None),
        ] {
            assert_eq!(whole(1..=5)(&value).ok(), expected, "{value}");
        }
    }
}
