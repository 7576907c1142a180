//! Questions about digests: of any range, in pieces, and the rows of a range one by one.

use super::chunk::{CHUNK_MAX_ROWS, Placed, chunk_key, chunk_of};
use super::mark::Mark;
use super::{ARCS, Digest, DigestKey, Digested, arc_end, arc_of};
use std::ops::{Bound, ControlFlow};
use store::{Read, Space, StoreError};

/// The digests of a store, as one view of it shows them.
pub struct Digests<'a, R> {
    read: &'a R,
    key: DigestKey,
}

/// A part of a range: from where the one before ends, up to `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its end, exclusive.
    pub to: Vec<u8>,
    /// What is in it.
    pub digest: Digest,
}

/// Rows of a range with their hashes, in the order of keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listed {
    /// Key and hash.
    pub rows: Vec<(Vec<u8>, u128)>,
    /// Whether the limit ended the list: nothing is said of what lies behind its last key.
    pub more: bool,
}

impl<'a, R: Read> Digests<'a, R> {
    /// The digests under this key; `None` while they are not complete.
    pub fn open(read: &'a R, key: &DigestKey) -> Result<Option<Self>, StoreError> {
        let mark = Mark::read(read)?.filter(|mark| mark.is_complete() && mark.key() == *key);
        Ok(mark.map(|mark| Self { read, key: mark.key() }))
    }

    /// The digest of the rows from `from` up to `to`.
    pub fn of_range(&self, table: Digested, from: &[u8], to: &[u8]) -> Result<Digest, StoreError> {
        let mut whole = Digest::default();
        let mut start = from.to_vec();
        while start.as_slice() < to {
            let end = arc_end(arc_of(&start));
            for piece in self.segments(table, &start, to.min(&end))? {
                whole.join(piece.digest);
            }
            start = end;
        }
        Ok(whole)
    }

    /// Cuts a range inside one arc into at most so many pieces. One that cannot be cut by chunks is one
    /// piece, and has at most as many rows as a chunk.
    pub fn cut(
        &self,
        table: Digested,
        from: &[u8],
        to: &[u8],
        pieces: usize,
    ) -> Result<Vec<Piece>, StoreError> {
        let segments = self.segments(table, from, to)?;
        let size = segments.len().div_ceil(pieces.max(1)).max(1);
        let join = |segments: &[Piece]| {
            let mut piece = segments.last().cloned()?;
            piece.digest = Digest::default();
            segments.iter().for_each(|segment| piece.digest.join(segment.digest));
            Some(piece)
        };
        Ok(segments.chunks(size).filter_map(join).collect())
    }

    /// The first rows of a range.
    pub fn list(&self, table: Digested, from: &[u8], to: &[u8], limit: usize) -> Result<Listed, StoreError> {
        let mut listed = Listed::default();
        self.read.scan(table.space, Bound::Included(from), Bound::Excluded(to), &mut |row_key, value| {
            if listed.rows.len() >= limit {
                listed.more = true;
                return ControlFlow::Break(());
            }
            listed.rows.extend(table.hash(&self.key, row_key, value).map(|hash| (row_key.to_vec(), hash)));
            ControlFlow::Continue(())
        })?;
        Ok(listed)
    }

    /// The hash of one row; `None` if it is not there, or not compared.
    pub fn of_row(&self, table: Digested, row_key: &[u8]) -> Result<Option<u128>, StoreError> {
        let value = self.read.get_bytes(table.space, row_key)?;
        Ok(value.and_then(|value| table.hash(&self.key, row_key, &value)))
    }

    /// The digest of each arc, from the chunks alone.
    pub fn arcs(&self, table: Digested) -> Result<Vec<Digest>, StoreError> {
        let mut arcs = vec![Digest::default(); usize::from(ARCS)];
        let (from, to) = ([table.space.number()], [table.space.number() + 1]);
        let mut damaged = Vec::new();
        self.read.scan(Space::Chunk, Bound::Included(&from), Bound::Excluded(&to), &mut |key, value| {
            let chunk = Placed::of_record(table.space, key, value);
            let arc = arc_of(&chunk.first);
            match chunk.digest {
                Some(digest) => arcs[usize::from(arc)].join(digest),
                None => damaged.push(arc),
            }
            ControlFlow::Continue(())
        })?;
        for arc in damaged {
            let digest = self.of_range(table, &super::arc_start(arc), &arc_end(arc))?;
            arcs[usize::from(arc)] = digest;
        }
        Ok(arcs)
    }

    /// The parts of a range inside one arc as the chunks cut it.
    fn segments(&self, table: Digested, from: &[u8], to: &[u8]) -> Result<Vec<Piece>, StoreError> {
        let space = table.space;
        let (low, high) = (chunk_key(space, from), chunk_key(space, to));
        let head = chunk_of(self.read, space, from)?;
        let head = Placed { digest: head.digest.filter(|_| head.first == from), first: from.to_vec() };
        let mut starts = vec![head];
        self.read.scan(Space::Chunk, Bound::Excluded(&low), Bound::Excluded(&high), &mut |key, value| {
            starts.push(Placed::of_record(space, key, value));
            ControlFlow::Continue(())
        })?;
        let ends_whole =
            to == arc_end(arc_of(from)).as_slice() || self.read.get_bytes(Space::Chunk, &high)?.is_some();
        let mut pieces = Vec::with_capacity(starts.len());
        for (number, chunk) in starts.iter().enumerate() {
            let next = starts.get(number + 1);
            let end = next.map_or(to, |next| next.first.as_slice());
            let digest = match chunk.digest.filter(|_| next.is_some() || ends_whole) {
                Some(digest) => digest,
                None => self.counted(table, &chunk.first, end)?,
            };
            pieces.push(Piece { to: end.to_vec(), digest });
        }
        Ok(pieces)
    }

    fn counted(&self, table: Digested, from: &[u8], to: &[u8]) -> Result<Digest, StoreError> {
        let mut digest = Digest::default();
        self.read.scan(table.space, Bound::Included(from), Bound::Excluded(to), &mut |row_key, value| {
            table.hash(&self.key, row_key, value).into_iter().for_each(|hash| digest.add(hash));
            ControlFlow::Continue(())
        })?;
        Ok(digest)
    }
}

/// Rows that one list has at most: those of a chunk.
pub const LIST_MAX_ROWS: usize = CHUNK_MAX_ROWS;
