//! Mending a row of a name: it is joined from what all other members hold, whom nothing is asked to refuse.
//!
//! A coordinator of a change has it before it tells anybody, and looks whether it still has it before it answers; that
//! is what the fence does for other rows (doc/models/mend.rs, the scopes with `names`).

use super::super::ask::READ_LIMIT;
use super::super::names::{CompareNames, is_row};
use crate::{Model, ModelError};
use base::NodeId;
use std::sync::Arc;
use store::{Intent, Space, Txn};

impl Model {
    pub(super) async fn mend_name(self: &Arc<Self>, space: Space, row_key: &[u8]) -> Result<(), ModelError> {
        let members = self.peers.placement().members();
        let others: Vec<NodeId> = members.iter().copied().filter(|node| *node != self.peers.me()).collect();
        if others.is_empty() {
            return Err(ModelError::Damaged);
        }
        let mut asked = self.ask_each(&others, &CompareNames::of_row(space, row_key), READ_LIMIT);
        let mut told = Vec::new();
        while let Some((_, answer)) = asked.next().await {
            let (rows, _) = answer.map_err(|_| ModelError::Unavailable)?.reply;
            for (number, key, record) in rows.rows {
                if number != space.number() || key != row_key || !is_row(space, &key, &record) {
                    return Err(ModelError::Unavailable);
                }
                told.push(record);
            }
        }
        let (model, row_key) = (Arc::clone(self), row_key.to_vec());
        let replace = move |txn: &mut Txn<'_>| {
            if model.peers.placement().members() != members {
                return Err(ModelError::Unavailable);
            }
            Ok(model.replace_name(txn, (space, row_key), &told)?)
        };
        self.store.commit(Intent::Grow, replace).await
    }
}
