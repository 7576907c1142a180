//! Headers and query parameters that change meaning are obeyed or refused, never ignored (promise
//! P8). Each is decided on once, in `table`; what an unconfigured bucket answers stands here.

pub mod table;

use super::error::{S3Code, S3Error};
use super::head::{Head, header_text};
use super::operation::Operation;
use super::reply::Reply;
use super::versions;
use super::xml;
use crate::body::PayloadMode;
use crate::checksum::ChecksumAlgorithm;
use http::{HeaderName, HeaderValue, Method};
use model::rows::bucket::BucketRow;
use table::Place;

/// The operations that may be sent a body in `aws-chunked` framing by the name of its payload mode:
/// those that store one.
const STREAMED: [&str; 2] = ["PutObject", "UploadPart"];

/// Refuses what `operation` would have to ignore although it changes the request's meaning.
pub fn refuse_unsupported(
    head: &Head,
    operation: Option<&Operation>,
    payload: &PayloadMode,
) -> Result<(), S3Error> {
    let operation = operation.map(|operation| operation.name);
    // Every value of a header that is sent more than once.
    for (name, value) in &head.headers {
        check(Place::Header, name.as_str(), &header_text(value), operation)?;
    }
    for (name, value) in &head.query {
        check(Place::Query, name, value, operation)?;
    }
    if payload.is_streaming() && operation.is_some_and(|name| !STREAMED.contains(&name)) {
        let message = "A body in aws-chunked framing is accepted by PutObject and UploadPart only.";
        return Err(S3Error::with_message(S3Code::InvalidRequest, message));
    }
    versions::named(head).map(|_| ())
}

fn check(place: Place, name: &str, value: &str, operation: Option<&str>) -> Result<(), S3Error> {
    match table::decision(place, name) {
        Some(decision) if !decision.allows(operation, value) => match place {
            Place::Header => Err(S3Error::new(S3Code::NotImplemented).field("Header", name)),
            Place::Query => {
                let message = "This parameter does not belong to this operation.";
                Err(S3Error::invalid_argument(name, value, message))
            }
        },
        _ => Ok(()),
    }
}

/// Query parameters with a header's name that are not taken for the header: those of the signature,
/// and checksums, which some clients compute over an empty body when they presign and AWS ignores.
const NEVER_LIFTED: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-content-sha256",
    "x-amz-sdk-checksum-algorithm",
];

/// Makes headers of the query parameters that stand for one, as presigned requests have them. The
/// signature covers both; a header that is there outweighs the parameter.
pub fn lift_headers(head: &mut Head) -> Result<(), S3Error> {
    for (name, value) in &head.query {
        let lower = name.to_ascii_lowercase();
        let is_sum = ChecksumAlgorithm::from_header_name(&lower).is_some();
        if !lower.starts_with("x-amz-") || NEVER_LIFTED.contains(&lower.as_str()) || is_sum {
            continue;
        }
        let header = HeaderName::try_from(lower).ok().zip(HeaderValue::try_from(value.as_str()).ok());
        let message = "The value is not a header value";
        let (lifted, text) = header.ok_or_else(|| S3Error::invalid_argument(name, value, message))?;
        if !head.headers.contains_key(&lifted) {
            head.headers.insert(lifted, text);
        }
    }
    Ok(())
}

/// What an unconfigured bucket or object answers to a read of a sub-resource.
enum Unconfigured {
    /// An empty document of this name.
    Empty(&'static str),
    /// This error.
    Missing(S3Code),
    /// The owner pays.
    OwnerPays,
    /// Nothing sensible: not implemented.
    Refused,
}

/// Sub-resources, with the answer of an unconfigured bucket where no operation serves them. A request that
/// carries one of them is never answered as if it did not.
const SUBRESOURCES: [(&str, Unconfigured); 34] = [
    ("accelerate", Unconfigured::Empty("AccelerateConfiguration")),
    ("acl", Unconfigured::Refused),
    ("analytics", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("attributes", Unconfigured::Refused),
    ("cors", Unconfigured::Refused),
    ("encryption", Unconfigured::Refused),
    ("intelligent-tiering", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("inventory", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("legal-hold", Unconfigured::Refused),
    ("lifecycle", Unconfigured::Refused),
    ("logging", Unconfigured::Refused),
    ("metadataConfiguration", Unconfigured::Refused),
    ("metadataTable", Unconfigured::Refused),
    ("metrics", Unconfigured::Missing(S3Code::NoSuchConfiguration)),
    ("notification", Unconfigured::Refused),
    ("object-lock", Unconfigured::Refused),
    ("ownershipControls", Unconfigured::Refused),
    ("policy", Unconfigured::Refused),
    ("policyStatus", Unconfigured::Refused),
    ("publicAccessBlock", Unconfigured::Refused),
    ("replication", Unconfigured::Missing(S3Code::ReplicationConfigurationNotFoundError)),
    ("requestPayment", Unconfigured::OwnerPays),
    ("restore", Unconfigured::Refused),
    ("retention", Unconfigured::Refused),
    ("select", Unconfigured::Refused),
    ("session", Unconfigured::Refused),
    ("tagging", Unconfigured::Refused),
    ("torrent", Unconfigured::Refused),
    ("versioning", Unconfigured::Refused),
    ("versions", Unconfigured::Refused),
    ("website", Unconfigured::Refused),
    ("append", Unconfigured::Refused),
    ("renameObject", Unconfigured::Refused),
    ("object-annotations", Unconfigured::Refused),
];

fn subresource(head: &Head) -> Option<&'static (&'static str, Unconfigured)> {
    SUBRESOURCES.iter().find(|(name, _)| head.has_parameter(name))
}

/// Whether the operation serves every sub-resource that the request is about.
pub fn serves_all(operation: &Operation, head: &Head) -> bool {
    let mut named = SUBRESOURCES.iter().map(|(name, _)| *name).filter(|name| head.has_parameter(name));
    named.all(|name| operation.route.query.contains(&name))
}

/// The answer for a request that no operation serves.
pub fn unconfigured(head: &Head) -> Result<Reply, S3Error> {
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    let Some((name, answer)) = subresource(head) else {
        let code = if reads { S3Code::MethodNotAllowed } else { S3Code::NotImplemented };
        return Err(code.into());
    };
    if !reads {
        return Err(not_here(name));
    }
    match answer {
        Unconfigured::Empty(root) => Ok(Reply::xml(xml::empty_configuration(root))),
        Unconfigured::Missing(code) => Err((*code).into()),
        Unconfigured::OwnerPays => Ok(Reply::xml(xml::RequestPayment.render())),
        Unconfigured::Refused => Err(not_here(name)),
    }
}

/// Names the query parameter, as a header that is not obeyed is named.
fn not_here(parameter: &str) -> S3Error {
    let message = "A query parameter you provided implies functionality that is not implemented.";
    S3Error::with_message(S3Code::NotImplemented, message).field("QueryParameter", parameter)
}

/// Who owns every bucket of this cluster, and every object that does not belong to an access key, as S3 shows
/// owners: one canonical user. The canonical id of an access key is its id.
pub const OWNER_ID: &str = "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a";
/// Its display name.
pub const OWNER_NAME: &str = "garage";

/// Refuses a request that expects another owner than the bucket has.
pub fn check_expected_owner(expected: &str, _bucket: &BucketRow) -> Result<(), S3Error> {
    if expected == OWNER_ID { Ok(()) } else { Err(S3Code::AccessDenied.into()) }
}
