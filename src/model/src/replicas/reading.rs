//! Bodies that are being read through other homes: whoever lets a body go asks first.
//!
//! A long download keeps the body that it began with, though its key is overwritten or deleted meanwhile. Each home knows
//! its own readers. Of an owner of the body that cannot be reached nobody knows: its own disks may hold the blocks, or a link
//! may be cut between this home and that one alone. It counts as one that reads for a while
//! ([`crate::Timing::silence_reads_ms`]), which is all that it costs where a home is off.

use super::READ_LIMIT;
use super::serve::Serve;
use crate::Model;
use base::id::kind;
use base::{Id, NodeId, PartitionHash};
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Asks whether anybody reads a body through the other node now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskReaders {
    pub body: Id<kind::Body>,
}

impl Request for AskReaders {
    type Reply = bool;
    const NAME: &'static str = "model/readers";
    const CLASS: Class = Class::Metadata;
}

impl Serve for AskReaders {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<bool>, Refusal> {
        Ok(Answer::from(model.readers.is_reading(self.body)))
    }
}

/// What to think of owners that do not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silent {
    MayRead,
    DoNot,
}

impl Model {
    /// Whether anybody reads a body, through whichever home, or may.
    pub(super) async fn is_read_anywhere(
        self: &Arc<Self>,
        body: Id<kind::Body>,
        silent_owners: Silent,
    ) -> bool {
        if self.readers.is_reading(body) {
            return true;
        }
        let placement = self.peers.placement();
        let sets = placement.sets(PartitionHash::of_uniform(body.as_bytes()));
        let owners: BTreeSet<NodeId> = sets.into_iter().flatten().copied().collect();
        let others = self.peers.others_up().into_iter().chain(owners.iter().copied());
        let nodes: BTreeSet<NodeId> = others.filter(|node| *node != self.peers.me()).collect();
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        let mut asked = self.ask_each(&nodes, &AskReaders { body }, READ_LIMIT);
        while let Some((member, answer)) = asked.next().await {
            let may_read = match answer {
                Ok(answer) => answer.reply,
                Err(_) => silent_owners == Silent::MayRead && owners.contains(&nodes[member]),
            };
            if may_read {
                return true;
            }
        }
        false
    }
}
