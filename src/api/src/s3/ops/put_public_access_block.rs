//! PutPublicAccessBlock: what must not be public, whatever policies say.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{ACCESS_BODY_MAX_BYTES, PublicAccessBlock};
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutPublicAccessBlock",
    route: Route::new("PUT", Target::Bucket).query(&["publicAccessBlock"]),
    access: Access::Owner,
    actions: &["s3:PutBucketPublicAccessBlock"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, ACCESS_BODY_MAX_BYTES).await?;
    let blocks = PublicAccessBlock::parse(&document)?;
    settings::write(&call, Setting::PublicAccessBlock, &blocks).await?;
    Ok(Reply::empty(StatusCode::OK))
}
