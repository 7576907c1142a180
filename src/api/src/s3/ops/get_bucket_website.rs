//! GetBucketWebsite: whether and how a bucket is a web site.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::website;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketWebsite",
    route: Route::new("GET", Target::Bucket).query(&["website"]),
    access: Access::Owner,
    actions: &["s3:GetBucketWebsite"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let missing =
        || S3Error::new(S3Code::NoSuchWebsiteConfiguration).field("BucketName", bucket.name.as_str());
    Ok(Reply::xml(website::of(&bucket.row)?.ok_or_else(missing)?.render()))
}
