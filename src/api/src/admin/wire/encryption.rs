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

/// Body of ChangeEncryptionSecret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeEncryptionSecret {
    /// The new secret, 64 hexadecimal digits. Whoever hears it can open what is encrypted: over the local socket, or TLS.
    pub secret: String,
}

impl std::fmt::Debug for ChangeEncryptionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Answer of ChangeEncryptionSecret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionSecretChanged {
    /// How many keys of the ring were wrapped anew.
    pub keys: u64,
    /// What became of the secret on each node.
    pub nodes: Vec<SecretOnNode>,
}

/// What became of a secret on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretOnNode {
    /// The node.
    pub id: String,
    /// Whether it has it now; else it asks for it when it is back.
    pub is_held: bool,
    /// Whether it has it after it was started again, too.
    pub is_kept: bool,
}

/// Which key CreateEncryptionKey or RotateEncryptionKey makes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedEncryptionKey {
    /// Its name; none: the one for requests that name none.
    #[serde(default)]
    pub name: Option<String>,
}
