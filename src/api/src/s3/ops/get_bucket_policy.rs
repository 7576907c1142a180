//! GetBucketPolicy: the policy, as it was sent.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::policy::StoredPolicy;
use crate::s3::reply::{Reply, ReplyBody};
use http::StatusCode;
use http::header::CONTENT_TYPE;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketPolicy",
    route: Route::new("GET", Target::Bucket).query(&["policy"]),
    access: Access::Owner,
    actions: &["s3:GetBucketPolicy"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let missing = || S3Error::new(S3Code::NoSuchBucketPolicy).field("BucketName", bucket.name.as_str());
    let stored = StoredPolicy::of(&bucket.row)?.ok_or_else(missing)?;
    let mut reply = Reply::empty(StatusCode::OK).with(CONTENT_TYPE, "application/json");
    reply.body = ReplyBody::Whole(Some(stored.text.into()));
    Ok(reply)
}
