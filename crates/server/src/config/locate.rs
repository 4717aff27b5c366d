//! From a JSON pointer to the line and column of what it points at.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a text; both numbers begin with 1, columns are counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

impl Position {
    /// The place of a byte of `source`.
    #[must_use]
    pub fn of_byte(source: &str, byte: usize) -> Self {
        let before = &source[..source.floor_char_boundary(byte)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where the thing that a JSON pointer (RFC 6901) names stands in a TOML text: its key, or an array's
/// element itself. A pointer to something that is not there leads to what it would stand in.
#[must_use]
pub fn locate(source: &str, pointer: &str) -> Position {
    let (document, _) = DeTable::parse_recoverable(source);
    let mut found: Range<usize> = 0..0;
    let mut inside = Inside::Table(document.get_ref());
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        let Some((span, value)) = inside.step(&segment) else { break };
        found = span;
        inside = Inside::of(value);
    }
    Position::of_byte(source, found.start)
}

/// What a pointer's next segment can step into.
enum Inside<'d, 'i> {
    Table(&'d DeTable<'i>),
    Array(&'d [Spanned<DeValue<'i>>]),
    Nothing,
}

impl<'d, 'i> Inside<'d, 'i> {
    fn of(value: &'d DeValue<'i>) -> Self {
        match value {
            DeValue::Table(table) => Self::Table(table),
            DeValue::Array(array) => Self::Array(array),
            _ => Self::Nothing,
        }
    }

    fn step(&self, segment: &str) -> Option<(Range<usize>, &'d DeValue<'i>)> {
        match self {
            Self::Table(table) => table
                .iter()
                .find(|(key, _)| key.get_ref() == segment)
                .map(|(key, value)| (key.span(), value.get_ref())),
            Self::Array(array) => {
                array.get(segment.parse::<usize>().ok()?).map(|value| (value.span(), value.get_ref()))
            }
            Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
# naïve
time_zone = \"UTC\"
\"a/b\" = { \"c~d\" = [1, { e = 2 }] }
[http]
listen = \"é\"; oops

[[queue]]
name = \"a\"
[[queue]]
name = \"b\"
[queue.after_call]
csat_enabled = true
";

    #[test]
    fn a_pointer_leads_to_its_key_or_element_or_what_holds_it() {
        for (pointer, expected) in [
            ("", "1:1"),
            ("/time_zone", "2:1"),
            ("/a~1b", "3:1"),
            ("/a~1b/c~0d", "3:11"),
            ("/a~1b/c~0d/0", "3:20"),
            ("/a~1b/c~0d/1", "3:23"),
            ("/a~1b/c~0d/1/e", "3:25"),
            ("/http", "4:2"),
            ("/http/listen", "5:1"),
            ("/http/missing", "4:2"),
            ("/queue", "7:3"),
            ("/queue/0/name", "8:1"),
            ("/queue/1", "9:1"),
            ("/queue/1/name", "10:1"),
            ("/queue/1/after_call/csat_enabled", "12:1"),
            ("/queue/1/after_call/csat_ivr", "11:8"),
            ("/queue/x", "7:3"),
            ("/nowhere/at/all", "1:1"),
        ] {
            assert_eq!(locate(SOURCE, pointer).to_string(), expected, "{pointer}");
        }
    }

    #[test]
    fn columns_count_characters_and_a_byte_inside_one_is_that_character() {
        let source = "é = \"日本\"\n";
        for (byte, expected) in [(0, "1:1"), (1, "1:1"), (2, "1:2"), (6, "1:6"), (7, "1:6"), (99, "2:1")] {
            assert_eq!(Position::of_byte(source, byte).to_string(), expected, "{byte}");
        }
    }
}
