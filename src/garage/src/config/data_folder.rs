//! Where this node keeps its data.
//!
//! Always holds: never the current directory by default; what the file names is not hidden by a variable that
//! an image or a service sets; flag and file together are refused, since either choice could hide data.

use std::path::{Path, PathBuf};

use super::document::{DataDir, Document};
use super::error::ConfigError;
use super::notice::Notice;
use super::{Flags, Surroundings};

/// The system's place for a service's data (File Hierarchy Standard, `/var/lib`).
const SYSTEM_FOLDER: &str = "/var/lib/garage";

/// The folders of one node.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Folders {
    pub data_folder: Option<PathBuf>,
    pub metadata_dir: PathBuf,
    pub data_dirs: Vec<DataDir>,
}

pub(super) fn resolve(
    flags: &Flags,
    around: Surroundings<'_>,
    document: &Document,
    notices: &mut Vec<Notice>,
) -> Result<Folders, ConfigError> {
    let metadata_dir = document.path("metadata_dir")?;
    let data_dirs = document.data_dirs("data_dir")?;
    if flags.data_dir.is_some() {
        let place = |key: &'static str| document.place_of(key).map(|(path, line)| (key, path, line));
        if let Some((key, path, line)) = place("metadata_dir").or_else(|| place("data_dir")) {
            return Err(ConfigError::FolderTwice { key, path, line });
        }
    }
    let named = metadata_dir.iter().map(|path| ("metadata_dir", path));
    let named = named.chain(data_dirs.iter().flatten().map(|dir| ("data_dir", &dir.path)));
    notices.extend(
        named
            .filter(|(_, path)| path.is_relative())
            .map(|(key, path)| Notice::RelativePath { key, path: path.display().to_string() }),
    );
    match (metadata_dir, data_dirs) {
        (Some(metadata_dir), Some(data_dirs)) => Ok(Folders { data_folder: None, metadata_dir, data_dirs }),
        (metadata_dir, data_dirs) => {
            let folder = data_folder(flags, around)?;
            Ok(Folders {
                metadata_dir: metadata_dir.unwrap_or_else(|| folder.join("meta")),
                data_dirs: data_dirs.unwrap_or_else(|| vec![one_dir(&folder)]),
                data_folder: Some(folder),
            })
        }
    }
}

fn one_dir(folder: &Path) -> DataDir {
    DataDir { path: folder.join("data"), capacity_bytes: None, read_only: false }
}

/// `--data-dir`, `GARAGE_DATA_DIR`, for root the system's place, else the user's data home.
fn data_folder(flags: &Flags, around: Surroundings<'_>) -> Result<PathBuf, ConfigError> {
    let named = flags.data_dir.clone().filter(|path| !path.as_os_str().is_empty());
    let named = named.or_else(|| around.variable("GARAGE_DATA_DIR").map(PathBuf::from));
    if let Some(folder) = named {
        return Ok(folder);
    }
    if around.is_root {
        return Ok(PathBuf::from(SYSTEM_FOLDER));
    }
    // The XDG specification: a relative path is invalid and must be ignored; HOME gets the same care.
    let absolute = |name| around.variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data_home =
        absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    data_home.map(|home| home.join("garage")).ok_or(ConfigError::NoDataFolder)
}
