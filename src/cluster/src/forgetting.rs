//! Forgetting nodes that never come back (rule M5): who must be asked, what it would lose, and doing it.
//!
//! Nothing is decided by asking: a record that one node has on its disk holds. But it is not made while the node
//! answers anybody, nor while somebody is away who would go on counting on it.

use crate::layout::{Layout, LayoutError, Loss};
use crate::state::{ChangeError, ClusterState};
use base::NodeId;
use env::Tasks;
use net::{Class, Request};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a member may take to say whom it hears.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// Asks a member which of these nodes it has a link to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskHeard {
    pub nodes: Vec<NodeId>,
}

impl Request for AskHeard {
    type Reply = Vec<NodeId>;
    const NAME: &'static str = "cluster/heard";
    const CLASS: Class = Class::Metadata;
}

/// What forgetting some nodes would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgetting {
    /// The nodes.
    pub nodes: BTreeSet<NodeId>,
    /// What may be lost.
    pub loss: Loss,
}

/// Why nobody is forgotten.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// It lives.
    #[error("node {node} answers {to}: it is not forgotten. Stop it first, if it is never to come back")]
    Answers {
        /// The node.
        node: NodeId,
        /// Who hears it.
        to: NodeId,
    },
    /// Somebody would go on counting on it, or hears it.
    #[error(
        "node {0} shares partitions with it and is away: wait until it is there, or, if it never comes back either, \
         name both at once"
    )]
    Away(NodeId),
    /// The layout does not allow it, or is not stored.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl From<LayoutError> for ForgetError {
    fn from(error: LayoutError) -> Self {
        ForgetError::Change(error.into())
    }
}

impl ClusterState {
    /// What forgetting these nodes would do, if it is possible now.
    pub async fn plan_forgetting(&self, nodes: BTreeSet<NodeId>) -> Result<Forgetting, ForgetError> {
        let layout = self.layout();
        layout.give_up(&nodes, self.id())?;
        self.check_that_gone(&layout, &nodes).await?;
        let whole = self.whole_nodes();
        let loss = layout.loss_of(&nodes, &|node| whole.contains(&node));
        Ok(Forgetting { nodes, loss })
    }

    /// Forgets these nodes, for good.
    pub async fn forget(
        self: &Arc<Self>,
        tasks: &Tasks,
        nodes: BTreeSet<NodeId>,
    ) -> Result<Forgetting, ForgetError> {
        let plan = self.plan_forgetting(nodes.clone()).await?;
        let (state, me) = (Arc::clone(self), self.id());
        let give_up = move || state.change_layout(|layout, _| layout.give_up(&nodes, me));
        tasks.blocking(give_up).await?;
        for node in &plan.nodes {
            tracing::warn!(%node, "a node was forgotten, as its operator says: nothing waits for it any more");
        }
        Ok(plan)
    }

    /// Whether nobody who remains hears any of them; all who share a partition with one must be there to say so.
    async fn check_that_gone(&self, layout: &Layout, nodes: &BTreeSet<NodeId>) -> Result<(), ForgetError> {
        let sets = layout.in_force().flat_map(|version| version.assignment.sets());
        let shared = sets.filter(|set| set.iter().any(|node| nodes.contains(node))).flatten().copied();
        let remains = |node: &NodeId| !nodes.contains(node) && !layout.is_given_up(*node);
        let asked: BTreeSet<NodeId> = shared.filter(remains).filter(|node| *node != self.id()).collect();
        let net = self.membership().map(|membership| membership.net().clone());
        let heard = |node: &&NodeId| net.as_ref().is_some_and(|net| net.is_connected(**node));
        if let Some(node) = nodes.iter().find(heard) {
            return Err(ForgetError::Answers { node: *node, to: self.id() });
        }
        for other in asked {
            let net = net.as_ref().ok_or(ForgetError::Away(other))?;
            let ask = AskHeard { nodes: nodes.iter().copied().collect() };
            match net.call(other, &ask, ASK_LIMIT).await {
                Ok(heard) if heard.is_empty() => {}
                Ok(heard) => {
                    let node = heard.first().copied().unwrap_or(other);
                    return Err(ForgetError::Answers { node, to: other });
                }
                Err(_) => return Err(ForgetError::Away(other)),
            }
        }
        Ok(())
    }
}
