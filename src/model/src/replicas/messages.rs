//! What nodes ask each other about rows and blocks.

use super::super::batch::{Position, Write};
use crate::listing::Listed;
use crate::rows::object::{Beside, ObjectRow};
use crate::rows::past::{PastRow, VersionId};
use base::id::kind;
use base::{BlockHash, Id, PartitionHash, Stamp, WallTime};
use bytes::Bytes;
use cluster::View;
use net::{Class, Request};
use serde::{Deserialize, Serialize};
use table::register::Stored;

/// The answer of a replica that may not have done what it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Reply<T> {
    /// Done.
    #[serde(rename = "y")]
    Done(T),
    /// The request's view is older than this one.
    #[serde(rename = "o")]
    Old(View),
    /// This node does not keep that row, or does not take part in it yet.
    #[serde(rename = "n")]
    NotReady,
    /// This replica has forgotten what a request of this birth would have to find (rule T4). The header of the reply
    /// tells a clock that does not lie below the fence, so whoever asks again is served.
    #[serde(rename = "g")]
    Fenced,
    /// The bucket is closed for new objects; whether it is gone.
    #[serde(rename = "s")]
    Closed(bool),
    /// The record is there and damaged: it counts nowhere.
    #[serde(rename = "d")]
    Unreadable,
    /// No room.
    #[serde(rename = "f")]
    Full,
    /// The body's deadline is over (rule K2).
    #[serde(rename = "e")]
    Expired,
    /// It could not be done.
    #[serde(rename = "x")]
    Failed,
}

/// Stores everything a request writes on this node, in one transaction.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoreRows {
    pub view: View,
    pub position: Position,
    /// When what writes them began (rule T1).
    pub birth: Stamp,
    pub deadline: Option<WallTime>,
    pub writes: Vec<Write>,
}

impl Request for StoreRows {
    type Reply = Reply<Vec<Stored>>;
    const NAME: &'static str = "model/store";
    const CLASS: Class = Class::Metadata;
}

/// Stores a block, whose bytes are attached, and in the same transaction the rows that hold and list it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoreBlock {
    pub hash: BlockHash,
    pub rows: StoreRows,
}

impl Request for StoreBlock {
    type Reply = Reply<Vec<Stored>>;
    const NAME: &'static str = "model/store_block";
    const CLASS: Class = Class::Bulk;
}

/// The bytes of a block, verified.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct GetBlock {
    pub hash: BlockHash,
    /// How many of its bytes the asker has already.
    #[serde(default)]
    pub from: u32,
}

impl Request for GetBlock {
    /// Whether it is here; then its bytes are attached, from the first one that is wanted on.
    type Reply = bool;
    const NAME: &'static str = "model/get_block";
    const CLASS: Class = Class::Bulk;
}

/// The row of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReadRow {
    pub view: View,
    /// The reader's clock before its first read.
    pub birth: Stamp,
    pub partition: PartitionHash,
    pub key: String,
    /// Whether the bytes beside the row are wanted.
    pub content: bool,
    /// Whether those of the version that it puts aside are wanted too.
    pub aside: bool,
    /// Of which version the past row is wanted, as it is in the same moment.
    #[serde(default)]
    pub past: Option<VersionId>,
}

/// A replica's row of a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldRow {
    pub row: Option<ObjectRow>,
    pub beside: Beside,
    /// With a promise: the time by which this node judges retentions.
    #[serde(default)]
    pub retention_clock: Option<WallTime>,
    /// The past row that was asked for. None: it was not, or may have been forgotten since the question was born.
    #[serde(default)]
    pub past: Option<HeldPast>,
}

impl Request for ReadRow {
    type Reply = Reply<HeldRow>;
    const NAME: &'static str = "model/read";
    const CLASS: Class = Class::Metadata;
}

/// Asks a replica of a partition for its clock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskStamp {
    pub view: View,
    pub partition: PartitionHash,
}

impl Request for AskStamp {
    /// Nothing: the clock is in the header of every reply.
    type Reply = Reply<()>;
    const NAME: &'static str = "model/stamp";
    const CLASS: Class = Class::Metadata;
}

/// Asks for a promise to accept nothing below a ballot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Prepare {
    pub view: View,
    pub partition: PartitionHash,
    pub key: String,
    pub ballot: Stamp,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Promise {
    /// Given, and what is held.
    #[serde(rename = "p")]
    Given(Box<HeldRow>),
    /// Not given: this stands against it.
    #[serde(rename = "r")]
    Refused(Stamp),
}

impl Request for Prepare {
    type Reply = Reply<Promise>;
    const NAME: &'static str = "model/prepare";
    const CLASS: Class = Class::Metadata;
}

/// Past rows of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReadPast {
    pub view: View,
    /// The reader's clock before its first read.
    pub birth: Stamp,
    pub partition: PartitionHash,
    pub key: String,
    pub which: Which,
    /// Whether the bytes beside the rows are wanted.
    pub content: bool,
}

/// Which past rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Which {
    /// That of a version.
    #[serde(rename = "v")]
    Version(VersionId),
    /// Those of some versions.
    #[serde(rename = "s")]
    Versions(Vec<VersionId>),
    /// That of a version with this body.
    #[serde(rename = "b")]
    Body(Id<kind::Body>),
    /// Those from a version on, in the order of their keys, at most so many.
    #[serde(rename = "f")]
    From(VersionId, u32),
}

/// Past rows in the order of their keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeldPast {
    pub rows: Vec<(VersionId, PastRow, Option<Bytes>)>,
    /// Whether the limit ended them: nothing is known of what lies behind the last.
    pub more: bool,
}

impl Request for ReadPast {
    type Reply = Reply<HeldPast>;
    const NAME: &'static str = "model/read_past";
    const CLASS: Class = Class::Metadata;
}

/// Records of a merging table between two keys of one partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReadRange {
    pub view: View,
    pub birth: Stamp,
    pub space: u8,
    pub partition: PartitionHash,
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
    #[serde(with = "serde_bytes")]
    pub to: Vec<u8>,
    pub limit: u32,
}

/// Records with their keys, in key order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Records {
    pub records: Vec<(Bytes, Bytes)>,
    /// Whether the limit ended the page: nothing is known of what lies behind its last key.
    pub more: bool,
}

impl Request for ReadRange {
    type Reply = Reply<Records>;
    const NAME: &'static str = "model/range";
    const CLASS: Class = Class::Metadata;
}

/// One replica's part of a listing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListRows {
    pub view: View,
    pub birth: Stamp,
    pub partition: PartitionHash,
    pub prefix: String,
    pub delimiter: Option<String>,
    /// Row key at which to begin.
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
    pub limit: u32,
    /// Only if the replica took this seal of the bucket.
    pub seal: Option<String>,
}

/// What a replica holds from `from` to `horizon`, tombstones included.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// In key order. A row that is folded into a common prefix and is live is the last one told of that
    /// prefix: what lies behind it in the prefix is not told.
    pub rows: Vec<ListedRow>,
    /// Row key up to which everything is told; `None`: to the end of the query's prefix.
    pub horizon: Option<Bytes>,
}

/// A row of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListedRow {
    pub order: Stamp,
    pub key: String,
    /// What is shown of it, unless it is deleted.
    pub live: Option<Listed>,
    /// Whether it is a delete marker.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_marker: bool,
}

/// One replica's part of a listing of versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListPast {
    pub view: View,
    pub birth: Stamp,
    pub partition: PartitionHash,
    pub prefix: String,
    pub delimiter: Option<String>,
    /// Row key at which to begin.
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
    /// Of the first key only versions that were made before this.
    pub below: Option<Stamp>,
    pub limit: u32,
}

/// What a replica holds of versions, what is gone included, from the place that was asked for to a horizon.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PastListing {
    /// In the order of keys. Of a key that is folded into a common prefix only its head is told, and once one of them
    /// is there, nothing behind it in the prefix.
    pub keys: Vec<ListedKey>,
    /// Where it ended: key, and of its versions those from this one on down are not told. `None`: at the end.
    pub horizon: Option<(String, Stamp)>,
}

/// A key of a listing of versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListedKey {
    pub key: String,
    /// The order of the row of the key, and what is current.
    pub head: (Stamp, ListedVersion),
    /// The decision that made it so.
    pub decision: Stamp,
    /// Whether there are versions: nothing is there where the row says that all are gone.
    pub is_there: bool,
    /// Past rows, by which decision, the newest version first.
    pub past: Vec<(Stamp, ListedVersion)>,
}

/// A version as it is listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ListedVersion {
    pub id: VersionId,
    pub made: Stamp,
    pub what: ListedWhat,
    /// Of a past row: whether it is known that its decision was chosen.
    pub is_sure: bool,
}

/// What a version is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ListedWhat {
    #[serde(rename = "o")]
    Object(Listed),
    #[serde(rename = "m")]
    Marker,
    #[serde(rename = "g")]
    Gone,
}

impl Request for ListPast {
    type Reply = Reply<PastListing>;
    const NAME: &'static str = "model/list_past";
    const CLASS: Class = Class::Metadata;
}

impl Request for ListRows {
    type Reply = Reply<Listing>;
    const NAME: &'static str = "model/list";
    const CLASS: Class = Class::Metadata;
}
