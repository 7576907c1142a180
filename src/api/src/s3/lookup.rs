//! The object that a request speaks of: found once, and shown to nobody who may not have it.
//!
//! Always holds: whoever may not list the bucket is not told whether a key is there.

use super::access::{Access, Admission, Wanted};
use super::error::{S3Code, S3Error};
use super::operation::{Call, NamedBucket};
use model::objects::{Found, Want};

/// Finds an object, and asks its list where the gate has left that to it.
pub async fn find(
    call: &Call,
    bucket: &NamedBucket,
    key: &str,
    admission: &Admission,
    want: Want,
) -> Result<Found, S3Error> {
    let Some(found) = call.api.model.find(bucket.id, key, want).await? else {
        let wanted = Wanted { access: Access::Read, actions: &["s3:ListBucket"], key: None };
        call.api.gate(&call.caller, &call.head, bucket).check(&call.api.model, &wanted).await?;
        return Err(S3Error::new(S3Code::NoSuchKey).field("Key", key));
    };
    admission.check(&found.object)?;
    Ok(found)
}
