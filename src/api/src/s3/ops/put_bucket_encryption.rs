//! PutBucketEncryption: sets what is encrypted without being asked for.

use crate::s3::access::Access;
use crate::s3::encryption;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{ENCRYPTION_BODY_MAX_BYTES, EncryptionConfiguration};
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketEncryption",
    route: Route::new("PUT", Target::Bucket).query(&["encryption"]),
    access: Access::Owner,
    actions: &["s3:PutEncryptionConfiguration"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, ENCRYPTION_BODY_MAX_BYTES).await?;
    let configuration = EncryptionConfiguration::parse(&document)?;
    encryption::check_default(&call.api.model, &configuration).await?;
    settings::write(&call, Setting::Encryption, &configuration).await?;
    Ok(Reply::empty(StatusCode::OK))
}
