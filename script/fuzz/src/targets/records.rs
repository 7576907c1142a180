//! Target `records`: stored bytes, from an engine to a row, and the keys they lie under.
//!
//! The first byte of the input chooses the kind of record; the second how the rest is taken: as a body,
//! around which the envelope is put by doc/formats.md; as a whole envelope; or as a stored key. What must
//! hold: no panic, memory in proportion to the bytes; what was read is written and read as the same, and
//! what was written is written the same again; a changed byte, another key or another keyspace is
//! noticed; merging a row with itself changes nothing.

use super::meter;
use base::{Merge, PartitionHash};
use block::Pace;
use block::record::{AuditState, KnownDisks, RefCount, ResyncEntry, ScrubState, Totals};
use crc_fast::{CrcAlgorithm, Digest};
use model::fuzzing::CheckProgress;
use model::graves::{Buried, Fence};
use model::reclaim::Queued;
use model::rows::bucket::{AliasRow, BucketRow};
use model::rows::encryption::RingKeyRow;
use model::rows::event::{BacklogRow, IntentRow, QueuedRow};
use model::rows::key::KeyRow;
use model::rows::object::{self, InlineBody, ObjectRow};
use model::rows::past::{PastBody, PastRow};
use model::rows::reference::{self, ReferenceRow};
use model::rows::standing::Standing;
use model::rows::upload::{self, PartRow, UploadMark, UploadRow};
use model::rows::version::{self, PendingBody, VersionRow};
use model::rows::webhook::WebhookRow;
use model::usage::Usage;
use std::fmt::Debug;
use store::{HighWater, Marks, Record, Space, Unreadable, decode, encode};
use table::digest::{Chunk, Mark};
use table::sort_key;

/// The smallest element of a list takes two bytes of a body and, in a list that grows by doubling, three
/// times 56 bytes of memory.
const MEMORY_PER_BODY_BYTE: usize = 128;
/// The reader of MessagePack makes room for at most one mebibyte of announced elements per list, before
/// it has seen them; no row has more than three lists inside one another.
const MEMORY_FIXED_BYTES: usize = 4 << 20;

const KEY: &[u8] = b"under this key";

type Check = fn(How, &[u8]);

/// How the input is taken.
#[derive(Clone, Copy)]
enum How {
    Body,
    Envelope,
}

/// Every kind of record.
const KINDS: [Check; 34] = [
    row::<ObjectRow>,
    record::<InlineBody>,
    row::<VersionRow>,
    row::<ReferenceRow>,
    row::<UploadRow>,
    row::<PartRow>,
    row::<BucketRow>,
    row::<AliasRow>,
    row::<KeyRow>,
    record::<Usage>,
    record::<Queued>,
    record::<Buried>,
    record::<PendingBody>,
    record::<UploadMark>,
    record::<Fence>,
    record::<RefCount>,
    record::<ResyncEntry>,
    record::<Totals>,
    record::<KnownDisks>,
    record::<ScrubState>,
    record::<AuditState>,
    row::<PastRow>,
    record::<PastBody>,
    record::<Chunk>,
    record::<Mark>,
    record::<Marks>,
    row::<RingKeyRow>,
    record::<Standing>,
    row::<WebhookRow>,
    record::<IntentRow>,
    record::<QueuedRow>,
    record::<BacklogRow>,
    record::<Pace>,
    record::<CheckProgress>,
];
/// Kinds that there is room for: one more does not change what the inputs of the others mean.
const KINDS_MAX: usize = 64;

/// One record or key.
pub fn check(input: &[u8]) {
    let Some((&[kind, how], bytes)) = input.split_first_chunk::<2>() else { return };
    let how = match how % 3 {
        0 => How::Body,
        1 => How::Envelope,
        _ => return stored_key(bytes),
    };
    match KINDS.get(usize::from(kind) % KINDS_MAX) {
        Some(check) => check(how, bytes),
        None => record::<HighWater>(how, bytes),
    }
}

/// The envelope around a body, as doc/formats.md has it.
fn envelope(space: Space, key: &[u8], kind: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let mut sum = Digest::new(CrcAlgorithm::Crc32Iscsi);
    for piece in [&[space.number(), kind, version], key, body] {
        sum.update(piece);
    }
    let mut bytes = vec![kind, version];
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend((sum.finalize() as u32).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn read<R: Record + Debug + PartialEq>(how: How, bytes: &[u8]) -> Option<R> {
    let space = Space::Meta;
    let stored = match how {
        How::Body => envelope(space, KEY, R::KIND, R::VERSION, bytes),
        How::Envelope => bytes.to_vec(),
    };
    let limit = MEMORY_FIXED_BYTES + MEMORY_PER_BODY_BYTE * bytes.len();
    let record: R = meter::within(limit, || decode(space, KEY, &stored)).ok()?;
    for at in 0..stored.len().min(64) {
        let mut changed = stored.clone();
        changed[at] ^= 1 << (at % 8);
        assert_eq!(decode::<R>(space, KEY, &changed), Err(Unreadable), "byte {at} was changed");
    }
    assert_eq!(decode::<R>(space, b"another key", &stored), Err(Unreadable));
    assert_eq!(decode::<R>(Space::Object, KEY, &stored), Err(Unreadable));
    Some(record)
}

fn record<R: Record + Debug + PartialEq>(how: How, bytes: &[u8]) {
    let Some(record) = read::<R>(how, bytes) else { return };
    written_and_read(&record);
}

fn written_and_read<R: Record + Debug + PartialEq>(record: &R) {
    let written = encode(Space::Meta, KEY, record);
    let again: R = decode(Space::Meta, KEY, &written).expect("what was written can be read");
    assert_eq!(&again, record);
    assert_eq!(encode(Space::Meta, KEY, &again), written, "one record, one form");
}

fn row<R: Record + Merge + Clone + Debug + PartialEq>(how: How, bytes: &[u8]) {
    let Some(row) = read::<R>(how, bytes) else { return };
    written_and_read(&row);
    let mut merged = row.clone();
    merged.merge(&row);
    assert_eq!(merged, row, "a row merged with itself");
}

/// A stored key, read by everyone who reads keys.
fn stored_key(key: &[u8]) {
    if let Some((text, rest)) = sort_key::take_string(key) {
        let mut again = Vec::new();
        sort_key::push_string(&mut again, &text);
        again.extend(rest);
        assert_eq!(again, key, "a string in a key has one form");
    }
    let partition =
        key.first_chunk::<{ PartitionHash::LEN }>().map(|bytes| PartitionHash::from_bytes(*bytes));
    if let Some((partition, text)) = partition.zip(object::key_of(key)) {
        assert!(key.starts_with(&object::prefix_start(partition, &text)));
        assert_eq!(object::key_of(&object::row_key(partition, &text)), Some(text));
    }
    if let Some((partition, (text, id))) = partition.zip(upload::parse_index_key(key)) {
        assert_eq!(upload::index_key(partition, &text, &id), key);
    }
    if let Some((body, number)) = version::parse_row_key(key) {
        assert_eq!(version::row_key(&body, number), key);
    }
    if let Some(target) = reference::target_of(key) {
        assert!(key.starts_with(&reference::target_prefix(target)));
    }
    if let (Some(number), Some(upload)) = (upload::part_number_of(key), key.first_chunk::<32>()) {
        let upload = base::Id::from_bytes(*upload);
        assert!(key.starts_with(&upload::parts_from(&upload, number.get())));
    }
    ordered(key);
}

/// Cut in two strings, the order of their stored forms is that of the strings.
fn ordered(bytes: &[u8]) {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let stored = |text: &[u8]| {
        let mut key = Vec::new();
        sort_key::push_string(&mut key, text);
        key
    };
    assert_eq!(stored(first).cmp(&stored(second)), first.cmp(second));
    if let Some(end) = sort_key::after_prefix(first) {
        let inside = bytes >= first && bytes < end.as_slice();
        assert!(inside, "a prefix bounds what begins with it");
    }
}
