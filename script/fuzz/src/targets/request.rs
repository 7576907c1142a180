//! Target `request`: the head of a request, from the bytes of its path, query and headers to an operation.
//!
//! What must hold: no panic, memory in proportion to the head; a key, a bucket's name and parameters
//! that were read, encoded again, are read as the same; every limit is obeyed; a refusal is an answer
//! whose XML body any reader takes.

use super::meter;
use super::signer::encode;
use super::text_request;
use api::body::{BodyPlan, PayloadMode};
use api::checksum::RequestChecksums;
use api::dates;
use api::s3::conditions::write_condition;
use api::s3::error::{ErrorPlace, S3Error};
use api::s3::head::{HEADERS_MAX_BYTES, Head, QUERY_MAX_BYTES, QUERY_MAX_PARAMETERS};
use api::s3::ops::{copy_source, get_object, list_objects_v2};
use api::s3::{metadata, operation, parameters};
use base::limits::{OBJECT_KEY_MAX_BYTES, USER_METADATA_MAX_BYTES};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{Method, Uri};
use model::listing::Start;

/// A head is kept raw and decoded, its query as two strings per parameter.
const MEMORY_PER_HEAD_BYTE: usize = 32;
/// For what does not grow with the head: 128 parameters are two strings each.
const MEMORY_FIXED_BYTES: usize = 32 << 10;

/// One head.
pub fn check(input: &[u8]) {
    let Some(parts) = text_request::parse(input) else { return };
    let roots = ["s3.example.org".to_owned()];
    let limit = MEMORY_FIXED_BYTES + MEMORY_PER_HEAD_BYTE * input.len();
    let copy = parts.clone();
    let head = meter::within(limit, || Head::parse(copy, &roots, "0123".to_owned()));
    values(&parts);
    match head {
        Ok(head) => {
            within_limits(&head);
            read_again(&head);
            route(head);
        }
        Err(error) => answered(&error),
    }
}

fn within_limits(head: &Head) {
    assert!(head.raw_query.len() <= QUERY_MAX_BYTES && head.query.len() <= QUERY_MAX_PARAMETERS);
    let sizes = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    assert!(sizes.sum::<usize>() <= HEADERS_MAX_BYTES);
    assert!(head.bucket.as_ref().is_none_or(|bucket| !bucket.is_empty()));
    assert!(head.key.as_ref().is_none_or(|key| (1..=OBJECT_KEY_MAX_BYTES).contains(&key.len())));
    assert!(head.key.is_none() || head.bucket.is_some());
}

/// Writes what was read as a client would, in path style.
fn read_again(head: &Head) {
    let part = |text: &Option<String>| encode(text.as_deref().unwrap_or_default().as_bytes(), true);
    let bucket = encode(head.bucket.as_deref().unwrap_or_default().as_bytes(), false);
    let encoded = |text: &str| encode(text.as_bytes(), false);
    let pairs = head.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let query = pairs.collect::<Vec<_>>().join("&");
    // Encoding makes path and query longer, perhaps too long.
    let Ok(uri) = Uri::try_from(format!("/{bucket}/{}?{query}", part(&head.key))) else { return };
    if query.len() > QUERY_MAX_BYTES || (head.bucket.is_none() && head.key.is_some()) {
        return;
    }
    let request = http::Request::builder().method(head.method.clone()).uri(uri).body(());
    let parts = request.expect("a method and a target").into_parts().0;
    let again = Head::parse(parts, &[], String::new()).expect("a head encoded by the rules");
    assert_eq!((&again.bucket, &again.key, &again.query), (&head.bucket, &head.key, &head.query));
}

fn route(mut head: Head) {
    if let Err(error) = parameters::lift_headers(&mut head) {
        return answered(&error);
    }
    let operation = operation::route(&head).filter(|found| parameters::serves_all(found, &head));
    for payload in [PayloadMode::Unsigned, PayloadMode::StreamingUnsignedTrailer] {
        if let Err(error) = parameters::refuse_unsupported(&head, operation, &payload) {
            answered(&error);
        }
    }
    if operation.is_none()
        && let Err(error) = parameters::unconfigured(&head)
    {
        answered(&error);
    }
    for parameter in ["max-keys", "max-uploads", "part-number-marker"] {
        match head.number(parameter, i32::MAX as u64) {
            Ok(number) => assert!(number.is_none_or(|number| number <= i32::MAX as u64)),
            Err(error) => answered(&error),
        }
    }
    if let Err(error) = write_condition(&head) {
        answered(&error);
    }
}

/// Every header by itself, as each of the forms that a header can have.
fn values(parts: &Parts) {
    match metadata::read_headers(&parts.headers) {
        Ok(kept) => {
            let user =
                kept.iter().filter_map(|(name, value)| Some((name.strip_prefix("x-amz-meta-")?, value)));
            assert!(
                user.map(|(name, value)| name.len() + value.len()).sum::<usize>() <= USER_METADATA_MAX_BYTES
            );
        }
        Err(error) => answered(&error),
    }
    if let Err(error) = RequestChecksums::from_headers(&parts.headers) {
        answered(&S3Error::from(error));
    }
    if let Err(error) = BodyPlan::from_request(&parts.headers, None) {
        answered(&S3Error::from(error));
    }
    for value in parts.headers.values() {
        let text = api::s3::head::header_text(value);
        date(&text);
        for size in [0, 1, 10, u64::MAX] {
            range(&text, size);
        }
        source(&text);
        token(&text);
    }
}

fn date(text: &str) {
    let Some(unix_s) = dates::parse_http_date(text) else { return };
    if let Ok(unix_s) = u64::try_from(unix_s) {
        assert_eq!(dates::parse_http_date(&dates::http_date(unix_s * 1000)), i64::try_from(unix_s).ok());
    }
}

fn range(text: &str, size: u64) {
    match get_object::requested_range(text, size) {
        Ok(None) => {}
        Ok(Some(range)) => assert!(range.start < range.end && range.end <= size, "{range:?} of {size}"),
        Err(error) => answered(&error),
    }
}

fn source(text: &str) {
    match copy_source::parse(text) {
        Ok(named) => {
            let copy_source::Named { bucket, key, version } = &named;
            assert!((1..=OBJECT_KEY_MAX_BYTES).contains(&key.len()) && !bucket.is_empty());
            let version = version.map(|id| format!("?versionId={id}")).unwrap_or_default();
            let again =
                format!("{}/{}{version}", encode(bucket.as_bytes(), false), encode(key.as_bytes(), true));
            assert_eq!(copy_source::parse(&again), Ok(named));
        }
        Err(error) => answered(&error),
    }
}

fn token(text: &str) {
    match list_objects_v2::start(Some(text), None) {
        Ok(Start::At(key)) => {
            let again = list_objects_v2::start(Some(&URL_SAFE_NO_PAD.encode(&key)), None);
            assert_eq!(again, Ok(if key.is_empty() { Start::First } else { Start::At(key) }));
        }
        Ok(start) => assert_eq!(start, Start::First),
        Err(error) => answered(&error),
    }
}

/// A refusal has a status of its kind and a body that an XML reader takes.
fn answered(error: &S3Error) {
    assert!(error.status().as_u16() >= 300, "{error} is no refusal");
    let place = ErrorPlace { resource: "/bucket/\u{1}<&", request_id: "0123", host_id: "node" };
    let body = error.body(&Method::GET, place).unwrap_or_default();
    let text = std::str::from_utf8(&body).expect("XML bodies are UTF-8");
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    while !matches!(reader.read_event().expect("well-formed"), quick_xml::events::Event::Eof) {}
}
