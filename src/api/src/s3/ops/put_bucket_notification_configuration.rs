//! PutBucketNotificationConfiguration: sets which webhooks are told of which changes; without rules nobody is.

use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::events;
use crate::s3::intake::Incoming;
use crate::s3::notifications;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{NOTIFICATION_BODY_MAX_BYTES, NotificationConfiguration};
use http::StatusCode;
use model::rows::bucket::Setting;

const SKIP: &str = "x-amz-skip-destination-validation";

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketNotificationConfiguration",
    route: Route::new("PUT", Target::Bucket).query(&["notification"]),
    access: Access::Owner,
    actions: &["s3:PutBucketNotification"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let tests = match call.head.header(SKIP).as_deref() {
        None | Some("false" | "False" | "FALSE") => true,
        Some("true" | "True" | "TRUE") => false,
        Some(other) => return Err(S3Error::invalid_argument(SKIP, other, S3Code::InvalidArgument.message())),
    };
    let document = settings::receive(&call, body, NOTIFICATION_BODY_MAX_BYTES).await?;
    let asked = NotificationConfiguration::parse(&document)?;
    let rules = notifications::checked(&call.api.model, asked).await?;
    if rules.rules.is_empty() {
        settings::remove(&call, Setting::Notification).await?;
        return Ok(Reply::empty(StatusCode::OK));
    }
    settings::write(&call, Setting::Notification, &rules).await?;
    if tests {
        events::send_test(&call, &rules).await?;
    }
    Ok(Reply::empty(StatusCode::OK))
}
