//! From what an author wrote to a survey that can be conducted: names become indices,
//! defaults are filled in, and everything that is wrong is said, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Language, SurveyName};
use crate::survey::definition::{AskKind, Definition, StepDefinition, StepType};
use crate::survey::fault::{Fault, Pointer, Severity, did_you_mean};
use crate::survey::library::Library;
use crate::survey::model::{At, Confirmation, Does, Goto, Recorder, Step, Survey, Texts, Word};
use crate::survey::{branch, fields, lint, polarity, question, words};

/// A survey of more steps is no phone survey; it keeps indices in 16 bits with room to spare.
pub const STEPS_MAX: usize = 200;

/// The target that ends a survey.
pub(crate) const END: &str = "end";

/// Variables every door may set.
pub const VARIABLES: [&str; 6] = ["agent", "called", "channel", "language", "queue", "skill"];

/// The longest waits an author may ask of a caller.
const SILENCE_MS: std::ops::RangeInclusive<u32> = 500..=60_000;
const WEBHOOK_MS: std::ops::RangeInclusive<u32> = 100..=30_000;
const RECORD_SECONDS: std::ops::RangeInclusive<u16> = 1..=600;

/// What was found: the survey where nothing forbids it, and every fault and advice.
#[derive(Debug)]
pub struct Compiled {
    /// The survey, unless a fault forbids it.
    pub survey: Option<Survey>,
    /// Faults and advice, in the order of the document.
    pub faults: Vec<Fault>,
}

/// Checks a definition and makes a survey of it.
#[must_use]
pub fn compile(name: &SurveyName, definition: Definition, library: &Library) -> Compiled {
    let mut compiler = Compiler::new(definition, library);
    let survey = compiler.survey(name);
    let mut faults = compiler.faults;
    if let Some(survey) = &survey {
        faults.extend(lint::graph(survey));
        faults.extend(polarity::check(survey, library));
    }
    faults.sort();
    let sound = faults.iter().all(|fault| fault.severity == Severity::Advice);
    Compiled { survey: survey.filter(|_| sound), faults }
}

/// The work in progress: what is being read, and the faults found so far.
pub(crate) struct Compiler<'a> {
    pub(crate) definition: Arc<Definition>,
    pub(crate) library: &'a Library,
    pub(crate) ids: BTreeMap<String, At>,
    pub(crate) faults: Vec<Fault>,
    /// Every prompt that is used, with the first place that uses it.
    pub(crate) used: BTreeMap<String, Pointer>,
}

impl<'a> Compiler<'a> {
    fn new(definition: Definition, library: &'a Library) -> Self {
        Self {
            definition: Arc::new(definition),
            library,
            ids: BTreeMap::new(),
            faults: Vec::new(),
            used: BTreeMap::new(),
        }
    }

    pub(crate) fn fault(&mut self, pointer: Pointer, message: impl Into<String>) {
        self.faults.push(Fault::new(pointer, message));
    }

    fn survey(&mut self, name: &SurveyName) -> Option<Survey> {
        let definition = Arc::clone(&self.definition);
        self.ids();
        let main = self.main();
        let mut steps: Vec<Step> = definition
            .step
            .iter()
            .enumerate()
            .map(|(at, step)| self.step(at, step, main.as_deref()))
            .collect();
        self.farewell(&mut steps);
        let (language, languages) = self.languages();
        let texts = self.texts();
        if !self.faults.is_empty() {
            return None;
        }
        Some(Survey {
            name: name.clone(),
            definition,
            language: language?,
            languages,
            steps,
            texts,
            used: self.used.clone(),
        })
    }

    fn ids(&mut self) {
        let definition = Arc::clone(&self.definition);
        let steps = Pointer::root().key("step");
        if definition.step.is_empty() {
            self.fault(steps.clone(), "a survey needs at least one step");
        }
        if definition.step.len() > STEPS_MAX {
            self.fault(steps.clone(), format!("more than {STEPS_MAX} steps: split the survey"));
        }
        for (at, step) in definition.step.iter().enumerate().take(STEPS_MAX) {
            let here = steps.index(at).key("id");
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if step.id.is_empty() || step.id.len() > 64 || !step.id.chars().all(plain) {
                self.fault(here, "a step's id is 1 to 64 letters, digits, \"-\" or \"_\"");
            } else if step.id == END && step.step_type != StepType::End {
                self.fault(here, "\"end\" is the name of the survey's end: call this step otherwise");
            } else if self.ids.insert(step.id.clone(), index(at)).is_some() {
                self.fault(here, format!("another step is called \"{}\" already", step.id));
            }
        }
    }

    fn main(&mut self) -> Option<String> {
        let definition = Arc::clone(&self.definition);
        let ratings: Vec<&str> = definition
            .step
            .iter()
            .filter(|step| step.step_type == StepType::Ask && step.kind == Some(AskKind::Rating))
            .map(|step| step.id.as_str())
            .collect();
        match definition.main.as_deref() {
            Some(main) if !ratings.contains(&main) => {
                let hint = did_you_mean(main, ratings.iter().copied());
                let message = format!("\"{main}\" is not an `ask` of kind `rating` here{hint}");
                self.fault(Pointer::root().key("main"), message);
                None
            }
            Some(main) => Some(main.to_owned()),
            None => ratings.first().map(|&id| id.to_owned()),
        }
    }

    fn step(&mut self, at: usize, step: &StepDefinition, main: Option<&str>) -> Step {
        let here = Pointer::root().key("step").index(at);
        self.faults.extend(fields::strangers(step, &here));
        let following =
            if at + 1 < self.definition.step.len() { Goto::Step(index(at + 1)) } else { Goto::End };
        let mut next = self.target_or(step.next.as_deref(), &here.key("next"), following);
        let does = match step.step_type {
            StepType::Say => {
                self.needs_say(step, &here);
                Does::Say {
                    say: self.words(step, &here, None),
                    interruptible: step.interruptible.unwrap_or(false),
                }
            }
            StepType::End => {
                next = Goto::End;
                Does::Say {
                    say: self.words(step, &here, None),
                    interruptible: step.interruptible.unwrap_or(false),
                }
            }
            StepType::Ask => Does::Ask(Box::new(question::compile(self, step, &here, main))),
            StepType::Confirm => Does::Confirm(self.confirmation(at, step, &here)),
            StepType::Record => Does::Record(self.recorder(step, &here)),
            StepType::Branch => {
                next = self.target_or(step.otherwise.as_deref(), &here.key("otherwise"), following);
                Does::Branch(branch::arms(self, step, &here))
            }
            StepType::Webhook => self.webhook(step, &here),
            StepType::Transfer => {
                let target = step.target.clone().unwrap_or_default();
                if !is_target(&target) {
                    self.fault(
                        here.key("target"),
                        "a transfer needs a `target`: a plain extension, or sip:USER@HOST",
                    );
                }
                Does::Transfer { target }
            }
        };
        Step { id: step.id.clone(), does, next }
    }

    pub(crate) fn needs_say(&mut self, step: &StepDefinition, here: &Pointer) {
        if step.say.is_empty() {
            self.fault(here.clone(), format!("step \"{}\" says nothing: give it `say`", step.id));
        }
    }

    pub(crate) fn words(&mut self, step: &StepDefinition, here: &Pointer, of: Option<At>) -> Vec<Word> {
        words::compile(self, step, here, of)
    }

    pub(crate) fn target_or(&mut self, target: Option<&str>, here: &Pointer, default: Goto) -> Goto {
        match target {
            None => default,
            Some(name) if self.ids.contains_key(name) => Goto::Step(self.ids[name]),
            Some(END) => Goto::End,
            Some(name) => {
                let hint = did_you_mean(name, self.ids.keys().map(String::as_str).chain([END]));
                self.fault(here.clone(), format!("there is no step \"{name}\"{hint}"));
                default
            }
        }
    }

    fn confirmation(&mut self, at: usize, step: &StepDefinition, here: &Pointer) -> Confirmation {
        self.needs_say(step, here);
        let definition = Arc::clone(&self.definition);
        let of = match step.of.as_deref() {
            Some(name) => self.asked(name, &here.key("of")),
            None => {
                let before =
                    definition.step[..at].iter().rposition(|earlier| earlier.step_type == StepType::Ask);
                if before.is_none() {
                    self.fault(here.clone(), "there is no question before this to confirm: name one by `of`");
                }
                before.map(index)
            }
        };
        let change = step.change.unwrap_or(false);
        if !change && step.change_key.is_some() {
            self.fault(here.key("change_key"), "a change key without `change = true` has no effect");
        }
        let key = self.key(step.change_key.as_deref(), &here.key("change_key"), '1');
        Confirmation {
            of: of.unwrap_or_default(),
            say: self.words(step, here, of),
            interruptible: step.interruptible.unwrap_or(change),
            change: key.filter(|_| change),
        }
    }

    /// The index of a question by its name.
    pub(crate) fn asked(&mut self, name: &str, here: &Pointer) -> Option<At> {
        let definition = Arc::clone(&self.definition);
        let asks = || definition.step.iter().enumerate().filter(|(_, step)| step.step_type == StepType::Ask);
        let found = asks().find(|(_, step)| step.id == name).map(|(at, _)| index(at));
        if found.is_none() {
            let hint = did_you_mean(name, asks().map(|(_, step)| step.id.as_str()));
            self.fault(here.clone(), format!("there is no question \"{name}\"{hint}"));
        }
        found
    }

    pub(crate) fn key(&mut self, text: Option<&str>, here: &Pointer, default: char) -> Option<crate::Key> {
        let mut chars = text.map_or_else(|| default.to_string(), str::to_owned);
        let only = chars.pop().filter(|_| chars.is_empty());
        let key = only.and_then(|c| crate::Key::try_from(c).ok());
        if key.is_none() {
            let given = text.unwrap_or_default();
            self.fault(here.clone(), format!("\"{given}\" is not a telephone key: one of 0-9, *, #, A-D"));
        }
        key
    }

    fn recorder(&mut self, step: &StepDefinition, here: &Pointer) -> Recorder {
        self.needs_say(step, here);
        let seconds = step.max_seconds.unwrap_or(60);
        if !RECORD_SECONDS.contains(&seconds) {
            self.fault(here.key("max_seconds"), "a recording lasts 1 to 600 seconds");
        }
        Recorder {
            say: self.words(step, here, None),
            beep: step.beep.unwrap_or(true),
            longest: Duration::from_secs(seconds.into()),
            silence_after: self.silence(step, here, 3_000),
            finish: self
                .key(step.finish_key.as_deref(), &here.key("finish_key"), '#')
                .unwrap_or(crate::Key::POUND),
        }
    }

    pub(crate) fn silence(&mut self, step: &StepDefinition, here: &Pointer, default: u32) -> Duration {
        let ms = step.silence_ms.unwrap_or(default);
        if !SILENCE_MS.contains(&ms) {
            let (least, most) = SILENCE_MS.into_inner();
            self.fault(
                here.key("silence_ms"),
                format!("{ms} ms of silence is out of range: {least} to {most}"),
            );
        }
        Duration::from_millis(ms.into())
    }

    fn webhook(&mut self, step: &StepDefinition, here: &Pointer) -> Does {
        let url = step.url.clone().unwrap_or_default();
        if !is_address(&url) {
            let message = "a webhook needs a `url`: http:// or https:// and a host, as in https://crm.example.com/called";
            self.fault(here.key("url"), message);
        }
        let ms = step.timeout_ms.unwrap_or(3_000);
        if !WEBHOOK_MS.contains(&ms) {
            let (least, most) = WEBHOOK_MS.into_inner();
            self.fault(
                here.key("timeout_ms"),
                format!("{ms} ms is out of range: {least} to {most}, the caller waits"),
            );
        }
        Does::Webhook { url, timeout: Duration::from_millis(ms.into()) }
    }

    /// The default way on when attempts are used up: `goodbye`, then the end. Questions point
    /// to the index behind the author's steps; the step is added here if any does.
    fn farewell(&mut self, steps: &mut Vec<Step>) {
        let at = Goto::Step(index(steps.len()));
        let wanted =
            steps.iter().any(|step| matches!(&step.does, Does::Ask(question) if question.otherwise == at));
        if wanted {
            let say = vec![Word::Prompt("goodbye".to_owned())];
            steps.push(Step {
                id: "(goodbye)".to_owned(),
                does: Does::Say { say, interruptible: false },
                next: Goto::End,
            });
        }
    }

    /// The survey's own language and all it is complete in.
    fn languages(&mut self) -> (Option<Language>, BTreeSet<Language>) {
        let definition = Arc::clone(&self.definition);
        let here = Pointer::root().key("language");
        let language = match Language::new(definition.language.as_deref().unwrap_or("en")) {
            Ok(language) => Some(language),
            Err(why) => {
                self.fault(
                    here.clone(),
                    format!("the language {why}: write a tag such as \"en\" or \"pt-br\""),
                );
                None
            }
        };
        let texts = self.texts();
        let complete = |language: &Language| texts.values().all(|texts| texts.contains_key(language));
        let mut languages: BTreeSet<Language> = match &definition.languages {
            None => texts.values().flat_map(|texts| texts.keys().cloned()).filter(complete).collect(),
            Some(listed) => listed
                .iter()
                .enumerate()
                .filter_map(|(at, tag)| match Language::new(tag) {
                    Ok(language) => Some(language),
                    Err(why) => {
                        self.fault(
                            Pointer::root().key("languages").index(at),
                            format!("this language {why}"),
                        );
                        None
                    }
                })
                .collect(),
        };
        languages.extend(language.clone());
        for missing in languages.iter().flat_map(|language| {
            texts
                .iter()
                .filter(|(_, texts)| !texts.contains_key(language))
                .map(move |(name, _)| (name, language))
        }) {
            let (name, language) = missing;
            let place = self.used.get(name).cloned().unwrap_or_default();
            self.faults.push(Fault::new(
                place,
                format!(
                    "the prompt \"{name}\" has no text in \"{language}\": add {language} = \"…\" under {}",
                    words::table_of(name)
                ),
            ));
        }
        (language, languages)
    }

    /// The texts of every prompt that is used: the survey's own, else the library's.
    fn texts(&self) -> BTreeMap<String, Texts> {
        self.used.keys().map(|name| (name.clone(), self.texts_of(name))).collect()
    }

    pub(crate) fn texts_of(&self, name: &str) -> Texts {
        let mut texts = self.library.texts(name).cloned().unwrap_or_default();
        for (tag, text) in self.definition.prompt.get(name).into_iter().flatten() {
            if let Ok(language) = Language::new(tag) {
                texts.insert(language, text.clone());
            }
        }
        texts
    }
}

/// An extension without anything that ends or divides a SIP URI, or a `sip:` URI with a host (RFC 3261, 19.1).
fn is_target(target: &str) -> bool {
    match target.strip_prefix("sip:") {
        None => is_plain(target) && !target.contains([':', '@']),
        Some(rest) => {
            let address = rest.split([';', '?']).next().unwrap_or_default();
            let host = address.rsplit('@').next().unwrap_or_default();
            is_plain(rest) && !host.is_empty() && !host.starts_with(':') && !address.starts_with('@')
        }
    }
}

/// An `http` or `https` URL with a host, perhaps with a port (RFC 3986, 3.2).
fn is_address(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let server = authority.rsplit('@').next().unwrap_or_default();
    let (host, port) = match server.rsplit_once(':') {
        Some((host, port)) if !server.ends_with(']') => (host, Some(port)),
        _ => (server, None),
    };
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.is_ascii() && !host.contains([':', '[', ']']),
    };
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.is_none_or(|port| digits(port) && port.parse::<u16>().is_ok_and(|port| port > 0));
    host && port && is_plain(url)
}

/// Whether it can stand in a URI or a header as it is.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c))
}

/// Steps are at most [`STEPS_MAX`]; a longer list was reported and is never conducted.
fn index(at: usize) -> At {
    At::try_from(at).unwrap_or(At::MAX)
}
