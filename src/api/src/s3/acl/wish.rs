//! The list that a request asks for: by one of the canned names, by headers that grant, or by a document.
//!
//! A wish is granted as a whole or refused with a reason, before any byte of an object is read. A list that asks for
//! public access is never taken and then not honoured.

use super::{ALL_USERS, AUTHENTICATED_USERS, LOG_DELIVERY};
use super::{Ownership, PERMISSIONS, owner_of_written, refuse_blocked, shown_grantee, user};
use crate::s3::begun::Headers;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::head::{Head, header_text};
use crate::s3::operation::{Call, Target};
use crate::s3::parameters::OWNER_ID;
use crate::s3::settings;
use crate::s3::xml::{AccessControlPolicy, AclGrantee};
use model::Model;
use model::rows::acl::{Acl, AclGrant, Grantee, Permission};
use model::rows::bucket::{BucketRow, Document, Setting};
use std::sync::Arc;

/// The header that names a canned list.
pub const CANNED: &str = "x-amz-acl";
/// Headers that grant; what each gives.
const GRANTS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];
/// The header with the ownership of a new bucket.
const OWNERSHIP: &str = "x-amz-object-ownership";
/// Grants of one list (AWS: 100).
const GRANTS_MAX: usize = 100;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing: what is usual.
    Nothing,
    /// A canned list.
    Canned(Canned),
    /// These grants, and no others.
    Grants(Vec<AclGrant>),
}

/// A canned list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Canned {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
    AwsExecRead,
    LogDeliveryWrite,
}

const CANNED_NAMES: [(&str, Canned); 8] = [
    ("private", Canned::Private),
    ("public-read", Canned::PublicRead),
    ("public-read-write", Canned::PublicReadWrite),
    ("authenticated-read", Canned::AuthenticatedRead),
    ("bucket-owner-read", Canned::BucketOwnerRead),
    ("bucket-owner-full-control", Canned::BucketOwnerFullControl),
    ("aws-exec-read", Canned::AwsExecRead),
    ("log-delivery-write", Canned::LogDeliveryWrite),
];

/// Whether a request asks for a list by its headers.
pub fn is_asked_for(head: &Head) -> bool {
    let asks = |name: &&str| head.headers.contains_key(*name);
    asks(&CANNED) || GRANTS.iter().any(|(name, _)| asks(name))
}

/// The list of the object that a request writes; `None`: the usual one, of the bucket's owner.
pub async fn written(call: &Call) -> Result<Option<Acl>, S3Error> {
    let bucket = call.bucket()?;
    let wish = Wish::of_headers(&call.head)?;
    if !wish.may_be_set(&bucket.row)? {
        return Ok(None);
    }
    let owner = owner_of_written(&call.caller, bucket, wish.is_for_bucket_owner())?;
    wish.list(&call.api.model, Target::Object, owner, &bucket.row).await.map(Acl::stored)
}

/// The list that a request sets on what there is, which belongs to `owner`; `None`: what it asks for is so, since
/// no list counts.
pub async fn replacement(
    call: &Call,
    document: &[u8],
    target: Target,
    owner: Option<String>,
) -> Result<Option<Acl>, S3Error> {
    let row = &call.bucket()?.row;
    let enforced = Ownership::of(row)? == Ownership::BucketOwnerEnforced;
    let owner = owner.filter(|_| !enforced);
    let wish = match (Wish::of_headers(&call.head)?, document.trim_ascii().is_empty()) {
        (Wish::Nothing, false) => Wish::of_document(document, owner.as_deref())?,
        (Wish::Nothing, true) => {
            return Err(S3Error::new(S3Code::MissingSecurityHeader).field("MissingHeaderName", CANNED));
        }
        (wish, true) => wish,
        (_, false) => return Err(S3Code::UnexpectedContent.into()),
    };
    if !wish.may_be_set(row)? {
        return Ok(None);
    }
    wish.list(&call.api.model, target, owner, row).await.map(Some)
}

/// The settings with which a request creates a bucket: ownership and list, as far as it names them.
pub async fn created(call: &Call) -> Result<Vec<(Setting, Document)>, S3Error> {
    let mut settings = Vec::new();
    let ownership = match call.head.header(OWNERSHIP) {
        None => Ownership::default(),
        Some(name) => {
            let invalid = || {
                S3Error::invalid_argument(OWNERSHIP, name.as_str(), "Invalid x-amz-object-ownership header")
            };
            let ownership = Ownership::from_name(&name).ok_or_else(invalid)?;
            settings.push((Setting::Ownership, settings::document(&ownership)?));
            ownership
        }
    };
    let wish = Wish::of_headers(&call.head)?;
    if ownership == Ownership::BucketOwnerEnforced {
        let usual = wish.is_usual();
        return usual.then_some(settings).ok_or_else(|| S3Code::InvalidBucketAclWithObjectOwnership.into());
    }
    wish.check_grantees(&call.api.model).await?;
    if let Some(list) = wish.as_list(Target::Bucket, None)?.stored() {
        settings.push((Setting::Acl, settings::document(&list)?));
    }
    Ok(settings)
}

/// All headers by which a request may have asked for the list of an object.
pub fn as_headers(list: Option<&Acl>) -> Vec<Headers> {
    let owner = list.and_then(|list| list.owner.clone());
    let makes = |wish: Wish| {
        let made = wish.as_list(Target::Object, owner.clone()).ok().map(Acl::stored);
        made.is_some_and(|made| made.as_ref() == list)
    };
    let mut readings: Vec<Headers> = Vec::new();
    if makes(Wish::Nothing) {
        readings.push(Vec::new());
    }
    let canned = CANNED_NAMES.iter().filter(|(_, canned)| makes(Wish::Canned(*canned)));
    readings.extend(canned.map(|(name, _)| vec![(CANNED.to_owned(), (*name).to_owned())]));
    if let Some(list) = list.filter(|_| readings.is_empty()) {
        readings.extend(["", "\""].map(|quote| granting_headers(list, quote)));
    }
    readings
}

/// The headers that grant what a list grants.
fn granting_headers(list: &Acl, quote: &str) -> Headers {
    let text = |grant: &AclGrant| {
        let (kind, value) = match shown_grantee(&grant.grantee) {
            AclGrantee::User(user) => ("id", user.id),
            AclGrantee::Group(uri) => ("uri", uri),
            AclGrantee::Email(address) => ("emailAddress", address),
        };
        format!("{kind}={quote}{value}{quote}")
    };
    let granting = GRANTS.iter().map(|(name, permission)| {
        let grants = list.grants.iter().filter(|grant| grant.permission == *permission);
        ((*name).to_owned(), grants.map(text).collect::<Vec<_>>().join(","))
    });
    granting.filter(|(_, grants)| !grants.is_empty()).collect()
}

impl Wish {
    /// What the headers ask for.
    pub(super) fn of_headers(head: &Head) -> Result<Self, S3Error> {
        let mut grants = Vec::new();
        for (name, permission) in GRANTS {
            for value in head.headers.get_all(name) {
                grants.extend(granted(name, &header_text(value), permission)?);
            }
        }
        let has_grants = GRANTS.iter().any(|(name, _)| head.headers.contains_key(*name));
        let mut canned = head.headers.get_all(CANNED).iter().map(header_text);
        match (canned.next(), canned.next()) {
            (None, _) if has_grants => Self::of_grants(grants, S3Code::InvalidRequest),
            (None, _) => Ok(Self::Nothing),
            (Some(_), None) if has_grants => {
                let message = "Specifying both Canned ACLs and Header Grants is not allowed";
                Err(S3Error::with_message(S3Code::InvalidRequest, message))
            }
            (Some(name), None) => {
                let found = CANNED_NAMES.iter().find(|(known, _)| *known == name);
                let invalid = || S3Error::invalid_argument(CANNED, name.as_str(), "");
                found.map(|(_, canned)| Self::Canned(*canned)).ok_or_else(invalid)
            }
            (Some(name), Some(_)) => Err(S3Error::invalid_argument(CANNED, name, "The header stands twice.")),
        }
    }

    /// What a document asks for on something that belongs to `owner`.
    pub(super) fn of_document(document: &[u8], owner: Option<&str>) -> Result<Self, S3Error> {
        let policy = AccessControlPolicy::parse(document).map_err(S3Error::of_acl)?;
        if policy.owner.id != user(owner).id {
            return Err(S3Code::AccessDenied.into());
        }
        let grants = policy.grants.into_iter().map(|grant| {
            let known = PERMISSIONS.iter().find(|(name, _)| *name == grant.permission);
            let permission = known.map(|(_, known)| *known).ok_or(S3Code::MalformedACLError)?;
            let grantee = match grant.grantee {
                AclGrantee::User(user) => key_or_owner(user.id),
                AclGrantee::Group(uri) => group(&uri)?,
                AclGrantee::Email(_) => return Err(S3Code::MethodNotAllowed.into()),
            };
            Ok(AclGrant { grantee, permission })
        });
        Self::of_grants(grants.collect::<Result<_, S3Error>>()?, S3Code::MalformedACLError)
    }

    fn of_grants(grants: Vec<AclGrant>, too_many: S3Code) -> Result<Self, S3Error> {
        match grants.len() {
            0..=GRANTS_MAX => Ok(Self::Grants(grants)),
            _ => Err(S3Error::with_message(too_many, "An access control list may have 100 grants.")),
        }
    }

    /// Whether the wish may be set as a list: `false` where no list counts and it asks for nothing else than what
    /// holds there.
    fn may_be_set(&self, bucket: &BucketRow) -> Result<bool, S3Error> {
        match Ownership::of(bucket)? {
            Ownership::BucketOwnerEnforced if self.is_usual() => Ok(false),
            Ownership::BucketOwnerEnforced => Err(S3Code::AccessControlListNotSupported.into()),
            Ownership::BucketOwnerPreferred | Ownership::ObjectWriter => Ok(true),
        }
    }

    /// Whether it is for nobody but the bucket's owner, to whom all belongs.
    pub(super) fn is_usual(&self) -> bool {
        match self {
            Self::Nothing | Self::Canned(Canned::Private | Canned::BucketOwnerFullControl) => true,
            Self::Canned(_) => false,
            Self::Grants(grants) => *grants == Acl::of_owner(None).grants,
        }
    }

    /// Whether the writer leaves the object to the bucket's owner, where that is preferred.
    fn is_for_bucket_owner(&self) -> bool {
        *self == Self::Canned(Canned::BucketOwnerFullControl)
    }

    /// The list, if it may be set.
    async fn list(
        &self,
        model: &Arc<Model>,
        target: Target,
        owner: Option<String>,
        bucket: &BucketRow,
    ) -> Result<Acl, S3Error> {
        self.check_grantees(model).await?;
        let list = self.as_list(target, owner)?;
        refuse_blocked(bucket, &list)?;
        Ok(list)
    }

    /// Refuses grants to access keys that do not exist.
    async fn check_grantees(&self, model: &Arc<Model>) -> Result<(), S3Error> {
        let Self::Grants(grants) = self else { return Ok(()) };
        for grant in grants {
            let Grantee::Key(id) = &grant.grantee else { continue };
            // Made on another node a moment ago?
            if !model.knows_key(id).await? {
                return Err(S3Error::invalid_argument("CanonicalUser/ID", id.as_str(), "Invalid id"));
            }
        }
        Ok(())
    }

    /// The list of a bucket or object of this owner.
    pub(super) fn as_list(&self, target: Target, owner: Option<String>) -> Result<Acl, S3Error> {
        let mut list = Acl::of_owner(owner);
        let more: &[(Grantee, Permission)] = match self {
            Self::Nothing => &[],
            Self::Grants(grants) => {
                list.grants.clone_from(grants);
                &[]
            }
            Self::Canned(canned) => canned.more(target, list.owner.is_some())?,
        };
        list.grants
            .extend(more.iter().cloned().map(|(grantee, permission)| AclGrant { grantee, permission }));
        Ok(list)
    }
}

impl Canned {
    /// What it grants besides the owner's full control.
    fn more(self, target: Target, of_key: bool) -> Result<&'static [(Grantee, Permission)], S3Error> {
        use Grantee::{AllUsers, AuthenticatedUsers, BucketOwner, LogDelivery};
        use Permission::{FullControl, Read, ReadAcp, Write};
        Ok(match self {
            Self::PublicRead => &[(AllUsers, Read)],
            Self::PublicReadWrite => &[(AllUsers, Read), (AllUsers, Write)],
            Self::AuthenticatedRead => &[(AuthenticatedUsers, Read)],
            Self::BucketOwnerRead if of_key => &[(BucketOwner, Read)],
            Self::BucketOwnerFullControl if of_key => &[(BucketOwner, FullControl)],
            Self::LogDeliveryWrite if target == Target::Bucket => {
                &[(LogDelivery, Write), (LogDelivery, ReadAcp)]
            }
            Self::LogDeliveryWrite => {
                return Err(S3Error::invalid_argument(CANNED, "log-delivery-write", "It is for buckets."));
            }
            // There is no EC2 here that could be let in.
            Self::Private | Self::AwsExecRead | Self::BucketOwnerRead | Self::BucketOwnerFullControl => &[],
        })
    }
}

/// What a header grants: a list of `id="…"`, `uri="…"`, `emailAddress="…"`.
fn granted(name: &str, text: &str, permission: Permission) -> Result<Vec<AclGrant>, S3Error> {
    let invalid = || S3Error::invalid_argument(name, text, "Argument format not recognized");
    let grant = |part: &str| {
        let (kind, value) = part.trim().split_once('=').ok_or_else(invalid)?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or_else(invalid)?,
            None => value,
        };
        let grantee = match kind.trim().to_ascii_lowercase().as_str() {
            "id" => key_or_owner(value.to_owned()),
            "uri" => group(value)?,
            "emailaddress" => return Err(S3Code::MethodNotAllowed.into()),
            _ => return Err(invalid()),
        };
        Ok(AclGrant { grantee, permission })
    };
    text.split(',').map(grant).collect()
}

fn key_or_owner(id: String) -> Grantee {
    if id == OWNER_ID { Grantee::BucketOwner } else { Grantee::Key(id) }
}

fn group(uri: &str) -> Result<Grantee, S3Error> {
    match uri {
        ALL_USERS => Ok(Grantee::AllUsers),
        AUTHENTICATED_USERS => Ok(Grantee::AuthenticatedUsers),
        LOG_DELIVERY => Ok(Grantee::LogDelivery),
        _ => Err(S3Error::invalid_argument("Group/URI", uri, "Invalid group uri")),
    }
}
