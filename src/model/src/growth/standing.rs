//! This node's standing, in memory and in its store, in step.

use crate::rows::standing::{STANDING_KEY, Standing};
use crate::{Model, ModelError};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use store::{Intent, Read, Space, Txn};

/// What the task that follows the layout knows.
#[derive(Default)]
pub(crate) struct Growth {
    standing: Mutex<Arc<Standing>>,
    begun: AtomicBool,
    left: AtomicU64,
    copied_rows: AtomicU64,
    copied_bytes: AtomicU64,
}

/// How far this node is, to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GrowthFigures {
    /// Arcs still to copy or to compare.
    pub arcs_left: u64,
    /// Rows copied since the node started.
    pub rows: u64,
    /// Bytes of blocks and of bodies beside rows copied since then.
    pub bytes: u64,
}

impl Growth {
    pub(super) fn set_left(&self, arcs: usize) {
        self.left.store(arcs as u64, Ordering::Relaxed);
    }

    pub(super) fn copied(&self, rows: u64, bytes: u64) {
        self.copied_rows.fetch_add(rows, Ordering::Relaxed);
        self.copied_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn begun(&self) -> bool {
        self.begun.load(Ordering::Acquire)
    }

    /// How far this node is.
    pub fn figures(&self) -> GrowthFigures {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        GrowthFigures {
            arcs_left: read(&self.left),
            rows: read(&self.copied_rows),
            bytes: read(&self.copied_bytes),
        }
    }
}

impl Model {
    /// How far this node is with what the layout asks of it.
    pub fn growth_figures(&self) -> GrowthFigures {
        self.growth.figures()
    }

    pub(super) fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.growth.standing.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the store says, if anything.
    pub(super) fn stored_standing(&self) -> Result<Option<Standing>, ModelError> {
        Ok(self.store.view()?.get(Space::Meta, STANDING_KEY)?)
    }

    /// Makes a standing durable, with what else belongs to it, before anybody acts on it.
    pub(super) async fn stand(
        &self,
        standing: Standing,
        with: impl FnOnce(&mut Txn<'_>) -> Result<(), ModelError> + Send + 'static,
    ) -> Result<(), ModelError> {
        let stored = standing.clone();
        let store = move |txn: &mut Txn<'_>| {
            with(txn)?;
            txn.put(Space::Meta, STANDING_KEY.to_vec(), &stored);
            Ok::<_, ModelError>(())
        };
        self.store.commit(Intent::Free, store).await?;
        self.growth.begun.store(true, Ordering::Release);
        self.peers.set_taking_part(standing.taking_part);
        *self.growth.standing.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
        Ok(())
    }
}
