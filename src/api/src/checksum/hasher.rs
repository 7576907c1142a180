//! Computes a checksum over bytes that arrive piece by piece.

use std::fmt;

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use xxhash_rust::xxh3::Xxh3Default;
use xxhash_rust::xxh64::Xxh64;

use super::algorithm::ChecksumAlgorithm;
use super::value::ChecksumValue;

/// A running checksum.
#[derive(Clone)]
pub struct Hasher {
    algorithm: ChecksumAlgorithm,
    state: State,
}

#[derive(Clone)]
enum State {
    Crc(crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha512(Sha512),
    Md5(Md5),
    XxHash64(Xxh64),
    // Boxed for its half kilobyte of state.
    XxHash3(Box<Xxh3Default>),
}

impl fmt::Debug for Hasher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hasher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The CRC an algorithm is, if it is one.
pub(super) fn crc_algorithm(algorithm: ChecksumAlgorithm) -> Option<crc_fast::CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(crc_fast::CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(crc_fast::CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1
        | ChecksumAlgorithm::Sha256
        | ChecksumAlgorithm::Sha512
        | ChecksumAlgorithm::Md5
        | ChecksumAlgorithm::XxHash64
        | ChecksumAlgorithm::XxHash3
        | ChecksumAlgorithm::XxHash128 => None,
    }
}

impl Hasher {
    /// A checksum of no bytes yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let crc = |kind| State::Crc(crc_fast::Digest::new(kind));
        let state = match algorithm {
            ChecksumAlgorithm::Crc32 => crc(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => crc(crc_fast::CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => crc(crc_fast::CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 => State::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => State::Sha256(Sha256::new()),
            ChecksumAlgorithm::Sha512 => State::Sha512(Sha512::new()),
            ChecksumAlgorithm::Md5 => State::Md5(Md5::new()),
            ChecksumAlgorithm::XxHash64 => State::XxHash64(Xxh64::new(0)),
            ChecksumAlgorithm::XxHash3 | ChecksumAlgorithm::XxHash128 => {
                State::XxHash3(Box::new(Xxh3Default::new()))
            }
        };
        Self { algorithm, state }
    }

    /// The checksum of some bytes at hand.
    pub fn compute(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> ChecksumValue {
        let mut hasher = Self::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(crc) => crc.update(bytes),
            State::Sha1(sha) => sha.update(bytes),
            State::Sha256(sha) => sha.update(bytes),
            State::Sha512(sha) => sha.update(bytes),
            State::Md5(md5) => md5.update(bytes),
            State::XxHash64(hash) => hash.update(bytes),
            State::XxHash3(hash) => hash.update(bytes),
        }
    }

    /// The value over all bytes taken.
    pub fn finish(self) -> ChecksumValue {
        let value = match self.state {
            State::Crc(crc) => return integer_value(self.algorithm, crc.finalize()),
            State::Sha1(sha) => sha.finalize().to_vec(),
            State::Sha256(sha) => sha.finalize().to_vec(),
            State::Sha512(sha) => sha.finalize().to_vec(),
            State::Md5(md5) => md5.finalize().to_vec(),
            State::XxHash64(hash) => hash.digest().to_be_bytes().to_vec(),
            State::XxHash3(hash) if self.algorithm == ChecksumAlgorithm::XxHash128 => {
                hash.digest128().to_be_bytes().to_vec()
            }
            State::XxHash3(hash) => hash.digest().to_be_bytes().to_vec(),
        };
        ChecksumValue::from_bytes(self.algorithm, &value).expect("each state yields its algorithm's length")
    }
}

/// The value of a CRC: the low bytes of the number, most significant first.
pub(super) fn integer_value(algorithm: ChecksumAlgorithm, number: u64) -> ChecksumValue {
    let bytes = number.to_be_bytes();
    let from = bytes.len() - algorithm.size_bytes();
    ChecksumValue::from_bytes(algorithm, &bytes[from..]).expect("the slice has the algorithm's length")
}
