//! Access control lists: what the lists of a bucket and its objects give a caller.
//!
//! A list only ever opens: it is asked after the policy, by [`super::access`], where neither a grant nor the
//! policy has decided. The bucket's owner needs none: which keys act for it is what the grants of keys say. Always
//! holds: where objects belong to the bucket's owner by `BucketOwnerEnforced` no list counts; where public lists
//! are ignored no group counts; what cannot be read gives nobody anything.

mod ownership;
#[cfg(test)]
mod tests;
mod wish;

pub use ownership::Ownership;
pub use wish::{as_headers, created, is_asked_for, replacement, written};

use super::access::Caller;
use super::error::{S3Code, S3Error};
use super::operation::NamedBucket;
use super::parameters::{OWNER_ID, OWNER_NAME};
use super::settings;
use super::xml::{self, PublicAccessBlock};
use model::rows::acl::{Acl, Grantee, Permission};
use model::rows::bucket::{BucketRow, Setting};

/// The groups of AWS, by their addresses.
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const AUTHENTICATED_USERS: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";
const LOG_DELIVERY: &str = "http://acs.amazonaws.com/groups/s3/LogDelivery";
/// How the names of the headers begin that grant.
pub const GRANT_PREFIX: &str = "x-amz-grant-";
/// The permissions in AWS's words.
const PERMISSIONS: [(&str, Permission); 5] = [
    ("READ", Permission::Read),
    ("WRITE", Permission::Write),
    ("READ_ACP", Permission::ReadAcp),
    ("WRITE_ACP", Permission::WriteAcp),
    ("FULL_CONTROL", Permission::FullControl),
];

/// What must be granted for an action, and in which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needed {
    /// This, in the bucket's list.
    OfBucket(Permission),
    /// This, in the object's list.
    OfObject(Permission),
}

/// By which permission a list gives an action, as AWS documents; `None`: no list does. A version is deleted for good by
/// who may do that to all of them, and an upload is given up by its initiator ([`super::access`]).
pub fn needed(action: &str) -> Option<Needed> {
    use Needed::{OfBucket, OfObject};
    match action {
        "s3:ListBucket" | "s3:ListBucketVersions" | "s3:ListBucketMultipartUploads" => {
            Some(OfBucket(Permission::Read))
        }
        "s3:PutObject" | "s3:DeleteObject" => Some(OfBucket(Permission::Write)),
        "s3:GetBucketAcl" => Some(OfBucket(Permission::ReadAcp)),
        "s3:PutBucketAcl" => Some(OfBucket(Permission::WriteAcp)),
        "s3:GetObject" | "s3:GetObjectVersion" => Some(OfObject(Permission::Read)),
        "s3:GetObjectAcl" | "s3:GetObjectVersionAcl" => Some(OfObject(Permission::ReadAcp)),
        "s3:PutObjectAcl" | "s3:PutObjectVersionAcl" => Some(OfObject(Permission::WriteAcp)),
        _ => None,
    }
}

/// Whether a bucket's list gives an action only as far as nobody else's objects are concerned: WRITE creates, and
/// replaces and deletes what belongs to the grantee.
pub fn is_about_own(action: &str) -> bool {
    needed(action) == Some(Needed::OfBucket(Permission::Write))
}

/// What lists give one caller in one bucket.
#[derive(Debug, Clone)]
pub struct Lists {
    access_key: Option<String>,
    bucket: Option<Acl>,
    /// Whether any list counts.
    count: bool,
    /// Whether those count that are for everybody.
    groups_count: bool,
}

impl Lists {
    /// What lists give the holder of an access key, or anybody, in a bucket.
    pub fn of(access_key: Option<&str>, bucket: &BucketRow) -> Self {
        let list = settings::read(bucket, Setting::Acl);
        let enforced = Ownership::of(bucket).map_or(true, |found| found == Ownership::BucketOwnerEnforced);
        Self {
            access_key: access_key.map(str::to_owned),
            count: list.is_ok() && !enforced,
            bucket: list.unwrap_or_default(),
            groups_count: !blocks(bucket).ignore_public_acls,
        }
    }

    /// Whether the list of any object could give the caller something.
    pub fn may_open_objects(&self) -> bool {
        self.count && (self.groups_count || self.access_key.is_some())
    }

    /// Whether the bucket's list gives an action.
    pub fn bucket_allows(&self, action: &str) -> bool {
        match needed(action) {
            Some(Needed::OfBucket(permission)) => self.allows(self.bucket.as_ref(), permission),
            Some(Needed::OfObject(_)) | None => false,
        }
    }

    /// Whether the object's list gives a permission.
    pub fn object_allows(&self, list: Option<&Acl>, permission: Permission) -> bool {
        self.allows(list, permission)
    }

    fn allows(&self, list: Option<&Acl>, permission: Permission) -> bool {
        let Some(list) = list.filter(|_| self.count) else { return false };
        // Whoever owns something can always say who else may use it.
        let about_list = matches!(permission, Permission::ReadAcp | Permission::WriteAcp);
        let owns = list.owner.is_some() && list.owner == self.access_key;
        let gives = |grant: &model::rows::acl::AclGrant| {
            grant.permission.covers(permission) && self.is_meant(&grant.grantee)
        };
        (owns && about_list) || list.grants.iter().any(gives)
    }

    fn is_meant(&self, grantee: &Grantee) -> bool {
        match grantee {
            Grantee::Key(id) => self.access_key.as_ref() == Some(id),
            Grantee::AllUsers => self.groups_count,
            Grantee::AuthenticatedUsers => self.groups_count && self.access_key.is_some(),
            // For the owner speak the keys with grants; logs are delivered by nobody yet.
            Grantee::BucketOwner | Grantee::LogDelivery => false,
        }
    }
}

/// What must not be public in a bucket: everything, where that cannot be read.
pub fn blocks(bucket: &BucketRow) -> PublicAccessBlock {
    let everything = PublicAccessBlock {
        block_public_acls: true,
        ignore_public_acls: true,
        block_public_policy: true,
        restrict_public_buckets: true,
    };
    settings::read(bucket, Setting::PublicAccessBlock).map_or(everything, Option::unwrap_or_default)
}

/// To whom an object belongs that the caller writes; `None`: to the bucket's owner. Keys with any grant act for the
/// bucket's owner. Nobody is no owner: what anonymous callers write belongs to the bucket's owner.
fn owner_of_written(
    caller: &Caller,
    bucket: &NamedBucket,
    for_owner: bool,
) -> Result<Option<String>, S3Error> {
    let ownership = Ownership::of(&bucket.row)?;
    let stays = match ownership {
        Ownership::BucketOwnerEnforced => false,
        Ownership::BucketOwnerPreferred => !for_owner,
        Ownership::ObjectWriter => true,
    };
    let stranger = caller.grant(&bucket.row).is_none();
    Ok(caller.access_key().filter(|_| stays && stranger).map(str::to_owned))
}

/// A list as S3 shows it: what of it counts. That of a bucket or object for which none is kept, or where none counts.
pub fn shown(bucket: &BucketRow, list: Option<Acl>) -> Result<xml::AccessControlPolicy, S3Error> {
    let counts = Ownership::of(bucket)? != Ownership::BucketOwnerEnforced;
    let list = list.filter(|_| counts).unwrap_or_else(|| Acl::of_owner(None));
    let groups_count = !blocks(bucket).ignore_public_acls;
    let effective = list.grants.iter().filter(|grant| groups_count || !grant.grantee.is_public());
    let grants = effective.map(|grant| xml::AclGrant {
        grantee: shown_grantee(&grant.grantee),
        permission: permission_name(grant.permission).to_owned(),
    });
    Ok(xml::AccessControlPolicy { owner: user(list.owner.as_deref()), grants: grants.collect() })
}

fn shown_grantee(grantee: &Grantee) -> xml::AclGrantee {
    match grantee {
        Grantee::BucketOwner => xml::AclGrantee::User(user(None)),
        Grantee::Key(id) => xml::AclGrantee::User(user(Some(id))),
        Grantee::AllUsers => xml::AclGrantee::Group(ALL_USERS.to_owned()),
        Grantee::AuthenticatedUsers => xml::AclGrantee::Group(AUTHENTICATED_USERS.to_owned()),
        Grantee::LogDelivery => xml::AclGrantee::Group(LOG_DELIVERY.to_owned()),
    }
}

/// A canonical user: the holder of an access key, or the owner of all buckets.
fn user(access_key: Option<&str>) -> xml::Owner {
    let (id, name) = access_key.map_or((OWNER_ID, OWNER_NAME), |id| (id, id));
    xml::Owner { id: id.to_owned(), display_name: name.to_owned() }
}

fn permission_name(permission: Permission) -> &'static str {
    PERMISSIONS.iter().find(|(_, known)| *known == permission).map_or("", |(name, _)| name)
}

/// Refuses a list that is public where none may be set.
fn refuse_blocked(bucket: &BucketRow, list: &Acl) -> Result<(), S3Error> {
    if list.is_public() && blocks(bucket).block_public_acls {
        let message =
            "Public access control lists are prevented by the BlockPublicAcls setting of this bucket.";
        return Err(S3Error::with_message(S3Code::AccessDenied, message));
    }
    Ok(())
}
