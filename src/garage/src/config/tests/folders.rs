//! Where data goes.

use std::path::{Path, PathBuf};

use super::Machine;
use crate::config::DataDir;

fn one(path: &str) -> Vec<DataDir> {
    vec![DataDir { path: path.into(), capacity_bytes: None, read_only: false }]
}

#[test]
fn without_a_file() {
    let home = Machine::new();
    let xdg = Machine::new().variable("XDG_DATA_HOME", "/xdg");
    let relative_xdg = Machine::new().variable("XDG_DATA_HOME", "xdg");
    let root = Machine::new().root();
    let variable = Machine::new().root().variable("GARAGE_DATA_DIR", "/v");
    let empty_variable = Machine::new().root().variable("GARAGE_DATA_DIR", "");
    let flag =
        Machine::new().variable("GARAGE_DATA_DIR", "/v").flags(|flags| flags.data_dir = Some("/f".into()));
    let cases = [
        (home, "/home/ana/.local/share/garage"),
        (xdg, "/xdg/garage"),
        (relative_xdg, "/home/ana/.local/share/garage"),
        (root, "/var/lib/garage"),
        (variable, "/v"),
        (empty_variable, "/var/lib/garage"),
        (flag, "/f"),
    ];
    for (machine, folder) in cases {
        let config = machine.config();
        assert_eq!(config.data_folder, Some(PathBuf::from(folder)));
        assert_eq!(config.metadata_dir, Path::new(folder).join("meta"));
        assert_eq!(config.data_dirs, one(&format!("{folder}/data")));
    }
}

#[test]
fn nowhere_is_an_error_and_not_the_current_folder() {
    let error = Machine::default().error();
    assert!(error.contains("--data-dir"), "{error}");
    assert_eq!(Machine::default().variable("HOME", "home").error(), error);
}

#[test]
fn from_the_file() {
    let both =
        Machine::configured("metadata_dir = \"/m\"\ndata_dir = \"/d\"").variable("GARAGE_DATA_DIR", "/v");
    let config = both.config();
    assert_eq!((config.data_folder, config.metadata_dir), (None, PathBuf::from("/m")));
    assert_eq!(config.data_dirs, one("/d"));
    let only_data = Machine::configured("data_dir = \"/d\"").variable("GARAGE_DATA_DIR", "/v").config();
    assert_eq!((only_data.metadata_dir, only_data.data_dirs), (PathBuf::from("/v/meta"), one("/d")));
    let only_metadata = Machine::configured("metadata_dir = \"/m\"").root().config();
    assert_eq!(only_metadata.data_dirs, one("/var/lib/garage/data"));
}

#[test]
fn flag_and_file_together_are_refused() {
    for key in ["metadata_dir", "data_dir"] {
        let machine =
            Machine::configured(&format!("{key} = \"/x\"")).flags(|flags| flags.data_dir = Some("/f".into()));
        assert_eq!(machine.error(), format!("--data-dir is given, and {key} in /c.toml (line 1): keep one"));
    }
}

#[test]
fn several_disks() {
    let config = Machine::configured(
        "metadata_dir = \"/m\"\ndata_dir = [\n\
         { path = \"/a\", capacity = \"2T\" },\n{ path = \"/b\", capacity = 500 },\n{ path = \"/c\", read_only = true },\n]",
    )
    .config();
    let dir =
        |path: &str, capacity_bytes, read_only| DataDir { path: path.into(), capacity_bytes, read_only };
    assert_eq!(
        config.data_dirs,
        [dir("/a", Some(2_000_000_000_000), false), dir("/b", Some(500), false), dir("/c", None, true)]
    );
}

#[test]
fn disks_that_make_no_sense() {
    for value in [
        "[]",
        "\"\"",
        "[\"/a\"]",
        "[{ path = \"/a\" }]",
        "[{ capacity = \"1G\" }]",
        "[{ path = \"/a\", read_only = true }]",
        "[{ path = \"/a\", capacity = \"1G\", read_only = true }]",
        "[{ path = \"/a\", capacity = 0 }]",
        "[{ path = \"/a\", capacity = -1 }]",
        "[{ path = \"/a\", capacity = \"lots\" }]",
    ] {
        let error = Machine::configured(&format!("\ndata_dir = {value}")).error();
        assert!(
            error.starts_with("/c.toml, line 2: data_dir must be a path in quotes, or a list"),
            "{value}: {error}"
        );
    }
}

#[test]
fn members_that_nobody_knows() {
    let error = |member: &str| {
        Machine::configured(&format!("\ndata_dir = [{{ path = \"/a\", {member} = \"1G\" }}]")).error()
    };
    let expected = "/c.toml, line 2: data_dir: unknown member capcity; did you mean capacity?";
    assert_eq!(error("capcity"), expected);
    assert_eq!(error("colour"), "/c.toml, line 2: data_dir: unknown member colour");
}

#[test]
fn relative_folders_are_pointed_out() {
    let notices = Machine::configured("metadata_dir = \"meta\"\ndata_dir = \"/d\"").notices();
    assert_eq!(
        notices,
        ["metadata_dir = \"meta\" depends on the folder in which the server is started; write a full path"]
    );
}
