//! PutObject: stores an object.

use crate::body::BodyPlan;
use crate::checksum::{BodyChecksums, ChecksumAlgorithm, ObjectChecksum, RequestChecksums};
use crate::s3::access::Access;
use crate::s3::conditions::write_condition;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake;
use crate::s3::intake::Incoming;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::tags;
use base::limits::PART_SIZE_MAX_BYTES;
use http::StatusCode;
use http::header::ETAG;
use model::BodyWriter;
use model::objects::{ObjectMeta, Place};
use model::rows::object::ETag;
use model::rows::version::Owner;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObject",
    route: Route::new("PUT", Target::Object),
    access: Access::Write,
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (bucket, key) = (call.bucket()?.id, head.object_key()?);
    let headers = metadata::read_headers(&head.headers)?;
    let tags = tags::of_object(head)?;
    let place = Place { bucket, key: key.to_owned(), condition: write_condition(head)? };
    let plan = BodyPlan::from_request(&head.headers, Some(&call.caller.verified))?;
    check_length(plan.length())?;
    let requested = RequestChecksums::from_headers(&head.headers)?;
    // S3 keeps a CRC-64 of what comes without a checksum.
    let algorithm = requested.checksum.algorithm().or(requested.wanted_algorithm);
    let algorithm = algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
    let wanted = [ChecksumAlgorithm::Md5, algorithm];
    let writer = BodyWriter::new(&call.api.model, Owner::Object(bucket, key.to_owned()));
    let sums = BodyChecksums::new(requested, &wanted);
    let received = intake::receive(&call.api, body, plan, sums, writer).await?;
    let etag = ETag { md5: metadata::md5_of(&received.sums)?, parts: None };
    let sum = received.sums.iter().find(|sum| sum.algorithm() == algorithm);
    let checksum = sum.map(|sum| ObjectChecksum::FullObject(*sum));
    let meta = ObjectMeta { headers, tags, checksum: checksum.as_ref().map(metadata::stored_checksum) };
    call.api.model.put_object(place, received.body, etag, meta).await?;
    let mut reply = Reply::empty(StatusCode::OK).with(ETAG, &metadata::quoted(&etag));
    if let Some(sum) = &checksum {
        metadata::set_checksum(&mut reply, sum);
    }
    Ok(reply)
}

/// Refuses a body of unknown or forbidden length before any of it is read.
pub(super) fn check_length(length: Option<u64>) -> Result<(), S3Error> {
    match length {
        None => Err(S3Code::MissingContentLength.into()),
        Some(length) if length > PART_SIZE_MAX_BYTES => Err(S3Error::new(S3Code::EntityTooLarge)
            .field("ProposedSize", length.to_string())
            .field("MaxSizeAllowed", PART_SIZE_MAX_BYTES.to_string())),
        Some(_) => Ok(()),
    }
}
