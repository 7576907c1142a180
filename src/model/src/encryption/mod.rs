//! Encryption of bodies by the server: which key a body gets, where it is kept, who opens it.
//!
//! A body has a data key of its own ([`cipher`]); the entry keeps it wrapped by the customer's key or by one of
//! the ring ([`ring`]), bound to the bucket and the key of the object. What always holds:
//!
//! - blocks and inline bytes of an encrypted body reach the store sealed: what hashes, copies, compares and repairs
//!   them needs no key, and sees no content;
//! - the customer's key is used and forgotten: never stored, logged, or sent to another node;
//! - a body is never read as it is stored: without its data key reading it is an error;
//! - checksums of what only a customer's key opens are sealed by its data key, and shown where that comes along.

pub mod change;
pub mod cipher;
pub mod ring;

use crate::objects::Found;
use crate::rows::encryption::{Encryption, Keeper};
use crate::rows::object::{Checksum, Object};
use crate::rows::version::PartPiece;
use crate::{Model, ModelError};
use base::Id;
use base::id::kind;
use cipher::Key;
use env::Rng;
use std::sync::Arc;

/// Who is to keep the key of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// The customer, by this key (SSE-C).
    Customer(Key),
    /// The ring (SSE-S3).
    Service,
    /// A named key of the ring (SSE-KMS); none: the ring's own.
    Named {
        /// The name.
        name: Option<String>,
        /// Whether a bucket key was asked for.
        bucket_key: bool,
    },
}

/// A data key, and how an entry keeps it.
#[derive(Debug, Clone)]
pub struct Wrapping {
    /// What seals the body.
    pub data_key: Key,
    /// What the entry says.
    pub encryption: Encryption,
}

/// Why what is encrypted cannot be read, where it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locked {
    /// Only the customer has the key.
    ByCustomer,
    /// This node has no encryption secret, or not the cluster's.
    WithoutSecret,
    /// This node has not heard of the key of the ring.
    UnknownRingKey,
    /// The row of the key of the ring cannot be read on this node.
    UnreadRingKey,
    /// What the entry says of its key is damaged, or belongs to another object.
    Damaged,
}

impl From<Locked> for ModelError {
    fn from(locked: Locked) -> Self {
        match locked {
            Locked::ByCustomer => Self::CustomerKeyNeeded,
            Locked::WithoutSecret | Locked::UnknownRingKey => Self::EncryptionSecretMissing,
            Locked::UnreadRingKey => Self::UnreadRingKey,
            Locked::Damaged => Self::Damaged,
        }
    }
}

/// Whether a body's bytes are as they are read, and what opens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Access {
    Plain,
    Open(Key),
    Locked(Locked),
}

impl Access {
    /// Before it was looked for the key of the ring.
    pub fn of(object: &Object) -> Self {
        match &object.rare.encryption {
            None => Self::Plain,
            Some(Encryption { keeper: Keeper::Customer, .. }) => Self::Locked(Locked::ByCustomer),
            Some(_) => Self::Locked(Locked::UnknownRingKey),
        }
    }

    /// The data key; none for what is not encrypted.
    pub fn data_key(&self) -> Result<Option<&Key>, ModelError> {
        match self {
            Self::Plain => Ok(None),
            Self::Open(key) => Ok(Some(key)),
            Self::Locked(locked) => Err((*locked).into()),
        }
    }
}

impl Found {
    /// Opens what is encrypted by the customer's key.
    pub fn unlock(
        &mut self,
        (bucket, key): (Id<kind::Bucket>, &str),
        customer_key: &Key,
    ) -> Result<(), ModelError> {
        let encryption = self.object.rare.encryption.as_ref();
        let wrapped = encryption.filter(|encryption| encryption.keeper == Keeper::Customer);
        let wrapped = wrapped.ok_or(ModelError::WrongCustomerKey)?;
        let data_key = unwrap_by_customer(wrapped, (bucket, key), customer_key)?;
        self.object.checksum = open_checksum(self.object.checksum.take(), &data_key)?;
        self.access = Access::Open(data_key);
        Ok(())
    }

    /// What its body is sealed with, once that is known; none for what is not encrypted.
    pub fn data_key(&self) -> Result<Option<&Key>, ModelError> {
        self.access.data_key()
    }
}

/// Opens a checksum, if there is one and it is sealed.
fn open_checksum(stored: Option<Checksum>, data_key: &Key) -> Result<Option<Checksum>, ModelError> {
    stored.map(|stored| data_key.open_checksum(&stored).ok_or(ModelError::Damaged)).transpose()
}

/// Opens the checksums of the parts of an object that may be read.
pub(crate) fn open_checksums(access: &Access, parts: &mut [PartPiece]) -> Result<(), ModelError> {
    if let Access::Open(data_key) = access {
        for part in parts {
            part.checksum = open_checksum(part.checksum.take(), data_key)?;
        }
    }
    Ok(())
}

/// A checksum as an entry keeps it beside a body with this key: sealed where only the customer has the key.
pub fn keep_checksum(
    (data_key, encryption): (&Key, &Encryption),
    rng: &dyn Rng,
    plain: Checksum,
) -> Checksum {
    match encryption.keeper {
        Keeper::Customer => data_key.seal_checksum(rng, &plain),
        Keeper::Service(_) | Keeper::Named { .. } => plain,
    }
}

/// The data key that a customer's key wraps.
pub fn unwrap_by_customer(
    encryption: &Encryption,
    (bucket, key): (Id<kind::Bucket>, &str),
    customer_key: &Key,
) -> Result<Key, ModelError> {
    customer_key.unwrap(&encryption.data_key, &bound_to(bucket, key)).ok_or(ModelError::WrongCustomerKey)
}

impl Model {
    /// A new data key for a body of the object under a key.
    pub async fn new_data_key(
        self: &Arc<Self>,
        place: (Id<kind::Bucket>, &str),
        wish: &Wish,
    ) -> Result<Wrapping, ModelError> {
        self.wrap(place, wish, Key::random(self.env.rng.as_ref())).await
    }

    /// Refuses a wish that could not be fulfilled.
    pub async fn check_encryption(self: &Arc<Self>, wish: &Wish) -> Result<(), ModelError> {
        match wish {
            Wish::Customer(_) => Ok(()),
            Wish::Service => self.newest_ring_key(None).await.map(|_| ()),
            Wish::Named { name, .. } => self.newest_ring_key(name.as_deref()).await.map(|_| ()),
        }
    }

    /// Wraps a data key for the object under a key.
    pub async fn wrap(
        self: &Arc<Self>,
        (bucket, key): (Id<kind::Bucket>, &str),
        wish: &Wish,
        data_key: Key,
    ) -> Result<Wrapping, ModelError> {
        let rng = self.env.rng.as_ref();
        let bound_to = bound_to(bucket, key);
        let (keeper, wrapping_key) = match wish {
            Wish::Customer(customer_key) => (Keeper::Customer, customer_key.clone()),
            Wish::Service => {
                let (id, key) = self.newest_ring_key(None).await?;
                (Keeper::Service(id), key)
            }
            Wish::Named { name, bucket_key } => {
                let (key, ring_key) = self.newest_ring_key(name.as_deref()).await?;
                let name = name.clone().unwrap_or_else(|| ring::OWN_NAME.to_owned());
                (Keeper::Named { key, name, bucket_key: *bucket_key }, ring_key)
            }
        };
        let encryption = Encryption { keeper, data_key: wrapping_key.wrap(rng, &data_key, &bound_to) };
        Ok(Wrapping { data_key, encryption })
    }

    /// The data key that a key of the ring wraps.
    pub async fn unwrap_by_ring(
        self: &Arc<Self>,
        encryption: &Encryption,
        (bucket, key): (Id<kind::Bucket>, &str),
    ) -> Result<Key, Locked> {
        let id = encryption.keeper.ring_key().ok_or(Locked::ByCustomer)?;
        let ring_key = self.ring_key(id).await?;
        ring_key.unwrap(&encryption.data_key, &bound_to(bucket, key)).ok_or(Locked::Damaged)
    }

    /// Opens what a key of the ring keeps.
    pub(crate) async fn open_by_ring(self: &Arc<Self>, place: (Id<kind::Bucket>, &str), found: &mut Found) {
        if let Some(encryption) = &found.object.rare.encryption
            && encryption.keeper != Keeper::Customer
        {
            let opened = self.unwrap_by_ring(encryption, place).await;
            found.access = opened.map_or_else(Access::Locked, Access::Open);
        }
    }
}

/// What a data key is bound to, so that it opens nothing under another key or in another bucket.
fn bound_to(bucket: Id<kind::Bucket>, key: &str) -> Vec<u8> {
    [bucket.as_bytes().as_slice(), key.as_bytes()].concat()
}
