//! Who asks, and whether they may: decided here and nowhere else.
//!
//! An operation states what it needs; the dispatcher checks it before the body is read. A copy also
//! needs to read its source: that is checked with the same function when the source is known.

use super::error::{S3Code, S3Error};
use crate::signature::{Verified, VerifiedForm};
use model::rows::bucket::BucketRow;

/// The id under which AWS shows who sent a request without a signature.
pub const ANONYMOUS: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

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

/// Who asks: only a verified signature makes anybody of nobody.
#[derive(Debug, Clone)]
pub struct Caller {
    access_key: Option<String>,
    verified: Option<Verified>,
}

impl Caller {
    /// The holder of the key that signed the request.
    pub fn signed(verified: Verified) -> Self {
        Self { access_key: Some(verified.access_key_id().to_owned()), verified: Some(verified) }
    }

    /// The holder of the key that signed the form's policy.
    pub fn of_form(verified: &VerifiedForm) -> Self {
        Self { access_key: Some(verified.access_key_id().to_owned()), verified: None }
    }

    /// Whoever sends a request without a signature.
    pub fn anonymous() -> Self {
        Self { access_key: None, verified: None }
    }

    /// The access key the request was signed with.
    pub fn access_key(&self) -> Option<&str> {
        self.access_key.as_deref()
    }

    /// The same where only a key will do.
    pub fn key(&self) -> Result<&str, S3Error> {
        self.access_key().ok_or_else(|| S3Code::AccessDenied.into())
    }

    /// Proof, and what the body's signatures are checked against.
    pub fn verified(&self) -> Option<&Verified> {
        self.verified.as_ref()
    }

    /// Refuses unless the caller may do `access` to the bucket.
    pub fn check(&self, access: Access, bucket: &BucketRow) -> Result<(), S3Error> {
        let grant = self.access_key().map(|key| bucket.grant_of(key)).unwrap_or_default();
        let allowed = match access {
            Access::AnyKey | Access::CreateBucket => self.access_key.is_some(),
            Access::Read => grant.read,
            Access::Write => grant.write,
            Access::Owner => grant.owner,
            Access::AnyGrant => !grant.is_none(),
        };
        if allowed { Ok(()) } else { Err(S3Code::AccessDenied.into()) }
    }
}
