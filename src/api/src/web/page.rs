//! What a site shows: a document out of its bucket, or a page that says what went wrong.
//!
//! Always holds: a page of ours repeats nothing of the request and names no bucket.

use crate::s3::S3Api;
use crate::s3::access::{Caller, Wanted};
use crate::s3::error::{S3Code, S3Error};
use crate::s3::failures::Failed;
use crate::s3::head::Head;
use crate::s3::operation::{Call, NamedBucket};
use crate::s3::ops::{get_object, head_object};
use crate::s3::reply::{Reply, ReplyBody};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED,
    RETRY_AFTER,
};
use http::{Method, StatusCode};
use std::sync::Arc;

/// What AWS tells programs of the error behind a page.
const ERROR_CODE: HeaderName = HeaderName::from_static("x-amz-error-code");

/// The object under the head's key, as GetObject or HeadObject answers it, to anybody.
pub async fn fetch(s3: &Arc<S3Api>, bucket: &NamedBucket, head: Head) -> Result<Reply, S3Error> {
    let operation = if head.method == Method::HEAD { head_object::OPERATION } else { get_object::OPERATION };
    let wanted = Wanted { access: operation.access, actions: operation.actions, key: head.key.as_deref() };
    let caller = Caller::anonymous();
    let admission = s3.gate(&caller, &head, bucket).serving_site().admit(&s3.model, &wanted).await?;
    let is_head = head.method == Method::HEAD;
    let call = Call::of_site((Arc::clone(s3), Arc::new(head)), caller, (bucket.clone(), admission));
    if is_head { head_object::serve(&call).await } else { get_object::serve(&call).await }
}

/// A site's own document for an error. It is not what was asked for: nothing of it can be asked for again by tag or
/// range.
pub fn as_error(mut document: Reply, error: &S3Error) -> Reply {
    document.status = error.status();
    for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES] {
        document.headers.remove(name);
    }
    document.set(ERROR_CODE, error.code.name());
    document.headers.extend(error.headers.iter().cloned());
    document
}

/// The answer for a host that is no site, whatever else it may be.
pub fn no_site(method: &Method) -> Reply {
    text(StatusCode::NOT_FOUND, "There is no web site here.", "", method)
}

/// A page about an error.
pub fn error(error: &S3Error, method: &Method, request_id: &str) -> Reply {
    let status = error.status();
    Failed { request_id, operation: "WebSite", bucket: "", method }.log(error);
    if status == StatusCode::NOT_MODIFIED {
        let mut reply = Reply::empty(status);
        reply.headers.extend(error.headers.iter().cloned());
        return reply;
    }
    let details = format!("<p>{}, request {request_id}</p>\n", error.code.name());
    let mut reply = text(status, error.code.message(), &details, method);
    reply.set(ERROR_CODE, error.code.name());
    reply.headers.extend(error.headers.iter().cloned());
    if matches!(error.code, S3Code::SlowDown | S3Code::ServiceUnavailable) {
        reply.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    reply
}

fn text(status: StatusCode, sentence: &str, details: &str, method: &Method) -> Reply {
    let body = format!(
        "<!doctype html>\n<html lang=\"en\">\n<title>{status}</title>\n<h1>{status}</h1>\n<p>{sentence}</p>\n\
         {details}</html>\n"
    );
    let mut reply = Reply::empty(status);
    reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    reply.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.headers.insert(CONTENT_LENGTH, body.len().into());
    reply.body = ReplyBody::Whole((*method != Method::HEAD).then(|| body.into()));
    reply
}
