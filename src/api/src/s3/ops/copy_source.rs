//! The source of a copy: `x-amz-copy-source`, found and allowed.
//!
//! The header is split from its `?versionId=` first and percent-decoded once; after that the key is
//! as opaque as any. The caller needs read access to the source.

use crate::s3::access::{Access, Wanted};
use crate::s3::conditions::COPY_SOURCE;
use crate::s3::error::S3Error;
use crate::s3::lookup;
use crate::s3::operation::{Call, NamedBucket};
use crate::s3::parameters::check_expected_owner;
use model::objects::{Found, Want};
use percent_encoding::percent_decode_str;

/// The header that names the source.
pub const HEADER: &str = "x-amz-copy-source";

/// A source that exists, that the caller may read, and whose conditions hold.
pub struct CopySource {
    /// Its bucket.
    pub bucket: NamedBucket,
    /// Its key.
    pub key: String,
    /// The object.
    pub found: Found,
}

/// Finds the source of a copy.
pub async fn find(call: &Call) -> Result<CopySource, S3Error> {
    let text = call.head.header(HEADER).unwrap_or_default();
    let (bucket, key) = parse(&text)?;
    let bucket = call.api.bucket_named(&bucket, &call.caller).await?;
    let wanted = Wanted { access: Access::ReadOrAcl, actions: &["s3:GetObject"], key: Some(&key) };
    let admission = call.api.gate(&call.caller, &call.head, &bucket).admit(&call.api.model, &wanted).await?;
    if let Some(owner) = call.head.header("x-amz-source-expected-bucket-owner") {
        check_expected_owner(&owner, &bucket.row)?;
    }
    let found = lookup::find(call, &bucket, &key, &admission, Want::Content).await?;
    COPY_SOURCE.check(&call.head, &found)?;
    Ok(CopySource { bucket, key, found })
}

/// Bucket and key of a source: `bucket/key`, with or without a slash in front.
pub fn parse(text: &str) -> Result<(String, String), S3Error> {
    let invalid = || {
        let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        S3Error::invalid_argument(HEADER, text, message)
    };
    let (path, version) = match text.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    if version.is_some_and(|version| version != "null") {
        return Err(S3Error::invalid_argument(
            "versionId",
            version.unwrap_or_default(),
            "Invalid version id specified",
        ));
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| invalid())?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(invalid)?;
    let lengths = 1..=base::limits::OBJECT_KEY_MAX_BYTES;
    if bucket.is_empty() || !lengths.contains(&key.len()) {
        return Err(invalid());
    }
    Ok((bucket.to_owned(), key.to_owned()))
}
