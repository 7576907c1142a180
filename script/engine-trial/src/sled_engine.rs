//! sled 0.34 behind the product's engine trait, for comparison only.
//!
//! sled has no snapshots: this one shows the present. The trial never needs an old one.

use bytes::Bytes;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use store::engine::Visit;
use store::{Batch, Engine, EngineError, Snapshot, Space};

pub struct SledEngine(sled::Db);

impl SledEngine {
    pub fn open(folder: &Path) -> Result<Self, EngineError> {
        let config = sled::Config::default().path(folder).cache_capacity(128 << 20).flush_every_ms(None);
        config.open().map(Self).map_err(io)
    }
}

fn io(error: sled::Error) -> EngineError {
    EngineError::Io(error.to_string())
}

fn full_key(space: Space, key: &[u8]) -> Vec<u8> {
    [&[space.number()], key].concat()
}

impl Engine for SledEngine {
    fn snapshot(&self) -> Result<Arc<dyn Snapshot>, EngineError> {
        Ok(Arc::new(SledView(self.0.clone())))
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut changes = sled::Batch::default();
        for ((space, key), change) in batch {
            match change {
                Some(value) => changes.insert(full_key(*space, key), value.as_ref()),
                None => changes.remove(full_key(*space, key)),
            }
        }
        self.0.apply_batch(changes).map_err(io)?;
        self.0.flush().map_err(io)?;
        Ok(())
    }

    fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.0.size_on_disk().map_err(io)
    }

    fn describe(&self) -> String {
        "sled 0.34".to_owned()
    }
}

struct SledView(sled::Db);

impl Snapshot for SledView {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let found = self.0.get(full_key(space, key)).map_err(io)?;
        Ok(found.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), EngineError> {
        for row in self.0.range::<Vec<u8>, _>(bounds(space, from, to)) {
            let (key, value) = row.map_err(io)?;
            if visit(&key[1..], &value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn last(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Option<(Vec<u8>, Bytes)>, EngineError> {
        let last = self.0.range::<Vec<u8>, _>(bounds(space, from, to)).next_back().transpose().map_err(io)?;
        Ok(last.map(|(key, value)| (key[1..].to_vec(), Bytes::copy_from_slice(&value))))
    }
}

/// Bounds inside a keyspace, as those of the one tree.
fn bounds(space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let low = match from {
        Bound::Unbounded => Bound::Included(vec![space.number()]),
        other => other.map(|key| full_key(space, key)),
    };
    let high = match to {
        Bound::Unbounded => Bound::Excluded(vec![space.number() + 1]),
        other => other.map(|key| full_key(space, key)),
    };
    (low, high)
}
