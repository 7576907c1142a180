//! PostObject: stores an object that a browser uploads by a form.

use super::put_object::Upload;
use crate::s3::access::Access;
use crate::s3::error::{S3Code, S3Error};
use crate::s3::intake::{self, Incoming};
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::xml::PostResponse;
use http::StatusCode;
use http::header::LOCATION;
use model::events::EventKind;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Bytes that stay in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
/// Bytes that stay in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "PostObject",
    route: Route::new("POST", Target::Bucket),
    access: Access::Write,
    actions: &["s3:PutObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(mut call: Call, body: &mut Incoming) -> Result<Reply, S3Error> {
    // The dispatcher has read the form up to its file.
    let form = call.form.take().ok_or(S3Code::InternalError)?;
    let fields = form.fields.clone();
    let upload = Upload::plan(&call).await?;
    upload.check_room(&call, Some(form.file_bytes_min())).await?;
    let writer = upload.writer(&call);
    let received = intake::receive_form(&call.api, body, form, upload.sums(), writer).await?;
    let stored = upload.commit(&call, received, EventKind::Post).await?;
    let key = call.head.object_key()?;
    let bucket = &call.bucket()?.name;
    let location = format!("/{bucket}/{}", utf8_percent_encode(key, PATH));
    let redirect = fields.get("success_action_redirect").or(fields.get("redirect"));
    let redirect = redirect.filter(|url| url.starts_with("http://") || url.starts_with("https://"));
    let tag = metadata::quoted(&stored.etag);
    let mut reply = match (redirect, fields.get("success_action_status")) {
        (Some(url), _) => {
            let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
            let mark = if url.contains('?') { '&' } else { '?' };
            let (bucket, key, tag) = (encoded(bucket), encoded(key), encoded(&tag));
            Reply::empty(StatusCode::SEE_OTHER)
                .with(LOCATION, &format!("{url}{mark}bucket={bucket}&key={key}&etag={tag}"))
        }
        (None, Some("201")) => {
            let answer = PostResponse {
                location: location.clone(),
                bucket: bucket.clone(),
                key: key.to_owned(),
                etag: stored.etag.to_string(),
            };
            let mut reply = Reply::xml(answer.render()).with(LOCATION, &location);
            reply.status = StatusCode::CREATED;
            reply
        }
        (None, Some("200")) => Reply::empty(StatusCode::OK).with(LOCATION, &location),
        (None, _) => Reply::empty(StatusCode::NO_CONTENT).with(LOCATION, &location),
    };
    stored.show(&mut reply, &call)?;
    Ok(reply)
}
