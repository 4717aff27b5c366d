//! A telephone line without a telephone: player and session joined as the SIP door joins them,
//! with a clock that moves when the script says so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aftercall_core::session::TURNS_MAX;
use aftercall_core::survey::{self, Library};
use aftercall_core::{
    Act, Answer, Conversation, Effect, Ending, Heard, Key, Order, Outcome, Session, Survey, SurveyName, What,
};

pub struct Line {
    survey: Arc<Survey>,
    conversation: Conversation,
    now: Duration,
    playing: Option<u32>,
    last: Heard,
    /// What was kept.
    pub effects: Vec<Effect>,
    /// The prompts that began, by name; `cut` where a key ended one.
    pub heard: Vec<String>,
    pub hung_up: bool,
}

impl Line {
    pub fn new(survey: Survey) -> Self {
        let variables = BTreeMap::from([("queue".to_owned(), "sales".to_owned())]);
        let survey = Arc::new(survey);
        let session = Session::new(&survey, None, variables);
        Self {
            conversation: Conversation::new(Arc::clone(&survey), session),
            survey,
            now: Duration::ZERO,
            playing: None,
            last: Heard { turn: 0, what: What::Start },
            effects: Vec::new(),
            heard: Vec::new(),
            hung_up: false,
        }
    }

    pub fn start(&mut self) {
        let outcomes = self.conversation.start(self.now);
        self.obey(outcomes);
    }

    /// Plays a script: `p` the prompt ends, keys, `~` silence, `x` hang-up, `=` the last message
    /// again, `r` something was recorded, `n` nothing was said, `o` a webhook or transfer says ok,
    /// `h` hold, `b` back, `f` the sound failed. Blanks mean nothing.
    pub fn play(&mut self, script: &str) -> &mut Self {
        for c in script.chars().filter(|c| *c != ' ') {
            let turn = self.turn();
            let what = match c {
                '=' => {
                    let outcomes = self.conversation.hear(self.last.clone(), self.now);
                    self.obey(outcomes);
                    continue;
                }
                'h' | 'b' => {
                    let outcomes =
                        if c == 'h' { self.conversation.hold() } else { self.conversation.resume(self.now) };
                    self.obey(outcomes);
                    continue;
                }
                'p' => self.prompt_ends(),
                '~' => self.silence(),
                'r' => self.recorded(),
                'n' => self.nothing_said(),
                'f' => self.tell(What::Failed { reason: "rtp_timeout".to_owned() }),
                'x' => self.tell(What::Hangup),
                'o' => self.tell(What::Answered { outcome: "ok".to_owned() }),
                key => self.key(Key::try_from(key).unwrap()),
            };
            // A retry is of what was heard: a thing that the player kept to itself was never sent.
            if self.turn() != turn {
                self.last = Heard { turn, what };
            }
        }
        self
    }

    /// Lets every prompt end by itself until a key is waited for or the call is over.
    pub fn rest(&mut self) -> &mut Self {
        for _ in 0..=TURNS_MAX {
            if self.playing.is_none() || self.hung_up {
                return self;
            }
            self.prompt_ends();
        }
        panic!("prompts without end: {:?}", self.heard);
    }

    pub fn session(&self) -> &Session {
        self.conversation.session()
    }

    pub fn turn(&self) -> u32 {
        self.session().present(&self.survey).number
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.conversation.ending()
    }

    /// The id of the step the caller is at; nothing before and after.
    pub fn step(&self) -> &str {
        self.conversation.step().unwrap_or_default()
    }

    /// What the door is to do in the present turn.
    pub fn act(&self) -> Act {
        self.session().present(&self.survey).act
    }

    fn prompt_ends(&mut self) -> What {
        if let Some(play) = self.playing.take() {
            let outcomes = self.conversation.played(play, self.now);
            self.obey(outcomes);
        }
        What::Played
    }

    fn key(&mut self, key: Key) -> What {
        let outcomes = self.conversation.key(key, self.now);
        self.obey(outcomes);
        What::Key { key }
    }

    fn silence(&mut self) -> What {
        if let Some(deadline) = self.conversation.deadline() {
            let early = self.conversation.tick(deadline.saturating_sub(Duration::from_millis(1)));
            assert_eq!(early, [], "a deadline is not a moment early");
            self.now = deadline;
            let outcomes = self.conversation.tick(deadline);
            self.obey(outcomes);
        }
        What::Silence
    }

    fn recorded(&mut self) -> What {
        let outcomes = self.conversation.recorded(Some("comment.wav".to_owned()), 3, self.now);
        self.obey(outcomes);
        What::Recorded { reference: "comment.wav".to_owned(), seconds: 3 }
    }

    fn nothing_said(&mut self) -> What {
        let outcomes = self.conversation.recorded(None, 0, self.now);
        self.obey(outcomes);
        What::Silence
    }

    fn tell(&mut self, what: What) -> What {
        let outcomes = self.conversation.tell(what.clone(), self.now);
        self.obey(outcomes);
        what
    }

    fn obey(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Keep(effect) => self.effects.push(effect),
                Outcome::Do(order) => self.carry_out(order),
            }
        }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Play { play, say, .. } => {
                self.playing = Some(play);
                self.heard.extend(say.into_iter().map(|spoken| spoken.piece.name));
            }
            Order::Stop => {
                self.playing = None;
                self.heard.push("cut".to_owned());
            }
            Order::HangUp(_) => self.hung_up = true,
            Order::Record { .. } => self.heard.push("record".to_owned()),
            Order::StopRecording => {
                self.heard.push("recorded".to_owned());
                self.recorded();
            }
            Order::Webhook { step, .. } => self.heard.push(format!("webhook {step}")),
            Order::Transfer { target } => self.heard.push(format!("transfer {target}")),
            Order::Hear(heard) => unreachable!("a conversation hears for itself: {heard:?}"),
        }
    }

    /// What was kept, in words: `5 completed`, `1 then 5 completed`, `- abandoned`.
    pub fn record(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for effect in &self.effects {
            match effect {
                Effect::Started => {}
                Effect::Answer(Answer { score, value, .. }) => {
                    words.push(score.map_or_else(|| format!("\"{value}\""), |score| score.get().to_string()));
                }
                Effect::Amended(Answer { score, value, .. }) => {
                    words.push("then".to_owned());
                    words.push(score.map_or_else(|| format!("\"{value}\""), |score| score.get().to_string()));
                }
                Effect::Ended(ending) => {
                    if words.is_empty() {
                        words.push("-".to_owned());
                    }
                    words.push(ending.state.word().to_owned());
                }
            }
        }
        words.join(" ")
    }

    /// How often this prompt was said.
    pub fn said(&self, prompt: &str) -> usize {
        self.heard.iter().filter(|name| *name == prompt).count()
    }
}

/// A call of this script, from its first prompt.
pub fn call(survey: Survey, script: &str) -> Line {
    let mut line = Line::new(survey);
    line.start();
    line.play(script).rest();
    line
}

/// A survey from its text; the test fails with its faults.
pub fn survey(source: &str) -> Survey {
    let name = SurveyName::new("test").unwrap();
    match survey::read_toml(&name, source, Library::built_in()) {
        Ok((survey, advice)) => {
            assert_eq!(advice, [], "no advice on a test's survey");
            survey
        }
        Err(faults) => panic!("{faults:#?}"),
    }
}
