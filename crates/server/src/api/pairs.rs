//! `name=value&name=value`: queries and form-encoded bodies.

use percent_encoding::percent_decode;
use serde_json::{Map, Value};

/// Reads pairs into an object of texts.
///
/// # Errors
/// When a name or value is not UTF-8 once decoded, or a name comes twice: which one is meant?
pub fn read(text: &[u8]) -> Result<Value, String> {
    let mut object = Map::new();
    for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let name = decode(&pair[..end])?;
        let value = decode(pair.get(end + 1..).unwrap_or_default())?;
        if object.contains_key(&name) {
            return Err(format!("\"{name}\" comes twice"));
        }
        object.insert(name, Value::String(value));
    }
    Ok(Value::Object(object))
}

fn decode(text: &[u8]) -> Result<String, String> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let decoded = percent_decode(&spaced).decode_utf8().map_err(|_| "not UTF-8 once decoded")?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pairs_are_decoded_strictly_and_ambiguity_is_refused() {
        for (text, expected) in [
            ("", Ok(json!({}))),
            ("&&", Ok(json!({}))),
            ("a=1&b=x+y%20z", Ok(json!({"a": "1", "b": "x y z"}))),
            ("a=b=c", Ok(json!({"a": "b=c"}))),
            ("a", Ok(json!({"a": ""}))),
            ("a=&b=%2B", Ok(json!({"a": "", "b": "+"}))),
            ("%61=%E5%A5%BD", Ok(json!({"a": "好"}))),
            ("a=100%", Ok(json!({"a": "100%"}))),
            ("a=1&%61=2", Err("\"a\" comes twice".to_owned())),
            ("a=%ff", Err("not UTF-8 once decoded".to_owned())),
            ("%c3=1", Err("not UTF-8 once decoded".to_owned())),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
    }
}
