//! PutObjectTagging: replaces the tags of an object, which stays as old as it was.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::tags;
use crate::s3::xml::{TAGGING_BODY_MAX_BYTES, Tagging};
use http::StatusCode;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObjectTagging",
    route: Route::new("PUT", Target::Object).query(&["tagging"]),
    access: Access::Write,
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, TAGGING_BODY_MAX_BYTES).await?;
    let tagging = Tagging::parse(&document)?;
    tags::check_object(&tagging.tags)?;
    let key = call.head.object_key()?.to_owned();
    call.api.model.set_object_tags(call.bucket()?.id, key, tagging.tags).await?;
    Ok(Reply::empty(StatusCode::OK))
}
