//! The source of a copy: `x-amz-copy-source`, found and allowed.
//!
//! The header is split from its `?versionId=` first and percent-decoded once; after that the key is
//! as opaque as any. The caller needs read access to the source.

use crate::s3::access::{Access, Wanted};
use crate::s3::conditions::COPY_SOURCE;
use crate::s3::encryption::{self, Opened};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::lookup;
use crate::s3::operation::{Call, NamedBucket};
use crate::s3::parameters::check_expected_owner;
use crate::s3::reply::Reply;
use crate::s3::versions::{self, Seen};
use base::Id;
use base::id::kind;
use model::objects::{Found, Want};
use model::rows::past::VersionId;
use percent_encoding::percent_decode_str;

/// The header that names the source.
pub const HEADER: &str = "x-amz-copy-source";

/// A source that exists, that the caller may read, and whose conditions hold.
pub struct CopySource {
    /// Its bucket.
    pub bucket: NamedBucket,
    /// Its key.
    pub key: String,
    /// The version that the request names.
    pub version: Option<VersionId>,
    /// The object.
    pub found: Found,
    /// With which key it was opened.
    pub opened: Opened,
}

/// Finds the source of a copy.
pub async fn find(call: &Call) -> Result<CopySource, S3Error> {
    let text = call.head.header(HEADER).unwrap_or_default();
    let Named { bucket, key, version } = parse(&text)?;
    let bucket = call.api.bucket_named(&bucket, &call.caller).await?;
    let wanted = Wanted { access: Access::ReadOrAcl, actions: &["s3:GetObject"], key: Some(&key) };
    let mut gate = call.api.gate(&call.caller, &call.head, &bucket);
    gate.facts.set_version(version.map(|id| id.to_string()).as_deref());
    let admission = gate.admit(&call.api.model, &wanted).await?;
    if let Some(owner) = call.head.header("x-amz-source-expected-bucket-owner") {
        check_expected_owner(&owner, &bucket.row)?;
    }
    let mut found = match lookup::look(call, &bucket, (&key, version), &admission, Want::Content).await? {
        Seen::Object(found) => *found,
        Seen::Marker(..) if version.is_none() => {
            return Err(S3Error::new(S3Code::NoSuchKey).field("Key", key));
        }
        Seen::Marker(..) => {
            let message =
                "The source of a copy request may not specifically refer to a delete marker by version id.";
            return Err(S3Error::with_message(S3Code::InvalidRequest, message));
        }
    };
    let opened = encryption::open_source(&call.head, (bucket.id, &key), &mut found)?;
    COPY_SOURCE.check(&call.head, &found, call.api.model.latest_time())?;
    Ok(CopySource { bucket, key, version, found, opened })
}

impl CopySource {
    /// Whether the request names a version, where there are any.
    pub fn is_of_version(&self) -> bool {
        self.version.is_some() && versions::shown(&self.bucket.row, self.found.version).is_some()
    }

    /// What the model copies. A named version stays what it is while others follow it.
    pub fn place(&self) -> (Id<kind::Bucket>, String, Option<VersionId>) {
        let version = match self.found.version {
            VersionId::Null => self.version,
            VersionId::Named(_) => Some(self.found.version),
        };
        (self.bucket.id, self.key.clone(), version)
    }

    /// Writes which version it is.
    pub fn show(&self, reply: &mut Reply) {
        if let Some(version) = versions::shown(&self.bucket.row, self.found.version) {
            reply.set(versions::SOURCE_ID, &version.to_string());
        }
    }
}

/// What the header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// A bucket.
    pub bucket: String,
    /// A key in it.
    pub key: String,
    /// A version of it.
    pub version: Option<VersionId>,
}

/// Reads a source: `bucket/key`, with or without a slash in front, and perhaps a version.
pub fn parse(text: &str) -> Result<Named, S3Error> {
    let invalid = || {
        let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        S3Error::invalid_argument(HEADER, text, message)
    };
    let (path, version) = match text.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    let version = version.map(versions::parse).transpose()?;
    let path = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
    let lengths = 1..=base::limits::OBJECT_KEY_MAX_BYTES;
    if bucket.is_empty() || !lengths.contains(&key.len()) {
        return Err(invalid());
    }
    Ok(Named { bucket: bucket.to_owned(), key: key.to_owned(), version })
}
