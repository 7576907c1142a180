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

/// The engine that made the store in `folder`, if there is one.
pub fn made_by(env: &Env, folder: &Path) -> Result<Option<EngineKind>, EngineError> {
    for kind in EngineKind::ALL {
        let marker = folder.join(kind.marker());
        if env.disk.exists(&marker).map_err(|error| EngineError::Io(error.to_string()))? {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}

/// Opens the store in `folder`, or makes it. A folder made by another engine is refused.
pub fn open(kind: EngineKind, env: &Env, folder: &Path) -> Result<Arc<dyn Engine>, EngineError> {
    open_with_cache(kind, env, folder, None)
}

/// The same, with room for this much in fjall's memory.
pub fn open_with_cache(
    kind: EngineKind,
    env: &Env,
    folder: &Path,
    fjall_cache_bytes: Option<u64>,
) -> Result<Arc<dyn Engine>, EngineError> {
    if let Some(made) = made_by(env, folder)?.filter(|made| *made != kind) {
        let folder = folder.display().to_string();
        return Err(EngineError::OtherEngine { folder, made, asked: kind });
    }
    Ok(match (kind, fjall_cache_bytes) {
        (EngineKind::Redb, _) => Arc::new(RedbEngine::open(env, folder)?),
        (EngineKind::Fjall, None) => Arc::new(FjallEngine::open(env, folder)?),
        (EngineKind::Fjall, Some(bytes)) => Arc::new(FjallEngine::open_with_cache(env, folder, bytes)?),
    })
}
