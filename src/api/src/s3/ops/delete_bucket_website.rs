//! DeleteBucketWebsite: the bucket is no web site any more.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::website;
use http::StatusCode;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "DeleteBucketWebsite",
    route: Route::new("DELETE", Target::Bucket).query(&["website"]),
    access: Access::Owner,
    actions: &["s3:DeleteBucketWebsite"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    website::remove(&call).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
