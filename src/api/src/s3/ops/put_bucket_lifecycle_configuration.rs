//! PutBucketLifecycleConfiguration: sets what goes by itself, and when.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::lifecycle;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{LIFECYCLE_BODY_MAX_BYTES, LifecycleConfiguration};
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketLifecycleConfiguration",
    route: Route::new("PUT", Target::Bucket).query(&["lifecycle"]),
    access: Access::Owner,
    actions: &["s3:PutLifecycleConfiguration"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, LIFECYCLE_BODY_MAX_BYTES).await?;
    let configuration = LifecycleConfiguration::parse(&document)?;
    let rules = lifecycle::rules_of(&call.api.model, configuration)?;
    settings::change(&call, Setting::Lifecycle, Some(rules.document())).await?;
    Ok(Reply::empty(StatusCode::OK))
}
