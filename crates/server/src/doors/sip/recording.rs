//! Voice comments on disk: `recordings/TENANT/YYYY-MM-DD/SESSION-QUESTION.wav`, 8 kHz mono.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::writer::words::Session;
use aftercall_media::Recording;
use jiff::Timestamp;

/// The folder below the data folder.
const FOLDER: &str = "recordings";

/// Samples a second.
const RATE: u32 = 8_000;

/// Where a comment is kept, relative to the data folder: what `cc_csat_answers.value` says.
pub(super) fn reference(session: &Session, question: &str, at: Timestamp) -> String {
    let day = at.strftime("%Y-%m-%d");
    format!("{FOLDER}/{}/{day}/{}-{question}.wav", session.tenant, session.id.as_str())
}

/// Writes the comment whole or not at all. Blocks: call it where that is allowed.
pub(super) fn save(data_dir: &Path, reference: &str, recording: &Recording) -> io::Result<()> {
    let target: PathBuf = data_dir.join(reference);
    let folder = target.parent().ok_or_else(|| io::Error::other("a recording needs a folder"))?;
    fs::create_dir_all(folder)?;
    let unfinished = target.with_extension("part");
    let file = fs::File::create(&unfinished)?;
    let mut out = BufWriter::new(file);
    write_wav(&mut out, &recording.samples)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    fs::rename(&unfinished, &target)
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
