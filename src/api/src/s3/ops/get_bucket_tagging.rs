//! GetBucketTagging: the tags of a bucket.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::Tagging;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketTagging",
    route: Route::new("GET", Target::Bucket).query(&["tagging"]),
    access: Access::Owner,
    actions: &["s3:GetBucketTagging"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let tags: Option<Vec<(String, String)>> = settings::read(&bucket.row, Setting::Tags)?;
    let missing = || S3Error::new(S3Code::NoSuchTagSet).field("BucketName", bucket.name.as_str());
    Ok(Reply::xml(Tagging { tags: tags.ok_or_else(missing)? }.render()))
}
