//! GetObjectAttributes: what is known about an object, as far as it is asked for, without its bytes.

use crate::dates;
use crate::decimal::is_decimal;
use crate::s3::access::Access;
use crate::s3::encryption;
use crate::s3::error::S3Error;
use crate::s3::head::{Head, header_text};
use crate::s3::intake::Incoming;
use crate::s3::metadata;
use crate::s3::operation::{Call, Operation, Route, Target};
use crate::s3::reply::Reply;
use crate::s3::versions;
use crate::s3::xml::{AttributePart, AttributeParts, ObjectAttributes};
use base::limits::LIST_PAGE_MAX;
use http::header::LAST_MODIFIED;
use model::objects::{Found, Want};
use model::rows::object::ETag;

/// The header that lists what is asked for.
const HEADER: &str = "x-amz-object-attributes";
const KNOWN: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// The operation.
pub const OPERATION: Operation = Operation {
    name: "GetObjectAttributes",
    route: Route::new("GET", Target::Object).query(&["attributes"]),
    access: Access::Read,
    actions: &["s3:GetObject", "s3:GetObjectAttributes"],
    run: |call, body| Box::pin(run(call, body)),
};

async fn run(call: Call, _body: &mut Incoming) -> Result<Reply, S3Error> {
    let head = &call.head;
    let (wanted, page) = (wanted(&call)?, Page::of(head)?);
    let mut found = call.find(Want::Content).await?;
    encryption::open(head, (call.bucket()?.id, head.object_key()?), &mut found)?;
    let object = &found.object;
    let asks = |name: &str| wanted.iter().any(|wanted| wanted == name);
    let sum = object.checksum.as_ref().and_then(|sum| metadata::object_checksum(sum, object.etag));
    let sum = sum.filter(|_| asks("Checksum"));
    let answer = ObjectAttributes {
        etag: asks("ETag").then(|| object.etag.to_string()),
        checksum: sum.map(|sum| (metadata::xml_checksum(&sum), sum.kind().name())),
        parts: if asks("ObjectParts") { parts(&call, &found, page).await? } else { None },
        storage_class: asks("StorageClass").then_some("STANDARD"),
        size_bytes: asks("ObjectSize").then_some(object.size),
    };
    let mut reply = Reply::xml(answer.render());
    versions::show(&mut reply, versions::shown(&call.bucket()?.row, found.version));
    reply.set(LAST_MODIFIED, &dates::http_date(found.modified().wall().millis()));
    Ok(reply)
}

fn wanted(call: &Call) -> Result<Vec<String>, S3Error> {
    let values = call.head.headers.get_all(HEADER).iter().map(header_text);
    let text = values.collect::<Vec<_>>().join(",");
    let wanted: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    if wanted.iter().all(|name| KNOWN.contains(&name.as_str())) {
        return Ok(wanted);
    }
    Err(S3Error::invalid_argument(HEADER, text, "Invalid attribute name specified."))
}

/// Which page of the parts is asked for.
struct Page {
    marker: u64,
    max_parts: u64,
}

impl Page {
    fn of(head: &Head) -> Result<Self, S3Error> {
        let number = |name: &str| {
            let Some(text) = head.header(name) else { return Ok(None) };
            let number = text.parse().ok().filter(|number| *number <= i32::MAX as u64);
            let message = format!("{name} must be an integer between 0 and {}", i32::MAX);
            let plain = number.filter(|_| is_decimal(&text));
            plain.map(Some).ok_or_else(|| S3Error::invalid_argument(name, text.as_str(), message))
        };
        let most = LIST_PAGE_MAX as u64;
        Ok(Self {
            marker: number("x-amz-part-number-marker")?.unwrap_or(0),
            max_parts: number("x-amz-max-parts")?.unwrap_or(most).min(most),
        })
    }
}

/// One page of the parts of an object that was uploaded in parts.
async fn parts(call: &Call, found: &Found, page: Page) -> Result<Option<AttributeParts>, S3Error> {
    let all = call.api.model.parts_of(found).await?;
    if all.is_empty() {
        return Ok(None);
    }
    let Page { marker, max_parts } = page;
    let no_parts = ETag { md5: [0; 16], parts: None };
    let mut parts: Vec<AttributePart> = all
        .iter()
        .zip(1..)
        .filter(|(_, number)| u64::from(*number) > marker)
        .map(|(part, number)| {
            let sum = part.checksum.as_ref().and_then(|sum| metadata::object_checksum(sum, no_parts));
            let checksum = sum.as_ref().map(metadata::xml_checksum);
            AttributePart { number, size_bytes: part.size, checksum }
        })
        .collect();
    let limit = usize::try_from(max_parts).unwrap_or(LIST_PAGE_MAX);
    let is_truncated = parts.len() > limit;
    parts.truncate(limit);
    let next_marker = parts.last().map_or(marker, |part| part.number.into());
    // AWS lists the parts only where they have checksums.
    parts.retain(|part| part.checksum.is_some());
    let total = all.len();
    Ok(Some(AttributeParts { total, marker, next_marker, max_parts, is_truncated, parts }))
}
