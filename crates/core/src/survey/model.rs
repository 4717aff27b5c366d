//! A survey that was checked: every name resolves, every path ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Language, SurveyName};
use crate::key::Key;
use crate::score::Score;
use crate::survey::definition::Definition;
use crate::survey::fault::Pointer;
use crate::turn::Collect;

/// A survey ready to be conducted. Made by [`crate::survey::compile`] only, so that what it
/// says of itself holds: targets exist and lie ahead, prompts have texts in every language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    pub(crate) name: SurveyName,
    pub(crate) definition: Arc<Definition>,
    pub(crate) language: Language,
    pub(crate) languages: BTreeSet<Language>,
    pub(crate) steps: Vec<Step>,
    pub(crate) texts: BTreeMap<String, Texts>,
    /// Where each prompt is first used.
    pub(crate) used: BTreeMap<String, Pointer>,
}

/// A prompt's texts by language.
pub(crate) type Texts = BTreeMap<Language, String>;

/// An index into the steps.
pub(crate) type At = u16;

/// One step and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) id: String,
    pub(crate) does: Does,
    pub(crate) next: Goto,
}

/// Where to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goto {
    Step(At),
    End,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Does {
    Say { say: Vec<Word>, interruptible: bool },
    Ask(Box<Question>),
    Confirm(Confirmation),
    Record(Recorder),
    Branch(Vec<Arm>),
    Webhook { url: String, timeout: Duration },
    Transfer { target: String },
}

/// A prompt, or a place in which an answer is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    Prompt(String),
    Answer { question: At, part: Part },
}

/// The part of an answer that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Label,
    Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) kind: Kind,
    pub(crate) main: bool,
    pub(crate) say: Vec<Word>,
    pub(crate) interruptible: bool,
    pub(crate) attempts: u8,
    pub(crate) silence_after: Duration,
    pub(crate) invalid: String,
    pub(crate) silence: String,
    pub(crate) otherwise: Goto,
    pub(crate) repeat: Key,
    pub(crate) back: Option<Key>,
    pub(crate) skip: Option<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Rating(BTreeMap<Key, Rated>),
    Nps,
    Ces,
    /// `decline`: whether "no" declines the whole survey.
    YesNo {
        keys: BTreeMap<Key, String>,
        decline: bool,
    },
    Choice(BTreeMap<Key, String>),
    Digits {
        least: u8,
        most: u8,
    },
}

/// What a key of a rating question means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rated {
    pub(crate) score: Score,
    pub(crate) label: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirmation {
    pub(crate) of: At,
    pub(crate) say: Vec<Word>,
    pub(crate) interruptible: bool,
    pub(crate) change: Option<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorder {
    pub(crate) say: Vec<Word>,
    pub(crate) beep: bool,
    pub(crate) longest: Duration,
    pub(crate) silence_after: Duration,
    pub(crate) finish: Key,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arm {
    pub(crate) subject: Subject,
    pub(crate) test: Test,
    pub(crate) goto: Goto,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Answer(String),
    Variable(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    OneOf(Vec<String>),
    AtLeast(i64),
    AtMost(i64),
    Given(bool),
}

impl Survey {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &SurveyName {
        &self.name
    }

    /// Its version, as its author counts.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.definition.version
    }

    /// What its author wrote.
    #[must_use]
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The languages in which every prompt of it can be said.
    #[must_use]
    pub fn languages(&self) -> &BTreeSet<Language> {
        &self.languages
    }

    /// The language it is conducted in for a caller who asked for this one: one that it speaks, else its own.
    #[must_use]
    pub fn spoken(&self, asked: Option<&Language>) -> &Language {
        asked.and_then(|asked| self.speaks(asked)).unwrap_or(&self.language)
    }

    /// The language in which it can be said to someone who asks for this one: that, else a broader form of
    /// it (RFC 4647, 3.4).
    #[must_use]
    pub fn speaks(&self, asked: &Language) -> Option<&Language> {
        let mut tag = Some(asked.clone());
        while let Some(language) = tag {
            if let Some(known) = self.languages.get(&language) {
                return Some(known);
            }
            tag = language.broader();
        }
        None
    }

    /// The id of the question whose score is the call's rating, if the survey has one.
    #[must_use]
    pub fn main_question(&self) -> Option<&str> {
        self.questions().find(|(_, question)| question.main).map(|(step, _)| step.id.as_str())
    }

    /// Every prompt the survey may say, with the place that first uses it and its text in each of
    /// the survey's languages: what a door that plays audio must have recordings of.
    pub fn prompts(&self) -> impl Iterator<Item = (&str, &Pointer, BTreeMap<&Language, &str>)> {
        self.used.iter().map(|(name, place)| {
            let texts = self.texts.get(name).into_iter().flatten();
            let spoken = texts.filter(|(language, _)| self.languages.contains(language));
            (name.as_str(), place, spoken.map(|(language, text)| (language, text.as_str())).collect())
        })
    }

    pub(crate) fn step(&self, at: At) -> Option<&Step> {
        self.steps.get(usize::from(at))
    }

    pub(crate) fn question(&self, at: At) -> Option<(&Step, &Question)> {
        let step = self.step(at)?;
        match &step.does {
            Does::Ask(question) => Some((step, question)),
            _ => None,
        }
    }

    fn questions(&self) -> impl Iterator<Item = (&Step, &Question)> {
        self.steps.iter().filter_map(|step| match &step.does {
            Does::Ask(question) => Some((step, question.as_ref())),
            _ => None,
        })
    }
}

impl Question {
    /// How many digits an answer has.
    pub(crate) fn collect(&self) -> Collect {
        match self.kind {
            Kind::Nps => Collect { least: 1, most: 2 },
            Kind::Digits { least, most } => Collect { least, most },
            Kind::Rating(_) | Kind::Ces | Kind::YesNo { .. } | Kind::Choice(_) => {
                Collect { least: 1, most: 1 }
            }
        }
    }

    /// Every key that means something in answer to this question, ascending.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let digits = |from: u8, to: u8| {
            (from..=to)
                .filter_map(|digit| Key::try_from(char::from(b'0' + digit)).ok())
                .collect::<BTreeSet<_>>()
        };
        let mut keys = match &self.kind {
            Kind::Rating(map) => map.keys().copied().collect(),
            Kind::YesNo { keys, .. } | Kind::Choice(keys) => keys.keys().copied().collect(),
            Kind::Ces => digits(1, 7),
            Kind::Nps | Kind::Digits { .. } => {
                let mut keys = digits(0, 9);
                keys.insert(Key::POUND);
                keys
            }
        };
        keys.insert(self.repeat);
        keys.extend(self.back);
        keys.extend(self.skip);
        keys.into_iter().collect()
    }
}
