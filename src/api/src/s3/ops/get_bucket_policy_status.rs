//! GetBucketPolicyStatus: whether the policy lets in callers that it does not name, or a web site everybody.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::policy::StoredPolicy;
use crate::s3::reply::Reply;
use crate::s3::website;
use crate::s3::xml;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketPolicyStatus",
    route: Route::new("GET", Target::Bucket).query(&["policyStatus"]),
    access: Access::Owner,
    actions: &["s3:GetBucketPolicyStatus"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let missing = || S3Error::new(S3Code::NoSuchBucketPolicy).field("BucketName", bucket.name.as_str());
    let policy = StoredPolicy::of(&bucket.row)?.map(|stored| stored.parse()).transpose()?;
    let is_public = match policy {
        _ if website::serves_objects(&bucket.row) => true,
        Some(policy) => policy.is_public(),
        None => return Err(missing()),
    };
    Ok(Reply::xml(xml::policy_status(is_public)))
}
