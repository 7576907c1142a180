//! Reading through changes that are not in the engine yet.

use crate::engine::{Batch, EngineError, Snapshot, Visit};
use crate::space::Space;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// A snapshot seen through layers of pending changes; later layers win.
pub(crate) struct Overlay<'a> {
    pub base: &'a dyn Snapshot,
    pub layers: [&'a Batch; 2],
}

impl Overlay<'_> {
    pub fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let wanted = (space, key.to_vec());
        for layer in self.layers.iter().rev() {
            if let Some(change) = layer.get(&wanted) {
                return Ok(change.clone());
            }
        }
        self.base.get(space, key)
    }

    pub fn scan(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visit<'_>,
    ) -> Result<(), EngineError> {
        let changes = self.changes_between(space, from, to);
        if changes.is_empty() {
            return self.base.scan(space, from, to, visit);
        }
        let mut pending = changes.into_iter().peekable();
        let mut stopped = false;
        self.base.scan(space, from, to, &mut |key, value| {
            while let Some((changed, change)) = pending.next_if(|(changed, _)| *changed <= key) {
                if let Some(new) = change
                    && visit(changed, new).is_break()
                {
                    stopped = true;
                    return ControlFlow::Break(());
                }
                if changed == key {
                    return ControlFlow::Continue(());
                }
            }
            let flow = visit(key, value);
            stopped = flow.is_break();
            flow
        })?;
        for (changed, change) in pending {
            if let Some(new) = change
                && !stopped
                && visit(changed, new).is_break()
            {
                stopped = true;
            }
        }
        Ok(())
    }

    fn changes_between(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> BTreeMap<&[u8], Option<&Bytes>> {
        let low = from.map(|key| (space, key.to_vec()));
        let inside = |key: &[u8]| match to {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        let low = match low {
            Bound::Unbounded => Bound::Included((space, Vec::new())),
            other => other,
        };
        let mut merged = BTreeMap::new();
        for layer in self.layers {
            for ((change_space, key), change) in layer.range((low.clone(), Bound::Unbounded)) {
                if *change_space != space || !inside(key) {
                    break;
                }
                merged.insert(key.as_slice(), change.as_ref());
            }
        }
        merged
    }
}
