//! One caller going through one survey once: a value that hears things and takes turns.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::answer::{self, Given, Typed};
use crate::ids::{Language, SurveyName};
use crate::key::Key;
use crate::score::Score;
use crate::survey::Survey;
use crate::survey::model::{Arm, At, Does, Goto, Kind, Question, Subject, Test};
use crate::turn::{Answer, Effect, Ending, Heard, OfferState, Turn, What};

/// A session of more turns than this is not a conversation but a stuck key: 20 questions of
/// 10 attempts each fit.
pub const TURNS_MAX: u32 = 200;

/// A session. It can be put down as JSON between two requests and taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub(crate) survey: SurveyName,
    pub(crate) version: u32,
    pub(crate) language: Language,
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) answers: BTreeMap<String, Answered>,
    /// Questions whose attempts were used up.
    missed: BTreeSet<At>,
    /// Questions put to the caller, in order; going back takes from the end.
    asked: Vec<At>,
    pub(crate) state: State,
    pub(crate) turn: u32,
}

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The last key pressed, where keys were.
    pub key: Option<Key>,
    /// The score, where the question has one.
    pub score: Option<Score>,
    /// The answer in words.
    pub value: String,
}

/// Where the conversation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum State {
    Fresh,
    Asking { step: At, attempt: u8, lead: Lead },
    Saying { step: At },
    Confirming { step: At },
    Recording { step: At },
    Waiting { step: At },
    Done(Ending),
}

/// What precedes the question in this turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Lead {
    /// Nothing: the question alone.
    Question,
    /// "That key is not one of the choices."
    Invalid,
    /// "We did not hear a key."
    Silence,
    /// Not even the question: these keys of one answer were typed already.
    Typed(Typed),
}

impl Session {
    /// A session that has heard nothing yet.
    #[must_use]
    pub fn new(survey: &Survey, asked: Option<&Language>, variables: BTreeMap<String, String>) -> Self {
        Self {
            survey: survey.name().clone(),
            version: survey.version(),
            language: survey.spoken(asked).clone(),
            variables,
            answers: BTreeMap::new(),
            missed: BTreeSet::new(),
            asked: Vec::new(),
            state: State::Fresh,
            turn: 0,
        }
    }

    /// The language it is conducted in.
    #[must_use]
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// What was answered so far, by question.
    #[must_use]
    pub fn answers(&self) -> &BTreeMap<String, Answered> {
        &self.answers
    }

    /// The id of the step it is at, while it is at one.
    #[must_use]
    pub fn step<'s>(&self, survey: &'s Survey) -> Option<&'s str> {
        let at = match self.state {
            State::Fresh | State::Done(_) => return None,
            State::Asking { step, .. } => step,
            State::Saying { step }
            | State::Confirming { step }
            | State::Recording { step }
            | State::Waiting { step } => step,
        };
        survey.step(at).map(|step| step.id.as_str())
    }

    /// How it ended, once it has.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            State::Done(ending) => Some(ending),
            _ => None,
        }
    }

    /// Hears one thing and says what to do next and what to keep.
    ///
    /// A stale thing (another turn's) changes nothing and gets the present turn again, as does
    /// everything heard after the end. A hang-up and a failure are heard in any turn.
    /// `survey` is the one the session began with.
    #[must_use]
    pub fn hear(mut self, heard: Heard, survey: &Survey) -> (Self, Turn, Vec<Effect>) {
        let before = self.turn;
        let mut effects = Vec::new();
        let ends = matches!(heard.what, What::Hangup | What::Failed { .. });
        if self.ending().is_none() && (heard.turn == before || ends) {
            self.take(heard.what, survey, &mut effects);
        }
        let turn = self.present(survey);
        (self, turn, effects)
    }

    /// The turn that is being waited for.
    #[must_use]
    pub fn present(&self, survey: &Survey) -> Turn {
        Turn { number: self.turn, act: answer::act(self, survey) }
    }

    fn take(&mut self, what: What, survey: &Survey, effects: &mut Vec<Effect>) {
        match (self.state.clone(), what) {
            (_, What::Hangup) => self.hung_up(survey, effects),
            (_, What::Failed { reason }) => self.failed(reason, survey, effects),
            (State::Fresh, What::Start) => {
                effects.push(Effect::Started);
                self.go(Goto::Step(0), survey, effects);
            }
            (State::Saying { step }, What::Played | What::Silence) => self.go_on(step, survey, effects),
            (State::Saying { step }, What::Key { key }) => self.cut(step, key, survey, effects),
            (State::Asking { step, attempt, lead }, What::Key { key }) => {
                self.pressed(step, attempt, lead, key, survey, effects);
            }
            (State::Asking { step, attempt, lead }, What::Silence) => {
                self.silent(step, attempt, lead, survey, effects);
            }
            (State::Confirming { step }, What::Key { key }) => self.confirm_key(step, key, survey, effects),
            (State::Confirming { step }, What::Silence) => self.go_on(step, survey, effects),
            (State::Confirming { step }, What::Played) if !answer::can_change(survey, step) => {
                self.go_on(step, survey, effects);
            }
            (State::Recording { step }, What::Recorded { reference, .. }) => {
                let given = Given { key: None, score: None, value: reference };
                self.answered(step, given, next_of(survey, step), survey, effects);
            }
            (State::Recording { step }, What::Silence) => self.go_on(step, survey, effects),
            (State::Waiting { step }, What::Answered { outcome }) => {
                if let Some(waiting) = survey.step(step) {
                    self.variables.insert(waiting.id.clone(), outcome);
                }
                self.go_on(step, survey, effects);
            }
            // Anything else means nothing in this state: a prompt's end during a question, a second start.
            _ => {}
        }
    }

    /// A key cut a prompt: it counts for what follows, if it means something there.
    fn cut(&mut self, step: At, key: Key, survey: &Survey, effects: &mut Vec<Effect>) {
        let interruptible =
            survey.step(step).is_some_and(|step| matches!(step.does, Does::Say { interruptible: true, .. }));
        if !interruptible {
            return;
        }
        self.go_on(step, survey, effects);
        if let State::Asking { step, attempt, lead } = self.state.clone()
            && survey.question(step).is_some_and(|(_, question)| question.keys().contains(&key))
        {
            self.pressed(step, attempt, lead, key, survey, effects);
        }
    }

    fn pressed(
        &mut self,
        at: At,
        attempt: u8,
        lead: Lead,
        key: Key,
        survey: &Survey,
        effects: &mut Vec<Effect>,
    ) {
        let Some((step, question)) = survey.question(at) else { return };
        if key == question.repeat {
            self.ask_again(at, attempt, Lead::Question, survey, effects);
        } else if Some(key) == question.back {
            self.back(at, attempt, survey, effects);
        } else if Some(key) == question.skip {
            self.go(step.next, survey, effects);
        } else {
            let typed = if let Lead::Typed(typed) = lead { typed } else { Typed::default() };
            match answer::hear_key(question, typed, key) {
                answer::Progress::Given(given) => self.given(at, question, given, step.next, survey, effects),
                answer::Progress::More(typed) => {
                    self.ask_again(at, attempt, Lead::Typed(typed), survey, effects)
                }
                answer::Progress::Invalid => {
                    self.tried(at, attempt, question, Lead::Invalid, survey, effects)
                }
            }
        }
    }

    fn silent(&mut self, at: At, attempt: u8, lead: Lead, survey: &Survey, effects: &mut Vec<Effect>) {
        let Some((step, question)) = survey.question(at) else { return };
        match lead {
            Lead::Typed(typed) => match answer::hear_end(question, &typed) {
                Some(given) => self.given(at, question, given, step.next, survey, effects),
                None => self.tried(at, attempt, question, Lead::Invalid, survey, effects),
            },
            _ => self.tried(at, attempt, question, Lead::Silence, survey, effects),
        }
    }

    /// An attempt was used.
    fn tried(
        &mut self,
        at: At,
        attempt: u8,
        question: &Question,
        lead: Lead,
        survey: &Survey,
        effects: &mut Vec<Effect>,
    ) {
        if attempt < question.attempts {
            self.ask_again(at, attempt + 1, lead, survey, effects);
            return;
        }
        if self.has_answer(at, survey) {
            // Asked again and not answered again: what was said before stands.
            return self.go_on(at, survey, effects);
        }
        self.missed.insert(at);
        self.go(question.otherwise, survey, effects);
    }

    fn ask_again(&mut self, step: At, attempt: u8, lead: Lead, survey: &Survey, effects: &mut Vec<Effect>) {
        self.enter(State::Asking { step, attempt, lead }, survey, effects);
    }

    /// One question back; at the first question the same again.
    fn back(&mut self, at: At, attempt: u8, survey: &Survey, effects: &mut Vec<Effect>) {
        self.asked.pop();
        match self.asked.last() {
            Some(&before) => self.ask_again(before, 1, Lead::Question, survey, effects),
            None => {
                self.asked.push(at);
                self.ask_again(at, attempt, Lead::Question, survey, effects);
            }
        }
    }

    fn given(
        &mut self,
        at: At,
        question: &Question,
        given: Given,
        next: Goto,
        survey: &Survey,
        effects: &mut Vec<Effect>,
    ) {
        let declined =
            matches!(question.kind, Kind::YesNo { decline: true, .. }) && given.value == answer::NO;
        let next = if declined { question.otherwise } else { next };
        self.answered(at, given, next, survey, effects);
    }

    fn answered(&mut self, at: At, given: Given, next: Goto, survey: &Survey, effects: &mut Vec<Effect>) {
        let Some(step) = survey.step(at) else { return };
        let main = survey.question(at).is_some_and(|(_, question)| question.main);
        let question = step.id.clone();
        let answer = Answered { key: given.key, score: given.score, value: given.value };
        self.missed.remove(&at);
        let before = self.answers.insert(question.clone(), answer.clone());
        let state = self.standing(self.ahead(next, survey), survey).unwrap_or(OfferState::Started);
        let same = before.as_ref() == Some(&answer);
        let Answered { key, score, value } = answer;
        let answer = Answer { question, key, score, value, main, state };
        match before {
            None => effects.push(Effect::Answer(answer)),
            Some(_) if !same => effects.push(Effect::Amended(answer)),
            Some(_) => {}
        }
        self.go(next, survey, effects);
    }

    fn confirm_key(&mut self, at: At, key: Key, survey: &Survey, effects: &mut Vec<Effect>) {
        let Some(step) = survey.step(at) else { return };
        let Does::Confirm(confirmation) = &step.does else { return };
        match confirmation.change {
            None if !confirmation.interruptible => {}
            Some(change) if change == key => {
                let before = self.asked.iter().position(|&asked| asked == confirmation.of);
                self.asked.truncate(before.unwrap_or(self.asked.len()));
                self.asked.push(confirmation.of);
                self.ask_again(confirmation.of, 1, Lead::Question, survey, effects);
            }
            _ if answer::repeat_key(survey, confirmation) == Some(key) => {
                self.enter(State::Confirming { step: at }, survey, effects);
            }
            // Any other key says that the answer stands.
            _ => self.go(step.next, survey, effects),
        }
    }

    fn go_on(&mut self, at: At, survey: &Survey, effects: &mut Vec<Effect>) {
        self.go(next_of(survey, at), survey, effects);
    }

    /// On to the next step that takes a turn. Branches lead only onwards, so this ends.
    fn go(&mut self, mut goto: Goto, survey: &Survey, effects: &mut Vec<Effect>) {
        loop {
            let Goto::Step(at) = goto else { return self.end(survey, effects) };
            let Some(step) = survey.step(at) else { return self.end(survey, effects) };
            let state = match &step.does {
                Does::Branch(arms) => {
                    goto = self.branch(arms).unwrap_or(step.next);
                    continue;
                }
                Does::Confirm(confirmation) if !self.has_answer(confirmation.of, survey) => {
                    goto = step.next;
                    continue;
                }
                Does::Say { say, .. } if say.is_empty() => {
                    goto = step.next;
                    continue;
                }
                Does::Say { .. } => State::Saying { step: at },
                Does::Confirm(_) => State::Confirming { step: at },
                Does::Record(_) => State::Recording { step: at },
                Does::Webhook { .. } | Does::Transfer { .. } => State::Waiting { step: at },
                Does::Ask(_) => {
                    self.asked.push(at);
                    State::Asking { step: at, attempt: 1, lead: Lead::Question }
                }
            };
            return self.enter(state, survey, effects);
        }
    }

    fn enter(&mut self, state: State, survey: &Survey, effects: &mut Vec<Effect>) {
        if self.turn >= TURNS_MAX {
            return self.failed("too_many_turns".to_owned(), survey, effects);
        }
        self.turn += 1;
        self.state = state;
    }

    fn branch(&self, arms: &[Arm]) -> Option<Goto> {
        arms.iter().find(|arm| self.holds(arm)).map(|arm| arm.goto)
    }

    fn holds(&self, arm: &Arm) -> bool {
        let (word, score) = match &arm.subject {
            Subject::Variable(name) => (self.variables.get(name).cloned(), None),
            Subject::Answer(name) => {
                let answer = self.answers.get(name);
                let score = answer.and_then(|answer| answer.score).map(|score| i64::from(score.get()));
                (answer.map(|answer| answer.value.clone()), score)
            }
        };
        let number = score.or_else(|| word.as_deref().and_then(answer::whole_number));
        match &arm.test {
            Test::Given(given) => word.is_some() == *given,
            Test::AtLeast(least) => number.is_some_and(|number| number >= *least),
            Test::AtMost(most) => number.is_some_and(|number| number <= *most),
            // A score may be named by its number; of what was typed every digit counts, noughts in front too.
            Test::OneOf(words) => words.iter().any(|wanted| {
                word.as_ref() == Some(wanted) || (score.is_some() && wanted.parse().ok() == score)
            }),
        }
    }

    fn has_answer(&self, at: At, survey: &Survey) -> bool {
        survey.step(at).is_some_and(|step| self.answers.contains_key(&step.id))
    }

    /// Whether the caller, as things stand, would be asked something from here on.
    fn ahead(&self, mut goto: Goto, survey: &Survey) -> bool {
        while let Goto::Step(at) = goto
            && let Some(step) = survey.step(at)
        {
            goto = match &step.does {
                Does::Ask(_) | Does::Record(_) => return true,
                Does::Branch(arms) => self.branch(arms).unwrap_or(step.next),
                _ => step.next,
            };
        }
        false
    }

    /// Whether a question is still open where the conversation is.
    fn open(&self, survey: &Survey) -> bool {
        match self.state {
            State::Fresh => true,
            State::Asking { step, .. } | State::Recording { step } => {
                !self.has_answer(step, survey) || self.ahead(next_of(survey, step), survey)
            }
            State::Saying { step } | State::Confirming { step } | State::Waiting { step } => {
                self.ahead(next_of(survey, step), survey)
            }
            State::Done(_) => false,
        }
    }

    /// The funnel state by what was answered; none where nothing was answered, missed or skipped.
    fn standing(&self, open: bool, survey: &Survey) -> Option<OfferState> {
        let consent = |at: &At| {
            survey
                .question(*at)
                .is_some_and(|(_, question)| matches!(question.kind, Kind::YesNo { decline: true, .. }))
        };
        let consents: Vec<&str> = self
            .asked
            .iter()
            .filter(|at| consent(at))
            .filter_map(|at| survey.step(*at))
            .map(|step| step.id.as_str())
            .collect();
        let refused = |id: &&str| self.answers.get(*id).is_some_and(|answer| answer.value == answer::NO);
        let answered = self.answers.keys().any(|id| !consents.contains(&id.as_str()));
        // Who refuses more after an answer has skipped the rest on purpose.
        if !answered && consents.iter().any(refused) {
            return Some(OfferState::Declined);
        }
        match (answered, self.missed.is_empty(), open) {
            (true, true, false) => Some(OfferState::Completed),
            (true, _, _) => Some(OfferState::Partial),
            (false, false, false) => Some(OfferState::NoInput),
            (false, true, false) => Some(OfferState::Completed),
            (false, _, true) => None,
        }
    }

    fn end(&mut self, survey: &Survey, effects: &mut Vec<Effect>) {
        let state = self.standing(false, survey).unwrap_or(OfferState::Completed);
        let reason = (state == OfferState::Partial).then(|| "no_input".to_owned());
        self.done(Ending { state, reason }, effects);
    }

    fn hung_up(&mut self, survey: &Survey, effects: &mut Vec<Effect>) {
        let state = self.standing(self.open(survey), survey).unwrap_or(OfferState::Abandoned);
        let reason = (state == OfferState::Partial).then(|| "hangup".to_owned());
        self.done(Ending { state, reason }, effects);
    }

    fn failed(&mut self, reason: String, survey: &Survey, effects: &mut Vec<Effect>) {
        let settled = match self.standing(self.open(survey), survey) {
            Some(OfferState::Partial) | None => OfferState::Failed,
            Some(settled) => settled,
        };
        self.done(Ending { state: settled, reason: Some(reason) }, effects);
    }

    fn done(&mut self, ending: Ending, effects: &mut Vec<Effect>) {
        self.turn += 1;
        effects.push(Effect::Ended(ending.clone()));
        self.state = State::Done(ending);
    }
}

fn next_of(survey: &Survey, at: At) -> Goto {
    survey.step(at).map_or(Goto::End, |step| step.next)
}
