//! Looking at single blocks for the operator: which hashes begin like this, and what the disks hold of one.

use crate::folder::{Form, Found};
use crate::record::{COUNT_KEYS, RefCount, count_key, hash_of_count_key};
use crate::{BlockStore, Shared};
use base::BlockHash;
use std::ops::{Bound, ControlFlow};
use store::{Read, Space, StoreError};

/// Hexadecimal digits of a hash.
pub const HASH_DIGITS: usize = 64;

/// What the disks of a node hold of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// A good file.
    Good,
    /// A file, whose bytes are not the block.
    Damaged,
    /// Nothing.
    Absent,
    /// A disk is not there, or refused to read.
    Unknown,
}

impl BlockStore {
    /// Blocks with a row whose hashes begin with these hexadecimal digits, at most so many.
    pub fn blocks_like(&self, prefix: &str, limit: usize) -> Result<Vec<BlockHash>, StoreError> {
        let mut found = Vec::new();
        // None where these are no digits, or too many.
        let Some(first) = BlockHash::from_hex(&format!("{prefix:0<HASH_DIGITS$}")) else { return Ok(found) };
        let from = count_key(&first);
        let view = self.shared.store.view()?;
        // What cannot be read still has a key.
        let mut take = |key: &[u8], _: &[u8]| {
            let fits = hash_of_count_key(key).filter(|hash| hash.to_string().starts_with(prefix));
            found.extend(fits);
            if fits.is_none() || found.len() >= limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        view.scan(Space::RefCount, Bound::Included(&from), Bound::Excluded(COUNT_KEYS.1), &mut take)?;
        Ok(found)
    }

    /// Blocks with a row behind this one in the order of their hashes, from the first on for `None`.
    pub fn blocks_after(&self, after: Option<BlockHash>, limit: usize) -> Result<Vec<BlockHash>, StoreError> {
        let mut found = Vec::new();
        let after = after.map(|hash| count_key(&hash));
        let from = after.as_deref().map_or(Bound::Included(COUNT_KEYS.0), Bound::Excluded);
        let mut take = |key: &[u8], _: &[u8]| {
            found.extend(hash_of_count_key(key));
            if found.len() >= limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.shared.store.view()?.scan(Space::RefCount, from, Bound::Excluded(COUNT_KEYS.1), &mut take)?;
        Ok(found)
    }

    /// Whether a block has a row that can be read.
    pub fn is_counted(&self, hash: &BlockHash) -> Result<bool, StoreError> {
        let row = self.shared.store.view()?.get::<RefCount>(Space::RefCount, &count_key(hash));
        Ok(row?.is_some())
    }

    /// What the disks hold of a block: its files are read and verified.
    pub async fn presence(&self, hash: BlockHash) -> Presence {
        self.reading(move |shared| shared.presence(&hash)).await
    }
}

impl Shared {
    fn presence(&self, hash: &BlockHash) -> Presence {
        self.unless_moved(|| self.presence_now(hash), |presence| *presence == Presence::Good)
    }

    fn presence_now(&self, hash: &BlockHash) -> Presence {
        let is_away = self.absent_folder().is_some() || !self.away.is_empty();
        let mut presence = if is_away { Presence::Unknown } else { Presence::Absent };
        for folder in self.folders_for(hash) {
            for form in Form::ALL {
                match folder.read(hash, form, &self.codec) {
                    Ok(Found::Good { .. }) => return Presence::Good,
                    Ok(Found::Damaged) if presence == Presence::Absent => presence = Presence::Damaged,
                    Ok(Found::Damaged | Found::Absent) => {}
                    Err(error) => {
                        self.note_disk_error(folder, &error);
                        presence = Presence::Unknown;
                    }
                }
            }
        }
        presence
    }
}
