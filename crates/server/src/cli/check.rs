//! `aftercall check`: what is wrong with the configuration, the surveys and their recordings.

use std::path::Path;

use super::{Exit, World};
use crate::config::Config;
use crate::installation::Installation;

pub(super) fn run(file: Option<&Path>, world: &mut World<'_>) -> anyhow::Result<Exit> {
    let config = match Config::load(file, world.env) {
        Ok(config) => config,
        Err(faults) => {
            writeln!(world.out, "{faults}")?;
            return Ok(Exit::Faults);
        }
    };
    let installation = Installation::read(&config);
    for fault in &installation.faults {
        writeln!(world.out, "{fault}")?;
    }
    if installation.is_faulty() {
        return Ok(Exit::Faults);
    }
    let file = config.file.as_deref().map_or("built-in defaults".into(), |file| file.display().to_string());
    let count = installation.surveys.iter().count();
    writeln!(world.err, "fine: {file}, {count} {}", if count == 1 { "survey" } else { "surveys" })?;
    Ok(Exit::Well)
}
