//! Voice comments on disk: `recordings/TENANT/YYYY-MM-DD/SESSION-QUESTION.wav`, 8 kHz mono. Only their owner may
//! read them.

use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::writer::words::Session;
use aftercall_media::Recording;
use jiff::Timestamp;

/// The folder below the data folder.
const FOLDER: &str = "recordings";

/// Samples a second.
const RATE: u32 = 8_000;

/// Where an installation keeps its callers' voices. Clones are the same place.
#[derive(Debug, Clone)]
pub struct Recordings {
    data_dir: Arc<Path>,
}

impl Recordings {
    /// Those of this data folder.
    pub fn within(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.into() }
    }

    /// Where a comment is kept, relative to the data folder: what `cc_csat_answers.value` says.
    pub fn reference(session: &Session, question: &str, at: Timestamp) -> String {
        let day = at.strftime("%Y-%m-%d");
        format!("{FOLDER}/{}/{day}/{}-{question}.wav", session.tenant, session.id.as_str())
    }

    /// Writes the comment whole or not at all. Blocks: call it where that is allowed.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, reference: &str, recording: &Recording) -> io::Result<()> {
        let target: PathBuf = self.data_dir.join(reference);
        let folder = target.parent().ok_or_else(|| io::Error::other("a recording needs a folder"))?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let unfinished = target.with_extension("part");
        let file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        let mut out = BufWriter::new(file);
        write_wav(&mut out, &recording.samples)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&unfinished, &target)
    }

    /// Erases the comment that an answer refers to; any other answer refers to none. One that is gone already
    /// is no fault.
    ///
    /// # Errors
    /// The file system's.
    pub async fn erase(&self, answer: &str) -> io::Result<()> {
        if !is_ours(answer) {
            return Ok(());
        }
        match tokio::fs::remove_file(self.data_dir.join(answer)).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

/// Whether an answer is the place of a comment: below our folder and nowhere else.
fn is_ours(answer: &str) -> bool {
    let path = Path::new(answer);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    plain && path.starts_with(FOLDER) && path.extension().is_some_and(|extension| extension == "wav")
}

fn write_wav(out: &mut (impl Write + io::Seek), samples: &[i16]) -> io::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::new(out, spec).map_err(io::Error::other)?;
    for sample in samples {
        wav.write_sample(*sample).map_err(io::Error::other)?;
    }
    wav.finalize().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_our_folder_is_a_comment() {
        for (answer, ours) in [
            ("recordings/default/2026-11-22/0199-comment.wav", true),
            ("recordings/../aftercall.db", false),
            ("recordings/../../x.wav", false),
            ("/recordings/x.wav", false),
            ("recordings", false),
            ("recordings.wav", false),
            ("very_satisfied", false),
            ("", false),
        ] {
            assert_eq!(is_ours(answer), ours, "{answer}");
        }
    }
}
