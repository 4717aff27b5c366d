//! What is wrong with a definition, and where.

use std::fmt;

/// A step on the way from the document's root to the place at fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A key of a table.
    Key(String),
    /// An element of a list, counted from 0.
    Index(usize),
}

/// A place in a document, whatever it is written in: shown as a JSON pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Pointer(Vec<Segment>);

impl Pointer {
    /// The document itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// The place of this name below.
    #[must_use]
    pub fn key(&self, name: impl Into<String>) -> Self {
        self.and(Segment::Key(name.into()))
    }

    /// The element of this index below.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.and(Segment::Index(index))
    }

    /// The way from the root.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    fn and(&self, segment: Segment) -> Self {
        let mut way = self.0.clone();
        way.push(segment);
        Self(way)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Key(name) => write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?,
                Segment::Index(index) => write!(f, "/{index}")?,
            }
        }
        Ok(())
    }
}

/// How bad a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It cannot be used like this.
    Fault,
    /// It works, but is probably not what was meant.
    Advice,
}

/// One thing that is wrong, in a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Where.
    pub pointer: Pointer,
    /// How bad.
    pub severity: Severity,
    /// What, and the remedy.
    pub message: String,
}

impl Fault {
    /// Something that must be mended.
    pub fn new(pointer: Pointer, message: impl Into<String>) -> Self {
        Self { pointer, severity: Severity::Fault, message: message.into() }
    }

    /// Something worth a look.
    pub fn advice(pointer: Pointer, message: impl Into<String>) -> Self {
        Self { pointer, severity: Severity::Advice, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.message)
    }
}

/// ` (did you mean "…"?)`, or nothing where no known name is near.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    /// Below these likenesses a suggestion puzzles more than it helps: a swapped or lost letter
    /// in a short word, a common beginning in a long one.
    const EDITS_LEAST: f64 = 0.6;
    const BEGINNING_LEAST: f64 = 0.85;
    known
        .into_iter()
        .map(|candidate| {
            let edits = strsim::normalized_damerau_levenshtein(name, candidate);
            let beginning = strsim::jaro_winkler(name, candidate);
            let near = edits >= EDITS_LEAST || beginning >= BEGINNING_LEAST;
            (if near { edits.max(beginning) } else { 0.0 }, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.0)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!(" (did you mean \"{candidate}\"?)"))
        .unwrap_or_default()
}

/// Line and column (both from 1, columns in characters) of a byte offset.
#[must_use]
pub fn line_column(source: &str, offset: usize) -> (usize, usize) {
    let before = &source[..source.floor_char_boundary(offset)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Where a pointer leads in a TOML source: the key of the last segment that is there.
#[must_use]
pub fn locate_toml(source: &str, pointer: &Pointer) -> (usize, usize) {
    use toml::de::{DeTable, DeValue};

    let (table, _) = DeTable::parse_recoverable(source);
    let mut offset = table.span().start;
    let mut value = DeValue::Table(table.into_inner());
    for segment in pointer.segments() {
        let below = match (segment, value) {
            (Segment::Key(name), DeValue::Table(mut table)) => {
                let Some((key, below)) = table.remove_entry(name.as_str()) else { break };
                offset = key.span().start;
                below
            }
            (Segment::Index(index), DeValue::Array(list)) => {
                let Some(below) = list.into_iter().nth(*index) else { break };
                offset = below.span().start;
                below
            }
            _ => break,
        };
        value = below.into_inner();
    }
    line_column(source, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_found_in_toml_or_else_its_nearest_parent() {
        let source = "version = 1\n\n[[step]]\nid = \"a\"\n\n[[step]]\nid = \"b\"\nsay = [\"x\", \"y\"]\n[step.keys]\n1 = { score = 5 }\n";
        let second = Pointer::root().key("step").index(1);
        for (pointer, expected) in [
            (Pointer::root(), (1, 1)),
            (Pointer::root().key("version"), (1, 1)),
            (second.key("id"), (7, 1)),
            (second.key("say").index(1), (8, 13)),
            (second.key("keys").key("1").key("score"), (10, 7)),
            (second.key("keys").key("9"), (9, 7)),
            (second.key("nothing"), (6, 1)),
        ] {
            assert_eq!(locate_toml(source, &pointer), expected, "{pointer}");
        }
    }

    #[test]
    fn the_nearest_known_name_is_offered_and_only_a_near_one() {
        let known = ["csat_enabled", "csat_ivr", "rating", "ratio", "to"];
        for (name, nearest) in [
            ("csat_enable", Some("csat_enabled")),
            ("ratng", Some("rating")),
            ("ratin", Some("rating")),
            // Swapped letters, and a common beginning.
            ("ot", None),
            ("tarting", Some("rating")),
            ("csat_en", Some("csat_enabled")),
            ("colour", None),
            ("", None),
        ] {
            let hint = nearest.map(|nearest| format!(" (did you mean \"{nearest}\"?)")).unwrap_or_default();
            assert_eq!(did_you_mean(name, known), hint, "{name}");
        }
    }

    #[test]
    fn a_place_is_counted_in_lines_and_characters_from_one() {
        let source = "ab\n好x\n\nend";
        let places: Vec<(usize, usize)> =
            source.char_indices().map(|(at, _)| line_column(source, at)).collect();
        assert_eq!(places, [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (4, 1), (4, 2), (4, 3)]);
        assert_eq!(line_column(source, 5), (2, 1), "within a character");
        assert_eq!(line_column(source, 1_000), (4, 4), "beyond the end");
    }

    #[test]
    fn a_fault_is_shown_with_its_json_pointer() {
        let place = Pointer::root().key("prompt").key("a/b~c").index(7);
        assert_eq!(
            Fault::new(place, "is wrong").to_string(),
            "/prompt/a~1b~0c/7: is wrong",
            "escaped as RFC 6901, 3 says"
        );
    }
}
