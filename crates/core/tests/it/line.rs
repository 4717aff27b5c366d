//! A telephone line without a telephone: player and session joined as the SIP door joins them,
//! with a clock that moves when the script says so.

use std::collections::BTreeMap;
use std::time::Duration;

use aftercall_core::survey::{self, Library};
use aftercall_core::{Effect, Heard, Key, Order, Player, Session, Survey, SurveyName, What};

pub struct Line {
    survey: Survey,
    session: Session,
    player: Player,
    now: Duration,
    playing: Option<u32>,
    last: Option<Heard>,
    /// What was kept.
    pub effects: Vec<Effect>,
    /// The prompts that began, by name; `cut` where a key ended one.
    pub heard: Vec<String>,
    /// How many turns the door was given.
    pub turns: u32,
    pub hung_up: bool,
}

impl Line {
    pub fn new(survey: Survey) -> Self {
        let variables = BTreeMap::from([("queue".to_owned(), "sales".to_owned())]);
        let session = Session::new(&survey, None, variables);
        Self {
            survey,
            session,
            player: Player::default(),
            now: Duration::ZERO,
            playing: None,
            last: None,
            effects: Vec::new(),
            heard: Vec::new(),
            turns: 0,
            hung_up: false,
        }
    }

    pub fn start(&mut self) {
        self.hear(Heard { turn: 0, what: What::Start });
    }

    /// Plays a script: `p` the prompt ends, keys, `~` silence, `x` hang-up, `=` the last message
    /// again, `r` something was recorded, `o` a webhook or transfer says ok. Blanks mean nothing.
    pub fn play(&mut self, script: &str) -> &mut Self {
        for c in script.chars().filter(|c| *c != ' ') {
            match c {
                'p' => self.prompt_ends(),
                '~' => self.silence(),
                'x' => self.tell(What::Hangup),
                '=' => {
                    if let Some(last) = self.last.clone() {
                        self.hear(last);
                    }
                }
                'r' => self.recorded(),
                'o' => self.tell(What::Answered { outcome: "ok".to_owned() }),
                key => {
                    let orders = self.player.key(Key::try_from(key).unwrap());
                    self.obey(orders);
                }
            }
        }
        self
    }

    /// Lets every prompt end by itself until a key is waited for or the call is over.
    pub fn rest(&mut self) -> &mut Self {
        while self.playing.is_some() && !self.hung_up {
            self.prompt_ends();
        }
        self
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    fn prompt_ends(&mut self) {
        if let Some(play) = self.playing.take() {
            let orders = self.player.played(play, self.now);
            self.obey(orders);
        }
    }

    fn silence(&mut self) {
        if let Some(deadline) = self.player.deadline() {
            let early = self.player.tick(deadline.saturating_sub(Duration::from_millis(1)));
            assert_eq!(early, [], "a deadline is not a moment early");
            self.now = deadline;
            let orders = self.player.tick(deadline);
            self.obey(orders);
        }
    }

    fn recorded(&mut self) {
        let orders = self.player.recorded(Some("comment.wav".to_owned()), 3);
        self.obey(orders);
    }

    fn tell(&mut self, what: What) {
        let Order::Hear(heard) = self.player.hear(what) else { unreachable!() };
        self.hear(heard);
    }

    fn hear(&mut self, heard: Heard) {
        self.last = Some(heard.clone());
        // Through JSON each time: a session is put down between requests by some doors.
        let put_down = serde_json::to_string(&self.session).unwrap();
        let session: Session = serde_json::from_str(&put_down).unwrap();
        let (session, turn, effects) = session.hear(heard, &self.survey);
        self.session = session;
        self.effects.extend(effects);
        self.turns = turn.number;
        let orders = self.player.turn(turn, self.now);
        self.obey(orders);
    }

    fn obey(&mut self, orders: Vec<Order>) {
        for order in orders {
            match order {
                Order::Play { play, say } => {
                    self.playing = Some(play);
                    self.heard.extend(say.into_iter().map(|spoken| spoken.piece.name));
                }
                Order::Stop => {
                    self.playing = None;
                    self.heard.push("cut".to_owned());
                }
                Order::Hear(heard) => self.hear(heard),
                Order::HangUp(_) => self.hung_up = true,
                Order::Record { .. } => self.heard.push("record".to_owned()),
                Order::StopRecording => self.recorded(),
                Order::Webhook { step, .. } => self.heard.push(format!("webhook {step}")),
                Order::Transfer { target } => self.heard.push(format!("transfer {target}")),
            }
        }
    }

    /// What was kept, in words: `5 completed`, `1 then 5 completed`, `- abandoned`.
    pub fn record(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for effect in &self.effects {
            match effect {
                Effect::Started => {}
                Effect::Answer { score, value, .. } => {
                    words.push(score.map_or_else(|| format!("\"{value}\""), |score| score.get().to_string()));
                }
                Effect::Amended { score, value, .. } => {
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
