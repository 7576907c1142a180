//! The object that a request speaks of: found once, and shown to nobody who may not have it.
//!
//! Always holds: whoever may not list the bucket is not told whether a key, or a version of it, is there.

use super::access::{Access, Admission, Wanted};
use super::error::S3Error;
use super::operation::{Call, NamedBucket};
use super::versions::{self, Seen};
use model::objects::{Looked, Want};
use model::rows::past::VersionId;

/// Looks at a key, or at one version of it, and asks the object's list where the gate has left that to it. Nothing there
/// is an error.
pub async fn look(
    call: &Call,
    bucket: &NamedBucket,
    (key, version): (&str, Option<VersionId>),
    admission: &Admission,
    want: Want,
) -> Result<Seen, S3Error> {
    let looked = call.api.model.look(bucket.id, key, version, want).await?;
    if let Looked::Object(found) = looked {
        admission.check(&found.object)?;
        return Ok(Seen::Object(found));
    }
    let wanted = Wanted { access: Access::Read, actions: &["s3:ListBucket"], key: None };
    call.gate(bucket).check(&call.api.model, &wanted).await?;
    versions::seen(looked, (key, version))
}
