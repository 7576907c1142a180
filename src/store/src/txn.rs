//! One transaction: reads see its own changes and those of the batch before it; nothing reaches
//! the engine before the whole batch does.

use crate::StoreError;
use crate::clock::StoreClock;
use crate::engine::{Batch, Row, Snapshot, Visit};
use crate::envelope::{Record, encode};
use crate::overlay::Overlay;
use crate::space::Space;
use crate::view::{Read, read_error};
use base::{Stamp, WallTime};
use bytes::Bytes;
use std::ops::Bound;

/// Runs after the batch is durable, before its callers are answered.
pub(crate) type AfterCommit = Box<dyn FnOnce() + Send>;

/// A transaction on the local store, run by the committer.
pub struct Txn<'a> {
    base: &'a dyn Snapshot,
    batch: &'a Batch,
    pub(crate) own: Batch,
    clock: &'a StoreClock,
    now: WallTime,
    pub(crate) after_commit: Vec<AfterCommit>,
}

impl<'a> Txn<'a> {
    pub(crate) fn new(
        base: &'a dyn Snapshot,
        batch: &'a Batch,
        clock: &'a StoreClock,
        now: WallTime,
    ) -> Self {
        Self { base, batch, own: Batch::new(), clock, now, after_commit: Vec::new() }
    }

    /// The wall time when the batch began.
    pub fn now(&self) -> WallTime {
        self.now
    }

    /// A new stamp, above all stamps given or seen so far: the instant of this commit.
    pub fn stamp(&mut self) -> Stamp {
        self.clock.tick(self.now)
    }

    /// Writes raw bytes.
    pub fn put_bytes(&mut self, space: Space, key: Vec<u8>, value: Bytes) {
        self.own.insert((space, key), Some(value));
    }

    /// Writes a record.
    pub fn put<R: Record>(&mut self, space: Space, key: Vec<u8>, record: &R) {
        let value = encode(space, &key, record);
        self.put_bytes(space, key, value);
    }

    /// Deletes a row; deleting what is not there is fine.
    pub fn delete(&mut self, space: Space, key: Vec<u8>) {
        self.own.insert((space, key), None);
    }

    /// The rows of these keyspaces that this transaction has written so far.
    pub fn written(&self, spaces: &[Space]) -> Vec<(Space, Vec<u8>, Bytes)> {
        let own = self.own.iter().filter(|((space, _), _)| spaces.contains(space));
        own.filter_map(|((space, key), value)| Some((*space, key.clone(), value.clone()?))).collect()
    }

    /// Runs `action` once the change is durable, before the caller hears of it.
    pub fn after_commit(&mut self, action: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(action));
    }

    fn overlay(&self) -> Overlay<'_> {
        Overlay { base: self.base, layers: [self.batch, &self.own] }
    }
}

impl Read for Txn<'_> {
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.overlay().get(space, key).map_err(read_error)
    }

    fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.overlay().scan(space, from, to, visit).map_err(read_error)
    }

    fn last(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Option<Row>, StoreError> {
        self.overlay().last(space, from, to).map_err(read_error)
    }
}
