//! Configurations as people have them, and every way to get one wrong.

mod example;
mod files;
mod folders;
mod fuzz_corpus;
mod real_life;
mod secrets;
mod values;
mod variables;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, Files, Flags, Notice, Surroundings};

/// A machine with the files that a test puts there: content and mode.
#[derive(Default)]
struct Machine {
    files: BTreeMap<PathBuf, (Vec<u8>, u32)>,
    variables: BTreeMap<String, String>,
    is_root: bool,
    flags: Flags,
}

impl Files for Machine {
    fn read(&self, path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
        let (content, _) = self.files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(content.iter().copied().take(limit_bytes + 1).collect())
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        self.files.get(path).map(|(_, mode)| *mode).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Machine {
    /// One with a home folder and no configuration.
    fn new() -> Self {
        Self::default().variable("HOME", "/home/ana")
    }

    /// One with this configuration, named by `-c`.
    fn configured(content: &str) -> Self {
        let mut machine = Self::new().file("/c.toml", content, 0o644);
        machine.flags.config_file = Some("/c.toml".into());
        machine
    }

    fn file(mut self, path: &str, content: &str, mode: u32) -> Self {
        self.files.insert(path.into(), (content.as_bytes().to_vec(), mode));
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    fn root(mut self) -> Self {
        self.is_root = true;
        self
    }

    fn flags(mut self, set: impl FnOnce(&mut Flags)) -> Self {
        set(&mut self.flags);
        self
    }

    fn load(&self) -> Result<(Config, Vec<Notice>), ConfigError> {
        let around = Surroundings { variables: &self.variables, is_root: self.is_root, files: self };
        Config::load(&self.flags, around)
    }

    fn config(&self) -> Config {
        self.load().map(|(config, _)| config).expect("a configuration that loads")
    }

    fn notices(&self) -> Vec<String> {
        let (_, notices) = self.load().expect("a configuration that loads");
        notices.iter().map(Notice::to_string).collect()
    }

    fn error(&self) -> String {
        self.load().expect_err("a configuration that does not load").to_string()
    }
}
