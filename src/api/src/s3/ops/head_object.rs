//! HeadObject: what is known of an object, without its content.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use http::header::CONTENT_LENGTH;
use model::objects::Want;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "HeadObject",
    route: Route::new("HEAD", Target::Object),
    access: Access::ReadOrAcl,
    actions: &["s3:GetObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    serve(&call).await
}

/// What GetObject would answer, without the content.
pub(crate) async fn serve(call: &Call) -> Result<Reply, S3Error> {
    let (mut reply, _, range) = super::get_object::describe(call, Want::Metadata).await?;
    reply.headers.insert(CONTENT_LENGTH, (range.end - range.start).into());
    Ok(reply)
}
