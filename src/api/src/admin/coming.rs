//! A layout version on its way: who has copied and compared how much, and until when.

use super::wire;
use base::WallTime;
use cluster::layout::{Layout, Version, arcs};

/// What is known of the version that is coming, if there is one.
pub(super) fn coming_body(layout: &Layout, now: WallTime) -> Option<wire::ComingVersion> {
    let version = layout.coming()?;
    let is_joint = layout.joint().is_some();
    let nodes: Vec<wire::ComingNode> =
        version.storage_nodes().map(|(node, _)| progress_of(layout, version, *node, is_joint)).collect();
    let (done, wanted) =
        nodes.iter().fold((0, 0), |(done, wanted), node| (done + node.done, wanted + node.wanted));
    let since_ms = now.millis().saturating_sub(version.stamp.wall().millis());
    let seconds_left = (done > 0 && done < wanted).then(|| since_ms / 1000 * (wanted - done) / done);
    let stage = if is_joint { "completing" } else { "filling" };
    Some(wire::ComingVersion { version: version.number, stage: stage.to_owned(), nodes, seconds_left })
}

fn progress_of(layout: &Layout, version: &Version, node: base::NodeId, is_joint: bool) -> wire::ComingNode {
    let owned = arcs().filter(|arc| version.assignment.owners(*arc).contains(&node));
    let (mut done, mut wanted) = (0, 0);
    for arc in owned {
        let is_due = if is_joint {
            !layout.is_unmoved(arc)
        } else {
            !layout.newest().assignment.owners(arc).contains(&node)
        };
        let is_done = if is_joint { layout.has_completed(node, arc) } else { layout.has_filled(node, arc) };
        wanted += u64::from(is_due);
        done += u64::from(is_due && is_done);
    }
    wire::ComingNode { id: node.to_string(), done, wanted }
}
