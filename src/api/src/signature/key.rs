//! Secrets and the signing keys derived from them, with a small cache of derived keys.
//!
//! Deriving a key costs four HMAC computations and gives the same result for one secret, day and
//! region, so a busy client's key is worth remembering.
//!
//! Always holds: neither a secret nor a key is ever printed; the cache holds only keys of requests whose
//! signature was right (a stranger cannot fill it), and never more than `2 * GENERATION_CAPACITY`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::scope::{Scope, TERMINATOR};

/// Keys in one generation of the cache: more than the clients one node serves in a day, at about
/// 200 bytes each.
pub const GENERATION_CAPACITY: usize = 1024;

/// The secret half of an access key. Its `Debug` form is `***`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Secret(String);

impl Secret {
    /// Wraps the secret's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// The key that signs requests of one secret on one day for one region.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey([u8; 32]);

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl SigningKey {
    /// Derives the key from the secret and the credential scope.
    pub fn derive(secret: &Secret, scope: &Scope) -> Self {
        let mut first = Vec::with_capacity(4 + secret.bytes().len());
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(secret.bytes());
        let date_key = hmac_sha256(&first, scope.date().as_bytes());
        let region_key = hmac_sha256(&date_key, scope.region().as_bytes());
        let service_key = hmac_sha256(&region_key, scope.service().as_bytes());
        Self(hmac_sha256(&service_key, TERMINATOR.as_bytes()))
    }

    /// The signature of a string to sign.
    pub fn sign(&self, string_to_sign: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.0, string_to_sign)
    }
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

type CacheKey = (String, String, Secret);

/// Remembers derived signing keys by day, region and secret.
///
/// Two generations stand for "recently used": a key found in the old one moves to the young one, and
/// when the young one is full it becomes the old one. The secret itself is part of the cache key, so a
/// replaced secret can never meet the key of its predecessor.
#[derive(Default)]
pub struct SigningKeyCache {
    generations: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: BTreeMap<CacheKey, SigningKey>,
    old: BTreeMap<CacheKey, SigningKey>,
}

impl fmt::Debug for SigningKeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKeyCache").field("len", &self.len()).finish()
    }
}

impl SigningKeyCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        let generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.young.len() + generations.old.len()
    }

    /// Whether it holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The key for this secret and scope, if it was remembered.
    pub(super) fn find(&self, secret: &Secret, scope: &Scope) -> Option<SigningKey> {
        let cache_key = cache_key(secret, scope);
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = generations.young.get(&cache_key) {
            return Some(key.clone());
        }
        let key = generations.old.remove(&cache_key)?;
        generations.insert(cache_key, key.clone());
        Some(key)
    }

    /// Remembers a key; called only once a request signed with it was found good.
    pub(super) fn remember(&self, secret: &Secret, scope: &Scope, key: &SigningKey) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        generations.insert(cache_key(secret, scope), key.clone());
    }
}

impl Generations {
    fn insert(&mut self, cache_key: CacheKey, key: SigningKey) {
        if self.young.len() >= GENERATION_CAPACITY && !self.young.contains_key(&cache_key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(cache_key, key);
    }
}

fn cache_key(secret: &Secret, scope: &Scope) -> CacheKey {
    (scope.date().to_owned(), scope.region().to_owned(), secret.clone())
}
