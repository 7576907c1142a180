//! PutBucketPolicy: sets who may do what, beside the grants of access keys.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::policy::{POLICY_MAX_BYTES, StoredPolicy};
use crate::s3::reply::Reply;
use crate::s3::settings;
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketPolicy",
    route: Route::new("PUT", Target::Bucket).query(&["policy"]),
    access: Access::Owner,
    actions: &["s3:PutBucketPolicy"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, POLICY_MAX_BYTES).await?;
    let bucket = call.bucket()?;
    let policy = StoredPolicy::accept(&call.api.model, (&bucket.name, &bucket.row), &document).await?;
    settings::write(&call, Setting::Policy, &policy).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
