//! ListMultipartUploads: the open uploads of a bucket, paged by key and upload.

use super::listing::{announced_checksum, encoding, initiator, owner, page_size};
use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{ListMultipartUploads, UploadEntry};
use base::Id;
use model::listing::{ListQuery, ListedUpload, Start};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "ListMultipartUploads",
    route: Route::new("GET", Target::Bucket).query(&["uploads"]),
    access: Access::Read,
    actions: &["s3:ListBucketMultipartUploads"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (max_uploads, limit) = page_size(head, "max-uploads")?;
    let owned = |name: &str| head.parameter(name).unwrap_or_default().to_owned();
    let delimiter = head.parameter("delimiter").filter(|text| !text.is_empty()).map(str::to_owned);
    let (key_marker, upload_marker) = (owned("key-marker"), owned("upload-id-marker"));
    let after_upload = Id::from_hex(&upload_marker);
    // Without a key marker, the upload marker means nothing, as on AWS.
    if after_upload.is_none() && !upload_marker.is_empty() && !key_marker.is_empty() {
        return Err(S3Error::invalid_argument("upload-id-marker", upload_marker, "Invalid uploadId marker"));
    }
    let start = if key_marker.is_empty() { Start::First } else { Start::After(key_marker.clone()) };
    let query = ListQuery { prefix: owned("prefix"), delimiter: delimiter.clone(), start, limit };
    let bucket = call.bucket()?;
    let page = call.api.model.list_uploads(bucket.id, query, after_upload).await?;
    let is_truncated = page.truncated && limit > 0;
    let last_upload = page.uploads.last().map(|upload| (upload.key.clone(), upload.id.to_string()));
    let last_prefix = page.prefixes.last().map(|prefix| (prefix.clone(), String::new()));
    let next = last_upload.max(last_prefix).filter(|_| is_truncated);
    let answer = ListMultipartUploads {
        bucket: bucket.name.clone(),
        key_marker,
        upload_id_marker: upload_marker,
        next_key_marker: next.as_ref().map(|(key, _)| key.clone()),
        next_upload_id_marker: next.map(|(_, upload)| upload),
        delimiter,
        prefix: owned("prefix"),
        encoding: encoding(head)?,
        max_uploads,
        is_truncated,
        uploads: page.uploads.into_iter().map(upload_entry).collect(),
        common_prefixes: page.prefixes,
    };
    Ok(Reply::xml(answer.render()))
}

fn upload_entry(upload: ListedUpload) -> UploadEntry {
    let (checksum_algorithm, checksum_type) = announced_checksum(&upload.row);
    UploadEntry {
        initiator: initiator(&upload.row),
        owner: owner(),
        storage_class: "STANDARD".to_owned(),
        initiated_ms: upload.row.initiated.wall().millis(),
        checksum_algorithm,
        checksum_type,
        key: upload.key,
        upload_id: upload.id.to_string(),
    }
}
