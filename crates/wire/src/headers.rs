//! What header values of a SIP message say: addresses, their parameters, user-to-user data.
//!
//! One type serves them all, because they share one form (RFC 3261, 25.1, `name-addr`): `From`, `To`,
//! `Contact`, `Refer-To` (RFC 3515), `Referred-By` (RFC 3892), `P-Asserted-Identity` (RFC 3325) and
//! `Diversion` (RFC 5806).

mod name_addr;
mod uri;
mod user_to_user;

pub use name_addr::NameAddr;
pub use uri::{Scheme, Uri};
pub use user_to_user::UserToUser;

use percent_encoding::percent_decode_str;

/// The longest header value that is read, in bytes. Real ones stay below 500.
pub const VALUE_BYTES_MAX: usize = 4096;

/// The most addresses or data items read from one header value. Diversions rarely pass three.
pub const ITEMS_MAX: usize = 8;

/// The most parameters read from one address or item. PBXs send up to a dozen.
pub const PARAMETERS_MAX: usize = 32;

/// Why a header value says nothing to us. Its text is not repeated: it may name a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadValue {
    /// Longer than [`VALUE_BYTES_MAX`].
    #[error("the header value is longer than {VALUE_BYTES_MAX} bytes")]
    TooLong,
    /// Neither `sip:`, `sips:` nor `tel:`.
    #[error("the address is no sip, sips or tel URI")]
    Scheme,
    /// A SIP URI without a host, or a telephone URI without a number.
    #[error("the address names no host or number")]
    Nobody,
    /// A quote or bracket that is opened and not closed.
    #[error("a quote or bracket is not closed")]
    Unclosed,
}

/// Parameters, `;name=value` or `?name=value&...`, in their order, decoded.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// A parameter's value; empty for one without value. Case does not matter, nor `-` for `_`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| same_name(known, name)).map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Reads parameters that are already cut apart.
    fn read<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let pairs = texts.filter(|text| !text.trim().is_empty()).take(PARAMETERS_MAX).map(|text| {
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            (decoded(name.trim()), unquoted(value.trim()).unwrap_or_else(|| decoded(value.trim())))
        });
        Self(pairs.collect())
    }
}

/// Names only: values may name a person.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

fn same_name(one: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'-' { b'_' } else { byte.to_ascii_lowercase() };
    one.bytes().map(plain).eq(other.bytes().map(plain))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// What stands in a quoted string (RFC 3261, 25.1), without its escapes; `None` if it is none.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut escaped = false;
    Some(
        inner
            .chars()
            .filter(|c| {
                escaped = *c == '\\' && !escaped;
                !escaped
            })
            .collect(),
    )
}

/// Cuts a text at a separator that stands outside quotes and angle brackets.
fn split_outside(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    text.split(move |c| {
        let escape = escaped;
        escaped = quoted && c == '\\' && !escape;
        match c {
            '"' if !escape => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' => bracketed = false,
            _ => return c == separator && !quoted && !bracketed,
        }
        false
    })
}
