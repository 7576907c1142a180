//! The moment in which a change of the layout is complete: what is said to lie on three homes is asked for at once, before
//! anything has the time to be copied late (rule K8, doc/models/blocks.rs).
//!
//! A change is complete when some home sees the older version retired: whoever leaves may be switched off from then on. Then
//! of each block that an object consists of more than half of its owners by the new version have a file; and of each that
//! was there before the change (`ballast`) every owner has one that had said that its copy of the arc is complete.

use super::ballast;
use super::gathering::{Gathering, Shared};
use crate::checks::Failure;
use crate::plan::EngineChoice;
use base::{BlockHash, NodeId, PartitionHash};
use cluster::Placement;
use cluster::layout::{Layout, partition_of};
use model::rows::object::{Body, ObjectRow};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::Space;

const PROPERTY: &str = "K8 a complete change has copied all blocks";
/// Between two looks at whether that is so.
const LOOK: Duration = Duration::from_millis(10);

/// What was seen of a change that is under way.
#[derive(Default)]
struct Seen {
    /// Which home a node is.
    numbers: BTreeMap<NodeId, usize>,
    /// By home, the last layout it knew in which two versions were in force: it tells who had said what.
    layouts: BTreeMap<usize, Arc<Layout>>,
}

/// Waits for each change of the run, and judges it. Rows of homes that are off are seen in memory engines only.
pub async fn watch(homes: Shared) {
    let last = homes.plan.last_version();
    let mut seen = Seen::default();
    let mut complete = 1;
    while complete < last && homes.plan.engine == EngineChoice::Memory {
        env::sleep(LOOK).await;
        let nodes = homes.homes.iter().filter_map(|home| Some((home.number, home.node()?)));
        let mut newest: Option<Arc<Placement>> = None;
        for (number, node) in nodes {
            seen.numbers.insert(node.id(), number);
            if node.cluster.layout().joint().is_some() {
                seen.layouts.insert(number, node.cluster.layout());
            }
            let placement = node.cluster.placement();
            if placement.view().oldest > complete {
                complete = placement.view().oldest;
                newest = Some(placement);
            }
        }
        if let Some(placement) = newest
            && let Err(failure) = check(&homes, &placement, &seen)
        {
            homes.book().fail(failure);
        }
    }
}

/// More than half of the owners have a file of each block that an object consists of.
fn check(homes: &Gathering, placement: &Placement, seen: &Seen) -> Result<(), Failure> {
    let version = placement.view().oldest;
    let files: Vec<BTreeSet<BlockHash>> = (0..homes.homes.len()).map(|home| held(homes, home)).collect();
    let wanted = wanted(homes);
    homes.note(&format!("  version {version} is complete, {} blocks are asked for", wanted.len()));
    homes.book().add("blocks asked for when a change was complete", wanted.len() as u64);
    for hash in wanted {
        for set in placement.sets(PartitionHash::of_uniform(hash.as_bytes())) {
            let has_it =
                |owner: &&NodeId| seen.numbers.get(*owner).is_none_or(|home| files[*home].contains(&hash));
            let holders = set.iter().filter(has_it).count();
            if holders <= set.len() / 2 {
                let detail = format!(
                    "version {version} is complete, and {holders} of the {} owners have block {hash}",
                    set.len()
                );
                return Err(Failure::new(PROPERTY, detail));
            }
        }
    }
    check_ballast(homes, placement, (&files, seen))
}

/// Whoever had said that its copy of an arc is complete has all of it that was there before.
fn check_ballast(
    homes: &Gathering,
    placement: &Placement,
    (files, seen): (&[BTreeSet<BlockHash>], &Seen),
) -> Result<(), Failure> {
    let version = placement.view().oldest;
    for hash in ballast::blocks(homes) {
        let partition = PartitionHash::of_uniform(hash.as_bytes());
        for owner in placement.sets(partition).concat() {
            let has_said = |layout: &Arc<Layout>| {
                let is_joint = layout.joint().is_some_and(|joint| joint.number == version);
                is_joint && layout.steps_of(owner).complete.contains(partition_of(&partition))
            };
            let Some(home) = seen.numbers.get(&owner).filter(|_| seen.layouts.values().any(has_said)) else {
                continue;
            };
            if !files[*home].contains(&hash) {
                let detail =
                    format!("version {version} is complete, home {home} said so, and lacks block {hash}");
                return Err(Failure::new(PROPERTY, detail));
            }
        }
    }
    Ok(())
}

/// What a home has files of, or had until one vanished on purpose.
fn held(homes: &Gathering, home: usize) -> BTreeSet<BlockHash> {
    let files = homes.homes[home].block_files().into_iter().map(|(hash, _)| hash);
    files.chain(homes.decayed().iter().filter_map(|decayed| decayed.block_at(home))).collect()
}

/// The blocks of what is current, by the newest row of each key.
fn wanted(homes: &Gathering) -> BTreeSet<BlockHash> {
    let mut newest: BTreeMap<Vec<u8>, ObjectRow> = BTreeMap::new();
    for home in &homes.homes {
        for (key, value) in home.rows.rows(Space::Object) {
            // What is damaged says nothing.
            let Ok(row) = store::decode::<ObjectRow>(Space::Object, &key, &value) else { continue };
            if newest.get(&key).is_none_or(|known| known.order < row.order) {
                newest.insert(key, row);
            }
        }
    }
    let mut blocks = BTreeSet::new();
    for object in newest.values().filter_map(ObjectRow::live) {
        if let Body::Blocks(_, pieces) = &object.body {
            blocks.extend(pieces.iter().map(|piece| piece.hash));
        }
    }
    blocks
}
