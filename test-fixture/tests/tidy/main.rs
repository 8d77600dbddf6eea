//! Holds the whole repository to the rules of its design that no compiler lint checks. There is no
//! list of exceptions.

mod docs;
mod mask;
mod rules;
mod scan;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Directories that are not part of the source.
const SKIPPED: [&str; 6] = [
    ".git",
    "target",
    "corpus",
    "artifacts",
    "__pycache__",
    "node_modules",
];

fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace exists")
}

/// Every file below `dir`, as paths relative to the workspace with `/` in them.
fn files(dir: &Path, prefix: &str, out: &mut Vec<String>) {
    let entries = fs::read_dir(dir).expect("the directory can be read");
    for entry in entries.map(|e| e.expect("the entry can be read")) {
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let kind = entry.file_type().expect("the type is known");
        let path = format!("{prefix}{name}");
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            files(&entry.path(), &format!("{path}/"), out);
        } else if kind.is_file() && name != ".git" {
            out.push(path);
        }
    }
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == "rs")
}

#[test]
fn the_repository_is_tidy() {
    let root = workspace();
    let mut all = Vec::new();
    files(&root, "", &mut all);
    all.sort();
    let rust = all.iter().filter(|p| is_rust(p)).count();
    assert!(
        rust > 50,
        "only {rust} Rust files were found in {}",
        root.display()
    );

    let hardening = fs::read_to_string(root.join(rules::HARDENING)).expect("the list exists");
    let mut faults = Vec::new();
    for path in &all {
        let Ok(text) = fs::read_to_string(root.join(path)) else {
            continue; // binary
        };
        let mut found = rules::machine_paths(&text);
        if is_rust(path) {
            found.extend(rules::rust_file(path, &text));
            found.extend(rules::unlisted(&text, &hardening));
        }
        if let [name, "Cargo.toml"] = path.split('/').collect::<Vec<_>>()[..]
            && name != "fuzz"
        {
            found.extend(rules::manifest(name, &text));
        }
        faults.extend(
            found
                .into_iter()
                .map(|(line, what)| format!("{path}:{line}: {what}")),
        );
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
