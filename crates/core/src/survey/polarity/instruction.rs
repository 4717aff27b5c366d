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
    let parts = sentence.split(|token| matches!(token, Token::Comma | Token::Stop { .. }));
    let clauses: Vec<Clause<'_>> = parts.flat_map(|part| clauses(part, lexicon)).collect();
    if clauses.iter().any(Clause::is_whole) {
        clauses.iter().flat_map(|clause| clause.pairs(asks)).collect()
    } else {
        across(&clauses)
    }
}

/// Pairs whose halves are clauses of their own: they take turns, or nothing is concluded.
fn across<'a>(clauses: &[Clause<'a>]) -> Vec<Pair<'a>> {
    let keys =
        clauses.iter().enumerate().flat_map(|(at, clause)| clause.keys.iter().map(move |key| (at, *key)));
    let meanings = clauses
        .iter()
        .enumerate()
        .flat_map(|(at, clause)| clause.phrases.iter().filter_map(move |phrase| Some((at, phrase.meaning?))));
    let (keys, meanings): (Vec<_>, Vec<_>) = (keys.collect(), meanings.collect());
    let turns = |ahead: &[usize], behind: &[usize]| {
        ahead.len() == behind.len()
            && ahead.iter().zip(behind).all(|(a, b)| a < b)
            && behind.iter().zip(ahead.iter().skip(1)).all(|(b, a)| b < a)
    };
    let of_keys: Vec<usize> = keys.iter().map(|(at, _)| *at).collect();
    let of_meanings: Vec<usize> = meanings.iter().map(|(at, _)| *at).collect();
    if !turns(&of_keys, &of_meanings) && !turns(&of_meanings, &of_keys) {
        return Vec::new();
    }
    keys.into_iter().zip(meanings).map(|((_, key), (_, meaning))| (key, meaning)).collect()
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

/// The clauses between two commas: one more than there are ranges such as "1 to 5" in it.
fn clauses<'a>(part: &[Token], lexicon: &Lexicon<'a>) -> Vec<Clause<'a>> {
    let (mut clauses, mut start, mut at) = (Vec::new(), 0, 0);
    while at < part.len() {
        match range_length(&part[at..], lexicon) {
            Some(length) => {
                clauses.push(clause(&part[start..at], lexicon));
                at += length;
                start = at;
            }
            None => at += 1,
        }
    }
    clauses.push(clause(&part[start..], lexicon));
    clauses
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

/// Two numbers with at most one word between, which means nothing: "1 to 5", "4 oder 5".
fn range_length(part: &[Token], lexicon: &Lexicon<'_>) -> Option<usize> {
    match part {
        [Token::Digit(_), Token::Digit(_), ..] => Some(2),
        [Token::Digit(_), Token::Word(word), Token::Digit(_), ..] => {
            lexicon.meaning(std::slice::from_ref(word)).is_none().then_some(3)
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
