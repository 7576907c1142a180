//! The proposer of the next version: puts a candidate in force by a ballot (`vote`).
//!
//! Only a storage node of the current version proposes, and asks itself first: the ballot that it uses is
//! durable here before anybody else hears of it, so no ballot is ever used twice.

use crate::layout::{Layout, Version};
use crate::state::ClusterState;
use crate::vote::{Accepted, AskVote, Voted, can_choose};
use base::NodeId;
use env::Tasks;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a voter may take.
const VOTE_LIMIT: Duration = Duration::from_secs(5);

/// How an attempt to put a version in force ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// It, or another one that was put forward before, is in force.
    Yes,
    /// Too few voters answered, or another ballot was ahead: try again later.
    NotYet,
}

impl ClusterState {
    /// Tries to put the candidate in force, if it may be. When all that takes time is done, `ready` is waited for, and
    /// what it yields is held while the version comes into force on this node.
    pub async fn choose_next<T>(self: &Arc<Self>, tasks: &Tasks, ready: impl Future<Output = T>) -> Chosen {
        let layout = self.layout();
        let Some(candidate) = layout.ready_candidate() else { return Chosen::NotYet };
        let voters: BTreeSet<NodeId> = layout.remaining_storage(layout.current()).collect();
        let given_up = layout.given_up_mark();
        if !voters.contains(&self.id()) {
            return Chosen::NotYet;
        }
        let (ballot, number) = (self.keeper().stamp(), candidate.number);
        let promises =
            self.ballot(tasks, &voters, &AskVote { number, ballot, version: None, given_up }).await;
        let Some(promises) = promises.filter(|from| can_choose(&layout, &from.keys().copied().collect()))
        else {
            return Chosen::NotYet;
        };
        let accepted = promises.into_values().flatten().max_by_key(|accepted| accepted.ballot);
        let version = accepted.map_or_else(|| Arc::new(candidate.clone()), |accepted| accepted.version);
        let ask = AskVote { number, ballot, version: Some(version.to_text()), given_up };
        let accepted = self.ballot(tasks, &voters, &ask).await;
        match accepted {
            Some(from) if can_choose(&layout, &from.keys().copied().collect()) => {
                self.join(tasks, version, ready).await
            }
            _ => Chosen::NotYet,
        }
    }

    async fn join<T>(
        self: &Arc<Self>,
        tasks: &Tasks,
        version: Arc<Version>,
        ready: impl Future<Output = T>,
    ) -> Chosen {
        let (state, number) = (Arc::clone(self), version.number);
        let join = move |layout: &Layout| layout.joined(version).unwrap_or_else(|| layout.clone());
        let stored = match tasks.blocking(move || state.keeper().store(join)).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(%error, "a chosen layout version is not stored; it will be tried again");
                return Chosen::NotYet;
            }
        };
        let _ready = ready.await;
        if !self.keeper().show(stored) || self.layout().newest().number < number {
            return Chosen::NotYet;
        }
        tracing::info!(version = number, "a new layout version is in force");
        Chosen::Yes
    }

    /// Asks all voters, this node first: who agreed, and what each had accepted. `None` when this node, or
    /// anybody else, is bound to a higher ballot.
    async fn ballot(
        self: &Arc<Self>,
        tasks: &Tasks,
        voters: &BTreeSet<NodeId>,
        ask: &AskVote,
    ) -> Option<BTreeMap<NodeId, Option<Accepted>>> {
        let own = self.vote(tasks, ask.clone()).await;
        let mut agreed = BTreeMap::from([(self.id(), agreement(self, own)?)]);
        let net = self.membership().map(|membership| membership.net().clone());
        let mut answers: FuturesUnordered<_> = voters
            .iter()
            .filter(|node| **node != self.id())
            .filter_map(|node| net.clone().map(|net| (*node, net)))
            .map(|(node, net)| async move { (node, net.call(node, ask, VOTE_LIMIT).await) })
            .collect();
        while let Some((node, answer)) = answers.next().await {
            match answer {
                Ok(Voted::Refused(against)) => {
                    self.keeper().observe(against);
                    return None;
                }
                Ok(voted) => agreed.extend(agreement(self, voted).map(|accepted| (node, accepted))),
                Err(error) => tracing::debug!(%node, %error, "no vote on the next layout version"),
            }
        }
        Some(agreed)
    }

    /// This node's vote.
    pub(crate) async fn vote(self: &Arc<Self>, tasks: &Tasks, ask: AskVote) -> Voted {
        let state = Arc::clone(self);
        if !self.may_vote() {
            return Voted::No;
        }
        let voted = tasks.blocking(move || state.keeper().vote(&ask)).await;
        voted.unwrap_or_else(|error| {
            tracing::warn!(%error, "a vote on the next layout version could not be stored");
            Voted::No
        })
    }
}

/// What somebody who agrees had accepted; `None` for those who do not agree.
fn agreement(state: &ClusterState, voted: Voted) -> Option<Option<Accepted>> {
    match voted {
        Voted::Promised(None) | Voted::Accepted => Some(None),
        // One that makes no sense could be a version that is chosen: it does not count as agreement.
        Voted::Promised(Some(text)) => Accepted::of_text(&text).map(Some),
        Voted::Refused(against) => {
            state.keeper().observe(against);
            None
        }
        Voted::No => None,
    }
}
