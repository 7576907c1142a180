//! `config.toml.example` is complete, loads, and says what the defaults are.

use super::Machine;
use crate::config::keys::KEYS;
use crate::config::keys::State::{Ignored, Later, Obsolete, Used};

const EXAMPLE: &str = include_str!("../../../../../config.toml.example");

#[test]
fn it_loads_without_a_word() {
    assert_eq!(Machine::configured(EXAMPLE).notices(), Vec::<String>::new());
}

#[test]
fn its_open_lines_are_the_defaults() {
    let mut example = Machine::configured(EXAMPLE).config();
    let mut bare = Machine::new().root().config();
    assert!(bare.s3.bind_is_default && bare.admin.bind_is_default && bare.web.bind_is_default);
    (example.config_file, example.data_folder) = (None, None);
    (bare.data_folder, bare.s3.bind_is_default, bare.admin.bind_is_default) = (None, false, false);
    bare.web.bind_is_default = false;
    assert_eq!(format!("{example:#?}"), format!("{bare:#?}"));
}

/// The file with the marks taken off, a line at a time; the sections it is in are kept.
fn keys_in_the_example() -> Vec<String> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in EXAMPLE.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if line == " Keys of the first group stand at the top of the file, above [s3_api]." {
            section.clear();
        } else if let Some(name) = line.strip_prefix(" In [").and_then(|rest| rest.strip_suffix("]:")) {
            section = format!("{name}.");
        } else if let Some((name, _)) = line.split_once(" = ")
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            keys.push(format!("{section}{name}"));
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

#[test]
fn it_shows_every_key_and_no_other() {
    let mut known: Vec<_> = KEYS
        .iter()
        .filter(|(_, state)| match state {
            Used | Later(_) | Ignored => true,
            Obsolete(_) => false,
        })
        .map(|(key, _)| (*key).to_owned())
        .collect();
    known.sort();
    assert_eq!(keys_in_the_example(), known);
}

/// Cut anywhere, or with a byte changed, it loads or is refused, and nothing panics.
#[test]
fn damaged_copies_are_answered() {
    let (mut loaded, mut refused) = (0, 0);
    for at in (0..EXAMPLE.len()).step_by(13) {
        let mut changed = EXAMPLE.as_bytes().to_vec();
        changed[at] = b"\"=[{\xFF\n"[at % 6];
        for content in [EXAMPLE.as_bytes()[..at].to_vec(), changed] {
            let mut machine = Machine::configured("").root();
            machine.files.insert("/c.toml".into(), (content, 0o600));
            match machine.load() {
                Ok(_) => loaded += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(loaded > 100 && refused > 100, "{loaded} loaded, {refused} refused");
}
