//! Bodies about access keys.

use super::Permissions;
use serde::{Deserialize, Serialize};

/// An entry of ListKeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySummary {
    /// The access key's id.
    pub id: String,
    /// For people.
    pub name: String,
    /// When it was created.
    #[serde(default)]
    pub created: Option<String>,
    /// When it stops working.
    #[serde(default)]
    pub expiration: Option<String>,
    /// Whether it has stopped working.
    #[serde(default)]
    pub expired: bool,
}

/// Answer of GetKeyInfo and of every call that makes or changes a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyInfo {
    /// The access key's id.
    pub access_key_id: String,
    /// When it was created.
    #[serde(default)]
    pub created: Option<String>,
    /// For people.
    pub name: String,
    /// When it stops working.
    #[serde(default)]
    pub expiration: Option<String>,
    /// Whether it has stopped working.
    #[serde(default)]
    pub expired: bool,
    /// The secret, where it was asked for or just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<String>,
    /// What it may do apart from buckets.
    pub permissions: KeyPermissions,
    /// Buckets it may use, or has a name for.
    pub buckets: Vec<KeyBucket>,
}

/// What a key may do apart from buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyPermissions {
    /// Create buckets.
    pub create_bucket: bool,
}

/// A bucket in [`KeyInfo`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyBucket {
    /// The bucket.
    pub id: String,
    /// Its global names.
    pub global_aliases: Vec<String>,
    /// The names that only this key sees.
    pub local_aliases: Vec<String>,
    /// What the key may do with it.
    pub permissions: Permissions,
}

/// Body of CreateKey and UpdateKey.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UpdateKey {
    /// A new name.
    pub name: Option<String>,
    /// When it stops working, in RFC 3339.
    pub expiration: Option<String>,
    /// Takes the end of its life back.
    pub never_expires: bool,
    /// What is true here is allowed from now on.
    pub allow: Option<KeyPermissions>,
    /// What is true here is not allowed any more.
    pub deny: Option<KeyPermissions>,
}

/// Body of ImportKey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportKey {
    /// The access key's id.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// For people.
    #[serde(default)]
    pub name: Option<String>,
}
