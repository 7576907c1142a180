//! The side that is pulled from: digests, keys and rows of the arcs that this node keeps, for any member of
//! the cluster that sees the same layout, whether it keeps the arc yet or not.

use super::messages::{
    ArcDigests, CutPieces, CutRange, FetchRows, FetchedRow, FetchedRows, KeyRange, ListRange, RowList,
};
use super::partition_of_arc;
use crate::replicas::{HeldRow, Reply, Serve, told};
use crate::rows::object::{Beside, ObjectRow};
use crate::tables::DIGESTED;
use crate::{Model, ModelError, versions};
use bytes::Bytes;
use cluster::View;
use net::{Answer, Attachment, Net, Refusal};
use std::sync::Arc;
use store::{Read, Space, StoreError};
use table::digest::{ARCS, DigestKey, Digested, Digests, LIST_MAX_ROWS, arc_end, arc_of};

/// Pieces that a range is cut into: a table of ten million rows is six questions deep.
pub(super) const PIECES_MAX: usize = 16;
/// Bytes of rows in one answer; the row that passes it is the last.
const PAGE_MAX_BYTES: usize = 1 << 20;

/// The digested table of a keyspace.
pub(super) fn table_of(space: u8) -> Option<Digested> {
    DIGESTED.into_iter().find(|table| table.space().number() == space)
}

impl Model {
    /// Answers the questions of this module.
    pub(crate) fn answer_sync(self: &Arc<Self>, net: &Net) {
        self.answer::<ArcDigests>(net);
        self.answer::<CutRange>(net);
        self.answer::<ListRange>(net);
        self.answer::<FetchRows>(net);
    }

    /// Whether this node answers for an arc under that view, and with which digests.
    fn admit_sync<T>(&self, view: View, arc: u16) -> Result<DigestKey, Reply<T>> {
        self.admit(view, partition_of_arc(arc))?;
        self.digest_key().ok_or(Reply::NotReady)
    }

    /// Whether this node answers for the arc of a range.
    fn admit_range<T>(&self, view: View, range: &KeyRange) -> Result<(Digested, DigestKey), Reply<T>> {
        let arc = arc_of(&range.from);
        let table = table_of(range.space).filter(|_| range.from < range.to && range.to <= arc_end(arc));
        Ok((table.ok_or(Reply::Failed)?, self.admit_sync(view, arc)?))
    }

    async fn arc_digests(&self, request: ArcDigests) -> Result<Reply<Vec<u16>>, ModelError> {
        let ArcDigests { view, space, sums } = request;
        let placement = self.peers.placement();
        let (Some(table), Some(key)) = (table_of(space), self.digest_key()) else {
            return Ok(Reply::NotReady);
        };
        if view != placement.view() || sums.len() != usize::from(ARCS) {
            return Ok(Reply::NotReady);
        }
        let read = self.store.view()?;
        let compare = move || {
            let Some(digests) = Digests::open(&read, &key)? else { return Ok(Reply::NotReady) };
            let differs =
                digests.arcs(table)?.into_iter().zip(sums).map(|(here, there)| here.sum as u64 != there);
            let arcs = (0..ARCS).zip(differs).filter_map(|(arc, differs)| differs.then_some(arc));
            Ok::<_, StoreError>(Reply::Done(arcs.collect()))
        };
        let compared: Reply<Vec<u16>> = self.env.tasks.blocking(compare).await?;
        Ok(match compared {
            Reply::Done(arcs) => Reply::Done(arcs.into_iter().filter(|arc| self.keeps(*arc)).collect()),
            other => other,
        })
    }

    async fn cut_range(&self, request: CutRange) -> Result<Reply<CutPieces>, ModelError> {
        let (table, key) = match self.admit_range(request.view, &request.range) {
            Ok(admitted) => admitted,
            Err(reply) => return Ok(reply),
        };
        let read = self.store.view()?;
        let cut = move || {
            let Some(digests) = Digests::open(&read, &key)? else { return Ok(Reply::NotReady) };
            let KeyRange { from, to, .. } = request.range;
            if digests.of_range(table, &from, &to)? == request.mine.into() {
                return Ok(Reply::Done(CutPieces::default()));
            }
            let pieces = digests.cut(table, &from, &to, PIECES_MAX)?;
            let pieces = pieces.into_iter().map(|piece| (piece.to.into(), piece.digest.into())).collect();
            Ok::<_, StoreError>(Reply::Done(CutPieces { pieces }))
        };
        Ok(self.env.tasks.blocking(cut).await?)
    }

    async fn list_range(&self, request: ListRange) -> Result<Reply<RowList>, ModelError> {
        let (table, key) = match self.admit_range(request.view, &request.range) {
            Ok(admitted) => admitted,
            Err(reply) => return Ok(reply),
        };
        let read = self.store.view()?;
        let list = move || {
            let Some(digests) = Digests::open(&read, &key)? else { return Ok(Reply::NotReady) };
            let listed = digests.list(table, &request.range.from, &request.range.to, LIST_MAX_ROWS)?;
            let rows = listed.rows.into_iter();
            let rows = rows.map(|(key, hash)| (key.into(), Bytes::copy_from_slice(&hash.to_le_bytes())));
            Ok::<_, StoreError>(Reply::Done(RowList { rows: rows.collect(), more: listed.more }))
        };
        Ok(self.env.tasks.blocking(list).await?)
    }

    async fn fetch_rows(self: &Arc<Self>, request: FetchRows) -> Result<Reply<FetchedRows>, ModelError> {
        let FetchRows { view, space, keys } = request;
        let (Some(table), Some(arc)) = (table_of(space), keys.first().map(|key| arc_of(key))) else {
            return Ok(Reply::Failed);
        };
        if keys.iter().any(|key| arc_of(key) != arc) {
            return Ok(Reply::Failed);
        }
        if let Err(reply) = self.admit_sync(view, arc) {
            return Ok(reply);
        }
        self.store.settled().await?;
        let (read, model) = (self.store.view()?, Arc::clone(self));
        let fetch = move || {
            let (mut page, mut bytes) = (FetchedRows::default(), 0);
            for key in keys {
                if bytes >= PAGE_MAX_BYTES {
                    break;
                }
                page.keys_done += 1;
                if let Some(row) = model.row_to_send(&read, table.space(), key)? {
                    bytes += row.key.len() + row.record.len() + row.beside.len();
                    page.rows.push(row);
                }
            }
            Ok::<_, ModelError>(Reply::Done(page))
        };
        self.env.tasks.blocking(fetch).await
    }

    /// A row as others may have it; none that is gone, damaged, or nothing but a promise.
    fn row_to_send(
        &self,
        read: &impl Read,
        space: Space,
        key: Bytes,
    ) -> Result<Option<FetchedRow>, ModelError> {
        let found = match space {
            Space::Object => self.object_to_send(read, &key),
            Space::Past => versions::past_to_send(read, &key),
            _ => Ok(read.get_bytes(space, &key)?.map(|record| (record, Beside::default()))),
        };
        match found {
            Ok(found) => Ok(found.map(|(record, beside)| FetchedRow { key, record, beside })),
            Err(ModelError::Store(StoreError::Unreadable { space, .. })) => {
                tracing::warn!(table = space, "a damaged row is not given to another node");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn object_to_send(
        &self,
        read: &impl Read,
        key: &[u8],
    ) -> Result<Option<(Bytes, Beside)>, ModelError> {
        let HeldRow { row, beside } = self.held_row(read, key, true)?;
        let encode = |row: ObjectRow| store::encode(Space::Object, key, &row);
        Ok(row.map(|row| (encode(row), beside)))
    }
}

impl Serve for ArcDigests {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(told(model.arc_digests(self).await))
    }
}

impl Serve for CutRange {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(told(model.cut_range(self).await))
    }
}

impl Serve for ListRange {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(told(model.list_range(self).await))
    }
}

impl Serve for FetchRows {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(told(model.fetch_rows(self).await))
    }
}
