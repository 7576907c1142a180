//! AbortMultipartUpload: gives an upload up; its parts are let go.

use super::upload_name::upload_name;
use crate::s3::access::{Access, Admission};
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use http::StatusCode;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "AbortMultipartUpload",
    route: Route::new("DELETE", Target::Object).query(&["uploadId"]),
    access: Access::WriteOrInitiator,
    actions: &["s3:AbortMultipartUpload"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let name = upload_name(&call)?;
    if !matches!(call.admission, Admission::Granted) {
        call.admission.check_upload(&call.api.model.find_upload(&name).await?)?;
    }
    call.api.model.abort_upload(name).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}
