//! Letting go what dead rows of bodies hold: many rows in one message to each node.
//!
//! What always holds: a quorum knows that a row is dead before anything that it holds goes (doc/models/renew.rs); what
//! goes to one group of nodes never waits for another group; and a row is done once all that it holds is let go, however it
//! went with those beside it.

use super::range::RowRange;
use crate::batch::Write;
use crate::reclaim::{Queued, Work};
use crate::rows::reference::Referrer;
use crate::rows::version::{self, VersionRow};
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, NodeId, PartitionHash};
use cluster::Placement;
use futures_util::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use store::Space;

/// Rows that are dropped together.
pub(super) const ROWS_TOGETHER: usize = 64;
/// References that the writes of one message name: some tens of KiB, and some milliseconds of a replica's transaction. A
/// row that names more has a message of its own.
const REFERENCES_PER_MESSAGE: usize = 256;
/// Rows read at once.
const ROWS_PER_PAGE: usize = 256;

/// A row, by its body and its number.
type RowId = (Id<kind::Body>, u32);
/// A write, and for which row it is.
type WriteFor = (usize, Write);

/// Rows that could not be done, and why the last of them could not.
#[derive(Default)]
struct Left {
    rows: BTreeSet<usize>,
    why: Option<ModelError>,
}

impl Left {
    fn add(&mut self, rows: impl IntoIterator<Item = usize>, why: ModelError) {
        self.rows.extend(rows);
        self.why = Some(why);
    }
}

impl Model {
    /// Lets go what some rows hold that are dead here, wherever that lies; how many are done. Those that are not are put off.
    pub(super) async fn drop_some(self: &Arc<Self>, works: Vec<(Work, Queued)>) -> Result<usize, ModelError> {
        let row_of = |work: &Work| match work {
            Work::DropReferences(body, number) => Some((*body, *number)),
            _ => None,
        };
        let rows: Vec<RowId> = works.iter().filter_map(|(work, _)| row_of(work)).collect();
        let left = self.drop_everywhere(&rows).await;
        let (mut done, mut put_off) = (Vec::new(), Vec::new());
        for (at, (work, queued)) in works.into_iter().enumerate() {
            if left.rows.contains(&at) { put_off.push((work, queued)) } else { done.push(work) }
        }
        let count = done.len();
        if count > 0 {
            self.forget_works(done).await?;
        }
        if let Some(why) = left.why {
            self.put_off(put_off, why).await?;
        }
        Ok(count)
    }

    async fn drop_everywhere(self: &Arc<Self>, rows: &[RowId]) -> Left {
        let reads = spans(rows).into_iter().map(|span| async move {
            let found = self.writes_for(&rows[span.clone()]).await;
            (span, found)
        });
        let (mut left, mut deaths, mut releases) = (Left::default(), Vec::new(), Vec::new());
        for (span, found) in join_all(reads).await {
            let in_all = |(at, write): WriteFor| (span.start + at, write);
            match found {
                Ok((dead, released)) => {
                    deaths.extend(dead.into_iter().map(in_all));
                    releases.extend(released.into_iter().map(in_all));
                }
                Err(error) => left.add(span, error),
            }
        }
        self.merge_for(&mut left, deaths).await;
        releases.retain(|(at, _)| !left.rows.contains(at));
        self.merge_for(&mut left, releases).await;
        left
    }

    /// Of rows of one body, near to each other: that they are dead, as far as a quorum may not know it, and the releases of
    /// what they hold. Nothing for a row that is gone.
    async fn writes_for(
        self: &Arc<Self>,
        rows: &[RowId],
    ) -> Result<(Vec<WriteFor>, Vec<WriteFor>), ModelError> {
        let (Some((body, first)), Some((_, last))) = (rows.first(), rows.last()) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let (partition, from) = (PartitionHash::of_uniform(body.as_bytes()), version::row_key(body, *first));
        let to = [version::row_key(body, *last).as_slice(), &[0]].concat();
        let mut range = RowRange { space: Space::Version, partition, from, to, limit: ROWS_PER_PAGE };
        let (mut found, mut differ) = (BTreeMap::new(), false);
        loop {
            let page = self.read_range::<VersionRow>(&range).await?;
            found.extend(page.rows);
            differ |= page.differ;
            let Some(next) = page.next else { break };
            range.from = next;
        }
        let (mut deaths, mut releases) = (Vec::new(), Vec::new());
        for (at, (body, number)) in rows.iter().enumerate() {
            let Some(row) = found.get(version::row_key(body, *number).as_slice()) else { continue };
            let targets = row.contents.targets();
            if (differ || !row.dead) && !targets.is_empty() {
                let row = VersionRow { dead: true, ..row.clone() };
                deaths.push((at, Write::Version { body: *body, number: *number, row }));
            }
            let release = |target| (at, Write::Release { target, referrer: Referrer::Body(*body) });
            releases.extend(targets.into_iter().map(release));
        }
        Ok((deaths, releases))
    }

    /// Stores what merges, in messages of their own for each group of nodes that keeps some of it.
    async fn merge_for(self: &Arc<Self>, left: &mut Left, writes: Vec<WriteFor>) {
        let merges = messages(&self.peers.placement(), writes).into_iter().map(|some| async move {
            let (rows, writes): (Vec<usize>, _) = some.into_iter().unzip();
            (rows, self.merge_everywhere(writes, None).await)
        });
        for (rows, merged) in join_all(merges).await {
            if let Err(error) = merged {
                left.add(rows, error);
            }
        }
    }
}

/// Writes as they travel: together with those that go to the same nodes, as many as one message takes.
fn messages(placement: &Placement, writes: Vec<WriteFor>) -> Vec<Vec<WriteFor>> {
    let mut groups: BTreeMap<Vec<&[NodeId]>, Vec<WriteFor>> = BTreeMap::new();
    for (at, write) in writes {
        groups.entry(placement.sets(write.partition())).or_default().push((at, write));
    }
    let mut messages = Vec::new();
    for group in groups.into_values() {
        let (mut message, mut references) = (Vec::new(), 0);
        for (at, write) in group {
            let more = references_in(&write);
            if references + more > REFERENCES_PER_MESSAGE && !message.is_empty() {
                messages.push(std::mem::take(&mut message));
                references = 0;
            }
            references += more;
            message.push((at, write));
        }
        messages.push(message);
    }
    messages
}

fn references_in(write: &Write) -> usize {
    match write {
        Write::Version { row, .. } => row.contents.targets().len(),
        _ => 1,
    }
}

/// Runs of rows of one body that one page reads.
fn spans(rows: &[RowId]) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    for (at, (body, number)) in rows.iter().enumerate() {
        match spans.last_mut() {
            Some(span) if is_near(rows[span.start], (*body, *number)) => span.end = at + 1,
            _ => spans.push(at..at + 1),
        }
    }
    spans
}

fn is_near((body, first): RowId, (other, number): RowId) -> bool {
    body == other && number.checked_sub(first).is_some_and(|rows| (rows as usize) < ROWS_PER_PAGE)
}
