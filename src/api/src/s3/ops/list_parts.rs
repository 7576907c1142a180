//! ListParts: the parts of an open upload, paged by number.

use super::listing::{announced_checksum, initiator, owner, page_size};
use super::upload_name::upload_name;
use crate::s3::access::Access;
use crate::s3::encryption;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::lifecycle;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{ListParts, PartEntry};
use base::limits::PART_NUMBER_MAX;
use model::rows::object::ETag;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "ListParts",
    route: Route::new("GET", Target::Object).query(&["uploadId"]),
    access: Access::Read,
    actions: &["s3:ListMultipartUploadParts"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let name = upload_name(&call)?;
    let (max_parts, limit) = page_size(head, "max-parts")?;
    let marker = head.number("part-number-marker", i32::MAX as u64)?.unwrap_or(0);
    let after = marker.min(PART_NUMBER_MAX.into()) as u16;
    let (upload, parts, is_truncated) = call.api.model.list_parts(&name, after, limit).await?;
    let opened = encryption::open_upload(&call, &name, upload.encryption.as_deref())?;
    let (checksum_algorithm, checksum_type) = announced_checksum(&upload);
    let answer = ListParts {
        bucket: call.bucket()?.name.clone(),
        key: name.key.clone(),
        upload_id: name.id.to_string(),
        initiator: initiator(&upload),
        owner: owner(),
        storage_class: "STANDARD".to_owned(),
        part_number_marker: marker,
        next_part_number_marker: parts.last().map(|part| part.number.get().into()),
        max_parts,
        is_truncated,
        checksum_algorithm,
        checksum_type,
        parts: parts
            .iter()
            .map(|part| {
                let etag = ETag { md5: part.row.md5, parts: None };
                let sum = opened.checksum(part.row.checksum.as_ref());
                let sum = sum.and_then(|sum| metadata::object_checksum(&sum, etag));
                PartEntry {
                    part_number: part.number.get(),
                    last_modified_ms: part.row.stamp.wall().millis(),
                    etag: etag.to_string(),
                    size_bytes: part.row.size,
                    checksums: sum.iter().map(metadata::xml_checksum).collect(),
                }
            })
            .collect(),
    };
    let mut reply = Reply::xml(answer.render());
    lifecycle::show_abort(&mut reply, &call, &name.key, upload.initiated.wall())?;
    Ok(reply)
}
