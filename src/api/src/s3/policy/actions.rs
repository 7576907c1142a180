//! The actions that AWS documents for buckets and objects (Service Authorization Reference, Amazon S3).
//!
//! A policy may name all of them, also where no operation here asks for them yet: what it says then holds from
//! the day there is one. A name that is not here is a mistake of writing, which must not pass as a rule.

use super::pattern::fits;

/// About an object.
const OF_OBJECTS: &[&str] = &[
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
];

/// About a bucket.
const OF_BUCKETS: &[&str] = &[
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetReplicationConfiguration",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutReplicationConfiguration",
];

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
    /// Several actions, of which some may be about either.
    Either,
}

/// What the actions are about that a pattern like `s3:Get*` names; `None`: there are none.
pub fn about(pattern: &str) -> Option<About> {
    let lower = pattern.to_ascii_lowercase();
    let name = if lower == "*" { "*" } else { lower.strip_prefix("s3:")? };
    let any = |list: &[&str]| list.iter().any(|action| fits(name, &action.to_ascii_lowercase()));
    match (any(OF_BUCKETS), any(OF_OBJECTS)) {
        (false, false) => None,
        (true, false) => Some(About::Bucket),
        (false, true) => Some(About::Object),
        (true, true) => Some(About::Either),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_actions() {
        let cases = [
            ("s3:GetObject", Some(About::Object)),
            ("S3:getobject", Some(About::Object)),
            ("s3:ListBucket", Some(About::Bucket)),
            ("s3:*", Some(About::Either)),
            ("*", Some(About::Either)),
            ("s3:DeletObject", None),
            ("ec2:RunInstances", None),
            ("GetObject", None),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(about(pattern), wanted, "{pattern}");
        }
    }

    #[test]
    fn what_operations_ask_for_is_known() {
        for operation in crate::s3::operation::OPERATIONS {
            // Of the service itself, which no bucket's policy speaks of.
            let of_service = operation.route.target == crate::s3::operation::Target::Service;
            for action in operation.actions.iter().filter(|_| !of_service) {
                assert!(matches!(about(action), Some(About::Bucket | About::Object)), "{action}");
            }
        }
    }
}
