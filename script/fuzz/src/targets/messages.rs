//! Target `messages`: the requests and replies between nodes, about rows, blocks and the cluster.
//!
//! The first byte chooses the type, and whether it is the request or the reply. What must hold: no panic; memory in
//! proportion to the bytes; read and written it is the same when it is read again.

use super::forms;

/// The reader of MessagePack makes room for at most one mebibyte of announced elements per list, before it has seen them;
/// a listing has lists inside lists inside lists. The smallest element takes a byte, and lists grow by doubling.
const MEMORY: forms::Memory = (8 << 20, 1 << 10);
/// Types that there is room for: one more does not change what the inputs of the others mean.
const TYPES_MAX: u8 = 64;

/// One message.
pub fn check(input: &[u8]) {
    let Some((&chosen, bytes)) = input.split_first() else { return };
    let kind = usize::from(chosen % TYPES_MAX);
    let all = || model::fuzzing::MESSAGES.iter().chain(&cluster::fuzzing::MESSAGES);
    let Some((name, request, reply)) = all().nth(kind) else { return };
    let form = if chosen < 2 * TYPES_MAX { request } else { reply };
    forms::check(name, *form, MEMORY, bytes);
}
