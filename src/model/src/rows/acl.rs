//! Access control lists: what somebody may do with one bucket or object besides what the grants of access keys
//! and the bucket's policy say.
//!
//! A bucket keeps its list among its settings, an object in its row, an upload for the object it becomes; where
//! nothing is kept, the owner has full control and nobody else anything. The store only keeps lists: what they
//! mean to a request is decided by `api`. Variants have names of one letter, since public objects are many.

use serde::{Deserialize, Serialize};

/// A list.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Acl {
    /// The access key to which an object belongs, if it does not belong to the bucket's owner.
    pub owner: Option<String>,
    /// What is granted, in the order it was sent.
    pub grants: Vec<AclGrant>,
}

/// One permission of one grantee.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AclGrant {
    /// Who.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// Whom a list grants something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grantee {
    /// The bucket's owner.
    #[serde(rename = "o")]
    BucketOwner,
    /// The holder of this access key.
    #[serde(rename = "k")]
    Key(String),
    /// Everybody, also who sends no signature.
    #[serde(rename = "e")]
    AllUsers,
    /// Everybody with an access key.
    #[serde(rename = "a")]
    AuthenticatedUsers,
    /// Who delivers logs.
    #[serde(rename = "l")]
    LogDelivery,
}

/// What a list grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Permission {
    /// List a bucket, get an object.
    #[serde(rename = "r")]
    Read,
    /// Put objects into a bucket; replace and delete those that belong to the grantee.
    #[serde(rename = "w")]
    Write,
    /// See the list.
    #[serde(rename = "s")]
    ReadAcp,
    /// Replace the list.
    #[serde(rename = "c")]
    WriteAcp,
    /// All of them.
    #[serde(rename = "f")]
    FullControl,
}

impl Grantee {
    /// Whether it is a group that anybody, or anybody with a key, is in.
    pub fn is_public(&self) -> bool {
        matches!(self, Self::AllUsers | Self::AuthenticatedUsers)
    }
}

impl Permission {
    /// Whether who has it may do what the other one is for.
    pub fn covers(self, asked: Permission) -> bool {
        self == asked || self == Self::FullControl
    }
}

impl Acl {
    /// The list that is meant where none is kept: of an object of this owner, or of the bucket's.
    pub fn of_owner(owner: Option<String>) -> Self {
        let grantee = owner.clone().map_or(Grantee::BucketOwner, Grantee::Key);
        Self { owner, grants: vec![AclGrant { grantee, permission: Permission::FullControl }] }
    }

    /// The list as it is kept: not at all where it says what is meant anyway.
    pub fn stored(self) -> Option<Self> {
        Some(self).filter(|list| *list != Self::of_owner(None))
    }

    /// Whether it grants anything to everybody, or to everybody with a key.
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }
}
