//! Why a request on the model did not succeed. Each variant is a decision for the caller; `api`
//! maps them to codes in one exhaustive match.

use crate::rows::past::VersionId;
use block::BlockError;
use store::StoreError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No bucket of that name or id.
    #[error("no such bucket")]
    NoSuchBucket,
    /// No object under that key.
    #[error("no such key")]
    NoSuchKey,
    /// No version of that id under that key.
    #[error("no such version")]
    NoSuchVersion,
    /// Whether a past version was changed depends on a ballot that may have been lost: whoever opened one decides about it
    /// first, so that nobody else meets this.
    #[error("a version of the key is not decided on yet")]
    InDoubt(VersionId),
    /// The version is a delete marker, which has nothing to read or change.
    #[error("the version is a delete marker")]
    DeleteMarker,
    /// No open upload of that id under that key.
    #[error("no such upload")]
    NoSuchUpload,
    /// No access key of that id.
    #[error("no such access key")]
    NoSuchAccessKey,
    /// The name is taken by a bucket this key does not own.
    #[error("the bucket name is taken")]
    BucketNameTaken,
    /// The name is taken by a bucket this key owns.
    #[error("you already own this bucket")]
    BucketAlreadyYours,
    /// The bucket still holds objects or open uploads.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// An access key of that id exists.
    #[error("the access key exists already")]
    AccessKeyExists,
    /// The condition of a conditional write does not hold.
    #[error("the condition does not hold")]
    ConditionFailed,
    /// A conditional write names an object that is not there.
    #[error("the object that the condition names does not exist")]
    ConditionOnMissing,
    /// What is under the key belongs to somebody else, and the caller may only change what is its own.
    #[error("what is under the key belongs to somebody else")]
    NotOwner,
    /// The key was written or deleted since the upload began that would be completed.
    #[error("the key was written or deleted since the upload began")]
    ChangedMeanwhile,
    /// A part that the completion lists does not exist or has another tag.
    #[error("part {0} was not uploaded, or its tag differs")]
    InvalidPart(u16),
    /// The completion lists parts out of order.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part other than the last is too small.
    #[error("part {0} is smaller than 5 MiB")]
    PartTooSmall(u16),
    /// The checksum given for the whole does not match what the parts give.
    #[error("the checksum of the whole does not match")]
    ChecksumMismatch,
    /// A range lies outside of the object.
    #[error("the range cannot be satisfied")]
    RangeNotSatisfiable,
    /// The bucket's quota would be exceeded.
    #[error("the bucket's quota is exceeded")]
    QuotaExceeded,
    /// No quorum of the nodes that keep this answered. A write may have happened or not.
    #[error("too few of the nodes that keep this can be reached; try again")]
    Unavailable,
    /// It took so long that its replicas may have forgotten what came meanwhile: none of them took it, nor ever will.
    #[error("the request took too long on its way; try again")]
    Fenced,
    /// Somebody is about to delete the bucket.
    #[error("the bucket is about to be deleted; try again")]
    BucketBusy,
    /// The node has no part in a cluster yet: no layout was applied.
    #[error("no layout was applied yet: give this node a role, then apply it")]
    NoLayout,
    /// The version is locked: it must stay, and its lock must not be weakened.
    #[error("the version is locked")]
    Locked,
    /// The bucket's versions cannot be locked.
    #[error("the bucket has no object lock")]
    NoObjectLock,
    /// Only a bucket that keeps versions can have them locked.
    #[error("the bucket does not keep versions")]
    NeedsVersions,
    /// A bucket whose versions can be locked keeps versions for good.
    #[error("the bucket has an object lock, and keeps versions for good")]
    KeepsVersions,
    /// A setting of the bucket was written by a newer release, and what it asks for is not known here.
    #[error("a setting of the bucket is of a newer release")]
    NewerSetting,
    /// The object is encrypted by a key that only its customer has.
    #[error("the object is encrypted by a key that must come with the request")]
    CustomerKeyNeeded,
    /// The customer's key is not the one that the object is encrypted by.
    #[error("the key is not the one that the object is encrypted by")]
    WrongCustomerKey,
    /// No secret to wrap the keys of encrypted objects was ever given to the cluster.
    #[error(
        "no encryption secret was given to this node: set encryption_secret_file in its configuration (`garage \
         encryption new-secret FILE` makes one)"
    )]
    NoEncryptionSecret,
    /// The cluster has an encryption secret and this node does not, or has another one.
    #[error("this node does not have the encryption secret of its cluster")]
    EncryptionSecretMissing,
    /// The row of the key that wraps the object's is damaged on this node.
    #[error("the encryption key of the object cannot be read on this node: its row is damaged")]
    UnreadRingKey,
    /// No key of the ring has that name.
    #[error("no encryption key has that name")]
    NoSuchEncryptionKey,
    /// A key of the ring has that name.
    #[error("an encryption key has that name already")]
    EncryptionKeyExists,
    /// Bytes that came with a row are not those it names.
    #[error("the bytes do not match their hash")]
    Damaged,
    /// The local store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The block store.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl ModelError {
    /// Whether a write that ended with this was surely not made: what it asked for is not so. Everything
    /// else leaves that open.
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Unavailable
            | Self::InDoubt(_)
            | Self::BucketBusy
            | Self::NoLayout
            | Self::Store(_)
            | Self::Block(_) => false,
            Self::CustomerKeyNeeded
            | Self::WrongCustomerKey
            | Self::NoEncryptionSecret
            | Self::EncryptionSecretMissing
            | Self::UnreadRingKey
            | Self::NoSuchEncryptionKey
            | Self::EncryptionKeyExists => true,
            Self::NoSuchBucket
            | Self::NoSuchKey
            | Self::NoSuchVersion
            | Self::DeleteMarker
            | Self::NoSuchUpload
            | Self::NoSuchAccessKey
            | Self::BucketNameTaken
            | Self::BucketAlreadyYours
            | Self::BucketNotEmpty
            | Self::AccessKeyExists
            | Self::ConditionFailed
            | Self::ConditionOnMissing
            | Self::NotOwner
            | Self::ChangedMeanwhile
            | Self::InvalidPart(_)
            | Self::InvalidPartOrder
            | Self::PartTooSmall(_)
            | Self::ChecksumMismatch
            | Self::RangeNotSatisfiable
            | Self::QuotaExceeded
            | Self::Locked
            | Self::NoObjectLock
            | Self::NeedsVersions
            | Self::KeepsVersions
            | Self::NewerSetting
            | Self::Fenced
            | Self::Damaged => true,
        }
    }
}
