//! Rule K8: an arc is filled, and complete, only with a file of every block that a reference here calls for. Whoever owned
//! it before drops what it holds after that (`doc/models/blocks.rs`).
//!
//! References are copied without their files where a link fails in the middle, or a disk cannot read one; what they call for
//! is fetched here. A block is done without when every owner that remains has said that it has none: nobody's dropping
//! anything can lose it then.

use crate::replicas::Sought;
use crate::sync::BLOCKS_TOGETHER;
use crate::{Model, ModelError};
use base::BlockHash;
use cluster::layout::ArcSet;
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::sync::Arc;
use table::digest::arc_of;

/// Blocks that are looked at together; where more than these cannot be had, no arc is done.
const LACKING_MAX: usize = 4096;
/// Blocks that cannot be had before the rest is left for later: who has them is away, and each may take as long as that shows.
const MISSES_MAX: usize = 16;

impl Model {
    /// Those of these arcs in which no block is missing that anybody may have. What is missing is fetched first, until some
    /// blocks cannot be had. One look at the queue, or another one for each 4096 blocks that are missing.
    pub(crate) async fn with_files(self: &Arc<Self>, arcs: ArcSet) -> Result<ArcSet, ModelError> {
        if arcs.is_empty() {
            return Ok(arcs);
        }
        let mut lost: BTreeSet<BlockHash> = BTreeSet::new();
        loop {
            let done_without = lost.clone();
            let concerns = move |hash: &BlockHash| {
                arcs.contains(arc_of(hash.as_bytes())) && !done_without.contains(hash)
            };
            let Some(lacking) = self.blocks.lacking(concerns, LACKING_MAX).await? else {
                return Ok(ArcSet::EMPTY);
            };
            if self.mend_counts().await? {
                // What has a damaged count was taken for lacking.
                continue;
            }
            if lacking.is_empty() {
                return Ok(arcs);
            }
            if !self.blocks.takes_blocks() {
                tracing::debug!("no arc is filled while blocks are missing and no disk takes any");
                return Ok(ArcSet::EMPTY);
            }
            let (nowhere, left) = self.fetch_files(&lacking).await;
            if !left.is_empty() {
                tracing::debug!(blocks = left.len(), "some arcs wait for blocks that cannot be had now");
                let may_be_more = lacking.len() >= LACKING_MAX;
                let lack = |arc: u16| left.iter().any(|hash| arc_of(hash.as_bytes()) == arc);
                return Ok(if may_be_more {
                    ArcSet::EMPTY
                } else {
                    ArcSet::of(|arc| arcs.contains(arc) && !lack(arc))
                });
            }
            if lacking.len() < LACKING_MAX {
                // All that was missing was in the look, and is here or nowhere.
                return Ok(arcs);
            }
            lost.extend(nowhere);
        }
    }

    /// Fetches blocks until some cannot be had: those that nobody has, and those that are still to be fetched.
    async fn fetch_files(
        self: &Arc<Self>,
        lacking: &BTreeSet<BlockHash>,
    ) -> (BTreeSet<BlockHash>, BTreeSet<BlockHash>) {
        let (mut nowhere, mut left, mut misses) = (BTreeSet::new(), lacking.clone(), 0);
        let fetches = lacking.clone().into_iter().map(|hash| {
            let model = Arc::clone(self);
            async move { (hash, model.fetch_file(hash).await) }
        });
        let mut fetches = futures_util::stream::iter(fetches).buffer_unordered(BLOCKS_TOGETHER);
        while let Some((hash, fetched)) = fetches.next().await {
            match fetched {
                Ok(is_here) => {
                    left.remove(&hash);
                    if !is_here {
                        nowhere.insert(hash);
                    }
                }
                Err(error) => {
                    tracing::debug!(%hash, %error, "a block is fetched later");
                    misses += 1;
                    if misses >= MISSES_MAX {
                        break;
                    }
                }
            }
        }
        (nowhere, left)
    }

    /// Has a file of a block stored here; `false`: nobody has one.
    async fn fetch_file(self: &Arc<Self>, hash: BlockHash) -> Result<bool, ModelError> {
        match self.copy_elsewhere(hash).await {
            Sought::Found(block) => {
                self.blocks.put_one(&block).await?;
                Ok(true)
            }
            Sought::Nowhere => {
                tracing::warn!(%hash, "no owner has this block any more: the layout change goes on without it");
                Ok(false)
            }
            Sought::Unknown => Err(ModelError::Unavailable),
        }
    }
}
