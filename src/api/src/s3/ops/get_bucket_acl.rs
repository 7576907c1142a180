//! GetBucketAcl: what others than the owner may do with a bucket.

use crate::s3::access::Access;
use crate::s3::acl;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use model::rows::bucket::Setting;

/// The operation. Tools read the list of each bucket that they may use: any grant will do.
pub const OPERATION: Operation = Operation {
    name: "GetBucketAcl",
    route: Route::new("GET", Target::Bucket).query(&["acl"]),
    access: Access::AnyGrant,
    actions: &["s3:GetBucketAcl"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = &call.bucket()?.row;
    Ok(Reply::xml(acl::shown(bucket, settings::read(bucket, Setting::Acl)?)?.render()))
}
