//! Tables `bucket` and `alias`: copied to every node, read locally.
//!
//! A bucket is its id. Names point at it: global aliases in the table `alias`, aliases of one
//! access key in that key's row. Which key may do what is written in one place, the bucket's row;
//! what a key may do is derived from it. What applications set on a bucket is one map of documents, each
//! a register of its own: two that are set at once on two nodes do not undo each other.

use super::lock::ObjectLock;
use super::record_kind;
use crate::ModelError;
use base::id::kind;
use base::{Id, Lww, LwwMap, Merge, Stamp};
use serde::{Deserialize, Serialize};
use store::Record;

/// A bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRow {
    /// When it was created.
    pub created: Stamp,
    /// Deleted for ever.
    pub deleted: bool,
    /// What each access key may do with it.
    pub grants: LwwMap<String, Grant>,
    /// How many shards its key index has, and the epoch of that number. Always 1 and 0 today.
    pub shards: (u16, u32),
    /// Limits.
    pub quotas: Lww<Quotas>,
    /// Whether and how it is served as a web site.
    pub website: Lww<Option<Website>>,
    /// What applications set on it, by the names of [`Setting`]. What a newer release has set is kept.
    #[serde(default)]
    pub settings: LwwMap<String, Option<Document>>,
}

/// A kind of document that applications set on a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Which web pages of other origins may read and write (CORS).
    Cors,
    /// Tags of the bucket.
    Tags,
    /// Who may do what, beside the grants.
    Policy,
    /// What must not be public.
    PublicAccessBlock,
    /// To whom objects belong.
    Ownership,
    /// Who may do what, as a list.
    Acl,
    /// Whether versions are kept: [`Versioning::document`].
    Versioning,
    /// Whether versions can be locked: [`ObjectLock::text`]. Once set it stays.
    ObjectLock,
    /// What goes by itself, and when: [`crate::lifecycle::Rules`].
    Lifecycle,
    /// Who is told of which changes: [`crate::events::Notifications`].
    Notification,
    /// Where requests are logged.
    Logging,
    /// What is encrypted without being asked for.
    Encryption,
}

/// Whether a bucket keeps versions. Once on, they are at most suspended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Versioning {
    /// They never were.
    #[default]
    Never,
    /// Every write makes a version.
    Enabled,
    /// Writes replace the null version, and keep the others.
    Suspended,
}

impl Versioning {
    /// How it is stored; nothing where versions were never kept.
    pub fn document(self) -> Option<Document> {
        match self {
            Self::Never => None,
            Self::Enabled => Some(Document(b"enabled".to_vec())),
            Self::Suspended => Some(Document(b"suspended".to_vec())),
        }
    }
}

impl Setting {
    /// The name that it is stored under, for ever.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cors => "cors",
            Self::Tags => "tags",
            Self::Policy => "policy",
            Self::PublicAccessBlock => "public_access_block",
            Self::Ownership => "ownership",
            Self::Versioning => "versioning",
            Self::Acl => "acl",
            Self::ObjectLock => "object_lock",
            Self::Lifecycle => "lifecycle",
            Self::Notification => "notification",
            Self::Logging => "logging",
            Self::Encryption => "encryption",
        }
    }
}

/// A document in its stored form, which `api` writes and reads: the store only keeps it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Document(#[serde(with = "serde_bytes")] pub Vec<u8>);

/// What an access key may do with a bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// List and get.
    pub read: bool,
    /// Put and delete.
    pub write: bool,
    /// Delete the bucket, change its settings.
    pub owner: bool,
}

impl Grant {
    /// Everything.
    pub const ALL: Grant = Grant { read: true, write: true, owner: true };

    /// Whether nothing is granted.
    pub fn is_none(self) -> bool {
        self == Grant::default()
    }
}

/// Limits of a bucket. They are soft: writes in flight may overshoot them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quotas {
    /// Most bytes of all objects together.
    pub size_bytes: Option<u64>,
    /// Most objects.
    pub objects: Option<u64>,
}

/// A web site: its documents and redirects. Everything of it is one register, whoever sets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Website {
    /// Served for a folder; empty where every request is redirected.
    pub index_document: String,
    /// Served for what is missing.
    pub error_document: Option<String>,
    /// Its redirects, if it has any, in the form that `api` writes and reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirects: Option<Document>,
}

impl BucketRow {
    /// A new bucket without grants.
    pub fn new(created: Stamp) -> Self {
        Self {
            created,
            deleted: false,
            grants: LwwMap::default(),
            shards: (1, 0),
            quotas: Lww::new(created, Quotas::default()),
            website: Lww::new(created, None),
            settings: LwwMap::default(),
        }
    }

    /// What is set of a kind.
    pub fn setting(&self, kind: Setting) -> Option<&Document> {
        self.settings.get(&kind.name().to_owned())?.as_ref()
    }

    /// Whether its versions can be locked, and how new ones are. What cannot be read was set by a newer release.
    pub fn object_lock(&self) -> Result<Option<ObjectLock>, ModelError> {
        let Some(document) = self.setting(Setting::ObjectLock) else { return Ok(None) };
        ObjectLock::parse(&document.0).map(Some).ok_or(ModelError::NewerSetting)
    }

    /// Whether versions are kept. What cannot be read was set by a newer release: versions are kept then, and where
    /// they can be locked, whatever else somebody set in the same moment.
    pub fn versioning(&self) -> Versioning {
        if self.setting(Setting::ObjectLock).is_some() {
            return Versioning::Enabled;
        }
        match self.setting(Setting::Versioning).map(|document| document.0.as_slice()) {
            None => Versioning::Never,
            Some(b"suspended") => Versioning::Suspended,
            Some(_) => Versioning::Enabled,
        }
    }

    /// What an access key may do.
    pub fn grant_of(&self, access_key: &str) -> Grant {
        self.grants.get(&access_key.to_owned()).copied().unwrap_or_default()
    }
}

impl Record for BucketRow {
    const KIND: u8 = record_kind::BUCKET;
    const VERSION: u8 = 1;
}

impl Merge for BucketRow {
    fn merge(&mut self, other: &Self) {
        self.created = self.created.min(other.created);
        self.deleted |= other.deleted;
        self.grants.merge(&other.grants);
        self.shards = self.shards.max(other.shards);
        self.quotas.merge(&other.quotas);
        self.website.merge(&other.website);
        self.settings.merge(&other.settings);
    }
}

/// A global name and the bucket it points at, if any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasRow {
    /// The bucket.
    pub target: Lww<Option<Id<kind::Bucket>>>,
}

impl Record for AliasRow {
    const KIND: u8 = record_kind::ALIAS;
    const VERSION: u8 = 1;
}

impl Merge for AliasRow {
    fn merge(&mut self, other: &Self) {
        self.target.merge(&other.target);
    }
}
