//! `${NAME}` in a text of the configuration.

use aftercall_core::survey::fault::{Fault, Pointer};
use serde_json::Value;

/// Replaces every `${NAME}` in every text of the tree; `$${` stands for a plain `${`.
///
/// What a variable holds is taken as it is: a `${` in it means nothing.
pub(super) fn fill_in(tree: &mut Value, env: &dyn Fn(&str) -> Option<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    visit(tree, "", Pointer::root(), env, &mut faults);
    faults
}

fn visit(
    value: &mut Value,
    name: &str,
    pointer: Pointer,
    env: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<Fault>,
) {
    match value {
        Value::String(text) => match filled(text, env) {
            Ok(filled) => *text = filled,
            Err(message) => faults.push(Fault::new(pointer, format!("`{name}` {message}"))),
        },
        Value::Array(values) => {
            for (index, value) in values.iter_mut().enumerate() {
                visit(value, name, pointer.index(index), env, faults);
            }
        }
        Value::Object(table) => {
            for (key, value) in table {
                visit(value, key, pointer.key(key), env, faults);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text with the variables in it replaced.
pub(crate) fn filled(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(literal) = before.strip_suffix('$') {
            filled.push_str(literal);
            filled.push_str("${");
            rest = after;
            continue;
        }
        let (name, behind) =
            after.split_once('}').ok_or("has a `${` without its `}` (a plain one is `$${`)")?;
        if !is_name(name) {
            return Err(format!(
                "has `${{{name}}}`, which is not the name of a variable (a plain `${{` is `$${{`)"
            ));
        }
        let held =
            env(name).ok_or_else(|| format!("needs the environment variable `{name}`, which is not set"))?;
        filled.push_str(before);
        filled.push_str(&held);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "HOST" => Some("pbx".to_owned()),
            "EMPTY" => Some(String::new()),
            "TRICKY" => Some("${HOST}".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_filled_in_once_and_faults_say_which() {
        for (text, expected) in [
            ("plain $HOST {x}", Ok("plain $HOST {x}")),
            ("${HOST}", Ok("pbx")),
            ("sip:${HOST}:${HOST}!", Ok("sip:pbx:pbx!")),
            ("<${EMPTY}>", Ok("<>")),
            ("${TRICKY}", Ok("${HOST}")),
            ("$${HOST}", Ok("${HOST}")),
            ("é${HOST}é", Ok("épbxé")),
            ("${NOPE}", Err("needs the environment variable `NOPE`, which is not set")),
            ("${HOST", Err("has a `${` without its `}` (a plain one is `$${`)")),
            ("${}", Err("has `${}`, which is not the name of a variable (a plain `${` is `$${`)")),
            ("${1A}", Err("has `${1A}`, which is not the name of a variable (a plain `${` is `$${`)")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(filled(text, &env), expected, "{text}");
        }
    }

    #[test]
    fn every_text_of_the_tree_is_visited_and_keys_are_left_alone() {
        let mut tree = json!({ "a/b": ["${HOST}", { "${HOST}": "${NOPE}" }], "n": 1 });
        let faults = fill_in(&mut tree, &env);
        assert_eq!(tree, json!({ "a/b": ["pbx", { "${HOST}": "${NOPE}" }], "n": 1 }));
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].pointer.to_string(), "/a~1b/1/${HOST}");
    }
}
