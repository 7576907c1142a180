//! The ring: the cluster's keys that wrap the data keys of bodies, and the secret that wraps the ring.
//!
//! The keys lie, wrapped, in the table `ring`, which every node has whole. The secret is in no table and in no folder
//! of the store: a node is given it by its configuration, or asks the other members for it
//! ([`crate::replicas`]). What always holds:
//!
//! - a node never makes a secret, and makes no key of the ring as long as there is one that it cannot open;
//! - a key of the ring is never changed and never deleted; it is wrapped anew when there is another secret ([`super::change`]),
//!   and a node holds the secret of before as well: what is wrapped by either opens.

use super::Locked;
use super::cipher::Key;
use crate::rows::encryption::{RingKeyRow, Wrapped};
use crate::{Model, ModelError};
use arc_swap::ArcSwap;
use base::id::kind;
use base::{Id, Stamp};
use env::{Rng, random_array};
use futures_util::future::BoxFuture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
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

    /// A key of the ring, if this secret wraps it.
    pub(super) fn opens(&self, id: Id<kind::RingKey>, row: &RingKeyRow) -> Option<Key> {
        self.key().unwrap(&row.key, &bound_to(id, row.name.as_deref()))
    }

    /// The same key of the ring, wrapped by this secret.
    pub(super) fn wraps(&self, rng: &dyn Rng, id: Id<kind::RingKey>, row: &RingKeyRow, key: &Key) -> Wrapped {
        self.key().wrap(rng, key, &bound_to(id, row.name.as_deref()))
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

/// So many secrets a node holds at most: the cluster's, the one of before, and what was begun and not ended.
const HELD_MAX: usize = 8;

/// Keeps secrets, the newest first, beyond the end of the process; whether that was possible.
pub type KeepSecrets = Box<dyn Fn(Vec<EncryptionSecret>) -> BoxFuture<'static, bool> + Send + Sync>;

/// What this node has to open the ring with.
#[derive(Default)]
pub(crate) struct Ring {
    /// The newest first.
    held: ArcSwap<Vec<EncryptionSecret>>,
    keep: OnceLock<KeepSecrets>,
    /// Whether one was told by another node, and is nowhere but here.
    is_in_memory_only: AtomicBool,
}

impl Ring {
    /// The secrets that this node has.
    pub fn held(&self) -> Arc<Vec<EncryptionSecret>> {
        self.held.load_full()
    }

    /// Says how secrets are kept that the node is told.
    pub fn set_keeper(&self, keep: KeepSecrets) {
        // Said once, at the start.
        _ = self.keep.set(keep);
    }

    /// Holds another one too, before those that are held; whether all are kept beyond the end of the process.
    pub async fn hold(&self, secret: EncryptionSecret) -> bool {
        if !self.held().contains(&secret) {
            self.is_in_memory_only.store(true, Ordering::Release);
        }
        self.held.rcu(|held| {
            let others = held.iter().filter(|other| **other != secret).cloned();
            std::iter::once(secret.clone()).chain(others).take(HELD_MAX).collect::<Vec<_>>()
        });
        let is_kept = match self.keep.get() {
            Some(keep) => keep(self.held().as_ref().clone()).await,
            None => false,
        };
        if is_kept {
            self.is_in_memory_only.store(false, Ordering::Release);
        }
        is_kept
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
        self.set_encryption_secrets(vec![secret]);
    }

    /// Gives the node the secret and those of before, the newest first.
    pub fn set_encryption_secrets(&self, secrets: Vec<EncryptionSecret>) {
        self.ring.held.store(Arc::new(secrets));
    }

    /// Whether this node has a secret that it forgets when it stops.
    pub fn forgets_encryption_secret(&self) -> bool {
        self.ring.is_in_memory_only.load(Ordering::Acquire)
    }

    /// Whether this node has an encryption secret.
    pub fn has_encryption_secret(&self) -> bool {
        !self.ring.held().is_empty()
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
        self.refuse_other_secret()?;
        let (generation, secret) = self.wrapping_secret().ok_or(ModelError::NoEncryptionSecret)?;
        if self.names().ring.is_empty() {
            self.claim_secret(&secret).await?;
        }
        let rng = self.env.rng.as_ref();
        let (id, key) = (Id::from_bytes(random_array(rng)), Key::random(rng));
        let wrapped = secret.key().wrap(rng, &key, &bound_to(id, name));
        let name = name.map(str::to_owned);
        self.change_names(move |txn| {
            let row = RingKeyRow { created: txn.stamp(), name, key: wrapped, generation };
            txn.put(Space::Ring, id.as_bytes().to_vec(), &row);
            Ok(())
        })
        .await?;
        Ok((id, key))
    }

    /// Refuses to make a key where another one of the ring cannot be read, or opened: the secret is not the cluster's.
    pub(super) fn refuse_other_secret(&self) -> Result<(), ModelError> {
        self.names().check_all(Space::Ring)?;
        match self.has_encryption_secret() {
            false => Err(ModelError::NoEncryptionSecret),
            true if self.opens_ring() => Ok(()),
            true => Err(ModelError::EncryptionSecretMissing),
        }
    }

    /// The cluster's secret, of those that are held, and its generation: what wrapped last wraps next.
    pub(super) fn wrapping_secret(&self) -> Option<(u32, EncryptionSecret)> {
        let (held, names) = (self.ring.held(), self.names());
        let latest = names.ring.iter().max_by_key(|(id, row)| (row.generation, row.created, **id));
        let Some((id, row)) = latest else { return held.first().map(|secret| (0, secret.clone())) };
        let opens = |secret: &&EncryptionSecret| secret.opens(*id, row).is_some();
        held.iter().find(opens).map(|secret| (row.generation, secret.clone()))
    }

    /// A key of the ring, asked for where it is not known here.
    pub(super) async fn ring_key(self: &Arc<Self>, id: Id<kind::RingKey>) -> Result<Key, Locked> {
        let known = |model: &Self| model.names().ring.get(&id).cloned();
        let mut row = known(self);
        if row.is_none() && self.learn_ring_key(id).await {
            row = known(self);
        }
        let is_unread = || self.names().check(Space::Ring, id.as_bytes()).is_err();
        let unknown = || if is_unread() { Locked::UnreadRingKey } else { Locked::UnknownRingKey };
        let row = row.ok_or_else(unknown)?;
        self.open_ring_key(id, &row)
    }

    pub(super) fn open_ring_key(&self, id: Id<kind::RingKey>, row: &RingKeyRow) -> Result<Key, Locked> {
        let held = self.ring.held();
        held.iter().find_map(|secret| secret.opens(id, row)).ok_or(Locked::WithoutSecret)
    }

    /// Whether all keys of the ring that this node knows of open by what it holds.
    pub(crate) fn opens_ring(&self) -> bool {
        self.opens_ring_with(&[])
    }

    /// The same, with more secrets.
    pub(crate) fn opens_ring_with(&self, more: &[EncryptionSecret]) -> bool {
        let (held, names) = (self.ring.held(), self.names());
        let opens = |id, row| held.iter().chain(more).any(|secret| secret.opens(id, row).is_some());
        names.ring.iter().all(|(id, row)| opens(*id, row))
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
