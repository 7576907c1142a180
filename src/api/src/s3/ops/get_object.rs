//! GetObject: an object's content, whole, a range of it, or one part.

use crate::decimal::is_decimal;
use crate::s3::access::Access;
use crate::s3::conditions::{READ, range_fits};
use crate::s3::encryption;
use crate::s3::error::{Limit, S3Code, S3Error};
use crate::s3::head::Head;
use crate::s3::intake::Incoming;
use crate::s3::lifecycle;
use crate::s3::lock;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::versions;
use http::StatusCode;
use http::header::{CONTENT_RANGE, HeaderName, HeaderValue};
use model::ByteRange;
use model::objects::{Found, Want};
use std::time::Duration;

/// How long a request waits for its first block, and for memory to put it in, before it is told to
/// slow down.
const MEMORY_WAIT_MAX: Duration = Duration::from_secs(30);

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetObject",
    route: Route::new("GET", Target::Object),
    access: Access::ReadOrAcl,
    actions: &["s3:GetObject"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    serve(&call).await
}

/// The object, a range of it, or one part.
pub(crate) async fn serve(call: &Call) -> Result<Reply, S3Error> {
    let (reply, found, range) = describe(call, Want::Content).await?;
    let length = range.end - range.start;
    let mut reader = found.read(&call.api.model, range);
    // A body that cannot be read is an error, not an answer that breaks off.
    env::timeout(MEMORY_WAIT_MAX, reader.fetch()).await.ok_or(Limit::DownloadMemory)??;
    Ok(reply.streaming(reader, length, &call.head.request_id))
}

/// Everything GET and HEAD say about an object, and the bytes GET is to send.
pub(super) async fn describe(call: &Call, want: Want) -> Result<(Reply, Found, ByteRange), S3Error> {
    let head = &call.head;
    let mut found = call.find(want).await?;
    // Whoever lacks the key learns nothing by conditions either.
    let opened = encryption::open(head, (call.bucket()?.id, head.object_key()?), &mut found)?;
    READ.check(head, &found, call.api.model.latest_time())?;
    refuse_overrides(call)?;
    let size = found.object.size;
    let mut reply = Reply::empty(StatusCode::OK);
    metadata::show_object(&mut reply, head, &found)?;
    opened.show(&mut reply, &found);
    versions::show(&mut reply, versions::shown(&call.bucket()?.row, found.version));
    lock::show(call, &found.object, &mut reply).await?;
    if versions::named(head)?.is_none() {
        // Of a version that is named it is not known whether it is current.
        let facts = (head.object_key()?, (&found.object).into());
        lifecycle::show_expiration(&mut reply, call, facts, found.modified().wall())?;
    }
    let range = match (head.parameter("partNumber"), head.header("range")) {
        (Some(_), Some(_)) => {
            let message = "Cannot specify both Range header and partNumber query parameter";
            return Err(S3Error::with_message(S3Code::InvalidRequest, message));
        }
        (Some(_), None) => Some(part_range(call, &found, &mut reply).await?),
        (None, Some(range)) if range_fits(head, &found) => requested_range(&range, size)?,
        (None, _) => None,
    };
    match range {
        Some(range) => {
            reply.status = StatusCode::PARTIAL_CONTENT;
            let last = range.end.saturating_sub(1);
            reply.set(CONTENT_RANGE, &format!("bytes {}-{last}/{size}", range.start));
            Ok((reply, found, range))
        }
        None => {
            metadata::show_checksum(&mut reply, head, found.object.checksum.as_ref(), found.object.etag);
            Ok((reply, found, ByteRange { start: 0, end: size }))
        }
    }
}

/// Refuses to replace headers for whom nobody answers: a link to a public object must not change what it is.
fn refuse_overrides(call: &Call) -> Result<(), S3Error> {
    let asks = call.head.query.iter().any(|(name, _)| name.starts_with("response-"));
    if asks && call.caller.access_key().is_none() {
        let message = "Request specific response headers cannot be used for anonymous GET requests.";
        return Err(S3Error::with_message(S3Code::InvalidRequest, message));
    }
    Ok(())
}

/// The bytes of one part. An object that was not uploaded in parts is its own part 1.
async fn part_range(call: &Call, found: &Found, reply: &mut Reply) -> Result<ByteRange, S3Error> {
    let number = super::upload_name::part_number(call)?;
    let parts = call.api.model.parts_of(found).await?;
    let invalid = || S3Error::from(S3Code::InvalidPartNumber);
    if let Some(count) = found.object.etag.parts {
        reply.set(HeaderName::from_static("x-amz-mp-parts-count"), &count.to_string());
    }
    let mut start = 0;
    for (index, part) in parts.iter().enumerate() {
        let end = start + part.size;
        if index + 1 == usize::from(number.get()) {
            show_part_checksum(&call.head, part.checksum.as_ref(), reply);
            return Ok(ByteRange { start, end });
        }
        start = end;
    }
    if parts.is_empty() && number.get() == 1 {
        return Ok(ByteRange { start: 0, end: found.object.size });
    }
    Err(invalid())
}

fn show_part_checksum(head: &Head, checksum: Option<&model::rows::object::Checksum>, reply: &mut Reply) {
    let no_parts = model::rows::object::ETag { md5: [0; 16], parts: None };
    metadata::show_checksum(reply, head, checksum, no_parts);
}

/// One byte range, as far as it can be satisfied. What is not a range of bytes is ignored, as HTTP
/// asks; a range behind the end is an error.
pub fn requested_range(text: &str, size: u64) -> Result<Option<ByteRange>, S3Error> {
    let Some(spec) = text.trim().strip_prefix("bytes=") else { return Ok(None) };
    let Some((first, last)) = spec.split_once('-') else { return Ok(None) };
    let number = |text: &str| {
        let plain = is_decimal(text);
        // A number beyond every object is as good as the largest.
        plain.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let unsatisfiable = || {
        let header =
            HeaderValue::try_from(format!("bytes */{size}")).unwrap_or(HeaderValue::from_static("bytes */*"));
        let error = S3Error::new(S3Code::InvalidRange).header(CONTENT_RANGE, header);
        error.field("RangeRequested", text).field("ActualObjectSize", size.to_string())
    };
    match (number(first.trim()), number(last.trim())) {
        (Some(first), Some(last)) if first > last => Ok(None),
        (Some(first), Some(last)) if first < size => {
            Ok(Some(ByteRange { start: first, end: last.saturating_add(1).min(size) }))
        }
        (Some(first), None) if last.trim().is_empty() && first < size => {
            Ok(Some(ByteRange { start: first, end: size }))
        }
        (Some(_), Some(_)) => Err(unsatisfiable()),
        (Some(_), None) if last.trim().is_empty() => Err(unsatisfiable()),
        (None, Some(0)) if first.trim().is_empty() => Err(unsatisfiable()),
        (None, Some(_)) if first.trim().is_empty() && size == 0 => Err(unsatisfiable()),
        (None, Some(length)) if first.trim().is_empty() => {
            Ok(Some(ByteRange { start: size.saturating_sub(length), end: size }))
        }
        _ => Ok(None),
    }
}
