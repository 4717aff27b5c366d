//! A survey as its author writes it, in TOML or JSON. What it means is decided in `compile`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A survey file. Everything is optional that has a sensible default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Counted up by the author whenever the meaning of an answer changes.
    pub version: u32,
    /// For people: what this survey is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Spoken when the call asks for a language the survey does not have; default `en`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The languages it can be spoken in; default: all in which every prompt has a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub languages: Option<Vec<String>>,
    /// The question whose score becomes the call's rating; default: the first of kind `rating`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main: Option<String>,
    /// Variables beyond the built-in ones that a door may set and a branch may test.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// Texts of this survey's own prompts, by name and language; they precede the library's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prompt: BTreeMap<String, BTreeMap<String, String>>,
    /// The steps, taken in order unless a step says otherwise.
    pub step: Vec<StepDefinition>,
}

/// One step. Which fields belong to which type of step is checked when it is compiled,
/// so that an error can name the very field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDefinition {
    /// The step's name: what `next` points to and, for a question, what its answers are kept under.
    pub id: String,
    /// What the step does.
    #[serde(rename = "type")]
    pub step_type: StepType,
    /// What is said: prompt names, or `{key}`, `{label}`, `{value}`, `{QUESTION.label}`.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    pub say: OneOrMany,
    /// Whether a key cuts the prompt; default: yes for `ask`, no for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interruptible: Option<bool>,
    /// The step after this one; default: the next in the file. `end` ends the survey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,

    /// `ask`: what kind of question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AskKind>,
    /// `ask`: what each key means.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, KeyDefinition>,
    /// `ask`: how often the caller may fail before the survey goes on; default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u8>,
    /// `ask`: how long to wait for a key after the prompt; default 5000. `record`: the pause that ends it; default 3000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u32>,
    /// `ask`: the prompt after an invalid key; default `invalid_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// `ask`: the prompt after silence; default `no_key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<String>,
    /// `ask`: where to go when the attempts are used up (default: say `goodbye` and end).
    /// `branch`: where to go when no arm matches (default: the next step).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// `ask`: the key that plays the prompt again; default `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_key: Option<String>,
    /// `ask`: the key that goes back one question; default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_key: Option<String>,
    /// `ask`: the key that skips this question; default: none, the question cannot be skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_key: Option<String>,
    /// `ask` of kind `digits`: fewest digits; default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_digits: Option<u8>,
    /// `ask` of kind `digits`: most digits; default 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_digits: Option<u8>,
    /// `ask` of kind `yes_no`: "no" declines the whole survey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opt_in: Option<bool>,

    /// `confirm`: the question whose answer is read back; default: the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// `confirm`: whether a key asks the question again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<bool>,
    /// `confirm`: that key; default `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_key: Option<String>,

    /// `record`: whether a tone says "speak now"; default yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beep: Option<bool>,
    /// `record`: the longest recording; default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_seconds: Option<u16>,
    /// `record`: the key that ends it; default `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_key: Option<String>,

    /// `branch`: the arms, first match wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<ArmDefinition>,

    /// `webhook`: where to send what is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `webhook`: how long the caller waits for it; default 3000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
    /// `transfer`: a SIP URI or an extension of the PBX.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepType {
    /// Say something.
    Say,
    /// Ask a question and wait for keys.
    Ask,
    /// Record what the caller says.
    Record,
    /// Read an answer back, perhaps let it be changed.
    Confirm,
    /// Go to one step or another.
    Branch,
    /// Tell another system and hear one word from it.
    Webhook,
    /// Hand the caller to somebody else.
    Transfer,
    /// End the survey, perhaps with a last word.
    End,
}

/// The kinds of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskKind {
    /// A score from 1 to 5, 5 best, by an explicit map from keys.
    Rating,
    /// Net promoter score: 0 to 10, typed.
    Nps,
    /// Customer effort score: 1 to 7, one key.
    Ces,
    /// Yes or no; keys 1 and 2 unless mapped.
    YesNo,
    /// One of several labels.
    Choice,
    /// A number of digits.
    Digits,
}

/// What a key means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyDefinition {
    /// The score, 1 (worst) to 5 (best): for `rating`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<u8>,
    /// A prompt that names the choice; it is what is kept as the answer.
    pub label: String,
}

/// An arm of a branch: one subject, one comparison, one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmDefinition {
    /// The question whose answer is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The variable that is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// Equal to this (a label, digits, or the number of a score).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<String>,
    /// Equal to one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
    /// A number at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
    /// A number at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
    /// Whether there is a value at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<bool>,
    /// Where to go.
    pub goto: String,
}

/// One text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a prompt name or a list of prompt names")]
pub enum OneOrMany {
    /// Written as a plain string.
    One(String),
    /// Written as a list.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The texts, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}
