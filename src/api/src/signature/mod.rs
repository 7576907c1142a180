//! AWS Signature Version 4: reads and verifies the credentials of a request.
//!
//! Why it stands alone: this is the door. It has no clock, no I/O and no types of an HTTP server; time,
//! request head and secret come in as arguments, so every case can be tested byte by byte.
//!
//! Two steps: `Credentials::parse` reads what the request claims and refuses what is wrong by itself (time,
//! scope, headers left unsigned); `Claim::verify` computes the signature. The body's part of the
//! signature is checked by `body::Decoder`, fed from `Verified`.
//!
//! Always holds: a `Verified` is made only here, after the signature was found right. `host` and every
//! `x-amz-*` header of a verified request were signed. No secret is ever printed.
//!
//! Units: times are seconds since 1970-01-01 UTC.

mod canonical;
mod credentials;
mod error;
mod form;
mod key;
mod scope;
mod streaming;
#[cfg(test)]
pub(crate) mod test_request;
#[cfg(test)]
mod tests;
mod verify;

use http::{HeaderMap, Method};

#[cfg(test)]
pub(crate) use canonical::hex;
pub(crate) use canonical::parse_hash_hex;
pub use canonical::{MAX_HOSTS, SignedHeaders};
pub use credentials::{
    AuthorizationHeader, Claim, Credentials, MAX_CLOCK_SKEW_S, MAX_PRESIGNED_LIFETIME_S, Placement,
};
pub use error::{Malformed, SignatureError, SignatureMismatch};
pub use form::{FormClaim, VerifiedForm};
pub use key::{GENERATION_CAPACITY, Secret, SigningKey, SigningKeyCache};
pub use scope::{Scope, Timestamp};
pub use streaming::{ChunkMismatch, ChunkVerifier};
pub use verify::{Verified, VerifyPolicy};

/// The part of a request that is signed, as it was received.
#[derive(Debug, Clone, Copy)]
pub struct RequestHead<'r> {
    /// The method.
    pub method: &'r Method,
    /// The path, still percent-encoded.
    pub raw_path: &'r str,
    /// The query without `?`, still percent-encoded; empty when there is none.
    pub raw_query: &'r str,
    /// All headers.
    pub headers: &'r HeaderMap,
    /// Further values the client may have had for `Host`: behind a proxy that changed it, with or
    /// without the port. The received header is always tried first and need not be repeated here.
    pub hosts: &'r [&'r str],
}
