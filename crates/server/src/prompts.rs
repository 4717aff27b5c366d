//! The recordings that calls play: those that ship, and a site's own before them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aftercall_core::Language;
use aftercall_core::survey::Library;
use aftercall_core::turn::{Piece, Spoken};
use aftercall_media::Clip;

use crate::surveys::{FileFault, Surveys};

/// Language, name and WAV file of every recording in the binary.
static SHIPPED: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/prompts.rs"));

/// Recordings by language and name, each encoded once for all calls: as G.711 when it is loaded, as G.722 and
/// Opus by the media engine when a call first needs it.
#[derive(Debug, Clone, Default)]
pub struct Prompts(HashMap<Piece, Arc<Clip>>);

impl Prompts {
    /// Loads every recording these surveys need: `FOLDER/LANGUAGE/NAME.wav` where it is there,
    /// else the shipped one if it says the survey's text. What cannot be played is reported at the
    /// place in the survey that first uses it.
    #[must_use]
    pub fn load(folder: &Path, surveys: &Surveys) -> (Self, Vec<FileFault>) {
        let mut prompts = Self::default();
        let mut faults = Vec::new();
        for survey in surveys.iter() {
            for (name, place, texts) in survey.prompts() {
                let missing: Vec<String> = texts
                    .iter()
                    .filter_map(|(language, text)| prompts.need(folder, language, name, text).err())
                    .collect();
                if !missing.is_empty() {
                    let message = format!("the prompt \"{name}\" cannot be played: {}", missing.join("; "));
                    faults.push(surveys.fault(survey.name(), place, message));
                }
            }
        }
        (prompts, faults)
    }

    fn need(&mut self, folder: &Path, language: &Language, name: &str, text: &str) -> Result<(), String> {
        let piece = Piece { language: language.to_string(), name: name.to_owned() };
        let own = folder.join(&piece.language).join(format!("{name}.wav"));
        let shipped = says(&piece, text);
        if self.0.contains_key(&piece) && (shipped || own.is_file()) {
            return Ok(());
        }
        let clip = if own.is_file() {
            Clip::load(&own).map_err(|fault| fault.to_string())?
        } else {
            let wav = SHIPPED.iter().find(|(tag, prompt, _)| *tag == piece.language && *prompt == name);
            match wav {
                Some((_, _, wav)) if shipped => Clip::of_program(wav).map_err(|fault| fault.to_string())?,
                Some(_) => {
                    return Err(format!(
                        "what ships says something else in \"{language}\": record {}",
                        own.display()
                    ));
                }
                None => {
                    return Err(format!(
                        "there is no recording in \"{language}\": put one at {}",
                        own.display()
                    ));
                }
            }
        };
        self.0.insert(piece, Arc::new(clip));
        Ok(())
    }

    /// The clips of what is said, in order. A piece without a recording is left out: `load` reported it.
    #[must_use]
    pub fn clips(&self, say: &[Spoken]) -> Vec<Arc<Clip>> {
        say.iter().filter_map(|spoken| self.0.get(&spoken.piece)).cloned().collect()
    }
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
