//! PutBucketWebsite: makes a web site of a bucket, or changes it. From then on the web listener serves its objects to
//! everybody ([`crate::web`]).

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::website;
use crate::s3::xml::{WEBSITE_BODY_MAX_BYTES, WebsiteConfiguration};
use http::StatusCode;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketWebsite",
    route: Route::new("PUT", Target::Bucket).query(&["website"]),
    access: Access::Owner,
    actions: &["s3:PutBucketWebsite"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, WEBSITE_BODY_MAX_BYTES).await?;
    let site = WebsiteConfiguration::parse(&document)?;
    website::check(&site)?;
    website::set(&call, site).await?;
    Ok(Reply::empty(StatusCode::OK))
}
