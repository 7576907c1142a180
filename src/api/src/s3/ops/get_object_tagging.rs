//! GetObjectTagging: the tags of an object, none if it has none.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::versions;
use crate::s3::xml::Tagging;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetObjectTagging",
    route: Route::new("GET", Target::Object).query(&["tagging"]),
    access: Access::Read,
    actions: &["s3:GetObjectTagging"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let found = versions::find_tagged(&call).await?;
    let mut reply = Reply::xml(Tagging { tags: found.object.tags }.render());
    versions::show(&mut reply, versions::shown(&call.bucket()?.row, found.version));
    Ok(reply)
}
