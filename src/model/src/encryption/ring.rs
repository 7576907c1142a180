//! The ring: the cluster's keys that wrap the data keys of bodies, and the secret that wraps the ring.
//!
//! The keys lie, wrapped, in the table `ring`, which every node has whole. The secret is in no table and in no folder
//! of the store: a node is given it by its configuration, or asks the other members for it
//! ([`crate::replicas`]). What always holds:
//!
//! - a node never makes a secret, and never uses one that does not open every key of the ring that it knows of;
//! - a key of the ring is never changed and never deleted.

use super::Locked;
use super::cipher::Key;
use crate::rows::encryption::RingKeyRow;
use crate::{Model, ModelError};
use arc_swap::ArcSwapOption;
use base::id::kind;
use base::{Id, Stamp};
use env::random_array;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::Space;

/// What requests and answers call the key that has no name.
pub const OWN_NAME: &str = "aws/s3";
/// Longest name of a key, as AWS has it for aliases.
pub const NAME_MAX_BYTES: usize = 256;

/// What wraps the ring: the same 32 bytes on every node.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionSecret([u8; 32]);

/// The text is not an encryption secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the encryption secret has 64 hexadecimal digits (32 bytes)")]
pub struct InvalidEncryptionSecret;

impl EncryptionSecret {
    /// From its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads one from the configuration.
    pub fn parse(text: &str) -> Result<Self, InvalidEncryptionSecret> {
        let bytes = base::id::decode_hex(text.trim()).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(InvalidEncryptionSecret)
    }

    /// The bytes, to give to another member.
    pub fn reveal(&self) -> &[u8; 32] {
        &self.0
    }

    fn key(&self) -> Key {
        Key::from_bytes(blake3::derive_key("garage 2026-11 secret that wraps the ring", &self.0))
    }
}

impl std::fmt::Debug for EncryptionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// What this node has to open the ring with.
#[derive(Default)]
pub(crate) struct Ring {
    secret: ArcSwapOption<EncryptionSecret>,
    /// Whether it was told by another node, and is nowhere but here.
    is_in_memory_only: AtomicBool,
}

impl Ring {
    /// The secret, if this node has it.
    pub fn secret(&self) -> Option<Arc<EncryptionSecret>> {
        self.secret.load_full()
    }
}

/// A key of the ring, to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingKey {
    /// Its id.
    pub id: Id<kind::RingKey>,
    /// Its name; none: the one for whoever names no key.
    pub name: Option<String>,
    /// When it was made.
    pub created: Stamp,
    /// Whether it wraps what is written now.
    pub is_newest: bool,
    /// Whether this node can open it.
    pub is_open: bool,
}

impl Model {
    /// Gives the node the secret.
    pub fn set_encryption_secret(&self, secret: EncryptionSecret) {
        self.ring.secret.store(Some(Arc::new(secret)));
    }

    /// Gives the node a secret that another one told; whether it is kept where the next start finds it is said later.
    pub(crate) fn borrow_encryption_secret(&self, secret: EncryptionSecret) {
        self.ring.is_in_memory_only.store(true, Ordering::Release);
        self.set_encryption_secret(secret);
    }

    /// Says that the secret lies where the next start finds it.
    pub(crate) fn keep_encryption_secret(&self) {
        self.ring.is_in_memory_only.store(false, Ordering::Release);
    }

    /// Whether this node has a secret that it forgets when it stops.
    pub fn forgets_encryption_secret(&self) -> bool {
        self.ring.is_in_memory_only.load(Ordering::Acquire)
    }

    /// Whether this node has an encryption secret.
    pub fn has_encryption_secret(&self) -> bool {
        self.ring.secret().is_some()
    }

    /// All keys of the ring, the oldest first.
    pub fn ring_keys(&self) -> Vec<RingKey> {
        let names = self.names();
        let newest = |row: &RingKeyRow| {
            names.ring.iter().filter(|(_, other)| other.name == row.name).max_by_key(order).map(|(id, _)| *id)
        };
        let mut keys: Vec<RingKey> = names
            .ring
            .iter()
            .map(|(id, row)| RingKey {
                id: *id,
                name: row.name.clone(),
                created: row.created,
                is_newest: newest(row) == Some(*id),
                is_open: self.open_ring_key(*id, row).is_ok(),
            })
            .collect();
        keys.sort_by_key(|key| (key.created, key.id));
        keys
    }

    /// The key that wraps what is written now under a name. The one without a name is made when it is first needed.
    pub(super) async fn newest_ring_key(
        self: &Arc<Self>,
        name: Option<&str>,
    ) -> Result<(Id<kind::RingKey>, Key), ModelError> {
        if let Some(newest) = self.newest_known(name)? {
            return Ok(newest);
        }
        self.learn_ring().await;
        if let Some(newest) = self.newest_known(name)? {
            return Ok(newest);
        }
        match name {
            None => self.add_ring_key(None).await,
            Some(_) => Err(ModelError::NoSuchEncryptionKey),
        }
    }

    fn newest_known(&self, name: Option<&str>) -> Result<Option<(Id<kind::RingKey>, Key)>, ModelError> {
        let names = self.names();
        let of_name = names.ring.iter().filter(|(_, row)| row.name.as_deref() == name);
        let Some((id, row)) = of_name.max_by_key(order) else { return Ok(None) };
        Ok(Some((*id, self.open_ring_key(*id, row)?)))
    }

    /// Makes a key of the ring that replaces the newest one of its name for what is written from now on.
    pub async fn rotate_ring_key(
        self: &Arc<Self>,
        name: Option<&str>,
    ) -> Result<Id<kind::RingKey>, ModelError> {
        self.learn_ring().await;
        if name.is_some() && self.newest_known(name)?.is_none() {
            return Err(ModelError::NoSuchEncryptionKey);
        }
        self.add_ring_key(name).await.map(|(id, _)| id)
    }

    /// Makes a key of the ring with a new name.
    pub async fn create_ring_key(self: &Arc<Self>, name: &str) -> Result<Id<kind::RingKey>, ModelError> {
        self.learn_ring().await;
        if self.newest_known(Some(name))?.is_some() {
            return Err(ModelError::EncryptionKeyExists);
        }
        self.add_ring_key(Some(name)).await.map(|(id, _)| id)
    }

    async fn add_ring_key(
        self: &Arc<Self>,
        name: Option<&str>,
    ) -> Result<(Id<kind::RingKey>, Key), ModelError> {
        let secret = self.ring.secret().ok_or(ModelError::NoEncryptionSecret)?;
        self.refuse_other_secret()?;
        if self.names().ring.is_empty() {
            self.claim_secret(&secret).await?;
        }
        let rng = self.env.rng.as_ref();
        let (id, key) = (Id::from_bytes(random_array(rng)), Key::random(rng));
        let wrapped = secret.key().wrap(rng, &key, &bound_to(id, name));
        let name = name.map(str::to_owned);
        self.change_names(move |txn| {
            let row = RingKeyRow { created: txn.stamp(), name, key: wrapped };
            txn.put(Space::Ring, id.as_bytes().to_vec(), &row);
            Ok(())
        })
        .await?;
        Ok((id, key))
    }

    /// Refuses to make a key where another one of the ring cannot be opened: the secret is not the cluster's.
    fn refuse_other_secret(&self) -> Result<(), ModelError> {
        let names = self.names();
        let is_foreign = names.ring.iter().any(|(id, row)| self.open_ring_key(*id, row).is_err());
        if is_foreign { Err(ModelError::EncryptionSecretMissing) } else { Ok(()) }
    }

    /// A key of the ring, asked for where it is not known here.
    pub(super) async fn ring_key(self: &Arc<Self>, id: Id<kind::RingKey>) -> Result<Key, Locked> {
        let known = |model: &Self| model.names().ring.get(&id).cloned();
        let mut row = known(self);
        if row.is_none() && self.learn_ring_key(id).await {
            row = known(self);
        }
        let row = row.ok_or(Locked::UnknownRingKey)?;
        self.open_ring_key(id, &row)
    }

    fn open_ring_key(&self, id: Id<kind::RingKey>, row: &RingKeyRow) -> Result<Key, Locked> {
        let secret = self.ring.secret().ok_or(Locked::WithoutSecret)?;
        let opened = secret.key().unwrap(&row.key, &bound_to(id, row.name.as_deref()));
        opened.ok_or(Locked::WithoutSecret)
    }

    /// Whether a secret opens all keys of the ring that this node knows of.
    pub(crate) fn opens_ring(&self, secret: &EncryptionSecret) -> bool {
        let key = secret.key();
        self.names()
            .ring
            .iter()
            .all(|(id, row)| key.unwrap(&row.key, &bound_to(*id, row.name.as_deref())).is_some())
    }
}

/// Of the keys with one name the greatest is the newest.
fn order(entry: &(&Id<kind::RingKey>, &Arc<RingKeyRow>)) -> (Stamp, Id<kind::RingKey>) {
    (entry.1.created, *entry.0)
}

fn bound_to(id: Id<kind::RingKey>, name: Option<&str>) -> Vec<u8> {
    let mut bytes = id.as_bytes().to_vec();
    bytes.push(u8::from(name.is_some()));
    bytes.extend(name.unwrap_or_default().as_bytes());
    bytes
}
