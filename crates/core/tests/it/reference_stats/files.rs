//! The files of the reference statistics, packed in the repository.

use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::Value;

/// The folder that holds other vectors than the repository's own, made with another seed.
const ELSEWHERE: &str = "AFTERCALL_REFERENCE_STATS";

/// The answers of this file, without its `.json`.
pub fn expected(name: &str) -> Value {
    serde_json::from_str(&text(&format!("expected/{name}.json"))).unwrap()
}

/// The lines after the heading, cut at their commas.
pub fn lines(name: &str) -> Vec<Vec<String>> {
    let text = text(name);
    text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// A file of the reference, unpacked where it is packed.
pub fn text(name: &str) -> String {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/vectors/stats");
    let folder = std::env::var_os(ELSEWHERE).map_or_else(|| PathBuf::from(own), PathBuf::from);
    let packed = folder.join(format!("{name}.gz"));
    let mut text = String::new();
    if packed.exists() {
        GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_string(&mut text).unwrap();
    } else {
        let path = folder.join(name);
        let file = std::fs::File::open(&path);
        let told = |error| panic!("{}: {error}: the reference statistics are not there", path.display());
        file.unwrap_or_else(told).read_to_string(&mut text).unwrap();
    }
    text
}
