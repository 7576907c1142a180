//! DeleteObjects: deletes up to 1000 keys at once.

use crate::body::BodyPlan;
use crate::checksum::{BodyChecksums, RequestChecksums};
use crate::s3::access::{Access, Wanted};
use crate::s3::conditions::tag_condition;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake;
use crate::s3::intake::Incoming;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::{DELETE_BODY_MAX_BYTES, Delete, DeleteError, DeleteResult, Deleted};
use model::objects::Deletion;

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
    let mut deletions = Vec::new();
    let mut gate = call.api.gate(&call.caller, &call.head, call.bucket()?);
    for object in wanted.objects {
        let (access, actions) = (OPERATION.access, OPERATION.actions);
        let asked = Wanted { access, actions, key: Some(&object.key) };
        if let Err(error) = gate.check(&call.api.model, &asked).await {
            answer.errors.push(delete_error(object.key, object.version_id, &error));
            continue;
        }
        match object.version_id.as_deref() {
            None | Some("null") => {
                let condition = tag_condition(object.etag.as_deref());
                deletions.push(Deletion { key: object.key, condition });
            }
            Some(_) => {
                let error = S3Error::with_message(S3Code::NoSuchVersion, S3Code::NoSuchVersion.message());
                answer.errors.push(delete_error(object.key, object.version_id, &error));
            }
        }
    }
    let keys: Vec<String> = deletions.iter().map(|deletion| deletion.key.clone()).collect();
    let outcomes = call.api.model.delete_objects(call.bucket()?.id, deletions).await?;
    for (key, outcome) in keys.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) if wanted.quiet => {}
            Ok(()) => answer.deleted.push(Deleted { key, ..Deleted::default() }),
            Err(error) => answer.errors.push(delete_error(key, None, &error.into())),
        }
    }
    Ok(Reply::xml(answer.render()))
}

fn delete_error(key: String, version_id: Option<String>, error: &S3Error) -> DeleteError {
    DeleteError { key, version_id, code: error.code.name().to_owned(), message: error.message.to_string() }
}
