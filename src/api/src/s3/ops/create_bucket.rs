//! CreateBucket: claims a global name for a new bucket.

use crate::body::BodyPlan;
use crate::checksum::{BodyChecksums, RequestChecksums};
use crate::s3::access::Access;
use crate::s3::acl;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake;
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{CREATE_BUCKET_BODY_MAX_BYTES, CreateBucketConfiguration};
use base::BucketName;
use http::StatusCode;
use http::header::LOCATION;
use model::ModelError;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "CreateBucket",
    route: Route::new("PUT", Target::Bucket),
    access: Access::CreateBucket,
    actions: &["s3:CreateBucket"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let (api, key) = (&call.api, call.caller.key()?);
    let text = call.head.bucket.as_deref().unwrap_or_default();
    let name = BucketName::parse_new(text)
        .map_err(|_| S3Error::new(S3Code::InvalidBucketName).field("BucketName", text))?;
    // Before the body is read, as everywhere.
    if !may_ask(&call, key, text)? {
        return Err(S3Code::AccessDenied.into());
    }
    let mut settings = acl::created(&call).await?;
    settings.extend(lock::created(&call.head)?);
    let asks = acl::is_asked_for(&call.head) || !settings.is_empty();
    let plan = BodyPlan::from_request(&call.head.headers, call.caller.verified())?;
    let sums = BodyChecksums::new(RequestChecksums::from_headers(&call.head.headers)?, &[]);
    let document = intake::collect(body, plan, sums, CREATE_BUCKET_BODY_MAX_BYTES).await?;
    let wanted = CreateBucketConfiguration::parse(&document)?.location_constraint;
    if let Some(wanted) = wanted.filter(|_| api.config.region_is_required)
        && wanted != api.config.region
    {
        return Err(S3Code::IllegalLocationConstraintException.into());
    }
    match api.model.create_bucket_with(Some(name), Some(key.to_owned()), settings).await {
        Ok(_) => {}
        // In us-east-1 creating one's own bucket again succeeds, unless it is to be another one; elsewhere it is
        // an error.
        Err(ModelError::BucketAlreadyYours) if api.config.region == "us-east-1" && !asks => {}
        Err(error) => return Err(S3Error::from(error).field("BucketName", text)),
    }
    Ok(Reply::empty(StatusCode::OK).with(LOCATION, &format!("/{text}")))
}

/// Whether the key may create buckets. One that may not still learns that a bucket of its own exists.
fn may_ask(call: &Call, key: &str, text: &str) -> Result<bool, ModelError> {
    let names = call.api.model.names();
    let may_create = names.keys.get(key).is_some_and(|key| key.may_create_buckets.value);
    Ok(may_create || names.resolve(text, Some(key))?.is_some_and(|(_, row)| row.grant_of(key).owner))
}
