//! GetObjectLockConfiguration: whether versions of the bucket can be locked, and how new ones are.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetObjectLockConfiguration",
    route: Route::new("GET", Target::Bucket).query(&["object-lock"]),
    access: Access::AnyGrant,
    actions: &["s3:GetBucketObjectLockConfiguration"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let found = lock::configuration(call.bucket()?)?;
    let found = found.ok_or(S3Code::ObjectLockConfigurationNotFoundError)?;
    Ok(Reply::xml(lock::shown(found).render()))
}
