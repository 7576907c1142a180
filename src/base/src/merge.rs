//! Rows that merge: the laws every replicated row obeys, and the registers rows are made of.
//!
//! `merge` is commutative, associative, idempotent and never goes back, and equal states encode
//! to equal bytes. [`assert_merge_laws`] enumerates a domain and checks all of it; every row type
//! of the product calls it on a domain so small that ties happen.
//!
//! A merge never forgets what a legal message could bring back: nothing is pruned here.

use crate::stamp::Stamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A state that can take in another replica's state of the same thing.
pub trait Merge {
    /// Takes in `other`. Afterwards `self` is the least state above both.
    fn merge(&mut self, other: &Self);
}

/// A register in which the newest stamp wins; equal stamps are decided by the greater value, so
/// that replicas agree whatever order they saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lww<T> {
    /// When the value was written.
    pub stamp: Stamp,
    /// The value.
    pub value: T,
}

impl<T: Ord + Clone> Lww<T> {
    /// A register holding `value` since `stamp`.
    pub fn new(stamp: Stamp, value: T) -> Self {
        Self { stamp, value }
    }

    /// Writes `value` at `stamp`, if that is newer.
    pub fn set(&mut self, stamp: Stamp, value: T) {
        self.merge(&Self::new(stamp, value));
    }
}

impl<T: Ord + Clone> Merge for Lww<T> {
    fn merge(&mut self, other: &Self) {
        if (other.stamp, &other.value) > (self.stamp, &self.value) {
            *self = other.clone();
        }
    }
}

/// A map of registers. A removed entry is an entry whose value says so: keys never vanish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LwwMap<K: Ord, V>(BTreeMap<K, Lww<V>>);

impl<K: Ord, V> Default for LwwMap<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Clone, V: Ord + Clone> LwwMap<K, V> {
    /// The value under `key`.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key).map(|register| &register.value)
    }

    /// Writes `value` under `key` at `stamp`, if that is newer.
    pub fn set(&mut self, key: K, stamp: Stamp, value: V) {
        let written = Lww::new(stamp, value);
        match self.0.get_mut(&key) {
            Some(register) => register.merge(&written),
            None => {
                self.0.insert(key, written);
            }
        }
    }

    /// All entries in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, register)| (key, &register.value))
    }
}

impl<K: Ord + Clone, V: Ord + Clone> Merge for LwwMap<K, V> {
    fn merge(&mut self, other: &Self) {
        for (key, register) in &other.0 {
            self.set(key.clone(), register.stamp, register.value.clone());
        }
    }
}

/// Checks the laws over every pair and triple of `domain`; `encode` gives the canonical bytes.
///
/// # Panics
/// With the offending states when a law does not hold. For tests.
pub fn assert_merge_laws<T>(domain: &[T], encode: impl Fn(&T) -> Vec<u8>)
where
    T: Merge + Clone + PartialEq + std::fmt::Debug,
{
    let join = |a: &T, b: &T| {
        let mut joined = a.clone();
        joined.merge(b);
        joined
    };
    for a in domain {
        assert_eq!(&join(a, a), a, "idempotent");
        for b in domain {
            let ab = join(a, b);
            assert_eq!(ab, join(b, a), "commutative: {a:?} {b:?}");
            assert_eq!(join(&ab, a), ab, "never goes back: {a:?} {b:?}");
            assert_eq!(a == b, encode(a) == encode(b), "equal states, equal bytes: {a:?} {b:?}");
            for c in domain {
                assert_eq!(join(&ab, c), join(a, &join(b, c)), "associative: {a:?} {b:?} {c:?}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps() -> Vec<Stamp> {
        let mut stamps = Vec::new();
        for time in 1..=2 {
            for node in 1..=2 {
                stamps.push(Stamp { time, node });
            }
        }
        stamps
    }

    #[test]
    fn lww_obeys_the_laws() {
        let mut domain = Vec::new();
        for stamp in stamps() {
            for value in 0..2u8 {
                domain.push(Lww::new(stamp, value));
            }
        }
        assert_merge_laws(&domain, |lww| format!("{lww:?}").into_bytes());
    }

    #[test]
    fn lww_map_obeys_the_laws() {
        let mut domain = vec![LwwMap::default()];
        for stamp in stamps() {
            for value in 0..2u8 {
                let mut one = LwwMap::default();
                one.set('a', stamp, value);
                domain.push(one.clone());
                one.set('b', stamp, 1);
                domain.push(one);
            }
        }
        assert_merge_laws(&domain, |map| format!("{map:?}").into_bytes());
    }
}
