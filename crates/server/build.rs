//! Lists the recordings under `prompts/` so that the one binary carries them.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../prompts");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut table = String::from("&[\n");
    for language in folders(&root)? {
        for file in recordings(&language)? {
            let (Some(tag), Some(name)) = (name_of(&language), name_of(&file)) else { continue };
            let path = file.canonicalize()?;
            let path = path.display().to_string();
            table.push_str(&format!("    (\"{tag}\", \"{name}\", include_bytes!({path:?})),\n"));
        }
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").unwrap_or_default());
    fs::write(out.join("prompts.rs"), table)
}

fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    sorted(root, Path::is_dir)
}

fn recordings(language: &Path) -> io::Result<Vec<PathBuf>> {
    sorted(language, |path| path.extension().is_some_and(|extension| extension == "wav"))
}

fn sorted(folder: &Path, wanted: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| wanted(path)).collect();
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> Option<String> {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned())
}
