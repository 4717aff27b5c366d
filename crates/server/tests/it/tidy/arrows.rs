//! Who may know whom: crates by `cargo metadata`, modules of the server by the paths they name.

use std::collections::BTreeSet;
use std::process::Command;

use super::source::{Path, Source};
use super::{Fault, files};

/// A crate of ours and the crates of ours that it depends on, for whatever purpose.
pub(super) struct Crate {
    name: String,
    manifest: String,
    knows: Vec<String>,
}

/// Whom each crate may know. The binary may know all.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("aftercall-core", &[]),
    ("aftercall-wire", &[]),
    ("aftercall-media", &["aftercall-wire"]),
    ("aftercall-store", &["aftercall-core"]),
    ("aftercall", &["aftercall-core", "aftercall-wire", "aftercall-media", "aftercall-store"]),
    ("aftercall-bench", &["aftercall-wire"]),
];

/// Where the environment may be read: the edge, from which values are handed down.
const EDGE: &[&str] = &["crates/server/src/main", "crates/server/src/cli", "crates/server/src/config"];

/// Modules beside the doors that all of them use. Any other module there is a door.
const SHARED: &[&str] = &["keep", "webhook"];

/// The crates of the workspace, as cargo sees them.
pub(super) fn workspace() -> Vec<Crate> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(files::root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    from_metadata(&metadata)
}

fn from_metadata(metadata: &serde_json::Value) -> Vec<Crate> {
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let packages = list(&metadata["packages"]);
    let ours: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let root = text(&metadata["workspace_root"]);
    packages
        .iter()
        .map(|package| Crate {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"])
                .trim_start_matches(&root)
                .trim_start_matches('/')
                .to_owned(),
            knows: list(&package["dependencies"])
                .iter()
                .map(|d| text(&d["name"]))
                .filter(|d| ours.contains(d))
                .collect(),
        })
        .collect()
}

pub(super) fn crates(crates: &[Crate]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for one in crates {
        let fault = |detail| Fault { path: one.manifest.clone(), line: 1, rule: "crate-arrow", detail };
        let Some((_, may_know)) = MAY_KNOW.iter().find(|(name, _)| *name == one.name) else {
            faults.push(fault(format!("{} is new: say in tidy/arrows.rs whom it may know", one.name)));
            continue;
        };
        let strangers = one.knows.iter().filter(|known| !may_know.contains(&known.as_str()));
        faults.extend(strangers.map(|known| fault(format!("{} -> {known}", one.name))));
    }
    faults
}

/// The forbidden arrows between modules of the server.
pub(super) fn modules(sources: &[Source]) -> Vec<Fault> {
    let doors: BTreeSet<String> = sources.iter().filter_map(|source| door_of(&source.path)).collect();
    let mut faults = Vec::new();
    for source in sources {
        let Some(module) = module_of(&source.path) else { continue };
        for path in source.paths().iter().filter(|path| !source.is_test(source.line_of(path.offset))) {
            if let Some(arrow) = forbidden(&module, &absolute(&module, path), &doors) {
                faults.push(source.fault(source.line_of(path.offset), "module-arrow", arrow));
            }
        }
    }
    faults
}

fn door_of(path: &str) -> Option<String> {
    let module = module_of(path).filter(|module| module.first().is_some_and(|first| first == "doors"))?;
    module.get(1).filter(|name| !SHARED.contains(&name.as_str())).cloned()
}

fn forbidden(from: &[String], to: &[String], doors: &BTreeSet<String>) -> Option<String> {
    let name = |path: &[String], at: usize| path.get(at).cloned().unwrap_or_default();
    match (name(from, 0).as_str(), name(to, 0).as_str()) {
        ("doors", "aftercall_store") => Some("door -> store: speak to the writer, in its words".to_owned()),
        ("doors", "doors")
            if from.len() > 1 && name(from, 1) != name(to, 1) && doors.contains(&name(to, 1)) =>
        {
            Some(format!("door -> door: {} -> {}", name(from, 1), name(to, 1)))
        }
        ("api", "doors") => Some("api -> doors".to_owned()),
        _ => None,
    }
}

/// `["doors", "sip", "call"]` for `crates/server/src/doors/sip/call.rs`; `None` for what is not the server's.
fn module_of(path: &str) -> Option<Vec<String>> {
    let path = path.strip_prefix("crates/server/src/")?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let root = matches!(path, "lib" | "main");
    Some(path.split('/').filter(|_| !root).map(str::to_owned).collect())
}

/// A path as seen from the root of its crate.
fn absolute(module: &[String], path: &Path) -> Vec<String> {
    let supers = path.names.iter().take_while(|name| *name == "super").count();
    let base = match path.names[0].as_str() {
        "crate" | "aftercall" => return path.names[1..].to_vec(),
        "self" => module.to_vec(),
        "super" => module[..module.len().saturating_sub(supers)].to_vec(),
        _ => return path.names.clone(),
    };
    base.into_iter().chain(path.names[supers.max(1)..].iter().cloned()).collect()
}

/// Only the edge reads the environment, and cargo's build scripts, to which cargo speaks that way.
pub(super) fn environment(source: &Source) -> Vec<Fault> {
    if EDGE.iter().any(|edge| source.path.starts_with(edge)) || source.path.ends_with("/build.rs") {
        return vec![];
    }
    let reads =
        |path: &Path| path.names.windows(2).any(|pair| pair[0] == "env" && pair[1].starts_with("var"));
    let lines = source.paths().into_iter().filter(reads).map(|path| source.line_of(path.offset));
    let of_product = lines.filter(|line| !source.is_test(*line));
    of_product
        .map(|line| source.fault(line, "environment", "only main, cli and config read the environment"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::said;

    #[test]
    fn a_crate_that_knows_too_much_is_found() {
        let package = |name: &str, knows: &[&str]| {
            let dependencies: Vec<_> =
                knows.iter().map(|known| serde_json::json!({ "name": known })).collect();
            let manifest = format!("/x/crates/{name}/Cargo.toml");
            serde_json::json!({ "name": name, "manifest_path": manifest, "dependencies": dependencies })
        };
        let metadata = serde_json::json!({ "workspace_root": "/x", "packages": [
            package("aftercall-core", &["serde", "aftercall-wire"]),
            package("aftercall-wire", &["aftercall-core"]),
            package("aftercall-media", &["aftercall-wire", "aftercall-core"]),
            package("aftercall-store", &["aftercall-core", "aftercall-media"]),
            package("aftercall", &["aftercall-core", "aftercall-store"]),
            package("aftercall-more", &[]),
        ]});
        let said: Vec<_> = crates(&from_metadata(&metadata)).iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "crates/aftercall-core/Cargo.toml:1: crate-arrow: aftercall-core -> aftercall-wire",
                "crates/aftercall-wire/Cargo.toml:1: crate-arrow: aftercall-wire -> aftercall-core",
                "crates/aftercall-media/Cargo.toml:1: crate-arrow: aftercall-media -> aftercall-core",
                "crates/aftercall-store/Cargo.toml:1: crate-arrow: aftercall-store -> aftercall-media",
                "crates/aftercall-more/Cargo.toml:1: crate-arrow: aftercall-more is new: say in tidy/arrows.rs whom it may know",
            ]
        );
    }

    #[test]
    fn a_module_that_knows_too_much_is_found_however_it_says_so() {
        let cases = [
            ("doors/sip/call.rs", "use crate::doors::{agi::Peer, sip};", Some("door -> door: sip -> agi")),
            ("doors/sip/mod.rs", "use super::agi;", Some("door -> door: sip -> agi")),
            ("doors/sip/call.rs", "fn a() { super::super::agi::go() }", Some("door -> door: sip -> agi")),
            ("doors/agi.rs", "use crate::doors::sip as other;", Some("door -> door: agi -> sip")),
            (
                "doors/agi.rs",
                "use aftercall_store::Store;",
                Some("door -> store: speak to the writer, in its words"),
            ),
            ("api/csat.rs", "use crate::doors::Heard;", Some("api -> doors")),
            ("api/mod.rs", "fn a() { aftercall::doors::sip::count() }", Some("api -> doors")),
            ("doors/sip/call.rs", "use super::peer; use crate::doors::{Heard, sip::peer};", None),
            ("doors/agi.rs", "use crate::writer::Writer; // crate::doors::sip", None),
            ("doors/mod.rs", "pub mod sip; use sip::Door; use self::agi::Door;", None),
            ("doors/sip/call.rs", "use crate::doors::{keep, webhook};", None),
            ("writer.rs", "use aftercall_store::Store;", None),
            ("doors/agi.rs", "#[cfg(test)]\nmod tests { use crate::doors::sip; }", None),
        ];
        let others =
            ["doors/mod.rs", "doors/sip/mod.rs", "doors/agi.rs", "doors/keep.rs", "doors/webhook.rs"];
        for (path, snippet, expected) in cases {
            let sources: Vec<_> = std::iter::once((path, snippet))
                .chain(others.map(|other| (other, "")))
                .map(|(path, file)| Source::read(&format!("crates/server/src/{path}"), file))
                .collect();
            let said: Vec<_> = modules(&sources).into_iter().map(|fault| fault.detail).collect();
            assert_eq!(
                said,
                expected.map(str::to_owned).into_iter().collect::<Vec<_>>(),
                "{path}: {snippet}"
            );
        }
    }

    #[test]
    fn the_environment_is_read_at_the_edge_only() {
        let reads =
            "use std::env;\nlet a = env::var(\"A\");\nlet b = std::env::vars_os();\nlet c = env!(\"C\");";
        let sentence = "only main, cli and config read the environment";
        assert_eq!(
            said(environment, "crates/store/src/lib.rs", reads),
            [format!("2: {sentence}"), format!("3: {sentence}")]
        );
        for edge in ["src/main.rs", "src/cli/mod.rs", "src/config/environment.rs", "build.rs"] {
            assert!(said(environment, &format!("crates/server/{edge}"), reads).is_empty(), "{edge}");
        }
    }
}
