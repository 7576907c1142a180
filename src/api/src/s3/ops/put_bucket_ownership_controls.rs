//! PutBucketOwnershipControls: to whom objects belong, and whether access control lists count.

use crate::s3::access::Access;
use crate::s3::acl::Ownership;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::xml::{self, ACCESS_BODY_MAX_BYTES};
use http::StatusCode;
use model::rows::bucket::Setting;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutBucketOwnershipControls",
    route: Route::new("PUT", Target::Bucket).query(&["ownershipControls"]),
    access: Access::Owner,
    actions: &["s3:PutBucketOwnershipControls"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let document = settings::receive(&call, body, ACCESS_BODY_MAX_BYTES).await?;
    let ownership = Ownership::from_name(&xml::parse_ownership(&document)?).ok_or(S3Code::MalformedXML)?;
    if ownership == Ownership::BucketOwnerEnforced && call.bucket()?.row.setting(Setting::Acl).is_some() {
        return Err(S3Code::InvalidBucketAclWithObjectOwnership.into());
    }
    settings::write(&call, Setting::Ownership, &ownership).await?;
    Ok(Reply::empty(StatusCode::OK))
}
