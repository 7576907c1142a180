//! HeadBucket: whether a bucket exists and the caller may use it.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use http::StatusCode;
use http::header::HeaderName;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "HeadBucket",
    route: Route::new("HEAD", Target::Bucket),
    access: Access::AnyGrant,
    actions: &["s3:ListBucket"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let region = HeaderName::from_static("x-amz-bucket-region");
    Ok(Reply::empty(StatusCode::OK).with(region, &call.api.config.region))
}
