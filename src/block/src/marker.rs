//! The marker file of a data folder: whose blocks these are.
//!
//! An unmounted disk leaves an empty folder behind, and a swapped cable another node's disk. Both
//! are noticed at start by this file, before anything is taken for lost or written to the wrong
//! place. The same file is locked while the node runs, so two processes never share a folder, and
//! it is looked for before each write, because a disk may vanish under a running node.

use crate::error::UnusableFolder;
use base::NodeId;
use env::{Disk, read_file, write_file_durably};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the marker file.
const MARKER_NAME: &str = "garage-marker";
/// First line: what the file is, and the version of the folder's layout.
const FIRST_LINE: &str = "garage blocks 1";

/// Who a data folder belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub node: NodeId,
    pub disk: [u8; 16],
}

/// Where the marker of a folder is.
pub(crate) fn path_in(folder: &Path) -> PathBuf {
    folder.join(MARKER_NAME)
}

/// Reads a folder's marker; `None` when there is none.
pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> io::Result<Option<Result<Marker, UnusableFolder>>> {
    let content = read_file(disk, &path_in(folder))?;
    Ok(content.map(|content| parse(&content).ok_or(UnusableFolder::DamagedMarker)))
}

/// Writes a folder's marker; durable when it returns.
pub(crate) fn write(disk: &dyn Disk, folder: &Path, marker: &Marker) -> io::Result<()> {
    let text = format!("{FIRST_LINE}\nnode {}\ndisk {}\n", marker.node, base::id::encode_hex(&marker.disk));
    write_file_durably(disk, &path_in(folder), text.as_bytes())
}

fn parse(content: &[u8]) -> Option<Marker> {
    let mut lines = std::str::from_utf8(content).ok()?.lines();
    (lines.next()? == FIRST_LINE).then_some(())?;
    let node = NodeId::from_hex(lines.next()?.strip_prefix("node ")?)?;
    let disk = base::id::decode_hex(lines.next()?.strip_prefix("disk ")?)?;
    Some(Marker { node, disk: disk.try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_markers_are_read() {
        let text = format!("{FIRST_LINE}\nnode {}\ndisk {}\n", "ab".repeat(32), "cd".repeat(16));
        let marker = Marker { node: NodeId::from_bytes([0xab; 32]), disk: [0xcd; 16] };
        assert_eq!(parse(text.as_bytes()), Some(marker));
        for length in 0..text.len() - 1 {
            assert_eq!(parse(&text.as_bytes()[..length]), None, "cut after {length} bytes");
        }
        assert_eq!(parse(text.replace(" 1", " 2").as_bytes()), None);
        assert_eq!(parse(b"\xff\xfe"), None);
    }
}
