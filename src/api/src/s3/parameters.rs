//! Headers and query parameters that change meaning are obeyed or refused, never ignored (promise
//! P8). What is obeyed stands with its operation; what is refused, and what an unconfigured bucket
//! answers, stands here.

use super::error::{S3Code, S3Error};
use super::head::Head;
use super::operation::{Target, target_of};
use super::reply::Reply;
use super::xml;
use http::Method;
use model::rows::bucket::BucketRow;

/// What a header or parameter is for, when it is not there yet.
enum Verdict {
    /// Its mere presence asks for something that is not there.
    Refused,
    /// Only these values ask for nothing.
    HarmlessIf(&'static [&'static str]),
}

/// Headers that ask for something that is not there. A name that ends with `-` stands for all that
/// begin with it.
const HEADERS: [(&str, Verdict); 21] = [
    ("x-amz-server-side-encryption", Verdict::Refused),
    ("x-amz-server-side-encryption-", Verdict::Refused),
    ("x-amz-copy-source-server-side-encryption-", Verdict::Refused),
    ("x-amz-object-lock-", Verdict::Refused),
    ("x-amz-bucket-object-lock-enabled", Verdict::HarmlessIf(&["false", "False"])),
    ("x-amz-bypass-governance-retention", Verdict::HarmlessIf(&["false", "False"])),
    ("x-amz-object-ownership", Verdict::HarmlessIf(&["BucketOwnerEnforced"])),
    // Every object is private to the keys with a grant: `private` and owner control say just that.
    ("x-amz-acl", Verdict::HarmlessIf(&["private", "bucket-owner-full-control", "bucket-owner-read"])),
    ("x-amz-grant-", Verdict::Refused),
    ("x-amz-tagging", Verdict::HarmlessIf(&[""])),
    ("x-amz-tagging-directive", Verdict::HarmlessIf(&["COPY"])),
    ("x-amz-website-redirect-location", Verdict::Refused),
    ("x-amz-storage-class", Verdict::HarmlessIf(&["STANDARD"])),
    ("x-amz-mfa", Verdict::Refused),
    ("x-amz-write-offset-bytes", Verdict::Refused),
    ("x-amz-if-match-last-modified-time", Verdict::Refused),
    ("x-amz-if-match-size", Verdict::Refused),
    ("x-amz-if-match-initiated-time", Verdict::Refused),
    ("x-amz-rename-source", Verdict::Refused),
    ("x-amz-security-token", Verdict::Refused),
    ("x-amz-optional-object-attributes", Verdict::HarmlessIf(&["RestoreStatus"])),
];

/// Refuses a request that asks for something that is not there.
pub fn refuse_unsupported(head: &Head) -> Result<(), S3Error> {
    for name in head.headers.keys() {
        let name = name.as_str();
        let verdict = HEADERS.iter().find(|(pattern, _)| match pattern.strip_suffix('-') {
            Some(_) => name.starts_with(pattern),
            None => name == *pattern,
        });
        let refused = match verdict {
            None => false,
            Some((_, Verdict::Refused)) => true,
            Some((_, Verdict::HarmlessIf(values))) => {
                !head.header(name).is_some_and(|value| values.contains(&value.as_str()))
            }
        };
        if refused {
            return Err(S3Error::new(S3Code::NotImplemented).field("Header", name));
        }
    }
    match head.parameter("versionId") {
        // Without versions, `null` names what every object is.
        None | Some("null") => Ok(()),
        Some("") => Err(S3Error::invalid_argument("versionId", "", "Version id cannot be the empty string")),
        Some(id) => Err(S3Error::invalid_argument("versionId", id, "Invalid version id specified")),
    }
}

/// What an unconfigured bucket or object answers to a read of a sub-resource.
enum Unconfigured {
    /// An empty document of this name.
    Empty(&'static str),
    /// This error.
    Missing(S3Code),
    /// The owner has full control.
    OwnerControls,
    /// The owner pays.
    OwnerPays,
    /// Nothing sensible: not implemented.
    Refused,
}

/// Sub-resources that no operation serves yet, with the answer of an unconfigured bucket. A bucket
/// request that carries one of them is never answered with a listing.
const SUBRESOURCES: [(&str, Unconfigured); 34] = [
    ("accelerate", Unconfigured::Empty("AccelerateConfiguration")),
    ("acl", Unconfigured::OwnerControls),
    ("analytics", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("attributes", Unconfigured::Refused),
    ("cors", Unconfigured::Missing(S3Code::NoSuchCORSConfiguration)),
    ("encryption", Unconfigured::Missing(S3Code::ServerSideEncryptionConfigurationNotFoundError)),
    ("intelligent-tiering", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("inventory", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("legal-hold", Unconfigured::Missing(S3Code::NoSuchObjectLockConfiguration)),
    ("lifecycle", Unconfigured::Missing(S3Code::NoSuchLifecycleConfiguration)),
    ("logging", Unconfigured::Empty("BucketLoggingStatus")),
    ("metadataConfiguration", Unconfigured::Refused),
    ("metadataTable", Unconfigured::Refused),
    ("metrics", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("notification", Unconfigured::Empty("NotificationConfiguration")),
    ("object-lock", Unconfigured::Missing(S3Code::ObjectLockConfigurationNotFoundError)),
    ("ownershipControls", Unconfigured::Missing(S3Code::OwnershipControlsNotFoundError)),
    ("policy", Unconfigured::Missing(S3Code::NoSuchBucketPolicy)),
    ("policyStatus", Unconfigured::Missing(S3Code::NoSuchBucketPolicy)),
    ("publicAccessBlock", Unconfigured::Missing(S3Code::NoSuchPublicAccessBlockConfiguration)),
    ("replication", Unconfigured::Missing(S3Code::ReplicationConfigurationNotFoundError)),
    ("requestPayment", Unconfigured::OwnerPays),
    ("restore", Unconfigured::Refused),
    ("retention", Unconfigured::Missing(S3Code::NoSuchObjectLockConfiguration)),
    ("select", Unconfigured::Refused),
    ("session", Unconfigured::Refused),
    ("tagging", Unconfigured::Missing(S3Code::NoSuchTagSet)),
    ("torrent", Unconfigured::Refused),
    ("versioning", Unconfigured::Empty("VersioningConfiguration")),
    ("versions", Unconfigured::Refused),
    ("website", Unconfigured::Missing(S3Code::NoSuchWebsiteConfiguration)),
    ("append", Unconfigured::Refused),
    ("renameObject", Unconfigured::Refused),
    ("object-annotations", Unconfigured::Refused),
];

fn subresource(head: &Head) -> Option<&'static (&'static str, Unconfigured)> {
    SUBRESOURCES.iter().find(|(name, _)| head.has_parameter(name))
}

/// Whether the request is about a sub-resource that no operation serves yet.
pub fn is_subresource(head: &Head) -> bool {
    subresource(head).is_some()
}

/// The answer for a request that no operation serves.
pub fn unconfigured(head: &Head) -> Result<Reply, S3Error> {
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    let Some((name, answer)) = subresource(head) else {
        let code = if reads { S3Code::MethodNotAllowed } else { S3Code::NotImplemented };
        return Err(code.into());
    };
    if !reads {
        return Err(S3Error::new(S3Code::NotImplemented).field("Resource", *name));
    }
    let owner = || xml::Owner { id: OWNER_ID.to_owned(), display_name: OWNER_NAME.to_owned() };
    match answer {
        // Tags of an object without tags are an empty set; of a bucket, an error.
        Unconfigured::Missing(S3Code::NoSuchTagSet) if target_of(head) == Target::Object => {
            Ok(Reply::xml(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet/></Tagging>".to_vec()))
        }
        Unconfigured::Empty(root) => Ok(Reply::xml(xml::empty_configuration(root))),
        Unconfigured::Missing(code) => Err((*code).into()),
        Unconfigured::OwnerControls => Ok(Reply::xml(xml::AccessControlPolicy { owner: owner() }.render())),
        Unconfigured::OwnerPays => Ok(Reply::xml(xml::RequestPayment.render())),
        Unconfigured::Refused => Err(S3Error::new(S3Code::NotImplemented).field("Resource", *name)),
    }
}

/// Who owns every bucket and object of this cluster, as S3 shows owners: one canonical user. Owners
/// of their own come with ACLs.
pub const OWNER_ID: &str = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";
/// Its display name.
pub const OWNER_NAME: &str = "garage";

/// Refuses a request that expects another owner than the bucket has.
pub fn check_expected_owner(expected: &str, _bucket: &BucketRow) -> Result<(), S3Error> {
    if expected == OWNER_ID { Ok(()) } else { Err(S3Code::AccessDenied.into()) }
}
