//! PutObjectRetention: until when an object, or a version of it, must stay. Shortening that is for few or for nobody.

use crate::s3::access::{Access, Wanted};
use crate::s3::error::S3Error;
use crate::s3::head::Head;
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::policy::Facts;
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::versions;
use crate::s3::xml::{LOCK_BODY_MAX_BYTES, RetentionXml};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObjectRetention",
    route: Route::new("PUT", Target::Object).query(&["retention"]),
    access: Access::WriteByBody,
    actions: &["s3:PutObjectRetention"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let head: &Head = &call.head;
    let (key, version) = (head.object_key()?, versions::named(head)?);
    lock::configuration(call.bucket()?)?.ok_or_else(lock::missing)?;
    let document = settings::receive(&call, body, LOCK_BODY_MAX_BYTES).await?;
    let document = RetentionXml::parse(&document)?;
    let retention = lock::asked_retention(&call, &document)?;
    // A policy may speak of the retention, which is known only now.
    let mut gate = call.api.gate(&call.caller, head, call.bucket()?);
    tell(&mut gate.facts, &document);
    let (access, actions) = (OPERATION.access, OPERATION.actions);
    gate.check(&call.api.model, &Wanted { access, actions, key: Some(key) }).await?;
    let bypass = lock::bypass(&call, &mut gate, key).await?;
    let (bucket, named) = (call.bucket()?.id, (key.to_owned(), version));
    let outcome = call.api.model.set_object_retention(bucket, named, (retention, bypass)).await;
    lock::changed(&call, outcome)
}

/// Makes known what the document asks for, as the headers of a request that writes an object do.
fn tell(facts: &mut Facts, document: &RetentionXml) {
    let Some((mode, until)) = &document.retention else { return };
    for (name, value) in [(lock::MODE, mode.name()), (lock::UNTIL, until.as_str())] {
        facts.headers.retain(|(known, _)| known != name.as_str());
        facts.headers.push((name.as_str().to_owned(), value.to_owned()));
    }
}
