//! `NodeBatch`: everything one request writes on one node, in one message and one transaction.
//!
//! `table` and `block` do not know each other; this is where they meet. The stamp of a batch is
//! given when it commits (on one replica inside the transaction, so that the order of stamps is
//! the order of commits), never when its upload began.

use crate::rows::object::{self, InlineBody, ObjectRow, Slot};
use crate::rows::reference::{self, ReferenceRow, Referrer, Target};
use crate::rows::upload::{self, PartRow, UploadRow};
use crate::rows::version::{self, PendingBody, VersionRow};
use crate::tables::Tables;
use base::id::kind;
use base::{Id, PartNumber, PartitionHash, Stamp};
use block::BlockStore;
use bytes::Bytes;
use store::{Space, StoreError, Txn};
use table::Applied;

/// One write of a batch. The fields are named after the types they hold.
#[allow(missing_docs)]
#[derive(Debug, Clone)]
pub enum Write {
    /// The null slot of a key, with its inline bytes.
    Object { partition: PartitionHash, key: String, slot: Slot, inline: Option<Bytes> },
    /// A row of a body.
    Version { body: Id<kind::Body>, number: u32, row: VersionRow },
    /// Holds a target.
    Hold { target: Target, referrer: Referrer },
    /// Lets a target go.
    Release { target: Target, referrer: Referrer },
    /// An upload.
    Upload { id: Id<kind::Upload>, row: UploadRow },
    /// A part; its stamp is the batch's.
    Part { upload: Id<kind::Upload>, number: PartNumber, row: PartRow },
    /// A body whose entry is yet to come.
    Pending { body: Id<kind::Body>, mark: PendingBody },
    /// The body's entry is in this batch, or the body was given up.
    Settled { body: Id<kind::Body> },
}

/// What one request writes on one node.
#[derive(Debug, Clone, Default)]
pub struct NodeBatch {
    /// In order.
    pub writes: Vec<Write>,
}

impl NodeBatch {
    /// A batch of these writes.
    pub fn new(writes: Vec<Write>) -> Self {
        Self { writes }
    }

    /// Applies every write under one stamp; the stamp comes back.
    pub fn apply(self, blocks: &BlockStore, txn: &mut Txn<'_>) -> Result<Stamp, StoreError> {
        let stamp = txn.stamp();
        let tables = Tables::new(blocks);
        for write in self.writes {
            write.apply(&tables, txn, stamp)?;
        }
        Ok(stamp)
    }
}

impl Write {
    fn apply(self, tables: &Tables<'_>, txn: &mut Txn<'_>, stamp: Stamp) -> Result<(), StoreError> {
        let _: Applied = match self {
            Write::Object { partition, key, slot, inline } => {
                let row = ObjectRow::new(stamp, slot);
                let inline = inline.map(|bytes| InlineBody(bytes.to_vec()));
                table::apply(&tables.objects, txn, object::row_key(partition, &key), &row, inline)?
            }
            Write::Version { body, number, row } => {
                table::apply(&tables.versions, txn, version::row_key(&body, number), &row, None)?
            }
            Write::Hold { target, referrer } => {
                let key = reference::row_key(target, referrer);
                table::apply(&tables.references, txn, key, &ReferenceRow { removed: false }, None)?
            }
            Write::Release { target, referrer } => {
                let key = reference::row_key(target, referrer);
                table::apply(&tables.references, txn, key, &ReferenceRow { removed: true }, None)?
            }
            Write::Upload { id, row } => {
                table::apply(&tables.uploads, txn, upload::row_key(&id), &row, None)?
            }
            Write::Part { upload, number, row } => {
                let row = PartRow { stamp, ..row };
                table::apply(&tables.parts, txn, upload::part_key(&upload, number, &row.body), &row, None)?
            }
            Write::Pending { body, mark } => {
                txn.put(Space::Pending, body.as_bytes().to_vec(), &mark);
                Applied::Changed
            }
            Write::Settled { body } => {
                txn.delete(Space::Pending, body.as_bytes().to_vec());
                Applied::Changed
            }
        };
        Ok(())
    }
}
