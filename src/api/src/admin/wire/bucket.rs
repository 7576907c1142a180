//! Bodies about buckets and what is in them.

use super::LifecycleRule;
use crate::s3::xml::{HostRedirect, RoutingRule};
use serde::{Deserialize, Serialize};

/// What a key may do with a bucket. In AllowBucketKey and DenyBucketKey: what is to change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// List and get.
    pub read: bool,
    /// Put and delete.
    pub write: bool,
    /// Delete the bucket, change its settings.
    pub owner: bool,
}

/// An entry of ListBuckets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketSummary {
    /// The bucket.
    pub id: String,
    /// When it was created.
    #[serde(default)]
    pub created: Option<String>,
    /// Its global names.
    pub global_aliases: Vec<String>,
    /// Its names for single keys.
    pub local_aliases: Vec<LocalAlias>,
}

/// A name that only one key sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalAlias {
    /// The key.
    pub access_key_id: String,
    /// The name.
    pub alias: String,
}

/// Answer of GetBucketInfo and of every call that makes or changes a bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketInfo {
    /// The bucket.
    pub id: String,
    /// When it was created.
    #[serde(default)]
    pub created: Option<String>,
    /// Its global names.
    pub global_aliases: Vec<String>,
    /// Whether it is served as a web site.
    pub website_access: bool,
    /// How.
    pub website_config: Option<WebsiteConfig>,
    /// Whether it keeps versions: `disabled`, `enabled` or `suspended`.
    #[serde(default)]
    pub versioning: String,
    /// How many lifecycle rules it has; null: they cannot be read.
    #[serde(default)]
    pub lifecycle_rule_count: Option<u64>,
    /// How many of them are obeyed.
    #[serde(default)]
    pub lifecycle_rules_enabled: u64,
    /// The rules themselves.
    #[serde(default)]
    pub lifecycle_rules: Vec<LifecycleRule>,
    /// Whether its versions can be locked, and how new ones are.
    #[serde(default)]
    pub object_lock: Option<BucketObjectLock>,
    /// What is encrypted without being asked for.
    #[serde(default)]
    pub encryption: Option<BucketEncryption>,
    /// Its policy, as it was set.
    #[serde(default)]
    pub policy: Option<serde_json::Value>,
    /// What of policies and access control lists is blocked.
    #[serde(default)]
    pub public_access_block: Option<BucketAccessBlock>,
    /// How many CORS rules it has.
    #[serde(default)]
    pub cors_rule_count: u64,
    /// The rules, as AWS's tools show them.
    #[serde(default)]
    pub cors_rules: Vec<serde_json::Value>,
    /// Settings that this node cannot read, since a newer release has set them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable_settings: Vec<String>,
    /// Keys that may use it, or have a name for it.
    pub keys: Vec<BucketKey>,
    /// Objects.
    pub objects: i64,
    /// Bytes of all objects.
    pub bytes: i64,
    /// Open uploads.
    pub unfinished_uploads: i64,
    /// Open multipart uploads.
    pub unfinished_multipart_uploads: i64,
    /// Their parts.
    pub unfinished_multipart_upload_parts: i64,
    /// Bytes of their parts.
    pub unfinished_multipart_upload_bytes: i64,
    /// Limits.
    pub quotas: Quotas,
    /// Who is told of which changes.
    #[serde(default)]
    pub notifications: Vec<BucketNotification>,
    /// Bucket and prefix of the logs of its requests.
    #[serde(default)]
    pub logging: Option<String>,
}

/// The lock of a bucket's new versions; without a mode they have none of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketObjectLock {
    /// `governance` or `compliance`.
    pub default_mode: Option<String>,
    /// For so many days.
    pub default_days: Option<u32>,
    /// For so many years.
    pub default_years: Option<u32>,
}

/// What a bucket encrypts with by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketEncryption {
    /// `AES256` or `aws:kms`; null: nothing is encrypted by itself.
    pub algorithm: Option<String>,
    /// The named key, where one is named.
    pub key: Option<String>,
    /// Whether keys of customers are refused.
    pub blocks_customer_keys: bool,
}

/// The public access block of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketAccessBlock {
    /// Setting lists that are public.
    pub block_public_acls: bool,
    /// Access by such lists.
    pub ignore_public_acls: bool,
    /// Setting a policy that is public.
    pub block_public_policy: bool,
    /// Access by anonymous callers where the policy is public.
    pub restrict_public_buckets: bool,
}

/// Who is told of some changes of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketNotification {
    /// The rule's name.
    pub id: String,
    /// The webhook.
    pub webhook: String,
    /// Which events.
    pub events: Vec<String>,
    /// What keys begin with.
    #[serde(default)]
    pub prefix: Option<String>,
    /// What keys end with.
    #[serde(default)]
    pub suffix: Option<String>,
}

/// The documents of a web site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebsiteConfig {
    /// Served for a folder.
    pub index_document: String,
    /// Served for what is missing.
    #[serde(default)]
    pub error_document: Option<String>,
    /// Where every request is redirected; then there is no index document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_all_requests_to: Option<WebsiteHost>,
    /// Redirects that S3 has set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routing_rules: Vec<WebsiteRule>,
}

/// Another host in [`WebsiteConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebsiteHost {
    /// Its name.
    pub host_name: String,
    /// `http` or `https`.
    pub protocol: Option<String>,
}

/// A redirect in [`WebsiteConfig`], in the words of S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebsiteRule {
    /// When the answer would have this status.
    pub http_error_code_returned_equals: Option<String>,
    /// When the key begins with this.
    pub key_prefix_equals: Option<String>,
    /// The other host.
    pub host_name: Option<String>,
    /// The status of the redirect.
    pub http_redirect_code: Option<String>,
    /// `http` or `https`.
    pub protocol: Option<String>,
    /// What stands in place of the prefix.
    pub replace_key_prefix_with: Option<String>,
    /// What stands in place of the key.
    pub replace_key_with: Option<String>,
}

impl From<HostRedirect> for WebsiteHost {
    fn from(HostRedirect { host_name, protocol }: HostRedirect) -> Self {
        Self { host_name, protocol }
    }
}

impl From<RoutingRule> for WebsiteRule {
    fn from(RoutingRule { condition, redirect }: RoutingRule) -> Self {
        let condition = condition.unwrap_or_default();
        Self {
            http_error_code_returned_equals: condition.error_code,
            key_prefix_equals: condition.key_prefix,
            host_name: redirect.host_name,
            http_redirect_code: redirect.redirect_code,
            protocol: redirect.protocol,
            replace_key_prefix_with: redirect.replace_key_prefix,
            replace_key_with: redirect.replace_key,
        }
    }
}

/// A key in [`BucketInfo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketKey {
    /// The key.
    pub access_key_id: String,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// Its own names for the bucket.
    pub bucket_local_aliases: Vec<String>,
}

/// Limits of a bucket; null: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Quotas {
    /// Most bytes of all objects together.
    pub max_size: Option<u64>,
    /// Most objects.
    pub max_objects: Option<u64>,
}

/// Body of CreateBucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateBucket {
    /// A global name.
    pub global_alias: Option<String>,
    /// A name for one key.
    pub local_alias: Option<CreateLocalAlias>,
}

/// The local name in [`CreateBucket`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreateLocalAlias {
    /// The key.
    pub access_key_id: String,
    /// The name.
    pub alias: String,
    /// What the key may do with the bucket.
    #[serde(default)]
    pub allow: Permissions,
}

/// Body of UpdateBucket; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateBucket {
    /// The web site.
    pub website_access: Option<WebsiteAccess>,
    /// Limits: both are set.
    pub quotas: Option<Quotas>,
    /// The CORS rules, as AWS's tools have them: all of them are replaced, and none is left by an empty list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors_rules: Option<serde_json::Value>,
    /// The policy: its text, or the document itself. An empty one removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<serde_json::Value>,
    /// What is encrypted without being asked for: the document of AWS's tools, as of the next two. An empty one removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<serde_json::Value>,
    /// Whether versions can be locked, for good, and how new ones are. An empty one leaves no default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<serde_json::Value>,
    /// What must not be public. An empty one removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<serde_json::Value>,
    /// The lifecycle rules: all of them are replaced, and none is left by an empty list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_rules: Option<Vec<LifecycleRule>>,
    /// Whether versions are kept: `enabled` or `suspended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versioning: Option<String>,
}

/// The web site in [`UpdateBucket`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebsiteAccess {
    /// Whether it is served.
    pub enabled: bool,
    /// Must be given if it is.
    #[serde(default)]
    pub index_document: Option<String>,
    /// Served for what is missing.
    #[serde(default)]
    pub error_document: Option<String>,
    /// Not implemented yet: refused when given. Rules that S3 has set stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_rules: Option<serde_json::Value>,
}

/// Body of CleanupIncompleteUploads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanupIncompleteUploads {
    /// The bucket.
    pub bucket_id: String,
    /// Uploads begun at least this long ago are aborted.
    pub older_than_secs: u64,
}

/// Answer of CleanupIncompleteUploads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CleanedUploads {
    /// How many were aborted.
    pub uploads_deleted: u64,
}

/// Body of AllowBucketKey and DenyBucketKey: flags that are true are set or cleared, others stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeBucketKey {
    /// The bucket.
    pub bucket_id: String,
    /// The key.
    pub access_key_id: String,
    /// The flags.
    pub permissions: Permissions,
}

/// Body of AddBucketAlias and RemoveBucketAlias: a global name, or a local one with its key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeBucketAlias {
    /// The bucket.
    pub bucket_id: String,
    /// A global name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global_alias: Option<String>,
    /// A name for one key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_alias: Option<String>,
    /// That key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
}

/// Answer of InspectObject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedObject {
    /// The bucket.
    pub bucket_id: String,
    /// The key.
    pub key: String,
    /// What is stored under it.
    pub versions: Vec<InspectedVersion>,
}

/// A version in [`InspectedObject`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedVersion {
    /// Its id.
    pub uuid: String,
    /// When it was committed.
    pub timestamp: String,
    /// Whether the client's own key encrypts it.
    pub encrypted: bool,
    /// Whether it is still uploaded.
    pub uploading: bool,
    /// Whether its upload was given up.
    pub aborted: bool,
    /// Whether it marks a deletion.
    pub delete_marker: bool,
    /// Whether its bytes lie beside its metadata.
    pub inline: bool,
    /// Bytes of content.
    pub size: Option<u64>,
    /// Entity tag.
    pub etag: Option<String>,
    /// Headers and user metadata.
    pub headers: Vec<(String, String)>,
    /// Its blocks, in order; a long list is cut.
    pub blocks: Vec<InspectedBlock>,
}

/// A block in [`InspectedVersion`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InspectedBlock {
    /// The part it belongs to; 1 if the object has no parts.
    pub part_number: u64,
    /// Where it begins in the part, in bytes.
    pub offset: u64,
    /// Its hash.
    pub hash: String,
    /// Its bytes.
    pub size: u64,
}
