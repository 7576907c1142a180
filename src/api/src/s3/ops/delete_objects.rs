//! DeleteObjects: deletes up to 1000 keys, or versions of keys, at once.

use crate::body::BodyPlan;
use crate::checksum::{BodyChecksums, RequestChecksums};
use crate::s3::access::{Access, Gate, Wanted};
use crate::s3::conditions::tag_condition;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::events;
use crate::s3::intake;
use crate::s3::intake::Incoming;
use crate::s3::lock;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{DELETE_BODY_MAX_BYTES, Delete, DeleteError, DeleteResult, Deleted, ObjectToDelete};
use model::objects::Deletion;
use model::rows::past::VersionId;
use store::Intent;

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "DeleteObjects",
    route: Route::new("POST", Target::Bucket).query(&["delete"]),
    access: Access::Write,
    actions: &["s3:DeleteObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    let headers = &call.head.headers;
    lock::asks_bypass(&call)?;
    let plan = BodyPlan::from_request(headers, call.caller.verified())?;
    let requested = RequestChecksums::from_headers(headers)?;
    if !requested.protects_body() {
        let message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
        return Err(S3Error::with_message(S3Code::InvalidRequest, message));
    }
    let sums = BodyChecksums::new(requested, &[]);
    let document = intake::collect(body, plan, sums, DELETE_BODY_MAX_BYTES).await?;
    let wanted = Delete::parse(&document)?;
    let mut answer = DeleteResult::default();
    let (mut deletions, mut names) = (Vec::new(), Vec::new());
    let mut gate = call.api.gate(&call.caller, &call.head, call.bucket()?);
    for object in wanted.objects {
        match allowed(&call, &mut gate, &object).await {
            Ok(deletion) => {
                names.push((object.key, object.version_id));
                deletions.push(deletion);
            }
            Err(error) => answer.errors.push(delete_error(object.key, object.version_id, &error)),
        }
    }
    let bucket = call.bucket()?;
    let changes = deletions.iter().map(|deletion| events::deletion(bucket, deletion)).collect();
    let watches = events::announce_all(&call, changes, Intent::Free).await?;
    let outcomes = call.api.model.delete_objects(bucket.id, deletions).await?;
    for (((key, version_id), outcome), watch) in names.into_iter().zip(outcomes).zip(watches) {
        match watch.settle(outcome, events::deleted).await {
            Ok(_) if wanted.quiet => {}
            Ok(deleted) => {
                let marker = deleted.version.filter(|_| deleted.is_marker).map(|id| id.to_string());
                let delete_marker = marker.is_some().then_some(true);
                answer.deleted.push(Deleted {
                    key,
                    version_id,
                    delete_marker,
                    delete_marker_version_id: marker,
                });
            }
            Err(error) => answer.errors.push(delete_error(key, version_id, &error.into())),
        }
    }
    Ok(Reply::xml(answer.render()))
}

/// What one entry asks for, if the caller may do that.
async fn allowed(call: &Call, gate: &mut Gate, object: &ObjectToDelete) -> Result<Deletion, S3Error> {
    let version = object.version_id.as_deref();
    // AWS calls an id that cannot be one unknown here.
    let id = version.map(|text| VersionId::parse(text).ok_or(S3Code::NoSuchVersion)).transpose()?;
    let (access, actions) = (OPERATION.access, OPERATION.actions);
    gate.facts.set_version(version);
    let admission = gate.admit(&call.api.model, &Wanted { access, actions, key: Some(&object.key) }).await?;
    let condition = admission.restrict(tag_condition(object.etag.as_deref()));
    let bypass = lock::bypass(call, gate, &object.key).await?;
    Ok(Deletion { key: object.key.clone(), version: id, condition, bypass })
}

fn delete_error(key: String, version_id: Option<String>, error: &S3Error) -> DeleteError {
    DeleteError { key, version_id, code: error.code.name().to_owned(), message: error.message.to_string() }
}
