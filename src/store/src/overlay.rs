//! Reading through changes that are not in the engine yet.

use crate::engine::{Batch, EngineError, Row, Snapshot, Visit, is_empty_range};
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

    /// The last row between the bounds. Rows that the layers delete cost a seek each.
    pub fn last(
        &self,
        space: Space,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Result<Option<Row>, EngineError> {
        let mut to = to.map(<[u8]>::to_vec);
        loop {
            let end = to.as_ref().map(Vec::as_slice);
            let stored = self.base.last(space, from, end)?;
            let changed = self.layers.iter().filter_map(|layer| last_change(layer, space, from, end)).max();
            let Some(key) = stored.as_ref().map(|(key, _)| key.as_slice()).max(changed) else {
                return Ok(None);
            };
            let key = key.to_vec();
            if let Some(value) = self.get(space, &key)? {
                return Ok(Some((key, value)));
            }
            to = Bound::Excluded(key);
        }
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

/// The last key between the bounds that a layer changes.
fn last_change<'a>(layer: &'a Batch, space: Space, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Option<&'a [u8]> {
    if is_empty_range(from, to) {
        return None;
    }
    let low = match from {
        Bound::Unbounded => Bound::Included((space, Vec::new())),
        bound => bound.map(|key| (space, key.to_vec())),
    };
    let changes = match to {
        Bound::Unbounded => layer.range((low, Bound::Unbounded)),
        bound => layer.range((low, bound.map(|key| (space, key.to_vec())))),
    };
    let mut mine = changes.rev().skip_while(|((other, _), _)| *other > space);
    mine.next().filter(|((other, _), _)| *other == space).map(|((_, key), _)| key.as_slice())
}
