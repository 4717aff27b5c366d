//! What a configuration names, held against what there is: surveys, their languages, folders.

use std::collections::BTreeSet;
use std::path::PathBuf;

use aftercall_core::survey::fault::{Pointer, Severity, did_you_mean, locate_toml};
use aftercall_core::{Language, SurveyName};

use super::{Config, FILE_NAME, at, to_tree};
use crate::surveys::{FileFault, Surveys};

impl Config {
    /// A fault at this place of its file, found when more than the file was looked at.
    #[must_use]
    pub fn fault(&self, place: &Pointer, message: String) -> FileFault {
        let file = self.file.clone().unwrap_or_else(|| PathBuf::from(FILE_NAME));
        FileFault { file, at: at(locate_toml(self.source.expose(), place), message) }
    }

    /// A fault for every survey that the file names and that is not among these.
    #[must_use]
    pub fn unknown_surveys(&self, surveys: &Surveys) -> Vec<FileFault> {
        let known: Vec<&str> = surveys.iter().map(|survey| survey.name().as_str()).collect();
        let unknown =
            self.surveys_named().into_iter().filter(|(_, survey)| !known.contains(&survey.as_str()));
        unknown
            .map(|(place, survey)| {
                let hint = did_you_mean(survey.as_str(), known.iter().copied());
                let message = format!("there is no survey \"{survey}\"{hint}: `surveys_dir` has one a file");
                self.fault(&place, message)
            })
            .collect()
    }

    /// A fault for every language that the file names and that none of these surveys speaks.
    #[must_use]
    pub fn unspoken_languages(&self, surveys: &Surveys) -> Vec<FileFault> {
        let spoken: BTreeSet<&str> =
            surveys.iter().flat_map(|survey| survey.languages()).map(Language::as_str).collect();
        let unspoken = self
            .languages_named()
            .into_iter()
            .filter(|(_, language)| !surveys.iter().any(|survey| survey.speaks(language).is_some()));
        unspoken
            .map(|(place, language)| {
                let known: Vec<&str> = spoken.iter().copied().collect();
                let message = format!("no survey speaks \"{language}\"; known here: {}", known.join(", "));
                self.fault(&place, message)
            })
            .collect()
    }

    /// A fault for every folder that the file names and that is not there. One that only the defaults
    /// name may be missing: nothing is in it.
    #[must_use]
    pub fn missing_folders(&self) -> Vec<FileFault> {
        let given = to_tree(self.source.expose()).unwrap_or_default();
        let folders = [("surveys_dir", &self.surveys_dir), ("prompts_dir", &self.prompts_dir)];
        let missing =
            folders.into_iter().filter(|(key, folder)| given.get(key).is_some() && !folder.is_dir());
        missing
            .map(|(key, folder)| {
                let message = format!("`{key}`: there is no folder {}", folder.display());
                self.fault(&Pointer::root().key(key), message)
            })
            .collect()
    }

    /// Advice on every queue whose name the rule for ids changes: a call that says it exactly so comes from
    /// another queue. A rule of the site's own may still lead here from a longer name.
    #[must_use]
    pub fn cleaned_queues(&self) -> Vec<FileFault> {
        let cleaned = |name: &str| self.ids_clean.clean(name).filter(|id| *id != name).map(str::to_owned);
        let advice = |index: usize, name: &str| {
            let id = cleaned(name)?;
            let message =
                format!("`[ids] clean` makes `{id}` of `{name}` in every call: is that the queue you mean?");
            let mut found = self.fault(&queue_at(index, "name"), message);
            found.at.severity = Severity::Advice;
            Some(found)
        };
        (0..).zip(&self.queues).filter_map(|(index, queue)| advice(index, queue.name.as_str())).collect()
    }

    fn surveys_named(&self) -> Vec<(Pointer, &SurveyName)> {
        let default = (Pointer::root().key("default_survey"), &self.default_survey);
        let routes =
            (0..).zip(&self.routes).map(|(index, route)| (route_at(index, "application"), &route.survey));
        let queues = (0..).zip(&self.queues).filter_map(|(index, queue)| {
            let survey = queue.after_call.as_ref()?.csat_ivr.as_ref()?;
            Some((queue_at(index, "after_call").key("csat_ivr"), survey))
        });
        let named = std::iter::once(default).chain(routes).chain(queues);
        // Without a file there is nobody to tell.
        named.filter(|_| self.file.is_some()).collect()
    }

    fn languages_named(&self) -> Vec<(Pointer, &Language)> {
        let default = (Pointer::root().key("default_language"), self.default_language.as_ref());
        let routes = (0..).zip(&self.routes);
        let routes = routes.map(|(index, route)| (route_at(index, "language"), route.language.as_ref()));
        let queues = (0..).zip(&self.queues);
        let queues = queues.map(|(index, queue)| (queue_at(index, "language"), queue.language.as_ref()));
        let named = std::iter::once(default).chain(routes).chain(queues);
        named.filter_map(|(place, language)| Some((place, language?))).collect()
    }
}

fn route_at(index: usize, key: &str) -> Pointer {
    Pointer::root().key("route").index(index).key(key)
}

fn queue_at(index: usize, key: &str) -> Pointer {
    Pointer::root().key("queue").index(index).key(key)
}
