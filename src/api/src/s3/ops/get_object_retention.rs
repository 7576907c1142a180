//! GetObjectRetention: until when an object, or a version of it, must stay.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use model::objects::Want;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetObjectRetention",
    route: Route::new("GET", Target::Object).query(&["retention"]),
    access: Access::Read,
    actions: &["s3:GetObjectRetention"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    lock::configuration(call.bucket()?)?.ok_or_else(lock::missing)?;
    let found = call.find(Want::Metadata).await?;
    let retention = found.object.rare.lock.and_then(|lock| lock.retention);
    let retention = retention.ok_or(S3Code::NoSuchObjectLockConfiguration)?;
    Ok(Reply::xml(lock::shown_retention(retention).render()))
}
