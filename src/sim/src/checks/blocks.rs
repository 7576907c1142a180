//! I8: every referenced block is there and holds what its name says, unless its file was damaged
//! on purpose.

use super::{Failure, counters, unreadable};
use crate::node::Node;
use base::BlockHash;
use std::collections::BTreeSet;

const PROPERTY: &str = "I8 no referenced block missing";

/// Reads every referenced block of a node at rest.
pub async fn check(node: &Node, rotten: &BTreeSet<BlockHash>) -> Result<(), Failure> {
    let unreadable = unreadable(PROPERTY);
    let view = node.store.view().map_err(&unreadable)?;
    for hash in counters::references(&view).map_err(&unreadable)?.into_keys() {
        if rotten.contains(&hash) {
            continue;
        }
        if let Err(error) = node.blocks.get(&hash).await {
            return Err(Failure::new(PROPERTY, format!("block {hash}: {error}")));
        }
    }
    Ok(())
}
