//! The hooks of the replicated tables: what a changed row means for this node's other keyspaces.
//!
//! Hooks never remove a body (rule K4): they queue a release, and the body's own partition
//! decides. Everything here runs inside the transaction of the change.

use crate::graves::{enqueue_tombstone, partition_of};
use crate::reclaim::{self, Work};
use crate::rows::object::{InlineBody, Object, ObjectRow};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadMark, UploadRow, UploadState};
use crate::rows::version::{self, VersionRow};
use crate::usage;
use base::Stamp;
use block::BlockStore;
use store::{Read, Space, StoreError, Txn};
use table::digest::{Digested, canonical_form};
use table::{Change, Table};

/// The replicated tables, by number: those that nodes compare by digests.
pub const DIGESTED: [Digested; 5] = [
    Digested::of::<Objects>(),
    Digested::of::<Versions<'static>>(),
    Digested::of::<References<'static>>(),
    Digested::of::<Uploads>(),
    Digested::of::<Parts>(),
];

/// Where what follows from a change is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Upkeep {
    /// Here, in the same transaction: this node is alone.
    Here,
    /// Wherever it belongs: queued, and told to the other nodes.
    Everywhere,
}

/// The tables of a node, with what their hooks need.
pub(crate) struct Tables<'a> {
    pub objects: Objects,
    pub versions: Versions<'a>,
    pub references: References<'a>,
    pub uploads: Uploads,
    pub parts: Parts,
}

impl<'a> Tables<'a> {
    pub fn new(blocks: &'a BlockStore, upkeep: Upkeep) -> Self {
        Self {
            objects: Objects,
            versions: Versions { references: References { blocks }, upkeep },
            references: References { blocks },
            uploads: Uploads,
            parts: Parts,
        }
    }
}

/// Table `object`.
pub(crate) struct Objects;
/// Table `version`.
pub(crate) struct Versions<'a> {
    references: References<'a>,
    upkeep: Upkeep,
}
/// Table `block_ref`.
pub(crate) struct References<'a> {
    blocks: &'a BlockStore,
}
/// Table `upload`.
pub(crate) struct Uploads;
/// Table `part`.
pub(crate) struct Parts;

impl Table for Objects {
    const SPACE: Space = Space::Object;
    type Row = ObjectRow;
    type Payload = InlineBody;

    /// Without this replica's promise and history; a mere promise is nothing to agree about.
    fn canonical(row: &ObjectRow) -> Option<Vec<u8>> {
        (row.order > Stamp::ZERO).then(|| canonical_form(&(row.order, row.stamp, &row.slot)))
    }

    fn hook(
        &self,
        txn: &mut Txn<'_>,
        key: &[u8],
        change: Change<'_, ObjectRow>,
        payload: Option<InlineBody>,
    ) -> Result<(), StoreError> {
        let place = |row: &ObjectRow| (row.order, row.stamp);
        if change.old.map_or((Stamp::ZERO, Stamp::ZERO), place) == place(change.new) {
            // A promise, and nothing else. Where there was no row, it is what is left if nothing comes of it.
            if change.old.is_none() {
                enqueue_tombstone(txn, Space::Object, key);
            }
            return Ok(());
        }
        let is_same_write = change.old.is_some_and(|old| old.stamp == change.new.stamp);
        let old = change.old.and_then(ObjectRow::live);
        let new = change.new.live();
        usage::record_change(txn, partition_of(key), usage::weigh(old), usage::weigh(new))?;
        match payload {
            Some(bytes) => txn.put(Space::Inline, key.to_vec(), &bytes),
            None if old.is_some_and(is_inline) && !is_same_write => txn.delete(Space::Inline, key.to_vec()),
            None => {}
        }
        if let Some(body) = old.and_then(|object| object.body.id())
            && new.and_then(|object| object.body.id()) != Some(body)
        {
            reclaim::enqueue_beaten(txn, body, change.old.map_or(Stamp::ZERO, |old| old.order));
        }
        if new.is_none() {
            enqueue_tombstone(txn, Space::Object, key);
        }
        Ok(())
    }
}

impl Objects {
    /// An entry arrived that a newer one had beaten already: its body is let go like that of an entry
    /// that was beaten here.
    pub fn lost(&self, txn: &mut Txn<'_>, object: &Object, order: Stamp) {
        if let Some(body) = object.body.id() {
            reclaim::enqueue_beaten(txn, body, order);
        }
    }
}

fn is_inline(object: &Object) -> bool {
    object.body.id().is_none()
}

impl Table for Versions<'_> {
    const SPACE: Space = Space::Version;
    type Row = VersionRow;
    type Payload = ();

    fn canonical(row: &VersionRow) -> Option<Vec<u8>> {
        Some(canonical_form(row))
    }

    fn hook(
        &self,
        txn: &mut Txn<'_>,
        key: &[u8],
        change: Change<'_, VersionRow>,
        _payload: Option<()>,
    ) -> Result<(), StoreError> {
        if !change.new.dead || change.old.is_some_and(|old| old.dead) {
            return Ok(());
        }
        enqueue_tombstone(txn, Space::Version, key);
        let (body, number) = version::parse_row_key(key).expect("the table's own key");
        if self.upkeep == Upkeep::Everywhere {
            reclaim::enqueue(txn, Work::DropReferences(body, number));
            return Ok(());
        }
        for target in change.new.contents.targets() {
            let row = ReferenceRow { removed: true };
            table::apply(
                &self.references,
                txn,
                reference::row_key(target, Referrer::Body(body)),
                &row,
                None,
            )?;
        }
        Ok(())
    }
}

impl Table for References<'_> {
    const SPACE: Space = Space::BlockRef;
    type Row = ReferenceRow;
    type Payload = ();

    fn canonical(row: &ReferenceRow) -> Option<Vec<u8>> {
        Some(canonical_form(row))
    }

    fn hook(
        &self,
        txn: &mut Txn<'_>,
        key: &[u8],
        change: Change<'_, ReferenceRow>,
        _payload: Option<()>,
    ) -> Result<(), StoreError> {
        let held = |row: &ReferenceRow| !row.removed;
        let was_held = change.old.is_some_and(held);
        let is_held = held(change.new);
        if !is_held {
            enqueue_tombstone(txn, Space::BlockRef, key);
        }
        match (reference::target_of(key).expect("the table's own key"), was_held, is_held) {
            (Target::Block(hash), false, true) => self.blocks.add_reference(txn, &hash),
            (Target::Block(hash), true, false) => self.blocks.drop_reference(txn, &hash),
            (Target::Body(body), true, false) if !is_held_by_another(txn, key)? => {
                reclaim::enqueue(txn, Work::ReleaseBody(body));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether any reference to the same target, other than the one under `key`, is held.
fn is_held_by_another(txn: &Txn<'_>, key: &[u8]) -> Result<bool, StoreError> {
    let target = reference::target_of(key).expect("the table's own key");
    is_held(txn, target, Some(key))
}

/// Whether `target` is held by anyone but the reference under `except`.
pub(crate) fn is_held(read: &impl Read, target: Target, except: Option<&[u8]>) -> Result<bool, StoreError> {
    let prefix = reference::target_prefix(target);
    let end = table::sort_key::after_prefix(&prefix);
    let mut held = false;
    read.walk(Space::BlockRef, &prefix, end.as_deref(), &mut |key, row: ReferenceRow| {
        if row.removed || Some(key) == except {
            return store::Step::Next;
        }
        held = true;
        store::Step::Stop
    })?;
    Ok(held)
}

impl Table for Uploads {
    const SPACE: Space = Space::Upload;
    type Row = UploadRow;
    type Payload = ();

    fn canonical(row: &UploadRow) -> Option<Vec<u8>> {
        Some(canonical_form(row))
    }

    fn hook(
        &self,
        txn: &mut Txn<'_>,
        key: &[u8],
        change: Change<'_, UploadRow>,
        _payload: Option<()>,
    ) -> Result<(), StoreError> {
        let upload = base::Id::from_bytes(key.try_into().expect("the table's own key"));
        let partition = upload::partition_of(&upload);
        let index = upload::index_key(partition, &change.new.key, &upload);
        let open = |row: &UploadRow| row.state == UploadState::Open;
        usage::record_uploads(txn, partition, change.old.is_some_and(open), open(change.new))?;
        if open(change.new) {
            txn.put(Space::UploadIndex, index, &UploadMark { initiated: change.new.initiated });
        } else {
            txn.delete(Space::UploadIndex, index);
            if change.old.is_none_or(open) {
                reclaim::enqueue(txn, Work::CloseUpload(upload));
            }
        }
        Ok(())
    }
}

impl Table for Parts {
    const SPACE: Space = Space::Part;
    type Row = PartRow;
    type Payload = ();

    fn canonical(row: &PartRow) -> Option<Vec<u8>> {
        Some(canonical_form(row))
    }

    fn hook(
        &self,
        _txn: &mut Txn<'_>,
        _key: &[u8],
        _change: Change<'_, PartRow>,
        _payload: Option<()>,
    ) -> Result<(), StoreError> {
        // A losing part is released only when its upload closes (rule C4): a completion that runs
        // at the same time may have read it.
        Ok(())
    }
}
