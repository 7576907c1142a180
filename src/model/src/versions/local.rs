//! Changes of keys with versions on a node that is alone: the same decisions, each in one transaction.

use super::{aside, bytes_beside, gone, lineage_above, lineage_beside, past_here, predecessors};
use crate::objects::Want;
use crate::replicas::{Change, Removal};
use crate::rows::bucket::Versioning;
use crate::rows::object::{Aside, Beside, Lineage, ObjectRow, Slot};
use crate::rows::past::{self, PastRow, VersionId};
use crate::tables::{Tables, Upkeep};
use crate::{Bypass, ModelError, batch, lock};
use base::WallTime;
use block::BlockStore;
use bytes::Bytes;
use store::{Read, Space, Step, Txn};

/// A row of a key that is about to be written.
struct Next {
    slot: Slot,
    lineage: Lineage,
    own: Option<Bytes>,
}

/// Makes a change; the row comes back, unless there was nothing to change.
pub(crate) fn change_here(
    txn: &mut Txn<'_>,
    (blocks, now): (&BlockStore, WallTime),
    head_key: &[u8],
    change: Change,
) -> Result<Option<ObjectRow>, ModelError> {
    let current: Option<ObjectRow> = txn.get(Space::Object, head_key)?;
    let stamp = txn.stamp();
    let next = match change {
        Change::Add(mut add) => {
            add.condition.check(current.as_ref())?;
            if let Some(replaced) = replaced_by(txn, head_key, (current.as_ref(), add.mode))? {
                lock::check_removal(&replaced, now, Bypass::Nothing)?;
            }
            lock::retain_by_default(&mut add.slot, add.retention, stamp);
            let lineage = lineage_above(add.mode, stamp, current.as_ref());
            Some(Next { slot: add.slot, lineage, own: add.inline })
        }
        // A node that is alone has nobody to agree with.
        Change::Bury => None,
        Change::Delete(removal) => delete(txn, head_key, current.as_ref(), (removal, now))?,
        Change::Edit(id, edit) => {
            let is_current = |row: &ObjectRow| id.is_none_or(|id| row.current() == Some(id));
            match current.as_ref().filter(|row| is_current(row)) {
                Some(row) => {
                    let slot = edit(&row.slot, (row.made(), now))?;
                    let own = bytes_beside(txn, head_key, &row.slot)?;
                    Some(Next { slot, lineage: lineage_beside(Some(row), None), own })
                }
                None => edit_past(
                    txn,
                    head_key,
                    current.as_ref(),
                    (id, |row: &PastRow| edit(&row.slot, (row.made, now))),
                )?,
            }
        }
    };
    let Some(Next { slot, lineage, own }) = next else { return Ok(None) };
    let aside = match &lineage.aside {
        Some(aside) => bytes_of(txn, head_key, (current.as_ref(), aside))?,
        None => None,
    };
    let before = predecessors(current.as_ref());
    let row = ObjectRow { lineage: Some(Box::new(lineage)), before, ..ObjectRow::new(stamp, slot) };
    let tables = Tables::new(blocks, Upkeep::Here);
    batch::put_row(&tables, txn, head_key, (current.as_ref(), &row), Beside { own, aside })?;
    Ok(Some(row))
}

fn delete(
    txn: &Txn<'_>,
    head_key: &[u8],
    current: Option<&ObjectRow>,
    (Removal { id, bypass, condition }, now): (Removal, WallTime),
) -> Result<Option<Next>, ModelError> {
    if let Some(row) = current.filter(|row| row.current() == Some(id)) {
        condition.check_deletion(current, Some(&row.slot))?;
        lock::check_removal(&row.slot, now, bypass)?;
        let Some((next, past)) = newest_past(txn, head_key, id)? else {
            let lineage = lineage_beside(Some(row), Some(gone(id)));
            return Ok(Some(Next { slot: Slot::Deleted, lineage, own: None }));
        };
        let is_named = next != VersionId::Null;
        let lineage = Lineage { made: past.made, is_named, ..lineage_beside(Some(row), Some(gone(id))) };
        let own =
            past_here(txn, &past::beside(head_key, next), Want::Content)?.and_then(|(_, inline)| inline);
        return Ok(Some(Next { slot: past.slot, lineage, own }));
    }
    let held: Option<PastRow> = txn.get(Space::Past, &past::beside(head_key, id))?;
    let held = held.filter(|row| row.slot != Slot::Deleted);
    condition.check_deletion(current, held.as_ref().map(|row| &row.slot))?;
    let Some(held) = held else { return Ok(None) };
    lock::check_removal(&held.slot, now, bypass)?;
    let slot = current.map_or(Slot::Deleted, |row| row.slot.clone());
    let own = current.map_or(Ok(None), |row| bytes_beside(txn, head_key, &row.slot))?;
    Ok(Some(Next { slot, lineage: lineage_beside(current, Some(gone(id))), own }))
}

/// The null version that a write takes the place of, where it makes another one.
fn replaced_by(
    txn: &Txn<'_>,
    head_key: &[u8],
    (current, mode): (Option<&ObjectRow>, Versioning),
) -> Result<Option<Slot>, ModelError> {
    match current.and_then(ObjectRow::current) {
        _ if mode == Versioning::Enabled => Ok(None),
        Some(VersionId::Null) => Ok(current.map(|row| row.slot.clone())),
        _ => {
            let held: Option<PastRow> = txn.get(Space::Past, &past::beside(head_key, VersionId::Null))?;
            Ok(held.map(|row| row.slot))
        }
    }
}

fn edit_past(
    txn: &Txn<'_>,
    head_key: &[u8],
    current: Option<&ObjectRow>,
    (id, edit): (Option<VersionId>, impl Fn(&PastRow) -> Result<Slot, ModelError>),
) -> Result<Option<Next>, ModelError> {
    let Some(id) = id else { return Err(ModelError::NoSuchKey) };
    let row: Option<PastRow> = txn.get(Space::Past, &past::beside(head_key, id))?;
    let row = row.filter(|row| row.slot != Slot::Deleted).ok_or(ModelError::NoSuchVersion)?;
    let aside = aside(id, row.made, edit(&row)?);
    let slot = current.map_or(Slot::Deleted, |row| row.slot.clone());
    let own = current.map_or(Ok(None), |row| bytes_beside(txn, head_key, &row.slot))?;
    Ok(Some(Next { slot, lineage: lineage_beside(current, Some(aside)), own }))
}

/// The newest past version that is there, but for one.
fn newest_past(
    txn: &Txn<'_>,
    head_key: &[u8],
    except: VersionId,
) -> Result<Option<(VersionId, PastRow)>, ModelError> {
    let (from, to) = past::range_beside(head_key);
    let mut newest: Option<(VersionId, PastRow)> = None;
    txn.walk(Space::Past, &from, Some(&to), &mut |row_key, row: PastRow| {
        let Some((_, id)) = past::parse_row_key(row_key) else { return Step::Next };
        if id == except || row.slot == Slot::Deleted {
            return Step::Next;
        }
        let is_newer = newest.as_ref().is_none_or(|(_, known)| row.made > known.made);
        if is_newer {
            newest = Some((id, row));
        }
        // Named versions come the newest first.
        if id == VersionId::Null { Step::Next } else { Step::Stop }
    })?;
    Ok(newest)
}

/// The bytes of what is put aside: those of the row of the key, or of the past row that is edited.
fn bytes_of(
    txn: &Txn<'_>,
    head_key: &[u8],
    (current, aside): (Option<&ObjectRow>, &Aside),
) -> Result<Option<Bytes>, ModelError> {
    let is_current = current.is_some_and(|row| row.current() == Some(aside.id));
    let row_key = if is_current { head_key.to_vec() } else { past::beside(head_key, aside.id) };
    bytes_beside(txn, &row_key, &aside.slot)
}
