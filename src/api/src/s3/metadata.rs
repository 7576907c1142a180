//! The headers an object keeps, on their way in and out.

use super::error::{S3Code, S3Error};
use super::head::{Head, header_text};
use super::reply::Reply;
use crate::body::stored_content_encoding;
use crate::checksum::{ChecksumAlgorithm, ChecksumType, ChecksumValue, ObjectChecksum};
use crate::dates;
use crate::s3::website;
use crate::s3::xml;
use base::limits::USER_METADATA_MAX_BYTES;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, LAST_MODIFIED};
use model::objects::Found;
use model::rows::object::{Checksum, ETag};

/// Response headers that an object keeps beside its user metadata.
const KEPT: [&str; 5] =
    ["content-type", "cache-control", "content-disposition", "content-language", "expires"];
/// What S3 says of an object that was stored without a type.
const DEFAULT_TYPE: &str = "binary/octet-stream";
const USER_METADATA: &str = "x-amz-meta-";
/// A checksum stored of more parts than its tag says has none; see [`object_checksum`].
const CHECKSUM_MODE: &str = "x-amz-checksum-mode";

/// Query parameters that replace a header of the answer.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-content-type", "content-type"),
    ("response-content-language", "content-language"),
    ("response-expires", "expires"),
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
];

/// What the request says an object is to keep.
pub fn read_headers(headers: &HeaderMap) -> Result<Vec<(String, String)>, S3Error> {
    let mut kept = Vec::new();
    for name in KEPT {
        kept.extend(headers.get(name).map(|value| (name.to_owned(), header_text(value))));
    }
    kept.extend(website::redirect_location(headers)?);
    kept.extend(stored_content_encoding(headers).map(|value| ("content-encoding".to_owned(), value)));
    let mut user_bytes = 0;
    for name in headers.keys().filter(|name| name.as_str().starts_with(USER_METADATA)) {
        let values: Vec<String> = headers.get_all(name).iter().map(header_text).collect();
        let value = values.join(",");
        user_bytes += name.as_str().len() - USER_METADATA.len() + value.len();
        kept.push((name.as_str().to_owned(), value));
    }
    if user_bytes > USER_METADATA_MAX_BYTES {
        return Err(S3Error::new(S3Code::MetadataTooLarge)
            .field("Size", user_bytes.to_string())
            .field("MaxSizeAllowed", USER_METADATA_MAX_BYTES.to_string()));
    }
    Ok(kept)
}

/// Writes the headers that GET and HEAD show of an object.
pub fn show_object(reply: &mut Reply, head: &Head, found: &Found) -> Result<(), S3Error> {
    let object = &found.object;
    reply.set(HeaderName::from_static("content-type"), DEFAULT_TYPE);
    for (name, value) in &object.headers {
        if let Ok(name) = HeaderName::try_from(name) {
            reply.set(name, value);
        }
    }
    for (parameter, header) in OVERRIDES {
        if let Some(value) = head.parameter(parameter) {
            if HeaderValue::from_bytes(value.as_bytes()).is_err() {
                return Err(S3Error::invalid_argument(parameter, value, "The value is not a header value"));
            }
            reply.set(HeaderName::from_static(header), value);
        }
    }
    reply.set(http::header::ETAG, &quoted(&object.etag));
    reply.set(LAST_MODIFIED, &dates::http_date(found.modified().wall().millis()));
    reply.set(http::header::ACCEPT_RANGES, "bytes");
    if !object.tags.is_empty() {
        reply.set(HeaderName::from_static("x-amz-tagging-count"), &object.tags.len().to_string());
    }
    Ok(())
}

/// Writes the object's checksum, if the request asks for it.
pub fn show_checksum(reply: &mut Reply, head: &Head, checksum: Option<&Checksum>, etag: ETag) {
    let wanted = head.header(CHECKSUM_MODE).is_some_and(|mode| mode.eq_ignore_ascii_case("ENABLED"));
    if let Some(sum) = checksum.and_then(|checksum| object_checksum(checksum, etag)).filter(|_| wanted) {
        set_checksum(reply, &sum);
    }
}

/// Writes a checksum and its type.
pub fn set_checksum(reply: &mut Reply, sum: &ObjectChecksum) {
    let name = sum.value().algorithm().header_name();
    reply.set(HeaderName::from_static(name), &sum.to_string());
    reply.set(HeaderName::from_static("x-amz-checksum-type"), sum.kind().name());
}

/// A tag as headers show it.
pub fn quoted(etag: &ETag) -> String {
    format!("\"{etag}\"")
}

/// A stored checksum as clients see it; none while it is sealed.
pub fn object_checksum(stored: &Checksum, etag: ETag) -> Option<ObjectChecksum> {
    if stored.is_sealed {
        return None;
    }
    let value = ChecksumValue::from_bytes(ChecksumAlgorithm::from_code(stored.algorithm)?, &stored.value)?;
    Some(if stored.composite {
        ObjectChecksum::Composite(value, etag.parts.unwrap_or(1).into())
    } else {
        ObjectChecksum::FullObject(value)
    })
}

/// A checksum as it is stored.
pub fn stored_checksum(sum: &ObjectChecksum) -> Checksum {
    Checksum {
        algorithm: sum.value().algorithm().code(),
        composite: sum.kind() == ChecksumType::Composite,
        value: sum.value().as_bytes().to_vec(),
        is_sealed: false,
    }
}

/// A checksum as XML bodies show it.
pub fn xml_checksum(sum: &ObjectChecksum) -> xml::Checksum {
    xml::Checksum { algorithm: sum.value().algorithm().name(), value_base64: sum.to_string() }
}

/// MD5 among computed sums.
pub fn md5_of(sums: &[ChecksumValue]) -> Result<[u8; 16], S3Error> {
    let md5 = sums.iter().find(|sum| sum.algorithm() == ChecksumAlgorithm::Md5);
    md5.and_then(|sum| sum.as_bytes().try_into().ok()).ok_or_else(|| S3Code::InternalError.into())
}
