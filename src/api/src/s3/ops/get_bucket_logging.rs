//! GetBucketLogging: in which bucket the requests to this one are logged, if in any.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::logging::Logging;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{BucketLoggingStatus, LoggingEnabled};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketLogging",
    route: Route::new("GET", Target::Bucket).query(&["logging"]),
    access: Access::Owner,
    actions: &["s3:GetBucketLogging"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let logging = Logging::of(&call.bucket()?.row)?;
    let enabled = logging.map(|logging| LoggingEnabled {
        bucket: logging.name,
        prefix: logging.prefix,
        ..LoggingEnabled::default()
    });
    Ok(Reply::xml(BucketLoggingStatus { enabled }.render()))
}
