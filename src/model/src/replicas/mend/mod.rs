//! Rows that cannot be read here any more, taken from the other replicas again (rule M4).
//!
//! A replica that lost a row may have acknowledged something in it that no other one has been told yet, so a copy from
//! one of them is not enough: all others first refuse, from then on, what was under way before the question. What
//! always holds:
//!
//! - a row that cannot be read counts nowhere: whoever asks for it hears so, and asks another replica;
//! - it is replaced after *all* other replicas answered under one view of the layout, never after some, and never
//!   where there are none;
//! - an object's row is replaced under a ballot that all others promised (`object`), one that merges by what all others
//!   hold behind a fence (`merging`, doc/models/mend.rs);
//! - a name's row is joined from all other members, who all keep it (`names`);
//! - what was derived from the lost row is counted anew from the rows that are there.

mod damaged;
mod derived;
mod merging;
mod names;
mod object;
mod worker;

pub(crate) use damaged::DamagedRows;
pub(crate) use derived::{discard_row, references_to};
pub(crate) use merging::AskRow;

use crate::rows::object as object_rows;
use crate::rows::past;
use crate::{Model, ModelError, graves};
use base::{NodeId, PartitionHash};
use cluster::Placement;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Intent, Space, StoreError};
use table::digest::arc_of;

use super::names::NAME_SPACES;
use super::read::KeyPlace;

impl Model {
    /// Takes note of a row that could not be read, if that is what the error says.
    pub(crate) fn note_damage(&self, error: &ModelError) {
        if let ModelError::Store(StoreError::Unreadable { space, key }) = error
            && let Some(space) = Space::named(space)
        {
            match space {
                // Nobody else has it: it is counted anew from the rows here (`recount`).
                Space::RefCount => self.blocks.note_uncounted(key),
                space => self.damaged.note(space, key),
            }
        }
    }

    /// Rows that are known to be damaged here: how many, and what some of them name.
    pub fn damaged_rows(&self) -> (u64, Vec<String>) {
        (self.damaged.figures().0, self.damaged.names_left())
    }

    /// Replaces a row that cannot be read here. One that can be is left as it is.
    pub(crate) async fn mend(self: &Arc<Self>, space: Space, row_key: &[u8]) -> Result<(), ModelError> {
        if self.peers.is_alone() {
            return Err(ModelError::Damaged);
        }
        if NAME_SPACES.contains(&space) {
            return self.mend_name(space, row_key).await;
        }
        if !self.peers.takes_part(arc_of(row_key)) {
            self.drop_unread(space, row_key).await?;
        } else {
            match space {
                Space::Object => self.mend_object(&place_of(row_key)?, row_key).await?,
                Space::Inline if past::parse_row_key(row_key).is_none() => {
                    return self.mend_bytes(&place_of(row_key)?, row_key).await;
                }
                Space::Inline | Space::Past => {
                    // The key is the unit: nothing that was decided about it before reaches the others any more.
                    let head = past::head_key(row_key).ok_or(ModelError::Damaged)?;
                    self.promised_by_all_others(&place_of(&head)?).await?;
                    self.mend_merging(Space::Past, row_key).await?;
                }
                _ => self.mend_merging(space, row_key).await?,
            }
        }
        self.count_anew(space, row_key).await
    }

    /// Drops a row of an arc that this node does not answer for: nobody was told anything of it, and it comes back with
    /// the others.
    async fn drop_unread(self: &Arc<Self>, space: Space, row_key: &[u8]) -> Result<(), ModelError> {
        let (model, row_key) = (Arc::clone(self), row_key.to_vec());
        let drop = move |txn: &mut store::Txn<'_>| match model.peers.takes_part(arc_of(&row_key)) {
            true => Err(ModelError::Unavailable),
            false => Ok(discard_row(&model.blocks, txn, space, &row_key)?),
        };
        self.store.commit(Intent::Free, drop).await
    }

    /// The other replicas of a partition, by every version of the layout in force. There is at least one.
    pub(super) fn all_others(
        &self,
        placement: &Placement,
        partition: PartitionHash,
    ) -> Result<Vec<NodeId>, ModelError> {
        let sets = placement.sets(partition);
        let others: BTreeSet<NodeId> =
            sets.into_iter().flatten().copied().filter(|node| *node != self.peers.me()).collect();
        if others.is_empty() { Err(ModelError::Damaged) } else { Ok(others.into_iter().collect()) }
    }
}

/// The key that an object's row is about.
fn place_of(row_key: &[u8]) -> Result<KeyPlace, ModelError> {
    let key = object_rows::key_of(row_key).ok_or(ModelError::Damaged)?;
    Ok(KeyPlace { partition: graves::partition_of(row_key), key })
}
