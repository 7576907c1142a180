//! PutBucketAcl: what others than the owner may do with a bucket.

use crate::s3::access::Access;
use crate::s3::acl;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::ACL_BODY_MAX_BYTES;
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketAcl",
    route: Route::new("PUT", Target::Bucket).query(&["acl"]),
    access: Access::Owner,
    actions: &["s3:PutBucketAcl"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, ACL_BODY_MAX_BYTES).await?;
    if let Some(list) = acl::replacement(&call, &document, Target::Bucket, None).await? {
        match list.stored() {
            Some(list) => settings::write(&call, Setting::Acl, &list).await?,
            None => settings::remove(&call, Setting::Acl).await?,
        }
    }
    Ok(Reply::empty(StatusCode::OK))
}
