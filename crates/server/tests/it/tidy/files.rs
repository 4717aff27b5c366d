//! The repository's files: which there are, and what no text among them may name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Fault;
use super::source::{Source, test_modules};

/// Folders that hold what was made, not what was written.
const NOT_OURS: &[&str] =
    &[".git", ".hypothesis", ".schemathesis", ".venv", "data", "node_modules", "target"];
/// Beyond this a text is data. The longest we wrote is the lock file.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// Homes and workplaces: a path that exists on one machine only.
const HOMES: &[&str] = &["home/", "root/", "work/", "Users/"];
/// Hosts of package registries: which one a machine reaches is that machine's business.
const REGISTRIES: &[&str] = &[
    concat!("deb.", "debian.org"),
    concat!("security.", "debian.org"),
    concat!("files.", "pythonhosted.org"),
    concat!("index.", "crates.io"),
    concat!("pypi.", "org/simple"),
    concat!("registry.", "npmjs.org"),
    concat!("static.", "crates.io"),
];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every text file of the repository, by its path from the root, in order.
pub(super) fn texts() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    paths.sort();
    paths.iter().filter_map(|path| Some((relative(path), text(path)?))).collect()
}

/// Every Rust source. A file that its parent declares for tests only counts as a test.
pub(super) fn sources() -> Vec<Source> {
    let files: Vec<_> = texts().into_iter().filter(|(path, _)| path.ends_with(".rs")).collect();
    let tests: BTreeSet<String> = files.iter().flat_map(|(path, file)| declared_tests(path, file)).collect();
    let read = |(path, file): &(String, String)| match tests.contains(path) {
        true => Source::read(path, &format!("#![cfg(test)] {file}")),
        false => Source::read(path, file),
    };
    files.iter().map(read).collect()
}

fn declared_tests(path: &str, file: &str) -> Vec<String> {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    };
    let names = test_modules(&Source::read(path, file).code);
    names.iter().flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]).collect()
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the repository can be read").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if NOT_OURS.iter().any(|other| name == *other) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, paths);
        } else {
            paths.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok().filter(|bytes| bytes.len() <= TEXT_BYTES_MAX)?;
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Names of this or that machine: they mean nothing, or too much, to whoever reads the file elsewhere.
pub(super) fn machine_names(path: &str, text: &str) -> Vec<Fault> {
    let fault = |line, name: &str| Fault {
        path: path.to_owned(),
        line,
        rule: "machine-name",
        detail: format!("`{name}` is one machine's own"),
    };
    (1..).zip(text.lines()).filter_map(|(line, text)| Some(fault(line, named(text)?))).collect()
}

fn named(line: &str) -> Option<&str> {
    let home = |home: &str| {
        let path = line.match_indices('/').find(|(at, _)| {
            let inside = line[..*at].ends_with(|c: char| c.is_alphanumeric() || "._-/~}".contains(c));
            !inside && line[at + 1..].starts_with(home)
        });
        path.map(|(at, _)| line[at..].split(['"', '`', ' ', ')', ',']).next().unwrap_or_default())
    };
    HOMES
        .iter()
        .copied()
        .find_map(home)
        .or_else(|| REGISTRIES.iter().copied().find(|host| line.contains(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_and_a_registry_are_found() {
        let slash = '/';
        let text = format!(
            "fine\nsee \"{slash}work/notes.md\"\ncd {slash}root/x\nurl = http://{}/debian\n",
            REGISTRIES[0]
        );
        let said: Vec<_> = machine_names("a.md", &text).iter().map(ToString::to_string).collect();
        let expected = [
            format!("a.md:2: machine-name: `{slash}work/notes.md` is one machine's own"),
            format!("a.md:3: machine-name: `{slash}root/x` is one machine's own"),
            format!("a.md:4: machine-name: `{}` is one machine's own", REGISTRIES[0]),
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_path_that_everybody_has_is_fine() {
        let slash = '/';
        let (net, home) = (format!("net{slash}work/x"), format!("~{slash}work/x"));
        for line in ["/etc/asterisk/http.conf", &net, "$HOME/home/x", &home, "x.test/home/", "GET /cc/csat"] {
            assert_eq!(named(line), None, "{line}");
        }
    }

    #[test]
    fn a_module_declared_for_tests_is_known_as_a_file() {
        let declared = declared_tests("crates/x/src/lib.rs", "mod a;\n#[cfg(test)]\nmod b;\n");
        assert_eq!(declared, ["crates/x/src/b.rs", "crates/x/src/b/mod.rs"]);
        assert_eq!(declared_tests("crates/x/src/y.rs", "#[cfg(test)]\nmod b;")[0], "crates/x/src/y/b.rs");
    }
}
