//! GetObjectLegalHold: whether an object, or a version of it, must stay until somebody says otherwise.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::LegalHold;
use model::objects::Want;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetObjectLegalHold",
    route: Route::new("GET", Target::Object).query(&["legal-hold"]),
    access: Access::Read,
    actions: &["s3:GetObjectLegalHold"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    lock::configuration(call.bucket()?)?.ok_or_else(lock::missing)?;
    let found = call.find(Want::Metadata).await?;
    let is_on = found.object.rare.lock.and_then(|lock| lock.legal_hold);
    let is_on = is_on.ok_or(S3Code::NoSuchObjectLockConfiguration)?;
    Ok(Reply::xml(LegalHold { is_on }.render()))
}
