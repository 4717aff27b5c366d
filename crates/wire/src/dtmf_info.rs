//! Digits in the body of a SIP INFO request, in the forms that telephones and gateways send.
//!
//! None of these media types is standardised; `application/dtmf-relay` is Cisco's and the usual one.

use std::time::Duration;

use crate::digit::Digit;

/// The longest body that is looked at, in bytes. The real ones have 30.
const BODY_MAX: usize = 1024;

/// A key press told by one INFO request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InfoPress {
    /// The digit.
    pub digit: Digit,
    /// How long the key was held, where the body says it. Some senders say zero.
    pub duration: Option<Duration>,
}

/// The body is of a type that carries no digits: answer 415 (RFC 6086, 4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the media type of this INFO body carries no digits")]
pub struct UnknownType;

/// Reads the digit out of an INFO body; `None` when a body of a known type has no digit in it
/// (a flash hook, nothing, or nonsense): answer 200 all the same.
///
/// # Errors
/// When the media type is none that carries digits.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Option<InfoPress>, UnknownType> {
    let form = Form::of(content_type).ok_or(UnknownType)?;
    let text = if body.len() > BODY_MAX { None } else { std::str::from_utf8(body).ok() };
    Ok(text.and_then(|text| form.read(text)))
}

/// How the digit is written.
#[derive(Clone, Copy)]
enum Form {
    /// `Signal=5`, `Duration=160` on lines of their own.
    Relay,
    /// Only the digit; or, from those who mix the types up, as [`Form::Relay`].
    Bare,
    /// `d=5` on a line of its own.
    Nortel,
}

impl Form {
    fn of(content_type: &str) -> Option<Self> {
        const TYPES: [(&str, Form); 4] = [
            ("application/dtmf-relay", Form::Relay),
            ("application/dtmf", Form::Bare),
            ("audio/telephone-event", Form::Bare),
            ("application/vnd.nortelnetworks.digits", Form::Nortel),
        ];
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(media_type)).map(|(_, form)| *form)
    }

    fn read(self, text: &str) -> Option<InfoPress> {
        match self {
            Self::Bare if !text.contains('=') => {
                signal(text.trim()).map(|digit| InfoPress { digit, duration: None })
            }
            Self::Relay | Self::Bare => relay(text, "signal"),
            Self::Nortel => relay(text, "d"),
        }
    }
}

fn relay(text: &str, signal_field: &str) -> Option<InfoPress> {
    let field = |wanted: &str| {
        text.split(['\r', '\n'])
            .filter_map(|line| line.split_once('='))
            .find_map(|(name, value)| name.trim().eq_ignore_ascii_case(wanted).then_some(value.trim()))
    };
    let digit = signal(field(signal_field)?)?;
    let millis = field("duration").and_then(|value| value.parse::<u32>().ok());
    Some(InfoPress { digit, duration: millis.map(|ms| Duration::from_millis(ms.into())) })
}

/// One character, or the number of a digit's event that has two: `10` is `*`, `11` is `#`.
fn signal(value: &str) -> Option<Digit> {
    let mut chars = value.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Digit::from_char(c),
        (Some('1'), Some(_)) => value.parse().ok().filter(|code| *code >= 10).and_then(Digit::from_event),
        _ => None,
    }
}
