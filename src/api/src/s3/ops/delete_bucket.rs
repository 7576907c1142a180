//! DeleteBucket: deletes an empty bucket and its names.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use http::StatusCode;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "DeleteBucket",
    route: Route::new("DELETE", Target::Bucket),
    access: Access::Owner,
    actions: &["s3:DeleteBucket"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    call.api.model.delete_bucket(call.bucket()?.id).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
