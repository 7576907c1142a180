//! The cluster secret and the generated admin token: given by the operator, or made at the first
//! start and kept in a state file (second line) that only they read.

use crate::state_file::{self, StateFileError, StateKind};
use base::id::{decode_hex, encode_hex};
use env::{Env, random_array};
use std::fmt;
use std::path::Path;

/// What every node of a cluster knows and nobody else.
#[derive(Clone, PartialEq, Eq)]
pub struct ClusterSecret([u8; 32]);

/// The text is not a cluster secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cluster secret has 64 hexadecimal digits (32 bytes); `openssl rand -hex 32` makes one")]
pub struct InvalidSecret;

impl ClusterSecret {
    /// Reads a secret from the configuration.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        decode_hex(text.trim()).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(InvalidSecret)
    }

    /// The secret kept in `folder`; made if there is none. Blocks.
    pub fn open(env: &Env, folder: &Path) -> Result<Self, StateFileError> {
        let line = open_line(env, folder, StateKind::ClusterSecret)?;
        Self::parse(&line).map_err(|_| state_file::damaged(folder, StateKind::ClusterSecret))
    }

    /// Keeps a secret that another node gave. Blocks.
    pub(crate) fn store(&self, env: &Env, folder: &Path) -> Result<(), StateFileError> {
        let line = encode_hex(&self.0);
        state_file::write(env.disk.as_ref(), folder, StateKind::ClusterSecret, &format!("{line}\n"))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A token of the admin API.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    /// A token from the configuration.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The token kept in `folder`; made if there is none. Blocks.
    pub fn open(env: &Env, folder: &Path) -> Result<Self, StateFileError> {
        open_line(env, folder, StateKind::AdminToken).map(Self)
    }

    /// The token itself: to compare with, and for the operator who asks.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The one line of a secret's file; 32 random bytes in hexadecimal if there is none.
fn open_line(env: &Env, folder: &Path, kind: StateKind) -> Result<String, StateFileError> {
    let disk = env.disk.as_ref();
    if let Some(body) = state_file::read(disk, folder, kind)? {
        let line = body.strip_suffix('\n').filter(|line| !line.is_empty() && !line.contains('\n'));
        return line.map(str::to_owned).ok_or_else(|| state_file::damaged(folder, kind));
    }
    let line = encode_hex(&random_array::<32>(env.rng.as_ref()));
    state_file::write(disk, folder, kind, &format!("{line}\n"))?;
    Ok(line)
}
