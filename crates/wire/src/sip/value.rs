//! Parts of header values, read as text so that what goes back out is what came in.

/// The values of a header that may hold several (Via, Route, Contact, Require): split at commas outside quotes
/// and angle brackets, trimmed, empty ones left out.
pub fn listed(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = outside_quotes(text, |c, in_angle| c == ',' && !in_angle);
        rest = end.map(|i| &text[i + 1..]);
        Some(end.map_or(text, |i| &text[..i]).trim())
    })
    .filter(|v| !v.is_empty())
}

/// The URI of a From, To, Contact, Route or Refer-To value: inside the angle brackets, or all up to the parameters.
#[must_use]
pub fn uri_of(value: &str) -> &str {
    let (start, end) = angles(value);
    match (start, end) {
        (Some(start), Some(end)) => value[start + 1..end].trim(),
        _ => value.split_once(';').map_or(value, |(uri, _)| uri).trim(),
    }
}

/// A header parameter's value: `tag` of From, `branch` of Via.
#[must_use]
pub fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = match angles(value) {
        (Some(_), Some(end)) => &value[end..],
        _ => value,
    };
    let mut rest = after;
    loop {
        let at = outside_quotes(rest, |c, _| c == ';')?;
        rest = &rest[at + 1..];
        let end = outside_quotes(rest, |c, _| c == ';').unwrap_or(rest.len());
        let (key, found) = rest[..end].split_once('=').unwrap_or((&rest[..end], ""));
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(found.trim());
        }
    }
}

fn angles(value: &str) -> (Option<usize>, Option<usize>) {
    let start = outside_quotes(value, |c, _| c == '<');
    let end = start.and_then(|s| value[s..].find('>').map(|e| s + e));
    (start, end)
}

/// The first place outside quoted strings where `hit(character, inside angle brackets)` says so.
fn outside_quotes(text: &str, hit: impl Fn(char, bool) -> bool) -> Option<usize> {
    let (mut quoted, mut escaped, mut angled) = (false, false, false);
    for (at, c) in text.char_indices() {
        if quoted {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            continue;
        }
        if hit(c, angled) {
            return Some(at);
        }
        match c {
            '"' => quoted = true,
            '<' => angled = true,
            '>' => angled = false,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_at_commas_outside_quotes_and_brackets() {
        for (text, parts) in [
            ("a, b ,,c", vec!["a", "b", "c"]),
            (r#""x, y" <sip:a,b@h>;q=1, <sip:c@h>"#, vec![r#""x, y" <sip:a,b@h>;q=1"#, "<sip:c@h>"]),
            (r#""back\"slash, quote" <sip:a@h>"#, vec![r#""back\"slash, quote" <sip:a@h>"#]),
            ("", vec![]),
        ] {
            assert_eq!(listed(text).collect::<Vec<_>>(), parts);
        }
    }

    #[test]
    fn uri_and_parameters_are_found_in_every_form() {
        for (text, uri, tag) in [
            ("<sip:a@h;x=1>;tag=t1", "sip:a@h;x=1", Some("t1")),
            ("sip:a@h;tag=t2", "sip:a@h", Some("t2")),
            (r#""A <b>;tag=no" <sip:a@h>;TAG=t3;y"#, "sip:a@h", Some("t3")),
            ("<sip:a@h;tag=inside>", "sip:a@h;tag=inside", None),
            ("<sip:a@h> ; tag = t4", "sip:a@h", Some("t4")),
        ] {
            assert_eq!((uri_of(text), param(text, "tag")), (uri, tag), "{text}");
        }
    }
}
