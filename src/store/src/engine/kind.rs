//! Which engine: its name in the settings, and how a folder shows which one made it.

use super::{Engine, EngineError, FjallEngine, RedbEngine, fjall, redb};
use env::Env;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// The engines a node can run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// A copy-on-write B-tree in one file.
    Redb,
    /// A log-structured merge tree in a folder.
    Fjall,
}

/// The name is not one of an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a metadata engine: use `redb` or `fjall`")]
pub struct UnknownEngine(String);

impl EngineKind {
    /// Every engine.
    pub const ALL: [EngineKind; 2] = [EngineKind::Redb, EngineKind::Fjall];

    /// The name in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Redb => "redb",
            EngineKind::Fjall => "fjall",
        }
    }

    /// The name in the folder that shows that this engine made it.
    const fn marker(self) -> &'static str {
        match self {
            EngineKind::Redb => redb::FILE_NAME,
            EngineKind::Fjall => fjall::FOLDER_NAME,
        }
    }
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for EngineKind {
    type Err = UnknownEngine;

    fn from_str(name: &str) -> Result<Self, UnknownEngine> {
        let known = Self::ALL.into_iter().find(|kind| kind.name() == name);
        known.ok_or_else(|| UnknownEngine(name.to_owned()))
    }
}

/// Opens the store in `folder`, or makes it. A folder made by another engine is refused.
pub fn open(kind: EngineKind, env: &Env, folder: &Path) -> Result<Arc<dyn Engine>, EngineError> {
    for other in EngineKind::ALL {
        let marker = folder.join(other.marker());
        let present = env.disk.exists(&marker).map_err(|error| EngineError::Io(error.to_string()))?;
        if other != kind && present {
            return Err(EngineError::Corrupt(format!(
                "{} was made by the engine `{other}`, and the settings ask for `{kind}`",
                folder.display()
            )));
        }
    }
    Ok(match kind {
        EngineKind::Redb => Arc::new(RedbEngine::open(env, folder)?),
        EngineKind::Fjall => Arc::new(FjallEngine::open(env, folder)?),
    })
}
