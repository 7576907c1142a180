//! GetBucketVersioning: whether versions are kept; says nothing where they never were.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{VersioningConfiguration, VersioningStatus};
use model::rows::bucket::Versioning;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketVersioning",
    route: Route::new("GET", Target::Bucket).query(&["versioning"]),
    access: Access::AnyGrant,
    actions: &["s3:GetBucketVersioning"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let status = match call.bucket()?.row.versioning() {
        Versioning::Never => None,
        Versioning::Enabled => Some(VersioningStatus::Enabled),
        Versioning::Suspended => Some(VersioningStatus::Suspended),
    };
    Ok(Reply::xml(VersioningConfiguration { status }.render()))
}
