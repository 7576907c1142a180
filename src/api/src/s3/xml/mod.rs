//! Every XML body of the S3 API: what a client sends is parsed here, what it gets is rendered here.
//!
//! Why one place: names, order, quoting and limits of these bodies are facts of the protocol, not of an
//! operation. The types are plain (strings, numbers, milliseconds) and know neither the model nor HTTP;
//! operations fill and read them. Always holds: parsing takes memory in proportion to a body that is capped
//! before it is looked at, has no DTD, no entities of its own, bounded depth and bounded element counts, and
//! never panics; rendering is total.

mod access;
mod acl;
mod attributes;
mod bucket;
mod copy;
mod cors;
mod delete;
mod encryption;
mod error_body;
mod lifecycle;
mod listing;
mod lock;
mod logging;
mod multipart;
mod notification;
mod reader;
mod tagging;
mod versioning;
mod versions;
mod website;
mod writer;

#[cfg(test)]
mod tests;

pub use access::{
    ACCESS_BODY_MAX_BYTES, PublicAccessBlock, parse_ownership, policy_status, render_ownership,
};
pub use acl::{ACL_BODY_MAX_BYTES, AccessControlPolicy, AclGrant, AclGrantee, RequestPayment};
pub use attributes::{AttributePart, AttributeParts, ObjectAttributes};
pub use bucket::{
    BucketEntry, CREATE_BUCKET_BODY_MAX_BYTES, CreateBucketConfiguration, ListAllMyBuckets,
    empty_configuration, location_constraint,
};
pub use copy::CopyResult;
pub use cors::{CORS_BODY_MAX_BYTES, CorsConfiguration, CorsRule};
pub use delete::{DELETE_BODY_MAX_BYTES, Delete, DeleteError, DeleteResult, Deleted, ObjectToDelete};
pub use encryption::{ENCRYPTION_BODY_MAX_BYTES, EncryptionConfiguration};
pub use error_body::ErrorBody;
pub use lifecycle::{
    LIFECYCLE_BODY_MAX_BYTES, LifecycleConfiguration, LifecycleExpiration, LifecycleFilter,
    LifecycleNoncurrent, LifecycleRule,
};
pub use listing::{ListObjectsV1, ListObjectsV2, ObjectEntry, Owner};
pub use lock::{LOCK_BODY_MAX_BYTES, LegalHold, LockMode, LockPeriod, ObjectLockConfiguration, RetentionXml};
pub use logging::{BucketLoggingStatus, LOGGING_BODY_MAX_BYTES, LoggingEnabled};
pub use multipart::{
    COMPLETE_BODY_MAX_BYTES, CompleteMultipartUpload, CompleteMultipartUploadResult, CompletedPart,
    InitiateMultipartUploadResult, ListMultipartUploads, ListParts, PartEntry, PostResponse, UploadEntry,
};
pub use notification::{NOTIFICATION_BODY_MAX_BYTES, NotificationConfiguration, NotificationRule};
pub use reader::{XmlError, XmlFault};
pub use tagging::{TAGGING_BODY_MAX_BYTES, Tagging};
pub use versioning::{VERSIONING_BODY_MAX_BYTES, VersioningConfiguration, VersioningStatus};
pub use versions::{ListVersions, VersionXml};
pub use website::{
    HostRedirect, ROUTING_RULES_MAX, RoutingCondition, RoutingRedirect, RoutingRule, SiteRedirects,
    WEBSITE_BODY_MAX_BYTES, WebsiteConfiguration,
};
pub use writer::{KeyEncoding, S3_NAMESPACE, XML_DECLARATION, XmlWriter};

/// A checksum as it stands in XML: `<Checksum{algorithm}>{value_base64}</…>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// One of [`CHECKSUM_ALGORITHMS`].
    pub algorithm: &'static str,
    /// The value in base64, for a composite checksum with `-N` behind it.
    pub value_base64: String,
}

/// The algorithms in AWS's spelling and order (botocore 1.44.5, shape `CompletedPart`).
pub const CHECKSUM_ALGORITHMS: [&str; 10] =
    ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256", "SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"];

/// An ETag without the quotes around it, if there are any: clients send both forms.
fn unquoted_etag(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag)
}
