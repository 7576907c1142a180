//! PutObjectLockConfiguration: versions of the bucket can be locked from now on, and how new ones are.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{LOCK_BODY_MAX_BYTES, ObjectLockConfiguration};
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObjectLockConfiguration",
    route: Route::new("PUT", Target::Bucket).query(&["object-lock"]),
    access: Access::Owner,
    actions: &["s3:PutBucketObjectLockConfiguration"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, LOCK_BODY_MAX_BYTES).await?;
    let asked = lock::asked(ObjectLockConfiguration::parse(&document)?)?;
    settings::change(&call, Setting::ObjectLock, Some(lock::document(asked))).await?;
    Ok(Reply::empty(StatusCode::OK))
}
