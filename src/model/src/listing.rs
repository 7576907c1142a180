//! Listing a bucket: one page by prefix, delimiter and marker.
//!
//! Runs where the rows are: it passes over a common prefix with one seek, reads listing fields and
//! never bodies. On a node that is alone deleted rows are walked over; with several replicas they travel,
//! and the coordinator merges before it filters (`replicas::list`).

use crate::replicas::{ListRows, ListedRow, Listing, Page};
use crate::rows::object::{self, Checksum, ETag, Object, ObjectRow, Slot};
use crate::rows::upload::{self, UploadMark, UploadRow};
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, PartitionHash, Stamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Read, Record, Space, Step, View};
use table::sort_key::after_prefix;

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Keys that share everything up to this after the prefix are folded into one.
    pub delimiter: Option<String>,
    /// Where to begin.
    pub start: Start,
    /// Most entries, keys and prefixes together.
    pub limit: usize,
}

impl ListQuery {
    /// The delimiter, if it folds anything: an empty one does not.
    fn folding(&self) -> Option<&str> {
        self.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty())
    }

    /// What a key is folded into: everything up to the first delimiter behind the prefix.
    pub(crate) fn fold_of(&self, key: &str) -> Option<String> {
        let delimiter = self.folding()?;
        let rest = key.get(self.prefix.len()..)?;
        let shared = self.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(key[..shared].to_owned())
    }

    /// The first row key of the page.
    pub(crate) fn first_row(&self, partition: PartitionHash) -> Vec<u8> {
        let first = object::prefix_start(partition, &self.prefix);
        match &self.start {
            Start::First => first,
            Start::At(key) => first.max(object::prefix_start(partition, key)),
            Start::After(marker) => behind_marker(partition, marker, self),
        }
    }
}

/// Where a page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first key.
    #[default]
    First,
    /// Behind this key, which need not exist, or this common prefix. What a key is folded into lies before it: as on
    /// AWS, behind it come only keys and prefixes that are greater.
    After(String),
    /// At this key: what a page's `next` says.
    At(String),
}

/// One page.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// Keys and common prefixes in key order.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins; `None`: this is the last.
    pub next: Option<String>,
}

/// An entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEntry {
    /// An object.
    Object(Listed),
    /// Keys folded into what they share.
    Prefix(String),
}

/// What a listing shows of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// When its content was committed.
    pub modified: Stamp,
    /// Its bytes.
    pub size: u64,
    /// Its tag.
    pub etag: ETag,
    /// Its additional checksum.
    pub checksum: Option<Checksum>,
}

impl Listed {
    pub(crate) fn of(key: String, modified: Stamp, object: &Object) -> Self {
        Self { key, modified, size: object.size, etag: object.etag, checksum: object.checksum.clone() }
    }
}

/// An open upload in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUpload {
    /// The key it will write.
    pub key: String,
    /// Its id.
    pub id: Id<kind::Upload>,
    /// What it is.
    pub row: UploadRow,
}

/// One page of open uploads.
#[derive(Debug, Clone, Default)]
pub struct UploadPage {
    /// Uploads in order of key, then id.
    pub uploads: Vec<ListedUpload>,
    /// Common prefixes.
    pub prefixes: Vec<String>,
    /// Whether there is more.
    pub truncated: bool,
}

impl Model {
    /// One page of a bucket's objects.
    pub async fn list_objects(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        query: ListQuery,
    ) -> Result<ListPage, ModelError> {
        if !self.peers.is_alone() {
            let partition = PartitionHash::of_shard(&bucket, 0);
            let from = query.first_row(partition);
            return self.list_everywhere(Page::new(partition, query, from)).await;
        }
        let view = self.store.view()?;
        self.env
            .tasks
            .blocking(move || page_of_objects(&view, PartitionHash::of_shard(&bucket, 0), &query))
            .await
    }

    /// One page of a bucket's open uploads, behind the marker (key, and upload id if given).
    pub async fn list_uploads(
        self: &Arc<Self>,
        bucket: Id<kind::Bucket>,
        query: ListQuery,
        after_upload: Option<Id<kind::Upload>>,
    ) -> Result<UploadPage, ModelError> {
        if !self.peers.is_alone() {
            let partition = PartitionHash::of_shard(&bucket, 0);
            let mut first = FirstUploads::new(partition, &query, after_upload);
            let take = |upload| {
                first.take(upload);
                Step::Next
            };
            self.each_open_upload(partition, take).await?;
            return Ok(first.page());
        }
        let view = self.store.view()?;
        self.env
            .tasks
            .blocking(move || {
                page_of_uploads(&view, PartitionHash::of_shard(&bucket, 0), &query, after_upload)
            })
            .await
    }
}

fn page_of_objects(view: &View, partition: PartitionHash, query: &ListQuery) -> Result<ListPage, ModelError> {
    let mut page = ListPage::default();
    let walk = Walk { view, space: Space::Object, partition, query };
    walk.fold(query.first_row(partition), &mut |key_bytes, row: ObjectRow, folded| {
        let (Some(object), Some(key)) = (row.live(), object::key_of(key_bytes)) else { return Flow::Skip };
        if page.entries.len() == query.limit {
            page.next = Some(folded.unwrap_or(key));
            return Flow::Full;
        }
        page.entries.push(match folded {
            Some(prefix) => ListEntry::Prefix(prefix),
            None => ListEntry::Object(Listed::of(key, row.modified(), object)),
        });
        Flow::Taken
    })?;
    Ok(page)
}

fn page_of_uploads(
    view: &View,
    partition: PartitionHash,
    query: &ListQuery,
    after_upload: Option<Id<kind::Upload>>,
) -> Result<UploadPage, ModelError> {
    let mut page = UploadPage::default();
    let start = first_upload(partition, query, after_upload);
    let mut found = Vec::new();
    let walk = Walk { view, space: Space::UploadIndex, partition, query };
    walk.fold(start, &mut |key_bytes, _: UploadMark, folded| {
        let Some((key, id)) = upload::parse_index_key(key_bytes) else { return Flow::Skip };
        if found.len() + page.prefixes.len() == query.limit {
            page.truncated = true;
            return Flow::Full;
        }
        match folded {
            Some(prefix) => page.prefixes.push(prefix),
            None => found.push((key, id)),
        }
        Flow::Taken
    })?;
    for (key, id) in found {
        // A mark and its row are written together.
        if let Some(row) = view.get(Space::Upload, &upload::row_key(&id))? {
            page.uploads.push(ListedUpload { key, id, row });
        }
    }
    Ok(page)
}

/// The first index key of a page of uploads.
fn first_upload(
    partition: PartitionHash,
    query: &ListQuery,
    after_upload: Option<Id<kind::Upload>>,
) -> Vec<u8> {
    match (&query.start, after_upload) {
        (Start::After(key), Some(upload)) => {
            let mut start = upload::index_key(partition, key, &upload);
            start.push(0);
            object::prefix_start(partition, &query.prefix).max(start)
        }
        _ => query.first_row(partition),
    }
}

/// The same page from open uploads that come in any order, as other nodes tell them: the first entries of it, and one more.
struct FirstUploads<'a> {
    partition: PartitionHash,
    query: &'a ListQuery,
    start: Vec<u8>,
    entries: BTreeMap<Vec<u8>, UploadOrPrefix>,
}

enum UploadOrPrefix {
    Upload(Box<ListedUpload>),
    Prefix(String),
}

impl<'a> FirstUploads<'a> {
    fn new(partition: PartitionHash, query: &'a ListQuery, after: Option<Id<kind::Upload>>) -> Self {
        let start = first_upload(partition, query, after);
        Self { partition, query, start, entries: BTreeMap::new() }
    }

    fn take(&mut self, upload: ListedUpload) {
        let at = upload::index_key(self.partition, &upload.key, &upload.id);
        if at < self.start || !upload.key.starts_with(&self.query.prefix) {
            return;
        }
        match self.query.fold_of(&upload.key) {
            None => self.entries.insert(at, UploadOrPrefix::Upload(Box::new(upload))),
            Some(prefix) => {
                let at = object::prefix_start(self.partition, &prefix);
                self.entries.insert(at, UploadOrPrefix::Prefix(prefix))
            }
        };
        if self.entries.len() > self.query.limit.saturating_add(1) {
            self.entries.pop_last();
        }
    }

    fn page(mut self) -> UploadPage {
        let mut page = UploadPage::default();
        if self.entries.len() > self.query.limit {
            self.entries.pop_last();
            page.truncated = true;
        }
        for entry in self.entries.into_values() {
            match entry {
                UploadOrPrefix::Upload(upload) => page.uploads.push(*upload),
                UploadOrPrefix::Prefix(prefix) => page.prefixes.push(prefix),
            }
        }
        page
    }
}

/// What this replica holds of a listing: its rows, deleted ones too, passing over what is folded into a
/// prefix behind the first live key of it.
pub(crate) fn rows_for(view: &View, request: &ListRows) -> Result<Listing, ModelError> {
    let query = ListQuery {
        prefix: request.prefix.clone(),
        delimiter: request.delimiter.clone(),
        start: Start::First,
        limit: request.limit as usize,
    };
    let mut listing = Listing::default();
    let walk = Walk { view, space: Space::Object, partition: request.partition, query: &query };
    let start = request.from.clone().max(query.first_row(request.partition));
    walk.fold(start, &mut |row_key, row: ObjectRow, _| {
        let Some(key) = object::key_of(row_key).filter(|_| row.order > Stamp::ZERO) else {
            return Flow::Skip;
        };
        if listing.rows.len() >= query.limit {
            listing.horizon = Some(Bytes::copy_from_slice(row_key));
            return Flow::Full;
        }
        let live = row.live().map(|object| Listed::of(key.clone(), row.modified(), object));
        let is_live = live.is_some();
        let is_marker = row.slot == Slot::Marker;
        listing.rows.push(ListedRow { order: row.order, key, live, is_marker });
        if is_live { Flow::Taken } else { Flow::Skip }
    })?;
    Ok(listing)
}

/// Where the rows behind a key begin: behind every slot and upload of the key itself.
fn behind_key(partition: PartitionHash, marker: &str, query: &ListQuery) -> Vec<u8> {
    let mut key = object::row_key(partition, marker);
    key.pop();
    let start = after_prefix(&key).unwrap_or_default();
    start.max(object::prefix_start(partition, &query.prefix))
}

/// Where the rows behind a marker begin: behind all that is folded into the same prefix as it, if it is.
fn behind_marker(partition: PartitionHash, marker: &str, query: &ListQuery) -> Vec<u8> {
    match query.fold_of(marker).filter(|_| marker.starts_with(&query.prefix)) {
        Some(folded) => after_prefix(&object::prefix_start(partition, &folded)).unwrap_or_default(),
        None => behind_key(partition, marker, query),
    }
}

pub(crate) enum Flow {
    /// The row does not count; go on.
    Skip,
    /// The row, or the prefix it is folded into, was taken.
    Taken,
    /// The page is full.
    Full,
}

/// Takes a row: its key, the record, and the common prefix it is folded into, if any.
pub(crate) type Take<'a, R> = dyn FnMut(&[u8], R, Option<String>) -> Flow + 'a;

/// A walk over the rows of a query's prefix.
pub(crate) struct Walk<'a> {
    pub view: &'a View,
    pub space: Space,
    pub partition: PartitionHash,
    pub query: &'a ListQuery,
}

impl Walk<'_> {
    /// Hands the rows from `start` on to `take`, passing over folded ones with one seek.
    pub fn fold<R: Record>(&self, start: Vec<u8>, take: &mut Take<'_, R>) -> Result<(), ModelError> {
        let end = after_prefix(&object::prefix_start(self.partition, &self.query.prefix));
        self.view.walk(self.space, &start, end.as_deref(), &mut |key_bytes, row: R| {
            let folded = self.fold_of(key_bytes);
            let next =
                folded.as_deref().map(|prefix| after_prefix(&object::prefix_start(self.partition, prefix)));
            match (take(key_bytes, row, folded), next) {
                (Flow::Full, _) | (Flow::Taken, Some(None)) => Step::Stop,
                (Flow::Taken, Some(Some(next))) => Step::Seek(next),
                (Flow::Taken, None) | (Flow::Skip, _) => Step::Next,
            }
        })?;
        Ok(())
    }

    fn fold_of(&self, key_bytes: &[u8]) -> Option<String> {
        self.query.folding()?;
        self.query.fold_of(&object::key_of(key_bytes)?)
    }
}
