//! What is said of a survey that cannot be read, in the words of an author and not of Rust.

use crate::survey::fault::did_you_mean;

/// Serde's words about a name or value, as the rest of the faults speak.
pub(crate) fn plainly(message: &str) -> String {
    unknown(message, "unknown field ", "key")
        .or_else(|| unknown(message, "unknown variant ", "word"))
        .or_else(|| message.strip_prefix("missing field ").map(|field| format!("key {field} is missing")))
        .or_else(|| wrong_type(message))
        .or_else(|| out_of_range(message))
        .unwrap_or_else(|| match message {
            "wanted string or table" => "this must be text".to_owned(),
            "a prompt name or a list of prompt names" => format!("this must be {message}"),
            other => other.to_owned(),
        })
}

/// Shorter than Serde says it, and with the nearest known name.
fn unknown(message: &str, beginning: &str, kind: &str) -> Option<String> {
    let mut quoted = message.strip_prefix(beginning)?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    let hint = did_you_mean(unknown, known.iter().copied());
    Some(if hint.is_empty() {
        format!("unknown {kind} \"{unknown}\"; known here: {}", known.join(", "))
    } else {
        format!("unknown {kind} \"{unknown}\"{hint}")
    })
}

/// `invalid type: string "3", expected u8`
fn wrong_type(message: &str) -> Option<String> {
    let (found, expected) = message.strip_prefix("invalid type: ")?.rsplit_once(", expected ")?;
    let found = match found.split(' ').next()? {
        "string" => "text",
        "integer" => "a number",
        "floating" => "a fraction",
        "boolean" => "true or false",
        "sequence" => "a list",
        // The reader of TOML takes a date for one.
        "map" => "a table or date",
        _ => return None,
    };
    let expected = match expected {
        "u8" | "u16" | "u32" | "i64" => "a whole number",
        "a string" => "text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        of if of.starts_with("struct ") => "a table",
        _ => return None,
    };
    Some(format!("this must be {expected}, not {found}"))
}

/// `invalid value: integer `300`, expected u8`
fn out_of_range(message: &str) -> Option<String> {
    let (_, expected) = message.strip_prefix("invalid value: integer ")?.rsplit_once(", expected ")?;
    let most = match expected {
        "u8" => u32::from(u8::MAX),
        "u16" => u32::from(u16::MAX),
        "u32" => u32::MAX,
        _ => return None,
    };
    Some(format!("this must be a whole number from 0 to {most}"))
}
