//! DeleteBucketEncryption: nothing is encrypted any more without being asked for. What is encrypted stays so.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "DeleteBucketEncryption",
    route: Route::new("DELETE", Target::Bucket).query(&["encryption"]),
    access: Access::Owner,
    actions: &["s3:PutEncryptionConfiguration"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    settings::remove(&call, Setting::Encryption).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
