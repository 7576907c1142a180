//! What is stored is named in the format, not by the program: every variant of a stored enum has a
//! name of its own in an attribute, so that renaming it in the program changes no stored byte.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

/// The crates that store something. The wire forms of `api` follow their published names instead.
const STORING_CRATES: [&str; 6] = ["base", "store", "cluster", "table", "block", "model"];

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The attributes that stand directly above line `at`.
fn attributes<'a>(lines: &[&'a str], at: usize) -> Vec<&'a str> {
    let above = lines[..at].iter().rev().map(|line| line.trim());
    above.take_while(|line| line.starts_with("#[") || line.starts_with("///")).collect()
}

/// Checks the enum that begins in line `at`, if it is stored; how many variants it has.
fn check_enum(file: &str, lines: &[&str], at: usize) -> usize {
    let has = |wanted: &str| attributes(lines, at).iter().any(|line| line.contains(wanted));
    // One that is stored as a text has a table of its names.
    if !has("Serialize") || has("into = \"String\"") {
        return 0;
    }
    let indent = lines[at].len() - lines[at].trim_start().len();
    let end = (at..lines.len()).find(|&line| lines[line] == format!("{}}}", &lines[at][..indent])).unwrap();
    let mut names = BTreeSet::new();
    for (number, line) in lines.iter().enumerate().take(end).skip(at + 1) {
        let is_variant = line.chars().position(|letter| letter != ' ') == Some(indent + 4)
            && line.trim().starts_with(char::is_uppercase);
        if !is_variant {
            continue;
        }
        let attributes = attributes(lines, number);
        let name = attributes.iter().find_map(|line| line.strip_prefix("#[serde(rename = \""));
        let name = name.unwrap_or_else(|| panic!("{file}:{}: a stored variant without a name", number + 1));
        assert!(names.insert(name), "{file}:{}: two variants with one name", number + 1);
    }
    names.len()
}

#[test]
fn stored_enums_have_names_of_their_own() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    STORING_CRATES.iter().for_each(|name| sources(&root.join(name).join("src"), &mut files));
    let mut variants = 0;
    for (file, text) in &files {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.trim_start().trim_start_matches("pub ").starts_with("enum ") {
                variants += check_enum(file, &lines, at);
            }
        }
    }
    assert!(variants >= 19, "the test sees the variants: {variants}");
}
