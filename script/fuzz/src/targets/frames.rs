//! Target `frames`: what stands before and around the messages between nodes.
//!
//! The first byte chooses the form. What must hold: no panic; memory in proportion to the bytes; read and written it is
//! the same when it is read again.

use super::forms;
use net::fuzzing::FORMS;

/// An address is the longest that any of them holds.
const MEMORY: forms::Memory = (4 << 10, 16);

/// One frame.
pub fn check(input: &[u8]) {
    let Some((&kind, bytes)) = input.split_first() else { return };
    let Some((name, form)) = FORMS.get(usize::from(kind)) else { return };
    forms::check(name, *form, MEMORY, bytes);
}
