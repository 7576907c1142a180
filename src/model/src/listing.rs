//! Listing a bucket: one page by prefix, delimiter and marker.
//!
//! Runs where the rows are: it passes over a common prefix with one seek, reads listing fields and
//! never bodies. Deleted rows are walked over here; with several replicas they will travel, and
//! the coordinator merges before it filters.

use crate::rows::object::{self, Checksum, ETag, ObjectRow};
use crate::rows::upload::{self, UploadMark, UploadRow};
use crate::{Model, ModelError};
use base::id::kind;
use base::{Id, PartitionHash, Stamp};
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
}

/// Where a page begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Start {
    /// At the first key.
    #[default]
    First,
    /// Behind this key, which need not exist.
    After(String),
    /// Behind this entry of an earlier page: if it is a common prefix, behind all that is folded
    /// into it.
    AfterEntry(String),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// When it was committed.
    pub stamp: Stamp,
    /// Its bytes.
    pub size: u64,
    /// Its tag.
    pub etag: ETag,
    /// Its additional checksum.
    pub checksum: Option<Checksum>,
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
        &self,
        bucket: Id<kind::Bucket>,
        query: ListQuery,
    ) -> Result<ListPage, ModelError> {
        let view = self.store.view()?;
        self.env
            .tasks
            .blocking(move || page_of_objects(&view, PartitionHash::of_shard(&bucket, 0), &query))
            .await
    }

    /// One page of a bucket's open uploads, behind the marker (key, and upload id if given).
    pub async fn list_uploads(
        &self,
        bucket: Id<kind::Bucket>,
        query: ListQuery,
        after_upload: Option<Id<kind::Upload>>,
    ) -> Result<UploadPage, ModelError> {
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
    let first = object::prefix_start(partition, &query.prefix);
    let start = match &query.start {
        Start::First => first,
        Start::At(key) => first.max(object::prefix_start(partition, key)),
        Start::After(key) => behind_key(partition, key, query),
        Start::AfterEntry(entry) => behind_entry(partition, entry, query),
    };
    let walk = Walk { view, space: Space::Object, partition, query };
    walk.fold(start, &mut |key_bytes, row: ObjectRow, folded| {
        let (Some(object), Some(key)) = (row.live(), object::key_of(key_bytes)) else { return Flow::Skip };
        if page.entries.len() == query.limit {
            page.next = Some(folded.unwrap_or(key));
            return Flow::Full;
        }
        page.entries.push(match folded {
            Some(prefix) => ListEntry::Prefix(prefix),
            None => ListEntry::Object(Listed {
                key,
                stamp: row.stamp,
                size: object.size,
                etag: object.etag,
                checksum: object.checksum.clone(),
            }),
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
    let first = object::prefix_start(partition, &query.prefix);
    let start = match (&query.start, after_upload) {
        (Start::After(key) | Start::AfterEntry(key), Some(upload)) => {
            let mut start = upload::index_key(partition, key, &upload);
            start.push(0);
            first.max(start)
        }
        (Start::After(key), None) => behind_key(partition, key, query),
        (Start::AfterEntry(entry), None) => behind_entry(partition, entry, query),
        (Start::At(key), _) => first.max(object::prefix_start(partition, key)),
        (Start::First, _) => first,
    };
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

/// Where the rows behind a key begin: behind every slot and upload of the key itself.
fn behind_key(partition: PartitionHash, marker: &str, query: &ListQuery) -> Vec<u8> {
    let mut key = object::row_key(partition, marker);
    key.pop();
    let start = after_prefix(&key).unwrap_or_default();
    start.max(object::prefix_start(partition, &query.prefix))
}

/// Where the rows behind everything that an entry stands for begin.
fn behind_entry(partition: PartitionHash, marker: &str, query: &ListQuery) -> Vec<u8> {
    let folds = query.folding().is_some_and(|delimiter| {
        marker
            .strip_prefix(query.prefix.as_str())
            .is_some_and(|rest| rest.find(delimiter).is_some_and(|at| at + delimiter.len() == rest.len()))
    });
    if folds {
        after_prefix(&object::prefix_start(partition, marker)).unwrap_or_default()
    } else {
        behind_key(partition, marker, query)
    }
}

enum Flow {
    /// The row does not count; go on.
    Skip,
    /// The row, or the prefix it is folded into, was taken.
    Taken,
    /// The page is full.
    Full,
}

/// Takes a row: its key, the record, and the common prefix it is folded into, if any.
type Take<'a, R> = dyn FnMut(&[u8], R, Option<String>) -> Flow + 'a;

/// A walk over the rows of a query's prefix.
struct Walk<'a> {
    view: &'a View,
    space: Space,
    partition: PartitionHash,
    query: &'a ListQuery,
}

impl Walk<'_> {
    /// Hands the rows from `start` on to `take`, passing over folded ones with one seek.
    fn fold<R: Record>(&self, start: Vec<u8>, take: &mut Take<'_, R>) -> Result<(), ModelError> {
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

    /// What a key is folded into: everything up to the first delimiter behind the prefix.
    fn fold_of(&self, key_bytes: &[u8]) -> Option<String> {
        let delimiter = self.query.folding()?;
        let key = object::key_of(key_bytes)?;
        let rest = key.get(self.query.prefix.len()..)?;
        let shared = self.query.prefix.len() + rest.find(delimiter)? + delimiter.len();
        Some(key[..shared].to_owned())
    }
}
