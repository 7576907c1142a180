//! CreateMultipartUpload: opens a multipart upload.

use crate::checksum::{ChecksumType, RequestChecksums};
use crate::s3::access::{ANONYMOUS, Access};
use crate::s3::acl;
use crate::s3::encryption::{self, Sealing};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::lifecycle;
use crate::s3::lock;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::tags;
use crate::s3::xml::InitiateMultipartUploadResult;
use http::header::HeaderName;
use model::objects::ObjectMeta;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "CreateMultipartUpload",
    route: Route::new("POST", Target::Object).query(&["uploads"]),
    access: Access::Write,
    actions: &["s3:PutObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (bucket, key) = (call.bucket()?, head.object_key()?);
    let requested = RequestChecksums::from_headers(&head.headers)?;
    let checksum = match (requested.wanted_algorithm, requested.wanted_type) {
        (None, None) => None,
        (None, Some(_)) => {
            let message =
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
            return Err(S3Error::with_message(S3Code::InvalidRequest, message));
        }
        (Some(algorithm), kind) => {
            let kind = kind.unwrap_or_else(|| algorithm.default_type());
            if !algorithm.supports(kind) {
                return Err(crate::checksum::ChecksumError::TypeNotSupported(algorithm, kind).into());
            }
            Some((algorithm, kind))
        }
    };
    let (headers, tags) = (metadata::read_headers(&head.headers)?, tags::of_object(head)?);
    let (acl, lock) = (acl::written(&call).await?, lock::written(&call)?);
    let sealing = encryption::of_new(&call).await?;
    let encryption = Sealing::stored(sealing.as_ref());
    let meta = ObjectMeta { headers, tags, checksum: None, acl, lock, encryption };
    let stored = checksum.map(|(algorithm, kind)| (algorithm.code(), kind == ChecksumType::Composite));
    let initiator = call.caller.access_key().unwrap_or(ANONYMOUS).to_owned();
    let id = call.api.model.create_upload((bucket.id, key.to_owned()), meta, stored, initiator).await?;
    let answer = InitiateMultipartUploadResult {
        bucket: bucket.name.clone(),
        key: key.to_owned(),
        upload_id: id.to_string(),
    };
    let mut reply = Reply::xml(answer.render());
    // It is told by the day, so that the moment of this answer will do.
    lifecycle::show_abort(&mut reply, &call, key, call.api.model.env().clock.wall())?;
    Sealing::show(sealing.as_ref(), &mut reply);
    if let Some((algorithm, kind)) = checksum {
        reply.set(HeaderName::from_static("x-amz-checksum-algorithm"), algorithm.name());
        reply.set(HeaderName::from_static("x-amz-checksum-type"), kind.name());
    }
    Ok(reply)
}
