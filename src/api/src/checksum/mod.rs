//! The checksums S3 clients send and ask for: which there are, how they are computed, combined and
//! compared.
//!
//! Why it stands alone: an object's checksum is read from a header or a trailer, checked against the body,
//! stored with the object and combined when a multipart upload completes; all of that needs one meaning of
//! "algorithm" and "value".
//!
//! Always holds: a `ChecksumValue` has exactly the length of its algorithm. The numbers of `code` are
//! stored with objects and never change. Names are compared without regard to case.
//!
//! Units: lengths and sizes are bytes.

mod algorithm;
mod error;
mod hasher;
mod object;
mod request;
#[cfg(test)]
mod tests;
mod value;

pub use algorithm::{ChecksumAlgorithm, ChecksumType};
pub use error::ChecksumError;
pub use hasher::Hasher;
pub use object::ObjectChecksum;
pub use request::{BodyChecksums, RequestChecksums, RequestedChecksum};
pub use value::ChecksumValue;
