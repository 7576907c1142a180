//! UploadPartCopy: makes a part of another object, or of a range of it.

use super::copy_source;
use super::upload_name::{part_number, upload_name};
use super::upload_part::part_algorithm;
use crate::checksum::{BodyChecksums, ChecksumAlgorithm, ObjectChecksum, RequestChecksums};
use crate::decimal::is_decimal;
use crate::s3::access::Access;
use crate::s3::encryption::{self, Sealing};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake;
use crate::s3::intake::Incoming;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::CopyResult;
use base::limits::PART_SIZE_MAX_BYTES;
use futures_util::{TryFutureExt, try_join};
use model::rows::object::ETag;
use model::rows::version::Owner;
use model::{BodyWriter, ByteRange};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "UploadPartCopy",
    route: Route::new("PUT", Target::Object).query(&["partNumber", "uploadId"]).header(copy_source::HEADER),
    access: Access::Write,
    actions: &["s3:PutObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let (number, name) = (part_number(&call)?, upload_name(&call)?);
    let (upload, still_open) = call.api.model.begin_part(&name, number).await?;
    let source = copy_source::find(&call).await?;
    let range = match call.head.header("x-amz-copy-source-range") {
        Some(text) => source_range(&text, source.found.object.size)?,
        None => ByteRange { start: 0, end: source.found.object.size },
    };
    if range.end - range.start > PART_SIZE_MAX_BYTES {
        let message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
        return Err(S3Error::with_message(S3Code::InvalidRequest, message));
    }
    // As with a part that is sent: what could never be completed is not worth its bytes.
    call.api.model.check_room(name.bucket, &name.key, range.end - range.start).await?;
    let algorithm = part_algorithm(upload.checksum, None)?;
    let mut wanted = vec![ChecksumAlgorithm::Md5];
    wanted.extend(algorithm);
    let sums = BodyChecksums::new(RequestChecksums::NONE, &wanted);
    let sealing = encryption::of_part(&call, (name.bucket, &name.key), upload.encryption.as_deref()).await?;
    let writer = BodyWriter::new(&call.api.model, Owner::Part(name.id, number.get()));
    let writer = writer.sealed(Sealing::data_key(sealing.as_ref()));
    let reader = source.found.read(&call.api.model, range);
    let receive = intake::receive_copy(&call.api, reader, range.end - range.start, sums, writer);
    let (received, ()) = try_join!(receive, still_open.map_err(S3Error::from))?;
    let md5 = Sealing::tag(sealing.as_ref(), metadata::md5_of(&received.sums)?);
    let sum = received.sums.iter().find(|sum| Some(sum.algorithm()) == algorithm);
    let checksum = sum.map(|sum| ObjectChecksum::FullObject(*sum));
    let stored = checksum.as_ref().map(|sum| Sealing::stored_checksum(sealing.as_ref(), &call, sum));
    let stamp = call.api.model.put_part(name, number, received.body, (md5, stored)).await?;
    let answer = CopyResult {
        etag: ETag { md5, parts: None }.to_string(),
        last_modified_ms: stamp.wall().millis(),
        checksum_type: None,
        checksums: checksum.iter().map(metadata::xml_checksum).collect(),
    };
    let mut reply = Reply::xml(answer.render_part());
    source.show(&mut reply);
    Sealing::show(sealing.as_ref(), &mut reply);
    Ok(reply)
}

/// A copy's range must be `bytes=first-last` and lie inside the source.
fn source_range(text: &str, size: u64) -> Result<ByteRange, S3Error> {
    let malformed = || {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy";
        S3Error::invalid_argument("x-amz-copy-source-range", text, message)
    };
    let (first, last) =
        text.strip_prefix("bytes=").and_then(|spec| spec.split_once('-')).ok_or_else(malformed)?;
    if !is_decimal(first) || !is_decimal(last) {
        return Err(malformed());
    }
    let (first, last) = (first.parse().unwrap_or(u64::MAX), last.parse().unwrap_or(u64::MAX));
    if first > last {
        return Err(malformed());
    }
    if first >= size {
        let message = "The specified copy range is invalid for the source object size";
        return Err(S3Error::with_message(S3Code::InvalidRequest, message));
    }
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(S3Error::invalid_argument("x-amz-copy-source-range", text, message));
    }
    Ok(ByteRange { start: first, end: last + 1 })
}
