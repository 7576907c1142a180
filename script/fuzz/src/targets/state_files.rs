//! Target `state_files`: the layout, votes, peers, invitations and keys, as they lie on the disk or come from other nodes.
//!
//! The first byte chooses the file. What must hold: no panic; memory in proportion to the bytes; what contradicts itself is
//! refused; read and written it is the same when it is read again.

use super::forms;
use cluster::fuzzing::STATE;

/// A layout has lists of 1 024 arcs that a few bytes may stand for.
const MEMORY: forms::Memory = (1 << 20, 256);

/// One file.
pub fn check(input: &[u8]) {
    let Some((&kind, bytes)) = input.split_first() else { return };
    let Some((name, form)) = STATE.get(usize::from(kind)) else { return };
    forms::check(name, *form, MEMORY, bytes);
}
