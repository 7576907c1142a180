//! GetPublicAccessBlock: what must not be public, whatever policies say.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::PublicAccessBlock;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetPublicAccessBlock",
    route: Route::new("GET", Target::Bucket).query(&["publicAccessBlock"]),
    access: Access::Owner,
    actions: &["s3:GetBucketPublicAccessBlock"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let blocks: Option<PublicAccessBlock> = settings::read(&bucket.row, Setting::PublicAccessBlock)?;
    let code = S3Code::NoSuchPublicAccessBlockConfiguration;
    let missing = || S3Error::new(code).field("BucketName", bucket.name.as_str());
    Ok(Reply::xml(blocks.ok_or_else(missing)?.render()))
}
