//! The surveys of this installation: the one that ships, and the files of the surveys folder.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use aftercall_core::survey::fault::{Pointer, Severity, locate_toml};
use aftercall_core::survey::{CSAT_SURVEY, Library, Located, read_toml};
use aftercall_core::{Survey, SurveyName};

/// The survey that ships.
pub const BUILT_IN: &str = "csat-survey";

/// A survey of 200 steps with ten languages of its own is about 200 KiB.
const SURVEY_BYTES_MAX: u64 = 1 << 20;

/// More surveys than queues nobody has; each holds about 30 KiB.
const SURVEYS_MAX: usize = 1_000;

/// The surveys by name.
#[derive(Debug, Clone, Default)]
pub struct Surveys(BTreeMap<SurveyName, Loaded>);

/// A survey and where it was read.
#[derive(Debug, Clone)]
struct Loaded {
    survey: Arc<Survey>,
    /// None: it ships with the program.
    file: Option<PathBuf>,
    source: Arc<str>,
}

/// Something wrong with a file, in one line that an editor can jump to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileFault {
    /// The file.
    pub file: PathBuf,
    /// Where in it and what.
    pub at: Located,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = if self.at.severity == Severity::Advice { "advice: " } else { "" };
        write!(f, "{}:{}:{}: {advice}{}", self.file.display(), self.at.line, self.at.column, self.at.message)
    }
}

impl FileFault {
    /// Of a file as a whole.
    #[must_use]
    pub fn of_file(file: &Path, severity: Severity, message: String) -> Self {
        Self { file: file.to_owned(), at: Located { line: 1, column: 1, severity, message } }
    }
}

impl Surveys {
    /// Reads `NAME.toml` in the folder, and the survey that ships unless a file replaces it.
    /// A folder that is not there holds no surveys. Faulty surveys are left out and reported.
    #[must_use]
    pub fn load(folder: &Path) -> (Self, Vec<FileFault>) {
        let mut surveys = Self::default();
        let mut faults = Vec::new();
        let files = match files(folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                faults.push(whole(folder, format!("this folder cannot be read: {error}")));
                Vec::new()
            }
        };
        if files.len() > SURVEYS_MAX {
            faults.push(whole(folder, format!("holds more than {SURVEYS_MAX} surveys")));
        }
        for file in files.into_iter().take(SURVEYS_MAX) {
            surveys.take(&file, &mut faults);
        }
        if let Ok(name) = SurveyName::new(BUILT_IN)
            && !surveys.0.contains_key(&name)
            && !faults.iter().any(|fault| fault.file.file_stem().is_some_and(|stem| stem == BUILT_IN))
            && let Ok((survey, _)) = read_toml(&name, CSAT_SURVEY, Library::built_in())
        {
            surveys
                .0
                .insert(name, Loaded { survey: Arc::new(survey), file: None, source: CSAT_SURVEY.into() });
        }
        (surveys, faults)
    }

    /// The survey of this name.
    #[must_use]
    pub fn get(&self, name: &SurveyName) -> Option<&Arc<Survey>> {
        self.0.get(name).map(|loaded| &loaded.survey)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Survey>> {
        self.0.values().map(|loaded| &loaded.survey)
    }

    /// A fault in a survey, found when more than its file was looked at.
    #[must_use]
    pub fn fault(&self, survey: &SurveyName, place: &Pointer, message: String) -> FileFault {
        let loaded = self.0.get(survey);
        let (line, column) = loaded.map_or((1, 1), |loaded| locate_toml(&loaded.source, place));
        let file = loaded
            .and_then(|loaded| loaded.file.clone())
            .unwrap_or_else(|| format!("{survey} (built in)").into());
        FileFault { file, at: Located { line, column, severity: Severity::Fault, message } }
    }

    fn take(&mut self, file: &Path, faults: &mut Vec<FileFault>) {
        let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let name = match SurveyName::new(stem) {
            Ok(name) => name,
            Err(why) => return faults.push(whole(file, format!("the survey's name (its file's) {why}"))),
        };
        let source = match read(file) {
            Ok(source) => source,
            Err(error) => return faults.push(whole(file, format!("cannot be read: {error}"))),
        };
        let found = match read_toml(&name, &source, Library::built_in()) {
            Ok((survey, advice)) => {
                let survey = Arc::new(survey);
                self.0.insert(name, Loaded { survey, file: Some(file.to_owned()), source: source.into() });
                advice
            }
            Err(found) => found,
        };
        faults.extend(found.into_iter().map(|at| FileFault { file: file.to_owned(), at }));
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let toml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(toml).collect();
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> io::Result<String> {
    let bytes = fs::metadata(file)?.len();
    if bytes > SURVEY_BYTES_MAX {
        return Err(io::Error::other(format!("{bytes} bytes are more than {SURVEY_BYTES_MAX}")));
    }
    fs::read_to_string(file)
}

fn whole(file: &Path, message: String) -> FileFault {
    FileFault::of_file(file, Severity::Fault, message)
}
