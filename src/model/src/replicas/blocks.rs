//! Blocks on their way: where they lie, and reading one from the nearest node that has it.

use super::ask::READ_LIMIT;
use super::messages::GetBlock;
use super::store::is_absent;
use crate::{Model, ModelError};
use base::{BlockHash, NodeId, PartitionHash};
use block::{BlockError, HashedBlock};
use bytes::Bytes;
use net::limits::PIECE_MAX_BYTES;
use net::{Answer, CallError};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a node may take for a block before the next one is asked as well: the round trip of a home,
/// and a mebibyte at a few MB/s.
const HEDGE_AFTER: Duration = Duration::from_millis(700);

impl Model {
    /// The nodes that keep a block, the nearest first.
    pub(super) fn holders_of(&self, hash: &BlockHash) -> Vec<NodeId> {
        let placement = self.peers.placement();
        let sets = placement.sets(PartitionHash::of_uniform(hash.as_bytes()));
        let nodes: BTreeSet<NodeId> = sets.into_iter().flatten().copied().collect();
        let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
        nodes.sort_by_key(|node| self.peers.distance(*node));
        nodes
    }

    /// The content of a block, verified: from here, else from the nearest node that has it.
    pub(crate) async fn read_block(self: &Arc<Self>, hash: &BlockHash) -> Result<Bytes, ModelError> {
        if self.peers.is_alone() {
            return Ok(self.blocks.get(hash).await?);
        }
        let holders = self.holders_of(hash);
        let mut failure = BlockError::Missing { hash: *hash };
        if holders.contains(&self.peers.me()) {
            match self.blocks.get(hash).await {
                Ok(content) => return Ok(content),
                Err(error) if is_absent(&error) => failure = error,
                Err(error) => return Err(error.into()),
            }
        }
        let others: Vec<NodeId> = holders.into_iter().filter(|node| *node != self.peers.me()).collect();
        self.read_block_from(*hash, &others).await.ok_or(failure.into())
    }

    /// Asks one node after the other, the next one as soon as one fails or is slow.
    async fn read_block_from(self: &Arc<Self>, hash: BlockHash, nodes: &[NodeId]) -> Option<Bytes> {
        let mut running = futures_util::stream::FuturesUnordered::new();
        let mut nodes = nodes.iter();
        loop {
            if let Some(node) = nodes.next() {
                running.push(self.read_block_of(hash, *node));
            } else if running.is_empty() {
                return None;
            }
            let next = futures_util::StreamExt::next(&mut running);
            let heard =
                if nodes.len() > 0 { env::timeout(HEDGE_AFTER, pin!(next)).await } else { Some(next.await) };
            if let Some(Some(Some(content))) = heard {
                return Some(content);
            }
        }
    }

    async fn read_block_of(self: &Arc<Self>, hash: BlockHash, node: NodeId) -> Option<Bytes> {
        let asked: Result<Answer<bool>, CallError> =
            self.ask_one(node, GetBlock { hash }, Bytes::new(), READ_LIMIT).await;
        let Ok(Answer { reply: true, attachment }) = asked else { return None };
        let bytes = env::timeout(READ_LIMIT, attachment.read_all(PIECE_MAX_BYTES)).await?.ok()?;
        let checked = self.env.tasks.blocking(move || HashedBlock::received(hash, bytes)).await;
        checked.ok().map(HashedBlock::into_content)
    }
}
