//! Secrets of the configuration: a value, or a file that holds it.
//!
//! Always holds: a secret is never shown by `Debug`, and a file that every user of the machine can read is
//! refused unless the operator allows it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::files::{Files, read_text};

/// Longest secret file: tokens are tens of bytes; a wrong path must not be read whole.
const SECRET_FILE_MAX_BYTES: usize = 64 << 10;
/// The permission bits of users who are neither owner nor group: read, write, execute.
const OTHERS_MASK: u32 = 0o007;

/// A secret text.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(hidden)")
    }
}

/// The two ways of one source (command line, environment, file) to give one secret.
#[derive(Debug, Default, Clone)]
pub(super) struct Given {
    /// Name of the value's place and the value.
    pub value: Option<(String, String)>,
    /// Name of the path's place and the path.
    pub file: Option<(String, PathBuf)>,
}

/// Whether secrets may lie in files that everybody can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorldReadable {
    Refused,
    Allowed,
}

/// The secret from the first source that gives one; within a source value and file exclude each other.
pub(super) fn resolve(
    sources: &[Given],
    world_readable: WorldReadable,
    files: &dyn Files,
) -> Result<Option<Secret>, ConfigError> {
    for source in sources {
        match (&source.value, &source.file) {
            (Some((first, _)), Some((second, _))) => {
                return Err(ConfigError::GivenTwice { first: first.clone(), second: second.clone() });
            }
            (Some((origin, value)), None) => return not_empty(value, origin).map(Some),
            (None, Some((_, path))) => return from_file(path, world_readable, files).map(Some),
            (None, None) => {}
        }
    }
    Ok(None)
}

fn from_file(path: &Path, world_readable: WorldReadable, files: &dyn Files) -> Result<Secret, ConfigError> {
    let text = read_text(files, path, SECRET_FILE_MAX_BYTES)?;
    let mode = files.mode(path).map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
    if mode & OTHERS_MASK != 0 && world_readable == WorldReadable::Refused {
        return Err(ConfigError::WorldReadableSecret { path: path.into(), mode: mode & 0o7777 });
    }
    not_empty(&text, &path.display().to_string())
}

fn not_empty(text: &str, origin: &str) -> Result<Secret, ConfigError> {
    match text.trim() {
        "" => Err(ConfigError::EmptySecret { origin: origin.to_owned() }),
        secret => Ok(Secret(secret.to_owned())),
    }
}
