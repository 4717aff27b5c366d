//! The small words of what is kept: ids of our own, channels, and texts a person wrote.

use std::fmt;
use std::str::FromStr;

use aftercall_core::IdFault;
use jiff::Timestamp;
use uuid::Uuid;

/// The longest session id, in characters: doors build them from a Call-ID (256) and a counter.
pub const SESSION_CHARS_MAX: usize = 320;

/// The longest channel name, in characters.
pub const CHANNEL_CHARS_MAX: usize = 64;

/// The longest comment, in characters: 4,000 of at most 4 bytes are under 16 KiB.
pub const COMMENT_CHARS_MAX: usize = 4_000;

/// An id made by aftercall: a UUIDv7 (RFC 9562, 5.7), so that ids sort as the time they were made.
macro_rules! own_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                Uuid::try_parse(text).map(Self).map_err(|_| NotAnId)
            }
        }
    };
}

own_id!(
    /// The id of a rating (`cc_csat.id`).
    RatingId
);
own_id!(
    /// The id of an API key: what an operator sees and revokes, never the key itself.
    KeyId
);

/// The text is not an id that aftercall made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not a UUID")]
pub struct NotAnId;

/// One caller going through one survey once, as the door that holds it names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(String);

impl SessionId {
    /// Accepts the text exactly as given.
    ///
    /// # Errors
    /// When it is empty, longer than [`SESSION_CHARS_MAX`] or has a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, IdFault> {
        let text = text.into();
        check(&text, SESSION_CHARS_MAX, |c| !c.is_control())?;
        Ok(Self(text))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<Self, IdFault> {
        Self::new(text)
    }
}

/// How the rating reached the caller: `phone`, `web`, `sms`; lower-case letters, digits, `-`, `_`, `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(String);

impl Channel {
    /// Accepts the name exactly as given.
    ///
    /// # Errors
    /// When it is empty, longer than [`CHANNEL_CHARS_MAX`] or has other characters.
    pub fn new(text: impl Into<String>) -> Result<Self, IdFault> {
        let text = text.into();
        check(&text, CHANNEL_CHARS_MAX, is_name)?;
        Ok(Self(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Channel {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<Self, IdFault> {
        Self::new(text)
    }
}

/// The longest name of a webhook, in characters.
pub const WEBHOOK_CHARS_MAX: usize = 64;

/// A webhook's name in the configuration and in addresses: lower-case letters, digits, `-`, `_`, `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebhookName(String);

impl WebhookName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WebhookName {
    type Err = IdFault;
    /// Accepts the name exactly as given, as a [`Channel`]'s.
    fn from_str(text: &str) -> Result<Self, IdFault> {
        check(text, WEBHOOK_CHARS_MAX, is_name)?;
        Ok(Self(text.to_owned()))
    }
}

/// What a caller wrote beside the score. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Comment(String);

/// Why a text is not a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommentFault {
    /// Longer than [`COMMENT_CHARS_MAX`].
    #[error("is longer than {COMMENT_CHARS_MAX} characters")]
    TooLong,
    /// SQL tools cut a text at U+0000 and PostgreSQL refuses it: it could not be kept exactly.
    #[error("contains U+0000, which a database cannot keep")]
    Nul,
}

impl Comment {
    /// Accepts any text, empty too, and keeps it exactly.
    ///
    /// # Errors
    /// When it is too long or contains U+0000.
    pub fn new(text: impl Into<String>) -> Result<Self, CommentFault> {
        let text = text.into();
        if text.contains('\0') {
            return Err(CommentFault::Nul);
        }
        if text.chars().count() > COMMENT_CHARS_MAX {
            return Err(CommentFault::TooLong);
        }
        Ok(Self(text))
    }

    /// The one way to the plain text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for Comment {
    type Err = CommentFault;
    fn from_str(text: &str) -> Result<Self, CommentFault> {
        Self::new(text)
    }
}

impl fmt::Debug for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        masked(f, &self.0)
    }
}

/// An answer in words (a label, the digits typed, a recording's reference). `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Said(String);

impl Said {
    /// Keeps the answer as the engine put it; for U+0000, which a database cannot keep, U+FFFD.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().replace('\0', "\u{FFFD}"))
    }

    /// The one way to the plain text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        masked(f, &self.0)
    }
}

/// When a caller rated: not in the future, not before 1970, to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RatedAt(Timestamp);

/// Why an instant is not the time of a rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RatedAtFault {
    /// Later than now.
    #[error("is in the future")]
    Future,
    /// Before 1970-01-01T00:00:00Z.
    #[error("is before 1970")]
    TooEarly,
}

impl RatedAt {
    /// Accepts an instant up to `now`; what is finer than a microsecond is cut off.
    ///
    /// # Errors
    /// When it lies after `now` or before 1970.
    pub fn new(instant: Timestamp, now: Timestamp) -> Result<Self, RatedAtFault> {
        if instant > now {
            return Err(RatedAtFault::Future);
        }
        if instant < Timestamp::UNIX_EPOCH {
            return Err(RatedAtFault::TooEarly);
        }
        Ok(Self(crate::stamp::to_micros(instant)))
    }

    /// The instant.
    #[must_use]
    pub fn get(self) -> Timestamp {
        self.0
    }
}

/// How long a text is, and nothing of what it says.
fn masked(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"… {} characters\"", text.chars().count())
}

/// Whether a name may have this in it.
fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.')
}

fn check(text: &str, longest: usize, allowed: impl Fn(char) -> bool) -> Result<(), IdFault> {
    if text.trim().is_empty() {
        return Err(IdFault::Empty);
    }
    if text.chars().count() > longest {
        return Err(IdFault::TooLong(longest));
    }
    text.chars().find(|c| !allowed(*c)).map_or(Ok(()), |c| Err(IdFault::Character(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_any_text_up_to_four_thousand_characters_but_not_nul() {
        let longest = "评".repeat(COMMENT_CHARS_MAX);
        assert_eq!(Comment::new(longest.as_str()).map(|c| c.expose().len()), Ok(12_000));
        assert_eq!(Comment::new(longest + "价"), Err(CommentFault::TooLong));
        assert_eq!(Comment::new("").map(|c| c.expose().to_owned()), Ok(String::new()));
        assert_eq!(Comment::new("a\0b"), Err(CommentFault::Nul));
        assert_eq!(Comment::new("a\u{1}\n\u{10FFFF}b").map(|c| c.expose().len()), Ok(8));
    }

    #[test]
    fn what_a_person_said_never_shows_in_debug() {
        let comment = Comment::new("call me on 13800138000").unwrap();
        assert_eq!(format!("{comment:?}"), "\"… 22 characters\"");
        assert_eq!(format!("{:?}", Said::new("4711")), "\"… 4 characters\"");
    }

    #[test]
    fn a_rating_is_neither_from_the_future_nor_from_before_1970() {
        let now: Timestamp = "2026-11-22T08:00:00.123456789Z".parse().unwrap();
        let rated = RatedAt::new(now, now).unwrap();
        assert_eq!(rated.get().to_string(), "2026-11-22T08:00:00.123456Z");
        let later = "2026-11-22T08:00:00.12345679Z".parse().unwrap();
        assert_eq!(RatedAt::new(later, now), Err(RatedAtFault::Future));
        assert!(RatedAt::new(Timestamp::UNIX_EPOCH, now).is_ok());
        let early = "1969-12-31T23:59:59.999999999Z".parse().unwrap();
        assert_eq!(RatedAt::new(early, now), Err(RatedAtFault::TooEarly));
    }

    #[test]
    fn channels_are_names_and_session_ids_any_text() {
        assert_eq!(Channel::new("web-chat.2").map(|c| c.0), Ok("web-chat.2".to_owned()));
        assert_eq!(Channel::new("Phone"), Err(IdFault::Character('P')));
        assert_eq!(
            SessionId::new("a84b4c76e66710@pc33/1").map(|s| s.0),
            Ok("a84b4c76e66710@pc33/1".to_owned())
        );
        assert_eq!(SessionId::new(" "), Err(IdFault::Empty));
        assert_eq!(SessionId::new("a\tb"), Err(IdFault::Character('\t')));
    }
}
