//! Why an admin request was refused, and the one place that decides its status and code.

use super::keys::KeyFormatError;
use base::names::NameError;
use cluster::joining::{InviteError, NotMade};
use cluster::{ChangeError, ForgetError, LayoutError};
use http::{Method, StatusCode};
use model::ModelError;
use store::StoreError;

/// A refusal.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// No token, or not one that is valid for this endpoint.
    #[error("this endpoint needs a valid token: send the header `Authorization: Bearer <token>`")]
    Forbidden,
    /// The path names nothing.
    #[error("there is no such endpoint; see GET /v2/GetClusterStatus, for example")]
    NoSuchEndpoint,
    /// Another node has this one answer what nodes are not asked for.
    #[error("`{0}` is not answered for other nodes by this release: ask it there")]
    NotForNodes(String),
    /// The endpoint has another method.
    #[error("{endpoint} is called with {expected}")]
    MethodNotAllowed {
        /// The endpoint.
        endpoint: &'static str,
        /// Its method.
        expected: Method,
    },
    /// The address of a webhook is none.
    #[error(transparent)]
    WebhookAddress(#[from] crate::webhook::AddressError),
    /// No webhook has this name.
    #[error("no webhook is called `{0}`")]
    NoSuchWebhook(String),
    /// There are as many as there may be.
    #[error("there are {} webhooks already, which is as many as there may be", model::events::WEBHOOKS_MAX)]
    TooManyWebhooks,
    /// Not there yet.
    #[error("{0} is not implemented by this release")]
    NotImplemented(&'static str),
    /// The body is larger than any that makes sense.
    #[error("the request body is larger than {} bytes", super::BODY_MAX_BYTES)]
    BodyTooLarge,
    /// The body did not arrive.
    #[error("the request body could not be read to its end")]
    BodyUnread,
    /// The body is not what the endpoint takes.
    #[error("the request body is not what this endpoint takes: {0}")]
    InvalidBody(#[from] serde_json::Error),
    /// A query parameter is missing.
    #[error("the query parameter `{0}` is missing")]
    MissingParameter(&'static str),
    /// None of the parameters that name something is there.
    #[error("give {0}")]
    Unnamed(&'static str),
    /// A value cannot be read.
    #[error("`{value}` is not a valid {name}")]
    InvalidValue {
        /// What it should be.
        name: &'static str,
        /// The value given.
        value: String,
    },
    /// A pattern fits several things.
    #[error("`{pattern}` fits more than one: {}", matches.join(", "))]
    Ambiguous {
        /// The pattern.
        pattern: String,
        /// Some of what it fits.
        matches: Vec<String>,
    },
    /// No bucket fits.
    #[error("no bucket is called `{0}`")]
    NoSuchBucket(String),
    /// No access key fits.
    #[error("no access key is called `{0}`")]
    NoSuchKey(String),
    /// No worker has this number.
    #[error("there is no worker {0}")]
    NoSuchWorker(u64),
    /// No block begins like this.
    #[error("no block that is used here begins with `{0}`")]
    NoSuchBlock(String),
    /// What needs a block is not deleted.
    #[error("nothing was deleted: {0}")]
    NotPurged(String),
    /// No variable of a worker has this name.
    #[error("there is no worker variable `{0}`; GetWorkerVariable without a name shows all")]
    NoSuchVariable(String),
    /// It is only read.
    #[error("the worker variable {0} can be read only")]
    VariableIsRead(&'static str),
    /// It cannot be set to that.
    #[error("{name} cannot be `{value}`: write {wanted}")]
    VariableValue {
        /// The variable.
        name: &'static str,
        /// The value given.
        value: String,
        /// What can be given.
        wanted: String,
    },
    /// The domain is not served.
    #[error("no web site is served for `{0}`")]
    NoSuchWebsite(String),
    /// A bucket name breaks the rules.
    #[error(transparent)]
    InvalidName(#[from] NameError),
    /// An access key's id or secret breaks the rules.
    #[error(transparent)]
    InvalidKey(#[from] KeyFormatError),
    /// A web site needs an index document, and a disabled one has none.
    #[error(
        "with `enabled` true `indexDocument` must be given, a name without a slash; with `enabled` false no document \
         may be"
    )]
    WebsiteDocuments,
    /// A web site is public, and the bucket must not become that.
    #[error(
        "the bucket's public access block says BlockPublicPolicy, and a web site is public: its objects would be served \
         to everybody; remove the block by S3 first"
    )]
    WebsiteIsBlocked,
    /// Lifecycle rules that S3 would refuse.
    #[error("the lifecycle rules were not set: {0}")]
    LifecycleRules(String),
    /// A setting that S3 would refuse, too.
    #[error("the {0} was not set: {1}")]
    Setting(&'static str, String),
    /// Neither or both kinds of names were given.
    #[error("give either `globalAlias`, or `localAlias` with `accessKeyId`")]
    AliasKind,
    /// This key has given the name to another bucket.
    #[error("the key calls another bucket `{0}` already")]
    LocalAliasTaken(String),
    /// The bucket has no such name.
    #[error("the bucket is not called `{0}`")]
    NotAnAlias(String),
    /// Without this name nothing would lead to the bucket.
    #[error("this is the bucket's only name: delete the bucket instead, or give it another name first")]
    LastAlias,
    /// The node has a role, is away, or did not come by invitation.
    #[error(
        "node {0} does not wait for approval: it has a role, is not connected, or did not come by invitation; \
         `garage layout assign` gives any node a role"
    )]
    NotWaiting(String),
    /// No invitation was made.
    #[error(transparent)]
    Invite(#[from] InviteError),
    /// The layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A layout change.
    #[error(transparent)]
    LayoutChange(#[from] ChangeError),
    /// Nodes that are not forgotten.
    #[error(transparent)]
    Forget(#[from] ForgetError),
    /// The model.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The local store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AdminError {
    /// Status and code word.
    pub fn status_and_code(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::Forbidden => (S::FORBIDDEN, "AccessDenied"),
            Self::NoSuchEndpoint | Self::NotForNodes(_) => (S::NOT_FOUND, "NoSuchEndpoint"),
            Self::MethodNotAllowed { .. } => (S::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
            Self::NotImplemented(_) => (S::NOT_IMPLEMENTED, "NotImplemented"),
            Self::BodyTooLarge => (S::PAYLOAD_TOO_LARGE, "EntityTooLarge"),
            Self::BodyUnread
            | Self::InvalidBody(_)
            | Self::MissingParameter(_)
            | Self::Unnamed(_)
            | Self::InvalidValue { .. }
            | Self::Ambiguous { .. }
            | Self::NoSuchWebsite(_)
            | Self::NotPurged(_)
            | Self::NoSuchVariable(_)
            | Self::VariableIsRead(_)
            | Self::VariableValue { .. }
            | Self::InvalidName(_)
            | Self::InvalidKey(_)
            | Self::WebsiteDocuments
            | Self::WebsiteIsBlocked
            | Self::LifecycleRules(_)
            | Self::Setting(..)
            | Self::AliasKind
            | Self::WebhookAddress(_)
            | Self::TooManyWebhooks
            | Self::LastAlias
            | Self::NotWaiting(_)
            | Self::Layout(_)
            | Self::LayoutChange(ChangeError::Refused(_)) => (S::BAD_REQUEST, "InvalidRequest"),
            Self::Invite(InviteError::NotMade(NotMade::NotStored(_)))
            | Self::LayoutChange(ChangeError::NotStored(_))
            | Self::Forget(ForgetError::Change(ChangeError::NotStored(_))) => {
                (S::INTERNAL_SERVER_ERROR, "InternalError")
            }
            Self::Forget(_) => (S::BAD_REQUEST, "InvalidRequest"),
            Self::Invite(_) => (S::BAD_REQUEST, "InvalidRequest"),
            Self::NoSuchBucket(_) => (S::NOT_FOUND, "NoSuchBucket"),
            Self::NoSuchKey(_) => (S::NOT_FOUND, "NoSuchAccessKey"),
            Self::NoSuchWebhook(_) => (S::NOT_FOUND, "NoSuchWebhook"),
            Self::NoSuchWorker(_) => (S::NOT_FOUND, "NoSuchWorker"),
            Self::NoSuchBlock(_) => (S::NOT_FOUND, "NoSuchBlock"),
            Self::NotAnAlias(_) => (S::NOT_FOUND, "NoSuchAlias"),
            Self::LocalAliasTaken(_) => (S::CONFLICT, "BucketAlreadyExists"),
            Self::Model(error) => of_model(error),
            Self::Store(error) => of_store(error),
        }
    }
}

fn of_model(error: &ModelError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        ModelError::NoSuchBucket => (S::NOT_FOUND, "NoSuchBucket"),
        ModelError::NoSuchKey | ModelError::DeleteMarker => (S::NOT_FOUND, "NoSuchKey"),
        ModelError::NoSuchVersion => (S::NOT_FOUND, "NoSuchVersion"),
        ModelError::NoSuchUpload => (S::NOT_FOUND, "NoSuchUpload"),
        ModelError::NoSuchAccessKey => (S::NOT_FOUND, "NoSuchAccessKey"),
        ModelError::BucketNameTaken | ModelError::BucketAlreadyYours => (S::CONFLICT, "BucketAlreadyExists"),
        // The public interface description says 400 where S3 says 409.
        ModelError::BucketNotEmpty => (S::BAD_REQUEST, "BucketNotEmpty"),
        ModelError::Locked => (S::FORBIDDEN, "AccessDenied"),
        ModelError::NeedsVersions | ModelError::KeepsVersions => (S::BAD_REQUEST, "InvalidRequest"),
        ModelError::AccessKeyExists => (S::CONFLICT, "KeyAlreadyExists"),
        ModelError::NoEncryptionSecret => (S::BAD_REQUEST, "NoEncryptionSecret"),
        ModelError::UnreadRingKey => (S::SERVICE_UNAVAILABLE, "DamagedRow"),
        ModelError::EncryptionSecretMissing => (S::SERVICE_UNAVAILABLE, "NoEncryptionSecret"),
        ModelError::NoSuchEncryptionKey => (S::NOT_FOUND, "NoSuchEncryptionKey"),
        ModelError::EncryptionKeyExists => (S::CONFLICT, "EncryptionKeyAlreadyExists"),
        ModelError::Store(error) => of_store(error),
        ModelError::Block(_)
        | ModelError::Unavailable
        | ModelError::InDoubt(_)
        | ModelError::Fenced
        | ModelError::BucketBusy
        | ModelError::NoLayout => (S::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        ModelError::CustomerKeyNeeded
        | ModelError::WrongCustomerKey
        | ModelError::ConditionFailed
        | ModelError::ConditionOnMissing
        | ModelError::NotOwner
        | ModelError::ChangedMeanwhile
        | ModelError::InvalidPart(_)
        | ModelError::InvalidPartOrder
        | ModelError::PartTooSmall(_)
        | ModelError::ChecksumMismatch
        | ModelError::RangeNotSatisfiable
        | ModelError::QuotaExceeded
        | ModelError::NoObjectLock
        | ModelError::NewerSetting
        | ModelError::Damaged => (S::INTERNAL_SERVER_ERROR, "InternalError"),
    }
}

fn of_store(error: &StoreError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        StoreError::Full => (S::INSUFFICIENT_STORAGE, "StorageFull"),
        StoreError::Failed | StoreError::Closed | StoreError::AheadOfClock(_) => {
            (S::SERVICE_UNAVAILABLE, "ServiceUnavailable")
        }
        StoreError::Unreadable { .. } => (S::SERVICE_UNAVAILABLE, "DamagedRow"),
        StoreError::Read(_) | StoreError::Panicked => (S::INTERNAL_SERVER_ERROR, "InternalError"),
    }
}
