//! The stamp of a plain write. As a rule this node's clock gives it, and the write takes one round.
//!
//! With one replica silent and another refusing, such a write could not know its fate; and a replica that
//! begins to take part stores nothing at or below its floor (rules G2, L4, L6). So while a replica is thought to be
//! silent, or two versions of the layout are in force, the coordinator asks a quorum of every set for its clock
//! first, and stamps above it: one round more, instead of errors.

use super::ask::READ_LIMIT;
use super::messages::{AskStamp, Reply};
use super::store::{VIEW_ATTEMPTS_MAX, VIEW_PAUSE, quorum_of};
use crate::batch::Position;
use crate::{Model, ModelError};
use base::PartitionHash;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Model {
    /// The place in the order of writes of a plain write to this partition.
    pub(super) async fn position_in(
        self: &Arc<Self>,
        partition: PartitionHash,
    ) -> Result<Position, ModelError> {
        let placement = self.peers.placement();
        let sets = placement.sets(partition);
        if sets.len() > 1 || sets.iter().any(|set| set.iter().any(|node| !self.peers.is_up(*node))) {
            self.hear_quorum(partition).await?;
        }
        self.position().await
    }

    /// Hears the clocks of a quorum of every set that keeps a partition.
    async fn hear_quorum(self: &Arc<Self>, partition: PartitionHash) -> Result<(), ModelError> {
        for attempt in 1..VIEW_ATTEMPTS_MAX {
            if self.ask_stamps(partition).await? {
                return Ok(());
            }
            env::sleep(VIEW_PAUSE * attempt).await;
        }
        Err(ModelError::Unavailable)
    }

    /// Whether a quorum has answered; not when somebody sees another layout, or does not take part yet.
    async fn ask_stamps(self: &Arc<Self>, partition: PartitionHash) -> Result<bool, ModelError> {
        let placement = self.peers.placement();
        let mut nodes = Vec::new();
        let quorum = quorum_of(&placement, partition, &mut nodes)?;
        let request = AskStamp { view: placement.view(), partition };
        let mut asked = self.ask_each(&nodes, &request, READ_LIMIT);
        let (mut heard, mut may_change) = (BTreeSet::new(), false);
        while !quorum.reached(&heard) {
            let Some((member, answer)) = asked.next().await else {
                return if may_change { Ok(false) } else { Err(ModelError::Unavailable) };
            };
            match answer.map(|answer| answer.reply) {
                Ok(Reply::Done(())) => _ = heard.insert(member),
                Ok(Reply::Old(_) | Reply::NotReady) => may_change = true,
                _ => {}
            }
        }
        Ok(true)
    }

    /// Lets a coordinator hear this replica's clock, which will stamp above it.
    pub(super) fn stamp_here(&self, request: AskStamp) -> Reply<()> {
        self.admit(request.view, request.partition).map_or_else(|reply| reply, Reply::Done)
    }
}
