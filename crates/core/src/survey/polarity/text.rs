//! A text as the check reads it: words, numbers, pauses.

use crate::ids::Language;
use crate::key::Key;

/// What a caller hears, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    /// A digit on its own: perhaps a key.
    Digit(Key),
    Comma,
    Stop {
        asks: bool,
    },
}

const NUMBERS: [&str; 9] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// Before any other word "one" counts nothing: "a bad one".
const BEFORE_ONE: [&str; 16] = [
    "press", "dial", "enter", "key", "number", "choose", "select", "or", "and", "to", "from", "where",
    "with", "is", "means", "=",
];

/// Case does not matter to meaning, nor do the Arabic vowel marks; digits of every script are digits.
pub(super) fn folded(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .filter(|c| !matches!(c, '\u{064B}'..='\u{0652}' | '\u{0670}'))
        .map(|c| match c {
            '０'..='９' => digit_of(c, '０'),
            '٠'..='٩' => digit_of(c, '٠'),
            '०'..='९' => digit_of(c, '०'),
            '’' => '\'',
            other => other,
        })
        .collect()
}

fn digit_of(c: char, zero: char) -> char {
    char::from_digit(u32::from(c).wrapping_sub(u32::from(zero)), 10).unwrap_or(c)
}

/// Tokens of a text. Chinese has no spaces: there every character is a word.
pub(super) fn tokens(text: &str, language: &Language) -> Vec<Token> {
    let text = folded(text);
    let mut tokens = Vec::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let length = if alone(c) {
            c.len_utf8()
        } else {
            rest.find(|c| !in_word(c) || alone(c)).unwrap_or(rest.len()).max(c.len_utf8())
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        tokens.extend(match c {
            c if in_word(c) => Some(word(token)),
            '=' => Some(Token::Word("=".to_owned())),
            ',' | '،' | '、' | '，' | ':' | '：' => Some(Token::Comma),
            '?' | '？' | '؟' => Some(Token::Stop { asks: true }),
            '.' | '!' | ';' | '。' | '！' | '；' | '؛' | '।' | '\n' => {
                Some(Token::Stop { asks: false })
            }
            _ => None,
        });
    }
    if is_english(language) { spelt_out(tokens) } else { tokens }
}

pub(super) fn is_english(language: &Language) -> bool {
    primary(language) == "en"
}

/// The language without its region or script.
pub(super) fn primary(language: &Language) -> &str {
    language.as_str().split('-').next().unwrap_or_default()
}

fn in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '\'' || matches!(c, '\u{094D}' | '\u{093C}')
}

fn alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}')
}

fn word(text: &str) -> Token {
    let mut chars = text.chars();
    match (chars.next().filter(char::is_ascii_digit).and_then(|c| Key::try_from(c).ok()), chars.next()) {
        (Some(key), None) => Token::Digit(key),
        _ => Token::Word(text.to_owned()),
    }
}

/// English numbers in words.
fn spelt_out(tokens: Vec<Token>) -> Vec<Token> {
    let counts = |at: usize| match (at.checked_sub(1).map(|before| &tokens[before]), tokens.get(at + 1)) {
        (_, Some(Token::Word(after))) if after == "of" => false,
        (Some(Token::Word(before)), _) => BEFORE_ONE.contains(&before.as_str()),
        _ => true,
    };
    let number = |at: usize, word: &str| {
        let value = (1u8..).zip(NUMBERS).find(|(_, number)| *number == word)?.0;
        let digit = Key::try_from(char::from(b'0' + value)).ok()?;
        (value != 1 || counts(at)).then_some(Token::Digit(digit))
    };
    let spelt = tokens.iter().enumerate().map(|(at, token)| match token {
        Token::Word(word) => number(at, word).unwrap_or_else(|| token.clone()),
        _ => token.clone(),
    });
    spelt.collect()
}
