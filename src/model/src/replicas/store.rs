//! The coordinator of a write: one message to each node, acknowledged partition by partition.

use super::ask::{Asked, WRITE_LIMIT};
use super::messages::{Reply, StoreBlock, StoreRows};
use crate::batch::{Position, Write};
use crate::{Model, ModelError};
use base::{NodeId, PartitionHash, Stamp, WallTime};
use block::{BlockError, HashedBlock};
use bytes::Bytes;
use cluster::{Placement, View};
use net::CallError;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;
use table::register::{Member, PlainWrite, Quorum, ReplicaSet, Stored, WriteStep};

/// How often a request begins again because a replica sees another layout, or does not take part yet: a
/// new version is known, and its floors are there, some round trips and some five flushes after it came into
/// force. About six seconds in all, which is enough for a disk that is so busy that a flush takes one.
pub(super) const VIEW_ATTEMPTS_MAX: u32 = 16;
/// The first pause between two attempts.
pub(super) const VIEW_PAUSE: Duration = Duration::from_millis(50);

/// Everything one request writes, on all nodes.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    /// Whether it may go out under this view of the layout alone: what a ballot puts forward does (V3).
    pub under: Option<View>,
    pub position: Position,
    /// When what writes it began: before its first read (rule T1).
    pub birth: Stamp,
    /// After this nobody accepts it any more (rule K2).
    pub deadline: Option<WallTime>,
    pub writes: Vec<Write>,
    /// A block that goes to whoever holds it.
    pub block: Option<HashedBlock>,
}

/// A batch under way: who was asked for what, and what is known so far.
struct Round {
    nodes: Vec<NodeId>,
    /// For each node the writes it was sent.
    shares: Vec<Vec<usize>>,
    /// Of each partition that only merges: who must agree, who did.
    merging: BTreeMap<PartitionHash, (Quorum, BTreeSet<Member>)>,
    /// Of each object row: its number in the batch and what replicas say of it.
    decided: BTreeMap<usize, (PlainWrite, Quorum, WriteStep)>,
    lost: BTreeSet<Member>,
    failure: Option<ModelError>,
    /// Who says that the bucket is gone.
    gone: BTreeSet<Member>,
    /// Whether somebody sees another layout than this node.
    views_differ: bool,
    /// Whether it was older than the fence of a replica.
    is_fenced: bool,
    /// Who surely has nothing of it, nor ever will: a fence never falls.
    untouched: BTreeSet<Member>,
}

/// Who keeps a partition, as members of one question.
pub(super) fn quorum_of(
    placement: &Placement,
    partition: PartitionHash,
    nodes: &mut Vec<NodeId>,
) -> Result<Quorum, ModelError> {
    let sets = placement.sets(partition);
    if sets.is_empty() {
        return Err(ModelError::NoLayout);
    }
    let mut member = |node: &NodeId| match nodes.iter().position(|known| known == node) {
        Some(member) => member,
        None => {
            nodes.push(*node);
            nodes.len() - 1
        }
    };
    let sets = sets.into_iter().map(|set| ReplicaSet::new(set.iter().map(&mut member))).collect();
    Ok(Quorum::new(sets))
}

impl Round {
    fn plan(placement: &Placement, writes: &[Write]) -> Result<Self, ModelError> {
        let (mut nodes, mut shares) = (Vec::new(), Vec::<Vec<usize>>::new());
        let (mut merging, mut decided) = (BTreeMap::new(), BTreeMap::new());
        for (number, write) in writes.iter().enumerate() {
            let partition = write.partition();
            let quorum = quorum_of(placement, partition, &mut nodes)?;
            shares.resize(nodes.len(), Vec::new());
            for member in quorum.members() {
                shares[member].push(number);
            }
            if write.is_decided() {
                decided.insert(number, (PlainWrite::new(quorum.clone()), quorum, WriteStep::Wait));
            } else if !write.is_note() {
                merging.entry(partition).or_insert_with(|| (quorum, BTreeSet::new()));
            }
        }
        Ok(Self {
            nodes,
            shares,
            merging,
            decided,
            lost: BTreeSet::new(),
            failure: None,
            gone: BTreeSet::new(),
            views_differ: false,
            is_fenced: false,
            untouched: BTreeSet::new(),
        })
    }

    /// Takes a node's answer.
    fn take(&mut self, writes: &[Write], member: Member, stored: &[Stored]) {
        let mut stored = stored.iter();
        for &number in &self.shares[member] {
            if let Some((write, _, step)) = self.decided.get_mut(&number) {
                if let Some(answer) = stored.next() {
                    *step = write.answer(member, *answer);
                }
            } else if let Some((_, holders)) = self.merging.get_mut(&writes[number].partition()) {
                holders.insert(member);
            }
        }
    }

    fn is_decided(&self) -> bool {
        self.merging.values().all(|(quorum, holders)| quorum.reached(holders))
            && self.decided.values().all(|(_, _, step)| *step != WriteStep::Wait)
    }

    /// Takes note of a node that did not store anything, as far as is known.
    fn lose(&mut self, member: Member, reply: Option<Reply<Vec<Stored>>>) {
        self.lost.insert(member);
        match reply {
            Some(Reply::Full) => self.failure = Some(StoreError::Full.into()),
            Some(Reply::Old(_) | Reply::NotReady) => self.views_differ = true,
            Some(Reply::Closed(true)) => _ = self.gone.insert(member),
            // Whoever is about to delete the bucket soon has done so, or gives up.
            Some(Reply::Closed(false)) => {
                self.failure = Some(ModelError::BucketBusy);
                self.views_differ = true;
            }
            Some(Reply::Fenced) => {
                self.is_fenced = true;
                self.untouched.insert(member);
            }
            _ => {}
        }
    }

    fn steps(self) -> BTreeMap<usize, WriteStep> {
        self.decided.into_iter().map(|(number, (_, _, step))| (number, step)).collect()
    }

    /// Why it was not stored. That the bucket is gone is certain only where those who say so leave no quorum
    /// to an entry of it (rule S3): what one other replica holds may be put forward yet.
    fn failure(&mut self) -> Option<ModelError> {
        let stops = |quorum: &Quorum| !quorum.possible_without(&self.gone);
        let is_gone = self.decided.values().any(|(_, quorum, _)| stops(quorum));
        if is_gone { Some(ModelError::NoSuchBucket) } else { self.failure.take() }
    }

    /// Whether nobody has anything of it, nor ever will.
    fn is_untouched(&self) -> bool {
        self.is_fenced && self.untouched.len() == self.nodes.len()
    }

    /// Whether that may turn out yet.
    fn may_be_untouched(&self) -> bool {
        self.is_fenced && self.untouched == self.lost
    }

    /// Whether those who did not answer, or said no, leave it undecided for good.
    fn is_hopeless(&self) -> bool {
        let open = |quorum: &Quorum| !quorum.possible_without(&self.lost);
        self.merging.values().any(|(quorum, holders)| !quorum.reached(holders) && open(quorum))
            || self.decided.values().any(|(_, quorum, step)| *step == WriteStep::Wait && open(quorum))
    }
}

impl Model {
    /// Stores a batch with a quorum of every partition it touches. What became of the object rows comes
    /// back by their place in the batch; an error says that the outcome of all is unknown.
    pub(crate) async fn store_everywhere(
        self: &Arc<Self>,
        mut batch: Batch,
    ) -> Result<BTreeMap<usize, WriteStep>, ModelError> {
        let mut failure = ModelError::Unavailable;
        // V3: the same stamps go out again under a newer view of the layout.
        for attempt in 1..VIEW_ATTEMPTS_MAX {
            let mut round = self.store_round(&batch).await?;
            if round.is_decided() {
                return Ok(round.steps());
            }
            let was_read = batch.writes.iter().any(|write| matches!(write, Write::Past { .. }));
            if round.is_fenced && round.decided.is_empty() && !was_read {
                // What only merges is no older than this moment.
                batch.birth = self.store.stamp().await?;
                continue;
            }
            if round.is_untouched() && attempt == 1 {
                return Err(ModelError::Fenced);
            }
            if !round.views_differ {
                return Err(round.failure().unwrap_or(failure));
            }
            failure = round.failure().unwrap_or(ModelError::Unavailable);
            env::sleep(VIEW_PAUSE * attempt).await;
        }
        Err(failure)
    }

    async fn store_round(self: &Arc<Self>, batch: &Batch) -> Result<Round, ModelError> {
        let placement = self.peers.placement();
        if batch.under.is_some_and(|view| view != placement.view()) {
            return Err(ModelError::Unavailable);
        }
        let mut round = Round::plan(&placement, &batch.writes)?;
        let mut asked = Asked::new(round.nodes.len());
        for member in 0..round.nodes.len() {
            self.send_share(&mut asked, &round, (member, placement.view()), batch);
        }
        while !round.is_decided() {
            let Some((member, answer)) = asked.next().await else { break };
            match answer.map(|answer| answer.reply) {
                Ok(Reply::Done(stored)) => round.take(&batch.writes, member, &stored),
                other => {
                    tracing::debug!(node = %round.nodes[member], ?other, "a replica did not store a write");
                    if matches!(other, Err(CallError::NotConnected(_))) {
                        round.untouched.insert(member);
                    }
                    round.lose(member, other.ok());
                    if round.is_hopeless() && !round.may_be_untouched() {
                        break;
                    }
                }
            }
        }
        Ok(round)
    }

    /// Stores what only merges.
    pub(crate) async fn merge_everywhere(
        self: &Arc<Self>,
        writes: Vec<Write>,
        deadline: Option<WallTime>,
    ) -> Result<Position, ModelError> {
        let position = self.position().await?;
        let batch = Batch { position, birth: position.id, deadline, writes, block: None, under: None };
        self.store_everywhere(batch).await?;
        Ok(position)
    }

    /// A fresh place in the order of writes.
    pub(crate) async fn position(&self) -> Result<Position, ModelError> {
        let stamp = self.store.stamp().await?;
        Ok(Position { order: stamp, id: stamp })
    }

    fn send_share(
        self: &Arc<Self>,
        asked: &mut Asked<Reply<Vec<Stored>>>,
        round: &Round,
        (member, view): (Member, View),
        batch: &Batch,
    ) {
        let writes: Vec<Write> =
            round.shares[member].iter().map(|&number| batch.writes[number].clone()).collect();
        let Batch { position, birth, deadline, .. } = *batch;
        let rows = StoreRows { view, position, birth, deadline, writes };
        let place = (member, round.nodes[member]);
        let block = batch.block.as_ref().filter(|block| holds(&rows.writes, block));
        match block {
            Some(block) => {
                let request = StoreBlock { hash: block.hash(), rows };
                self.ask(asked, place, (request, block.content().clone()), WRITE_LIMIT);
            }
            None => self.ask(asked, place, (rows, Bytes::new()), WRITE_LIMIT),
        }
    }
}

/// Whether these writes hold that block.
fn holds(writes: &[Write], block: &HashedBlock) -> bool {
    let target = crate::rows::reference::Target::Block(block.hash());
    writes.iter().any(|write| matches!(write, Write::Hold { target: held, .. } if *held == target))
}

/// What a failure of the block store here means to a coordinator.
pub(super) fn is_absent(error: &BlockError) -> bool {
    matches!(error, BlockError::Missing { .. } | BlockError::Damaged { .. } | BlockError::DiskFailed { .. })
}
