//! Surveys: what an author writes, how it is checked, what is conducted.

mod branch;
mod compile;
mod definition;
pub mod fault;
mod fields;
mod library;
mod lint;
pub(crate) mod model;
mod plain;
mod polarity;
mod question;
mod words;

pub use compile::{Compiled, STEPS_MAX, VARIABLES, compile};
pub use definition::{
    ArmDefinition, AskKind, Definition, KeyDefinition, OneOrMany, StepDefinition, StepType,
};
pub use library::Library;
pub use model::Survey;
pub(crate) use words::DIGITS;

use fault::{Fault, Severity, line_column, locate_toml};

use crate::ids::SurveyName;

/// The survey that ships with the program: the documented flow.
pub const CSAT_SURVEY: &str = include_str!("../../../../surveys/csat-survey.toml");

/// A fault with its place in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, and the remedy.
    pub message: String,
}

/// Reads a survey file.
///
/// # Errors
/// Every fault and advice, with line and column, when a fault forbids the survey.
/// Advice alone comes beside the survey.
pub fn read_toml(
    name: &SurveyName,
    source: &str,
    library: &Library,
) -> Result<(Survey, Vec<Located>), Vec<Located>> {
    let definition =
        toml::from_str::<Definition>(source).map_err(|error| vec![unreadable(source, &error)])?;
    let Compiled { survey, faults } = compile(name, definition, library);
    let mut located: Vec<Located> = faults.iter().map(|fault| locate(source, fault)).collect();
    located.sort();
    match survey {
        Some(survey) => Ok((survey, located)),
        None => Err(located),
    }
}

fn locate(source: &str, fault: &Fault) -> Located {
    let (line, column) = locate_toml(source, &fault.pointer);
    Located { line, column, severity: fault.severity, message: fault.message.clone() }
}

fn unreadable(source: &str, error: &toml::de::Error) -> Located {
    let (line, column) = line_column(source, error.span().map_or(0, |span| span.start));
    Located { line, column, severity: Severity::Fault, message: plain::plainly(error.message()) }
}
