//! The hooks of the replicated tables: what a changed row means for this node's other keyspaces.
//!
//! Hooks never remove a body (rule K4): they queue a release, and the body's own partition
//! decides. Everything here runs inside the transaction of the change.

use crate::graves::{enqueue_tombstone, partition_of};
use crate::reclaim::{self, Work};
use crate::rows::object::{InlineBody, Object, ObjectRow, Slot};
use crate::rows::past::{self, PastBody, PastRow};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadMark, UploadRow, UploadState};
use crate::rows::version::{self, VersionRow};
use crate::usage::{self, Usage};
use base::Stamp;
use block::BlockStore;
use store::{Read, Space, StoreError, Txn};
use table::digest::{Digested, canonical_form};
use table::sort_key::walk_prefix;
use table::{Change, Table};

/// The replicated tables, by number: those that nodes compare by digests.
pub const DIGESTED: [Digested; 6] = [
    Digested::of::<Objects>(),
    Digested::of::<Versions<'static>>(),
    Digested::of::<References<'static>>(),
    Digested::of::<Uploads>(),
    Digested::of::<Parts>(),
    Digested::of::<Pasts>(),
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
    pub pasts: Pasts,
    pub versions: Versions<'a>,
    pub references: References<'a>,
    pub uploads: Uploads,
    pub parts: Parts,
}

impl<'a> Tables<'a> {
    pub fn new(blocks: &'a BlockStore, upkeep: Upkeep) -> Self {
        Self {
            objects: Objects,
            pasts: Pasts,
            versions: Versions { references: References { blocks }, upkeep },
            references: References { blocks },
            uploads: Uploads,
            parts: Parts,
        }
    }
}

/// Table `object`.
pub(crate) struct Objects;
/// Table `past`.
pub(crate) struct Pasts;
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
        (row.order > Stamp::ZERO).then(|| match &row.lineage {
            None => canonical_form(&(row.order, row.stamp, &row.slot)),
            Some(lineage) => canonical_form(&(row.order, row.stamp, &row.slot, lineage)),
        })
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
        let before = usage::weigh(old) - shadowed(txn, key, change.old)?;
        let after = usage::weigh(new) - shadowed(txn, key, Some(change.new))?;
        usage::record_change(txn, partition_of(key), before, after)?;
        match payload {
            Some(bytes) => txn.put(Space::Inline, key.to_vec(), &bytes),
            None if old.is_some_and(is_inline) && !is_same_write => txn.delete(Space::Inline, key.to_vec()),
            None => {}
        }
        if let Some(old) = change.old
            && let Some(body) = old.live().and_then(|object| object.body.id())
            && !change.new.names(body)
        {
            reclaim::enqueue_beaten(txn, body, (old.order, old.version_id()));
        }
        if change.new.slot == Slot::Deleted {
            enqueue_tombstone(txn, Space::Object, key);
        }
        Ok(())
    }
}

impl Objects {
    /// An entry arrived that a newer one had beaten already: its body is let go like that of an entry
    /// that was beaten here.
    pub fn lost(&self, txn: &mut Txn<'_>, row: &ObjectRow) {
        if let Some(body) = row.live().and_then(|object| object.body.id()) {
            reclaim::enqueue_beaten(txn, body, (row.order, row.version_id()));
        }
    }
}

fn is_inline(object: &Object) -> bool {
    object.body.id().is_none()
}

/// What is counted for the past row of the version that is current: it says nothing.
fn shadowed(read: &impl Read, key: &[u8], row: Option<&ObjectRow>) -> Result<Usage, StoreError> {
    let Some(id) = row.filter(|row| row.lineage.is_some()).and_then(ObjectRow::current) else {
        return Ok(Usage::default());
    };
    let past: Option<PastRow> = read.get(Space::Past, &past::beside(key, id))?;
    Ok(usage::weigh_past(past.as_ref()))
}

impl Table for Pasts {
    const SPACE: Space = Space::Past;
    type Row = PastRow;
    type Payload = InlineBody;

    fn canonical(row: &PastRow) -> Option<Vec<u8>> {
        Some(canonical_form(row))
    }

    /// Runs after the row of the key itself was written, where the same transaction does that.
    fn hook(
        &self,
        txn: &mut Txn<'_>,
        key: &[u8],
        change: Change<'_, PastRow>,
        payload: Option<InlineBody>,
    ) -> Result<(), StoreError> {
        let (_, id) = past::parse_row_key(key).expect("the table's own key");
        let head_key = past::head_key(key).expect("the table's own key");
        let head: Option<ObjectRow> = txn.get(Space::Object, &head_key)?;
        if head.as_ref().and_then(ObjectRow::current) != Some(id) {
            let (before, after) = (usage::weigh_past(change.old), usage::weigh_past(Some(change.new)));
            usage::record_change(txn, partition_of(key), before, after)?;
        }
        let (old, new) = (change.old.and_then(|old| old.slot.live()), change.new.slot.live());
        match payload {
            Some(bytes) if new.is_some_and(is_inline) => txn.put(Space::Inline, key.to_vec(), &bytes),
            _ if !new.is_some_and(is_inline) && old.is_some_and(is_inline) => {
                txn.delete(Space::Inline, key.to_vec());
            }
            _ => {}
        }
        let body_of = |object: Option<&Object>| object.and_then(|object| object.body.id());
        if let Some(body) = body_of(old).filter(|body| body_of(new) != Some(*body)) {
            txn.delete(Space::PastBody, body.as_bytes().to_vec());
            reclaim::enqueue_beaten(txn, body, (change.new.by, id));
        }
        if let Some(body) = body_of(new) {
            txn.put(Space::PastBody, body.as_bytes().to_vec(), &PastBody(key.to_vec()));
        }
        if change.new.slot == Slot::Deleted {
            enqueue_tombstone(txn, Space::Past, key);
        }
        Ok(())
    }
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
    let mut held = false;
    walk_prefix(read, Space::BlockRef, &prefix, &mut |key, row: ReferenceRow| {
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
