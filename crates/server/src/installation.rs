//! An installation looked at as a whole: configuration, surveys and recordings together.

use std::sync::Arc;

use aftercall_core::survey::fault::Severity;

use crate::config::Config;
use crate::prompts::Prompts;
use crate::surveys::{FileFault, Surveys};

/// What was found: what can be used, and what is wrong.
#[derive(Debug)]
pub struct Installation {
    /// The surveys that are sound.
    pub surveys: Arc<Surveys>,
    /// The recordings they need.
    pub prompts: Arc<Prompts>,
    /// Everything that is wrong or worth a look, in the order of the files.
    pub faults: Vec<FileFault>,
}

impl Installation {
    /// Reads the surveys and recordings that a configuration points to, and holds the names in it
    /// against them.
    #[must_use]
    pub fn read(config: &Config) -> Self {
        let (surveys, mut faults) = Surveys::load(&config.surveys_dir);
        let (prompts, unplayable) = Prompts::load(&config.prompts_dir, &surveys);
        faults.extend(unplayable);
        let names: Vec<&str> = surveys.iter().map(|survey| survey.name().as_str()).collect();
        faults.extend(config.unknown_surveys(&names));
        faults.sort();
        Self { surveys: Arc::new(surveys), prompts: Arc::new(prompts), faults }
    }

    /// Whether something must be mended before calls can be taken.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.faults.iter().any(|fault| fault.at.severity == Severity::Fault)
    }
}
