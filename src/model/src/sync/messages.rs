//! What nodes ask each other to find rows that one of them missed.

use crate::replicas::Reply;
use crate::rows::object::Beside;
use bytes::Bytes;
use cluster::View;
use net::{Class, Request};
use serde::{Deserialize, Serialize};
use table::digest::Digest;

/// Which arcs that both nodes keep differ in one table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ArcDigests {
    pub view: View,
    /// Number of the table's keyspace.
    pub space: u8,
    /// Of every arc the lower half of the asker's sum: enough to see that it differs.
    pub sums: Vec<u64>,
}

impl Request for ArcDigests {
    type Reply = Reply<Vec<u16>>;
    const NAME: &'static str = "model/arc_digests";
    const CLASS: Class = Class::Metadata;
}

/// Keys inside one arc, `to` exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyRange {
    pub from: Bytes,
    pub to: Bytes,
}

/// A digest as it travels: rows, and the two halves of the sum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToldDigest {
    rows: u64,
    high: u64,
    low: u64,
}

impl From<Digest> for ToldDigest {
    fn from(Digest { rows, sum }: Digest) -> Self {
        Self { rows, high: (sum >> 64) as u64, low: sum as u64 }
    }
}

impl From<ToldDigest> for Digest {
    fn from(ToldDigest { rows, high, low }: ToldDigest) -> Self {
        Self { rows, sum: u128::from(high) << 64 | u128::from(low) }
    }
}

/// Asks for the digests of parts of ranges of one table, unless all of one is as the asker has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CutRanges {
    pub view: View,
    /// Number of the table's keyspace.
    pub space: u8,
    /// Each with its digest at the asker.
    pub ranges: Vec<(KeyRange, ToldDigest)>,
}

/// A range in pieces that follow each other: the end of each, and its digest. None at all: it is the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct CutPieces {
    pub pieces: Vec<(Bytes, ToldDigest)>,
}

impl Request for CutRanges {
    /// One for each range.
    type Reply = Reply<Vec<CutPieces>>;
    const NAME: &'static str = "model/cut_ranges";
    const CLASS: Class = Class::Metadata;
}

/// Asks for the keys of ranges of one table, with the hashes of their rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListRanges {
    pub view: View,
    /// Number of the table's keyspace.
    pub space: u8,
    /// In the order of keys.
    pub ranges: Vec<KeyRange>,
}

/// Keys with hashes, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RowList {
    pub rows: Vec<(Bytes, Bytes)>,
    /// Whether nothing is said of what lies behind the last one.
    pub more: bool,
}

impl Request for ListRanges {
    type Reply = Reply<RowList>;
    const NAME: &'static str = "model/list_ranges";
    const CLASS: Class = Class::Metadata;
}

/// Asks for rows by their keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FetchRows {
    pub view: View,
    pub space: u8,
    pub keys: Vec<Bytes>,
}

/// A row as it is stored, without what is local to its replica.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FetchedRow {
    pub key: Bytes,
    pub record: Bytes,
    /// The bytes beside an object's row, or a past row.
    #[serde(default)]
    pub beside: Beside,
}

impl FetchedRow {
    /// What it takes on its way.
    pub fn size_bytes(&self) -> u64 {
        (self.key.len() + self.record.len() + self.beside.len()) as u64
    }
}

/// The rows behind the first of the keys. One that is gone or damaged is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FetchedRows {
    pub rows: Vec<FetchedRow>,
    /// How many of the keys this answers.
    pub keys_done: u32,
}

impl Request for FetchRows {
    type Reply = Reply<FetchedRows>;
    const NAME: &'static str = "model/fetch_rows";
    const CLASS: Class = Class::Bulk;
}
