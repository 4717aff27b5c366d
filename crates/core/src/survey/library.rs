//! The prompts every survey may use: names, and texts in ten languages.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::ids::Language;
use crate::survey::model::Texts;

/// What `prompts/make` speaks and this crate reads: one source for both.
const TEXTS: &str = include_str!("../../../../prompts/texts.toml");

/// Prompt texts by name and language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library(BTreeMap<String, Texts>);

impl Library {
    /// The prompts that ship with the program.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        // A file that does not parse gives an empty library; a test below forbids that.
        LIBRARY.get_or_init(|| Self::parse(TEXTS).unwrap_or_else(|| Self(BTreeMap::new())))
    }

    /// The texts of a prompt, if there is one of this name.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<&BTreeMap<Language, String>> {
        self.0.get(name)
    }

    /// The names of all prompts.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }

    fn parse(source: &str) -> Option<Self> {
        toml::from_str(source).ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_of_the_library_has_a_text_in_all_ten_languages() {
        let library = Library::built_in();
        assert!(library.names().count() >= 32, "{:?}", library.names().collect::<Vec<_>>());
        for name in library.names() {
            let texts = library.texts(name).unwrap();
            assert_eq!(texts.len(), 10, "{name}");
            assert!(texts.values().all(|text| !text.trim().is_empty()), "{name}");
        }
    }
}
