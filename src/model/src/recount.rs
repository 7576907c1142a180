//! Counting references anew, when the operator asks, and where a count cannot be read: of each block the rows of the table `block_ref` that are held,
//! against the count beside them.
//!
//! A count follows its rows in their transactions, so there is nothing to correct unless a record was damaged or a
//! release had a fault. What always holds: rows are counted and the count is set in one transaction; a row that cannot
//! be read counts as held, so that nothing is let go by mistake. A run that is cut off by a restart is not gone on with.

use crate::replicas::references_to;
use crate::rows::reference::{self, Target};
use crate::{Model, ModelError};
use base::{BlockHash, WallTime};
use env::{Changes, Task};
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Intent, Read, Space, Txn};

/// Blocks that one transaction counts: some hundred look-ups, while which nobody else commits.
const BLOCKS_PER_STEP: usize = 64;
/// References looked at in one step for blocks without a count.
const ROWS_PER_STEP: usize = 1024;

/// How counting anew went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecountFigures {
    /// Whether it is under way.
    pub is_running: bool,
    /// Blocks counted in this run, or in the last one.
    pub blocks: u64,
    /// How many of them had another count.
    pub corrected: u64,
    /// When the last run since the start of the process ended.
    pub ended: Option<WallTime>,
    /// Why the last run did not come to its end, if it did not.
    pub failure: Option<String>,
}

/// The figures of a running node, and whether a run is wanted.
#[derive(Default)]
pub(crate) struct Recount {
    figures: Mutex<RecountFigures>,
    wanted: Changes,
}

impl Recount {
    fn open(&self) -> MutexGuard<'_, RecountFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Has the references of all blocks counted anew; one run at a time.
    pub fn start_recount(&self) {
        let mut figures = self.recount.open();
        if !figures.is_running {
            *figures = RecountFigures { is_running: true, ..RecountFigures::default() };
            self.recount.wanted.note();
        }
    }

    /// How counting anew went.
    pub fn recount_figures(&self) -> RecountFigures {
        self.recount.open().clone()
    }

    /// Counts when somebody asks for it; it ends when the task is dropped.
    pub fn spawn_recounting(self: &Arc<Self>) -> Task<()> {
        let (model, mut wanted) = (Arc::clone(self), self.recount.wanted.watch());
        self.env.tasks.spawn(async move {
            loop {
                wanted.changed().await;
                let outcome = model.recount_all().await;
                let mut figures = model.recount.open();
                figures.is_running = false;
                figures.ended = Some(model.env.clock.wall());
                if let Err(error) = outcome {
                    tracing::warn!(%error, "counting references anew did not come to its end");
                    figures.failure = Some(error.to_string());
                }
            }
        })
    }

    /// All that have a count, then those that are referenced and have none.
    async fn recount_all(self: &Arc<Self>) -> Result<(), ModelError> {
        let mut after = None;
        loop {
            let blocks = self.blocks.blocks_after(after, BLOCKS_PER_STEP)?;
            let Some(last) = blocks.last().copied() else { break };
            self.recount_some(blocks).await?;
            after = Some(last);
        }
        let mut from = Some(Vec::new());
        while let Some(begin) = from {
            let (blocks, next) = self.uncounted_from(&begin)?;
            self.recount_some(blocks).await?;
            from = next;
        }
        Ok(())
    }

    /// Counts anew what has a count that somebody met and could not read; whether there was one.
    pub(crate) async fn mend_counts(self: &Arc<Self>) -> Result<bool, ModelError> {
        let hashes: Vec<BlockHash> = self.blocks.take_uncounted().into_iter().collect();
        for some in hashes.chunks(BLOCKS_PER_STEP) {
            self.recount_blocks(some.to_vec()).await?;
        }
        Ok(!hashes.is_empty())
    }

    /// One transaction, and a rest as long as it took.
    async fn recount_some(self: &Arc<Self>, hashes: Vec<BlockHash>) -> Result<(), ModelError> {
        let began = self.env.clock.mono();
        let count = u64::try_from(hashes.len()).unwrap_or(u64::MAX);
        let corrected = if count == 0 { 0 } else { self.recount_blocks(hashes).await? };
        {
            let mut figures = self.recount.open();
            figures.blocks += count;
            figures.corrected += corrected;
        }
        env::sleep(self.env.clock.mono().saturating_sub(began)).await;
        Ok(())
    }

    /// How many of these blocks had another count.
    async fn recount_blocks(&self, hashes: Vec<BlockHash>) -> Result<u64, ModelError> {
        let blocks = self.blocks.clone();
        let recount = move |txn: &mut Txn<'_>| {
            let mut corrected = Vec::new();
            for hash in hashes {
                let held = references_to(txn, Target::Block(hash))?;
                corrected.extend(blocks.recount_references(txn, &hash, held)?.then_some(hash));
            }
            Ok::<_, ModelError>(corrected)
        };
        let corrected: Vec<BlockHash> = self.store.commit(Intent::Free, recount).await?;
        for hash in &corrected {
            tracing::warn!(%hash, "the references of a block were counted wrongly, and are counted anew");
        }
        Ok(u64::try_from(corrected.len()).unwrap_or(u64::MAX))
    }

    /// Blocks that have references and no count, among some rows from a key on; and where the next ones begin.
    fn uncounted_from(&self, from: &[u8]) -> Result<(Vec<BlockHash>, Option<Vec<u8>>), ModelError> {
        let (mut hashes, mut rows, mut next) = (BTreeSet::new(), 0, None);
        let view = self.store.view()?;
        view.scan(Space::BlockRef, Bound::Included(from), Bound::Unbounded, &mut |key, _| {
            if rows == ROWS_PER_STEP || hashes.len() == BLOCKS_PER_STEP {
                next = Some(key.to_vec());
                return ControlFlow::Break(());
            }
            rows += 1;
            if let Some(Target::Block(hash)) = reference::target_of(key) {
                hashes.insert(hash);
            }
            ControlFlow::Continue(())
        })?;
        let mut uncounted = Vec::new();
        for hash in hashes {
            if !self.blocks.is_counted(&hash)? {
                uncounted.push(hash);
            }
        }
        Ok((uncounted, next))
    }
}
