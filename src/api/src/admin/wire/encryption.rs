//! Bodies about encryption by the server.

use serde::{Deserialize, Serialize};

/// Answer of ListEncryptionKeys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionKeys {
    /// Whether the node that was asked has the encryption secret.
    pub has_secret: bool,
    /// The keys of the ring, the oldest first.
    pub keys: Vec<EncryptionKey>,
}

/// A key of the ring: an entry of ListEncryptionKeys, and the answer of every call that makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionKey {
    /// Its id.
    pub id: String,
    /// What requests call it.
    pub name: String,
    /// When it was made.
    pub created: String,
    /// Whether new objects are encrypted by it.
    pub is_newest: bool,
    /// Whether the secret of the node that was asked opens it.
    pub is_open: bool,
}

/// Which key CreateEncryptionKey or RotateEncryptionKey makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedEncryptionKey {
    /// Its name; none: the one for requests that name none.
    #[serde(default)]
    pub name: Option<String>,
}
