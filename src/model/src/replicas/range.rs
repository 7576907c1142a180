//! The coordinator of a read of merging rows: a quorum's records, merged (tables `version`, `upload`, `part`).
//!
//! Where the replicas of the quorum differ, the merge is not written back: these rows only grow, nothing
//! is concluded from one that is absent here and comes later, and the sync of tables evens them out. Who does conclude
//! something from a row that is here writes it back first ([`Rows::differ`]).

use super::messages::{ReadRange, Records};
use crate::{Model, ModelError};
use base::{Merge, PartitionHash};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Record, Space, Step};

/// Rows between two keys of one partition.
pub(crate) struct RowRange {
    pub space: Space,
    pub partition: PartitionHash,
    pub from: Vec<u8>,
    pub to: Vec<u8>,
    pub limit: usize,
}

/// Merged rows in key order.
pub(crate) struct Rows<R> {
    pub rows: BTreeMap<Bytes, R>,
    /// Where to go on; `None` at the end.
    pub next: Option<Vec<u8>>,
    /// Whether somebody who answered does not hold just these rows.
    pub differ: bool,
}

impl Model {
    /// One page of rows, merged from a quorum.
    pub(crate) async fn read_range<R: Record + Merge>(
        self: &Arc<Self>,
        range: &RowRange,
    ) -> Result<Rows<R>, ModelError> {
        let question = |view, birth| ReadRange {
            view,
            birth,
            space: range.space.number(),
            partition: range.partition,
            from: range.from.clone(),
            to: range.to.clone(),
            limit: u32::try_from(range.limit).unwrap_or(u32::MAX),
        };
        let (_, pages) = self.ask_quorum(range.partition, question).await?;
        merge(range.space, pages)
    }

    /// Visits the rows of a range in key order until it has seen enough; a page of them is in memory.
    pub(crate) async fn each_row<R: Record + Merge>(
        self: &Arc<Self>,
        mut range: RowRange,
        mut visit: impl FnMut(&Bytes, R) -> Step + Send,
    ) -> Result<(), ModelError> {
        loop {
            let page = self.read_range(&range).await?;
            for (key, row) in page.rows {
                if visit(&key, row) == Step::Stop {
                    return Ok(());
                }
            }
            match page.next {
                Some(next) => range.from = next,
                None => return Ok(()),
            }
        }
    }
}

/// Merges pages up to where all of them tell everything.
fn merge<R: Record + Merge>(space: Space, pages: Vec<Records>) -> Result<Rows<R>, ModelError> {
    let end_of = |page: &Records| page.records.last().map(|(key, _)| key.clone()).filter(|_| page.more);
    let horizon = pages.iter().filter_map(end_of).min();
    let is_told = |(key, _): &&(Bytes, Bytes)| horizon.as_ref().is_none_or(|horizon| key <= horizon);
    let differ = pages
        .windows(2)
        .any(|two| !two[0].records.iter().filter(is_told).eq(two[1].records.iter().filter(is_told)));
    let mut rows: BTreeMap<Bytes, R> = BTreeMap::new();
    for (key, value) in pages.iter().flat_map(|page| page.records.iter().filter(is_told)).cloned() {
        let row: R = store::decode(space, &key, &value).map_err(|_| ModelError::Unavailable)?;
        match rows.get_mut(&key) {
            Some(known) => known.merge(&row),
            None => _ = rows.insert(key, row),
        }
    }
    let next = horizon.map(|last| [&last[..], &[0]].concat());
    Ok(Rows { rows, next, differ })
}
