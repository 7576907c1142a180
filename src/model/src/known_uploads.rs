//! Uploads that this node has seen open: what their parts are made of, without a question to the others.
//!
//! The bytes of a part need not wait for a round trip then. Only what never changes of an upload is taken from here: its
//! checksum, how it is encrypted, its lock. Whether it is still open is asked for each part. Always holds: bounded.

use crate::rows::upload::UploadRow;
use base::Id;
use base::id::kind;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most uploads that are remembered, of at most some KiB each. Beyond it all are forgotten, which costs each a question.
const REMEMBERED_MAX: usize = 256;

/// Rows of open uploads by their ids.
#[derive(Debug, Default)]
pub(crate) struct KnownUploads(Mutex<BTreeMap<Id<kind::Upload>, UploadRow>>);

impl KnownUploads {
    fn open(&self) -> MutexGuard<'_, BTreeMap<Id<kind::Upload>, UploadRow>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The row of an upload as it was once, if it is remembered.
    pub fn find(&self, id: &Id<kind::Upload>) -> Option<UploadRow> {
        self.open().get(id).cloned()
    }

    /// Remembers an open upload.
    pub fn remember(&self, id: Id<kind::Upload>, row: &UploadRow) {
        let mut known = self.open();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(id, row.clone());
    }

    /// Forgets an upload that is closed.
    pub fn forget(&self, id: &Id<kind::Upload>) {
        self.open().remove(id);
    }
}
