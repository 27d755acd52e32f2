//! The laws of the house, checked: layers, module order, one version of each engine crate, and what must never be in
//! the tree. Links nothing of the product and runs first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Entries that may stand at the top of the tree.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "leader",
    "compute",
    "storage",
    "sql",
    "tests",
    "benches",
];

/// Crate, and what it must not depend on or name.
const LAYERS: &[(&str, &[&str])] = &[
    (
        "storage",
        &[
            "datafusion",
            "sqlparser",
            "pgwire",
            "tonic",
            "axum",
            "blueshift_sql",
            "blueshift_compute",
            "blueshift_leader",
        ],
    ),
    (
        "sql",
        &[
            "tokio",
            "pgwire",
            "tonic",
            "object_store",
            "blueshift_storage",
            "blueshift_compute",
            "blueshift_leader",
        ],
    ),
    (
        "compute",
        &["pgwire", "axum", "sqlparser", "blueshift_leader"],
    ),
    ("leader", &["sqlparser"]),
];

/// Product modules that may hold `unsafe`, each a hot loop or a call of C with its proof beside it.
const UNSAFE_ALLOWED: &[&str] = &[
    "storage/src/encoding/native.rs",
    "storage/src/encoding/native/within.rs",
    "storage/src/table/buffered/texts.rs",
    "storage/src/table/scan/sink.rs",
    "compute/src/external/parquet/values.rs",
    "compute/src/format/delimited/separators.rs",
    "compute/src/format/delimited/text.rs",
    "compute/src/resource.rs",
    "leader/src/main.rs",
];

/// A file longer than this holds two subjects.
const FILE_LINES_MAX: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests stands in the workspace")
        .to_path_buf()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn product_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (layer, _) in LAYERS {
        rust_files(&root().join(layer).join("src"), &mut found);
    }
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Gives the lines of a file up to its unit tests, numbered from 1, comments cut off.
fn code_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            break;
        }
        let code = match line.find("//") {
            Some(at) if !line[..at].contains('"') => &line[..at],
            _ => line,
        };
        lines.push((index + 1, code.to_string()));
    }
    lines
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name == "tests" || name == "tests.rs"
    })
}

fn names_word(line: &str, word: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(is_word)
            && line[at + word.len()..].starts_with("::")
    })
}

fn report(law: &str, violations: &[String]) {
    assert!(
        violations.is_empty(),
        "{law}:\n  {}",
        violations.join("\n  ")
    );
}

#[test]
fn top_level_is_exactly_the_house() {
    let mut violations = Vec::new();
    for entry in fs::read_dir(root()).expect("root").flatten() {
        let name = entry.file_name().to_string_lossy().to_string();
        if !name.starts_with('.') && !TOP_LEVEL.contains(&name.as_str()) && name != "target" {
            violations.push(name);
        }
    }
    report("not a room of the house", &violations);
}

#[test]
fn crates_depend_downward() {
    let mut violations = Vec::new();
    for (layer, banned) in LAYERS {
        let manifest = fs::read_to_string(root().join(layer).join("Cargo.toml")).expect("manifest");
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            if section != "[dependencies]" {
                continue;
            }
            let name = line
                .split(['.', ' ', '='])
                .next()
                .unwrap_or("")
                .replace('-', "_");
            let is_banned =
                |ban: &str| name == ban || (ban == "datafusion" && name.starts_with("datafusion"));
            if banned.iter().any(|ban| is_banned(ban)) {
                violations.push(format!("{layer}/Cargo.toml depends on {name}"));
            }
        }
    }
    for path in product_files().iter().filter(|path| !is_test_file(path)) {
        let name = relative(path);
        let (_, banned) = LAYERS
            .iter()
            .find(|(layer, _)| name.starts_with(&format!("{layer}/")))
            .expect("layer");
        for (number, line) in code_lines(&fs::read_to_string(path).expect("source")) {
            for ban in banned.iter().filter(|ban| names_word(&line, ban)) {
                violations.push(format!("{name}:{number} names {ban}"));
            }
        }
    }
    report("an arrow points up", &violations);
}

/// `lib.rs` lists modules top first; a module may name only modules listed after it.
#[test]
fn modules_import_only_what_is_listed_after_them() {
    let mut violations = Vec::new();
    for (layer, _) in LAYERS {
        let source = root().join(layer).join("src");
        let library = fs::read_to_string(source.join("lib.rs")).expect("lib.rs");
        let order: Vec<String> = library
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod "))
            .map(|rest| rest.trim_end_matches(';').to_string())
            .collect();
        let mut files = Vec::new();
        rust_files(&source, &mut files);
        for path in files.iter().filter(|path| !is_test_file(path)) {
            let inner = path
                .strip_prefix(&source)
                .expect("inside")
                .to_string_lossy()
                .to_string();
            let module = inner
                .split('/')
                .next()
                .unwrap_or("")
                .trim_end_matches(".rs")
                .to_string();
            let Some(place) = order.iter().position(|name| *name == module) else {
                continue;
            };
            for (number, line) in code_lines(&fs::read_to_string(path).expect("source")) {
                for upper in &order[..place] {
                    if line.contains(&format!("crate::{upper}::"))
                        || line.contains(&format!("crate::{upper};"))
                    {
                        violations.push(format!(
                            "{}:{number} imports {upper}, which stands above it",
                            relative(path)
                        ));
                    }
                }
            }
        }
    }
    report("a module imports upward", &violations);
}

#[test]
fn every_file_is_in_the_tree_and_says_what_it_is_for() {
    let mut violations = Vec::new();
    for path in product_files() {
        let text = fs::read_to_string(&path).expect("source");
        let name = relative(&path);
        if !text.starts_with("//!") && !is_test_file(&path) {
            violations.push(format!("{name} does not begin with //!"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            violations.push(format!("{name} has {lines} lines"));
        }
        let stem = path
            .file_stem()
            .expect("stem")
            .to_string_lossy()
            .to_string();
        if ["util", "utils", "helper", "helpers", "common", "misc"].contains(&stem.as_str()) {
            violations.push(format!(
                "{name}: a shared thing belongs to the lowest module that can explain it"
            ));
        }
        if ["lib", "main", "mod"].contains(&stem.as_str()) {
            continue;
        }
        let directory = path.parent().expect("parent");
        let parents = [
            directory.join("mod.rs"),
            directory.join("lib.rs"),
            directory.join("main.rs"),
            directory.with_extension("rs"),
        ];
        let declared = parents
            .iter()
            .filter_map(|parent| fs::read_to_string(parent).ok())
            .any(|parent| {
                parent.lines().any(|line| {
                    line.trim().ends_with(&format!("mod {stem};"))
                        || line.contains(&format!("\"{stem}.rs\""))
                })
            });
        if !declared {
            violations.push(format!("{name} is declared by no mod line"));
        }
    }
    report("a file has one subject and a place", &violations);
}

#[test]
fn nothing_unfinished_is_in_the_product() {
    let words = [
        "todo!(",
        "unimplemented!(",
        "dbg!(",
        concat!("FIX", "ME"),
        concat!("XX", "X "),
        concat!("TO", "DO"),
        concat!("HA", "CK"),
        "#[allow(",
        "#![allow(",
    ];
    let mut violations = Vec::new();
    for path in product_files() {
        for (index, line) in fs::read_to_string(&path)
            .expect("source")
            .lines()
            .enumerate()
        {
            for word in words.iter().filter(|word| line.contains(**word)) {
                violations.push(format!("{}:{} holds {word}", relative(&path), index + 1));
            }
        }
    }
    let mut tests = Vec::new();
    rust_files(&root().join("tests"), &mut tests);
    rust_files(&root().join("benches"), &mut tests);
    tests.extend(product_files());
    for path in tests.iter().filter(|path| !path.ends_with("tidy.rs")) {
        for (index, line) in fs::read_to_string(path)
            .expect("source")
            .lines()
            .enumerate()
        {
            if line.contains("#[should_panic") || line.trim() == "#[ignore]" {
                violations.push(format!(
                    "{}:{} holds {}",
                    relative(path),
                    index + 1,
                    line.trim()
                ));
            }
        }
    }
    report("unfinished", &violations);
}

#[test]
fn unsafe_is_fenced() {
    let mut violations = Vec::new();
    for path in product_files() {
        let name = relative(&path);
        for (number, line) in code_lines(&fs::read_to_string(&path).expect("source")) {
            let holds = line.contains("unsafe {")
                || line.contains("unsafe fn")
                || line.contains("unsafe impl");
            if holds && !UNSAFE_ALLOWED.contains(&name.as_str()) {
                violations.push(format!("{name}:{number}"));
            }
        }
    }
    report("unsafe outside the modules listed in tidy", &violations);
}

/// Two versions of one of these in a build are two incompatible sets of types.
#[test]
fn engine_crates_have_one_version() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("Cargo.lock");
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(rest) = line.strip_prefix("name = ") {
            name = rest.trim_matches('"').to_string();
        } else if let Some(rest) = line.strip_prefix("version = ") {
            versions
                .entry(name.clone())
                .or_default()
                .insert(rest.trim_matches('"').to_string());
        }
    }
    let watched = |name: &str| {
        [
            "parquet",
            "object_store",
            "sqlparser",
            "pgwire",
            "rustls",
            "tokio",
        ]
        .contains(&name)
            || name == "arrow"
            || name.starts_with("arrow-")
            || name.starts_with("datafusion")
    };
    let violations: Vec<String> = versions
        .iter()
        .filter(|(name, found)| watched(name) && found.len() > 1)
        .map(|(name, found)| format!("{name}: {found:?}"))
        .collect();
    report("more than one version", &violations);
}

#[test]
fn continuous_integration_runs_the_one_test_command() {
    let run = fs::read_to_string(root().join(".ci/run")).expect(".ci/run");
    assert!(run.contains("exec bash tests/run.sh"));
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    assert!(readme.contains("cargo run --release -- demo"));
    assert!(readme.contains("bash tests/run.sh"));
}
