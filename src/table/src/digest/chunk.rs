//! Chunks: where they begin and end, and how they follow a change of a row.
//!
//! The first chunk of an arc begins with the arc, the others with the key of a row; one ends where the
//! next begins. A chunk without rows has no record. A chunk above [`CHUNK_MAX_ROWS`] is split, one that
//! shrinks below [`CHUNK_MIN_ROWS`] is joined with a neighbour that has room.

use super::mark::Mark;
use super::{Digest, Digested, arc_end, arc_of, arc_start};
use crate::Table;
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};
use store::{Read, Record, Space, StoreError, Txn};

/// More rows than this are split.
pub(super) const CHUNK_MAX_ROWS: usize = 256;
/// A chunk that shrinks below this looks for a neighbour.
const CHUNK_MIN_ROWS: u64 = 64;
/// Two chunks with more rows than this together stay two: joined, they would soon be split again.
const JOINED_MAX_ROWS: u64 = 192;

/// The record of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Rows.
    pub rows: u64,
    /// Sum of their hashes, least byte first.
    #[serde(with = "serde_bytes")]
    pub sum: [u8; 16],
}

impl Record for Chunk {
    const KIND: u8 = 60;
    const VERSION: u8 = 1;
}

/// A chunk where it lies.
pub(super) struct Placed {
    pub first: Vec<u8>,
    /// `None`: its record is damaged.
    pub digest: Option<Digest>,
}

/// The key of the chunk that begins with a row key.
pub(super) fn chunk_key(space: Space, first: &[u8]) -> Vec<u8> {
    [&[space.number()], first].concat()
}

impl Placed {
    pub fn of_record(space: Space, key: &[u8], value: &[u8]) -> Self {
        let digest = store::decode::<Chunk>(Space::Chunk, key, value).ok();
        let digest = digest.map(|chunk| Digest { rows: chunk.rows, sum: u128::from_le_bytes(chunk.sum) });
        if digest.is_none() {
            tracing::warn!(table = space.name(), "a digest is damaged; it is made again from its rows");
        }
        Self { first: key[1..].to_vec(), digest }
    }
}

/// The chunk that a row lies in.
///
/// The first chunk of an arc is found without going backwards: where rows come in descending order (past
/// versions of one key, the newest first), its record is written again with each of them, and an engine that
/// keeps what was overwritten passes over all of it on the way back, but over none of it on the way there.
pub(super) fn chunk_of(read: &impl Read, space: Space, row_key: &[u8]) -> Result<Placed, StoreError> {
    let start = arc_start(arc_of(row_key));
    let (first, here) = (chunk_key(space, &start), chunk_key(space, row_key));
    let found = match is_any_between(read, &first, &here)? {
        true => read.last(Space::Chunk, Bound::Excluded(&first), Bound::Included(&here))?,
        false => read.get_bytes(Space::Chunk, &first)?.map(|value| (first, value)),
    };
    Ok(match found {
        Some((key, value)) => Placed::of_record(space, &key, &value),
        None => Placed { first: start, digest: Some(Digest::default()) },
    })
}

/// Whether a chunk begins behind the first of these keys, up to and with the last.
fn is_any_between(read: &impl Read, first: &[u8], last: &[u8]) -> Result<bool, StoreError> {
    let mut is_any = false;
    if first < last {
        read.scan(Space::Chunk, Bound::Excluded(first), Bound::Included(last), &mut |_, _| {
            is_any = true;
            ControlFlow::Break(())
        })?;
    }
    Ok(is_any)
}

/// The chunk behind the one that begins with `first`, in the same arc.
pub(super) fn chunk_after(
    read: &impl Read,
    space: Space,
    first: &[u8],
) -> Result<Option<Placed>, StoreError> {
    let (from, to) = (chunk_key(space, first), chunk_key(space, &arc_end(arc_of(first))));
    let mut after = None;
    read.scan(Space::Chunk, Bound::Excluded(&from), Bound::Excluded(&to), &mut |key, value| {
        after = Some(Placed::of_record(space, key, value));
        ControlFlow::Break(())
    })?;
    Ok(after)
}

/// The chunk before the one that begins with `first`, in the same arc.
fn chunk_before(read: &impl Read, space: Space, first: &[u8]) -> Result<Option<Placed>, StoreError> {
    let (from, to) = (chunk_key(space, &arc_start(arc_of(first))), chunk_key(space, first));
    let before = read.last(Space::Chunk, Bound::Included(&from), Bound::Excluded(&to))?;
    Ok(before.map(|(key, value)| Placed::of_record(space, &key, &value)))
}

/// Brings the digest of a row's chunk up to date, after the row changed in this transaction.
pub(crate) fn changed<T: Table>(
    txn: &mut Txn<'_>,
    row_key: &[u8],
    old: Option<&T::Row>,
    new: Option<&T::Row>,
) -> Result<(), StoreError> {
    let Some(mark) = Mark::read(txn)?.filter(|mark| mark.covers(T::SPACE, row_key)) else { return Ok(()) };
    let key = mark.key();
    let hash = |row: &T::Row| T::canonical(row).map(|form| key.hash(T::SPACE, row_key, &form));
    let (old, new) = (old.and_then(hash), new.and_then(hash));
    if old == new {
        return Ok(());
    }
    let table = Digested::of::<T>();
    let Placed { first, digest } = chunk_of(txn, T::SPACE, row_key)?;
    let Some(mut digest) =
        digest.filter(|digest| usize::try_from(digest.rows).is_ok_and(|rows| rows <= CHUNK_MAX_ROWS))
    else {
        return make_again(txn, table, &mark, &first);
    };
    let was_there = old.is_none_or(|hash| digest.take(hash));
    new.into_iter().for_each(|hash| digest.add(hash));
    if !was_there || digest.rows > CHUNK_MAX_ROWS as u64 {
        return make_again(txn, table, &mark, &first);
    }
    if new.is_none() && digest.rows < CHUNK_MIN_ROWS {
        return shrink(txn, T::SPACE, first, digest);
    }
    put(txn, T::SPACE, &first, digest);
    Ok(())
}

/// Makes the digest of a row's chunk again, after the row went and nobody could say what it was.
pub(crate) fn reread<T: Table>(txn: &mut Txn<'_>, row_key: &[u8]) -> Result<(), StoreError> {
    let Some(mark) = Mark::read(txn)?.filter(|mark| mark.covers(T::SPACE, row_key)) else { return Ok(()) };
    let first = chunk_of(txn, T::SPACE, row_key)?.first;
    make_again(txn, Digested::of::<T>(), &mark, &first)
}

/// Writes a chunk; one without rows has no record.
fn put(txn: &mut Txn<'_>, space: Space, first: &[u8], digest: Digest) {
    let key = chunk_key(space, first);
    if digest.rows == 0 {
        return txn.delete(Space::Chunk, key);
    }
    txn.put(Space::Chunk, key, &Chunk { rows: digest.rows, sum: digest.sum.to_le_bytes() });
}

/// Writes a chunk that became small, joined with a neighbour if there is one with room.
fn shrink(txn: &mut Txn<'_>, space: Space, first: Vec<u8>, digest: Digest) -> Result<(), StoreError> {
    let with = |other: &Placed| {
        let mut joined = other.digest?;
        joined.join(digest);
        (joined.rows <= JOINED_MAX_ROWS).then_some(joined)
    };
    if digest.rows > 0 {
        if let Some(before) = chunk_before(txn, space, &first)?
            && let Some(joined) = with(&before)
        {
            put(txn, space, &before.first, joined);
            txn.delete(Space::Chunk, chunk_key(space, &first));
            return Ok(());
        }
        if let Some(after) = chunk_after(txn, space, &first)?
            && let Some(joined) = with(&after)
        {
            put(txn, space, &first, joined);
            txn.delete(Space::Chunk, chunk_key(space, &after.first));
            return Ok(());
        }
    }
    put(txn, space, &first, digest);
    Ok(())
}

/// Reads the rows of a chunk and writes it anew, as several if they are too many for one.
pub(super) fn make_again(
    txn: &mut Txn<'_>,
    table: Digested,
    mark: &Mark,
    first: &[u8],
) -> Result<(), StoreError> {
    let key = mark.key();
    let after = chunk_after(txn, table.space, first)?;
    let end = after.map_or_else(|| arc_end(arc_of(first)), |after| after.first);
    let end = mark.limit(table.space).map_or(end.as_slice(), |limit| limit.min(&end)).to_vec();
    let mut rows = Vec::new();
    txn.scan(table.space, Bound::Included(first), Bound::Excluded(&end), &mut |row_key, value| {
        rows.extend(table.hash(&key, row_key, value).map(|hash| (row_key.to_vec(), hash)));
        ControlFlow::Continue(())
    })?;
    lay_out(txn, table.space, first, &rows);
    Ok(())
}

/// Writes the chunks of these rows, which follow each other in one arc; the first begins with `first`.
pub(super) fn lay_out(txn: &mut Txn<'_>, space: Space, first: &[u8], rows: &[(Vec<u8>, u128)]) {
    let chunks = rows.len().div_ceil(CHUNK_MAX_ROWS).max(1);
    let size = rows.len().div_ceil(chunks).max(1);
    if rows.is_empty() {
        put(txn, space, first, Digest::default());
    }
    for (number, rows) in rows.chunks(size).enumerate() {
        let mut digest = Digest::default();
        rows.iter().for_each(|(_, hash)| digest.add(*hash));
        put(txn, space, if number == 0 { first } else { &rows[0].0 }, digest);
    }
}
