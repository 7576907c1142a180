//! Which file is read, and what is wrong with files.

use std::path::Path;

use super::Machine;
use crate::config::MachineFiles;
use crate::config::document::CONFIG_FILE_MAX_BYTES;
use crate::config::files::Files;

const REGION: &str = "[s3_api]\ns3_region = ";

#[test]
fn flag_then_variable_then_system_then_none() {
    let machine = |flag: bool, variable: bool| {
        let mut machine = Machine::new()
            .file("/flag.toml", &format!("{REGION}\"flag\""), 0o644)
            .file("/variable.toml", &format!("{REGION}\"variable\""), 0o644)
            .file("/etc/garage.toml", &format!("{REGION}\"system\""), 0o644);
        if flag {
            machine.flags.config_file = Some("/flag.toml".into());
        }
        if variable { machine.variable("GARAGE_CONFIG_FILE", "/variable.toml") } else { machine }
    };
    assert_eq!(machine(true, true).config().s3.region, "flag");
    assert_eq!(machine(false, true).config().s3.region, "variable");
    assert_eq!(machine(false, false).config().s3.region, "system");
    assert_eq!(machine(false, false).config().config_file.as_deref(), Some(Path::new("/etc/garage.toml")));
    assert_eq!(Machine::new().config().config_file, None);
    assert_eq!(Machine::new().config().s3.region, "garage");
    assert_eq!(Machine::new().variable("GARAGE_CONFIG_FILE", "").config().config_file, None);
}

#[test]
fn a_named_file_must_be_there() {
    let machine = Machine::new().variable("GARAGE_CONFIG_FILE", "/gone.toml");
    assert_eq!(machine.error(), "there is no file /gone.toml");
}

#[test]
fn files_that_are_no_configuration() {
    let error = Machine::configured("metadata_dir = \"/m\"\ndata_dir = /d\n").error();
    assert!(error.starts_with("/c.toml, line 2: not valid TOML: "), "{error}");
    let error = Machine::configured("data_dir = \"/d\"\n\ndata_dir = \"/e\"\n").error();
    assert!(error.starts_with("/c.toml, line 3: not valid TOML: "), "{error}");
    let error = Machine::configured(&" ".repeat(CONFIG_FILE_MAX_BYTES + 1)).error();
    assert!(error.starts_with("/c.toml is larger than 1048576 bytes"), "{error}");
    let mut machine = Machine::configured("");
    machine.files.insert("/c.toml".into(), (vec![0xC3, 0x28], 0o644));
    assert_eq!(machine.error(), "/c.toml is not UTF-8 text");
    let deep = format!("data_dir = {}", "[".repeat(100_000));
    assert!(Machine::configured(&deep).error().contains("not valid TOML"));
}

#[test]
fn the_machines_own_files() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let content = MachineFiles.read(&here, 1 << 20).unwrap();
    assert!(content.starts_with(b"[package]"));
    assert_eq!(MachineFiles.read(&here, 3).unwrap(), b"[pac");
    assert_ne!(MachineFiles.mode(&here).unwrap() & 0o400, 0);
    assert!(MachineFiles.mode(Path::new("/no/such/file")).is_err());
}
