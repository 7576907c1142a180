//! Typed reads, the same on a snapshot and inside a transaction.

use crate::StoreError;
use crate::engine::{EngineError, Row, Snapshot, Visit};
use crate::envelope::{Record, decode};
use crate::space::Space;
use bytes::Bytes;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

/// What to do after a row of a [`Read::walk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Go on with the next row.
    Next,
    /// Skip to the first row at or after this key, which must lie ahead.
    Seek(Vec<u8>),
    /// End the walk.
    Stop,
}

/// Reads of the local store.
pub trait Read {
    /// The bytes under `key`.
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Visits rows in ascending key order until `visit` breaks.
    fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError>;

    /// The last row between the bounds: one seek.
    fn last(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Option<Row>, StoreError>;

    /// The record under `key`.
    fn get<R: Record>(&self, space: Space, key: &[u8]) -> Result<Option<R>, StoreError>
    where
        Self: Sized,
    {
        match self.get_bytes(space, key)? {
            None => Ok(None),
            Some(bytes) => read_record(space, key, &bytes).map(Some),
        }
    }

    /// Walks the records from `from` (inclusive) to `to` (exclusive), skipping ahead where
    /// `visit` asks for it: a listing passes over a common prefix with one seek.
    fn walk<R: Record>(
        &self,
        space: Space,
        from: &[u8],
        to: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], R) -> Step,
    ) -> Result<(), StoreError>
    where
        Self: Sized,
    {
        let end = to.map_or(Bound::Unbounded, Bound::Excluded);
        let mut next = Some(from.to_vec());
        while let Some(start) = next.take() {
            let mut failure = None;
            self.scan(space, Bound::Included(&start), end, &mut |key, bytes| {
                match read_record(space, key, bytes).map(|record| visit(key, record)) {
                    Ok(Step::Next) => return ControlFlow::Continue(()),
                    Ok(Step::Seek(target)) => next = Some(target),
                    Ok(Step::Stop) => {}
                    Err(error) => failure = Some(error),
                }
                ControlFlow::Break(())
            })?;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }
}

fn read_record<R: Record>(space: Space, key: &[u8], bytes: &[u8]) -> Result<R, StoreError> {
    decode(space, key, bytes).map_err(|_| StoreError::Unreadable { space: space.name(), key: key.to_vec() })
}

pub(crate) fn read_error(error: EngineError) -> StoreError {
    StoreError::Read(error.to_string())
}

/// A stable view of the store: everything answered before it was taken, nothing after.
#[derive(Clone)]
pub struct View(pub(crate) Arc<dyn Snapshot>);

impl Read for View {
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.0.get(space, key).map_err(read_error)
    }

    fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.0.scan(space, from, to, visit).map_err(read_error)
    }

    fn last(&self, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Option<Row>, StoreError> {
        self.0.last(space, from, to).map_err(read_error)
    }
}
