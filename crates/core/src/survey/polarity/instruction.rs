//! What a prompt says about keys. The grammar, in every language we know:
//!
//! ```text
//! sentence = clause { "," clause }
//! clause   = { KEY words }            "5 for very satisfied and 1 for very dissatisfied"
//!          | { words KEY }            "for very satisfied press 5", "非常满意请按1"
//! sentence = { KEY "," words "," }    "1, если вы очень довольны, 2, если довольны"
//!          | { words "," KEY "," }    "if you were very satisfied, press 5"
//! ```
//!
//! Which of two orders it is shows at the ends: words that mean nothing ("press", "please") stand
//! where no key has its meaning. Where that does not tell, nothing is concluded.

use std::iter::successors;

use crate::key::Key;
use crate::survey::polarity::opinion::{Lexicon, Meaning};
use crate::survey::polarity::text::{Token, is_english, tokens};

/// English words between a key and its meaning.
const LINKS: [&str; 11] =
    ["is", "are", "means", "meaning", "being", "equals", "stands", "=", "for", "if", "when"];

/// English words before a key.
const PRESSING: [&str; 10] =
    ["press", "dial", "enter", "key", "number", "choose", "select", "hit", "push", "type"];

/// English words that may stand beside a key without saying what it is.
const JOINING: [&str; 9] = ["and", "or", "from", "to", "where", "with", "by", "the", "key"];

/// A key and what the text says that it means.
pub(super) type Pair<'a> = (Key, Meaning<'a>);

/// Every pair that the text leaves no doubt about, in its order.
pub(super) fn pairs<'a>(text: &str, lexicon: &Lexicon<'a>) -> Vec<Pair<'a>> {
    let tokens = tokens(text, lexicon.language);
    let sentences = tokens.split_inclusive(|token| matches!(token, Token::Stop { .. }));
    sentences.flat_map(|sentence| said(sentence, lexicon)).collect()
}

fn said<'a>(sentence: &[Token], lexicon: &Lexicon<'a>) -> Vec<Pair<'a>> {
    let asks = matches!(sentence.last(), Some(Token::Stop { asks: true }));
    let clauses = clauses(sentence, lexicon);
    if clauses.iter().any(Clause::is_whole) {
        clauses.iter().flat_map(|clause| clause.pairs(asks)).collect()
    } else {
        across(&clauses)
    }
}

/// Pairs whose halves are clauses of their own: they take turns, or nothing is concluded.
fn across<'a>(clauses: &[Clause<'a>]) -> Vec<Pair<'a>> {
    let halves: Vec<Half<'a>> = clauses.iter().flat_map(Clause::halves).collect();
    let key_first = halves.chunks(2).map(|two| match two {
        [Half::Key(key), Half::Meaning(meaning)] => Some((*key, *meaning)),
        _ => None,
    });
    let meaning_first = halves.chunks(2).map(|two| match two {
        [Half::Meaning(meaning), Half::Key(key)] => Some((*key, *meaning)),
        _ => None,
    });
    key_first.collect::<Option<_>>().or_else(|| meaning_first.collect()).unwrap_or_default()
}

/// What a clause that is no whole says of a pair.
enum Half<'a> {
    Key(Key),
    Meaning(Meaning<'a>),
}

/// Keys with the words around them: one phrase more than keys.
struct Clause<'a> {
    keys: Vec<Key>,
    phrases: Vec<Phrase<'a>>,
}

struct Phrase<'a> {
    words: Vec<String>,
    meaning: Option<Meaning<'a>>,
}

impl<'a> Clause<'a> {
    /// Whether it has both halves of a pair.
    fn is_whole(&self) -> bool {
        !self.keys.is_empty() && self.phrases.iter().any(|phrase| phrase.meaning.is_some())
    }

    fn halves(&self) -> impl Iterator<Item = Half<'a>> {
        let keys = self.keys.iter().copied().map(Half::Key);
        keys.chain(self.phrases.iter().filter_map(|phrase| phrase.meaning).map(Half::Meaning))
    }

    fn pairs(&self, asks: bool) -> Vec<Pair<'a>> {
        let [first, .., last] = self.phrases.as_slice() else { return Vec::new() };
        let phrases = match (first.meaning.is_some(), last.meaning.is_some()) {
            (false, true) => &self.phrases[1..],
            // "How satisfied were you with agent 5?" tells nothing about the key 5.
            (true, false) if asks => &[],
            (true, false) => self.phrases.as_slice(),
            _ if self.phrases[1].is_linked() && !first.words.iter().any(|word| is_link(word)) => {
                &self.phrases[1..]
            }
            _ => &[],
        };
        let pairs = self.keys.iter().zip(phrases);
        pairs.filter_map(|(key, phrase)| Some((*key, phrase.meaning?))).collect()
    }
}

impl Phrase<'_> {
    fn is_linked(&self) -> bool {
        self.words.first().is_some_and(|word| is_link(word))
    }
}

fn is_link(word: &str) -> bool {
    LINKS.contains(&word)
}

/// What stands between commas and ranges such as "1 to 5".
fn clauses<'a>(mut sentence: &[Token], lexicon: &Lexicon<'a>) -> Vec<Clause<'a>> {
    let mut parts = Vec::new();
    while let Some((before, after)) = around_range(sentence, lexicon) {
        parts.push(before);
        sentence = after;
    }
    parts.push(sentence);
    let comma = |token: &Token| matches!(token, Token::Comma | Token::Stop { .. });
    parts.into_iter().flat_map(|part| part.split(comma)).map(|part| clause(part, lexicon)).collect()
}

fn clause<'a>(part: &[Token], lexicon: &Lexicon<'a>) -> Clause<'a> {
    let (mut keys, mut phrases, mut words) = (Vec::new(), Vec::new(), Vec::new());
    for (at, token) in part.iter().enumerate() {
        match token {
            Token::Digit(key) if is_key(&part[..at], &part[at + 1..], lexicon) => {
                keys.push(*key);
                phrases.push(std::mem::take(&mut words));
            }
            Token::Digit(key) => words.push(key.to_string()),
            Token::Word(word) => words.push(word.clone()),
            Token::Comma | Token::Stop { .. } => {}
        }
    }
    phrases.push(words);
    let phrases = phrases.into_iter().map(|words| Phrase { meaning: lexicon.meaning(&words), words });
    Clause { keys, phrases: phrases.collect() }
}

/// What stands before and after the first range.
fn around_range<'t>(part: &'t [Token], lexicon: &Lexicon<'_>) -> Option<(&'t [Token], &'t [Token])> {
    (0..part.len()).find_map(|at| Some((&part[..at], after_range(&part[at..], lexicon)?)))
}

/// What is left after a range that begins here, which is numbers counted up or down: "1 to 5",
/// "1/2/3", "1, 2, 3, 4 oder 5". "1 to 5 where 1 is good" turns back, so its second 1 is no part.
fn after_range<'t>(part: &'t [Token], lexicon: &Lexicon<'_>) -> Option<&'t [Token]> {
    let [Token::Digit(first), after @ ..] = part else { return None };
    let second = next_number(after, lexicon)?;
    let way = first.cmp(&second.0);
    let counted = successors(Some(second), |(number, after)| {
        next_number(after, lexicon).filter(|(next, _)| number.cmp(next) == way)
    });
    counted.last().map(|(_, after)| after)
}

/// The number that follows at once, or behind a comma and one word at most, which means nothing.
fn next_number<'t>(after: &'t [Token], lexicon: &Lexicon<'_>) -> Option<(Key, &'t [Token])> {
    match after.strip_prefix(&[Token::Comma]).unwrap_or(after) {
        [Token::Digit(key), after @ ..] => Some((*key, after)),
        [Token::Word(word), Token::Digit(key), after @ ..] => {
            lexicon.meaning(std::slice::from_ref(word)).is_none().then_some((*key, after))
        }
        _ => None,
    }
}

/// In English a number beside a noun is no key: "5 days", "2 short questions", "agent 5". A key is
/// pressed, is linked to its meaning or next to it, or stands alone between joining words.
fn is_key(before: &[Token], after: &[Token], lexicon: &Lexicon<'_>) -> bool {
    let word = |token: &Token| match token {
        Token::Word(word) => Some(word.clone()),
        _ => None,
    };
    let mut following: Vec<String> = after.iter().map_while(word).collect();
    following.truncate(2);
    let next = following.first().map(String::as_str);
    let previous = before.last().and_then(word);
    let pressed = previous.as_deref().is_some_and(|word| PRESSING.contains(&word) || is_link(word));
    let linked = next.is_some_and(is_link) || lexicon.meaning(&following).is_some();
    let alone = next.is_none_or(|word| JOINING.contains(&word))
        && previous.is_none_or(|word| {
            JOINING.contains(&word.as_str()) || lexicon.meaning(std::slice::from_ref(&word)).is_some()
        });
    !is_english(lexicon.language) || pressed || linked || alone
}
