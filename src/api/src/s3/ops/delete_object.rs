//! DeleteObject: deletes an object; nothing there is fine.

use crate::s3::access::Access;
use crate::s3::conditions::write_condition;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use http::StatusCode;
use model::objects::Deletion;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "DeleteObject",
    route: Route::new("DELETE", Target::Object),
    access: Access::Write,
    actions: &["s3:DeleteObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let deletion =
        Deletion { key: call.head.object_key()?.to_owned(), condition: write_condition(&call.head)? };
    call.api.model.delete_object(call.bucket()?.id, deletion).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
