//! GetBucketOwnershipControls: to whom objects belong, if it was set.

use crate::s3::access::Access;
use crate::s3::acl::Ownership;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketOwnershipControls",
    route: Route::new("GET", Target::Bucket).query(&["ownershipControls"]),
    access: Access::Owner,
    actions: &["s3:GetBucketOwnershipControls"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let ownership: Option<Ownership> = settings::read(&bucket.row, Setting::Ownership)?;
    let code = S3Code::OwnershipControlsNotFoundError;
    let missing = || S3Error::new(code).field("BucketName", bucket.name.as_str());
    Ok(Reply::xml(xml::render_ownership(ownership.ok_or_else(missing)?.name())))
}
