//! The names of things: calls, agents, queues, tenants, surveys, languages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest call, agent or queue id, in characters. SIP stacks cut Call-IDs near 256.
pub const ID_CHARS_MAX: usize = 256;

/// The longest survey or tenant name, in characters: it is a file name and a SIP user part.
pub const NAME_CHARS_MAX: usize = 64;

/// Why a text is not an id. The text itself is not repeated: it may name a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdFault {
    /// Nothing, or only white space.
    #[error("is empty")]
    Empty,
    /// Longer than the kind of id allows.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// A character that this kind of id does not have.
    #[error("contains the character {0:?}, which is not allowed here")]
    Character(char),
}

/// Ids that a PBX or an integrator chooses: any text without control characters.
macro_rules! outside_id {
    ($(#[$doc:meta])* $name:ident) => {
        text_id!($(#[$doc])* $name, |text: &str| check(text, ID_CHARS_MAX, |c| !c.is_control()));
    };
}

/// Names that an operator chooses: lower-case letters, digits, `-`, `_` and, but not in front, `.`: they are names
/// of files and folders.
macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        text_id!($(#[$doc])* $name, |text: &str| {
            if text.starts_with('.') {
                return Err(IdFault::Character('.'));
            }
            check(text, NAME_CHARS_MAX, |c| {
                c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.')
            })
        });
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Accepts the text exactly as given.
            ///
            /// # Errors
            /// Says what is wrong with the text, without repeating it.
            pub fn new(text: impl Into<String>) -> Result<Self, IdFault> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdFault;
            fn try_from(text: String) -> Result<Self, IdFault> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdFault;
            fn from_str(text: &str) -> Result<Self, IdFault> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

outside_id!(
    /// The call that is rated, within a tenant: one call, one rating.
    CallId
);
outside_id!(
    /// The agent who spoke with the caller, as the PBX names them.
    AgentId
);
outside_id!(
    /// The queue through which the call came, as the PBX names it.
    QueueId
);
name_id!(
    /// Whose data it is. A fresh installation has one tenant, `default`.
    TenantId
);
name_id!(
    /// A survey's name: its file `NAME.toml` and the SIP user that reaches it.
    SurveyName
);

impl Default for TenantId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// A language tag (BCP 47), kept in lower case: `en`, `zh`, `pt-br`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

impl Language {
    /// Accepts a tag in any case, with `-` or `_` between its parts.
    ///
    /// # Errors
    /// When the text is empty, longer than 35 characters or has other characters (RFC 5646, 4.4.1).
    pub fn new(text: &str) -> Result<Self, IdFault> {
        let tag = text.trim().to_ascii_lowercase().replace('_', "-");
        check(&tag, 35, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')?;
        Ok(Self(tag))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tag without its last part (`zh-hant-tw` -> `zh-hant` -> `zh`): RFC 4647 look-up.
    #[must_use]
    pub fn broader(&self) -> Option<Self> {
        self.0.rsplit_once('-').map(|(head, _)| Self(head.to_owned()))
    }
}

impl TryFrom<String> for Language {
    type Error = IdFault;
    fn try_from(text: String) -> Result<Self, IdFault> {
        Self::new(&text)
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.0
    }
}

impl std::str::FromStr for Language {
    type Err = IdFault;
    fn from_str(text: &str) -> Result<Self, IdFault> {
        Self::new(text)
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The caller's number or name. It never appears in a log: `Debug` shows the last two characters.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Caller(String);

impl Caller {
    /// Keeps the caller as the PBX named them.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The one way to the plain value; search for `expose()` to see who looks.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.chars().count();
        let shown: String = if count > 4 { self.0.chars().skip(count - 2).collect() } else { String::new() };
        write!(f, "\"…{shown}\"")
    }
}

fn check(text: &str, longest: usize, allowed: impl Fn(char) -> bool) -> Result<(), IdFault> {
    if text.trim().is_empty() {
        return Err(IdFault::Empty);
    }
    if text.chars().count() > longest {
        return Err(IdFault::TooLong(longest));
    }
    match text.chars().find(|c| !allowed(*c)) {
        Some(c) => Err(IdFault::Character(c)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_masked_in_debug_and_short_ones_entirely() {
        assert_eq!(format!("{:?}", Caller::new("13800138000")), "\"…00\"");
        assert_eq!(format!("{:?}", Caller::new("10012")), "\"…12\"");
        assert_eq!(format!("{:?}", Caller::new("1001")), "\"…\"");
    }

    #[test]
    fn ids_are_taken_exactly_as_given_or_refused_with_the_reason() {
        let long = "x".repeat(ID_CHARS_MAX + 1);
        for (text, expected) in [
            ("PJSIP/agent1001", Ok("PJSIP/agent1001")),
            (" spaced ", Ok(" spaced ")),
            ("客服一号", Ok("客服一号")),
            ("", Err(IdFault::Empty)),
            ("  ", Err(IdFault::Empty)),
            ("a\0b", Err(IdFault::Character('\0'))),
            (long.as_str(), Err(IdFault::TooLong(ID_CHARS_MAX))),
        ] {
            assert_eq!(AgentId::new(text).as_ref().map(AgentId::as_str), expected.as_ref().copied());
        }
    }

    #[test]
    fn names_are_lower_case_words_of_bounded_length() {
        let (longest, longer) = ("x".repeat(NAME_CHARS_MAX), "x".repeat(NAME_CHARS_MAX + 1));
        for (text, expected) in [
            ("csat-survey_2.b", Ok(())),
            ("9", Ok(())),
            (longest.as_str(), Ok(())),
            (longer.as_str(), Err(IdFault::TooLong(NAME_CHARS_MAX))),
            ("Sales", Err(IdFault::Character('S'))),
            ("a b", Err(IdFault::Character(' '))),
            ("a/b", Err(IdFault::Character('/'))),
        ] {
            assert_eq!(SurveyName::new(text).map(|_| ()), expected, "{text}");
        }
        assert_eq!(TenantId::default().as_str(), "default");
    }

    #[test]
    fn an_id_goes_into_a_row_and_comes_back_the_same() {
        let longest = "呼".repeat(ID_CHARS_MAX);
        for text in ["PJSIP/agent1001", " spaced ", longest.as_str()] {
            let id: CallId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            let row = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<CallId>(&row).unwrap(), id);
            assert_eq!(String::from(id), text);
        }
        assert!(serde_json::from_str::<CallId>("\"\"").is_err());
        let language: Language = serde_json::from_str("\"PT_br\"").unwrap();
        assert_eq!(
            (serde_json::to_string(&language).unwrap(), language.to_string()),
            ("\"pt-br\"".into(), "pt-br".into())
        );
        assert_eq!(Caller::new("+86 138").expose(), "+86 138");
    }

    #[test]
    fn a_language_tag_has_letters_digits_and_hyphens_only_and_thirty_five_at_most() {
        for (text, expected) in [
            (" en ", Ok("en")),
            ("es-419", Ok("es-419")),
            ("", Err(IdFault::Empty)),
            ("en!", Err(IdFault::Character('!'))),
            ("abcdefghijklmnopqrstuvwxyz-12345678", Ok("abcdefghijklmnopqrstuvwxyz-12345678")),
            ("abcdefghijklmnopqrstuvwxyz-123456789", Err(IdFault::TooLong(35))),
        ] {
            assert_eq!(
                text.parse::<Language>().as_ref().map(Language::as_str),
                expected.as_ref().copied(),
                "{text}"
            );
        }
    }

    #[test]
    fn languages_fall_back_part_by_part() {
        let tag = Language::new("zh_Hant-TW").unwrap();
        assert_eq!(tag.as_str(), "zh-hant-tw");
        assert_eq!(tag.broader().unwrap().as_str(), "zh-hant");
        assert_eq!(tag.broader().unwrap().broader().unwrap().as_str(), "zh");
        assert_eq!(Language::new("en").unwrap().broader(), None);
    }
}
