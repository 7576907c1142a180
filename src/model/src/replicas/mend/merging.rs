//! Mending a row that merges: all other replicas first refuse what was born before the question, then it is joined
//! from what they hold. `doc/models/mend.rs` has what goes wrong without each step.

use super::super::ask::WRITE_LIMIT;
use super::super::messages::Reply;
use super::super::serve::Serve;
use super::derived::discard_row;
use crate::rows::object::Beside;
use crate::sync::{FetchedRow, Received, join_rows};
use crate::tables::{Tables, Upkeep};
use crate::{Model, ModelError, graves, versions};
use base::Stamp;
use bytes::Bytes;
use cluster::View;
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError, Txn};
use table::digest::arc_of;

/// Asks a replica for its row, and to take nothing for it any more that was born before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AskRow {
    pub view: View,
    pub birth: Stamp,
    /// Number of the table's keyspace.
    pub space: u8,
    pub row_key: Bytes,
}

impl Request for AskRow {
    /// The row; none where there is none.
    type Reply = Reply<Option<FetchedRow>>;
    const NAME: &'static str = "model/ask_row";
    const CLASS: Class = Class::Metadata;
}

/// The tables whose rows merge, by their keyspaces.
const MERGING: [Space; 5] = [Space::Past, Space::Version, Space::BlockRef, Space::Upload, Space::Part];

impl Model {
    pub(super) async fn mend_merging(
        self: &Arc<Self>,
        space: Space,
        row_key: &[u8],
    ) -> Result<(), ModelError> {
        let placement = self.peers.placement();
        let view = placement.view();
        let nodes = self.all_others(&placement, graves::partition_of(row_key))?;
        // Above all that this node ever heard: what it acknowledged was born before.
        let birth = self.store.stamp().await?;
        let request = AskRow { view, birth, space: space.number(), row_key: Bytes::copy_from_slice(row_key) };
        let (mut asked, mut rows) = (self.ask_each(&nodes, &request, WRITE_LIMIT), Vec::new());
        while let Some((_, answer)) = asked.next().await {
            match answer.map(|answer| answer.reply) {
                Ok(Reply::Done(None)) => {}
                Ok(Reply::Done(Some(row))) if row.key == row_key => {
                    rows.push(Received::check(space, row).ok_or(ModelError::Unavailable)?);
                }
                _ => return Err(ModelError::Unavailable),
            }
        }
        self.store.observe(rows.iter().map(Received::stamp).max().unwrap_or(birth)).await?;
        let (model, row_key) = (Arc::clone(self), row_key.to_vec());
        let replace = move |txn: &mut Txn<'_>| {
            if model.peers.view() != view {
                return Err(ModelError::Unavailable);
            }
            if is_whole(txn, space, &row_key)? {
                return Ok(());
            }
            discard_row(&model.blocks, txn, space, &row_key)?;
            Ok(join_rows(&Tables::new(&model.blocks, Upkeep::Everywhere), txn, rows)?)
        };
        self.store.commit(Intent::Grow, replace).await
    }

    async fn row_here(&self, request: AskRow) -> Result<Reply<Option<FetchedRow>>, ModelError> {
        let AskRow { view, birth, space, row_key: key } = request;
        let Some(space) = MERGING.into_iter().find(|merging| merging.number() == space) else {
            return Ok(Reply::Failed);
        };
        if let Err(reply) = self.admit(view, graves::partition_of(&key)) {
            return Ok(reply);
        }
        self.store.observe(birth).await?;
        let peers = Arc::clone(&self.peers);
        let tell = move |txn: &mut Txn<'_>| {
            let mine = peers.view();
            if view != mine {
                return Ok(Reply::Old(mine));
            }
            graves::raise_mended(txn, (space, arc_of(&key)), birth)?;
            let found = match space {
                Space::Past => versions::past_to_send(txn, &key)?,
                _ => whole_record(txn, space, &key)?.map(|record| (record, Beside::default())),
            };
            Ok::<_, ModelError>(Reply::Done(found.map(|(record, beside)| FetchedRow { key, record, beside })))
        };
        self.store.commit(Intent::Free, tell).await
    }
}

/// A record that passes its check, or an error.
fn whole_record(read: &impl Read, space: Space, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
    match read.get_bytes(space, key)? {
        Some(record) if !store::passes(space, key, &record) => {
            Err(StoreError::Unreadable { space: space.name(), key: key.to_vec() })
        }
        found => Ok(found),
    }
}

/// Whether a row can be read, with the bytes that belong to it, or is not there.
fn is_whole(read: &impl Read, space: Space, row_key: &[u8]) -> Result<bool, ModelError> {
    let found = match space {
        Space::Past => versions::past_to_send(read, row_key).map(drop),
        _ => whole_record(read, space, row_key).map(drop).map_err(ModelError::from),
    };
    match found {
        Ok(()) => Ok(true),
        Err(ModelError::Store(StoreError::Unreadable { .. })) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Serve for AskRow {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.row_here(self).await))
    }
}
