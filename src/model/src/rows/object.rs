//! Table `object`: what is current under a key, one row per key.
//!
//! Key: partition of the bucket's shard ‖ escaped object key ‖ 0. The row holds the current entry: an object,
//! a delete marker, or the mark that there is nothing. The newest order wins. Where the bucket keeps versions
//! the row also says which version its entry is, and carries the one row of the table `past` that changed with
//! it (doc/decisions/0007). Rows never move, and a replica never consults the bucket's versioning mode.

use super::acl::Acl;
use super::encryption::Encryption;
use super::lock::Lock;
use super::past::{PastRow, VersionId};
use super::record_kind;
use base::id::kind;
use base::{BlockHash, Id, Merge, PartitionHash, Stamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use store::Record;
use table::register::{Memory, Replica, Version};
use table::sort_key;

/// The row of a key's null slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    /// When this version was committed. Never changes: it is the version's identity.
    pub stamp: Stamp,
    /// What rows are ordered by: at first the stamp, raised when a conditional write stabilises
    /// the version.
    pub order: Stamp,
    /// The object, or its absence.
    pub slot: Slot,
    /// This replica's part in decisions about the key; local, never sent.
    #[serde(default)]
    pub register: Option<Register>,
    /// Which version it is, once the key has versions. From then on no write without takes its place.
    #[serde(default)]
    pub lineage: Option<Box<Lineage>>,
    /// What it was decided upon, all of it chosen: the ids of its predecessors, the last one first (rule G12). Empty for a
    /// plain write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Stamp>,
}

/// What a slot holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Slot {
    /// Deleted at the row's stamp.
    #[serde(rename = "d")]
    Deleted,
    /// An object.
    #[serde(rename = "l")]
    Live(Box<Object>),
    /// A delete marker: a version that says that there is nothing.
    #[serde(rename = "m")]
    Marker,
}

/// Which version of its key an entry is, and what changed with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Lineage {
    /// When the version was made; later decisions about the key keep it.
    pub made: Stamp,
    /// Whether it has a name of its own, or is the null version.
    pub is_named: bool,
    /// The past row that is stored together with this one, whatever way it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Aside>,
}

/// What a decision about a key makes of its past rows; they are ordered by the decision's stamp.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Aside {
    /// Which of them.
    pub id: VersionId,
    /// When the version was made.
    pub made: Stamp,
    /// What it holds from now on.
    pub slot: Slot,
    /// Further versions that the same decision deletes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_gone: Vec<VersionId>,
}

/// What replicas decide about: an entry, with the version that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The entry.
    pub slot: Slot,
    /// Its version.
    pub lineage: Option<Box<Lineage>>,
    /// What it was decided upon.
    pub before: Vec<Stamp>,
}

/// The bytes that travel beside a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Those of its own entry.
    #[serde(default)]
    pub own: Option<Bytes>,
    /// Those of the version that is put aside.
    #[serde(default)]
    pub aside: Option<Bytes>,
}

impl Beside {
    /// How many bytes they are.
    pub fn len(&self) -> usize {
        [&self.own, &self.aside].into_iter().flatten().map(Bytes::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Option<Bytes>> for Beside {
    fn from(own: Option<Bytes>) -> Self {
        Self { own, aside: None }
    }
}

/// What a replica must remember of past decisions about a key (rules G1 and G5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Nothing below this ballot is accepted any more.
    pub promise: Option<Stamp>,
    /// The last accepted (order, stamp) pairs.
    pub history: Vec<(Stamp, Stamp)>,
    /// Whether earlier ones are not remembered.
    #[serde(default)]
    pub forgot: bool,
}

/// An object's metadata and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Object {
    /// Bytes of content.
    pub size: u64,
    /// What S3 calls the entity tag.
    pub etag: ETag,
    /// The additional checksum the client asked for.
    pub checksum: Option<Checksum>,
    /// Response headers and user metadata, names in lower case, in the order they were sent.
    pub headers: Vec<(String, String)>,
    /// Where the bytes are.
    pub body: Body,
    /// Tags, in the order they were sent.
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// What few objects have.
    #[serde(default, skip_serializing_if = "Rare::is_none")]
    pub rare: Rare,
}

/// What few objects have; an entry that has none of it does not spend a byte on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rare {
    /// When the content was committed, where the entry was changed since without it.
    pub modified: Option<Stamp>,
    /// Who may do what with it, where that is more than the owner of the bucket everything.
    #[serde(default)]
    pub acl: Option<Acl>,
    /// What keeps it from being removed.
    #[serde(default)]
    pub lock: Option<Lock>,
    /// How its body is encrypted, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

impl Object {
    /// Whether it belongs to this access key. Nothing belongs to nobody.
    pub fn belongs_to(&self, access_key: Option<&str>) -> bool {
        let owner = self.rare.acl.as_ref().and_then(|list| list.owner.as_deref());
        owner.is_some() && owner == access_key
    }
}

impl Rare {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// An S3 entity tag: MD5 of the content, or MD5 of the parts' MD5s with their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ETag {
    /// The digest.
    #[serde(with = "serde_bytes")]
    pub md5: [u8; 16],
    /// Number of parts of a completed multipart upload.
    pub parts: Option<u16>,
}

impl std::fmt::Display for ETag {
    /// Without quotes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&base::id::encode_hex(&self.md5))?;
        self.parts.map_or(Ok(()), |parts| write!(f, "-{parts}"))
    }
}

/// An additional checksum as S3 stores it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Checksum {
    /// The algorithm's stored number.
    pub algorithm: u8,
    /// Whether it covers the parts' checksums rather than the content.
    pub composite: bool,
    /// The digest; or, where that is said below, what only the object's data key makes one.
    #[serde(with = "serde_bytes")]
    pub value: Vec<u8>,
    /// Whether it is sealed by the object's data key: that of a customer (SSE-C), who alone may test a guess of the content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_sealed: bool,
}

/// Where an object's bytes are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Body {
    /// In the keyspace `inline`, under the object's own row key.
    #[serde(rename = "i")]
    Inline(BlockHash),
    /// In these blocks, in order.
    #[serde(rename = "b")]
    Blocks(Id<kind::Body>, Vec<BlockPiece>),
    /// In the blocks that the body's version rows list.
    #[serde(rename = "r")]
    Rows(Id<kind::Body>),
    /// In the parts that the body's version rows list.
    #[serde(rename = "c")]
    Composite(Id<kind::Body>),
}

impl Body {
    /// The body's id, if it has version rows.
    pub fn id(&self) -> Option<Id<kind::Body>> {
        match self {
            Body::Inline(_) => None,
            Body::Blocks(id, _) | Body::Rows(id) | Body::Composite(id) => Some(*id),
        }
    }
}

/// One block of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlockPiece {
    /// What the bytes are.
    pub hash: BlockHash,
    /// How many they are.
    pub size: u32,
}

/// Bytes of a small body, beside its row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineBody(#[serde(with = "serde_bytes")] pub Vec<u8>);

impl Record for InlineBody {
    const KIND: u8 = record_kind::INLINE;
    const VERSION: u8 = 1;
}

impl Record for ObjectRow {
    const KIND: u8 = record_kind::OBJECT;
    const VERSION: u8 = 1;
}

impl ObjectRow {
    /// A row as a plain write makes it.
    pub fn new(stamp: Stamp, slot: Slot) -> Self {
        Self { stamp, order: stamp, slot, lineage: None, register: None, before: Vec::new() }
    }

    /// The row as a version that replicas decide about; `None` for a mere promise.
    pub fn version(&self) -> Option<Version<Content>> {
        let Self { slot, lineage, before, .. } = self;
        let content = || Content { slot: slot.clone(), lineage: lineage.clone(), before: before.clone() };
        (self.order > Stamp::ZERO).then(|| Version { order: self.order, id: self.stamp, value: content() })
    }

    /// The row that a version makes, without a replica's memory.
    pub fn of_version(version: Version<Content>) -> Self {
        let Content { slot, lineage, before } = version.value;
        Self { stamp: version.id, order: version.order, slot, lineage, register: None, before }
    }

    /// This replica's part in decisions about the key.
    pub fn replica(row: Option<&Self>) -> Replica<Content> {
        let Some(row) = row else { return Replica::default() };
        let current = row.version();
        let accepted = current.as_ref().map(|version| (version.order, version.id));
        let Register { promise, mut history, forgot } = row.register.clone().unwrap_or_default();
        // A row that was written while its node was alone, or copied, counts as accepted.
        if let Some(accepted) = accepted
            && history.first() != Some(&accepted)
        {
            history.insert(0, accepted);
        }
        Replica { current, memory: Memory { promise, history, forgot } }
    }

    /// The row of a replica that has accepted or promised something.
    pub fn of_replica(replica: Replica<Content>) -> Self {
        let Replica { current, memory: Memory { promise, history, forgot } } = replica;
        let value = Content { slot: Slot::Deleted, lineage: None, before: Vec::new() };
        let nothing = Version { order: Stamp::ZERO, id: Stamp::ZERO, value };
        let mut row = Self::of_version(current.unwrap_or(nothing));
        // What the row itself says is not said twice.
        let is_plain = promise.is_none() && !forgot && history.as_slice() == [(row.order, row.stamp)];
        row.register = (!is_plain).then_some(Register { promise, history, forgot });
        row
    }

    /// Below this ballot this replica accepts nothing.
    pub fn promise(&self) -> Stamp {
        self.register.as_ref().and_then(|register| register.promise).unwrap_or(Stamp::ZERO)
    }

    /// When the content was committed: what S3 shows as the time of the last change.
    pub fn modified(&self) -> Stamp {
        self.live().and_then(|object| object.rare.modified).unwrap_or(self.made())
    }

    /// When something was last written to the key or deleted there. What is said about an object beside its content
    /// does not count.
    pub fn changed(&self) -> Stamp {
        if self.live().is_some() { self.modified() } else { self.stamp }
    }

    /// When its version was made.
    pub fn made(&self) -> Stamp {
        self.lineage.as_ref().map_or(self.stamp, |lineage| lineage.made)
    }

    /// The version that is current; none where there is nothing.
    pub fn current(&self) -> Option<VersionId> {
        (self.slot != Slot::Deleted).then(|| self.version_id())
    }

    /// Whether bytes lie beside it, or beside what it puts aside.
    pub fn has_bytes(&self) -> bool {
        self.slot.has_bytes() || self.has_bytes_aside()
    }

    /// What it puts aside, if it does.
    pub fn slot_aside(&self) -> Option<&Slot> {
        self.lineage.as_ref()?.aside.as_ref().map(|aside| &aside.slot)
    }

    /// Whether bytes lie beside what it puts aside.
    pub fn has_bytes_aside(&self) -> bool {
        self.slot_aside().is_some_and(Slot::has_bytes)
    }

    /// The version that its entry is or was.
    pub fn version_id(&self) -> VersionId {
        match &self.lineage {
            Some(lineage) if lineage.is_named => VersionId::Named(lineage.made),
            _ => VersionId::Null,
        }
    }

    /// Whether its entry, or the version that it puts aside, has this body.
    pub fn names(&self, body: Id<kind::Body>) -> bool {
        let slots = [Some(&self.slot), self.slot_aside()];
        slots.into_iter().flatten().any(|slot| slot.live().and_then(|object| object.body.id()) == Some(body))
    }

    /// The past row that came with this one.
    pub fn aside(&self) -> Option<(VersionId, PastRow)> {
        let Aside { id, made, slot, .. } = self.lineage.as_ref()?.aside.clone()?;
        Some((id, PastRow::decided(self.stamp, made, slot)))
    }

    /// Further past rows that came with it: of versions that its decision deleted.
    pub fn also_gone(&self) -> impl Iterator<Item = (VersionId, PastRow)> {
        let aside = self.lineage.as_ref().and_then(|lineage| lineage.aside.as_ref());
        let ids = aside.into_iter().flat_map(|aside| &aside.also_gone);
        ids.map(|id| (*id, PastRow::decided(self.stamp, id.made(), Slot::Deleted)))
    }

    /// The versions of which past rows came with it.
    pub fn ids_aside(&self) -> impl Iterator<Item = VersionId> {
        let aside = self.lineage.as_ref().and_then(|lineage| lineage.aside.as_ref());
        aside.into_iter().flat_map(|aside| [aside.id].into_iter().chain(aside.also_gone.iter().copied()))
    }

    /// Whether it is known to be made upon another row, or is the same decision.
    pub fn follows(&self, other: &Self) -> bool {
        self.stamp == other.stamp || self.before.contains(&other.stamp)
    }

    /// The object, if there is one.
    pub fn live(&self) -> Option<&Object> {
        self.slot.live()
    }
}

impl Slot {
    /// The object, if it is one.
    pub fn live(&self) -> Option<&Object> {
        match self {
            Slot::Live(object) => Some(object),
            Slot::Deleted | Slot::Marker => None,
        }
    }

    /// Whether it is an object whose bytes lie beside its row.
    pub fn has_bytes(&self) -> bool {
        self.live().is_some_and(|object| object.inline_hash().is_some())
    }
}

impl Merge for ObjectRow {
    fn merge(&mut self, other: &Self) {
        let register = self.register.take();
        let rank = |row: &Self| (row.order, row.stamp);
        if (rank(other), &other.slot) > (rank(self), &self.slot) {
            *self = other.clone();
        }
        self.register = register;
    }
}

/// Ends the row key.
const HEAD: u8 = 0;

/// The key of an object's row.
pub fn row_key(partition: PartitionHash, key: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(PartitionHash::LEN + key.len() + 3);
    bytes.extend(partition.as_bytes());
    sort_key::push_string(&mut bytes, key.as_bytes());
    bytes.push(HEAD);
    bytes
}

/// The object key inside a row key.
pub fn key_of(row_key: &[u8]) -> Option<String> {
    let (_, sort) = row_key.split_at_checked(PartitionHash::LEN)?;
    let (text, _) = sort_key::take_string(sort)?;
    String::from_utf8(text).ok()
}

/// Where the rows of all keys that begin with `prefix` start.
pub fn prefix_start(partition: PartitionHash, prefix: &str) -> Vec<u8> {
    let mut bytes = partition.as_bytes().to_vec();
    sort_key::push_prefix(&mut bytes, prefix.as_bytes());
    bytes
}
