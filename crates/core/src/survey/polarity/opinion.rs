//! What words say of the scale: a label by its name, or which side of the middle they mean.

use crate::ids::Language;
use crate::score::Score;
use crate::survey::library::Library;
use crate::survey::polarity::text::{Token, is_english, primary, tokens};

/// Labels of the library and the score each stands for.
pub(super) const LABELS: [(&str, u8); 5] =
    [("very_dissatisfied", 1), ("dissatisfied", 2), ("neutral", 3), ("satisfied", 4), ("very_satisfied", 5)];

/// A side of the scale's middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Good,
    Bad,
}

impl Side {
    pub(super) fn of(score: u8) -> Option<Self> {
        match score {
            0..3 => Some(Self::Bad),
            3 => None,
            _ => Some(Self::Good),
        }
    }

    /// The middle contradicts nothing.
    pub(super) fn contradicts(self, score: Score) -> bool {
        Self::of(score.get()) == Some(self.other())
    }

    fn other(self) -> Self {
        match self {
            Self::Good => Self::Bad,
            Self::Bad => Self::Good,
        }
    }
}

/// What some words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// They name a label of the question.
    Label(&'a str),
    Side(Side),
    Middle,
}

/// What is known of one language: labels, and the words that turn a meaning round.
pub(super) struct Lexicon<'a> {
    pub(super) language: &'a Language,
    labels: Vec<(Vec<String>, Meaning<'a>)>,
}

impl<'a> Lexicon<'a> {
    /// The library's labels and the question's own (name and text in this language), which precede.
    pub(super) fn new(
        language: &'a Language,
        own: impl Iterator<Item = (&'a str, &'a str)>,
        library: &'a Library,
    ) -> Self {
        let known = LABELS.iter().filter_map(|(label, score)| {
            let text = library.texts(label)?.get(language)?;
            Some((text.as_str(), Side::of(*score).map_or(Meaning::Middle, Meaning::Side)))
        });
        let own = own.map(|(label, text)| (text, Meaning::Label(label)));
        let all = own.chain(known).map(|(text, meaning)| (words(text, language), meaning));
        let mut labels: Vec<_> = all.filter(|(words, _)| !words.is_empty()).collect();
        labels.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
        Self { language, labels }
    }

    /// What the words mean, if that is clear: they name one label and nothing turns it round,
    /// or they are English and take a side.
    pub(super) fn meaning(&self, words: &[String]) -> Option<Meaning<'a>> {
        let (named, rest) = self.named(words);
        let turned = rest.iter().any(|word| self.turns(word));
        match named.first() {
            Some(first) if !turned && named.iter().all(|other| other == first) => Some(*first),
            _ if is_english(self.language) => side(words).map(Meaning::Side),
            _ => None,
        }
    }

    /// What a whole text means, its clauses taken together.
    pub(super) fn meaning_of(&self, text: &str) -> Option<Meaning<'a>> {
        let tokens = tokens(text, self.language);
        let clauses = tokens.split(|token| matches!(token, Token::Comma | Token::Stop { .. }));
        let mut meanings = clauses.filter_map(|clause| self.meaning(&spoken(clause)));
        let first = meanings.next()?;
        meanings.all(|other| other == first).then_some(first)
    }

    /// The labels that the words name, the longest that fits each place, and the words left over.
    fn named<'w>(&self, mut words: &'w [String]) -> (Vec<Meaning<'a>>, Vec<&'w str>) {
        let (mut named, mut rest) = (Vec::new(), Vec::new());
        while let Some((first, after)) = words.split_first() {
            let stands = |label: &[String]| {
                words.strip_prefix(label).is_some_and(|after| after.first().is_none_or(|next| next != DEGREE))
            };
            if let Some((label, meaning)) = self.labels.iter().find(|(label, _)| stands(label)) {
                named.push(*meaning);
                words = &words[label.len()..];
            } else {
                rest.push(first.as_str());
                words = after;
            }
        }
        (named, rest)
    }

    fn turns(&self, word: &str) -> bool {
        let words: &[&str] = match primary(self.language) {
            "en" => return negates(word) || MODALS.contains(&word),
            "zh" => &["不", "没", "无", "非", "未"],
            "es" => &["no", "sin", "nunca", "poco", "nada", "menos"],
            "fr" => &["ne", "pas", "non", "sans", "jamais", "peu", "moins"],
            "de" => &["nicht", "kein", "keine", "keinen", "ohne", "nie", "wenig", "weniger", "kaum"],
            "it" => &["non", "senza", "mai", "poco", "meno"],
            "pt" => &["não", "sem", "nunca", "pouco", "menos"],
            "ru" => &["не", "нет", "без", "никогда", "мало"],
            "ar" => &["غير", "ليس", "ليست", "لست", "لا", "لم", "بدون"],
            "hi" => &["नहीं", "न", "ना", "बिना", "कम"],
            _ => &[],
        };
        words.contains(&word)
    }
}

/// Makes the measure of what it follows in Chinese: 满意 is satisfied, 满意度 how satisfied one is.
const DEGREE: &str = "度";

/// The words of a text, in a language, without its pauses.
pub(super) fn words(text: &str, language: &Language) -> Vec<String> {
    spoken(&tokens(text, language))
}

fn spoken(tokens: &[Token]) -> Vec<String> {
    let spoken = tokens.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.clone()),
        Token::Digit(key) => Some(key.to_string()),
        Token::Comma | Token::Stop { .. } => None,
    });
    spoken.collect()
}

/// How much a word says: the opposite of "good" is bad, that of "perfect" may still be good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Degree {
    Plain,
    Compared,
    Extreme,
}

/// English words that leave no doubt about which side of the scale they mean.
const OPINIONS: [(Side, Degree, &[&str]); 6] = [
    (Side::Good, Degree::Plain, &["good", "great", "happy", "satisfied", "pleased"]),
    (Side::Good, Degree::Compared, &["better", "happier"]),
    (Side::Good, Degree::Extreme, &["excellent", "perfect", "outstanding", "best", "wonderful"]),
    (
        Side::Bad,
        Degree::Plain,
        &[
            "bad",
            "poor",
            "dissatisfied",
            "unsatisfied",
            "unhappy",
            "unacceptable",
            "disappointed",
            "disappointing",
        ],
    ),
    (Side::Bad, Degree::Compared, &["worse", "unhappier"]),
    (Side::Bad, Degree::Extreme, &["terrible", "awful", "worst", "horrible"]),
];

const NEGATORS: [&str; 10] =
    ["not", "no", "never", "neither", "nor", "without", "nothing", "less", "hardly", "cannot"];

/// What could be better is not good; what could not be better is.
const MODALS: [&str; 8] = ["could", "would", "can", "never", "cannot", "can't", "couldn't", "wouldn't"];

/// Here a new thought begins, which an earlier "not" does not touch.
const TURNINGS: [&str; 4] = ["but", "and", "because", "although"];

/// "Good morning" and "happy to help" say nothing of the scale, "good enough" nothing clear.
const PHRASES: [(&str, &[&str]); 3] = [
    ("good", &["morning", "afternoon", "evening", "day", "enough"]),
    ("happy", &["to"]),
    ("pleased", &["to"]),
];

fn is_phrase(word: &str, after: Option<&String>) -> bool {
    let after = after.map(String::as_str).unwrap_or_default();
    PHRASES.iter().any(|(first, afters)| *first == word && afters.contains(&after))
}

fn negates(word: &str) -> bool {
    NEGATORS.contains(&word) || word.ends_with("n't")
}

/// The side that English words take, if they take one only.
fn side(words: &[String]) -> Option<Side> {
    let (mut negated, mut modal) = (false, false);
    let mut sides = Vec::new();
    for (at, word) in words.iter().map(String::as_str).enumerate() {
        if TURNINGS.contains(&word) {
            (negated, modal) = (false, false);
        }
        negated ^= negates(word);
        modal |= MODALS.contains(&word);
        let phrase = is_phrase(word, words.get(at + 1));
        let known = OPINIONS.iter().find(|(_, _, known)| known.contains(&word) && !phrase);
        let Some((side, degree, _)) = known else { continue };
        let compared = *degree == Degree::Compared || (at > 0 && words[at - 1] == "more");
        sides.push(match (negated, compared, modal) {
            (false, true, true) => Some(side.other()),
            (true, true, true) | (false, false, _) => Some(*side),
            (true, false, _) if *degree == Degree::Plain => Some(side.other()),
            // "Not perfect" may be good, and "we must do better" praises nobody.
            (true, _, _) | (false, true, false) => None,
        });
    }
    let first = *sides.first()?;
    first.filter(|_| sides.iter().all(|other| *other == first))
}
