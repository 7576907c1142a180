//! GetBucketCors: which web pages of other origins may do what.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::CorsConfiguration;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketCors",
    route: Route::new("GET", Target::Bucket).query(&["cors"]),
    access: Access::Owner,
    actions: &["s3:GetBucketCORS"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let bucket = call.bucket()?;
    let configuration: Option<CorsConfiguration> = settings::read(&bucket.row, Setting::Cors)?;
    let missing = || S3Error::new(S3Code::NoSuchCORSConfiguration).field("BucketName", bucket.name.as_str());
    Ok(Reply::xml(configuration.ok_or_else(missing)?.render()))
}
