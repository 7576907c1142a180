//! ListObjectVersions: one page of all versions in a bucket, by key and version.

use super::listing;
use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::head::Head;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{ListVersions, ObjectEntry, VersionXml};
use model::listing::{ListQuery, Start};
use model::rows::past::VersionId;
use model::version_listing::{VersionEntry, VersionQuery};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "ListObjectVersions",
    route: Route::new("GET", Target::Bucket).query(&["versions"]),
    access: Access::Read,
    actions: &["s3:ListBucketVersions"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (max_keys, limit) = listing::page_size(head, "max-keys")?;
    let encoding = listing::encoding(head)?;
    let owned = |name: &str| head.parameter(name).unwrap_or_default().to_owned();
    let delimiter = head.parameter("delimiter").filter(|text| !text.is_empty()).map(str::to_owned);
    let (start, after) = start(head)?;
    let keys = ListQuery { prefix: owned("prefix"), delimiter: delimiter.clone(), start, limit };
    let bucket = call.bucket()?;
    let page = call.api.model.list_versions(bucket.id, VersionQuery { keys, after }).await?;
    let is_truncated = page.more && limit > 0;
    let next = page.entries.last().filter(|_| is_truncated).map(marker_of);
    let mut answer = ListVersions {
        name: bucket.name.clone(),
        prefix: owned("prefix"),
        key_marker: owned("key-marker"),
        version_id_marker: owned("version-id-marker"),
        next_version_id_marker: next.as_ref().and_then(|(_, version)| version.map(|id| id.to_string())),
        next_key_marker: next.map(|(key, _)| key),
        max_keys,
        delimiter,
        encoding,
        is_truncated,
        versions: Vec::new(),
        common_prefixes: Vec::new(),
    };
    for entry in page.entries {
        match shown(entry) {
            Ok(version) => answer.versions.push(version),
            Err(prefix) => answer.common_prefixes.push(prefix),
        }
    }
    Ok(Reply::xml(answer.render()))
}

/// Where the page begins: behind a key, or behind one version of it.
fn start(head: &Head) -> Result<(Start, Option<(String, VersionId)>), S3Error> {
    let marker = |name: &str| head.parameter(name).filter(|text| !text.is_empty());
    match (marker("key-marker"), marker("version-id-marker")) {
        (None, None) => Ok((Start::First, None)),
        (Some(key), None) => Ok((Start::After(key.to_owned()), None)),
        (Some(key), Some(text)) => {
            let message = "Invalid version id specified";
            let id = VersionId::parse(text)
                .ok_or_else(|| S3Error::invalid_argument("version-id-marker", text, message))?;
            Ok((Start::At(key.to_owned()), Some((key.to_owned(), id))))
        }
        (None, Some(text)) => {
            let message = "A version-id marker cannot be specified without a key marker.";
            Err(S3Error::invalid_argument("version-id-marker", text, message))
        }
    }
}

/// Where a page that ends with this entry is gone on with.
fn marker_of(entry: &VersionEntry) -> (String, Option<VersionId>) {
    match entry {
        VersionEntry::Object { id, listed, .. } => (listed.key.clone(), Some(*id)),
        VersionEntry::Marker { id, key, .. } => (key.clone(), Some(*id)),
        VersionEntry::Prefix(prefix) => (prefix.clone(), None),
    }
}

/// An entry as answers list it; the prefix, if it is one.
fn shown(entry: VersionEntry) -> Result<VersionXml, String> {
    let (id, is_latest, entry, is_marker) = match entry {
        VersionEntry::Prefix(prefix) => return Err(prefix),
        VersionEntry::Object { id, is_latest, listed } => {
            (id, is_latest, listing::object_entry(listed, true), false)
        }
        VersionEntry::Marker { key, id, is_latest, made } => {
            let (last_modified_ms, owner) = (made.wall().millis(), Some(listing::owner()));
            (id, is_latest, ObjectEntry { key, last_modified_ms, owner, ..ObjectEntry::default() }, true)
        }
    };
    Ok(VersionXml { version_id: id.to_string(), is_latest, entry, is_marker })
}
