//! `aftercall check`: what is wrong with the configuration and the surveys.

use std::path::Path;

use aftercall_core::survey::fault::Severity;

use super::{Exit, World};
use crate::config::Config;
use crate::surveys::Surveys;

pub(super) fn run(file: Option<&Path>, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let config = match Config::load(file, world.env) {
        Ok(config) => config,
        Err(faults) => {
            writeln!(world.out, "{faults}")?;
            return Ok(Exit::Faults);
        }
    };
    let (surveys, found) = Surveys::load(&config.surveys_dir);
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
