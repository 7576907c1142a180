//! PutBucketLogging: sets in which bucket the requests to this one are logged, or that they are not.

use crate::s3::access::Access;
use crate::s3::encryption;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::logging::Logging;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{BucketLoggingStatus, LOGGING_BODY_MAX_BYTES, LoggingEnabled};
use base::limits::OBJECT_KEY_MAX_BYTES;
use http::StatusCode;
use model::rows::bucket::Setting;

/// Bytes of a log's name behind its prefix: time and a random number.
const NAME_BYTES: usize = 36;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketLogging",
    route: Route::new("PUT", Target::Bucket).query(&["logging"]),
    access: Access::Owner,
    actions: &["s3:PutBucketLogging"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, LOGGING_BODY_MAX_BYTES).await?;
    match BucketLoggingStatus::parse(&document)?.enabled {
        Some(asked) => {
            let logging = checked(&call, asked).await?;
            settings::write(&call, Setting::Logging, &logging).await?;
        }
        None => settings::remove(&call, Setting::Logging).await?,
    }
    Ok(Reply::empty(StatusCode::OK))
}

/// Both buckets must be the caller's; no list and no policy of the target is asked.
async fn checked(call: &Call, asked: LoggingEnabled) -> Result<Logging, S3Error> {
    if asked.has_grants || asked.is_partitioned {
        let message = "TargetGrants and PartitionedPrefix are not there: logs belong to the bucket's owner, and lie under one prefix.";
        return Err(S3Error::with_message(S3Code::NotImplemented, message));
    }
    if asked.prefix.len() + NAME_BYTES > OBJECT_KEY_MAX_BYTES {
        return Err(S3Error::invalid_argument("TargetPrefix", asked.prefix, "The prefix is too long"));
    }
    let Ok(target) = call.api.bucket_named(&asked.bucket, &call.caller).await else {
        let message = "The target bucket for logging does not exist";
        return Err(refused(&asked.bucket, message));
    };
    if !call.caller.grant(&target.row).owner {
        let message = "The owner for the bucket to be logged and the target bucket must be the same.";
        return Err(refused(&asked.bucket, message));
    }
    if lock::configuration(&target)?.is_some() {
        return Err(refused(&asked.bucket, "The target bucket for logging cannot have Object Lock enabled."));
    }
    if encryption::uses_named_keys(&target)? {
        let message = "The target bucket for logging cannot have SSE-KMS as its default encryption.";
        return Err(refused(&asked.bucket, message));
    }
    Ok(Logging::to(&target, asked.prefix))
}

fn refused(bucket: &str, message: &'static str) -> S3Error {
    S3Error::with_message(S3Code::InvalidTargetBucketForLogging, message).field("TargetBucket", bucket)
}
