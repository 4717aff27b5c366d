//! An installation looked at as a whole: configuration, surveys and recordings together.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aftercall_core::SurveyName;
use aftercall_core::survey::Located;
use aftercall_core::survey::fault::{Pointer, Severity, did_you_mean, locate_toml};

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
        faults.extend(unknown_surveys(config, &surveys));
        faults.sort();
        Self { surveys: Arc::new(surveys), prompts: Arc::new(prompts), faults }
    }

    /// Whether something must be mended before calls can be taken.
    #[must_use]
    pub fn is_faulty(&self) -> bool {
        self.faults.iter().any(|fault| fault.at.severity == Severity::Fault)
    }
}

/// Names in the configuration that no survey has.
fn unknown_surveys(config: &Config, surveys: &Surveys) -> Vec<FileFault> {
    let root = Pointer::root();
    let routes = config
        .routes
        .iter()
        .enumerate()
        .map(|(at, route)| (root.key("route").index(at).key("application"), &route.survey));
    let queues = config.queues.iter().enumerate().filter_map(|(at, queue)| {
        let survey = queue.after_call.as_ref()?.csat_ivr.as_ref()?;
        Some((root.key("queue").index(at).key("after_call").key("csat_ivr"), survey))
    });
    let default = std::iter::once((root.key("default_survey"), &config.default_survey));
    let unknown = default.chain(routes).chain(queues).filter(|(_, name)| surveys.get(name).is_none());
    let source =
        config.file.as_deref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    unknown.map(|(place, name)| fault(config.file.as_deref(), &source, &place, name, surveys)).collect()
}

fn fault(
    file: Option<&Path>,
    source: &str,
    place: &Pointer,
    name: &SurveyName,
    surveys: &Surveys,
) -> FileFault {
    let hint = did_you_mean(name.as_str(), surveys.iter().map(|survey| survey.name().as_str()));
    let (line, column) = locate_toml(source, place);
    let message = format!("there is no sound survey \"{name}\"{hint}");
    let file = file.map_or_else(|| PathBuf::from("(built-in defaults)"), Path::to_owned);
    FileFault { file, at: Located { line, column, severity: Severity::Fault, message } }
}
