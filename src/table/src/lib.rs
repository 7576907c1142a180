//! Replicated tables of mergeable rows.
//!
//! A table is five things: a partition key, a sort key, a row with a merge, a filter, and a hook
//! that runs inside the local transaction of a change. Rows are stored as
//! `partition hash ‖ sort key`. What always holds:
//!
//! - a row only ever moves up in its merge order, whatever arrives in whatever order;
//! - a change and everything its hook derives from it become durable together or not at all;
//! - a hook does no input or output beyond its transaction.
//!
//! - a change of a row and of the digest it is in ([`digest`]) become durable together.
//!
//! Quorum reads and writes join here with the cluster of several nodes.

pub mod digest;
pub mod register;
pub mod sort_key;

use base::Merge;
use store::{Read, Record, Space, StoreError, Txn};

/// One replicated table.
pub trait Table {
    /// Where its rows live. The keyspace's name is the table's name.
    const SPACE: Space;
    /// The row: what replicas exchange and merge.
    type Row: Record + Merge + Clone + PartialEq;
    /// What a write brings along beside the row, for the hook to store (an inline body).
    type Payload;

    /// What replicas compare of a row: all that they must agree about, and nothing that is local to one of
    /// them. `None`: there is nothing yet to agree about.
    fn canonical(row: &Self::Row) -> Option<Vec<u8>>;

    /// Runs in the transaction that changes the row under `key` from `old` to `new`.
    fn hook(
        &self,
        txn: &mut Txn<'_>,
        key: &[u8],
        change: Change<'_, Self::Row>,
        payload: Option<Self::Payload>,
    ) -> Result<(), StoreError>;
}

/// A row before and after a write that changed it.
#[derive(Debug)]
pub struct Change<'a, R> {
    /// What was stored before.
    pub old: Option<&'a R>,
    /// What is stored now: the merge of the old row and the written one.
    pub new: &'a R,
}

/// What a write did to the stored row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The written row, or its merge with the old one, is now stored.
    Changed,
    /// The stored row already held everything the written one says.
    Unchanged,
}

/// Merges `row` into what is stored under `key` and runs the hook if that changed anything.
pub fn apply<T: Table>(
    table: &T,
    txn: &mut Txn<'_>,
    key: Vec<u8>,
    row: &T::Row,
    payload: Option<T::Payload>,
) -> Result<Applied, StoreError> {
    let old: Option<T::Row> = txn.get(T::SPACE, &key)?;
    let mut new = old.clone().unwrap_or_else(|| row.clone());
    new.merge(row);
    if old.as_ref() == Some(&new) {
        return Ok(Applied::Unchanged);
    }
    replace(table, txn, key, Change { old: old.as_ref(), new: &new }, payload)?;
    Ok(Applied::Changed)
}

/// Stores what a rule made of the row under `key`, and runs the hook: the one way in which a row of a
/// replicated table changes.
pub fn replace<T: Table>(
    table: &T,
    txn: &mut Txn<'_>,
    key: Vec<u8>,
    change: Change<'_, T::Row>,
    payload: Option<T::Payload>,
) -> Result<(), StoreError> {
    let Change { old, new } = change;
    table.hook(txn, &key, change, payload)?;
    txn.put(T::SPACE, key.clone(), new);
    digest::changed::<T>(txn, &key, old, Some(new))
}

/// Drops the row under `key`, which holds `old`: the one way in which a row of a replicated table goes away.
/// Only for a row that no replica may bring back.
pub fn remove<T: Table>(txn: &mut Txn<'_>, key: Vec<u8>, old: &T::Row) -> Result<(), StoreError> {
    txn.delete(T::SPACE, key.clone());
    digest::changed::<T>(txn, &key, Some(old), None)
}

/// Drops the row under `key`, which cannot be read: its digest is made again from the rows around it. What its hook
/// counted is the caller's to count anew.
pub fn discard<T: Table>(txn: &mut Txn<'_>, key: &[u8]) -> Result<(), StoreError> {
    txn.delete(T::SPACE, key.to_vec());
    digest::reread::<T>(txn, key)
}
