//! Text that must not be seen in a log.

use std::fmt;

/// A password, a token, an address with a password in it. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps the text out of sight.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The one way to the plain value; search for `expose()` to see who looks.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"…\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_nothing_not_even_its_length() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), format!("{:?}", Secret::new("")));
    }
}
