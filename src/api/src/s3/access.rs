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
//! ([`Access::ReadOrAcl`], [`Access::ShareOrAcl`]) gets an [`Admission`], and asks it once it has the row. So does one
//! that the initiator of an upload may do ([`Access::WriteOrInitiator`]).

use super::acl::{self, Lists, Needed};
use super::begun;
use super::error::{S3Code, S3Error};
use super::head::Head;
use super::operation::NamedBucket;
use super::policy::{Asked, Facts, Policy, Signed, StoredPolicy, Verdict, speaks_of_existing_tags};
use super::versions;
use crate::signature::{Placement, Verified, VerifiedForm};
use base::Id;
use base::id::kind;
use model::multipart::UploadName;
use model::objects::{Condition, Want};
use model::rows::acl::Permission;
use model::rows::bucket::{BucketRow, Grant};
use model::rows::object::Object;
use model::rows::upload::UploadRow;
use model::{Model, ModelError};
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
    /// Read and write on the bucket, or ownership of it, or what the object's access control list gives: who may say who
    /// reads could say so of himself.
    ShareOrAcl,
    /// Write on the bucket, where the body says more that policies may speak of: the operation asks the gate again when
    /// it has been read.
    WriteByBody,
    /// Write on the bucket; or WRITE in its access control list, for who began the upload.
    WriteOrInitiator,
}

impl Access {
    fn is_in(self, grant: Grant) -> bool {
        match self {
            // These are not about a bucket that exists.
            Self::AnyKey | Self::CreateBucket => false,
            Self::Read | Self::ReadOrAcl => grant.read,
            Self::Write | Self::WriteByBody | Self::WriteOrInitiator => grant.write,
            Self::ShareOrAcl => grant.owner || (grant.read && grant.write),
            Self::Owner => grant.owner,
            Self::AnyGrant => !grant.is_none(),
        }
    }

    /// Whether the operation asks the object's list when it has the row.
    fn asks_object(self) -> bool {
        matches!(self, Self::ReadOrAcl | Self::ShareOrAcl)
    }
}

/// What was found out before the object's row was read.
#[derive(Debug, Clone)]
pub enum Admission {
    /// The caller may, whatever the object is.
    Granted,
    /// The caller may if the object's list gives this.
    ByObject(Lists, Permission),
    /// The caller, who has this access key, may if the upload is the caller's.
    ByInitiator(String),
    /// The bucket's list lets the caller write: create objects, and replace and delete those that belong to this access
    /// key. To nobody belong none.
    OwnOnly(Option<String>),
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
            Self::ByObject(..) | Self::ByInitiator(_) | Self::OwnOnly(_) => Err(S3Code::AccessDenied.into()),
        }
    }

    /// Refuses an upload that is not the caller's.
    pub fn check_upload(&self, upload: &UploadRow) -> Result<(), S3Error> {
        match self {
            Self::Granted => Ok(()),
            Self::ByInitiator(key) if *key == upload.initiator => Ok(()),
            Self::ByInitiator(_) | Self::ByObject(..) | Self::OwnOnly(_) => Err(S3Code::AccessDenied.into()),
        }
    }

    /// The condition under which the caller may write, where the request has this one: every write and deletion of an
    /// object asks for it. What is there is looked at where the write is decided, so that nobody is overtaken.
    pub fn restrict(&self, condition: Condition) -> Condition {
        match self {
            Self::Granted => condition,
            Self::OwnOnly(key) => Condition::OwnedBy(key.clone(), Box::new(condition)),
            // No write is let in by these.
            Self::ByObject(..) | Self::ByInitiator(_) => Condition::OwnedBy(None, Box::new(condition)),
        }
    }
}

/// What grants, policy and the bucket's list say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Judgement {
    Allowed,
    /// The bucket's list lets the caller write what belongs to nobody else.
    AllowedOwn,
    /// Nobody says anything: no.
    Open,
    Denied,
}

/// Who asks: only a verified signature makes anybody of nobody.
#[derive(Debug, Clone)]
pub struct Caller {
    access_key: Option<String>,
    verified: Option<Verified>,
    signed: Option<Signed>,
}

impl Caller {
    /// The holder of the key that signed the request.
    pub fn signed(verified: Verified) -> Self {
        let place = match verified.placement() {
            Placement::Header => "REST-HEADER",
            Placement::Query => "REST-QUERY-STRING",
        };
        let at_unix_s = Some(verified.signed_at_unix_s());
        let signed = Some(Signed { place, version: "AWS4-HMAC-SHA256", at_unix_s });
        Self { access_key: Some(verified.access_key_id().to_owned()), verified: Some(verified), signed }
    }

    /// The holder of the key that signed the form's policy.
    pub fn of_form(form: &VerifiedForm) -> Self {
        let version = if form.is_version_2() { "AWS" } else { "AWS4-HMAC-SHA256" };
        let signed = Some(Signed { place: "POST", version, at_unix_s: form.signed_at_unix_s() });
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
    /// The same with what was said when the upload was begun that the request is about: all that may have been.
    readings: Vec<Facts>,
}

impl Gate {
    /// The gate of a bucket to a request.
    pub fn new(caller: &Caller, head: &Head, bucket: &NamedBucket, now_unix_s: i64) -> Self {
        let policy = StoredPolicy::of(&bucket.row)
            .and_then(|stored| stored.map(|stored| stored.parse()).transpose())
            .map_err(|_| S3Error::new(S3Code::AccessDenied));
        let facts = match &policy {
            Ok(Some(_)) => Facts::of(head, caller.signed, now_unix_s),
            _ => Facts::of_version(head),
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
            readings: Vec::new(),
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
            Judgement::AllowedOwn | Judgement::Open | Judgement::Denied => Err(S3Code::AccessDenied.into()),
        }
    }

    /// The same, but leaves to the object's list what only that can give, and to the write whose the object is.
    pub async fn admit(&mut self, model: &Arc<Model>, wanted: &Wanted<'_>) -> Result<Admission, S3Error> {
        self.facts.awaits_body = wanted.access == Access::WriteByBody;
        let judgement = self.judge(model, wanted).await;
        self.facts.awaits_body = false;
        match (judgement?, wanted.actions) {
            (Judgement::Allowed, _) => Ok(Admission::Granted),
            (Judgement::AllowedOwn, _) => Ok(Admission::OwnOnly(self.access_key.clone())),
            (Judgement::Open, _) if wanted.access == Access::WriteOrInitiator => self.by_initiator(),
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

    /// Leaves it to the upload, for who may write by the bucket's list. Whoever has no name began no upload.
    fn by_initiator(&self) -> Result<Admission, S3Error> {
        let key = self.access_key.clone().filter(|_| self.lists().bucket_allows("s3:PutObject"));
        key.map(Admission::ByInitiator).ok_or_else(|| S3Code::AccessDenied.into())
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
            Judgement::AllowedOwn | Judgement::Open | Judgement::Denied => Err(S3Code::AccessDenied.into()),
        }
    }

    async fn judge(&mut self, model: &Arc<Model>, wanted: &Wanted<'_>) -> Result<Judgement, S3Error> {
        if self.needs_tags()
            && wanted.actions.iter().any(|action| speaks_of_existing_tags(action))
            && let Some(key) = wanted.key
        {
            let version = self.facts.version().map(versions::parse).transpose()?;
            let found = model.look(self.bucket, key, version, Want::Metadata).await?.object();
            self.facts.existing_tags = found.map(|found| found.object.tags).unwrap_or_default();
        }
        self.readings = self.upload_readings(model, wanted).await?;
        Ok(self.judged(wanted))
    }

    /// What may have been said when the upload was begun that the request writes to, where the policy asks for that.
    async fn upload_readings(&self, model: &Arc<Model>, wanted: &Wanted<'_>) -> Result<Vec<Facts>, S3Error> {
        let asks = matches!(&self.policy, Ok(Some(policy)) if policy.needs_upload());
        let writes = wanted.actions.contains(&"s3:PutObject");
        let upload = self.facts.upload().filter(|_| asks && writes).and_then(Id::from_hex);
        let Some((id, key)) = upload.zip(wanted.key) else { return Ok(Vec::new()) };
        let name = UploadName { bucket: self.bucket, key: key.to_owned(), id };
        match model.find_upload(&name).await {
            Ok(row) => Ok(begun::readings(&self.facts, &row)),
            // Whoever may not is not told.
            Err(ModelError::NoSuchUpload) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// What the policy says; of several readings of the request, by the best one.
    fn evaluate(&self, policy: &Policy, action: &str, key: Option<&str>) -> Verdict {
        let access_key = self.access_key.as_deref();
        let says = |facts: &Facts| policy.evaluate(&Asked { access_key, action, key, facts });
        let verdicts = self.readings.iter().map(says);
        // Of these the later ones are better.
        verdicts
            .max_by_key(|verdict| match verdict {
                Verdict::Deny => 0,
                Verdict::Silent => 1,
                Verdict::Allow => 2,
            })
            .unwrap_or_else(|| says(&self.facts))
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
            Some(policy) => self.evaluate(policy, named, wanted.key),
        };
        match verdict {
            Verdict::Deny => Judgement::Denied,
            _ if wanted.access.is_in(self.grant) => Judgement::Allowed,
            _ if self.serves_site && OF_SITES.contains(&action) => Judgement::Allowed,
            Verdict::Allow if may_open && self.policy_opens => Judgement::Allowed,
            _ if may_open && self.lists().bucket_allows(named) => match acl::is_about_own(named) {
                true => Judgement::AllowedOwn,
                false => Judgement::Allowed,
            },
            Verdict::Allow | Verdict::Silent => Judgement::Open,
        }
    }
}
