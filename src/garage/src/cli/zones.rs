//! What is proven of the copies in each zone: one table of `garage status` and `garage health`.
//!
//! What is not known is said as that: a zone that is away may hold everything, or nothing.

use super::render::{self, Page};
use api::admin::wire::{NodeCopies, ZoneCopies};

/// The word for what nobody can say now.
const UNKNOWN: &str = "unknown";

/// Whether the table says more than that one zone has everything.
pub fn are_worth_showing(zones: &[ZoneCopies]) -> bool {
    let is_whole = |zone: &ZoneCopies| {
        zone.copies_proven == Some(zone.copies)
            && (zone.blocks_lacking, zone.bytes_to_come) == (Some(0), Some(0))
    };
    zones.len() > 1 || !zones.iter().all(is_whole)
}

/// Shows the table.
pub fn say(page: &mut Page, zones: &[ZoneCopies]) {
    page.heading("PROVEN COPIES BY ZONE").columns(
        &["Zone", "Proven partitions", "Missing blocks", "Still to come", "Last heard"],
        zones.iter().map(row).collect(),
    );
}

fn row(zone: &ZoneCopies) -> Vec<String> {
    vec![zone.zone.clone(), proven(zone), missing(zone), to_come(zone), last_heard(zone)]
}

fn proven(zone: &ZoneCopies) -> String {
    match zone.copies_proven {
        None => format!("{UNKNOWN} of {}", zone.copies),
        Some(proven) if zone.copies_unknown == 0 => format!("{proven} of {}", zone.copies),
        Some(proven) => format!("{proven} of {}, {} {UNKNOWN}", zone.copies, zone.copies_unknown),
    }
}

fn missing(zone: &ZoneCopies) -> String {
    let Some(blocks) = zone.blocks_lacking else { return UNKNOWN.to_owned() };
    if blocks == 0 {
        return "none".to_owned();
    }
    let at_least = if zone.blocks_lacking_is_exact { "" } else { "at least " };
    let bytes = zone.bytes_lacking.map(|bytes| format!(" ({})", render::size(bytes)));
    format!("{at_least}{blocks}{}", bytes.unwrap_or_default())
}

fn to_come(zone: &ZoneCopies) -> String {
    let Some(bytes) = zone.bytes_to_come else { return UNKNOWN.to_owned() };
    if bytes == 0 {
        return "nothing".to_owned();
    }
    let time = zone.seconds_left.map(|seconds| format!(", {}", render::about_time(seconds)));
    let until = zone.until.as_deref().map(|until| format!(", until {}", render::minute(until)));
    format!("about {}{}{}", render::size(bytes), time.unwrap_or_default(), until.unwrap_or_default())
}

/// `now`, or the nodes that are silent and for how long.
fn last_heard(zone: &ZoneCopies) -> String {
    let silent: Vec<&NodeCopies> = zone.nodes.iter().filter(|node| !node.is_up).collect();
    let since = |node: &NodeCopies| match node.last_seen_secs_ago {
        Some(secs) => format!("{} ago", render::span(secs)),
        None => "not since this node started".to_owned(),
    };
    match silent.as_slice() {
        [] => "now".to_owned(),
        [node] if zone.nodes.len() == 1 => since(node),
        silent => {
            let name =
                |node: &NodeCopies| node.hostname.clone().unwrap_or_else(|| render::short_id(&node.id));
            let each = silent.iter().map(|node| format!("{}: {}", name(node), since(node)));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}
