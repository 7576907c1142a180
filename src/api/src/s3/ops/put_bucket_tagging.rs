//! PutBucketTagging: replaces the tags of a bucket.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::tags;
use crate::s3::xml::{TAGGING_BODY_MAX_BYTES, Tagging};
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketTagging",
    route: Route::new("PUT", Target::Bucket).query(&["tagging"]),
    access: Access::Owner,
    actions: &["s3:PutBucketTagging"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, TAGGING_BODY_MAX_BYTES).await?;
    let tagging = Tagging::parse(&document)?;
    tags::check_bucket(&tagging.tags)?;
    settings::write(&call, Setting::Tags, &tagging.tags).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
