//! GetBucketNotificationConfiguration: which webhooks are told of which changes.

use crate::s3::access::Access;
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::notifications;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use model::events::Notifications;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetBucketNotificationConfiguration",
    route: Route::new("GET", Target::Bucket).query(&["notification"]),
    access: Access::Owner,
    actions: &["s3:GetBucketNotification"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let rules = Notifications::of(&call.bucket()?.row)?;
    Ok(Reply::xml(notifications::shown(rules).render()))
}
