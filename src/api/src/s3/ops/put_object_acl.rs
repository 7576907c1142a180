//! PutObjectAcl: what others than its owner may do with an object, which stays as old as it was.

use crate::s3::access::Access;
use crate::s3::acl;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::events::{self, Change};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::versions;
use crate::s3::xml::ACL_BODY_MAX_BYTES;
use http::StatusCode;
use model::ModelError;
use model::events::{EventKind, Outcome};
use model::objects::Want;
use model::rows::acl::Acl;
use model::rows::past::VersionId;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObjectAcl",
    route: Route::new("PUT", Target::Object).query(&["acl"]),
    access: Access::ShareOrAcl,
    actions: &["s3:PutObjectAcl"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    // Whether the caller may is known only from the row; before that nothing of the body is read.
    let (named, found) = (versions::named(&call.head)?, call.find(Want::Metadata).await?);
    let (judged, version) = (found.object.rare.acl, found.version);
    let document = settings::receive(&call, body, ACL_BODY_MAX_BYTES).await?;
    let owner = judged.as_ref().and_then(|list| list.owner.clone());
    let list = acl::replacement(&call, &document, Target::Object, owner).await?;
    if let Some(list) = list.map(Acl::stored) {
        let (bucket, key) = (call.bucket()?.id, call.head.object_key()?.to_owned());
        // Another list since then may give the caller less.
        let change = Change::of_version(EventKind::AclPut, &key, named);
        let watch = events::announce(&call, change).await?;
        let ended = call.api.model.set_object_acl(bucket, (key, named), judged, list).await;
        let row = &call.bucket()?.row;
        let changed = |id: &VersionId| Outcome { at: None, version: versions::shown(row, *id) };
        match watch.settle(ended, changed).await {
            Err(ModelError::ConditionFailed) => return Err(S3Code::OperationAborted.into()),
            outcome => _ = outcome?,
        }
    }
    let mut reply = Reply::empty(StatusCode::OK);
    versions::show(&mut reply, versions::shown(&call.bucket()?.row, version));
    Ok(reply)
}
