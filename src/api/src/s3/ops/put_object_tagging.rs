//! PutObjectTagging: replaces the tags of an object, which stays as old as it was.

use crate::s3::access::{Access, Wanted};
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::tags;
use crate::s3::versions;
use crate::s3::xml::{TAGGING_BODY_MAX_BYTES, Tagging};
use http::StatusCode;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObjectTagging",
    route: Route::new("PUT", Target::Object).query(&["tagging"]),
    access: Access::WriteByBody,
    actions: &["s3:PutObjectTagging"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, TAGGING_BODY_MAX_BYTES).await?;
    let tagging = Tagging::parse(&document)?;
    tags::check_object(&tagging.tags)?;
    // A policy may speak of the tags, which are known only now.
    let mut gate = call.api.gate(&call.caller, &call.head, call.bucket()?);
    gate.facts.request_tags.clone_from(&tagging.tags);
    let (access, actions, key) = (OPERATION.access, OPERATION.actions, call.head.key.as_deref());
    gate.check(&call.api.model, &Wanted { access, actions, key }).await?;
    versions::set_tags(&call, tagging.tags, StatusCode::OK).await
}
