//! Who asks, and whether they may: decided here and nowhere else.
//!
//! An operation states what it needs; the dispatcher checks it before the body is read. What is known only
//! later – the source of a copy, the keys of DeleteObjects, the tags in a document – is checked by the same
//! [`Gate`] when it is known.
//!
//! The rule: what the bucket's policy denies is denied. Else a caller may what the policy allows, and what the
//! grants of its access key allow. Anonymous callers have no grants, and change no setting whatever a policy
//! says. A policy that cannot be read lets nobody in. Owners of the bucket can always read, replace and remove
//! the policy, so that none locks out those who could repair it.

use super::error::{S3Code, S3Error};
use super::head::Head;
use super::operation::NamedBucket;
use super::policy::{Asked, Facts, Policy, StoredPolicy, Verdict};
use super::settings;
use super::versions;
use super::xml::PublicAccessBlock;
use crate::signature::{Placement, Verified, VerifiedForm};
use base::Id;
use base::id::kind;
use model::Model;
use model::objects::Want;
use model::rows::bucket::{BucketRow, Grant, Setting};
use std::sync::Arc;

/// The id under which AWS shows who sent a request without a signature.
pub const ANONYMOUS: &str = "65a011a29cdf8ec533ec3d1ccaae921c";
/// What an owner may whatever the policy says.
const ABOUT_POLICIES: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

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

impl Access {
    fn is_in(self, grant: Grant) -> bool {
        match self {
            // These are not about a bucket that exists.
            Self::AnyKey | Self::CreateBucket => false,
            Self::Read => grant.read,
            Self::Write => grant.write,
            Self::Owner => grant.owner,
            Self::AnyGrant => !grant.is_none(),
        }
    }
}

/// Who asks: only a verified signature makes anybody of nobody.
#[derive(Debug, Clone)]
pub struct Caller {
    access_key: Option<String>,
    verified: Option<Verified>,
    /// Where the signature stands, and of which version it is, in AWS's words.
    signed: Option<(&'static str, &'static str)>,
}

impl Caller {
    /// The holder of the key that signed the request.
    pub fn signed(verified: Verified) -> Self {
        let place = match verified.placement() {
            Placement::Header => "REST-HEADER",
            Placement::Query => "REST-QUERY-STRING",
        };
        let signed = Some((place, "AWS4-HMAC-SHA256"));
        Self { access_key: Some(verified.access_key_id().to_owned()), verified: Some(verified), signed }
    }

    /// The holder of the key that signed the form's policy.
    pub fn of_form(form: &VerifiedForm) -> Self {
        let signed = Some(("POST", if form.is_version_2() { "AWS" } else { "AWS4-HMAC-SHA256" }));
        Self { access_key: Some(form.access_key_id().to_owned()), verified: None, signed }
    }

    /// Whoever sends a request without a signature.
    pub fn anonymous() -> Self {
        Self { access_key: None, verified: None, signed: None }
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

    /// What the caller's key may do with a bucket.
    pub fn grant(&self, bucket: &BucketRow) -> Grant {
        self.access_key().map(|key| bucket.grant_of(key)).unwrap_or_default()
    }
}

/// What is wanted of a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What a grant must give.
    pub access: Access,
    /// What a policy must allow, all of it.
    pub actions: &'a [&'a str],
    /// The object it is about. `None` where actions on objects are wanted: it is not known yet, and each will be
    /// checked by itself.
    pub key: Option<&'a str>,
}

/// All that decides what one caller may do with one bucket.
pub struct Gate {
    bucket: Id<kind::Bucket>,
    access_key: Option<String>,
    grant: Grant,
    policy: Result<Option<Policy>, S3Error>,
    /// Whether what the policy allows counts for this caller.
    policy_opens: bool,
    /// What conditions may ask for.
    pub facts: Facts,
}

impl Gate {
    /// The gate of a bucket to a request.
    pub fn new(caller: &Caller, head: &Head, bucket: &NamedBucket, now_unix_s: i64) -> Self {
        let policy = StoredPolicy::of(&bucket.row)
            .and_then(|stored| stored.map(|stored| stored.parse()).transpose())
            .map_err(|_| S3Error::new(S3Code::AccessDenied));
        let facts = match &policy {
            Ok(Some(_)) => Facts::of(head, caller.signed, now_unix_s),
            _ => Facts::default(),
        };
        let is_public = matches!(&policy, Ok(Some(policy)) if policy.is_public());
        let is_closed = caller.access_key.is_none() && is_public && restricts_public(&bucket.row);
        Self {
            bucket: bucket.id,
            access_key: caller.access_key.clone(),
            grant: caller.grant(&bucket.row),
            policy,
            policy_opens: !is_closed,
            facts,
        }
    }

    /// Refuses unless the caller may do what is wanted.
    pub async fn check(&mut self, model: &Arc<Model>, wanted: &Wanted<'_>) -> Result<(), S3Error> {
        if self.needs_tags()
            && let Some(key) = wanted.key
        {
            let version = self.facts.version().map(versions::parse).transpose()?;
            let found = model.look(self.bucket, key, version, Want::Metadata).await?.object();
            self.facts.existing_tags = found.map(|found| found.object.tags).unwrap_or_default();
        }
        match self.allows(wanted) {
            true => Ok(()),
            false => Err(S3Code::AccessDenied.into()),
        }
    }

    fn needs_tags(&self) -> bool {
        matches!(&self.policy, Ok(Some(policy)) if policy.needs_existing_tags())
    }

    fn allows(&self, wanted: &Wanted<'_>) -> bool {
        let granted = wanted.access.is_in(self.grant);
        if self.grant.owner && wanted.actions.iter().all(|action| ABOUT_POLICIES.contains(action)) {
            return true;
        }
        match &self.policy {
            Err(_) => false,
            Ok(None) => granted,
            Ok(Some(policy)) => {
                wanted.actions.iter().all(|action| self.allows_by(policy, wanted, action, granted))
            }
        }
    }

    fn allows_by(&self, policy: &Policy, wanted: &Wanted<'_>, action: &str, granted: bool) -> bool {
        let access_key = self.access_key.as_deref();
        let may_open = self.policy_opens && (access_key.is_some() || wanted.access != Access::Owner);
        if wanted.key.is_none() && super::policy::is_about_objects(action) {
            let may_allow = |action| policy.may_allow(access_key, action);
            return granted || (may_open && (may_allow(action) || may_allow(versions::action(action))));
        }
        let action = if self.facts.version().is_some() { versions::action(action) } else { action };
        match policy.evaluate(&Asked { access_key, action, key: wanted.key, facts: &self.facts }) {
            Verdict::Deny => false,
            Verdict::Allow => granted || may_open,
            Verdict::Silent => granted,
        }
    }
}

/// Whether what a public policy allows does not count for anonymous callers. A setting that cannot be read closes.
fn restricts_public(bucket: &BucketRow) -> bool {
    let blocks: Result<Option<PublicAccessBlock>, _> = settings::read(bucket, Setting::PublicAccessBlock);
    blocks.map_or(true, |blocks| blocks.unwrap_or_default().restrict_public_buckets)
}
