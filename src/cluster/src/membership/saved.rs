//! The peers that this node knew last, so that it finds the others again after a restart although
//! their addresses, or its own list of first peers, have changed.
//!
//! One line for each: the id and its addresses, separated by spaces.

use crate::state_file::{self, StateFileError, StateKind};
use base::NodeId;
use env::Disk;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

/// Peers by id, with the addresses they were reached at.
pub(crate) type Peers = BTreeMap<NodeId, Vec<SocketAddr>>;

/// Reads what was saved; nothing when there is no file. Blocks.
pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> Result<Peers, StateFileError> {
    match state_file::read(disk, folder, StateKind::Peers)? {
        Some(body) => parse(&body).ok_or_else(|| state_file::damaged(folder, StateKind::Peers)),
        None => Ok(Peers::new()),
    }
}

/// Replaces what was saved. Blocks.
pub(crate) fn write(disk: &dyn Disk, folder: &Path, peers: &Peers) -> Result<(), StateFileError> {
    state_file::write(disk, folder, StateKind::Peers, &to_text(peers))
}

pub(crate) fn to_text(peers: &Peers) -> String {
    let line = |(node, addresses): (&NodeId, &Vec<SocketAddr>)| {
        let addresses: String = addresses.iter().map(|address| format!(" {address}")).collect();
        format!("{node}{addresses}\n")
    };
    peers.iter().map(line).collect()
}

pub(crate) fn parse(body: &str) -> Option<Peers> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let node = NodeId::from_hex(words.next()?)?;
        let addresses = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        Some((node, addresses))
    };
    body.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_noticed() {
        let node = |byte| NodeId::from_bytes([byte; 32]);
        let addresses = ["10.0.0.7:3901", "[fe80::1]:4000"].map(|text| text.parse().unwrap());
        let peers = Peers::from([(node(1), addresses.to_vec()), (node(2), Vec::new())]);
        assert_eq!(parse(&to_text(&peers)), Some(peers));
        assert_eq!(parse("nobody 10.0.0.7:3901\n"), None);
        assert_eq!(parse(&format!("{} nowhere\n", node(1))), None);
    }
}
