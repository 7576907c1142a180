//! Versions of objects, as requests name them and answers show them.
//!
//! A request that names a version asks for other actions than one that does not ([`action`]). Always holds: only
//! answers about buckets that keep versions, or kept them, show which version they speak of.

use super::error::{S3Code, S3Error};
use super::events::{self, Change};
use super::head::Head;
use super::lookup;
use super::operation::{Call, NamedBucket};
use super::reply::Reply;
use crate::dates;
use base::Stamp;
use http::StatusCode;
use http::header::{ALLOW, HeaderName, HeaderValue, LAST_MODIFIED};
use model::events::{EventKind, Outcome};
use model::objects::{Deleted, Found, Looked, Want};
use model::rows::bucket::{BucketRow, Versioning};
use model::rows::past::VersionId;
use model::{Model, ModelError};
use std::sync::Arc;

/// The query parameter that names a version.
pub const PARAMETER: &str = "versionId";
/// Which version an answer speaks of.
pub const ID: HeaderName = HeaderName::from_static("x-amz-version-id");
/// Which version of its source a copy was made of.
pub const SOURCE_ID: HeaderName = HeaderName::from_static("x-amz-copy-source-version-id");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// What is asked for when a version is named: the action without one, the action with one.
const ACTIONS: [(&str, &str); 8] = [
    ("s3:GetObject", "s3:GetObjectVersion"),
    ("s3:GetObjectAttributes", "s3:GetObjectVersionAttributes"),
    ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
    ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    ("s3:GetObjectAcl", "s3:GetObjectVersionAcl"),
    ("s3:PutObjectAcl", "s3:PutObjectVersionAcl"),
];

/// What a policy must allow instead of `action` when a version is named.
pub fn action(action: &str) -> &str {
    ACTIONS.iter().find(|(plain, _)| *plain == action).map_or(action, |(_, of_version)| of_version)
}

/// Reads a version's id, which a client was given before.
pub fn parse(text: &str) -> Result<VersionId, S3Error> {
    let message = match text {
        "" => "Version id cannot be the empty string",
        _ => "Invalid version id specified",
    };
    VersionId::parse(text).ok_or_else(|| S3Error::invalid_argument(PARAMETER, text, message))
}

/// The version that a request names.
pub fn named(head: &Head) -> Result<Option<VersionId>, S3Error> {
    head.parameter(PARAMETER).map(parse).transpose()
}

/// Which version an answer about a bucket's object names, if any.
pub fn shown(bucket: &BucketRow, version: VersionId) -> Option<VersionId> {
    // What this node has not heard of yet shows by the version itself.
    let is_kept = bucket.versioning() != Versioning::Never || version != VersionId::Null;
    is_kept.then_some(version)
}

/// Writes which version an answer speaks of.
pub fn show(reply: &mut Reply, version: Option<VersionId>) {
    if let Some(version) = version {
        reply.set(ID, &version.to_string());
    }
}

/// Writes what a deletion made or took away.
pub fn show_deleted(reply: &mut Reply, bucket: &BucketRow, deleted: Deleted) {
    let Some(version) = deleted.version.and_then(|version| shown(bucket, version)) else { return };
    show(reply, Some(version));
    if deleted.is_marker {
        reply.set(DELETE_MARKER, "true");
    }
}

/// The object whose tags a request asks for, or the version of it. Of a delete marker AWS says that it has none, also
/// where no version is named.
pub async fn find_tagged(call: &Call) -> Result<Found, S3Error> {
    let (key, version) = (call.head.object_key()?, named(&call.head)?);
    match lookup::look(call, call.bucket()?, (key, version), &call.admission, Want::Metadata).await? {
        Seen::Object(found) => Ok(*found),
        Seen::Marker(id, made) => Err(marker_named(id, made)),
    }
}

/// The object that a request names, or the version of it.
pub async fn find(call: &Call, want: Want) -> Result<Found, S3Error> {
    let (key, version) = (call.head.object_key()?, named(&call.head)?);
    match lookup::look(call, call.bucket()?, (key, version), &call.admission, want).await? {
        Seen::Object(found) => Ok(*found),
        Seen::Marker(id, made) if version.is_some() => Err(marker_named(id, made)),
        Seen::Marker(id, _) => Err(with_id(hidden(key), id)),
    }
}

/// Replaces the tags of the object that a request names, or of the version of it.
pub async fn set_tags(
    call: &Call,
    tags: Vec<(String, String)>,
    status: StatusCode,
) -> Result<Reply, S3Error> {
    let (bucket, key, version) = (call.bucket()?, call.head.object_key()?, named(&call.head)?);
    let removes = status == StatusCode::NO_CONTENT;
    let kind = if removes { EventKind::TaggingDelete } else { EventKind::TaggingPut };
    let watch = events::announce(call, Change::of_version(kind, key, version)).await?;
    let ended = call.api.model.set_object_tags(bucket.id, (key.to_owned(), version), tags).await;
    let changed = |version: &VersionId| Outcome { at: None, version: shown(&bucket.row, *version) };
    let version = watch.settle(ended, changed).await?;
    let mut reply = Reply::empty(status);
    show(&mut reply, shown(&bucket.row, version));
    Ok(reply)
}

/// The answer to a change of the object that a request names, or of the version of it, that was not made.
pub fn of_change(head: &Head, error: ModelError) -> S3Error {
    match error {
        ModelError::DeleteMarker if !head.has_parameter(PARAMETER) => {
            hidden(head.key.as_deref().unwrap_or_default())
        }
        error => error.into(),
    }
}

/// What is under a key: an object, or a delete marker.
pub enum Seen {
    /// An object.
    Object(Box<Found>),
    /// A delete marker, and when it was made.
    Marker(VersionId, Stamp),
}

/// What is under a key, or as a version of it; nothing there is an error.
pub async fn look(
    model: &Arc<Model>,
    bucket: &NamedBucket,
    (key, version): (&str, Option<VersionId>),
    want: Want,
) -> Result<Seen, S3Error> {
    seen(model.look(bucket.id, key, version, want).await?, (key, version))
}

/// What was found; nothing there is an error.
pub(super) fn seen(looked: Looked, (key, version): (&str, Option<VersionId>)) -> Result<Seen, S3Error> {
    match (looked, version) {
        (Looked::Object(found), _) => Ok(Seen::Object(found)),
        (Looked::Marker(id, made), _) => Ok(Seen::Marker(id, made)),
        (Looked::Nothing, None) => Err(no_such_key(key)),
        (Looked::Nothing, Some(version)) => Err(no_such_version(key, version)),
    }
}

/// A delete marker was named where an object is needed.
pub fn is_marker() -> S3Error {
    let error = S3Error::new(S3Code::MethodNotAllowed).header(ALLOW, HeaderValue::from_static("DELETE"));
    error.header(DELETE_MARKER, HeaderValue::from_static("true"))
}

fn marker_named(id: VersionId, made: Stamp) -> S3Error {
    let error = with_id(is_marker(), id).field("Method", "GET").field("ResourceType", "DeleteMarker");
    match HeaderValue::try_from(dates::http_date(made.wall().millis())) {
        Ok(made) => error.header(LAST_MODIFIED, made),
        Err(_) => error,
    }
}

fn with_id(error: S3Error, id: VersionId) -> S3Error {
    match HeaderValue::try_from(id.to_string()) {
        Ok(id) => error.header(ID, id),
        Err(_) => error,
    }
}

/// What is current is a delete marker.
fn hidden(key: &str) -> S3Error {
    no_such_key(key).header(DELETE_MARKER, HeaderValue::from_static("true"))
}

fn no_such_key(key: &str) -> S3Error {
    S3Error::new(S3Code::NoSuchKey).field("Key", key)
}

fn no_such_version(key: &str, version: VersionId) -> S3Error {
    S3Error::new(S3Code::NoSuchVersion).field("Key", key).field("VersionId", version.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_null_or_a_stamp() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(parse("null").unwrap(), VersionId::Null);
        assert_eq!(parse(id).unwrap().to_string(), id);
        let (upper, long) = (id.to_uppercase(), format!("{id}0"));
        for text in ["", "Null", "NULL", " null", "none", "0", &id[1..], &upper, &long] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.code, S3Code::InvalidArgument, "{text}");
            assert!(error.fields.contains(&("ArgumentName", PARAMETER.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_version_is_shown_where_there_are_versions() {
        let bucket = BucketRow::new(Stamp::ZERO);
        let version = parse("0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(shown(&bucket, VersionId::Null), None);
        assert_eq!(shown(&bucket, version), Some(version));
    }

    #[test]
    fn actions_on_versions_are_aws_s() {
        for (plain, of_version) in ACTIONS {
            assert!(super::super::policy::is_about_objects(plain), "{plain}");
            assert!(super::super::policy::is_about_objects(of_version), "{of_version}");
            assert_eq!(action(plain), of_version);
        }
        assert_eq!(action("s3:PutObject"), "s3:PutObject");
    }
}
