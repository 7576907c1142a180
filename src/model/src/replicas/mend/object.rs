//! Mending an object's row: all other replicas promise a ballot above everything that this one ever saw, and what they
//! hold is put forward here under it. At or below that ballot this replica knows nothing of the key any more.

use super::super::read::KeyPlace;
use super::discard_row;
use crate::batch;
use crate::rows::object::{Beside, Content, InlineBody, ObjectRow};
use crate::tables::{Tables, Upkeep};
use crate::{Model, ModelError};
use base::Stamp;
use std::sync::Arc;
use store::{Intent, Read, Space, StoreError, Txn};
use table::register::{Memory, Replica, Version};

impl Model {
    pub(super) async fn mend_object(
        self: &Arc<Self>,
        place: &KeyPlace,
        row_key: &[u8],
    ) -> Result<(), ModelError> {
        let view = self.peers.view();
        let (ballot, newest) = self.promised_by_all_others(place).await?;
        let beside = match &newest {
            Some((version, displaced)) => {
                self.beside_of(place, &ObjectRow::of_version(version.clone()), displaced.as_ref()).await?
            }
            None => Beside::default(),
        };
        let row = mended(ballot, newest.map(|(version, _)| version));
        let (model, row_key) = (Arc::clone(self), row_key.to_vec());
        let replace = move |txn: &mut Txn<'_>| {
            if model.peers.view() != view {
                return Err(ModelError::Unavailable);
            }
            if txn.get::<ObjectRow>(Space::Object, &row_key).is_ok() {
                return Ok(());
            }
            discard_row(&model.blocks, txn, Space::Object, &row_key)?;
            let tables = Tables::new(&model.blocks, Upkeep::Everywhere);
            Ok(batch::put_row(&tables, txn, &row_key, (None, &row), beside)?)
        };
        self.store.commit(Intent::Grow, replace).await?;
        // The others take it by an ordinary read of the key; if that fails now, when they compare.
        let _: Result<_, ModelError> = self.read_row(place, false).await;
        Ok(())
    }

    /// Puts the bytes back that belong beside a row that can be read: whoever has that version has them.
    pub(super) async fn mend_bytes(
        self: &Arc<Self>,
        place: &KeyPlace,
        row_key: &[u8],
    ) -> Result<(), ModelError> {
        let row: Option<ObjectRow> = self.store.view()?.get(Space::Object, row_key)?;
        let Some(row) = row.filter(|row| row.slot.has_bytes()) else { return Ok(()) };
        let bytes = self.content_of(place, &row).await?.own.ok_or(ModelError::Unavailable)?;
        let row_key = row_key.to_vec();
        let put = move |txn: &mut Txn<'_>| {
            let now: Option<ObjectRow> = txn.get(Space::Object, &row_key)?;
            if now.is_some_and(|now| now.stamp == row.stamp) {
                txn.put(Space::Inline, row_key, &InlineBody(bytes.to_vec()));
            }
            Ok::<_, StoreError>(())
        };
        Ok(self.store.commit(Intent::Grow, put).await?)
    }
}

/// The row of a replica that forgot all it knew of the key and was told the newest version.
fn mended(ballot: Stamp, newest: Option<Version<Content>>) -> ObjectRow {
    let history = newest.iter().map(|version| (version.order, version.id)).collect();
    let memory = Memory { promise: Some(ballot), history, forgot: true };
    ObjectRow::of_replica(Replica { current: newest, memory })
}
