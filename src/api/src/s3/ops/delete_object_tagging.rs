//! DeleteObjectTagging: removes the tags of an object.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::versions;
use http::StatusCode;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "DeleteObjectTagging",
    route: Route::new("DELETE", Target::Object).query(&["tagging"]),
    access: Access::Write,
    actions: &["s3:DeleteObjectTagging"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    versions::set_tags(&call, Vec::new(), StatusCode::NO_CONTENT).await
}
