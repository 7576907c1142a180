//! When this node last heard of each of the others, so that it can say since when one is silent although it started
//! anew meanwhile.
//!
//! One line for each: the id and the time in milliseconds. What cannot be read is forgotten: it is only shown.

use crate::state_file::{self, StateFileError, StateKind};
use base::{NodeId, WallTime};
use env::Disk;
use std::collections::BTreeMap;
use std::path::Path;

/// Times by node.
pub(crate) type LastHeard = BTreeMap<NodeId, WallTime>;

/// Reads what was saved. Blocks.
pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> LastHeard {
    let body = state_file::read(disk, folder, StateKind::Heard).ok().flatten();
    body.map(|body| body.lines().filter_map(parse).collect()).unwrap_or_default()
}

/// Replaces what was saved. Blocks.
pub(crate) fn write(disk: &dyn Disk, folder: &Path, heard: &LastHeard) -> Result<(), StateFileError> {
    let lines: String = heard.iter().map(|(node, time)| format!("{node} {}\n", time.millis())).collect();
    state_file::write(disk, folder, StateKind::Heard, &lines)
}

fn parse(line: &str) -> Option<(NodeId, WallTime)> {
    let (node, time) = line.split_once(' ')?;
    Some((NodeId::from_hex(node)?, WallTime(time.parse().ok()?)))
}
