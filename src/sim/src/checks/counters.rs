//! I7: counters equal recounts: objects, bytes and open uploads per bucket, references per block.
//!
//! Both are changed in the transaction of what they count, so this holds whenever no transaction
//! runs, not only after everything has settled. The recount here is the simulator's own.

use super::{Failure, unreadable};
use crate::node::Node;
use base::{BlockHash, PartitionHash};
use model::rows::object::ObjectRow;
use model::rows::reference::{self, ReferenceRow, Target};
use model::rows::upload::{UploadRow, UploadState};
use model::usage::Usage;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use store::{Read, Space, Step, StoreError, View};

const PROPERTY: &str = "I7 counters equal recounts";

/// Checks every counter of a node at rest.
pub fn check(node: &Node) -> Result<(), Failure> {
    let unreadable = unreadable(PROPERTY);
    let view = node.store.view().map_err(&unreadable)?;
    let expected = recount_usage(&view).map_err(&unreadable)?;
    let mut counted: BTreeMap<[u8; 16], Usage> = BTreeMap::new();
    view.walk(Space::Usage, &[], None, &mut |key, usage: Usage| {
        if let Ok(partition) = key.try_into() {
            counted.insert(partition, usage);
        }
        Step::Next
    })
    .map_err(&unreadable)?;
    counted.retain(|_, usage| *usage != Usage::default());
    if counted != expected {
        return Err(Failure::new(PROPERTY, format!("usage says {counted:?}, the rows say {expected:?}")));
    }
    check_references(node, &view)
}

fn recount_usage(view: &View) -> Result<BTreeMap<[u8; 16], Usage>, StoreError> {
    let mut usage: BTreeMap<[u8; 16], Usage> = BTreeMap::new();
    view.walk(Space::Object, &[], None, &mut |key, row: ObjectRow| {
        let partition = key.get(..PartitionHash::LEN).and_then(|bytes| bytes.try_into().ok());
        if let (Some(partition), Some(object)) = (partition, row.live()) {
            let counted = usage.entry(partition).or_default();
            counted.objects += 1;
            counted.bytes += object.size as i64;
        }
        Step::Next
    })?;
    view.walk(Space::Upload, &[], None, &mut |_, row: UploadRow| {
        if row.state == UploadState::Open {
            usage.entry(*PartitionHash::of_shard(&row.bucket, 0).as_bytes()).or_default().uploads += 1;
        }
        Step::Next
    })?;
    Ok(usage)
}

/// How many references each block has, by the rows.
pub fn references(view: &View) -> Result<BTreeMap<BlockHash, u64>, StoreError> {
    let mut held = BTreeMap::new();
    view.walk(Space::BlockRef, &[], None, &mut |key, row: ReferenceRow| {
        if let (Some(Target::Block(hash)), false) = (reference::target_of(key), row.removed) {
            *held.entry(hash).or_default() += 1;
        }
        Step::Next
    })?;
    Ok(held)
}

/// The blocks that have a row of counts.
pub fn counted_blocks(view: &View) -> Result<Vec<BlockHash>, StoreError> {
    let mut blocks = Vec::new();
    view.scan(Space::RefCount, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
        // The first byte says what is counted; only blocks are today.
        if let Some(hash) = key.get(1..).and_then(|hash| hash.try_into().ok()) {
            blocks.push(BlockHash::from_bytes(hash));
        }
        ControlFlow::Continue(())
    })?;
    Ok(blocks)
}

fn check_references(node: &Node, view: &View) -> Result<(), Failure> {
    let unreadable = unreadable(PROPERTY);
    let held = references(view).map_err(&unreadable)?;
    let mut blocks = counted_blocks(view).map_err(&unreadable)?;
    blocks.extend(held.keys());
    for hash in blocks {
        let counted = node.blocks.reference_count(&hash).map_err(&unreadable)?;
        let expected = held.get(&hash).copied().unwrap_or(0);
        if counted != expected {
            return Err(Failure::new(
                PROPERTY,
                format!("block {hash} counts {counted} references, the rows hold {expected}"),
            ));
        }
    }
    Ok(())
}
