//! PutBucketVersioning: from now on versions are kept, or no more are made.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{VERSIONING_BODY_MAX_BYTES, VersioningConfiguration, VersioningStatus};
use http::StatusCode;
use model::rows::bucket::{Setting, Versioning};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketVersioning",
    route: Route::new("PUT", Target::Bucket).query(&["versioning"]),
    access: Access::Owner,
    actions: &["s3:PutBucketVersioning"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, VERSIONING_BODY_MAX_BYTES).await?;
    let versioning = match VersioningConfiguration::parse(&document)?.status {
        Some(VersioningStatus::Enabled) => Versioning::Enabled,
        Some(VersioningStatus::Suspended) => Versioning::Suspended,
        None => return Err(S3Code::IllegalVersioningConfigurationException.into()),
    };
    settings::change(&call, Setting::Versioning, versioning.document()).await?;
    Ok(Reply::empty(StatusCode::OK))
}
