//! PutBucketPolicy: sets who may do what, beside the grants of access keys.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::policy::{POLICY_MAX_BYTES, Policy, StoredPolicy};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::PublicAccessBlock;
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketPolicy",
    route: Route::new("PUT", Target::Bucket).query(&["policy"]),
    access: Access::Owner,
    actions: &["s3:PutBucketPolicy"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, POLICY_MAX_BYTES).await?;
    let bucket = call.bucket()?;
    let policy = Policy::parse(&document, &bucket.name)?;
    for id in policy.keys() {
        // Made on another node a moment ago?
        if !call.api.model.knows_key(id).await? {
            let message = format!("Invalid principal in policy: there is no access key {id}");
            return Err(S3Error::with_message(S3Code::MalformedPolicy, message));
        }
    }
    let blocks: Option<PublicAccessBlock> = settings::read(&bucket.row, Setting::PublicAccessBlock)?;
    if policy.is_public() && blocks.unwrap_or_default().block_public_policy {
        let message = "Public policies are prevented by the BlockPublicPolicy setting of this bucket.";
        return Err(S3Error::with_message(S3Code::AccessDenied, message));
    }
    let text = String::from_utf8(document.to_vec()).map_err(|_| S3Code::MalformedPolicy)?;
    settings::write(&call, Setting::Policy, &StoredPolicy { bucket: bucket.name.clone(), text }).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
