//! The envelope around every stored record: kind, version, length, checksum.
//!
//! Layout: kind (1 byte), version (1), length of the body (4, little endian), CRC-32C (4, little
//! endian), body. The checksum covers kind, version, key and body, so that a record that turns up
//! under another key is noticed too. The body is MessagePack in array form: new fields go to the
//! end with a default.

use crate::space::Space;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A stored record type: its kind and version are part of the format (doc/formats.md).
pub trait Record: Serialize + DeserializeOwned {
    /// The number of this kind of record; unique in the product.
    const KIND: u8;
    /// The version this release writes. Older versions are read by [`Record::upgrade`].
    const VERSION: u8;

    /// Reads a body written by an older release. `None`: that version is not known.
    fn upgrade(_version: u8, _body: &[u8]) -> Option<Self> {
        None
    }
}

/// The record does not pass its check, or comes from a release this one does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

const HEADER_BYTES: usize = 10;

/// The stored bytes of `record` under `key`.
pub fn encode<R: Record>(space: Space, key: &[u8], record: &R) -> Bytes {
    let mut bytes = vec![0; HEADER_BYTES];
    rmp_serde::encode::write(&mut bytes, record).expect("records hold only types that MessagePack can hold");
    let body_bytes = u32::try_from(bytes.len() - HEADER_BYTES).expect("a record is far below 4 GiB");
    bytes[0] = R::KIND;
    bytes[1] = R::VERSION;
    bytes[2..6].copy_from_slice(&body_bytes.to_le_bytes());
    let sum = checksum(space, key, R::KIND, R::VERSION, &bytes[HEADER_BYTES..]);
    bytes[6..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    bytes.into()
}

/// Checks and reads stored bytes.
pub fn decode<R: Record>(space: Space, key: &[u8], bytes: &[u8]) -> Result<R, Unreadable> {
    if !passes(space, key, bytes) || bytes[0] != R::KIND {
        return Err(Unreadable);
    }
    let (version, body) = (bytes[1], &bytes[HEADER_BYTES..]);
    if version == R::VERSION {
        rmp_serde::from_slice(body).map_err(|_| Unreadable)
    } else {
        R::upgrade(version, body).ok_or(Unreadable)
    }
}

/// Whether stored bytes pass their check, whatever record they are.
pub fn passes(space: Space, key: &[u8], bytes: &[u8]) -> bool {
    let Some((header, body)) = bytes.split_at_checked(HEADER_BYTES) else { return false };
    let length = u32::from_le_bytes(header[2..6].try_into().expect("four bytes"));
    let sum = u32::from_le_bytes(header[6..10].try_into().expect("four bytes"));
    length as usize == body.len() && sum == checksum(space, key, header[0], header[1], body)
}

fn checksum(space: Space, key: &[u8], kind: u8, version: u8, body: &[u8]) -> u32 {
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(&[space.number(), kind, version]);
    digest.update(key);
    digest.update(body);
    digest.finalize() as u32
}
