//! The little that configuration needs from the machine: read a file, see who may read it.
//!
//! Why not env's disk door: the doors are opened with what the configuration says.

use std::io::{self, Read};
use std::path::Path;

use super::error::ConfigError;

/// Files as configuration sees them.
pub trait Files {
    /// At most `limit_bytes + 1` bytes from the start of a file.
    fn read(&self, path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>>;
    /// Permission bits.
    fn mode(&self, path: &Path) -> io::Result<u32>;
}

/// The machine's files.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachineFiles;

#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "read before the disk door is open")]
impl Files for MachineFiles {
    fn read(&self, path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        std::fs::File::open(path)?.take(limit_bytes as u64 + 1).read_to_end(&mut content)?;
        Ok(content)
    }

    fn mode(&self, path: &Path) -> io::Result<u32> {
        std::fs::metadata(path)
            .map(|metadata| std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()))
    }
}

/// A whole text file.
pub(super) fn read_text(files: &dyn Files, path: &Path, limit_bytes: usize) -> Result<String, ConfigError> {
    let content = files.read(path, limit_bytes);
    let content = content.map_err(|source| ConfigError::Unreadable { path: path.into(), source })?;
    if content.len() > limit_bytes {
        return Err(ConfigError::TooLarge { path: path.into(), limit_bytes });
    }
    String::from_utf8(content).map_err(|_| ConfigError::NotUtf8 { path: path.into() })
}
