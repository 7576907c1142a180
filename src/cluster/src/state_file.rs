//! State files: small texts in the metadata folder, each with its own checksum.
//!
//! A file is one head line and a body: `garage <kind> <format> <blake3>`, then the body up to the
//! end of the file. The checksum (64 lower-case digits) covers kind, format and body, and the head
//! is compared byte by byte, so that no flipped bit and no missing byte goes unnoticed. They are
//! replaced by temporary file, fsync, rename, fsync of the folder.

use env::{Disk, read_file, write_file_durably};
use std::io;
use std::path::{Path, PathBuf};

/// The format of every kind today. A newer one is refused with its number.
const FORMAT: u32 = 1;

/// The state files of this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// The node's secret key.
    NodeKey,
    /// The secret shared by all nodes of the cluster.
    ClusterSecret,
    /// The token of the admin API that was generated at the first start.
    AdminToken,
    /// The layout.
    Layout,
    /// The layout before the last change.
    PreviousLayout,
    /// What this node has promised and accepted about the next version of the layout.
    Vote,
    /// The other nodes, as this one knew them last.
    Peers,
    /// The invitations that this node has made.
    Invitations,
    /// How this node came into its cluster, if by invitation.
    Joined,
    /// When this node last heard of each of the others.
    Heard,
}

impl StateKind {
    /// Every kind.
    pub const ALL: [StateKind; 10] = [
        StateKind::NodeKey,
        StateKind::ClusterSecret,
        StateKind::AdminToken,
        StateKind::Layout,
        StateKind::PreviousLayout,
        StateKind::Vote,
        StateKind::Peers,
        StateKind::Invitations,
        StateKind::Joined,
        StateKind::Heard,
    ];

    /// The file's name in the metadata folder.
    pub const fn file_name(self) -> &'static str {
        match self {
            StateKind::NodeKey => "node_key",
            StateKind::ClusterSecret => "rpc_secret",
            StateKind::AdminToken => "admin_token",
            StateKind::Layout => "cluster_layout",
            StateKind::PreviousLayout => "cluster_layout.previous",
            StateKind::Vote => "layout_vote",
            StateKind::Peers => "peer_list",
            StateKind::Invitations => "invitations",
            StateKind::Joined => "joined",
            StateKind::Heard => "last_heard",
        }
    }

    /// The word in the head line. A previous layout reads as a layout, so that copying it back
    /// repairs the node.
    const fn word(self) -> &'static str {
        match self {
            StateKind::NodeKey => "node_key",
            StateKind::ClusterSecret => "rpc_secret",
            StateKind::AdminToken => "admin_token",
            StateKind::Layout | StateKind::PreviousLayout => "cluster_layout",
            StateKind::Vote => "layout_vote",
            StateKind::Peers => "peer_list",
            StateKind::Invitations => "invitations",
            StateKind::Joined => "joined",
            StateKind::Heard => "last_heard",
        }
    }

    /// What the operator can do about a damaged one.
    const fn remedy(self, has_previous: bool) -> &'static str {
        match self {
            StateKind::NodeKey => {
                "restore it from a backup: without it this node is a stranger to its own data"
            }
            StateKind::ClusterSecret => {
                "restore it from a backup, copy it from another node, or give rpc_secret in the configuration"
            }
            StateKind::AdminToken => {
                "delete it to have a new token made, or give admin_token in the configuration"
            }
            StateKind::Layout if !has_previous => "restore it from a backup or another node",
            StateKind::Layout => {
                "copy cluster_layout.previous over it, or restore it from a backup or another node"
            }
            StateKind::PreviousLayout => "restore cluster_layout from a backup or another node",
            StateKind::Invitations => "delete it, then make new ones with `garage node invite`",
            StateKind::Joined => {
                "restore it from a backup; with a role in the layout (`garage status` on another node) delete it"
            }
            StateKind::Vote => {
                "restore it from a backup; delete it only if `garage layout show` on another node says that no \
                 change is under way"
            }
            StateKind::Peers => "delete it, then name a node with `garage node connect` again",
            StateKind::Heard => "delete it",
        }
    }
}

/// Why a state file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It does not pass its check. It was left as it is.
    #[error("{} is damaged and was left as it is: {}", path.display(), kind.remedy(*has_previous))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: StateKind,
        /// Of the layout: whether the one before it is there.
        has_previous: bool,
    },
    /// A newer release wrote it.
    #[error("{} was written by a newer release (format {format}): start that release again", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format it says.
        format: u32,
    },
    /// The disk refused to read or write it.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The body of a state file; `None` when there is no such file.
pub(crate) fn read(
    disk: &dyn Disk,
    folder: &Path,
    kind: StateKind,
) -> Result<Option<String>, StateFileError> {
    let path = folder.join(kind.file_name());
    let damaged = || match kind {
        StateKind::Layout => damaged_layout(disk, folder),
        _ => damaged(folder, kind),
    };
    let content = match read_file(disk, &path) {
        Ok(None) => return Ok(None),
        Ok(Some(content)) => content,
        Err(source) if source.kind() == io::ErrorKind::InvalidData => {
            return Err(damaged());
        }
        Err(source) => return Err(StateFileError::Disk { path, source }),
    };
    match body(&content, kind) {
        Ok(body) => Ok(Some(body.to_owned())),
        Err(Some(format)) => Err(StateFileError::Newer { path, format }),
        Err(None) => Err(damaged()),
    }
}

/// The body in the content of a state file. An error: it is damaged, or whole and of a newer format.
fn body(content: &[u8], kind: StateKind) -> Result<&str, Option<u32>> {
    let (found, body) = split(content).ok_or(None)?;
    if found == head(kind, FORMAT, body) {
        return Ok(body);
    }
    let newer = claimed_format(found).filter(|format| *format > FORMAT);
    Err(newer.filter(|format| found == head(kind, *format, body)))
}

/// A whole file, written again; `None`: it is damaged. With bytes that are no file: as one that has them as its body.
pub(crate) fn rewritten(content: &[u8]) -> Option<Vec<u8>> {
    let kind = StateKind::Heard;
    match body(content, kind) {
        Ok(body) => Some([head(kind, FORMAT, body).as_str(), body].concat().into()),
        Err(Some(_)) => None,
        Err(None) => {
            let text = std::str::from_utf8(content).ok()?;
            Some([head(kind, FORMAT, text).as_str(), text].concat().into())
        }
    }
}

/// Replaces a state file durably.
pub(crate) fn write(
    disk: &dyn Disk,
    folder: &Path,
    kind: StateKind,
    body: &str,
) -> Result<(), StateFileError> {
    let path = folder.join(kind.file_name());
    let content = [head(kind, FORMAT, body).as_str(), body].concat();
    write_file_durably(disk, &path, content.as_bytes())
        .map_err(|source| StateFileError::Disk { path, source })
}

/// A body passed its check and still makes no sense.
pub(crate) fn damaged(folder: &Path, kind: StateKind) -> StateFileError {
    StateFileError::Damaged { path: folder.join(kind.file_name()), kind, has_previous: false }
}

/// The same of the layout, beside which the one before it may lie.
pub(crate) fn damaged_layout(disk: &dyn Disk, folder: &Path) -> StateFileError {
    let has_previous = disk.exists(&folder.join(StateKind::PreviousLayout.file_name())).unwrap_or(false);
    let (path, kind) = (folder.join(StateKind::Layout.file_name()), StateKind::Layout);
    StateFileError::Damaged { path, kind, has_previous }
}

fn split(content: &[u8]) -> Option<(&str, &str)> {
    let text = std::str::from_utf8(content).ok()?;
    Some(text.split_at(text.find('\n')? + 1))
}

/// The head line, with its line end.
fn head(kind: StateKind, format: u32, body: &str) -> String {
    let word = kind.word();
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("garage {word} {format}\n").as_bytes());
    hasher.update(body.as_bytes());
    format!("garage {word} {format} {}\n", hasher.finalize().to_hex())
}

fn claimed_format(head: &str) -> Option<u32> {
    head.split(' ').nth(2)?.parse().ok()
}
