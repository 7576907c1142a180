//! Tables `upload` and `part`: multipart uploads.
//!
//! An upload goes from open to closed (completed or aborted) and never back; of two closings the
//! completed one wins, so that a completed object never loses its parts. Every finished part has a
//! row of its own, and of those with one number the newest counts: a part that lost is still
//! listed, so that closing the upload can let it go (rule C4).

use super::acl::Acl;
use super::encryption::Encryption;
use super::lock::Lock;
use super::object::{Checksum, ETag};
use super::past::VersionId;
use super::record_kind;
use base::id::kind;
use base::{Id, Merge, PartNumber, PartitionHash, Stamp};
use serde::{Deserialize, Serialize};
use store::Record;
use table::sort_key;

/// A multipart upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRow {
    /// When it was created.
    pub initiated: Stamp,
    /// The bucket it belongs to.
    pub bucket: Id<kind::Bucket>,
    /// The key it will write.
    pub key: String,
    /// Response headers and user metadata for the object.
    pub headers: Vec<(String, String)>,
    /// The additional checksum that was announced: algorithm number and whether composite.
    pub checksum: Option<(u8, bool)>,
    /// The access key that created it.
    pub initiator: String,
    /// Open, or how it ended.
    pub state: UploadState,
    /// Tags for the object.
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// Access control list for the object.
    #[serde(default)]
    pub acl: Option<Acl>,
    /// What will keep the object from being removed.
    #[serde(default)]
    pub lock: Option<Lock>,
    /// How its parts, and with them the object, are encrypted, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Box<Encryption>>,
}

/// Where an upload stands. Later variants win a merge.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum UploadState {
    /// Takes parts.
    #[serde(rename = "o")]
    Open,
    /// Given up.
    #[serde(rename = "a")]
    Aborted,
    /// Became an object: a repeated completion is answered the same.
    #[serde(rename = "c")]
    Completed {
        /// Commit stamp of the object.
        stamp: Stamp,
        /// Its entity tag.
        etag: ETag,
        /// Its checksum.
        checksum: Option<Checksum>,
        /// The version that it is, in a bucket that keeps versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<VersionId>,
    },
}

impl Record for UploadRow {
    const KIND: u8 = record_kind::UPLOAD;
    const VERSION: u8 = 1;
}

impl Merge for UploadRow {
    fn merge(&mut self, other: &Self) {
        if other.state > self.state {
            self.state = other.state.clone();
        }
    }
}

/// A part of an upload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartRow {
    /// When the part was finished.
    pub stamp: Stamp,
    /// Its body.
    pub body: Id<kind::Body>,
    /// Its bytes.
    pub size: u64,
    /// MD5 of its content.
    #[serde(with = "serde_bytes")]
    pub md5: [u8; 16],
    /// Its additional checksum.
    pub checksum: Option<Checksum>,
}

impl Record for PartRow {
    const KIND: u8 = record_kind::PART;
    const VERSION: u8 = 1;
}

impl Merge for PartRow {
    fn merge(&mut self, other: &Self) {
        // Written once, under a fresh random body id; the order decides what cannot happen.
        if other > self {
            *self = other.clone();
        }
    }
}

/// A fresh upload id. It begins with the partition of its bucket's keys, so that the upload, its parts
/// and the object they become lie together; the other half is random.
pub fn new_id(partition: PartitionHash, random: [u8; 16]) -> Id<kind::Upload> {
    let mut bytes = [0; 32];
    bytes[..PartitionHash::LEN].copy_from_slice(partition.as_bytes());
    bytes[PartitionHash::LEN..].copy_from_slice(&random);
    Id::from_bytes(bytes)
}

/// Where an upload and its parts lie.
pub fn partition_of(upload: &Id<kind::Upload>) -> PartitionHash {
    PartitionHash::of_uniform(upload.as_bytes())
}

/// The key of an upload's row.
pub fn row_key(upload: &Id<kind::Upload>) -> Vec<u8> {
    upload.as_bytes().to_vec()
}

/// The key of a part's row: upload ‖ number ‖ the part's body.
pub fn part_key(upload: &Id<kind::Upload>, number: PartNumber, body: &Id<kind::Body>) -> Vec<u8> {
    let mut key = upload.as_bytes().to_vec();
    key.extend(number.get().to_be_bytes());
    key.extend(body.as_bytes());
    key
}

/// Where the rows of parts from `number` on begin.
pub fn parts_from(upload: &Id<kind::Upload>, number: u16) -> Vec<u8> {
    let mut key = upload.as_bytes().to_vec();
    key.extend(number.to_be_bytes());
    key
}

/// The part number of a part's key.
pub fn part_number_of(key: &[u8]) -> Option<PartNumber> {
    let bytes: [u8; 2] = key.get(32..34)?.try_into().ok()?;
    PartNumber::new(u16::from_be_bytes(bytes).into()).ok()
}

/// The mark of an open upload in the index of its bucket: partition ‖ escaped key ‖ upload id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadMark {
    /// When it was created.
    pub initiated: Stamp,
}

impl Record for UploadMark {
    const KIND: u8 = record_kind::INDEX;
    const VERSION: u8 = 1;
}

/// The key of an open upload in the index of its bucket.
pub fn index_key(partition: PartitionHash, key: &str, upload: &Id<kind::Upload>) -> Vec<u8> {
    let mut bytes = partition.as_bytes().to_vec();
    sort_key::push_string(&mut bytes, key.as_bytes());
    bytes.extend(upload.as_bytes());
    bytes
}

/// The object key and upload id of an index key.
pub fn parse_index_key(key: &[u8]) -> Option<(String, Id<kind::Upload>)> {
    let (_, sort) = key.split_at_checked(PartitionHash::LEN)?;
    let (text, id) = sort_key::take_string(sort)?;
    Some((String::from_utf8(text).ok()?, Id::from_bytes(id.try_into().ok()?)))
}
