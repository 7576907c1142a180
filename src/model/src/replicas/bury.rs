//! Collecting tombstones that several nodes keep (rules T2, T3 and T5).
//!
//! A node goes through its own queue, in rounds. Of what it holds it asks all replicas whether they hold the tombstone
//! too, or something newer, and what their clocks say. When all do, it waits a moment and tells them all to drop it,
//! and to let their fences rise to the highest of those clocks. What always holds:
//!
//! - a word counts only if every replica of every version in force gave it, under one view of the layout, and no
//!   change of the layout was under way; the same holds when the row is dropped;
//! - a replica drops only exactly what all have acknowledged; a tombstone with a promise above it stays, and is
//!   buried anew under a ballot;
//! - whoever did not hear it keeps its tombstone: synchronisation gives it back to the others, and it is collected
//!   another time. Losing a word, or the memory of this module, does no harm.

use super::ask::{READ_LIMIT, WRITE_LIMIT};
use super::ballot::Proposal;
use super::messages::Reply;
use super::read::KeyPlace;
use super::serve::Serve;
use super::versions::Change;
use crate::graves::{self, Candidate, Grave, Held};
use crate::rows::object::{self, ObjectRow, Slot};
use crate::{Model, ModelError};
use base::{NodeId, PartitionHash, Stamp, WallTime};
use cluster::View;
use cluster::layout::partition_of;
use env::MonoTime;
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Intent, Read, Space, StoreError, Txn};

/// Queued tombstones that one step looks at.
const LOOKS_PER_STEP: usize = 1024;
/// Bytes of row keys in one question.
const QUESTION_MAX_BYTES: usize = 256 << 10;
/// Words that rest at a time: with full questions some MiB.
const WORDS_MAX: usize = 32;
/// Ballots in one step for tombstones that have a promise above them.
const BALLOTS_PER_STEP: usize = 16;

/// Asks a replica whether it holds these tombstones, or something newer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskGraves {
    pub view: View,
    pub graves: Vec<Grave>,
}

/// A replica's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Word {
    /// Its clock, read after the rows.
    pub clock: Stamp,
    /// Which of the graves it does not acknowledge, by their place.
    pub missing: Vec<u32>,
}

impl Request for AskGraves {
    type Reply = Reply<Word>;
    const NAME: &'static str = "model/ask_graves";
    const CLASS: Class = Class::Metadata;
}

/// Has a replica drop tombstones that all replicas have acknowledged.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Forget {
    pub view: View,
    /// The highest clock of an acknowledgement.
    pub fence: Stamp,
    pub graves: Vec<Grave>,
}

impl Request for Forget {
    /// How many it dropped.
    type Reply = Reply<u32>;
    const NAME: &'static str = "model/forget";
    const CLASS: Class = Class::Metadata;
}

/// Where a node is in the queue of its tombstones, and which words rest.
#[derive(Default)]
pub(crate) struct Burials(Mutex<Round>);

#[derive(Default)]
struct Round {
    /// Behind what the queue is looked at next.
    from: Vec<u8>,
    /// When the next round begins, if this one has reached the end of the queue.
    next_round: Option<MonoTime>,
    /// Whether something could not be asked for in this round.
    someone_was_away: bool,
    resting: VecDeque<Resting>,
}

/// Acknowledged by all.
struct Resting {
    since: MonoTime,
    nodes: Vec<NodeId>,
    forget: Forget,
}

/// What a step found in its part of the queue.
#[derive(Default)]
struct Found {
    /// Queue entries that are done with.
    over: Vec<Vec<u8>>,
    /// To be asked for, by who keeps them.
    graves: BTreeMap<Vec<NodeId>, Vec<Grave>>,
    /// Keys with a promise above.
    promised: Vec<KeyPlace>,
    someone_is_away: bool,
    looked_at: usize,
}

impl Burials {
    fn open(&self) -> MutexGuard<'_, Round> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Model {
    /// Does some of it; how many rows went here and elsewhere, and queue entries with them.
    pub(super) async fn bury(self: &Arc<Self>) -> Result<usize, ModelError> {
        let mut done = self.forget_what_rested().await;
        if self.peers.is_changing() || self.burials.open().resting.len() >= WORDS_MAX {
            return Ok(done);
        }
        let Some((from, before)) = self.place_in_round() else { return Ok(done) };
        let found = self.look_at_queue(&from, before)?;
        done += found.over.len();
        if !found.over.is_empty() {
            let over = found.over;
            let forget = move |txn: &mut Txn<'_>| {
                over.into_iter().for_each(|key| txn.delete(Space::Tombstone, key));
                Ok::<_, ModelError>(())
            };
            self.store.commit(Intent::Free, forget).await?;
        }
        if found.someone_is_away {
            self.burials.open().someone_was_away = true;
        }
        for place in found.promised.into_iter().take(BALLOTS_PER_STEP) {
            self.bury_anew(&place).await;
        }
        for (nodes, graves) in found.graves {
            for graves in questions(graves) {
                self.ask_for_word(&nodes, graves).await?;
            }
        }
        Ok(done)
    }

    /// Where the round goes on, and how old tombstones must be; `None` while it rests.
    fn place_in_round(&self) -> Option<(Vec<u8>, WallTime)> {
        let now = self.env.clock.mono();
        let mut round = self.burials.open();
        if let Some(next) = round.next_round {
            // What was acknowledged goes before it is met again.
            if now < next || !round.resting.is_empty() {
                return None;
            }
            *round = Round::default();
        }
        Some((round.from.clone(), self.buried_before()))
    }

    /// Looks at the next part of the queue, and takes note of how far it came.
    fn look_at_queue(&self, from: &[u8], before: WallTime) -> Result<Found, StoreError> {
        let view = self.store.view()?;
        let candidates = graves::candidates(&view, from, before, LOOKS_PER_STEP)?;
        let mut found = Found { looked_at: candidates.len(), ..Found::default() };
        let last = candidates.last().map(|candidate| candidate.queue_key.clone());
        for candidate in candidates {
            self.look_at(&view, candidate, &mut found)?;
        }
        let mut round = self.burials.open();
        match last {
            Some(last) if found.looked_at == LOOKS_PER_STEP => round.from = [last.as_slice(), &[0]].concat(),
            _ => {
                let away = round.someone_was_away || found.someone_is_away;
                let pause = if away { self.timing.long_round_pause } else { self.timing.round_pause };
                round.next_round = Some(self.env.clock.mono() + pause);
            }
        }
        Ok(found)
    }

    fn look_at(&self, view: &store::View, candidate: Candidate, found: &mut Found) -> Result<(), StoreError> {
        let since = candidate.since();
        let Candidate { queue_key, buried } = candidate;
        let arc = graves::partition_of(&buried.row_key);
        let held = graves::look(view, buried.space, &buried.row_key)?;
        if held == Held::Nothing {
            found.over.push(queue_key);
            return Ok(());
        }
        let Some(nodes) = self.keepers(arc).filter(|nodes| self.is_my_turn(nodes, since)) else {
            return Ok(());
        };
        if !nodes.iter().all(|node| self.peers.is_up(*node)) {
            found.someone_is_away = true;
            return Ok(());
        }
        let graves = found.graves.entry(nodes).or_default();
        match held {
            Held::Needed => graves.extend(graves::graves_of_parts(view, &buried, LOOKS_PER_STEP)?),
            Held::Tombstone(order) => {
                graves.push(Grave { space: buried.space, row_key: buried.row_key.into(), order });
            }
            Held::Promised(_) => {
                let key = object::key_of(&buried.row_key);
                found.promised.extend(key.map(|key| KeyPlace { partition: arc, key }));
            }
            Held::Nothing => {}
        }
        Ok(())
    }

    /// All nodes that keep a partition, if this one answers for it and no change is under way.
    fn keepers(&self, partition: PartitionHash) -> Option<Vec<NodeId>> {
        let placement = self.peers.placement();
        let nodes = || placement.sets(partition).into_iter().flatten().copied().collect();
        self.serves(partition_of(&partition)).then(nodes)
    }

    fn is_my_turn(&self, nodes: &[NodeId], since: WallTime) -> bool {
        let place = nodes.iter().position(|node| *node == self.peers.me()).unwrap_or(0);
        let turn = u64::try_from(place).unwrap_or(0).saturating_mul(self.timing.turn_ms);
        since.millis().saturating_add(turn) <= self.buried_before().millis()
    }

    /// Asks all who keep these tombstones; what all of them acknowledge rests.
    async fn ask_for_word(self: &Arc<Self>, nodes: &[NodeId], graves: Vec<Grave>) -> Result<(), ModelError> {
        let view = self.peers.view();
        let request = AskGraves { view, graves };
        let mut asked = self.ask_each(nodes, &request, READ_LIMIT);
        let (mut fence, mut missing, mut words) = (Stamp::ZERO, BTreeSet::new(), 0);
        while let Some((_, answer)) = asked.next().await {
            let Ok(Reply::Done(word)) = answer.map(|answer| answer.reply) else { return Ok(()) };
            fence = fence.max(word.clock);
            missing.extend(word.missing);
            words += 1;
        }
        let kept = (0_u32..).zip(request.graves).filter(|(place, _)| !missing.contains(place));
        let graves: Vec<Grave> = kept.map(|(_, grave)| grave).collect();
        if words == nodes.len() && !graves.is_empty() {
            let forget = Forget { view, fence, graves };
            let resting = Resting { since: self.env.clock.mono(), nodes: nodes.to_vec(), forget };
            self.burials.open().resting.push_back(resting);
        }
        Ok(())
    }

    /// Has everybody drop what rested for long enough.
    async fn forget_what_rested(self: &Arc<Self>) -> usize {
        let mut dropped = 0;
        while let Some(Resting { nodes, forget, .. }) = self.take_rested() {
            let mut asked = self.ask_each(&nodes, &forget, WRITE_LIMIT);
            while let Some((_, answer)) = asked.next().await {
                if let Ok(Reply::Done(rows)) = answer.map(|answer| answer.reply) {
                    dropped += rows as usize;
                }
            }
        }
        dropped
    }

    fn take_rested(&self) -> Option<Resting> {
        let mut round = self.burials.open();
        let since = round.resting.front()?.since;
        let is_over = self.env.clock.mono().saturating_sub(since) >= self.timing.word_rests;
        if is_over { round.resting.pop_front() } else { None }
    }

    /// Deletes once more what is deleted, by a ballot: nothing that was promised is open then.
    async fn bury_anew(self: &Arc<Self>, place: &KeyPlace) {
        let delete = || Proposal::plain(Slot::Deleted, None);
        let row_key = object::row_key(place.partition, &place.key);
        let row = self.store.view().and_then(|view| view.get::<ObjectRow>(Space::Object, &row_key));
        let decided = if row.is_ok_and(|row| row.is_some_and(|row| row.lineage.is_some())) {
            self.change_versions(place, Change::Bury).await.map(drop)
        } else {
            self.decide(place, |current| Ok(current.is_none().then(delete))).await.map(drop)
        };
        if let Err(error) = decided {
            tracing::debug!(%error, "a tombstone with a promise above it stays for now");
        }
    }

    async fn word_here(&self, request: AskGraves) -> Result<Reply<Word>, ModelError> {
        if let Err(reply) = self.admit_graves(request.view, &request.graves) {
            return Ok(reply);
        }
        let view = self.store.view()?;
        let mut missing = Vec::new();
        for (place, grave) in (0_u32..).zip(&request.graves) {
            if !graves::acknowledges(&view, grave)? {
                missing.push(place);
            }
        }
        // After the rows: whoever was told of anything older had been heard of by then.
        Ok(Reply::Done(Word { clock: self.store.settled().await?, missing }))
    }

    async fn forget_here(&self, request: Forget) -> Result<Reply<u32>, ModelError> {
        let Forget { view, fence, graves } = request;
        if let Err(reply) = self.admit_graves(view, &graves) {
            return Ok(reply);
        }
        self.store.observe(fence).await?;
        let peers = Arc::clone(&self.peers);
        let collect = move |txn: &mut Txn<'_>| {
            let mine = peers.view();
            if view != mine {
                return Ok(Reply::Old(mine));
            }
            if peers.is_changing() {
                return Ok(Reply::NotReady);
            }
            let mut dropped = 0;
            for grave in &graves {
                dropped += u32::from(graves::collect(txn, grave, Held::Tombstone(grave.order), fence)?);
            }
            Ok::<_, ModelError>(Reply::Done(dropped))
        };
        self.store.commit(Intent::Free, collect).await
    }

    /// T5: a replica says nothing about tombstones while the layout changes.
    fn admit_graves<T>(&self, view: View, graves: &[Grave]) -> Result<(), Reply<T>> {
        if self.peers.is_changing() {
            return Err(Reply::NotReady);
        }
        let partitions: BTreeSet<PartitionHash> =
            graves.iter().map(|grave| graves::partition_of(&grave.row_key)).collect();
        partitions.into_iter().try_for_each(|partition| self.admit(view, partition))
    }
}

/// Cuts graves into questions of bounded size.
fn questions(graves: Vec<Grave>) -> Vec<Vec<Grave>> {
    let (mut all, mut question, mut bytes) = (Vec::new(), Vec::new(), 0);
    for grave in graves {
        bytes += grave.row_key.len();
        question.push(grave);
        if bytes >= QUESTION_MAX_BYTES {
            all.push(std::mem::take(&mut question));
            bytes = 0;
        }
    }
    if !question.is_empty() {
        all.push(question);
    }
    all
}

impl Serve for AskGraves {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.word_here(self).await))
    }
}

impl Serve for Forget {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.forget_here(self).await))
    }
}
