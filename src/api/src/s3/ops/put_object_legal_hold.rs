//! PutObjectLegalHold: an object, or a version of it, must stay until somebody says otherwise.

use crate::s3::access::{Access, Wanted};
use crate::s3::error::S3Error;
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::settings;
use crate::s3::versions;
use crate::s3::xml::{LOCK_BODY_MAX_BYTES, LegalHold};

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PutObjectLegalHold",
    route: Route::new("PUT", Target::Object).query(&["legal-hold"]),
    access: Access::WriteByBody,
    actions: &["s3:PutObjectLegalHold"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let (key, version) = (call.head.object_key()?, versions::named(&call.head)?);
    lock::configuration(call.bucket()?)?.ok_or_else(lock::missing)?;
    let document = settings::receive(&call, body, LOCK_BODY_MAX_BYTES).await?;
    let LegalHold { is_on } = LegalHold::parse(&document)?;
    // A policy may speak of the hold, which is known only now.
    let mut gate = call.api.gate(&call.caller, &call.head, call.bucket()?);
    let text = if is_on { "ON" } else { "OFF" };
    gate.facts.headers.retain(|(known, _)| known != lock::LEGAL_HOLD.as_str());
    gate.facts.headers.push((lock::LEGAL_HOLD.as_str().to_owned(), text.to_owned()));
    let (access, actions) = (OPERATION.access, OPERATION.actions);
    gate.check(&call.api.model, &Wanted { access, actions, key: Some(key) }).await?;
    let (bucket, named) = (call.bucket()?.id, (key.to_owned(), version));
    let outcome = call.api.model.set_object_legal_hold(bucket, named, is_on).await;
    lock::changed(&call, outcome)
}
