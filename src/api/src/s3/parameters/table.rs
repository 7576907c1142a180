//! What is decided about every header and query parameter that AWS documents for the operations there
//! are: one decision each, used by the dispatcher, compared with AWS's list and tried out by tests.
//!
//! Always holds: the first row that fits decides, so that exact names stand before families.

/// Where a parameter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In a header, or in the query under the header's name, as presigned requests have it.
    Header,
    /// In the query.
    Query,
}

/// What becomes of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The operations named in the row do what it says; it means nothing to others.
    Obeyed,
    /// The operations named in the row do what it says; others refuse it, since a request that
    /// carries it was meant for one of them.
    ObeyedOnly,
    /// Its mere presence asks for something that is not there.
    Refused,
    /// Only these values ask for nothing; others are refused.
    HarmlessIf(&'static [&'static str]),
    /// Whatever it says changes nothing here.
    Harmless,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Decision {
    /// Where it stands.
    pub place: Place,
    /// Its name: of a header in lower case; one that ends with `-` stands for all that begin with it.
    pub name: &'static str,
    /// What becomes of it.
    pub verdict: Verdict,
    /// For what is obeyed: the operations that do.
    pub operations: &'static [&'static str],
    /// Why, in one sentence.
    pub reason: &'static str,
}

impl Decision {
    /// Whether the row speaks of this name (lower case for a header).
    pub fn names(&self, place: Place, name: &str) -> bool {
        let family = self.name.ends_with('-') && name.starts_with(self.name);
        self.place == place && (family || name == self.name)
    }

    /// Whether a request for `operation` with this value may go on.
    pub fn allows(&self, operation: Option<&str>, value: &str) -> bool {
        match self.verdict {
            Verdict::Obeyed | Verdict::Harmless => true,
            Verdict::ObeyedOnly => operation.is_none_or(|name| self.operations.contains(&name)),
            Verdict::Refused => false,
            Verdict::HarmlessIf(values) => values.contains(&value),
        }
    }
}

/// The decision on a name (lower case for a header); `None` for names AWS does not document.
pub fn decision(place: Place, name: &str) -> Option<&'static Decision> {
    TABLE.iter().find(|row| row.names(place, name))
}

const fn header(
    name: &'static str,
    verdict: Verdict,
    operations: &'static [&'static str],
    reason: &'static str,
) -> Decision {
    Decision { place: Place::Header, name, verdict, operations, reason }
}

const fn query(
    name: &'static str,
    verdict: Verdict,
    operations: &'static [&'static str],
    reason: &'static str,
) -> Decision {
    Decision { place: Place::Query, name, verdict, operations, reason }
}

use Verdict::{Harmless, HarmlessIf, Obeyed, ObeyedOnly, Refused};

const READS: &[&str] = &["GetObject", "HeadObject"];
const COPIES: &[&str] = &["CopyObject", "UploadPartCopy"];
const STORES: &[&str] = &["PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"];
/// Operations on objects that customers may have encrypted by a key of their own.
const KEYED: &[&str] = &[
    "PutObject",
    "PostObject",
    "CopyObject",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "ListParts",
    "GetObject",
    "HeadObject",
    "GetObjectAttributes",
];
const BODIES: &[&str] = &["PutObject", "UploadPart"];
const LISTS: &[&str] = &["ListObjects", "ListObjectsV2", "ListObjectVersions"];
const OF_BUCKETS: &[&str] = &["ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"];
const OF_UPLOADS: &[&str] =
    &["UploadPart", "UploadPartCopy", "ListParts", "CompleteMultipartUpload", "AbortMultipartUpload"];
const CHECKED: &[&str] = &[
    "PutObject",
    "PostObject",
    "UploadPart",
    "CompleteMultipartUpload",
    "DeleteObjects",
    "CreateBucket",
    "PutBucketCors",
    "PutBucketLifecycleConfiguration",
    "PutBucketWebsite",
    "PutBucketNotificationConfiguration",
    "PutBucketLogging",
    "PutBucketEncryption",
    "PutBucketTagging",
    "PutObjectTagging",
    "PutBucketPolicy",
    "PutPublicAccessBlock",
    "PutBucketOwnershipControls",
    "PutBucketVersioning",
    "PutBucketAcl",
    "PutObjectAcl",
    "PutObjectLockConfiguration",
    "PutObjectRetention",
    "PutObjectLegalHold",
];
/// Operations that set an access control list.
const LISTS_ACCESS: &[&str] = &[
    "CreateBucket",
    "PutBucketAcl",
    "PutObject",
    "PostObject",
    "CopyObject",
    "PutObjectAcl",
    "CreateMultipartUpload",
];
const IN_BUCKETS: &[&str] = &[
    "HeadBucket",
    "DeleteBucket",
    "GetBucketLocation",
    "ListObjects",
    "ListObjectsV2",
    "ListObjectVersions",
    "ListMultipartUploads",
    "PutBucketVersioning",
    "GetBucketVersioning",
    "PutObjectLockConfiguration",
    "GetObjectLockConfiguration",
    "PutBucketCors",
    "GetBucketCors",
    "DeleteBucketCors",
    "PutBucketLifecycleConfiguration",
    "GetBucketLifecycleConfiguration",
    "DeleteBucketLifecycle",
    "PutBucketWebsite",
    "GetBucketWebsite",
    "DeleteBucketWebsite",
    "PutBucketNotificationConfiguration",
    "GetBucketNotificationConfiguration",
    "PutBucketLogging",
    "GetBucketLogging",
    "PutBucketEncryption",
    "GetBucketEncryption",
    "DeleteBucketEncryption",
    "PutBucketTagging",
    "GetBucketTagging",
    "DeleteBucketTagging",
    "PutBucketPolicy",
    "GetBucketPolicy",
    "DeleteBucketPolicy",
    "GetBucketPolicyStatus",
    "PutPublicAccessBlock",
    "GetPublicAccessBlock",
    "DeletePublicAccessBlock",
    "PutBucketOwnershipControls",
    "GetBucketOwnershipControls",
    "DeleteBucketOwnershipControls",
    "PutBucketAcl",
    "GetBucketAcl",
    "DeleteObjects",
    "PutObject",
    "PostObject",
    "GetObject",
    "HeadObject",
    "DeleteObject",
    "CopyObject",
    "GetObjectAttributes",
    "PutObjectTagging",
    "GetObjectTagging",
    "DeleteObjectTagging",
    "PutObjectAcl",
    "GetObjectAcl",
    "PutObjectRetention",
    "GetObjectRetention",
    "PutObjectLegalHold",
    "GetObjectLegalHold",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "ListParts",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
];

/// Every decision.
pub static TABLE: &[Decision] = &[
    // Which operation a request is for.
    query("location", ObeyedOnly, &["GetBucketLocation"], "chooses the operation"),
    query("list-type", ObeyedOnly, &["ListObjectsV2"], "chooses the operation; only 2 is known"),
    query("uploads", ObeyedOnly, &["ListMultipartUploads", "CreateMultipartUpload"], "chooses the operation"),
    query("delete", ObeyedOnly, &["DeleteObjects"], "chooses the operation"),
    query(
        "cors",
        ObeyedOnly,
        &["PutBucketCors", "GetBucketCors", "DeleteBucketCors"],
        "chooses the operation",
    ),
    query(
        "lifecycle",
        ObeyedOnly,
        &["PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration", "DeleteBucketLifecycle"],
        "chooses the operation",
    ),
    query(
        "website",
        ObeyedOnly,
        &["PutBucketWebsite", "GetBucketWebsite", "DeleteBucketWebsite"],
        "chooses the operation",
    ),
    query(
        "encryption",
        ObeyedOnly,
        &["PutBucketEncryption", "GetBucketEncryption", "DeleteBucketEncryption"],
        "chooses the operation",
    ),
    query(
        "notification",
        ObeyedOnly,
        &["PutBucketNotificationConfiguration", "GetBucketNotificationConfiguration"],
        "chooses the operation",
    ),
    query("logging", ObeyedOnly, &["PutBucketLogging", "GetBucketLogging"], "chooses the operation"),
    header(
        "x-amz-skip-destination-validation",
        Obeyed,
        &["PutBucketNotificationConfiguration"],
        "no test event is sent; that the webhook is registered is checked all the same",
    ),
    query(
        "tagging",
        ObeyedOnly,
        &[
            "PutBucketTagging",
            "GetBucketTagging",
            "DeleteBucketTagging",
            "PutObjectTagging",
            "GetObjectTagging",
            "DeleteObjectTagging",
        ],
        "chooses the operation",
    ),
    query(
        "policy",
        ObeyedOnly,
        &["PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"],
        "chooses the operation",
    ),
    query("policyStatus", ObeyedOnly, &["GetBucketPolicyStatus"], "chooses the operation"),
    query(
        "publicAccessBlock",
        ObeyedOnly,
        &["PutPublicAccessBlock", "GetPublicAccessBlock", "DeletePublicAccessBlock"],
        "chooses the operation",
    ),
    query(
        "ownershipControls",
        ObeyedOnly,
        &["PutBucketOwnershipControls", "GetBucketOwnershipControls", "DeleteBucketOwnershipControls"],
        "chooses the operation",
    ),
    query(
        "acl",
        ObeyedOnly,
        &["PutBucketAcl", "GetBucketAcl", "PutObjectAcl", "GetObjectAcl"],
        "chooses the operation",
    ),
    query("versioning", ObeyedOnly, &["PutBucketVersioning", "GetBucketVersioning"], "chooses the operation"),
    query("versions", ObeyedOnly, &["ListObjectVersions"], "chooses the operation"),
    query(
        "object-lock",
        ObeyedOnly,
        &["PutObjectLockConfiguration", "GetObjectLockConfiguration"],
        "chooses the operation",
    ),
    query("retention", ObeyedOnly, &["PutObjectRetention", "GetObjectRetention"], "chooses the operation"),
    query("legal-hold", ObeyedOnly, &["PutObjectLegalHold", "GetObjectLegalHold"], "chooses the operation"),
    query("attributes", ObeyedOnly, &["GetObjectAttributes"], "chooses the operation"),
    query("uploadId", ObeyedOnly, OF_UPLOADS, "names the upload"),
    query(
        "partNumber",
        ObeyedOnly,
        &["GetObject", "HeadObject", "UploadPart", "UploadPartCopy"],
        "names the part",
    ),
    query(
        "versionId",
        ObeyedOnly,
        &[
            "GetObject",
            "HeadObject",
            "DeleteObject",
            "GetObjectAttributes",
            "PutObjectTagging",
            "GetObjectTagging",
            "DeleteObjectTagging",
            "PutObjectAcl",
            "GetObjectAcl",
            "PutObjectRetention",
            "GetObjectRetention",
            "PutObjectLegalHold",
            "GetObjectLegalHold",
        ],
        "names the version; without versions there is only null",
    ),
    header("x-amz-copy-source", ObeyedOnly, COPIES, "names the source"),
    // Listings.
    query(
        "prefix",
        Obeyed,
        &["ListBuckets", "ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"],
        "filters",
    ),
    query("delimiter", Obeyed, OF_BUCKETS, "groups keys"),
    query("encoding-type", Obeyed, OF_BUCKETS, "url or nothing; ListParts has none"),
    query("marker", Obeyed, &["ListObjects"], "where the page begins"),
    query("continuation-token", Obeyed, &["ListObjectsV2", "ListBuckets"], "where the page begins"),
    query("start-after", Obeyed, &["ListObjectsV2"], "where the first page begins"),
    query("key-marker", Obeyed, &["ListMultipartUploads", "ListObjectVersions"], "where the page begins"),
    query("version-id-marker", Obeyed, &["ListObjectVersions"], "where the page begins, with key-marker"),
    query("upload-id-marker", Obeyed, &["ListMultipartUploads"], "where the page begins, with key-marker"),
    query("part-number-marker", Obeyed, &["ListParts"], "where the page begins"),
    query("max-keys", Obeyed, LISTS, "the size of the page, at most 1000"),
    query("max-uploads", Obeyed, &["ListMultipartUploads"], "the size of the page, at most 1000"),
    query("max-parts", Obeyed, &["ListParts"], "the size of the page, at most 1000"),
    query("max-buckets", Obeyed, &["ListBuckets"], "the size of the page, 1 to 10000"),
    query("bucket-region", Obeyed, &["ListBuckets"], "all buckets are in the one region"),
    query("fetch-owner", Obeyed, &["ListObjectsV2"], "shows the owner"),
    header("x-amz-optional-object-attributes", HarmlessIf(&["RestoreStatus"]), &[], "nothing is archived"),
    // Reads.
    header(
        "range",
        Obeyed,
        READS,
        "one range of bytes; several are answered with the whole object, as HTTP allows",
    ),
    header("if-modified-since", Obeyed, READS, "condition"),
    header("if-unmodified-since", Obeyed, READS, "condition"),
    query("response-", Obeyed, READS, "replaces a header of the answer"),
    header("x-amz-object-attributes", Obeyed, &["GetObjectAttributes"], "what is asked for"),
    header("x-amz-max-parts", Obeyed, &["GetObjectAttributes"], "the size of the page, at most 1000"),
    header("x-amz-part-number-marker", Obeyed, &["GetObjectAttributes"], "where the page begins"),
    header("x-amz-checksum-mode", Obeyed, READS, "shows the checksum"),
    // Conditions of writes.
    header(
        "if-match",
        ObeyedOnly,
        &[
            "GetObject",
            "HeadObject",
            "PutObject",
            "PostObject",
            "CopyObject",
            "CompleteMultipartUpload",
            "DeleteObject",
        ],
        "condition; a client that sends it elsewhere relies on it",
    ),
    header(
        "if-none-match",
        ObeyedOnly,
        &["GetObject", "HeadObject", "PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"],
        "condition; on writes only the asterisk, as on AWS",
    ),
    header("x-amz-if-match-", Refused, &[], "conditions of directory buckets"),
    header("x-amz-copy-source-if-", Obeyed, COPIES, "condition on the source"),
    header("x-amz-copy-source-range", Obeyed, &["UploadPartCopy"], "the bytes to copy"),
    // Bodies.
    header("content-length", Obeyed, BODIES, "the length of the body"),
    header("content-md5", Obeyed, CHECKED, "checked"),
    header("content-range", Refused, &[], "a part of an object cannot be overwritten"),
    header("x-amz-write-offset-bytes", Refused, &[], "appending is for directory buckets"),
    header("x-amz-sdk-checksum-algorithm", Obeyed, CHECKED, "the checksum it announces must be there"),
    header(
        "x-amz-checksum-algorithm",
        Obeyed,
        &["CopyObject", "CreateMultipartUpload"],
        "the checksum to keep",
    ),
    header(
        "x-amz-checksum-type",
        Obeyed,
        &["CreateMultipartUpload", "CompleteMultipartUpload"],
        "the checksum's type",
    ),
    header("x-amz-checksum-", Obeyed, CHECKED, "checked"),
    header("x-amz-mp-object-size", Obeyed, &["CompleteMultipartUpload"], "checked"),
    // What an object keeps.
    header("cache-control", Obeyed, STORES, "kept"),
    header("content-disposition", Obeyed, STORES, "kept"),
    header("content-encoding", Obeyed, STORES, "kept without aws-chunked"),
    header("content-language", Obeyed, STORES, "kept"),
    header("content-type", Obeyed, STORES, "kept"),
    header("expires", Obeyed, STORES, "kept"),
    header("x-amz-meta-", Obeyed, STORES, "kept"),
    header("x-amz-metadata-directive", Obeyed, &["CopyObject"], "COPY or REPLACE"),
    header("x-amz-tagging-directive", ObeyedOnly, &["CopyObject"], "COPY or REPLACE"),
    header("x-amz-tagging", ObeyedOnly, STORES, "kept as the object's tags"),
    header(
        "x-amz-object-annotation-directive",
        HarmlessIf(&["COPY", "EXCLUDE"]),
        &[],
        "objects have no annotations",
    ),
    header("x-amz-website-redirect-location", ObeyedOnly, STORES, "kept; a web site leads there"),
    header(
        "x-amz-transition-default-minimum-object-size",
        Harmless,
        &[],
        "there is one storage class, so nothing moves to another",
    ),
    header("x-amz-storage-class", HarmlessIf(&["STANDARD"]), &[], "there is one class"),
    // Owners and access.
    header("x-amz-expected-bucket-owner", Obeyed, IN_BUCKETS, "there is one owner; another one is refused"),
    header(
        "x-amz-source-expected-bucket-owner",
        Obeyed,
        COPIES,
        "there is one owner; another one is refused",
    ),
    header("x-amz-acl", ObeyedOnly, LISTS_ACCESS, "a list by its name"),
    header("x-amz-grant-", ObeyedOnly, LISTS_ACCESS, "a list by its grants"),
    header("x-amz-object-ownership", ObeyedOnly, &["CreateBucket"], "to whom objects belong"),
    header(
        "x-amz-confirm-remove-self-bucket-access",
        Harmless,
        &[],
        "owners of a bucket can always change its policy",
    ),
    header("x-amz-bucket-namespace", HarmlessIf(&["global"]), &[], "there is one namespace"),
    header("x-amz-request-payer", Harmless, &[], "nobody is billed"),
    header("x-amz-mfa", Refused, &[], "no second factor"),
    header("x-amz-security-token", Refused, &[], "no temporary keys"),
    // Locks and encryption.
    header("x-amz-bucket-object-lock-enabled", ObeyedOnly, &["CreateBucket"], "true or false"),
    header(
        "x-amz-bucket-object-lock-token",
        Harmless,
        &[],
        "AWS gives it to who asks its support for a lock",
    ),
    header("x-amz-object-lock-mode", ObeyedOnly, STORES, "the lock of the version that is written"),
    header(
        "x-amz-object-lock-retain-until-date",
        ObeyedOnly,
        STORES,
        "the lock of the version that is written",
    ),
    header("x-amz-object-lock-legal-hold", ObeyedOnly, STORES, "the lock of the version that is written"),
    header("x-amz-object-lock-", Refused, &[], "no holds that begin with an event"),
    header(
        "x-amz-bypass-governance-retention",
        Obeyed,
        &["DeleteObject", "DeleteObjects", "PutObjectRetention"],
        "does what governance forbids, for who may",
    ),
    header("x-amz-server-side-encryption", ObeyedOnly, STORES, "AES256 or aws:kms"),
    header("x-amz-server-side-encryption-aws-kms-key-id", ObeyedOnly, STORES, "a named key of the ring"),
    header(
        "x-amz-server-side-encryption-bucket-key-enabled",
        ObeyedOnly,
        STORES,
        "shown again; nobody is asked for a key, so that there is nothing to save",
    ),
    header(
        "x-amz-server-side-encryption-context",
        Refused,
        &[],
        "a context would have to be checked by a KMS",
    ),
    header("x-amz-server-side-encryption-customer-", ObeyedOnly, KEYED, "the key of the object"),
    header("x-amz-copy-source-server-side-encryption-", ObeyedOnly, COPIES, "the key of the source"),
    header("x-amz-rename-source", Refused, &[], "renaming is for directory buckets"),
];
