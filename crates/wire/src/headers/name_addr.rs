//! Addresses in headers: `"Name" <uri>;parameters` (RFC 3261, 20.10).

use super::{BadValue, ITEMS_MAX, Parameters, Uri, VALUE_BYTES_MAX, split_outside, unquoted};

/// Who a header names.
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    /// The name shown to people.
    pub display: Option<String>,
    /// The address.
    pub uri: Uri,
    /// The header's own parameters, such as `tag` or a diversion's `reason`.
    pub parameters: Parameters,
}

impl NameAddr {
    /// Reads one address, with or without brackets. Without them what follows with `;` belongs to
    /// the header (RFC 3261, 20), and what follows with `?`, which should not be there, to the URI.
    ///
    /// # Errors
    /// Says what is wrong with the value.
    pub fn parse(value: &str) -> Result<Self, BadValue> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(BadValue::TooLong);
        }
        let Some(bracket) = first_outside_quotes(value, '<')? else {
            return Self::without_brackets(value);
        };
        let (display, rest) = (&value[..bracket], &value[bracket + 1..]);
        let (uri, parameters) = rest.split_once('>').ok_or(BadValue::Unclosed)?;
        let display = display.trim();
        let shown = unquoted(display).unwrap_or_else(|| display.to_owned());
        Ok(Self {
            display: Some(shown).filter(|name| !name.trim().is_empty()),
            uri: Uri::parse(uri)?,
            parameters: Parameters::read(split_outside(parameters, ';')),
        })
    }

    /// Reads a list of addresses: `P-Asserted-Identity` has up to two, `Diversion` one for each time that
    /// the call was diverted, latest first. What cannot be read is left out.
    #[must_use]
    pub fn parse_list(value: &str) -> Vec<Self> {
        if value.len() > VALUE_BYTES_MAX {
            return Vec::new();
        }
        split_outside(value, ',').take(ITEMS_MAX).filter_map(|item| Self::parse(item).ok()).collect()
    }

    fn without_brackets(value: &str) -> Result<Self, BadValue> {
        // A user part may have a `;` in it.
        let user_end = value.find('@').unwrap_or(0);
        let uri_end = value[user_end..].find(';').map_or(value.len(), |end| user_end + end);
        let (uri, parameters) = value.split_at(uri_end);
        Ok(Self {
            display: None,
            uri: Uri::parse(uri)?,
            parameters: Parameters::read(split_outside(parameters, ';')),
        })
    }
}

/// The name shown may be a person's.
impl std::fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{:?}>{:?}", self.uri, self.parameters)
    }
}

fn first_outside_quotes(text: &str, wanted: char) -> Result<Option<usize>, BadValue> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => quoted = !quoted,
            _ if c == wanted && !quoted => return Ok(Some(at)),
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    if quoted { Err(BadValue::Unclosed) } else { Ok(None) }
}
