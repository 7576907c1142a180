//! Target `config`: a configuration file, the environment and the file of a secret.
//!
//! The input is the three of them, divided by lines `===`. What must hold: no panic, memory in proportion to
//! the file; the same input gives the same configuration; numbers are within their ranges; a notice is one line; a size or a duration
//! that was read, written plainly, is read as the same.

use super::meter;
use crate::config::{Config, ConfigError, Files, Flags, Notice, Surroundings};
use crate::config::{duration_ms, size_bytes};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The smallest key takes four bytes of a file and becomes an entry of two trees with its own name.
const MEMORY_PER_FILE_BYTE: usize = 256;
/// For what does not grow with the file: the names of some hundred keys.
const MEMORY_FIXED_BYTES: usize = 64 << 10;

const CONFIG_FILE: &str = "/c.toml";
const SECRET_FILE: &str = "/secret";
const DIVIDER: &[u8] = b"\n===\n";

/// A machine with two files.
struct Machine<'i> {
    config: &'i [u8],
    secret: &'i [u8],
}

impl Machine<'_> {
    fn file(&self, path: &Path) -> io::Result<&[u8]> {
        match path.to_str() {
            Some(CONFIG_FILE) => Ok(self.config),
            Some(SECRET_FILE) => Ok(self.secret),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Files for Machine<'_> {
    fn read(&self, path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
        Ok(self.file(path)?.iter().copied().take(limit_bytes + 1).collect())
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        self.file(path).map(|content| if content.len().is_multiple_of(2) { 0o600 } else { 0o644 })
    }
}

/// One configuration.
pub fn check(input: &[u8]) {
    let (config, rest) = divided(input);
    let (environment, secret) = divided(rest);
    let machine = Machine { config, secret };
    let variables: BTreeMap<String, String> = String::from_utf8_lossy(environment)
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    variables.values().for_each(|value| plainly(value));
    let flags = Flags { config_file: Some(CONFIG_FILE.into()), ..Flags::default() };
    let load = || {
        let around = Surroundings { variables: &variables, is_root: true, files: &machine };
        Config::load(&flags, around)
    };
    let limit = MEMORY_FIXED_BYTES + MEMORY_PER_FILE_BYTE * input.len();
    match meter::within(limit, load) {
        Ok((config, notices)) => {
            judge(&config);
            notices.iter().for_each(one_line);
            let again = load().map(|(config, _)| format!("{config:?}")).ok();
            assert_eq!(again, Some(format!("{config:?}")), "the same input again");
        }
        Err(error) => explained(&error),
    }
}

fn divided(bytes: &[u8]) -> (&[u8], &[u8]) {
    let at = bytes.windows(DIVIDER.len()).position(|window| window == DIVIDER);
    at.map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + DIVIDER.len()..]))
}

fn judge(config: &Config) {
    assert!(config.data_dirs.iter().any(|dir| !dir.read_only), "no place for new blocks");
    assert!((1..=7).contains(&config.replication_factor));
    assert!(config.compression_level.is_none_or(|level| (-99..=22).contains(&level)));
    assert!(config.block_ram_buffer_max_bytes >= 4 << 20);
    assert!(config.block_max_concurrent_reads.is_none_or(|parallel| (1..=1024).contains(&parallel)));
    assert!((1..=64).contains(&config.s3.region.len()));
    let secrets = [&config.rpc.secret, &config.admin.token, &config.admin.metrics_token];
    assert!(secrets.into_iter().flatten().all(|secret| !secret.reveal().is_empty()));
}

fn one_line(notice: &Notice) {
    let text = notice.to_string();
    assert!(!text.is_empty() && !text.contains(char::is_control), "not one line: {text:?}");
}

fn explained(error: &ConfigError) {
    assert!(!error.to_string().is_empty());
}

fn plainly(text: &str) {
    if let Some(size) = size_bytes(text) {
        assert_eq!(size_bytes(&size.to_string()), Some(size));
    }
    if let Some(duration) = duration_ms(text) {
        assert_eq!(duration_ms(&format!("{duration}ms")), Some(duration));
    }
}
