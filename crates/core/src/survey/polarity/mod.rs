//! Whether a rating's labels, its prompts and its scores agree on which end of the scale is which.
//! A clear contradiction is a fault; what cannot be understood is let pass.

mod instruction;
mod opinion;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use instruction::{Pair, pairs};
use opinion::{LABELS, Lexicon, Meaning, Side};
use text::folded;

use crate::ids::Language;
use crate::key::Key;
use crate::survey::fault::{Fault, Pointer};
use crate::survey::library::Library;
use crate::survey::lint::targets;
use crate::survey::model::{At, Does, Kind, Question, Rated, Survey, Texts, Word};

/// A rating's keys and what each gives.
type Map = BTreeMap<Key, Rated>;

/// Labels and prompts that say another score than the map gives.
pub(crate) fn check(survey: &Survey, library: &Library) -> Vec<Fault> {
    let introductions = introductions(survey);
    let mut faults = Vec::new();
    for (at, step) in survey.steps.iter().enumerate() {
        let Does::Ask(question) = &step.does else { continue };
        let Kind::Rating(map) = &question.kind else { continue };
        let here = Pointer::root().key("step").index(at).key("keys");
        let checked = Checked { survey, library, map, here };
        faults.extend(checked.labels());
        faults.extend(checked.order());
        let before = At::try_from(at).ok().and_then(|at| introductions.get(&at)).into_iter().flatten();
        let says: BTreeSet<Vec<&str>> = before.cloned().chain(around(question)).collect();
        faults.extend(says.iter().flat_map(|prompts| checked.prompts(prompts)));
    }
    faults.sort();
    faults.dedup();
    faults
}

/// What is said around a question itself: each a list of prompts that follow one another.
fn around(question: &Question) -> [Vec<&str>; 3] {
    [prompts_of(&question.say), vec![question.invalid.as_str()], vec![question.silence.as_str()]]
}

fn prompts_of(say: &[Word]) -> Vec<&str> {
    let prompts = say.iter().filter_map(|word| match word {
        Word::Prompt(name) => Some(name.as_str()),
        Word::Answer { .. } => None,
    });
    prompts.collect()
}

/// What `say` steps tell before a question, with no other question between.
fn introductions(survey: &Survey) -> BTreeMap<At, Vec<Vec<&str>>> {
    let mut told: BTreeMap<At, Vec<Vec<&str>>> = BTreeMap::new();
    for (at, step) in survey.steps.iter().enumerate() {
        let (Does::Say { say, .. }, Ok(at)) = (&step.does, At::try_from(at)) else { continue };
        let mut seen = BTreeSet::from([at]);
        let mut ahead = vec![at];
        while let Some(step) = ahead.pop().and_then(|at| survey.step(at)) {
            for target in targets(step).into_iter().filter(|target| seen.insert(*target)).collect::<Vec<_>>()
            {
                if survey.question(target).is_some() {
                    told.entry(target).or_default().push(prompts_of(say));
                } else {
                    ahead.push(target);
                }
            }
        }
    }
    told
}

/// A rating question that is being checked.
struct Checked<'a> {
    survey: &'a Survey,
    library: &'a Library,
    map: &'a Map,
    /// Its map's place.
    here: Pointer,
}

impl<'a> Checked<'a> {
    fn labels(&self) -> Vec<Fault> {
        self.map.iter().filter_map(|(key, rated)| self.label(*key, rated)).collect()
    }

    /// The first text of a label that contradicts the score, in the survey's own language before
    /// others; the label's name where no text of it says anything.
    fn label(&self, key: Key, rated: &Rated) -> Option<Fault> {
        let mut understood = false;
        let own = &self.survey.language;
        let others = self.survey.languages.iter().filter(|language| *language != own);
        for language in std::iter::once(own).chain(others) {
            let Some(text) = self.text(&rated.label, language) else { continue };
            let Some(said) = self.said_by(text, language) else { continue };
            understood = true;
            if let Some(why) = said.against(rated) {
                let foreign = if language == own { String::new() } else { format!(" in \"{language}\"") };
                let message = format!("key {key} says \"{text}\"{foreign}{why}");
                return Some(Fault::new(self.here.key(key.to_string()), message));
            }
        }
        let name = rated.label.replace(['_', '-'], " ");
        let english = Language::new("en").ok()?;
        let why = self.said_by(&name, &english).filter(|_| !understood)?.against(rated)?;
        Some(Fault::new(self.here.key(key.to_string()), format!("key {key} says \"{name}\"{why}")))
    }

    fn text(&self, prompt: &str, language: &Language) -> Option<&'a str> {
        self.survey.texts.get(prompt)?.get(language).map(String::as_str)
    }

    /// What a label's text says by itself.
    fn said_by(&self, text: &str, language: &Language) -> Option<Said> {
        let exact = LABELS.iter().find(|(label, _)| {
            let known = self.library.texts(label).and_then(|texts: &Texts| texts.get(language));
            known.is_some_and(|known| bare(known) == bare(text))
        });
        if let Some((_, score)) = exact {
            return Some(Said::Score(*score));
        }
        match Lexicon::new(language, std::iter::empty(), self.library).meaning_of(text)? {
            Meaning::Side(side) => Some(Said::Side(side)),
            Meaning::Middle | Meaning::Label(_) => None,
        }
    }

    /// Scores that go up and down along the keys: hardly ever what was meant.
    fn order(&self) -> Option<Fault> {
        let scores: Vec<u8> = self.map.values().map(|rated| rated.score.get()).collect();
        let message = format!("along the keys the scores go {scores:?}, neither up nor down: is that meant?");
        let ordered = scores.is_sorted() || scores.iter().rev().is_sorted();
        (!ordered).then(|| Fault::advice(self.here.clone(), message))
    }

    /// What prompts that follow one another say about the keys, in every language.
    fn prompts(&self, prompts: &[&str]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for language in &self.survey.languages {
            let texts: Vec<&str> = prompts.iter().filter_map(|name| self.text(name, language)).collect();
            let own = self
                .map
                .values()
                .filter_map(|rated| Some((rated.label.as_str(), self.text(&rated.label, language)?)));
            let lexicon = Lexicon::new(language, own, self.library);
            let pairs = pairs(&texts.join(", "), &lexicon);
            let whole = self.is_whole(&pairs);
            for (key, meaning) in pairs {
                let Some(rated) = self.map.get(&key) else { continue };
                let Some((says, gives)) = self.contradiction(meaning, rated, whole) else { continue };
                let name = prompts.join(", ");
                let message = format!(
                    "the prompt \"{name}\" in \"{language}\" says that {key} is {says}, but the key gives {gives}"
                );
                faults.push(Fault::new(self.here.key(key.to_string()), message));
            }
        }
        faults
    }

    /// Whether the pairs name every key and every label of the question once.
    fn is_whole(&self, pairs: &[Pair<'_>]) -> bool {
        let keys: BTreeSet<Key> = pairs.iter().map(|(key, _)| *key).collect();
        let labels: BTreeSet<&str> = pairs
            .iter()
            .filter_map(|(_, meaning)| match meaning {
                Meaning::Label(label) => Some(*label),
                Meaning::Side(_) | Meaning::Middle => None,
            })
            .collect();
        let count = self.map.len();
        pairs.len() == count && labels.len() == count && keys.iter().eq(self.map.keys())
    }

    /// What the prompt says and what the key gives, where that cannot both be right. A prompt that
    /// names every label is taken at its word; of another only the side of the scale is judged.
    fn contradiction(&self, meaning: Meaning<'_>, rated: &Rated, whole: bool) -> Option<(String, String)> {
        let score = rated.score;
        match meaning {
            Meaning::Label(label) => {
                let of_label = self.map.values().find(|other| other.label == label)?;
                let turned = Side::of(of_label.score.get()).is_some_and(|side| side.contradicts(score));
                let wrong = label != rated.label && (whole || turned);
                wrong.then(|| {
                    (format!("\"{label}\""), format!("\"{}\" and score {}", rated.label, score.get()))
                })
            }
            Meaning::Side(side) => {
                let word = if side == Side::Good { "good" } else { "bad" };
                side.contradicts(score).then(|| (word.to_owned(), format!("score {}", score.get())))
            }
            Meaning::Middle => None,
        }
    }
}

/// What a label says by itself.
enum Said {
    /// It is the library's label for this score.
    Score(u8),
    Side(Side),
}

impl Said {
    fn against(&self, rated: &Rated) -> Option<String> {
        let score = rated.score.get();
        match self {
            Self::Score(meant) => {
                (*meant != score).then(|| format!(", which means score {meant}, but gives score {score}"))
            }
            Self::Side(side) => side
                .contradicts(rated.score)
                .then(|| format!(" but gives score {score}; 5 is the best score, 1 the worst")),
        }
    }
}

/// A label without the punctuation around it.
fn bare(text: &str) -> String {
    folded(text).trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
}
