//! The side that is pulled from: digests, keys and rows of the arcs that this node keeps, for any member of
//! the cluster that sees the same layout, whether it keeps the arc yet or not.

use super::messages::{
    ArcDigests, CutPieces, CutRanges, FetchRows, FetchedRow, FetchedRows, KeyRange, ListRanges, RowList,
    ToldDigest,
};
use super::partition_of_arc;
use crate::replicas::{HeldRow, Reply, Serve};
use crate::rows::object::{Beside, ObjectRow};
use crate::tables::DIGESTED;
use crate::{Model, ModelError, versions};
use bytes::Bytes;
use cluster::View;
use net::{Answer, Attachment, Net, Refusal};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Read, Space, StoreError};
use table::digest::{ARCS, DigestKey, Digested, Digests, LIST_MAX_ROWS, arc_end, arc_of};

/// Pieces that a range is cut into: a table of ten million rows is six questions deep.
pub(super) const PIECES_MAX: usize = 16;
/// Ranges in one question.
pub(super) const RANGES_MAX: usize = 512;
/// Bytes of rows in one answer; the row that passes it is the last.
const PAGE_MAX_BYTES: u64 = 1 << 20;

/// The digested table of a keyspace.
pub(super) fn table_of(space: u8) -> Option<Digested> {
    DIGESTED.into_iter().find(|table| table.space().number() == space)
}

impl Model {
    /// Answers the questions of this module.
    pub(crate) fn answer_sync(self: &Arc<Self>, net: &Net) {
        self.answer::<ArcDigests>(net);
        self.answer::<CutRanges>(net);
        self.answer::<ListRanges>(net);
        self.answer::<FetchRows>(net);
    }

    /// Whether this node answers for these arcs under that view, and with which digests.
    fn admit_sync<T>(&self, view: View, arcs: impl Iterator<Item = u16>) -> Result<DigestKey, Reply<T>> {
        for arc in arcs.collect::<BTreeSet<_>>() {
            self.admit(view, partition_of_arc(arc))?;
        }
        self.digest_key().ok_or(Reply::NotReady)
    }

    /// Whether this node answers for the arcs of ranges, each of which lies in one.
    fn admit_ranges<'a, T>(
        &self,
        (view, space): (View, u8),
        ranges: impl Iterator<Item = &'a KeyRange> + Clone,
    ) -> Result<(Digested, DigestKey), Reply<T>> {
        let is_whole = |range: &KeyRange| range.from < range.to && range.to <= arc_end(arc_of(&range.from));
        let are_whole = ranges.clone().all(is_whole) && ranges.clone().count() <= RANGES_MAX;
        let table = table_of(space).filter(|_| are_whole).ok_or(Reply::Failed)?;
        Ok((table, self.admit_sync(view, ranges.map(|range| arc_of(&range.from)))?))
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

    async fn cut_ranges(&self, request: CutRanges) -> Result<Reply<Vec<CutPieces>>, ModelError> {
        let CutRanges { view, space, ranges } = request;
        let (table, key) = match self.admit_ranges((view, space), ranges.iter().map(|(range, _)| range)) {
            Ok(admitted) => admitted,
            Err(reply) => return Ok(reply),
        };
        let read = self.store.view()?;
        let cut = move || {
            let Some(digests) = Digests::open(&read, &key)? else { return Ok(Reply::NotReady) };
            let cut_one = |(KeyRange { from, to }, theirs): &(KeyRange, ToldDigest)| {
                if digests.of_range(table, from, to)? == (*theirs).into() {
                    return Ok(CutPieces::default());
                }
                let pieces = digests.cut(table, from, to, PIECES_MAX)?.into_iter();
                Ok(CutPieces { pieces: pieces.map(|piece| (piece.to.into(), piece.digest.into())).collect() })
            };
            ranges.iter().map(cut_one).collect::<Result<_, StoreError>>().map(Reply::Done)
        };
        Ok(self.env.tasks.blocking(cut).await?)
    }

    async fn list_ranges(&self, request: ListRanges) -> Result<Reply<RowList>, ModelError> {
        let ListRanges { view, space, ranges } = request;
        let (table, key) = match self.admit_ranges((view, space), ranges.iter()) {
            Ok(admitted) => admitted,
            Err(reply) => return Ok(reply),
        };
        let read = self.store.view()?;
        let list = move || {
            let Some(digests) = Digests::open(&read, &key)? else { return Ok(Reply::NotReady) };
            let mut page = RowList::default();
            for KeyRange { from, to } in ranges {
                let listed = digests.list(table, &from, &to, LIST_MAX_ROWS - page.rows.len())?;
                let rows = listed.rows.into_iter();
                let told =
                    |(key, hash): (Vec<u8>, u128)| (key.into(), Bytes::copy_from_slice(&hash.to_le_bytes()));
                page.rows.extend(rows.map(told));
                page.more = listed.more;
                if page.more {
                    break;
                }
            }
            Ok::<_, StoreError>(Reply::Done(page))
        };
        Ok(self.env.tasks.blocking(list).await?)
    }

    async fn fetch_rows(self: &Arc<Self>, request: FetchRows) -> Result<Reply<FetchedRows>, ModelError> {
        let FetchRows { view, space, keys } = request;
        let Some(table) = table_of(space) else { return Ok(Reply::Failed) };
        if let Err(reply) = self.admit_sync(view, keys.iter().map(|key| arc_of(key))) {
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
                    bytes += row.size_bytes();
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
            Err(error @ ModelError::Store(StoreError::Unreadable { .. })) => {
                self.note_damage(&error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn object_to_send(&self, read: &impl Read, key: &[u8]) -> Result<Option<(Bytes, Beside)>, ModelError> {
        let HeldRow { row, beside, .. } = self.held_row(read, key, (true, true))?;
        let encode = |row: ObjectRow| store::encode(Space::Object, key, &row);
        Ok(row.map(|row| (encode(row), beside)))
    }
}

impl Serve for ArcDigests {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.arc_digests(self).await))
    }
}

impl Serve for CutRanges {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.cut_ranges(self).await))
    }
}

impl Serve for ListRanges {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.list_ranges(self).await))
    }
}

impl Serve for FetchRows {
    async fn serve(self, model: &Arc<Model>, _: Attachment) -> Result<Answer<Self::Reply>, Refusal> {
        Ok(model.told(model.fetch_rows(self).await))
    }
}
