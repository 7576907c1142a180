//! A crate may use only crates above it in the order of the workspace's members. This keeps the
//! layers of doc/ARCHITECTURE.md true: an edge that points upwards fails here, with its name.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn crates_use_only_crates_above_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap();
    let workspace = read(&root.join("Cargo.toml"));
    let members: Vec<String> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap().trim_start_matches("src/").to_owned())
        .collect();
    let folders: BTreeSet<String> = std::fs::read_dir(root.join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(folders, members.iter().cloned().collect(), "every folder of src is a crate");
    let mut edges = 0;
    for (position, name) in members.iter().enumerate() {
        let manifest = read(&root.join("src").join(name).join("Cargo.toml"));
        assert_eq!(manifest["package"]["name"].as_str(), Some(name.as_str()), "folder = crate");
        let above = &members[..position];
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used = manifest.get(table).and_then(|table| table.as_table()).cloned().unwrap_or_default();
            for used in used.keys().filter(|used| members.contains(used)) {
                assert!(above.contains(used), "{name} must not use {used}, which is not above it");
                edges += 1;
            }
        }
    }
    assert!(edges > 20, "the test sees the edges: {edges}");
}
