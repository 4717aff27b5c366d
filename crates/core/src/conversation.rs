//! Session and player joined: one caller on a line whose timers are ours (SIP).
//!
//! It is told what happened on the line and says, in order, what to keep and what to do.

use std::sync::Arc;
use std::time::Duration;

use crate::key::Key;
use crate::player::{Order, Player};
use crate::session::Session;
use crate::survey::Survey;
use crate::turn::{Effect, Ending, Heard, Turn, What};

/// A caller on the line, in the middle of a survey.
#[derive(Debug, Clone)]
pub struct Conversation {
    survey: Arc<Survey>,
    session: Session,
    player: Player,
}

/// What comes of something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Keep this.
    Keep(Effect),
    /// Do this.
    Do(Order),
}

impl Conversation {
    /// A caller who has heard nothing yet. `session` is a fresh one of this survey.
    #[must_use]
    pub fn new(survey: Arc<Survey>, session: Session) -> Self {
        Self { survey, session, player: Player::default() }
    }

    /// Sound flows: the survey begins. A second start changes nothing.
    pub fn start(&mut self, now: Duration) -> Vec<Outcome> {
        self.hear(Heard { turn: 0, what: What::Start }, now)
    }

    /// The caller pressed a key.
    pub fn key(&mut self, key: Key, now: Duration) -> Vec<Outcome> {
        let orders = self.player.key(key);
        self.settle(orders, now)
    }

    /// The prompt of this number was played to its end.
    pub fn played(&mut self, play: u32, now: Duration) -> Vec<Outcome> {
        let orders = self.player.played(play, now);
        self.settle(orders, now)
    }

    /// A recording ended; no reference: nothing was said.
    pub fn recorded(&mut self, reference: Option<String>, seconds: u32, now: Duration) -> Vec<Outcome> {
        let orders = self.player.recorded(reference, seconds);
        self.settle(orders, now)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Outcome> {
        let orders = self.player.tick(now);
        self.settle(orders, now)
    }

    /// The caller cannot hear us (RFC 3264, 8.4): nothing is played and no time runs.
    pub fn hold(&mut self) -> Vec<Outcome> {
        self.player.hold().into_iter().map(Outcome::Do).collect()
    }

    /// The caller is back and hears the present prompt from its beginning.
    pub fn resume(&mut self, now: Duration) -> Vec<Outcome> {
        let present = self.session.present(&self.survey);
        let orders = self.player.resume(present, now);
        self.settle(orders, now)
    }

    /// Something else happened in the present turn: a webhook's answer, a hang-up, a failure.
    pub fn tell(&mut self, what: What, now: Duration) -> Vec<Outcome> {
        let order = self.player.hear(what);
        self.settle(vec![order], now)
    }

    /// When [`Conversation::tick`] is next wanted.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.player.deadline()
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.session.ending()
    }

    /// The session, to be put down or looked at.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The id of the step the caller is at, while they are at one.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.session.step(&self.survey)
    }

    /// Hears one thing as it is, whatever turn it names: for doors whose peer numbers the turns.
    pub fn hear(&mut self, heard: Heard, now: Duration) -> Vec<Outcome> {
        self.settle(vec![Order::Hear(heard)], now)
    }

    /// Lets the session hear what the player wants it to hear, until only work for the door is left.
    /// A turn is answered at once by at most the keys that were kept, so this ends.
    fn settle(&mut self, orders: Vec<Order>, now: Duration) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut queue = std::collections::VecDeque::from(orders);
        while let Some(order) = queue.pop_front() {
            match order {
                Order::Hear(heard) => {
                    let turn = self.session_hears(heard, &mut outcomes);
                    for order in self.player.turn(turn, now).into_iter().rev() {
                        queue.push_front(order);
                    }
                }
                order => outcomes.push(Outcome::Do(order)),
            }
        }
        outcomes
    }

    fn session_hears(&mut self, heard: Heard, outcomes: &mut Vec<Outcome>) -> Turn {
        let session = self.session.clone();
        let (session, turn, effects) = session.hear(heard, &self.survey);
        self.session = session;
        outcomes.extend(effects.into_iter().map(Outcome::Keep));
        turn
    }
}
