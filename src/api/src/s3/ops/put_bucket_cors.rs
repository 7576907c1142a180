//! PutBucketCors: sets which web pages of other origins may do what.

use crate::s3::access::Access;
use crate::s3::cors;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{CORS_BODY_MAX_BYTES, CorsConfiguration};
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketCors",
    route: Route::new("PUT", Target::Bucket).query(&["cors"]),
    access: Access::Owner,
    actions: &["s3:PutBucketCORS"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, CORS_BODY_MAX_BYTES).await?;
    let configuration = CorsConfiguration::parse(&document)?;
    cors::check(&configuration)?;
    settings::write(&call, Setting::Cors, &configuration).await?;
    Ok(Reply::empty(StatusCode::OK))
}
