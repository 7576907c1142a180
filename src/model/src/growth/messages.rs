//! What a node that begins to answer for arcs asks those who do already.

use crate::replicas::{Reply, Serve};
use crate::{Model, ModelError};
use base::{NodeId, Stamp};
use cluster::View;
use cluster::layout::ArcSet;
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Intent, Txn};

/// Asks for the clock of a replica, once everything that it did under an earlier view is durable (rule L4).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskClock {
    pub view: View,
    /// The candidate that the asker is about to fill: who is copied from knows of it, and so collects no tombstone
    /// meanwhile (rule T5).
    #[serde(default)]
    pub candidate: Option<(u64, Stamp)>,
}

impl Request for AskClock {
    /// The clock, and the arcs that the replica answers for.
    type Reply = Reply<(Stamp, ArcSet)>;
    const NAME: &'static str = "model/clock";
    const CLASS: Class = Class::Metadata;
}

/// Asks a node how far the asker's own store had come, as far as it heard (rule M1).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskMark {
    pub of: NodeId,
}

impl Request for AskMark {
    /// The highest mark that was told; 0 if none was.
    type Reply = u64;
    const NAME: &'static str = "model/mark";
    const CLASS: Class = Class::Metadata;
}

impl Serve for AskMark {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<u64>, Refusal> {
        // What it takes for its past from now on is not forgotten here.
        if let Err(error) = model.store.keep_marks().await {
            tracing::debug!(%error, "how far others' stores had come is stored later");
        }
        Ok(Answer::from(model.store.marks().of.get(&self.of).copied().unwrap_or(0)))
    }
}

/// Tells how far the stores of others had come, as far as was heard: whoever is asked later may be another one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TellMarks {
    pub marks: Vec<(NodeId, u64)>,
}

impl Request for TellMarks {
    type Reply = ();
    const NAME: &'static str = "model/marks";
    const CLASS: Class = Class::Metadata;
}

impl Serve for TellMarks {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<()>, Refusal> {
        for (node, mark) in self.marks {
            if model.peers.is_member(node) {
                model.store.note_mark(node, mark);
            }
        }
        Ok(Answer::from(()))
    }
}

impl Serve for AskClock {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        let told = model.clock_under(self.view, self.candidate).await;
        Ok(Answer::from(told.unwrap_or_else(|error| {
            tracing::warn!(%error, "the clock could not be told to another node");
            Reply::Failed
        })))
    }
}

impl Model {
    /// A stamp above all that this replica has stored or promised under any view before this one. What it does
    /// runs in the committer, behind everything that was let in under an earlier view.
    async fn clock_under(
        &self,
        view: View,
        candidate: Option<(u64, Stamp)>,
    ) -> Result<Reply<(Stamp, ArcSet)>, ModelError> {
        if self.peers.view() != view {
            return Ok(Reply::Old(self.peers.view()));
        }
        let coming = self.peers.cluster().and_then(|cluster| {
            let layout = cluster.layout();
            layout.coming().map(|coming| coming.mark())
        });
        if candidate.is_some() && coming != candidate {
            return Ok(Reply::NotReady);
        }
        let peers = Arc::clone(&self.peers);
        let told = move |txn: &mut Txn<'_>| {
            let mine = peers.view();
            if peers.is_given_up() {
                return Ok::<_, ModelError>(Reply::NotReady);
            }
            Ok(match view == mine {
                true => Reply::Done((txn.stamp(), peers.taking_part())),
                false => Reply::Old(mine),
            })
        };
        self.store.commit(Intent::Free, told).await
    }
}
