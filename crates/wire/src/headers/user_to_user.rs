//! Data that one end of a call sends the other: `User-to-User` (RFC 7433).

use super::{BadValue, ITEMS_MAX, Parameters, VALUE_BYTES_MAX, split_outside, unquoted};

/// One item of user-to-user data, as text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UserToUser {
    /// What is no parameter: by usage, a reference to the call.
    pub reference: Option<String>,
    /// Parameters, whether inside the data (`queue=sales&skill=billing`) or behind it (`;queue=sales`).
    pub parameters: Parameters,
}

impl UserToUser {
    /// Reads one item.
    ///
    /// The data is hex where it can be (that is the default encoding) and stands for text; else it is taken as
    /// it stands, for there are PBXs that write plain text and even call it hex.
    ///
    /// # Errors
    /// When the value is too long.
    pub fn parse(value: &str) -> Result<Self, BadValue> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(BadValue::TooLong);
        }
        let mut parts = split_outside(value, ';');
        let data = parts.next().unwrap_or_default().trim();
        let behind: Vec<&str> = parts.collect();
        let encoding = Parameters::read(behind.iter().copied());
        let hex = encoding.get("encoding").is_none_or(|name| name.eq_ignore_ascii_case("hex"));
        let plain = unquoted(data).unwrap_or_else(|| data.to_owned());
        let text = hex.then(|| text_of_hex(&plain)).flatten().unwrap_or(plain);
        let (inside, references): (Vec<&str>, Vec<&str>) =
            text.split(['&', ';']).map(str::trim).partition(|part| part.contains('='));
        let reference = references.into_iter().find(|part| !part.is_empty());
        Ok(Self {
            reference: reference.map(str::to_owned),
            parameters: Parameters::read(inside.into_iter().chain(behind)),
        })
    }

    /// Reads a list of items, separated by commas. What cannot be read is left out.
    #[must_use]
    pub fn parse_list(value: &str) -> Vec<Self> {
        if value.len() > VALUE_BYTES_MAX {
            return Vec::new();
        }
        split_outside(value, ',').take(ITEMS_MAX).filter_map(|item| Self::parse(item).ok()).collect()
    }
}

/// What the data says may name a person.
impl std::fmt::Debug for UserToUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reference = self.reference.as_ref().map(|_| "…");
        f.debug_struct("UserToUser")
            .field("reference", &reference)
            .field("parameters", &self.parameters)
            .finish()
    }
}

/// Text that hex digits stand for; `None` when they are none, or stand for something else than text.
fn text_of_hex(data: &str) -> Option<String> {
    if data.is_empty() || !data.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> =
        data.chars().map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok())).collect();
    let bytes: Vec<u8> = digits?.chunks_exact(2).map(|pair| (pair[0] << 4) + pair[1]).collect();
    // ISDN's data begins with a protocol discriminator (ITU-T Q.931, 4.5.30): user-specific, or characters.
    let content = bytes.strip_prefix(&[0x00]).or(bytes.strip_prefix(&[0x04])).unwrap_or(&bytes);
    let text = std::str::from_utf8(content).ok()?.trim_end_matches(['\r', '\n', '\0']);
    (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned())
}
