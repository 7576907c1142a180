//! Checking rows and chunks against each other, some at a time (rule D5).

use super::chunk::{Placed, chunk_after, chunk_of, make_again};
use super::mark::Mark;
use super::{ARCS, Digest, Digested, arc_end, arc_of, arc_start};
use std::ops::{Bound, ControlFlow};
use store::{Read, StoreError, Txn};

/// Chunks that one call looks at, so that empty arcs do not make it long.
const CHUNKS_MAX: usize = 64;

/// What a look at some rows of a table found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Rows looked at.
    pub rows: u64,
    /// Keys of rows that cannot be read.
    pub damaged: Vec<Vec<u8>>,
    /// First keys of chunks that do not say what their rows do.
    pub wrong: Vec<Vec<u8>>,
    /// Where to go on; none at the end of the table.
    pub next: Option<Vec<u8>>,
}

/// Looks at rows from a key on, chunk by chunk, until they are that many. `visit` sees those that can be read. Chunks are
/// compared once they are complete, except where a row of theirs is damaged: they are made again when it is mended.
pub fn check_some(
    read: &impl Read,
    table: Digested,
    (from, rows_max): (&[u8], u64),
    visit: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<Checked, StoreError> {
    let mark = Mark::read(read)?.filter(Mark::is_complete);
    let mut checked = Checked { next: Some(from.to_vec()), ..Checked::default() };
    for _ in 0..CHUNKS_MAX {
        let Some(from) = checked.next.take() else { break };
        // Chunks may have been joined since.
        let chunk = chunk_of(read, table.space, &from)?;
        let after = chunk_after(read, table.space, &chunk.first)?.map(|after| after.first);
        let arc = arc_of(&chunk.first);
        let end = after.clone().unwrap_or_else(|| arc_end(arc));
        let (mut counted, damaged_before) = (Digest::default(), checked.damaged.len());
        read.scan(table.space, Bound::Included(&chunk.first), Bound::Excluded(&end), &mut |key, value| {
            checked.rows += 1;
            match (table.canonical)(key, value) {
                Err(_) => checked.damaged.push(key.to_vec()),
                Ok(form) => {
                    if let (Some(mark), Some(form)) = (&mark, form) {
                        counted.add(mark.key().hash(table.space, key, &form));
                    }
                    visit(key, value);
                }
            }
            ControlFlow::Continue(())
        })?;
        let is_wrong = mark.is_some() && chunk.digest != Some(counted);
        if is_wrong && checked.damaged.len() == damaged_before {
            checked.wrong.push(chunk.first);
        }
        checked.next = after.or_else(|| (arc + 1 < ARCS).then(|| arc_start(arc + 1)));
        if checked.rows >= rows_max {
            break;
        }
    }
    Ok(checked)
}

/// Makes the chunk that begins with this key again from its rows.
pub fn mend_chunk(txn: &mut Txn<'_>, table: Digested, first: &[u8]) -> Result<(), StoreError> {
    let Some(mark) = Mark::read(txn)?.filter(Mark::is_complete) else { return Ok(()) };
    let Placed { first, .. } = chunk_of(txn, table.space, first)?;
    make_again(txn, table, &mark, &first)
}
