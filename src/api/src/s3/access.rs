//! Who asks, and whether they may: decided here and nowhere else.
//!
//! An operation states what it needs; the dispatcher checks it before the body is read. A copy also
//! needs to read its source: that is checked with the same function when the source is known.

use super::error::{S3Code, S3Error};
use crate::signature::Verified;
use model::rows::bucket::BucketRow;

/// What an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any valid access key.
    AnyKey,
    /// A key that may create buckets.
    CreateBucket,
    /// Read on the bucket.
    Read,
    /// Write on the bucket.
    Write,
    /// Ownership of the bucket.
    Owner,
    /// Any grant on the bucket.
    AnyGrant,
}

/// Who asks: only [`Caller::signed`] makes one, from a verified signature.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The access key the request was signed with.
    pub access_key: String,
    /// Proof, and what the body's signatures are checked against.
    pub verified: Verified,
}

impl Caller {
    /// The holder of the key that signed the request.
    pub fn signed(verified: Verified) -> Self {
        Self { access_key: verified.access_key_id().to_owned(), verified }
    }

    /// Refuses unless the caller may do `access` to the bucket.
    pub fn check(&self, access: Access, bucket: &BucketRow) -> Result<(), S3Error> {
        let grant = bucket.grant_of(&self.access_key);
        let allowed = match access {
            Access::AnyKey | Access::CreateBucket => true,
            Access::Read => grant.read,
            Access::Write => grant.write,
            Access::Owner => grant.owner,
            Access::AnyGrant => !grant.is_none(),
        };
        if allowed { Ok(()) } else { Err(S3Code::AccessDenied.into()) }
    }
}
