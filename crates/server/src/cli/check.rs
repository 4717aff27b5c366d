//! `aftercall check`: what is wrong with the configuration and the surveys.

use std::path::Path;

use aftercall_core::survey::fault::Severity;

use super::{Exit, World};
use crate::config::Config;
use crate::surveys::{FileFault, Surveys};

pub(super) fn run(file: Option<&Path>, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let config = Config::load(file, world.env)?;
    let (surveys, found) = survey_faults(&config);
    for fault in &found {
        writeln!(world.out, "{fault}")?;
    }
    if found.iter().any(|fault| fault.at.severity == Severity::Fault) {
        return Ok(Exit::Faults);
    }
    let file = config.file.as_deref().map_or("built-in defaults".into(), |file| file.display().to_string());
    let count = surveys.iter().count();
    writeln!(world.err, "fine: {file}, {count} {}", if count == 1 { "survey" } else { "surveys" })?;
    Ok(Exit::Well)
}

/// The surveys of this configuration, and what is wrong with them or with what the configuration
/// says about them.
pub(super) fn survey_faults(config: &Config) -> (Surveys, Vec<FileFault>) {
    let (surveys, mut faults) = Surveys::load(&config.surveys_dir);
    let names: Vec<&str> = surveys.iter().map(|survey| survey.name().as_str()).collect();
    faults.extend(config.unknown_surveys(&names));
    (surveys, faults)
}
