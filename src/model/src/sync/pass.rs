//! A pass over arcs: everything that one other node holds there and this node does not.
//!
//! Ranges go down together: one question cuts many of them, or lists them, so that a pass over many arcs which hold a
//! little each costs about as many round trips as one over a single arc.

use super::differing::Differing;
use super::messages::{
    CutPieces, CutRanges, FetchRows, FetchedRow, FetchedRows, KeyRange, ListRanges, RowList,
};
use super::received::Received;
use super::serve::{PIECES_MAX, RANGES_MAX};
use super::take::{Asking, BLOCKS_TOGETHER, Refusal, Refused, Taken};
use crate::replicas::{READ_LIMIT, Reply, Serve};
use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use base::NodeId;
use bytes::Bytes;
use cluster::View;
use cluster::layout::ArcSet;
use env::MonoTime;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Space, View as Snapshot};
use table::digest::{Digest, Digested, Digests, LIST_MAX_ROWS, arc_end, arc_start};

/// Rows that one pass hands back. A pass that meets more of them fails: so many decisions at once mean that
/// the arc is not ready to be copied.
const REFUSED_MAX: usize = 100_000;
/// The longest pause after a page, however long the page took.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What a pass did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// Rows that changed here.
    pub rows: u64,
    /// Bytes that came.
    pub bytes: u64,
    /// Blocks that came.
    pub blocks: u64,
    /// Rows that could not be taken as they are: a promise or a floor stands in their way, or the row here
    /// is damaged. They are the caller's to decide.
    pub refused: Vec<Refused>,
}

/// How fast a pass goes: after each page it pauses for a share of the time that the page took, so that
/// it takes the less from clients the more they ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pause_permille: u32,
}

impl Pace {
    /// Half of the time is left to others.
    pub const GENTLE: Self = Self { pause_permille: 1000 };
    /// For what clients wait for.
    pub const EAGER: Self = Self { pause_permille: 0 };

    async fn rest(self, took: MonoTime) {
        let pause = (took * self.pause_permille / 1000).min(PAUSE_MAX);
        if !pause.is_zero() {
            env::sleep(pause).await;
        }
    }
}

/// What is done about an object's row that is not alike here and there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taking {
    /// A newer one is taken by the rule that its write follows (rule G10).
    ByTheRules,
    /// A newer one is taken whatever this replica's floor (rules L5 and M2).
    Newest,
    /// None is taken, whichever is newer: each key that differs is refused, so that it is read as a client
    /// reads it, which makes the replicas agree (rule L5).
    Agreed,
}

/// How a pass goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    pub pace: Pace,
    pub taking: Taking,
}

/// A pass under way.
struct Pass<'a> {
    model: &'a Arc<Model>,
    from: NodeId,
    view: View,
    manner: Manner,
    pulled: Pulled,
}

/// Arcs that one pass is for: enough that a link with a long round trip is used.
pub(crate) const ARCS_TOGETHER: usize = 32;
/// Ranges that are cut with one question: each in up to 16 pieces, all of which may be listed with the next one.
const CUT_TOGETHER: usize = RANGES_MAX / PIECES_MAX;
/// A table in the order in which a pass takes them: what bodies consist of before what names them.
const ORDER: [Space; 6] =
    [Space::BlockRef, Space::Version, Space::Part, Space::Upload, Space::Object, Space::Past];

impl Model {
    /// One complete pass over arcs against one node, which keeps them, in the tables in which they differ. When it
    /// succeeds, everything that the node held there as the pass began is held here, or something newer, or is among
    /// the refused rows; what does not pass its check at the other node counts as not held.
    pub(crate) async fn pull_arcs(
        self: &Arc<Self>,
        from: NodeId,
        differing: &Differing,
        manner: Manner,
    ) -> Result<Pulled, ModelError> {
        let view = self.peers.view();
        let mut pass = Pass { model: self, from, view, manner, pulled: Pulled::default() };
        for space in ORDER {
            for table in DIGESTED.into_iter().filter(|table| table.space() == space) {
                pass.pull_table(table, differing.of(space)).await?;
            }
        }
        Ok(pass.pulled)
    }
}

/// A part of a table inside one arc: the first key, and the key behind the last one.
type Range = (Vec<u8>, Vec<u8>);

fn told((from, to): &Range) -> KeyRange {
    KeyRange { from: Bytes::copy_from_slice(from), to: Bytes::copy_from_slice(to) }
}

impl Pass<'_> {
    /// Asks the other node. What is not done there is not known.
    async fn ask<T, R: Serve<Reply = Reply<T>>>(&self, request: R) -> Result<T, ModelError> {
        let asked = self.model.ask_one(self.from, request, Bytes::new(), READ_LIMIT).await;
        match asked.map(|answer| answer.reply) {
            Ok(Reply::Done(answer)) => Ok(answer),
            _ => Err(ModelError::Unavailable),
        }
    }

    /// Leaves time to others, unless a limit does.
    async fn rest(&self, since: MonoTime) {
        if !self.model.copy_rate.is_limited() {
            self.manner.pace.rest(self.model.env.clock.mono().saturating_sub(since)).await;
        }
    }

    /// Descends into arcs where they differ. It never waits for digests to become equal: each range is looked at
    /// once, and is smaller than the one it was cut from.
    async fn pull_table(&mut self, table: Digested, arcs: ArcSet) -> Result<(), ModelError> {
        let mut ranges: Vec<Range> = arcs.iter().map(|arc| (arc_start(arc), arc_end(arc))).collect();
        while !ranges.is_empty() {
            let begin = self.model.env.clock.mono();
            let together = ranges.split_off(ranges.len().saturating_sub(CUT_TOGETHER));
            let (large, mut small) = self.cut(table, together).await?;
            ranges.extend(large);
            small.sort_unstable();
            self.pull_listed(table, small).await?;
            self.rest(begin).await;
        }
        Ok(())
    }

    /// The parts of these ranges that differ: those to be cut again, and those to be listed.
    async fn cut(&self, table: Digested, ranges: Vec<Range>) -> Result<(Vec<Range>, Vec<Range>), ModelError> {
        let mine = self.digests_here(table, ranges.clone()).await?;
        let asked = ranges.iter().zip(mine).map(|(range, mine)| (told(range), mine.into()));
        let request = CutRanges { view: self.view, space: table.space().number(), ranges: asked.collect() };
        let cut: Vec<CutPieces> = self.ask(request).await?;
        if cut.len() != ranges.len() {
            return Err(ModelError::Damaged);
        }
        let (mut pieces, mut parts) = (Vec::new(), Vec::new());
        for ((from, to), CutPieces { pieces: cut }) in ranges.into_iter().zip(cut) {
            let is_whole = cut.len() == 1;
            let mut start = from;
            for (end, digest) in cut {
                let (digest, end) = (Digest::from(digest), end.to_vec());
                if end <= start || end > to {
                    return Err(ModelError::Damaged);
                }
                let part = (std::mem::replace(&mut start, end.clone()), end);
                if digest.rows > 0 || self.is_read(table) {
                    pieces.push((is_whole || digest.rows <= LIST_MAX_ROWS as u64, digest));
                    parts.push(part);
                }
            }
        }
        let mine = self.digests_here(table, parts.clone()).await?;
        let (mut large, mut small) = (Vec::new(), Vec::new());
        for (((is_small, digest), mine), part) in pieces.into_iter().zip(mine).zip(parts) {
            if digest != mine {
                if is_small { small.push(part) } else { large.push(part) }
            }
        }
        Ok((large, small))
    }

    /// Lists ranges, page by page, and fetches what differs.
    async fn pull_listed(&mut self, table: Digested, mut ranges: Vec<Range>) -> Result<(), ModelError> {
        while !ranges.is_empty() {
            let asked = ranges.iter().map(told).collect();
            let request = ListRanges { view: self.view, space: table.space().number(), ranges: asked };
            let RowList { rows, more } = self.ask(request).await?;
            let is_inside = |key: &[u8]| {
                let before = ranges.partition_point(|(from, _)| from.as_slice() <= key);
                before > 0 && key < ranges[before - 1].1.as_slice()
            };
            let are_inside = rows.iter().all(|(key, _)| is_inside(key));
            let last = rows.last().map(|(key, _)| [key.as_ref(), &[0]].concat()).filter(|_| more);
            if !are_inside || rows.len() > LIST_MAX_ROWS || (more && last.is_none()) {
                return Err(ModelError::Damaged);
            }
            let rest = last.map(|last| behind(&mut ranges, last)).unwrap_or_default();
            let answered = std::mem::replace(&mut ranges, rest);
            if self.is_read(table) {
                let differing = self.differing_both_ways(table, rows, answered).await?;
                let space = table.space();
                let refused = |row_key| Refused { space, row_key, why: Refusal::Decision };
                self.pulled.refused.extend(differing.into_iter().map(refused));
            } else {
                let wanted = self.differing(table, rows).await?;
                self.fetch(table, wanted).await?;
            }
        }
        Ok(())
    }

    async fn fetch(&mut self, table: Digested, mut wanted: Vec<Bytes>) -> Result<(), ModelError> {
        while !wanted.is_empty() {
            let mut room = self.model.copy_rate.room().await;
            let begin = self.model.env.clock.mono();
            let asking = Asking { view: self.view, birth: self.model.store.stamp().await? };
            let space = table.space().number();
            let request = FetchRows { view: asking.view, space, keys: wanted.clone() };
            let FetchedRows { rows, keys_done } = self.ask(request).await?;
            let done = usize::try_from(keys_done).unwrap_or(usize::MAX).min(wanted.len());
            if done == 0 || rows.len() > done {
                return Err(ModelError::Damaged);
            }
            room.took(rows.iter().map(FetchedRow::size_bytes).sum());
            drop(room);
            let asked: Vec<Bytes> = wanted.drain(..done).collect();
            let mut received = Vec::with_capacity(rows.len());
            for row in rows.into_iter().filter(|row| asked.contains(&row.key)) {
                match Received::check(table.space(), row) {
                    Some(row) => received.push(row),
                    None => tracing::warn!(
                        node = %self.from, table = table.space().name(),
                        "a row of another node does not pass its check and is not taken"
                    ),
                }
            }
            self.take(asking, received).await?;
            self.rest(begin).await;
        }
        Ok(())
    }

    /// Stores what came: one transaction, or as many as there are groups of blocks.
    async fn take(&mut self, asking: Asking, mut received: Vec<Received>) -> Result<(), ModelError> {
        while !received.is_empty() {
            let with_blocks = received.iter().any(|row| row.block().is_some());
            let size = if with_blocks { BLOCKS_TOGETHER.min(received.len()) } else { received.len() };
            let rest = received.split_off(size);
            let rows = std::mem::replace(&mut received, rest);
            let taking = self.manner.taking;
            let Taken { rows, bytes, blocks, refused } = self.model.take_rows((asking, taking), rows).await?;
            self.pulled.rows += rows;
            self.pulled.bytes += bytes;
            self.pulled.blocks += blocks;
            self.model.sync.add(rows, bytes, blocks);
            self.pulled.refused.extend(refused);
            if self.pulled.refused.len() > REFUSED_MAX {
                return Err(ModelError::Unavailable);
            }
        }
        Ok(())
    }

    async fn digests_here(&self, table: Digested, ranges: Vec<Range>) -> Result<Vec<Digest>, ModelError> {
        let digests = move |digests: &Digests<'_, Snapshot>| {
            ranges.iter().map(|(from, to)| digests.of_range(table, from, to)).collect()
        };
        self.look(digests).await
    }

    /// Whether the rows of a table are read where they differ, and not taken.
    fn is_read(&self, table: Digested) -> bool {
        self.manner.taking == Taking::Agreed && table.space() == Space::Object
    }

    /// The keys of ranges whose rows are not the same there and here, or are only on one side.
    async fn differing_both_ways(
        &self,
        table: Digested,
        theirs: Vec<(Bytes, Bytes)>,
        ranges: Vec<Range>,
    ) -> Result<Vec<Vec<u8>>, ModelError> {
        let compare = move |digests: &Digests<'_, Snapshot>| {
            let mut theirs: BTreeMap<Vec<u8>, Bytes> =
                theirs.into_iter().map(|(key, hash)| (key.to_vec(), hash)).collect();
            let mut differing = Vec::new();
            for (mut from, to) in ranges {
                loop {
                    let mine = digests.list(table, &from, &to, LIST_MAX_ROWS)?;
                    let next = mine.rows.last().map(|(key, _)| [key.as_slice(), &[0]].concat());
                    for (key, hash) in mine.rows {
                        if theirs.remove(&key).as_deref() != Some(&hash.to_le_bytes()) {
                            differing.push(key);
                        }
                    }
                    match next.filter(|_| mine.more) {
                        Some(next) => from = next,
                        None => break,
                    }
                }
            }
            differing.extend(theirs.into_keys());
            Ok(differing)
        };
        self.look(compare).await
    }

    /// The keys whose rows are not as they are here.
    async fn differing(&self, table: Digested, rows: Vec<(Bytes, Bytes)>) -> Result<Vec<Bytes>, ModelError> {
        let compare = move |digests: &Digests<'_, Snapshot>| {
            let mut wanted = Vec::new();
            for (key, hash) in rows {
                let here = digests.of_row(table, &key)?;
                if here.is_none_or(|here| here.to_le_bytes() != *hash) {
                    wanted.push(key);
                }
            }
            Ok(wanted)
        };
        self.look(compare).await
    }

    /// Reads the digests here.
    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Digests<'_, Snapshot>) -> Result<T, store::StoreError> + Send + 'static,
    ) -> Result<T, ModelError> {
        let key = self.model.digest_key().ok_or(ModelError::NoLayout)?;
        let read = self.model.store.view()?;
        let work = move || match Digests::open(&read, &key)? {
            Some(digests) => Ok(look(&digests)?),
            None => Err(ModelError::Unavailable),
        };
        self.model.env.tasks.blocking(work).await
    }
}

/// Cuts ranges, which are in order, at a key that lies in one of them: what lies at it and behind it comes back.
fn behind(ranges: &mut Vec<Range>, key: Vec<u8>) -> Vec<Range> {
    let first = ranges.partition_point(|(_, to)| *to <= key);
    let mut rest = ranges.split_off(first);
    if let Some((from, _)) = rest.first_mut().filter(|(from, _)| *from < key) {
        ranges.push((std::mem::replace(from, key.clone()), key));
    }
    rest
}
