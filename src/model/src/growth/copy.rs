//! Copying an arc from another node, whole: a pass of `sync`, and what it could not take decided.

use crate::sync::{Manner, Refusal};
use crate::{Model, ModelError};
use base::NodeId;
use std::sync::Arc;

impl Model {
    /// One pass over an arc against one node. When it succeeds, everything that the node held there as the
    /// pass began is held here, or something newer.
    pub(super) async fn copy_arc(
        self: &Arc<Self>,
        from: NodeId,
        arc: u16,
        manner: Manner,
    ) -> Result<(), ModelError> {
        let pulled = self.pull_arc(from, arc, manner).await?;
        self.growth.copied(pulled.rows, pulled.bytes);
        for refused in pulled.refused {
            // A damaged row here is no copy of anything.
            if refused.why == Refusal::Damaged || !self.decide_refused(refused).await {
                return Err(ModelError::Unavailable);
            }
        }
        Ok(())
    }
}
