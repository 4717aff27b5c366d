use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aftercall_core::player::KEYS_KEPT_MAX;
use aftercall_core::session::TURNS_MAX;
use aftercall_core::{
    Answer, Conversation, Effect, Ending, Heard, Key, OfferState, Order, Outcome, Session, Survey, What,
};

use super::input::Input;

/// What one thing that happens may lead to: each kept key answers a turn, and each turn keeps at most two things and
/// orders two.
const OUTCOMES_MAX: usize = 4 * (KEYS_KEPT_MAX + 2);

/// A call that obeys its conversation and checks, at every moment, that its story makes sense.
pub struct Call {
    survey: Arc<Survey>,
    conversation: Conversation,
    now: Duration,
    play: u32,
    playing: bool,
    recording: bool,
    waiting: bool,
    turn: u32,
    started: bool,
    answered: BTreeMap<String, bool>,
    standing: Option<OfferState>,
    ended: Option<Ending>,
    last: Heard,
}

impl Call {
    pub fn new(survey: Arc<Survey>) -> Self {
        let variables = BTreeMap::from([("queue".to_owned(), "sales".to_owned())]);
        let session = Session::new(&survey, None, variables);
        Self {
            conversation: Conversation::new(Arc::clone(&survey), session),
            survey,
            now: Duration::ZERO,
            play: 0,
            playing: false,
            recording: false,
            waiting: false,
            turn: 0,
            started: false,
            answered: BTreeMap::new(),
            standing: None,
            ended: None,
            last: Heard { turn: 0, what: What::Start },
        }
    }

    pub fn start(&mut self) {
        let outcomes = self.conversation.start(self.now);
        self.obey(outcomes);
    }

    /// One thing happens, by the next bytes.
    pub fn happens(&mut self, input: &mut Input<'_>) {
        let turn = self.conversation.session().present(&self.survey).number;
        let outcomes = match input.byte() {
            16..=47 => self.conversation.played(self.play, self.now),
            48 => self.conversation.played(self.play.wrapping_sub(1), self.now),
            49..=69 => self.silence(),
            70 => {
                self.now += Duration::from_millis(u64::from(input.byte()) * 10);
                self.conversation.tick(self.now)
            }
            71..=79 => self.conversation.recorded(Some("comment".to_owned()), 3, self.now),
            80 => self.conversation.recorded(None, 0, self.now),
            81 => self.conversation.hold(),
            82 => self.conversation.resume(self.now),
            83..=89 => self.tell("ok"),
            90 => self.tell("failed"),
            91 => self.conversation.hear(self.last.clone(), self.now),
            92 => {
                let turn = u32::from(input.byte());
                let what =
                    if turn.is_multiple_of(2) { What::Silence } else { What::Key { key: key(input.byte()) } };
                self.conversation.hear(Heard { turn, what }, self.now)
            }
            93 => self.conversation.tell(What::Played, self.now),
            94 => self.conversation.tell(What::Silence, self.now),
            95 => self.conversation.tell(What::Failed { reason: "rtp_timeout".to_owned() }, self.now),
            96 => self.conversation.tell(What::Hangup, self.now),
            97..=99 => self.conversation.start(self.now),
            100..=104 => return self.is_put_down_and_taken_up(),
            105 => self.conversation.tell(What::Key { key: key(input.byte()) }, self.now),
            byte => {
                let key = key(byte);
                self.last = Heard { turn, what: What::Key { key } };
                self.conversation.key(key, self.now)
            }
        };
        self.obey(outcomes);
    }

    /// The caller presses these keys in turn, or none, and lets everything else take its course.
    pub fn goes_on_to_its_end(&mut self, keys: &str) {
        let mut keys = keys.chars().cycle();
        let outcomes = self.conversation.resume(self.now);
        self.obey(outcomes);
        // A turn takes a prompt's end, a key or silence, or what was recorded or waited for; a digit of an answer is a
        // turn, too.
        for _ in 0..=3 * (TURNS_MAX + 2) {
            if self.ended.is_some() {
                return;
            }
            let outcomes = if std::mem::take(&mut self.recording) {
                self.conversation.recorded(Some("comment".to_owned()), 3, self.now)
            } else if self.waiting {
                self.tell("ok")
            } else if std::mem::take(&mut self.playing) {
                self.conversation.played(self.play, self.now)
            } else if let Some(key) = keys.next() {
                self.conversation.key(Key::try_from(key).expect("a key"), self.now)
            } else {
                self.silence()
            };
            self.obey(outcomes);
        }
        panic!("it has no end: {:?}", self.conversation.session());
    }

    pub fn hangs_up(&mut self) {
        let outcomes = self.conversation.tell(What::Hangup, self.now);
        self.obey(outcomes);
        assert!(self.ended.is_some(), "who hung up is gone");
        assert_eq!(self.conversation.deadline(), None, "nobody is waited for");
    }

    fn silence(&mut self) -> Vec<Outcome> {
        self.now = self.conversation.deadline().unwrap_or(self.now).max(self.now);
        self.conversation.tick(self.now)
    }

    fn tell(&mut self, outcome: &str) -> Vec<Outcome> {
        self.waiting = false;
        self.conversation.tell(What::Answered { outcome: outcome.to_owned() }, self.now)
    }

    fn is_put_down_and_taken_up(&self) {
        let session = self.conversation.session();
        let json = serde_json::to_string(session).expect("a session is JSON");
        assert_eq!(&serde_json::from_str::<Session>(&json).expect("its JSON is a session"), session);
    }

    fn obey(&mut self, outcomes: Vec<Outcome>) {
        assert!(outcomes.len() <= OUTCOMES_MAX, "{} things at once", outcomes.len());
        for outcome in outcomes {
            match outcome {
                Outcome::Keep(effect) => self.keep(effect),
                Outcome::Do(order) => self.carry_out(order),
            }
        }
        let number = self.conversation.session().present(&self.survey).number;
        assert!((self.turn..=TURNS_MAX + 1).contains(&number), "turn {number} after {}", self.turn);
        self.turn = number;
        assert_eq!(self.conversation.ending(), self.ended.as_ref(), "what was kept is what is so");
        assert!(self.ended.is_none() || self.conversation.deadline().is_none(), "a deadline after the end");
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Play { play, say, .. } => {
                assert!(play > self.play, "a prompt's number was used again");
                assert!(!say.is_empty() && self.ended.is_none());
                (self.play, self.playing, self.recording, self.waiting) = (play, true, false, false);
            }
            Order::Stop => self.playing = false,
            Order::Record { .. } => (self.playing, self.recording) = (false, true),
            Order::StopRecording => {}
            Order::Webhook { .. } | Order::Transfer { .. } => {
                (self.playing, self.recording, self.waiting) = (false, false, true);
            }
            Order::HangUp(ending) => assert_eq!(Some(ending), self.ended, "it is kept before it is done"),
            Order::Hear(heard) => panic!("{heard:?} is the session's own"),
        }
    }

    fn keep(&mut self, effect: Effect) {
        assert!(self.ended.is_none(), "{effect:?} after the end");
        match effect {
            Effect::Started => {
                assert!(!self.started, "started twice");
                self.started = true;
            }
            Effect::Answer(Answer { question, score, main, state, .. }) => {
                assert!(self.started && (!main || score.is_some()), "the rating has a score");
                assert!(self.answered.insert(question, main).is_none(), "answered twice");
                self.standing = Some(state);
            }
            Effect::Amended(Answer { question, main, state, .. }) => {
                assert_eq!(self.answered.get(&question), Some(&main), "amended before it was answered");
                self.standing = Some(state);
            }
            Effect::Ended(ending) => self.end(ending),
        }
    }

    fn end(&mut self, ending: Ending) {
        use OfferState as State;
        assert!(!matches!(ending.state, State::Suppressed | State::Offered | State::Started), "{ending:?}");
        if self.standing == Some(State::Completed) {
            assert_eq!(ending.state, State::Completed, "what an answer promised holds");
        }
        if self.answered.is_empty() {
            assert!(
                !matches!(ending.state, State::Partial | State::Declined),
                "{ending:?} without an answer"
            );
        }
        if self.answered.values().any(|main| *main) {
            assert!(
                matches!(ending.state, State::Partial | State::Completed | State::Failed),
                "{ending:?} with a rating"
            );
        }
        self.ended = Some(ending);
    }
}

fn key(byte: u8) -> Key {
    let all = "0123456789*#ABCD";
    Key::try_from(char::from(all.as_bytes()[usize::from(byte % 16)])).expect("a key")
}
