//! GetBucketLocation: the region, which AWS leaves empty for us-east-1.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketLocation",
    route: Route::new("GET", Target::Bucket).query(&["location"]),
    access: Access::AnyGrant,
    actions: &["s3:GetBucketLocation"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    Ok(Reply::xml(xml::location_constraint(&call.api.config.region)))
}
