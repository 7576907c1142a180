//! A row that another node sent, after its checks.
//!
//! What comes over a link is not believed: the record's own checksum, the form of its key, and the hash of
//! the bytes beside it are looked at before anything of it reaches a hook.

use super::messages::FetchedRow;
use crate::batch;
use crate::rows::object::{self, Beside, ObjectRow, Slot};
use crate::rows::past::{self, PastRow};
use crate::rows::reference::{self, ReferenceRow, Target};
use crate::rows::upload::{self, PartRow, UploadRow, UploadState};
use crate::rows::version::{self, VersionRow};
use base::{BlockHash, PartitionHash, Stamp};
use bytes::Bytes;
use store::{Record, Space};

/// A row that passed.
pub(crate) struct Received {
    pub key: Vec<u8>,
    pub row: Row,
    /// What it took on its way.
    pub bytes: u64,
}

/// By its table.
pub(crate) enum Row {
    Object(Box<ObjectRow>, Beside),
    Past(Box<PastRow>, Option<Bytes>),
    Version(VersionRow),
    Reference(ReferenceRow, Target),
    Upload(Box<UploadRow>),
    Part(PartRow),
}

/// Length of a reference's key: target, kind, referrer.
const REFERENCE_KEY_BYTES: usize = 65;
/// Length of a part's key: upload, number, body.
const PART_KEY_BYTES: usize = 66;

impl Received {
    /// Checks a row; `None`: it does not pass, and counts as not there.
    pub fn check(space: Space, fetched: FetchedRow) -> Option<Self> {
        let FetchedRow { key, record, beside } = fetched;
        let bytes = key.len() + record.len() + beside.len();
        let row = match space {
            Space::Object => {
                let row: ObjectRow = decode(space, &key, &record)?;
                let is_object = row.order > Stamp::ZERO && is_object_key(&key);
                (beside.fits(&row) && is_object)
                    .then(|| Row::Object(Box::new(ObjectRow { register: None, ..row }), beside))?
            }
            Space::Past => {
                past::parse_row_key(&key)?;
                let row: PastRow = decode(space, &key, &record)?;
                batch::fits(&row.slot, beside.own.as_ref()).then(|| Row::Past(Box::new(row), beside.own))?
            }
            Space::Version => {
                version::parse_row_key(&key)?;
                Row::Version(decode(space, &key, &record)?)
            }
            Space::BlockRef => {
                let target = reference::target_of(&key).filter(|_| key.len() == REFERENCE_KEY_BYTES)?;
                Row::Reference(decode(space, &key, &record)?, target)
            }
            Space::Upload => {
                let _: [u8; 32] = key.as_ref().try_into().ok()?;
                Row::Upload(Box::new(decode(space, &key, &record)?))
            }
            Space::Part => {
                upload::part_number_of(&key).filter(|_| key.len() == PART_KEY_BYTES)?;
                Row::Part(decode(space, &key, &record)?)
            }
            _ => return None,
        };
        Some(Self { key: key.to_vec(), row, bytes: bytes as u64 })
    }

    /// Its table.
    pub fn space(&self) -> Space {
        match &self.row {
            Row::Object(..) => Space::Object,
            Row::Past(..) => Space::Past,
            Row::Version(_) => Space::Version,
            Row::Reference(..) => Space::BlockRef,
            Row::Upload(_) => Space::Upload,
            Row::Part(_) => Space::Part,
        }
    }

    /// Whether it only says that something has ended, so that it may use the last room.
    pub fn frees(&self) -> bool {
        match &self.row {
            Row::Object(row, _) => row.slot == Slot::Deleted,
            Row::Past(row, _) => row.slot == Slot::Deleted,
            Row::Version(row) => row.dead,
            Row::Reference(row, _) => row.removed,
            Row::Upload(row) => row.state != UploadState::Open,
            Row::Part(_) => false,
        }
    }

    /// The latest stamp in it: this node's clock goes above it before it is stored.
    pub fn stamp(&self) -> Stamp {
        match &self.row {
            Row::Object(row, _) => row.order.max(row.stamp),
            Row::Past(row, _) => row.by,
            Row::Part(row) => row.stamp,
            Row::Upload(row) => row.initiated,
            Row::Version(_) | Row::Reference(..) => Stamp::ZERO,
        }
    }

    /// The block that it calls for, if it does.
    pub fn block(&self) -> Option<BlockHash> {
        match &self.row {
            Row::Reference(ReferenceRow { removed: false }, Target::Block(hash)) => Some(*hash),
            _ => None,
        }
    }
}

/// The latest stamp in a stored row; none in one that is damaged, or has none.
pub(crate) fn stamp_of(space: Space, key: &[u8], record: &[u8]) -> Option<Stamp> {
    match space {
        Space::Object => decode::<ObjectRow>(space, key, record).map(|row| row.order.max(row.stamp)),
        Space::Past => decode::<PastRow>(space, key, record).map(|row| row.by),
        Space::Part => decode::<PartRow>(space, key, record).map(|row| row.stamp),
        Space::Upload => decode::<UploadRow>(space, key, record).map(|row| row.initiated),
        _ => None,
    }
}

fn decode<R: Record>(space: Space, key: &[u8], record: &[u8]) -> Option<R> {
    store::decode(space, key, record).ok()
}

/// Whether a key is that of an object's null slot, written as this node would write it.
fn is_object_key(key: &[u8]) -> bool {
    let Some((partition, _)) = key.split_first_chunk::<{ PartitionHash::LEN }>() else { return false };
    let name = object::key_of(key);
    name.is_some_and(|name| object::row_key(PartitionHash::from_bytes(*partition), &name) == key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::reference::Referrer;
    use base::Id;
    use base::id::kind;

    const BUCKET: Id<kind::Bucket> = Id::from_bytes([5; 32]);

    fn fetched<R: Record>(space: Space, key: Vec<u8>, row: &R) -> FetchedRow {
        let record = store::encode(space, &key, row);
        FetchedRow { key: key.into(), record, beside: Beside::default() }
    }

    fn deleted(key: Vec<u8>) -> FetchedRow {
        let row = ObjectRow::new(Stamp { time: 1, node: 2 }, Slot::Deleted);
        fetched(Space::Object, key, &row)
    }

    fn passes(space: Space, row: &FetchedRow) -> bool {
        Received::check(space, row.clone()).is_some()
    }

    #[test]
    fn what_is_damaged_or_of_a_wrong_form_does_not_pass() {
        let key = object::row_key(PartitionHash::of_shard(&BUCKET, 0), "a");
        let row = deleted(key.clone());
        assert!(passes(Space::Object, &row));
        for at in 0..row.record.len() {
            let mut record = row.record.to_vec();
            record[at] ^= 1;
            assert!(
                !passes(Space::Object, &FetchedRow { record: record.into(), ..row.clone() }),
                "byte {at}"
            );
        }
        let with_bytes = FetchedRow { beside: Some(Bytes::from_static(b"x")).into(), ..row.clone() };
        assert!(!passes(Space::Object, &with_bytes), "bytes that the row does not name");
        for wrong in [Space::Version, Space::BlockRef, Space::Upload, Space::Part, Space::Meta] {
            assert!(!passes(wrong, &row), "{wrong:?}");
        }
        let longer = [key.as_slice(), &[1]].concat();
        for wrong in [longer, key[..16].to_vec(), Vec::new(), vec![0xff; 20]] {
            assert!(!passes(Space::Object, &deleted(wrong.clone())), "{wrong:x?}");
        }
        let promise = ObjectRow { order: Stamp::ZERO, ..ObjectRow::new(Stamp::ZERO, Slot::Deleted) };
        assert!(!passes(Space::Object, &fetched(Space::Object, key, &promise)), "a promise is local");
    }

    #[test]
    fn only_a_held_reference_calls_for_its_block() {
        let hash = BlockHash::of(b"content");
        let key = reference::row_key(Target::Block(hash), Referrer::Body(Id::from_bytes([1; 32])));
        let check = |key: Vec<u8>, removed| {
            Received::check(Space::BlockRef, fetched(Space::BlockRef, key, &ReferenceRow { removed }))
        };
        assert_eq!(check(key.clone(), false).unwrap().block(), Some(hash));
        let removed = check(key.clone(), true).unwrap();
        assert_eq!((removed.block(), removed.frees()), (None, true));
        assert!(check(key[..64].to_vec(), false).is_none());
        assert!(check([key.as_slice(), &[0]].concat(), false).is_none());
    }
}
