//! Sealing the blocks of a body, and wrapping the key they are sealed with.
//!
//! What always holds:
//! - no key is used twice with one nonce. A body that is written in one go has a random data key, and its
//!   blocks their numbers as nonces; a part has a key derived from the data key of its upload and the id of its own
//!   body, which is drawn for each attempt; a wrapped key and a sealed checksum have keys derived from random salts;
//! - a block opens only with its key and number, so that none can take the place of another;
//! - no key is shown by `Debug`.

use crate::ModelError;
use crate::rows::encryption::Wrapped;
use crate::rows::object::Checksum;
use base::Id;
use base::id::kind;
use bytes::Bytes;
use env::{Rng, random_array};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::fmt;

/// By how much sealing makes a block longer.
pub const SEAL_BYTES: usize = 16;
/// What keys are derived for: stored data depends on these words.
const OF_BODY: &[u8] = b"garage 2026-11 blocks of a body";
const OF_PART: &[u8] = b"garage 2026-11 blocks of a part";
const OF_WRAPPED: &[u8] = b"garage 2026-11 wrapped key";
const OF_CHECKSUM: &[u8] = b"garage 2026-11 checksum of a body";
/// Bytes of a salt.
const SALT_BYTES: usize = 32;

/// A key of 256 bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// From its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new one.
    pub fn random(rng: &dyn Rng) -> Self {
        Self(random_array(rng))
    }

    /// What seals the blocks of a body: of a part, or of an object that was written in one go.
    pub fn cipher(&self, part: Option<&Id<kind::Body>>) -> Cipher {
        match part {
            None => Cipher::new(self.derive(&[OF_BODY])),
            Some(body) => Cipher::new(self.derive(&[OF_PART, body.as_bytes()])),
        }
    }

    /// Wraps another key, bound to what it is for.
    pub fn wrap(&self, rng: &dyn Rng, inner: &Key, bound_to: &[u8]) -> Wrapped {
        let salt: [u8; 32] = random_array(rng);
        let sealed = self.of_salt(&salt).seal_with(inner.0.to_vec(), 0, bound_to);
        Wrapped { salt, sealed }
    }

    /// The wrapped key; none, if it was not wrapped by this one, or for something else.
    pub fn unwrap(&self, wrapped: &Wrapped, bound_to: &[u8]) -> Option<Key> {
        let opened = self.of_salt(&wrapped.salt).open_with(wrapped.sealed.clone(), 0, bound_to)?;
        opened.try_into().ok().map(Key)
    }

    /// Seals a checksum of a body that this is the data key of.
    pub fn seal_checksum(&self, rng: &dyn Rng, plain: &Checksum) -> Checksum {
        let salt: [u8; SALT_BYTES] = random_array(rng);
        let cipher = Cipher::new(self.derive(&[OF_CHECKSUM, &salt]));
        let sealed = cipher.seal_with(plain.value.clone(), 0, &kind_of(plain));
        Checksum { value: [salt.as_slice(), &sealed].concat(), is_sealed: true, ..*plain }
    }

    /// Opens a checksum that was sealed by this key; none: it was not. One that is not sealed is as it is.
    pub fn open_checksum(&self, stored: &Checksum) -> Option<Checksum> {
        if !stored.is_sealed {
            return Some(stored.clone());
        }
        let (salt, sealed) = stored.value.split_at_checked(SALT_BYTES)?;
        let cipher = Cipher::new(self.derive(&[OF_CHECKSUM, salt]));
        let value = cipher.open_with(sealed.to_vec(), 0, &kind_of(stored))?;
        Some(Checksum { value, is_sealed: false, ..*stored })
    }

    /// An entity tag that tells nothing about the content to whoever lacks the key.
    pub fn blind(&self, md5: [u8; 16]) -> [u8; 16] {
        let whole = self.derive(&[b"garage 2026-11 entity tag", &md5]).0;
        let mut tag = [0; 16];
        tag.copy_from_slice(&whole[..16]);
        tag
    }

    fn of_salt(&self, salt: &[u8; 32]) -> Cipher {
        Cipher::new(self.derive(&[OF_WRAPPED, salt]))
    }

    /// A key for one purpose. Each begins with its own words, and what follows has a fixed length.
    fn derive(&self, purpose: &[&[u8]]) -> Key {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        purpose.iter().for_each(|piece| _ = hasher.update(piece));
        Key(*hasher.finalize().as_bytes())
    }
}

/// What a checksum is bound to: one kind does not open as another.
fn kind_of(checksum: &Checksum) -> [u8; 2] {
    [checksum.algorithm, u8::from(checksum.composite)]
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// AES-256-GCM under one key.
pub struct Cipher(LessSafeKey);

impl Cipher {
    fn new(key: Key) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &key.0).expect("the key has the length of the algorithm's");
        Self(LessSafeKey::new(key))
    }

    /// Seals block `number`, which must not have been sealed before.
    pub fn seal(&self, number: u32, content: &[u8]) -> Bytes {
        let mut bytes = Vec::with_capacity(content.len() + SEAL_BYTES);
        bytes.extend_from_slice(content);
        self.seal_with(bytes, number, &[]).into()
    }

    /// Opens block `number`.
    pub fn open(&self, number: u32, sealed: Bytes) -> Result<Bytes, ModelError> {
        // Read from disk or network, it is nobody else's, and is opened in place.
        let bytes = Vec::from(sealed);
        self.open_with(bytes, number, &[]).map(Bytes::from).ok_or(ModelError::Damaged)
    }

    fn seal_with(&self, mut bytes: Vec<u8>, number: u32, bound_to: &[u8]) -> Vec<u8> {
        let sealed = self.0.seal_in_place_append_tag(nonce(number), Aad::from(bound_to), &mut bytes);
        sealed.expect("a block is far below what the algorithm can seal");
        bytes
    }

    fn open_with(&self, mut bytes: Vec<u8>, number: u32, bound_to: &[u8]) -> Option<Vec<u8>> {
        let opened = self.0.open_in_place(nonce(number), Aad::from(bound_to), &mut bytes).ok()?;
        let length = opened.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

fn nonce(number: u32) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..4].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use env::sim::{SimOptions, SimWorld};

    const PARTS: [Id<kind::Body>; 2] = [Id::from_bytes([1; 32]), Id::from_bytes([2; 32])];

    #[test]
    fn a_block_opens_as_what_it_was_sealed_and_as_nothing_else() {
        let (key, other) = (Key::from_bytes([7; 32]), Key::from_bytes([8; 32]));
        let seats = [None, Some(&PARTS[0]), Some(&PARTS[1])];
        for (at, seat) in seats.iter().enumerate() {
            let sealed = key.cipher(*seat).seal(3, b"content");
            assert_eq!(sealed.len(), 7 + SEAL_BYTES);
            assert_eq!(key.cipher(*seat).open(3, sealed.clone()).unwrap(), &b"content"[..]);
            assert!(key.cipher(*seat).open(4, sealed.clone()).is_err());
            assert!(other.cipher(*seat).open(3, sealed.clone()).is_err());
            for (_, wrong) in seats.iter().enumerate().filter(|(index, _)| *index != at) {
                assert!(key.cipher(*wrong).open(3, sealed.clone()).is_err());
            }
            for bit in 0..sealed.len() * 8 {
                let mut damaged = sealed.to_vec();
                damaged[bit / 8] ^= 1 << (bit % 8);
                assert!(key.cipher(*seat).open(3, damaged.into()).is_err(), "bit {bit}");
            }
            assert!(key.cipher(*seat).open(3, sealed.slice(1..)).is_err());
            assert!(key.cipher(*seat).open(3, Bytes::new()).is_err());
        }
    }

    #[test]
    fn the_same_content_is_never_sealed_alike() {
        let key = Key::from_bytes([7; 32]);
        let of = |seat, number| key.cipher(seat).seal(number, b"content");
        let sealed = [of(None, 0), of(None, 1), of(Some(&PARTS[0]), 0), of(Some(&PARTS[1]), 0)];
        for (at, one) in sealed.iter().enumerate() {
            assert!(sealed[..at].iter().all(|other| other != one));
        }
    }

    #[test]
    fn a_wrapped_key_opens_for_what_it_was_wrapped_for() {
        let world = SimWorld::new(1, &SimOptions::default());
        let rng = world.env().rng;
        let (outer, inner) = (Key::random(rng.as_ref()), Key::random(rng.as_ref()));
        let wrapped = outer.wrap(rng.as_ref(), &inner, b"place");
        assert_eq!(outer.unwrap(&wrapped, b"place"), Some(inner.clone()));
        assert_eq!(outer.unwrap(&wrapped, b"other place"), None);
        assert_eq!(inner.unwrap(&wrapped, b"place"), None);
        assert_ne!(outer.wrap(rng.as_ref(), &inner, b"place"), wrapped);
        let damaged = Wrapped { salt: [0; 32], ..wrapped.clone() };
        assert_eq!(outer.unwrap(&damaged, b"place"), None);
        let short = Wrapped { sealed: wrapped.sealed[..20].to_vec(), ..wrapped };
        assert_eq!(outer.unwrap(&short, b"place"), None);
    }

    #[test]
    fn a_checksum_opens_with_its_key_and_as_what_it_is() {
        let world = SimWorld::new(1, &SimOptions::default());
        let rng = world.env().rng;
        let (key, other) = (Key::random(rng.as_ref()), Key::random(rng.as_ref()));
        let plain = Checksum { algorithm: 3, composite: false, value: vec![1, 2, 3, 4], is_sealed: false };
        let sealed = key.seal_checksum(rng.as_ref(), &plain);
        assert!(sealed.is_sealed && !sealed.value.windows(4).any(|bytes| bytes == plain.value));
        assert_ne!(
            key.seal_checksum(rng.as_ref(), &plain),
            sealed,
            "the same checksum is never sealed alike"
        );
        assert_eq!(key.open_checksum(&sealed), Some(plain.clone()));
        assert_eq!(other.open_checksum(&sealed), None);
        assert_eq!(key.open_checksum(&Checksum { algorithm: 4, ..sealed.clone() }), None);
        assert_eq!(key.open_checksum(&Checksum { composite: true, ..sealed.clone() }), None);
        for at in 0..sealed.value.len() {
            let mut damaged = sealed.clone();
            damaged.value[at] ^= 1;
            assert_eq!(key.open_checksum(&damaged), None, "byte {at}");
            damaged.value.truncate(at);
            assert_eq!(key.open_checksum(&damaged), None, "the first {at} bytes");
        }
        // Of before they were sealed.
        assert_eq!(other.open_checksum(&plain), Some(plain));
    }

    #[test]
    fn a_key_is_not_printed() {
        assert_eq!(format!("{:?}", Key::from_bytes([7; 32])), "***");
    }
}
