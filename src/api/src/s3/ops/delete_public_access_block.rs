//! DeletePublicAccessBlock: nothing is kept from being public any more.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "DeletePublicAccessBlock",
    route: Route::new("DELETE", Target::Bucket).query(&["publicAccessBlock"]),
    access: Access::Owner,
    actions: &["s3:PutBucketPublicAccessBlock"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    settings::remove(&call, Setting::PublicAccessBlock).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
