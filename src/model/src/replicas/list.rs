//! The coordinator of a listing: each replica tells what it holds of a page, deleted rows too; what is
//! shown is decided after merging, and only as far as every replica of the quorum has told (rule R6).
//!
//! A replica passes over what is folded into a common prefix once it has told one live key of it, the
//! witness. The prefix is shown if a witness is live in the merge of all that was told; if a newer deletion
//! of it is known elsewhere, the replicas are asked again from behind it.

use super::messages::{ListRows, ListedRow, Listing};
use crate::listing::{ListEntry, ListPage, ListQuery};
use crate::rows::object;
use crate::{Model, ModelError};
use base::PartitionHash;
use std::collections::BTreeMap;
use std::sync::Arc;
use table::sort_key::after_prefix;

/// Rows that are asked for beyond the page's, so that some deleted ones do not cost another round.
const ROWS_BEYOND: usize = 16;

/// A page under way.
pub(crate) struct Page {
    partition: PartitionHash,
    query: ListQuery,
    entries: Vec<ListEntry>,
    /// Row key from which on nothing is known.
    from: Vec<u8>,
    /// Only of replicas that took this seal.
    seal: Option<String>,
}

/// How far a merge of what replicas told goes.
enum Merged {
    /// The page is full; the next begins at this key or prefix.
    Full(String),
    /// Nothing lies behind.
    End,
    /// The replicas are to be asked again from here.
    From(Vec<u8>),
}

impl Page {
    pub fn new(partition: PartitionHash, query: ListQuery, from: Vec<u8>) -> Self {
        Self { partition, query, entries: Vec::new(), from, seal: None }
    }

    /// The same of replicas that took this seal, and of no others.
    pub fn under_seal(self, seal: String) -> Self {
        Self { seal: Some(seal), ..self }
    }

    /// Takes what the replicas of a quorum told.
    fn take(&mut self, told: Vec<Listing>) -> Merged {
        let horizon = told.iter().filter_map(|listing| listing.horizon.clone()).min();
        let mut rows: BTreeMap<Vec<u8>, ListedRow> = BTreeMap::new();
        // A replica that told a witness of a prefix tells nothing behind it in that prefix.
        let mut blind: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for row in told.into_iter().flat_map(|listing| listing.rows) {
            let at = object::row_key(self.partition, &row.key);
            if row.live.is_some()
                && let Some(prefix) = self.query.fold_of(&row.key)
            {
                let known = blind.entry(prefix).or_insert_with(|| at.clone());
                *known = at.clone().min(known.clone());
            }
            match rows.get_mut(&at) {
                Some(known) if known.order >= row.order => {}
                Some(known) => *known = row,
                None => _ = rows.insert(at, row),
            }
        }
        let end = horizon.as_deref();
        let mut rows = rows.into_iter().peekable();
        while let Some((at, row)) = rows.next() {
            if end.is_some_and(|end| *at >= *end) {
                break;
            }
            if row.is_marker && self.seal.is_some() {
                // Whoever is about to delete the bucket learns that something is there.
                self.entries.push(ListEntry::Prefix(row.key));
                return Merged::End;
            }
            let Some(prefix) = self.query.fold_of(&row.key) else {
                match (row.live, self.is_full()) {
                    (Some(_), true) => return Merged::Full(row.key),
                    (Some(listed), false) => self.entries.push(ListEntry::Object(listed)),
                    (None, _) => {}
                }
                continue;
            };
            if row.live.is_some() {
                if self.is_full() {
                    return Merged::Full(prefix);
                }
                let behind = after_prefix(&object::prefix_start(self.partition, &prefix));
                self.entries.push(ListEntry::Prefix(prefix));
                let Some(behind) = behind else { return Merged::End };
                while rows.next_if(|(at, _)| *at < behind).is_some() {}
                self.from = behind;
            } else if blind.get(&prefix).is_some_and(|witness| *witness == at) {
                // The first witness of this prefix is deleted elsewhere: what lies behind it is unknown.
                return Merged::From([at.as_slice(), &[0]].concat());
            }
        }
        match horizon {
            // What is behind a shown prefix was not told by those who reach no further.
            Some(end) => Merged::From(end.to_vec().max(std::mem::take(&mut self.from))),
            None => Merged::End,
        }
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= self.query.limit
    }
}

impl Model {
    /// One page of a bucket's objects, from a quorum.
    pub(crate) async fn list_everywhere(self: &Arc<Self>, mut page: Page) -> Result<ListPage, ModelError> {
        loop {
            let told = self.ask_listings(&page).await?;
            match page.take(told) {
                Merged::Full(next) => return Ok(ListPage { entries: page.entries, next: Some(next) }),
                Merged::End => return Ok(ListPage { entries: page.entries, next: None }),
                Merged::From(from) => page.from = from,
            }
        }
    }

    async fn ask_listings(self: &Arc<Self>, page: &Page) -> Result<Vec<Listing>, ModelError> {
        let limit = page.query.limit - page.entries.len() + ROWS_BEYOND;
        let question = |view, birth| ListRows {
            view,
            birth,
            partition: page.partition,
            prefix: page.query.prefix.clone(),
            delimiter: page.query.delimiter.clone(),
            from: page.from.clone(),
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            seal: page.seal.clone(),
        };
        self.ask_quorum(page.partition, question).await.map(|(_, told)| told)
    }
}
