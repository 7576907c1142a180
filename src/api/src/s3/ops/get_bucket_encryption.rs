//! GetBucketEncryption: what is encrypted without being asked for.

use crate::s3::access::Access;
use crate::s3::encryption;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketEncryption",
    route: Route::new("GET", Target::Bucket).query(&["encryption"]),
    access: Access::Owner,
    actions: &["s3:GetEncryptionConfiguration"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let configuration = encryption::of_bucket(&bucket.row)?;
    let missing = || {
        let error = S3Error::new(S3Code::ServerSideEncryptionConfigurationNotFoundError);
        error.field("BucketName", bucket.name.as_str())
    };
    Ok(Reply::xml(configuration.ok_or_else(missing)?.render()))
}
