//! A pass over an arc: everything that one other node holds there and this node does not.

use super::messages::{CutPieces, CutRange, FetchRows, FetchedRows, KeyRange, ListRange, RowList};
use super::received::Received;
use super::take::{Asking, BLOCKS_TOGETHER, Refusal, Refused, Taken};
use crate::replicas::{READ_LIMIT, Reply, Serve};
use crate::tables::DIGESTED;
use crate::{Model, ModelError};
use base::NodeId;
use bytes::Bytes;
use cluster::View;
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

/// A table in the order in which a pass takes them: what bodies consist of before what names them.
const ORDER: [Space; 6] =
    [Space::BlockRef, Space::Version, Space::Part, Space::Upload, Space::Object, Space::Past];

impl Model {
    /// One complete pass over one arc against one node, which keeps it. When it succeeds, everything that
    /// the node held there as the pass began is held here, or something newer, or is among the refused rows;
    /// what does not pass its check at the other node counts as not held.
    pub(crate) async fn pull_arc(
        self: &Arc<Self>,
        from: NodeId,
        arc: u16,
        manner: Manner,
    ) -> Result<Pulled, ModelError> {
        let view = self.peers.view();
        let mut pass = Pass { model: self, from, view, manner, pulled: Pulled::default() };
        for space in ORDER {
            for table in DIGESTED.into_iter().filter(|table| table.space() == space) {
                pass.pull_range(table, arc_start(arc), arc_end(arc)).await?;
            }
        }
        Ok(pass.pulled)
    }
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

    /// Descends into a range where it differs. It never waits for digests to become equal: each range is
    /// looked at once, and is smaller than the one it was cut from.
    async fn pull_range(&mut self, table: Digested, from: Vec<u8>, to: Vec<u8>) -> Result<(), ModelError> {
        let mut ranges = vec![(from, to)];
        while let Some((from, to)) = ranges.pop() {
            let begin = self.model.env.clock.mono();
            let mine = self.digest_here(table, &from, &to).await?;
            let range = KeyRange {
                space: table.space().number(),
                from: Bytes::copy_from_slice(&from),
                to: Bytes::copy_from_slice(&to),
            };
            let CutPieces { pieces } =
                self.ask(CutRange { view: self.view, range, mine: mine.into() }).await?;
            let is_whole = pieces.len() == 1;
            let mut start = from;
            for (end, digest) in pieces {
                let (digest, end) = (Digest::from(digest), end.to_vec());
                if end <= start || end > to {
                    return Err(ModelError::Damaged);
                }
                let piece = (std::mem::replace(&mut start, end.clone()), end);
                let has_nothing = digest.rows == 0 && !self.is_read(table);
                if has_nothing || digest == self.digest_here(table, &piece.0, &piece.1).await? {
                    continue;
                }
                if is_whole || digest.rows <= LIST_MAX_ROWS as u64 {
                    self.pull_listed(table, piece.0, piece.1).await?;
                } else {
                    ranges.push(piece);
                }
            }
            self.manner.pace.rest(self.model.env.clock.mono().saturating_sub(begin)).await;
        }
        Ok(())
    }

    /// Lists a range, page by page, and fetches what differs.
    async fn pull_listed(
        &mut self,
        table: Digested,
        mut from: Vec<u8>,
        to: Vec<u8>,
    ) -> Result<(), ModelError> {
        loop {
            let range = KeyRange {
                space: table.space().number(),
                from: from.clone().into(),
                to: Bytes::copy_from_slice(&to),
            };
            let RowList { rows, more } = self.ask(ListRange { view: self.view, range }).await?;
            let last = rows.last().map(|(key, _)| [key.as_ref(), &[0]].concat());
            let is_inside = rows.iter().all(|(key, _)| **key >= *from && **key < *to);
            if !is_inside || rows.len() > LIST_MAX_ROWS {
                return Err(ModelError::Damaged);
            }
            let last = last.filter(|_| more);
            if self.is_read(table) {
                let end = last.clone().unwrap_or_else(|| to.clone());
                let differing = self.differing_both_ways(table, rows, (from.clone(), end)).await?;
                let space = table.space();
                let refused = |row_key| Refused { space, row_key, why: Refusal::Decision };
                self.pulled.refused.extend(differing.into_iter().map(refused));
            } else {
                let wanted = self.differing(table, rows).await?;
                self.fetch(table, wanted).await?;
            }
            match last {
                Some(last) => from = last,
                None => return Ok(()),
            }
        }
    }

    async fn fetch(&mut self, table: Digested, mut wanted: Vec<Bytes>) -> Result<(), ModelError> {
        while !wanted.is_empty() {
            let begin = self.model.env.clock.mono();
            let asking = Asking { view: self.view, birth: self.model.store.stamp().await? };
            let space = table.space().number();
            let request = FetchRows { view: asking.view, space, keys: wanted.clone() };
            let FetchedRows { rows, keys_done } = self.ask(request).await?;
            let done = usize::try_from(keys_done).unwrap_or(usize::MAX).min(wanted.len());
            if done == 0 || rows.len() > done {
                return Err(ModelError::Damaged);
            }
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
            self.manner.pace.rest(self.model.env.clock.mono().saturating_sub(begin)).await;
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

    async fn digest_here(&self, table: Digested, from: &[u8], to: &[u8]) -> Result<Digest, ModelError> {
        let (from, to) = (from.to_vec(), to.to_vec());
        self.look(move |digests| digests.of_range(table, &from, &to)).await
    }

    /// Whether the rows of a table are read where they differ, and not taken.
    fn is_read(&self, table: Digested) -> bool {
        self.manner.taking == Taking::Agreed && table.space() == Space::Object
    }

    /// The keys of a range whose rows are not the same there and here, or are only on one side.
    async fn differing_both_ways(
        &self,
        table: Digested,
        theirs: Vec<(Bytes, Bytes)>,
        (from, to): (Vec<u8>, Vec<u8>),
    ) -> Result<Vec<Vec<u8>>, ModelError> {
        let compare = move |digests: &Digests<'_, Snapshot>| {
            let mut theirs: BTreeMap<Vec<u8>, Bytes> =
                theirs.into_iter().map(|(key, hash)| (key.to_vec(), hash)).collect();
            let (mut differing, mut from) = (Vec::new(), from);
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
