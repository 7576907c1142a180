//! Copying an arc from another node, whole.

use super::empty::bounds_of;
use crate::replicas::{KeyPlace, READ_LIMIT, Reply, Serve};
use crate::rows::object::{self, InlineBody, ObjectRow};
use crate::rows::reference::{self, ReferenceRow, Target};
use crate::rows::upload::{PartRow, UploadRow};
use crate::rows::version::VersionRow;
use crate::tables::{Tables, Upkeep};
use crate::{Model, ModelError, batch};
use base::{NodeId, PartitionHash, Stamp};
use bytes::Bytes;
use cluster::View;
use net::{Answer, Attachment, Class, Refusal, Request};
use serde::{Deserialize, Serialize};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;
use store::{Intent, Read, Record, Space, Txn};
use table::register::Stored;

/// What is done about an object row that is not alike here and there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// The newer one is taken, whatever the floor.
    Newest,
    /// The key is read as a client reads it.
    Agreed,
}

const COPIED: [Space; 5] = [Space::BlockRef, Space::Version, Space::Upload, Space::Part, Space::Object];
const PAGE_MAX_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CopyRows {
    pub view: View,
    pub birth: Stamp,
    pub space: u8,
    pub arc: u16,
    #[serde(with = "serde_bytes")]
    pub from: Vec<u8>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CopiedRows {
    pub rows: Vec<(Bytes, Bytes, Option<Bytes>)>,
    pub more: bool,
}

impl Request for CopyRows {
    type Reply = Reply<CopiedRows>;
    const NAME: &'static str = "model/copy";
    const CLASS: Class = Class::Bulk;
}

impl Serve for CopyRows {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(Answer::from(model.copy_here(self).await.unwrap_or(Reply::Failed)))
    }
}

impl Model {
    async fn copy_here(self: &Arc<Self>, request: CopyRows) -> Result<Reply<CopiedRows>, ModelError> {
        let mine = self.peers.view();
        if request.view != mine {
            return Ok(Reply::Old(mine));
        }
        if !self.peers.takes_part(request.arc) {
            return Ok(Reply::NotReady);
        }
        let Some(space) = COPIED.into_iter().find(|space| space.number() == request.space) else {
            return Ok(Reply::Failed);
        };
        self.clock_under(request.view, request.birth).await?;
        let view = self.store.view()?;
        let mut page = CopiedRows::default();
        let (start, end) = bounds_of(request.arc);
        let start = start.max(request.from);
        let to = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut left = PAGE_MAX_BYTES;
        let mut inline = Vec::new();
        view.scan(space, Bound::Included(&start), to, &mut |key, value| {
            if left == 0 {
                page.more = true;
                return ControlFlow::Break(());
            }
            left = left.saturating_sub(key.len() + value.len() + 100);
            if space == Space::Object {
                inline.push(page.rows.len());
                left = left.saturating_sub(4096);
            }
            page.rows.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value), None));
            ControlFlow::Continue(())
        })?;
        for at in inline {
            let key = page.rows[at].0.clone();
            let body: Option<InlineBody> = view.get(Space::Inline, &key)?;
            page.rows[at].2 = body.map(|body| body.0.into());
        }
        Ok(Reply::Done(page))
    }

    /// One pass over an arc against one node.
    pub(crate) async fn copy_arc(
        self: &Arc<Self>,
        from: NodeId,
        arc: u16,
        taking: Taking,
    ) -> Result<(), ModelError> {
        for space in COPIED {
            let mut at = Vec::new();
            loop {
                let request = CopyRows {
                    view: self.peers.view(),
                    birth: self.store.stamp().await?,
                    space: space.number(),
                    arc,
                    from: at.clone(),
                };
                let answer = self.ask_one(from, request, Bytes::new(), READ_LIMIT).await;
                let Ok(Reply::Done(page)) = answer.map(|answer| answer.reply) else {
                    return Err(ModelError::Unavailable);
                };
                if let Some((key, _, _)) = page.rows.last() {
                    at = [key.as_ref(), &[0]].concat();
                }
                let more = page.more;
                self.take_page(space, page, taking).await?;
                if !more {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn take_page(
        self: &Arc<Self>,
        space: Space,
        page: CopiedRows,
        taking: Taking,
    ) -> Result<(), ModelError> {
        let view = self.store.view()?;
        let mut rows = Vec::new();
        for (key, value, inline) in page.rows {
            if view.get_bytes(space, &key)?.as_deref() != Some(&*value) {
                rows.push((key, value, inline));
            }
        }
        drop(view);
        if rows.is_empty() {
            return Ok(());
        }
        if space == Space::BlockRef {
            for (key, value, _) in &rows {
                let row: ReferenceRow = store::decode(space, key, value).map_err(|_| ModelError::Damaged)?;
                if let (false, Some(Target::Block(hash))) = (row.removed, reference::target_of(key)) {
                    let lock = self.blocks.lock([hash]).await;
                    if !self.blocks.verify(&lock, &hash).await? {
                        let block = self.fetch_elsewhere(hash).await?;
                        self.growth.copied(0, block.content().len() as u64);
                        self.blocks.put(&lock, &block).await?;
                    }
                    let (blocks, key) = (self.blocks.clone(), key.to_vec());
                    self.store
                        .commit(Intent::Grow, move |txn| {
                            let tables = Tables::new(&blocks, Upkeep::Everywhere);
                            table::apply(&tables.references, txn, key, &row, None)?;
                            drop(lock);
                            Ok::<_, ModelError>(())
                        })
                        .await?;
                }
            }
        }
        self.growth.copied(rows.len() as u64, 0);
        let mut read: Vec<KeyPlace> = Vec::new();
        let mut take = Vec::new();
        for (key, value, inline) in rows {
            if space == Space::Object && taking == Taking::Agreed {
                read.extend(place_of(&key));
            } else {
                take.push((key, value, inline));
            }
        }
        let blocks = self.blocks.clone();
        let blocked = self
            .store
            .commit(Intent::Grow, move |txn| {
                let mut blocked = Vec::new();
                for (key, value, inline) in take {
                    if !take_row(&blocks, txn, space, &key, &value, inline)? {
                        blocked.extend(place_of(&key));
                    }
                }
                Ok::<_, ModelError>(blocked)
            })
            .await?;
        for place in read.into_iter().chain(blocked) {
            self.read_row(&place, false).await?;
        }
        Ok(())
    }
}

fn place_of(key: &[u8]) -> Option<KeyPlace> {
    let partition = PartitionHash::from_bytes(key.get(..PartitionHash::LEN)?.try_into().ok()?);
    Some(KeyPlace { partition, key: object::key_of(key)? })
}

fn take_row(
    blocks: &block::BlockStore,
    txn: &mut Txn<'_>,
    space: Space,
    key: &[u8],
    value: &[u8],
    inline: Option<Bytes>,
) -> Result<bool, ModelError> {
    let tables = Tables::new(blocks, Upkeep::Everywhere);
    fn row<R: Record>(space: Space, key: &[u8], value: &[u8]) -> Result<R, ModelError> {
        store::decode(space, key, value).map_err(|_| ModelError::Damaged)
    }
    match space {
        Space::Object => {
            let row: ObjectRow = row(space, key, value)?;
            let Some(version) = row.version() else { return Ok(true) };
            let stored = batch::copy_object(&tables, txn, key, version, inline)?;
            return Ok(!matches!(stored, Stored::Blocked { .. }));
        }
        Space::Version => drop(table::apply(
            &tables.versions,
            txn,
            key.to_vec(),
            &row::<VersionRow>(space, key, value)?,
            None,
        )?),
        Space::BlockRef => drop(table::apply(
            &tables.references,
            txn,
            key.to_vec(),
            &row::<ReferenceRow>(space, key, value)?,
            None,
        )?),
        Space::Upload => drop(table::apply(
            &tables.uploads,
            txn,
            key.to_vec(),
            &row::<UploadRow>(space, key, value)?,
            None,
        )?),
        _ => drop(table::apply(&tables.parts, txn, key.to_vec(), &row::<PartRow>(space, key, value)?, None)?),
    }
    Ok(true)
}
