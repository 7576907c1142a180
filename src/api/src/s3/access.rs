//! Who asks, and whether they may: decided here and nowhere else.
//!
//! An operation states what it needs; the dispatcher checks it before the body is read. What is known only
//! later – the source of a copy, the keys of DeleteObjects, the tags in a document – is checked by the same
//! [`Gate`] when it is known.
//!
//! The rule: what the bucket's policy denies is denied. Else a caller may what the policy allows, what the grants
//! of its access key allow, and what an access control list gives ([`super::acl`]). Anonymous callers have no
//! grants, and change no setting whatever a policy or list says. A policy that cannot be read lets nobody in. Owners
//! of the bucket can always read, replace and remove the policy, so that none locks out those who could repair it.
//! Where the bucket is a web site, its visitors may what a policy that allows everybody to read would allow them.
//!
//! An object's list stands in its row, and no row is read twice: an operation that such a list may open
//! ([`Access::ReadOrAcl`], [`Access::WriteOrAcl`]) gets an [`Admission`], and asks it once it has the row.

use super::acl::{self, Lists, Needed};
use super::error::{S3Code, S3Error};
use super::head::Head;
use super::operation::NamedBucket;
use super::policy::{Asked, Facts, Policy, StoredPolicy, Verdict};
use super::versions;
use crate::signature::{Placement, Verified, VerifiedForm};
use base::Id;
use base::id::kind;
use model::Model;
use model::objects::Want;
use model::rows::acl::Permission;
use model::rows::bucket::{BucketRow, Grant};
use model::rows::object::Object;
use std::sync::{Arc, OnceLock};

/// The id under which AWS shows who sent a request without a signature.
pub const ANONYMOUS: &str = "65a011a29cdf8ec533ec3d1ccaae921c";
/// What an owner may whatever the policy says.
const ABOUT_POLICIES: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

/// What a web site lets everybody do.
const OF_SITES: [&str; 2] = ["s3:GetObject", "s3:ListBucket"];

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
    /// Read on the bucket, or what the object's access control list gives.
    ReadOrAcl,
    /// Write on the bucket, or what the object's access control list gives.
    WriteOrAcl,
}

impl Access {
    fn is_in(self, grant: Grant) -> bool {
        match self {
            // These are not about a bucket that exists.
            Self::AnyKey | Self::CreateBucket => false,
            Self::Read | Self::ReadOrAcl => grant.read,
            Self::Write | Self::WriteOrAcl => grant.write,
            Self::Owner => grant.owner,
            Self::AnyGrant => !grant.is_none(),
        }
    }

    /// Whether the operation asks the object's list when it has the row.
    fn asks_object(self) -> bool {
        matches!(self, Self::ReadOrAcl | Self::WriteOrAcl)
    }
}

/// What was found out before the object's row was read.
#[derive(Debug, Clone)]
pub enum Admission {
    /// The caller may, whatever the object is.
    Granted,
    /// The caller may if the object's list gives this.
    ByObject(Lists, Permission),
}

impl Admission {
    /// Refuses an object that the caller may not have.
    pub fn check(&self, object: &Object) -> Result<(), S3Error> {
        match self {
            Self::Granted => Ok(()),
            Self::ByObject(lists, permission)
                if lists.object_allows(object.rare.acl.as_ref(), *permission) =>
            {
                Ok(())
            }
            Self::ByObject(..) => Err(S3Code::AccessDenied.into()),
        }
    }
}

/// What grants, policy and the bucket's list say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Judgement {
    Allowed,
    /// Nobody says anything: no.
    Open,
    Denied,
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
    row: Arc<BucketRow>,
    /// Looked at only where they are asked.
    lists: OnceLock<Lists>,
    access_key: Option<String>,
    grant: Grant,
    policy: Result<Option<Policy>, S3Error>,
    /// Whether what the policy allows counts for this caller.
    policy_opens: bool,
    /// Whether the bucket's site is open to the caller.
    serves_site: bool,
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
        let is_closed =
            caller.access_key.is_none() && is_public && acl::blocks(&bucket.row).restrict_public_buckets;
        Self {
            bucket: bucket.id,
            row: Arc::clone(&bucket.row),
            lists: OnceLock::new(),
            access_key: caller.access_key.clone(),
            grant: caller.grant(&bucket.row),
            policy,
            policy_opens: !is_closed,
            serves_site: false,
            facts,
        }
    }

    /// The same gate for a visitor of the bucket's web site, who may read every object and be told which there are,
    /// as if the policy said so.
    #[must_use]
    pub fn serving_site(mut self) -> Self {
        self.serves_site = !acl::blocks(&self.row).restrict_public_buckets;
        self
    }

    /// Refuses unless the caller may do what is wanted, whatever an object's list says.
    pub async fn check(&mut self, model: &Arc<Model>, wanted: &Wanted<'_>) -> Result<(), S3Error> {
        match self.judge(model, wanted).await? {
            Judgement::Allowed => Ok(()),
            Judgement::Open | Judgement::Denied => Err(S3Code::AccessDenied.into()),
        }
    }

    /// The same, but leaves to the object's list what only that can give.
    pub async fn admit(&mut self, model: &Arc<Model>, wanted: &Wanted<'_>) -> Result<Admission, S3Error> {
        match (self.judge(model, wanted).await?, wanted.actions) {
            (Judgement::Allowed, _) => Ok(Admission::Granted),
            (Judgement::Open, [action]) if wanted.access.asks_object() && wanted.key.is_some() => {
                self.by_object(action).ok_or_else(|| S3Code::AccessDenied.into())
            }
            (Judgement::Open | Judgement::Denied, _) => Err(S3Code::AccessDenied.into()),
        }
    }

    /// What an object's list would have to give; nothing, where no row needs to be read to know that none does.
    fn by_object(&self, action: &str) -> Option<Admission> {
        match acl::needed(action)? {
            Needed::OfObject(permission) if self.lists().may_open_objects() => {
                Some(Admission::ByObject(self.lists().clone(), permission))
            }
            Needed::OfObject(_) | Needed::OfBucket(_) => None,
        }
    }

    /// Refuses a list that comes along with an object. A key that writes because the bucket's list says so may
    /// say who else may use what it writes.
    pub async fn check_list(
        &mut self,
        model: &Arc<Model>,
        access: Access,
        key: Option<&str>,
    ) -> Result<(), S3Error> {
        let wanted = Wanted { access, actions: &["s3:PutObjectAcl"], key };
        let writes = self.access_key.is_some() && self.lists().bucket_allows("s3:PutObject");
        match self.judge(model, &wanted).await? {
            Judgement::Allowed => Ok(()),
            Judgement::Open if writes => Ok(()),
            Judgement::Open | Judgement::Denied => Err(S3Code::AccessDenied.into()),
        }
    }

    async fn judge(&mut self, model: &Arc<Model>, wanted: &Wanted<'_>) -> Result<Judgement, S3Error> {
        if self.needs_tags()
            && let Some(key) = wanted.key
        {
            let version = self.facts.version().map(versions::parse).transpose()?;
            let found = model.look(self.bucket, key, version, Want::Metadata).await?.object();
            self.facts.existing_tags = found.map(|found| found.object.tags).unwrap_or_default();
        }
        Ok(self.judged(wanted))
    }

    fn needs_tags(&self) -> bool {
        matches!(&self.policy, Ok(Some(policy)) if policy.needs_existing_tags())
    }

    fn lists(&self) -> &Lists {
        self.lists.get_or_init(|| Lists::of(self.access_key.as_deref(), &self.row))
    }

    fn judged(&self, wanted: &Wanted<'_>) -> Judgement {
        if self.grant.owner && wanted.actions.iter().all(|action| ABOUT_POLICIES.contains(action)) {
            return Judgement::Allowed;
        }
        let Ok(policy) = &self.policy else { return Judgement::Denied };
        let judged = wanted.actions.iter().map(|action| self.judge_action(policy.as_ref(), wanted, action));
        judged.max().unwrap_or(Judgement::Denied)
    }

    fn judge_action(&self, policy: Option<&Policy>, wanted: &Wanted<'_>, action: &str) -> Judgement {
        let access_key = self.access_key.as_deref();
        // Whoever names a version asks for another action.
        let of_version = versions::action(action);
        let named = if self.facts.version().is_some() { of_version } else { action };
        let may_open = access_key.is_some() || wanted.access != Access::Owner;
        let about_all = wanted.key.is_none() && super::policy::is_about_objects(action);
        let may_allow =
            |policy: &Policy| [action, of_version].iter().any(|one| policy.may_allow(access_key, one));
        let verdict = match policy {
            None => Verdict::Silent,
            Some(policy) if about_all && may_allow(policy) => Verdict::Allow,
            Some(_) if about_all => Verdict::Silent,
            Some(policy) => {
                policy.evaluate(&Asked { access_key, action: named, key: wanted.key, facts: &self.facts })
            }
        };
        match verdict {
            Verdict::Deny => Judgement::Denied,
            _ if wanted.access.is_in(self.grant) => Judgement::Allowed,
            _ if self.serves_site && OF_SITES.contains(&action) => Judgement::Allowed,
            Verdict::Allow if may_open && self.policy_opens => Judgement::Allowed,
            _ if may_open && self.lists().bucket_allows(action) => Judgement::Allowed,
            Verdict::Allow | Verdict::Silent => Judgement::Open,
        }
    }
}
