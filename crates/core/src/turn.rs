//! What the engine says to a door and hears from it: turns, things heard, effects.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::score::Score;

/// One thing for a door to do. It is answered by a [`Heard`] with the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// 1 for the first turn of a session, then one more for each; 0 before it has begun.
    pub number: u32,
    /// What to do.
    pub act: Act,
}

/// What a door does in a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Act {
    /// Play the pieces, then wait for a key: answered by `Key` or `Silence`.
    Ask(Asked),
    /// Play the pieces: answered by `Played`, or by a `Key` that cut them.
    Say {
        /// What to play, in order.
        say: Vec<Spoken>,
        /// Whether a key cuts it.
        interruptible: bool,
    },
    /// Play the pieces, then record the caller: answered by `Recorded` or `Silence` (nothing was said).
    Record {
        /// What to play first.
        say: Vec<Spoken>,
        /// Whether a short tone tells the caller to speak.
        beep: bool,
        /// The longest recording.
        longest: Duration,
        /// A pause this long ends the recording.
        silence_after: Duration,
        /// The key that ends the recording.
        finish: Key,
    },
    /// Send what is known to this address: answered by `Answered`.
    Webhook {
        /// The step that asks, so that the receiver can tell several apart.
        step: String,
        /// An `http` or `https` address.
        url: String,
        /// How long to wait for its answer.
        timeout: Duration,
    },
    /// Hand the caller on: answered by `Answered`, or by `Hangup` when that ends the call.
    Transfer {
        /// A SIP URI, or an extension of the PBX.
        target: String,
    },
    /// Nothing more: hang up. Every later thing heard gets this turn again.
    End(Ending),
}

/// A question put to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The step's id.
    pub question: String,
    /// What to play first; empty while the digits of one answer are being typed.
    pub say: Vec<Spoken>,
    /// Whether a key cuts the prompt (and counts).
    pub interruptible: bool,
    /// How long to wait for a key once the prompt is over.
    pub silence_after: Duration,
    /// Every key that means something now, in ascending order.
    pub keys: Vec<Key>,
    /// How many digits the answer has.
    pub collect: Collect,
}

/// How many digits an answer takes, for doors whose peer collects them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collect {
    /// Fewest digits.
    pub least: u8,
    /// Most digits; 1 is a single key.
    pub most: u8,
}

/// A piece of speech with the text it carries, for doors that speak text themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// Which prompt.
    pub piece: Piece,
    /// Its text in the session's language (or the survey's, where that has none).
    pub text: String,
}

/// What a recording on disk is called: `LANGUAGE/NAME.wav`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Piece {
    /// The language it is spoken in.
    pub language: String,
    /// The prompt's name.
    pub name: String,
}

/// A thing heard on the line, in answer to the turn of that number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The turn it answers; another than the session's present one is stale and changes nothing.
    pub turn: u32,
    /// What was heard.
    pub what: What,
}

/// What can be heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "heard", rename_all = "snake_case")]
pub enum What {
    /// The call is there: the first thing a session hears.
    Start,
    /// A key.
    Key {
        /// The key.
        key: Key,
    },
    /// The deadline after the prompt passed.
    Silence,
    /// The prompt was played to its end.
    Played,
    /// The caller spoke.
    Recorded {
        /// Where the recording is, in the door's own words.
        reference: String,
        /// How long it is, rounded up.
        seconds: u32,
    },
    /// A webhook's or transfer's result.
    Answered {
        /// One word, for `branch`: `ok`, `failed`, or what the webhook said.
        outcome: String,
    },
    /// The caller is gone. Heard in any turn, whatever its number.
    Hangup,
    /// The door or the PBX cannot go on. Heard in any turn, whatever its number.
    Failed {
        /// One word or two, kept with the offer: `rtp_timeout`, `duration`, `shutdown`.
        reason: String,
    },
}

/// What must be kept of what was heard. Each comes once per cause, at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum Effect {
    /// The first prompt begins.
    Started,
    /// A question was answered for the first time.
    Answer(Answer),
    /// A question that had an answer got another one.
    Amended(Answer),
    /// The session is over.
    Ended(Ending),
}

/// An answer to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The step's id.
    pub question: String,
    /// The last key pressed, where keys were.
    pub key: Option<Key>,
    /// The score, where the question has one.
    pub score: Option<Score>,
    /// The answer in words: a label, the digits, a recording's reference.
    pub value: String,
    /// Whether this question's score is the call's rating (a row of `cc_csat`).
    pub main: bool,
    /// The funnel state that holds from now on if nothing else comes.
    pub state: OfferState,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// One of the states that end a funnel.
    pub state: OfferState,
    /// Why, where the state alone does not say it.
    pub reason: Option<String>,
}

/// The funnel of one call (`cc_csat_offers.state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OfferState {
    /// Not put to the caller, by a rule.
    Suppressed,
    /// Put to the caller; nothing played yet.
    Offered,
    /// The first prompt began.
    Started,
    /// At least one answer, not all.
    Partial,
    /// All questions answered, or skipped on purpose.
    Completed,
    /// The opt-in was refused.
    Declined,
    /// The caller hung up before any answer.
    Abandoned,
    /// The attempts were used up with no answer.
    NoInput,
    /// Our fault or the PBX's.
    Failed,
}

impl OfferState {
    /// Every state, in the order of the funnel.
    pub const ALL: [Self; 9] = [
        Self::Suppressed,
        Self::Offered,
        Self::Started,
        Self::Partial,
        Self::Completed,
        Self::Declined,
        Self::Abandoned,
        Self::NoInput,
        Self::Failed,
    ];

    /// The word in the database and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Suppressed => "suppressed",
            Self::Offered => "offered",
            Self::Started => "started",
            Self::Partial => "partial",
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::Abandoned => "abandoned",
            Self::NoInput => "no_input",
            Self::Failed => "failed",
        }
    }
}
