//! GetObjectAcl: to whom an object belongs, and what others may do with it.

use crate::s3::access::Access;
use crate::s3::acl;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::versions;
use model::objects::Want;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetObjectAcl",
    route: Route::new("GET", Target::Object).query(&["acl"]),
    access: Access::ReadOrAcl,
    actions: &["s3:GetObjectAcl"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let found = call.find(Want::Metadata).await?;
    let bucket = &call.bucket()?.row;
    let mut reply = Reply::xml(acl::shown(bucket, found.object.rare.acl)?.render());
    versions::show(&mut reply, versions::shown(bucket, found.version));
    Ok(reply)
}
