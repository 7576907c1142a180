//! UploadPart: stores one part of a multipart upload.

use super::put_object::check_length;
use super::upload_name::{part_number, upload_name};
use crate::body::BodyPlan;
use crate::checksum::{BodyChecksums, ChecksumAlgorithm, ObjectChecksum, RequestChecksums};
use crate::s3::access::Access;
use crate::s3::encryption::{self, Sealing};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake;
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use futures_util::{TryFutureExt, try_join};
use http::StatusCode;
use http::header::ETAG;
use model::BodyWriter;
use model::rows::object;
use model::rows::version::Owner;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "UploadPart",
    route: Route::new("PUT", Target::Object).query(&["partNumber", "uploadId"]),
    access: Access::Write,
    actions: &["s3:PutObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (number, name) = (part_number(&call)?, upload_name(&call)?);
    let (upload, still_open) = call.api.model.begin_part(&name, number).await?;
    let plan = BodyPlan::from_request(&head.headers, call.caller.verified())?;
    check_length(plan.length())?;
    // A part counts when its upload is completed; one that could never be is not worth its bytes.
    call.api.model.check_room(name.bucket, &name.key, plan.length().unwrap_or_default()).await?;
    let requested = RequestChecksums::from_headers(&head.headers)?;
    lock::check_protected(&call, upload.lock, &requested)?;
    let algorithm = part_algorithm(upload.checksum, requested.checksum.algorithm())?;
    let mut wanted = vec![ChecksumAlgorithm::Md5];
    wanted.extend(algorithm);
    let sealing = encryption::of_part(&call, (name.bucket, &name.key), upload.encryption.as_deref()).await?;
    let writer = BodyWriter::new(&call.api.model, Owner::Part(name.id, number.get()));
    let writer = writer.sealed(Sealing::data_key(sealing.as_ref()));
    let sums = BodyChecksums::new(requested, &wanted);
    let receive = intake::receive(&call.api, body, plan, sums, writer);
    let (received, ()) = try_join!(receive, still_open.map_err(S3Error::from))?;
    let md5 = Sealing::tag(sealing.as_ref(), metadata::md5_of(&received.sums)?);
    let sum = received.sums.iter().find(|sum| Some(sum.algorithm()) == algorithm);
    let checksum = sum.map(|sum| ObjectChecksum::FullObject(*sum));
    let stored = checksum.as_ref().map(|sum| Sealing::stored_checksum(sealing.as_ref(), &call, sum));
    call.api.model.put_part(name, number, received.body, (md5, stored)).await?;
    let etag = object::ETag { md5, parts: None };
    let mut reply = Reply::empty(StatusCode::OK).with(ETAG, &metadata::quoted(&etag));
    Sealing::show(sealing.as_ref(), &mut reply);
    if let Some(sum) = &checksum {
        reply.set(
            sum.value().algorithm().header_name().parse().map_err(|_| S3Code::InternalError)?,
            &sum.to_string(),
        );
    }
    Ok(reply)
}

/// The algorithm of the part's checksum: the upload's, which the part's own must not contradict.
pub(super) fn part_algorithm(
    upload: Option<(u8, bool)>,
    part: Option<ChecksumAlgorithm>,
) -> Result<Option<ChecksumAlgorithm>, S3Error> {
    let upload = upload.and_then(|(code, _)| ChecksumAlgorithm::from_code(code));
    match (upload, part) {
        (Some(upload), Some(part)) if upload != part => {
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                upload.name().to_lowercase(),
                part.name().to_lowercase()
            );
            Err(S3Error::with_message(S3Code::InvalidRequest, message))
        }
        (upload, part) => Ok(part.or(upload)),
    }
}
