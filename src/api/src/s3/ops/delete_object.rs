//! DeleteObject: deletes an object, covers it with a delete marker where versions are kept, or deletes one version
//! for good; nothing there is fine.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::events;
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::versions;
use http::StatusCode;
use model::Bypass;
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
    let (head, bucket, model) = (&call.head, call.bucket()?, &call.api.model);
    let (key, version) = (head.object_key()?.to_owned(), versions::named(head)?);
    let bypass = match lock::asks_bypass(&call)? {
        true => lock::bypass(&call, &mut call.api.gate(&call.caller, head, bucket), &key).await?,
        false => Bypass::Nothing,
    };
    let deletion = Deletion { key, version, condition: call.write_condition()?, bypass };
    let watch = events::announce(&call, events::deletion(bucket, &deletion)).await?;
    let deleted = watch.settle(model.delete_object(bucket.id, deletion).await, events::deleted).await?;
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    versions::show_deleted(&mut reply, &bucket.row, deleted);
    Ok(reply)
}
