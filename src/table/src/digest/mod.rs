//! Digests of ranges of rows, so that two replicas find what one of them missed without telling each
//! other every row.
//!
//! The rows of a table are cut into *chunks*: contiguous ranges of row keys inside one arc of the ring.
//! A chunk keeps how many rows it has and the sum of their hashes, changed in the transaction that changes
//! a row (rules D1 to D4). Where chunks begin is this replica's own affair: sums add up, so any range
//! that another one asks for is some whole chunks and two ends that are read row by row. What always holds:
//!
//! - the digest of a range says nothing but which rows are in it, in their canonical form: replicas with
//!   equal rows and different histories have equal digests;
//! - the hash is keyed with a secret of the cluster, so that nobody outside can make rows that cancel out;
//! - a damaged digest costs reading its rows again, and never refuses a write.

mod build;
mod check;
mod chunk;
mod mark;
mod query;
#[cfg(test)]
mod tests;

pub use build::{Built, build_some, recount};
pub use check::{Checked, check_some, mend_chunk};
pub use chunk::Chunk;
pub(crate) use chunk::{changed, reread};
pub use mark::{DIGEST_KEY, Mark, Progress};
pub use query::{Digests, LIST_MAX_ROWS, Listed, Piece};

use crate::Table;
use serde::Serialize;
use store::{Space, Unreadable};

/// Bits of a row key that say its arc: the first of the hash that the key begins with.
const ARC_BITS: u32 = 10;
/// Arcs of the ring.
pub const ARCS: u16 = 1 << ARC_BITS;
/// Above every row key: none has so many of these bytes in front.
const ABOVE_ALL: [u8; 40] = [u8::MAX; 40];

/// The arc that a row lies in.
pub fn arc_of(row_key: &[u8]) -> u16 {
    let byte = |place: usize| row_key.get(place).copied().unwrap_or(0);
    u16::from_be_bytes([byte(0), byte(1)]) >> (u16::BITS - ARC_BITS)
}

/// The first key of an arc.
pub fn arc_start(arc: u16) -> Vec<u8> {
    (arc << (u16::BITS - ARC_BITS)).to_be_bytes().to_vec()
}

/// A key above all of an arc and below all of the next.
pub fn arc_end(arc: u16) -> Vec<u8> {
    if arc + 1 >= ARCS { ABOVE_ALL.to_vec() } else { arc_start(arc + 1) }
}

/// A secret of the cluster, which hashes are keyed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigestKey([u8; 32]);

/// What the secret is derived for; never reused for anything else.
const KEY_CONTEXT: &str = "garage 2026-11 digests of ranges of replicated rows";

impl DigestKey {
    /// The key of a cluster. Its id is known to its members only.
    pub fn of_cluster(id: &str) -> Self {
        Self(blake3::derive_key(KEY_CONTEXT, id.as_bytes()))
    }

    /// The hash of a row: of its table, its key and its canonical form.
    fn hash(&self, space: Space, row_key: &[u8], canonical: &[u8]) -> u128 {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[space.number()]);
        // The length keeps key and form apart.
        hasher.update(&u32::try_from(row_key.len()).unwrap_or(u32::MAX).to_le_bytes());
        hasher.update(row_key);
        hasher.update(canonical);
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }
}

/// How many rows there are, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest {
    /// Rows.
    pub rows: u64,
    /// Sum of their hashes, modulo 2^128.
    pub sum: u128,
}

impl Digest {
    fn add(&mut self, hash: u128) {
        self.join(Digest { rows: 1, sum: hash });
    }

    /// Both together.
    pub fn join(&mut self, other: Digest) {
        self.rows = self.rows.saturating_add(other.rows);
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Takes a row out; false if there is none, so that the digest is wrong.
    #[must_use]
    fn take(&mut self, hash: u128) -> bool {
        let Some(rows) = self.rows.checked_sub(1) else { return false };
        self.rows = rows;
        self.sum = self.sum.wrapping_sub(hash);
        rows > 0 || self.sum == 0
    }
}

/// From a row's key and record to what is compared of it.
type Canonical = fn(&[u8], &[u8]) -> Result<Option<Vec<u8>>, Unreadable>;

/// A table as its digests see it: where its rows are, and what of a record is compared.
#[derive(Clone, Copy)]
pub struct Digested {
    space: Space,
    canonical: Canonical,
}

impl Digested {
    /// A table.
    pub const fn of<T: Table>() -> Self {
        Self { space: T::SPACE, canonical: canonical_record::<T> }
    }

    /// Where its rows are.
    pub const fn space(&self) -> Space {
        self.space
    }

    /// The hash of a stored row; `None` if it is not compared. A damaged row counts as not there.
    fn hash(&self, key: &DigestKey, row_key: &[u8], value: &[u8]) -> Option<u128> {
        match (self.canonical)(row_key, value) {
            Ok(canonical) => canonical.map(|form| key.hash(self.space, row_key, &form)),
            Err(Unreadable) => {
                tracing::warn!(table = self.space.name(), "a damaged row is left out of its digest");
                None
            }
        }
    }
}

fn canonical_record<T: Table>(row_key: &[u8], value: &[u8]) -> Result<Option<Vec<u8>>, Unreadable> {
    store::decode::<T::Row>(T::SPACE, row_key, value).map(|row| T::canonical(&row))
}

/// The canonical form of what is compared: MessagePack, fields in their order. A field that a later
/// release adds must be left out of it while it has its default, or else replicas of two releases would
/// never agree.
pub fn canonical_form(compared: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(compared).expect("rows hold only types that MessagePack can hold")
}
