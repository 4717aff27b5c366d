//! The recordings that calls play: those that ship, and a site's own before them.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aftercall_core::survey::Library;
use aftercall_core::turn::{Piece, Spoken};
use aftercall_core::{Language, Survey};
use aftercall_media::Clip;

/// Language, name and WAV file of every recording in the binary.
static SHIPPED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/prompts.rs"));

/// Recordings by language and name, each encoded once for all calls.
#[derive(Debug, Clone, Default)]
pub struct Prompts(HashMap<Piece, Arc<Clip>>);

/// A recording that a survey needs and that cannot be played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplayable {
    /// The survey that needs it.
    pub survey: String,
    /// Which recording.
    pub piece: Piece,
    /// Why, and the remedy.
    pub why: String,
}

impl std::fmt::Display for Unplayable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Piece { language, name } = &self.piece;
        write!(f, "survey \"{}\", prompt \"{name}\" in \"{language}\": {}", self.survey, self.why)
    }
}

impl Prompts {
    /// Loads every recording these surveys need: `FOLDER/LANGUAGE/NAME.wav` where it is there,
    /// else the shipped one if it says the survey's text.
    #[must_use]
    pub fn load<'a>(
        folder: &Path,
        surveys: impl Iterator<Item = &'a Arc<Survey>>,
    ) -> (Self, Vec<Unplayable>) {
        let mut prompts = Self::default();
        let mut unplayable = Vec::new();
        for survey in surveys {
            for (piece, text) in survey.pieces() {
                if prompts.0.contains_key(&piece) && says(&piece, text) {
                    continue;
                }
                match find(folder, &piece, text) {
                    Ok(clip) => {
                        prompts.0.insert(piece, Arc::new(clip));
                    }
                    Err(why) => unplayable.push(Unplayable { survey: survey.name().to_string(), piece, why }),
                }
            }
        }
        (prompts, unplayable)
    }

    /// The clips of what is said, in order. A piece without a recording is left out: `load` reported it.
    #[must_use]
    pub fn clips(&self, say: &[Spoken]) -> Vec<Arc<Clip>> {
        say.iter().filter_map(|spoken| self.0.get(&spoken.piece)).cloned().collect()
    }
}

fn find(folder: &Path, piece: &Piece, text: &str) -> Result<Clip, String> {
    let own = own(folder, piece);
    if own.is_file() {
        return Clip::load(&own).map_err(|fault| fault.to_string());
    }
    let remedy = format!("record it as {}", own.display());
    let shipped =
        SHIPPED.iter().find(|(language, name, _)| *language == piece.language && *name == piece.name);
    match shipped {
        Some((_, _, wav)) if says(piece, text) => {
            Clip::read(Cursor::new(*wav)).map_err(|fault| fault.to_string())
        }
        Some(_) => {
            Err(format!("the recording that ships says something else than the survey's text: {remedy}"))
        }
        None => Err(format!("there is no recording: {remedy}")),
    }
}

fn own(folder: &Path, piece: &Piece) -> PathBuf {
    folder.join(&piece.language).join(format!("{}.wav", piece.name))
}

/// Whether the library's text of this piece, which its recording says, is this text.
fn says(piece: &Piece, text: &str) -> bool {
    let language = Language::new(&piece.language).ok();
    language
        .and_then(|language| {
            Library::built_in().texts(&piece.name)?.get(&language).map(|known| known == text)
        })
        .unwrap_or(false)
}
