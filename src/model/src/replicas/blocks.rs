//! Blocks on their way: where they lie, and reading one from the nearest node that has it, or from several, when the one
//! that sends it dies in the middle. What always holds: nothing is handed on before the whole has the hash.

use super::ask::READ_LIMIT;
use super::messages::GetBlock;
use super::store::is_absent;
use crate::{Model, ModelError};
use base::{BlockHash, NodeId, PartitionHash};
use block::{BlockError, HashedBlock};
use bytes::Bytes;
use cluster::membership::BlockState;
use net::limits::PIECE_MAX_BYTES;
use net::{Answer, CallError};
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long nothing may come of a block before the next node is asked as well: more than the round trip of a home. A
/// slow line that goes on sending is not helped by a second copy on it.
const HEDGE_AFTER: Duration = Duration::from_millis(700);

/// What a node must send of a block, so that no other is asked for it: a sixteenth of what the slowest line carries.
const LEAST_BYTES_PER_SECOND: u128 = 1 << 10;

impl Model {
    /// What this node says of its blocks to others and to its operator: how many it lacks, as far as it knows, and more.
    pub fn block_state(&self) -> (Option<u64>, BlockState) {
        let looked = self.blocks.refill();
        let is_known = looked.as_ref().is_ok_and(|refill| refill.is_some() || self.blocks.knows_lacking());
        let refill = looked.ok().flatten();
        let state = BlockState {
            lacking_bytes: refill.and_then(|refill| refill.stored_bytes),
            is_counted: refill.is_some_and(|refill| refill.is_counted),
            disks_gone: u64::try_from(self.blocks.gone_disks()).unwrap_or(u64::MAX),
            takes_none: !self.blocks.takes_blocks(),
            is_known,
        };
        (refill.map(|refill| refill.blocks), state)
    }

    /// The nodes that keep a block and were not given up, the nearest first.
    pub(super) fn holders_of(&self, hash: &BlockHash) -> Vec<NodeId> {
        let placement = self.peers.placement();
        let sets = placement.sets(PartitionHash::of_uniform(hash.as_bytes()));
        let is_left = |node: &NodeId| !placement.is_given_up(*node);
        let nodes: BTreeSet<NodeId> = sets.into_iter().flatten().copied().filter(is_left).collect();
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
        let found = self.seek_block(*hash, &others, HEDGE_AFTER).await.found();
        found.map(HashedBlock::into_content).ok_or_else(|| failure.into())
    }

    /// A block from the other nodes that may have it: the owners first, then the other members, one of which may have
    /// been an owner a moment ago. Nobody waits for it: a second home is asked only where the first one has failed, since
    /// on a slow line the blocks that come side by side have pauses of their own.
    pub(crate) async fn seek_elsewhere(self: &Arc<Self>, hash: BlockHash) -> Sought {
        let me = self.peers.me();
        let mut nodes = self.holders_of(&hash);
        nodes.retain(|node| *node != me);
        let sought = self.seek_block(hash, &nodes, READ_LIMIT).await;
        if matches!(sought, Sought::Found(_)) {
            return sought;
        }
        let mut others = self.peers.others_up();
        others.retain(|node| !nodes.contains(node));
        match self.seek_block(hash, &others, READ_LIMIT).await {
            Sought::Found(block) => Sought::Found(block),
            // What counts is what the owners said.
            Sought::Nowhere | Sought::Unknown => sought,
        }
    }

    /// A block from the others, for what is copied in the background: as soon as the limit of copying leaves room.
    pub(crate) async fn copy_elsewhere(self: &Arc<Self>, hash: BlockHash) -> Sought {
        let mut room = self.copy_rate.room().await;
        let sought = self.seek_elsewhere(hash).await;
        if let Sought::Found(block) = &sought {
            room.took(block.content().len() as u64);
        }
        sought
    }

    /// Asks one node after the other, the next one as soon as one fails or is slow: it goes on where the longest part
    /// that came so far ends.
    pub(crate) async fn seek_block(
        self: &Arc<Self>,
        hash: BlockHash,
        nodes: &[NodeId],
        patience: Duration,
    ) -> Sought {
        let (begun, asked) = (Begun::default(), nodes.len());
        let mut running = futures_util::stream::FuturesUnordered::new();
        let mut nodes = nodes.iter();
        loop {
            if let Some(node) = nodes.next() {
                running.push(self.read_block_of(hash, *node, &begun));
            } else if running.is_empty() {
                return if begun.denials() == asked { Sought::Nowhere } else { Sought::Unknown };
            }
            let next = futures_util::StreamExt::next(&mut running);
            let heard = if nodes.len() > 0 {
                begun.while_more_comes(patience, pin!(next)).await
            } else {
                Some(next.await)
            };
            if let Some(Some(Some(block))) = heard {
                return Sought::Found(block);
            }
        }
    }

    /// A block from one node, behind what others sent of it. Where the whole is not the block, somebody sent
    /// something else, and this node is asked for all of it.
    pub(crate) async fn read_block_of(
        self: &Arc<Self>,
        hash: BlockHash,
        node: NodeId,
        begun: &Begun,
    ) -> Option<HashedBlock> {
        let parts = begun.longest();
        let is_joined = !parts.is_empty();
        let content = self.receive_rest(hash, node, (parts, begun)).await?;
        match self.checked(hash, content).await {
            None if is_joined => {
                let alone = Begun::default();
                let content = self.receive_rest(hash, node, (Vec::new(), &alone)).await?;
                self.checked(hash, content).await
            }
            block => block,
        }
    }

    /// What a node has behind these parts, with them in front; `None` if it does not come to its end.
    async fn receive_rest(
        self: &Arc<Self>,
        hash: BlockHash,
        node: NodeId,
        (mut parts, begun): (Vec<Bytes>, &Begun),
    ) -> Option<Bytes> {
        let mut length = length_of(&parts);
        let request = GetBlock { hash, from: u32::try_from(length).ok()? };
        let asked: Result<Answer<bool>, CallError> =
            self.ask_one(node, request, Bytes::new(), READ_LIMIT).await;
        let Ok(Answer { reply: is_there, mut attachment }) = asked else { return None };
        if !is_there {
            begun.deny();
            return None;
        }
        while let Some(part) = env::timeout(READ_LIMIT, attachment.next()).await? {
            let part = part.ok()?;
            length += part.len();
            if length > PIECE_MAX_BYTES {
                return None;
            }
            parts.push(part);
            begun.offer(&parts);
        }
        Some(parts.concat().into())
    }

    async fn checked(self: &Arc<Self>, hash: BlockHash, content: Bytes) -> Option<HashedBlock> {
        self.env.tasks.blocking(move || HashedBlock::received(hash, content)).await.ok()
    }
}

fn length_of(parts: &[Bytes]) -> usize {
    parts.iter().map(Bytes::len).sum()
}

/// What came of looking for a block at some nodes.
#[derive(Debug)]
pub(crate) enum Sought {
    /// One of them had it.
    Found(HashedBlock),
    /// Each of them said that it has no good file of it.
    Nowhere,
    /// None gave it, and not all could be asked.
    Unknown,
}

impl Sought {
    /// The block, if it was found.
    pub fn found(self) -> Option<HashedBlock> {
        match self {
            Self::Found(block) => Some(block),
            Self::Nowhere | Self::Unknown => None,
        }
    }
}

/// The longest beginning of a block that came from anybody so far, and how many said that they have none of it. Nothing
/// is verified before the whole is.
#[derive(Default)]
pub(crate) struct Begun {
    parts: Mutex<Vec<Bytes>>,
    denials: AtomicUsize,
}

impl Begun {
    fn open(&self) -> MutexGuard<'_, Vec<Bytes>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deny(&self) {
        self.denials.fetch_add(1, Ordering::Relaxed);
    }

    fn denials(&self) -> usize {
        self.denials.load(Ordering::Relaxed)
    }

    fn size_bytes(&self) -> usize {
        length_of(&self.open())
    }

    /// What a question comes to; `None` once next to nothing more has come for so long: a node that sends one byte after the
    /// other keeps nobody from asking the next one.
    async fn while_more_comes<T>(
        &self,
        patience: Duration,
        mut question: impl Future<Output = T> + Unpin,
    ) -> Option<T> {
        loop {
            let before = self.size_bytes();
            let heard = env::timeout(patience, &mut question).await;
            let least = patience.as_millis() * LEAST_BYTES_PER_SECOND / 1000;
            if heard.is_some() || ((self.size_bytes() - before) as u128) < least.max(1) {
                return heard;
            }
        }
    }

    fn longest(&self) -> Vec<Bytes> {
        self.open().clone()
    }

    /// Takes note of a beginning, if it is longer. The parts themselves are shared.
    pub fn offer(&self, parts: &[Bytes]) {
        let mut longest = self.open();
        if length_of(parts) > length_of(&longest) {
            *longest = parts.to_vec();
        }
    }
}

#[cfg(test)]
impl Begun {
    /// As if this had come before from somebody.
    pub(crate) fn of_for_test(bytes: &[u8]) -> Self {
        let begun = Self::default();
        begun.offer(&[Bytes::copy_from_slice(bytes)]);
        begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a question is waited for all the while, of which so many bytes come in each tenth of a second.
    async fn is_waited_for(bytes_each: usize) -> bool {
        let begun = Begun::default();
        let drip = async {
            let mut parts = Vec::new();
            loop {
                env::sleep(Duration::from_millis(100)).await;
                parts.push(Bytes::from(vec![0; bytes_each]));
                begun.offer(&parts);
            }
        };
        let question = begun.while_more_comes(Duration::from_secs(1), std::future::pending::<()>());
        let waiting = env::timeout(Duration::from_secs(20), async {
            futures_util::future::select(pin!(drip), pin!(question)).await;
        });
        waiting.await.is_none()
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_sends_one_byte_after_the_other_keeps_nobody_from_asking_the_next() {
        assert!(is_waited_for(1 << 10).await);
        assert!(!is_waited_for(1).await);
    }
}
