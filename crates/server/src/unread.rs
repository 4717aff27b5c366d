//! Files among the surveys and recordings that nobody reads: most likely they have the wrong name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use aftercall_core::survey::Library;
use aftercall_core::survey::fault::{Severity, did_you_mean};

use crate::surveys::{FileFault, Surveys};

/// Advice on every file of the surveys folder that is no survey by its name.
pub fn surveys(folder: &Path) -> Vec<FileFault> {
    let files = entries(folder).into_iter().filter(|path| !path.is_dir() && extension(path) != "toml");
    let message =
        |path: &Path| format!("nobody reads this: a survey is a file NAME.toml{}", meant(path, "toml"));
    files.map(|path| advice(&path, message(&path))).collect()
}

/// Advice on every recording in the prompts folder that no survey plays. What has the name of a shipped
/// prompt is fine: another survey may play it.
pub fn recordings(folder: &Path, surveys: &Surveys) -> Vec<FileFault> {
    let played = played(surveys);
    let (folders, files): (Vec<_>, Vec<_>) = entries(folder).into_iter().partition(|path| path.is_dir());
    let strays = files.iter().filter(is_wav);
    let mut found: Vec<FileFault> = strays
        .map(|path| advice(path, "nobody reads this: a recording is LANGUAGE/NAME.wav".to_owned()))
        .collect();
    for folder in folders {
        let language = name(&folder);
        let recordings = entries(&folder);
        if let Some(names) = played.get(&language) {
            let files = recordings.iter().filter(|path| !path.is_dir());
            found.extend(files.filter_map(|path| recording(path, &language, names)));
        } else if recordings.iter().any(|path| is_wav(&path)) {
            let hint = did_you_mean(&language.to_lowercase(), played.keys().map(String::as_str));
            found.push(advice(
                &folder,
                format!("no survey speaks \"{language}\"{hint}: nobody hears this folder"),
            ));
        }
    }
    found
}

fn recording(path: &Path, language: &str, names: &BTreeSet<&str>) -> Option<FileFault> {
    if extension(path) != "wav" {
        let message = format!("nobody reads this: a recording is a file NAME.wav{}", meant(path, "wav"));
        return Some(advice(path, message));
    }
    let prompt = path.file_stem().unwrap_or_default().to_string_lossy();
    if names.contains(&*prompt) {
        return None;
    }
    let hint = did_you_mean(&prompt, names.iter().copied());
    Some(advice(path, format!("no survey plays \"{prompt}\" in \"{language}\"{hint}")))
}

/// The prompts that surveys play, and those that ship, by the languages that surveys speak.
fn played(surveys: &Surveys) -> BTreeMap<String, BTreeSet<&str>> {
    let mut played: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for survey in surveys.iter() {
        for language in survey.languages() {
            played.entry(language.to_string()).or_insert_with(|| Library::built_in().names().collect());
        }
        for (name, _, texts) in survey.prompts() {
            for language in texts.keys() {
                played.entry(language.to_string()).or_default().insert(name);
            }
        }
    }
    played
}

/// What is in a folder and is nobody's own: no hidden file, no README. A folder that cannot be read is
/// reported by who needs it.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let own =
        |path: &PathBuf| !name(path).starts_with('.') && !name(path).to_uppercase().starts_with("README");
    let mut entries: Vec<PathBuf> = entries.filter(own).collect();
    entries.sort();
    entries
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_wav(path: &&PathBuf) -> bool {
    extension(path).eq_ignore_ascii_case("wav")
}

/// A hint where the file's ending is nearly this one.
fn meant(path: &Path, wanted: &str) -> String {
    did_you_mean(&extension(path).to_lowercase(), [wanted])
}

fn advice(path: &Path, message: String) -> FileFault {
    FileFault::of_file(path, Severity::Advice, message)
}
