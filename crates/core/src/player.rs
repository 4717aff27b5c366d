//! The player: keeps the timers of a turn for a door whose peer keeps none (SIP).
//!
//! It is told the turn, the keys, that a prompt ended and what time it is; it says what the
//! media engine is to do and what the session is to hear. Times are since any fixed moment.

use std::collections::VecDeque;
use std::time::Duration;

use crate::key::Key;
use crate::turn::{Act, Asked, Ending, Heard, Spoken, Turn, What};

/// Keys kept during a prompt that no key cuts: a card number typed ahead fits.
pub const KEYS_KEPT_MAX: usize = 32;

/// What the door is to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Play these pieces; answer with [`Player::played`] and the same number.
    Play {
        /// Tells this prompt's end from an earlier one's.
        play: u32,
        /// The pieces, in order.
        say: Vec<Spoken>,
        /// Whether a key cuts it. Who plays may cut it at once and need not wait for [`Order::Stop`].
        interruptible: bool,
    },
    /// Stop what is playing.
    Stop,
    /// Record the caller; answer with [`Player::recorded`].
    Record {
        /// Whether to beep first.
        beep: bool,
        /// The longest recording.
        longest: Duration,
        /// A pause this long ends it.
        silence_after: Duration,
    },
    /// End the recording now.
    StopRecording,
    /// Let the session hear this.
    Hear(Heard),
    /// Send what is known; let the session hear `Answered`.
    Webhook {
        /// The step that asks.
        step: String,
        /// Where to.
        url: String,
        /// How long to wait.
        timeout: Duration,
    },
    /// Hand the caller on; let the session hear `Answered`.
    Transfer {
        /// Whereto.
        target: String,
    },
    /// The survey is over: hang up.
    HangUp(Ending),
}

/// The timers and kept keys of one call.
#[derive(Debug, Clone, Default)]
pub struct Player {
    number: u32,
    plays: u32,
    kept: VecDeque<Key>,
    phase: Phase,
}

#[derive(Debug, Clone, Default)]
enum Phase {
    /// There is nothing to do for us: before the first turn, and while a webhook or a transfer is out.
    #[default]
    Waiting,
    /// Between turns: whatever comes is kept or dropped.
    Idle,
    /// A question's prompt plays.
    Asking(Asked),
    /// The question was put; a key or the deadline comes.
    Listening { until: Duration },
    /// Something is said.
    Saying { interruptible: bool },
    /// Something is said before a recording.
    BeforeRecording { beep: bool, longest: Duration, silence_after: Duration, finish: Key },
    /// The caller speaks.
    Recording { finish: Key },
    /// The caller cannot hear us.
    Held(Meanwhile),
}

/// What goes on while the caller cannot hear us.
#[derive(Debug, Clone)]
enum Meanwhile {
    /// Nothing: the present turn begins again when they are back.
    Nothing,
    /// Their comment was ended and is not there yet.
    Recording { finish: Key },
    /// What goes on without them anyhow.
    Waiting,
}

impl Player {
    /// A turn begins. The turn that is on already is not begun again.
    pub fn turn(&mut self, turn: Turn, now: Duration) -> Vec<Order> {
        let same = turn.number == self.number && !matches!(self.phase, Phase::Idle);
        if same {
            return Vec::new();
        }
        if matches!(self.phase, Phase::Held(_)) && !matches!(turn.act, Act::End(_)) {
            self.number = turn.number;
            self.phase = Phase::Held(Meanwhile::Nothing);
            return Vec::new();
        }
        self.begin(turn, now)
    }

    /// The caller cannot hear us: nothing is played, no time runs, and keys mean nothing.
    pub fn hold(&mut self) -> Vec<Order> {
        let (orders, meanwhile) = match self.phase {
            Phase::Held(_) => return Vec::new(),
            Phase::Waiting | Phase::Idle => (vec![], Meanwhile::Waiting),
            Phase::Recording { finish } => (vec![Order::StopRecording], Meanwhile::Recording { finish }),
            _ => (vec![Order::Stop], Meanwhile::Nothing),
        };
        self.phase = Phase::Held(meanwhile);
        orders
    }

    /// The caller is back: the present turn begins again, unless it goes on without them.
    pub fn resume(&mut self, present: Turn, now: Duration) -> Vec<Order> {
        let Phase::Held(meanwhile) = &self.phase else { return Vec::new() };
        self.phase = match *meanwhile {
            Meanwhile::Nothing => {
                // A key that was kept may answer at once: then they must not be on hold for the turn behind it.
                self.phase = Phase::Idle;
                return self.begin(present, now);
            }
            Meanwhile::Recording { finish } => Phase::Recording { finish },
            Meanwhile::Waiting => Phase::Waiting,
        };
        Vec::new()
    }

    fn begin(&mut self, turn: Turn, now: Duration) -> Vec<Order> {
        self.number = turn.number;
        match turn.act {
            Act::Ask(asked) => self.ask(asked, now),
            Act::Say { say, interruptible } => {
                self.kept.clear();
                self.phase = Phase::Saying { interruptible };
                self.play(say, interruptible, now)
            }
            Act::Record { say, beep, longest, silence_after, finish } => {
                self.kept.clear();
                self.phase = Phase::BeforeRecording { beep, longest, silence_after, finish };
                self.play(say, false, now)
            }
            Act::Webhook { step, url, timeout } => {
                self.phase = Phase::Waiting;
                vec![Order::Webhook { step, url, timeout }]
            }
            Act::Transfer { target } => {
                self.phase = Phase::Waiting;
                vec![Order::Transfer { target }]
            }
            Act::End(ending) => {
                self.phase = Phase::Idle;
                vec![Order::HangUp(ending)]
            }
        }
    }

    /// The caller pressed a key.
    pub fn key(&mut self, key: Key) -> Vec<Order> {
        match &self.phase {
            Phase::Asking(Asked { interruptible: true, .. }) | Phase::Saying { interruptible: true } => {
                self.phase = Phase::Idle;
                vec![Order::Stop, self.hear(What::Key { key })]
            }
            Phase::Listening { .. } => {
                self.phase = Phase::Idle;
                vec![self.hear(What::Key { key })]
            }
            Phase::Recording { finish } if *finish == key => vec![Order::StopRecording],
            Phase::Recording { .. } | Phase::BeforeRecording { .. } | Phase::Held(_) => Vec::new(),
            Phase::Asking(_) | Phase::Saying { .. } | Phase::Waiting | Phase::Idle => {
                if self.kept.len() < KEYS_KEPT_MAX {
                    self.kept.push_back(key);
                }
                Vec::new()
            }
        }
    }

    /// The prompt of this number was played to its end. An earlier one's end means nothing.
    pub fn played(&mut self, play: u32, now: Duration) -> Vec<Order> {
        if play != self.plays {
            return Vec::new();
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Asking(asked) => self.listen(asked, now),
            Phase::Saying { .. } => vec![self.hear(What::Played)],
            Phase::BeforeRecording { beep, longest, silence_after, finish } => {
                self.phase = Phase::Recording { finish };
                vec![Order::Record { beep, longest, silence_after }]
            }
            other => {
                self.phase = other;
                Vec::new()
            }
        }
    }

    /// The recording ended. `reference` is none where nothing was said.
    pub fn recorded(&mut self, reference: Option<String>, seconds: u32) -> Vec<Order> {
        self.phase = match self.phase {
            Phase::Recording { .. } => Phase::Idle,
            Phase::Held(Meanwhile::Recording { .. }) => Phase::Held(Meanwhile::Nothing),
            _ => return Vec::new(),
        };
        let what = match reference {
            Some(reference) => What::Recorded { reference, seconds },
            None => What::Silence,
        };
        vec![self.hear(what)]
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Order> {
        match self.deadline() {
            Some(until) if now >= until => {
                self.phase = Phase::Idle;
                vec![self.hear(What::Silence)]
            }
            _ => Vec::new(),
        }
    }

    /// When [`Player::tick`] is next wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.phase {
            Phase::Listening { until } => Some(until),
            _ => None,
        }
    }

    /// Something happened to the turn that is on.
    #[must_use]
    pub fn hear(&self, what: What) -> Order {
        Order::Hear(Heard { turn: self.number, what })
    }

    /// Keys that were kept count now, if they mean something here.
    fn ask(&mut self, asked: Asked, now: Duration) -> Vec<Order> {
        let at_once = asked.interruptible || asked.say.is_empty();
        if at_once && let Some(key) = self.kept_for(&asked) {
            return vec![self.hear(What::Key { key })];
        }
        let (say, interruptible) = (asked.say.clone(), asked.interruptible);
        self.phase = Phase::Asking(asked);
        self.play(say, interruptible, now)
    }

    fn listen(&mut self, asked: Asked, now: Duration) -> Vec<Order> {
        match self.kept_for(&asked) {
            Some(key) => vec![self.hear(What::Key { key })],
            None => {
                let until = now + asked.silence_after;
                self.phase = Phase::Listening { until };
                Vec::new()
            }
        }
    }

    fn kept_for(&mut self, asked: &Asked) -> Option<Key> {
        while let Some(key) = self.kept.pop_front() {
            if asked.keys.contains(&key) {
                return Some(key);
            }
        }
        None
    }

    fn play(&mut self, say: Vec<Spoken>, interruptible: bool, now: Duration) -> Vec<Order> {
        self.plays += 1;
        if say.is_empty() {
            self.played(self.plays, now)
        } else {
            vec![Order::Play { play: self.plays, say, interruptible }]
        }
    }
}
