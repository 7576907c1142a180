//! Building all digests from the rows, in pages, and comparing them with the rows.

use super::chunk::{Placed, lay_out};
use super::mark::{Mark, Progress};
use super::{Digest, DigestKey, Digested, arc_of, arc_start};
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use store::{Read, Space, StoreError, Txn};

/// Rows, or old chunks, in one transaction.
const PAGE_MAX_ROWS: usize = 1024;

/// Whether anything is left to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// Call again.
    More,
    /// Every row is in its digest.
    All,
}

/// Does a page of what is missing of the digests under this key. The tables are those of the store, in
/// the order of their numbers.
pub fn build_some(txn: &mut Txn<'_>, key: &DigestKey, tables: &[Digested]) -> Result<Built, StoreError> {
    let mark = Mark::read(txn)?.filter(|mark| mark.key() == *key);
    let progress = match mark.as_ref().map(Mark::progress) {
        Some(Progress::Complete) => return Ok(Built::All),
        Some(Progress::Building(space, from)) => build_page(txn, key, tables, (*space, from))?,
        Some(Progress::Clearing) if !clear_page(txn)? => tables.first().map_or(Progress::Complete, begin),
        Some(Progress::Clearing) | None => Progress::Clearing,
    };
    let built = if progress == Progress::Complete { Built::All } else { Built::More };
    Mark::new(key, progress).store(txn);
    Ok(built)
}

fn begin(table: &Digested) -> Progress {
    Progress::Building(table.space.number(), Vec::new())
}

/// Removes old chunks; whether there were any.
fn clear_page(txn: &mut Txn<'_>) -> Result<bool, StoreError> {
    let mut keys = Vec::new();
    txn.scan(Space::Chunk, Bound::Unbounded, Bound::Unbounded, &mut |key, _| {
        keys.push(key.to_vec());
        if keys.len() < PAGE_MAX_ROWS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let found = !keys.is_empty();
    keys.into_iter().for_each(|key| txn.delete(Space::Chunk, key));
    Ok(found)
}

fn build_page(
    txn: &mut Txn<'_>,
    key: &DigestKey,
    tables: &[Digested],
    (space, from): (u8, &[u8]),
) -> Result<Progress, StoreError> {
    let Some(table) = tables.iter().find(|table| table.space.number() >= space) else {
        return Ok(Progress::Complete);
    };
    let from = if table.space.number() == space { from } else { &[] };
    let (mut seen, mut next) = (0, None);
    let mut arcs: BTreeMap<u16, Vec<(Vec<u8>, u128)>> = BTreeMap::new();
    txn.scan(table.space, Bound::Included(from), Bound::Unbounded, &mut |row_key, value| {
        let hash = table.hash(key, row_key, value);
        arcs.entry(arc_of(row_key)).or_default().extend(hash.map(|hash| (row_key.to_vec(), hash)));
        seen += 1;
        if seen < PAGE_MAX_ROWS {
            return ControlFlow::Continue(());
        }
        next = Some([row_key, &[0]].concat());
        ControlFlow::Break(())
    })?;
    for (arc, rows) in arcs.into_iter().filter(|(_, rows)| !rows.is_empty()) {
        // An arc that began in an earlier page goes on with a chunk of its own.
        let start = arc_start(arc);
        let is_begun = from > start.as_slice();
        lay_out(txn, table.space, if is_begun { &rows[0].0 } else { &start }, &rows);
    }
    let following =
        || tables.iter().find(|other| other.space > table.space).map_or(Progress::Complete, begin);
    Ok(next.map_or_else(following, |next| Progress::Building(table.space.number(), next)))
}

/// Compares chunks with rows: what is wrong, in words. For tests, the simulator and scrub; it may only be
/// asked once the digests are complete.
pub fn recount(read: &impl Read, tables: &[Digested]) -> Result<Vec<String>, StoreError> {
    let Some(mark) = Mark::read(read)?.filter(Mark::is_complete) else {
        return Ok(vec!["the digests are not complete".to_owned()]);
    };
    let mut wrong = Vec::new();
    for table in tables {
        let kept = chunks_of(read, table.space)?;
        let mut counted: BTreeMap<Vec<u8>, Digest> =
            kept.keys().map(|first| (first.clone(), Digest::default())).collect();
        read.scan(table.space, Bound::Unbounded, Bound::Unbounded, &mut |row_key, value| {
            if let Some(hash) = table.hash(&mark.key(), row_key, value) {
                let start = arc_start(arc_of(row_key));
                let chunk =
                    kept.range::<[u8], _>((Bound::Included(start.as_slice()), Bound::Included(row_key)));
                let first = chunk.map(|(first, _)| first.clone()).next_back().unwrap_or(start);
                counted.entry(first).or_default().add(hash);
            }
            ControlFlow::Continue(())
        })?;
        for (first, counted) in counted {
            let kept = kept.get(&first).copied().flatten();
            if kept != Some(counted) {
                let table = table.space.name();
                wrong.push(format!("{table} at {first:02x?}: the chunk says {kept:?}, the rows {counted:?}"));
            }
        }
    }
    Ok(wrong)
}

fn chunks_of(read: &impl Read, space: Space) -> Result<BTreeMap<Vec<u8>, Option<Digest>>, StoreError> {
    let mut chunks = BTreeMap::new();
    let (from, to) = ([space.number()], [space.number() + 1]);
    read.scan(Space::Chunk, Bound::Included(&from), Bound::Excluded(&to), &mut |key, value| {
        let Placed { first, digest } = Placed::of_record(space, key, value);
        chunks.insert(first, digest);
        ControlFlow::Continue(())
    })?;
    Ok(chunks)
}
