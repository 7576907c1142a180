//! Storing rows that another node sent, by the rules that their writes follow.

use super::pass::Taking;
use super::received::{Received, Row};
use crate::replicas::{Closed, closed};
use crate::rows::object::{Beside, InlineBody, ObjectRow};
use crate::tables::{Tables, Upkeep};
use crate::{Model, ModelError};
use crate::{batch, graves, versions};
use base::{BlockHash, Stamp};
use block::{BlockLock, HashedBlock};
use cluster::View;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Intent, Read, Record, Space, StoreError, Txn};
use table::{Applied, Table};

/// Blocks that are fetched side by side, and so committed together with the rows that hold them.
pub(crate) const BLOCKS_TOGETHER: usize = 4;

/// Under what rows were asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    /// The layout.
    pub view: View,
    /// This node's clock before the question.
    pub birth: Stamp,
}

/// What came of some rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Rows that changed here.
    pub rows: u64,
    /// Bytes of all that came, blocks too.
    pub bytes: u64,
    /// Blocks that were fetched.
    pub blocks: u64,
    /// Rows that could not be taken as they are.
    pub refused: Vec<Refused>,
}

/// A row that is newer elsewhere and was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// Its table.
    pub space: Space,
    /// Its key.
    pub row_key: Vec<u8>,
    /// Why.
    pub why: Refusal,
}

/// What stood in the way of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A promise, or the floor of a replica that joined: reading the key decides.
    Decision,
    /// The row here is damaged.
    Damaged,
}

impl Model {
    /// Stores rows of one page in one transaction, their blocks first.
    pub(super) async fn take_rows(
        self: &Arc<Self>,
        (asking, taking): (Asking, Taking),
        rows: Vec<Received>,
    ) -> Result<Taken, ModelError> {
        let mut taken = Taken { bytes: rows.iter().map(|row| row.bytes).sum(), ..Taken::default() };
        let newest = rows.iter().map(Received::stamp).max().unwrap_or(Stamp::ZERO);
        self.store.observe(newest).await?;
        let (lock, fetched) = self.hold_wanted_blocks(&rows).await?;
        for bytes in fetched {
            taken.blocks += 1;
            taken.bytes += bytes;
        }
        let intent = if rows.iter().all(Received::frees) { Intent::Free } else { Intent::Grow };
        let (blocks, peers) = (self.blocks.clone(), Arc::clone(&self.peers));
        let store = move |txn: &mut Txn<'_>| {
            // V4: what was told under another layout is not taken.
            if asking.view != peers.view() {
                return Err(ModelError::Unavailable);
            }
            let tables = Tables::new(&blocks, Upkeep::Everywhere);
            for row in rows {
                // T4: this replica may have forgotten meanwhile what the other one still told.
                if asking.birth <= graves::fence_of(txn, row.space(), &row.key)?.birth() {
                    return Err(ModelError::Unavailable);
                }
                store_row((&tables, asking.birth, taking), txn, row, &mut taken)?;
            }
            drop(lock);
            Ok(taken)
        };
        self.store.commit(intent, store).await
    }

    /// Locks the blocks that these rows call for and that nothing here holds yet, with a good file of each
    /// that could be had (rule K7); how many bytes of each were fetched.
    async fn hold_wanted_blocks(
        self: &Arc<Self>,
        rows: &[Received],
    ) -> Result<(Option<BlockLock>, Vec<u64>), ModelError> {
        let view = self.store.view()?;
        let is_new = |row: &&Received| matches!(view.get_bytes(Space::BlockRef, &row.key), Ok(None));
        let wanted = rows.iter().filter(|row| row.block().is_some()).filter(is_new);
        let wanted: Vec<BlockHash> = wanted.filter_map(Received::block).collect();
        // What is fetched may wait for long, and a snapshot holds up the engine.
        drop(view);
        if wanted.is_empty() {
            return Ok((None, Vec::new()));
        }
        // Fetched without a lock: clients that store the same block do not wait for a link.
        let fetched = futures_util::future::join_all(wanted.iter().map(|hash| self.fetch_if_absent(*hash)));
        let fetched: BTreeMap<BlockHash, Option<HashedBlock>> =
            wanted.iter().copied().zip(fetched.await.into_iter().collect::<Result<Vec<_>, _>>()?).collect();
        let lock = self.blocks.lock(fetched.keys().copied()).await;
        let mut sizes = Vec::new();
        for (hash, block) in &fetched {
            match block {
                Some(block) => {
                    self.blocks.put(&lock, block).await?;
                    sizes.push(block.content().len() as u64);
                }
                // It is here, or nobody can give it now: then its count has it looked for.
                None => _ = self.blocks.verify(&lock, hash).await?,
            }
        }
        Ok((Some(lock), sizes))
    }

    async fn fetch_if_absent(self: &Arc<Self>, hash: BlockHash) -> Result<Option<HashedBlock>, ModelError> {
        let lock = self.blocks.lock([hash]).await;
        let is_here = self.blocks.verify(&lock, &hash).await?;
        drop(lock);
        if is_here {
            return Ok(None);
        }
        Ok(self.copy_elsewhere(hash).await.found())
    }
}

fn store_row(
    (tables, birth, taking): (&Tables<'_>, Stamp, Taking),
    txn: &mut Txn<'_>,
    received: Received,
    taken: &mut Taken,
) -> Result<(), StoreError> {
    let Received { key, row, .. } = received;
    let applied = match row {
        Row::Object(row, beside) => {
            return store_object((tables, birth, taking), txn, (key, *row, beside), taken);
        }
        Row::Past(..) if closed(txn, graves::partition_of(&key))? == Some(Closed::Gone) => return Ok(()),
        Row::Past(row, inline) => {
            let row = versions::as_kept(txn, &key, *row)?;
            merge(&tables.pasts, txn, key, (&row, inline.map(|bytes| InlineBody(bytes.to_vec()))))?
        }
        Row::Version(row) => merge(&tables.versions, txn, key, (&row, None))?,
        Row::Reference(row, _) => merge(&tables.references, txn, key, (&row, None))?,
        Row::Upload(row) => merge(&tables.uploads, txn, key, (&*row, None))?,
        Row::Part(row) => merge(&tables.parts, txn, key, (&row, None))?,
    };
    match applied {
        Ok(Applied::Changed) => taken.rows += 1,
        Ok(Applied::Unchanged) => {}
        Err(refused) => taken.refused.push(refused),
    }
    Ok(())
}

/// Stores rows that merge, whatever they join.
pub(crate) fn join_rows(
    tables: &Tables<'_>,
    txn: &mut Txn<'_>,
    rows: Vec<Received>,
) -> Result<(), StoreError> {
    let mut taken = Taken::default();
    for row in rows {
        store_row((tables, Stamp::ZERO, Taking::ByTheRules), txn, row, &mut taken)?;
    }
    Ok(())
}

/// Merges a row, unless the one here is damaged.
fn merge<T: Table>(
    table: &T,
    txn: &mut Txn<'_>,
    key: Vec<u8>,
    (row, payload): (&T::Row, Option<T::Payload>),
) -> Result<Result<Applied, Refused>, StoreError> {
    match held::<T::Row>(txn, T::SPACE, &key)? {
        Held::Damaged => Ok(Err(Refused { space: T::SPACE, row_key: key, why: Refusal::Damaged })),
        Held::Row(_) => table::apply(table, txn, key, row, payload).map(Ok),
    }
}

/// G10: an object's row goes through the register, under its own order and id; L5: whatever the floor, where
/// it is copied on the way into the replica set.
fn store_object(
    (tables, birth, taking): (&Tables<'_>, Stamp, Taking),
    txn: &mut Txn<'_>,
    (row_key, row, beside): (Vec<u8>, ObjectRow, Beside),
    taken: &mut Taken,
) -> Result<(), StoreError> {
    let order = row.order;
    let space = Space::Object;
    let Held::Row(before) = held::<ObjectRow>(txn, space, &row_key)? else {
        taken.refused.push(Refused { space, row_key, why: Refusal::Damaged });
        return Ok(());
    };
    let order_of = |row: Option<ObjectRow>| row.map_or(Stamp::ZERO, |row| row.order);
    let before = order_of(before);
    if before >= order {
        // What is held is as new: its entry was beaten, or is the same.
        return Ok(());
    }
    let is_ordinary = taking == Taking::ByTheRules && row.current().is_some();
    match closed(txn, graves::partition_of(&row_key))? {
        // Its bucket is about to be deleted, and may be listed already: it is taken when that has failed.
        Some(Closed::Sealed) if is_ordinary => return Ok(()),
        // What another replica has not dropped yet.
        Some(Closed::Gone) => return Ok(()),
        _ => {}
    }
    let Some(version) = row.version() else { return Ok(()) };
    match taking {
        Taking::Newest => batch::copy_object(tables, txn, &row_key, version, beside)?,
        Taking::ByTheRules | Taking::Agreed => {
            batch::store_object(tables, txn, (&row_key, birth), version, beside)?
        }
    };
    if order_of(txn.get(space, &row_key)?) == order {
        taken.rows += 1;
    } else {
        taken.refused.push(Refused { space, row_key, why: Refusal::Decision });
    }
    Ok(())
}

enum Held<R> {
    Row(Option<R>),
    Damaged,
}

fn held<R: Record>(read: &impl Read, space: Space, key: &[u8]) -> Result<Held<R>, StoreError> {
    match read.get(space, key) {
        Ok(row) => Ok(Held::Row(row)),
        Err(StoreError::Unreadable { .. }) => Ok(Held::Damaged),
        Err(error) => Err(error),
    }
}
