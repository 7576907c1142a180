//! Table `key`: access keys, copied to every node, read locally.

use super::record_kind;
use base::id::kind;
use base::{Id, Lww, LwwMap, Merge, Stamp, WallTime};
use serde::{Deserialize, Serialize};
use std::fmt;
use store::Record;

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// When it was created.
    pub created: Stamp,
    /// Deleted for ever.
    pub deleted: bool,
    /// What requests are signed with.
    pub secret: Lww<Secret>,
    /// For people.
    pub name: Lww<String>,
    /// Whether it may create buckets.
    pub may_create_buckets: Lww<bool>,
    /// When it stops working.
    pub expires: Lww<Option<WallTime>>,
    /// Bucket names that only this key sees; they hide global ones.
    pub local_aliases: LwwMap<String, Option<Id<kind::Bucket>>>,
}

/// A secret; never printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself: for signing, and for the operator who asks.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl KeyRow {
    /// A new key.
    pub fn new(created: Stamp, name: String, secret: Secret) -> Self {
        Self {
            created,
            deleted: false,
            secret: Lww::new(created, secret),
            name: Lww::new(created, name),
            may_create_buckets: Lww::new(created, false),
            expires: Lww::new(created, None),
            local_aliases: LwwMap::default(),
        }
    }

    /// Whether requests may be signed with it at `now`.
    pub fn is_usable(&self, now: WallTime) -> bool {
        !self.deleted && self.expires.value.is_none_or(|end| now < end)
    }
}

impl Record for KeyRow {
    const KIND: u8 = record_kind::KEY;
    const VERSION: u8 = 1;
}

impl Merge for KeyRow {
    fn merge(&mut self, other: &Self) {
        self.created = self.created.min(other.created);
        self.deleted |= other.deleted;
        self.secret.merge(&other.secret);
        self.name.merge(&other.name);
        self.may_create_buckets.merge(&other.may_create_buckets);
        self.expires.merge(&other.expires);
        self.local_aliases.merge(&other.local_aliases);
    }
}
