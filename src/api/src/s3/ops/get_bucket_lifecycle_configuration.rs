//! GetBucketLifecycleConfiguration: what goes by itself, and when.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::lifecycle;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use model::lifecycle::Rules;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketLifecycleConfiguration",
    route: Route::new("GET", Target::Bucket).query(&["lifecycle"]),
    access: Access::Owner,
    actions: &["s3:GetLifecycleConfiguration"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let missing =
        || S3Error::new(S3Code::NoSuchLifecycleConfiguration).field("BucketName", bucket.name.as_str());
    let rules = Rules::of(&bucket.row)?.ok_or_else(missing)?;
    Ok(Reply::xml(lifecycle::configuration_of(&rules).render()))
}
