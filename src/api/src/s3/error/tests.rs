//! The table of codes, the mapping of this crate's errors, and when a body is sent.

use http::{Method, StatusCode};

use super::{ErrorPlace, Limit, S3Code, S3Error};
use crate::body::BodyError;
use crate::checksum::{ChecksumAlgorithm, ChecksumError, ChecksumType};
use crate::s3::xml::{XmlError, XmlFault};
use crate::signature::{Malformed, SignatureError, SignatureMismatch};

const PLACE: ErrorPlace<'_> = ErrorPlace { resource: "/b/k", request_id: "R1", host_id: "H1" };

#[test]
fn codes_that_clients_decide_by() {
    let cases = [
        (S3Code::NoSuchKey, "NoSuchKey", 404),
        (S3Code::NoSuchBucket, "NoSuchBucket", 404),
        (S3Code::PreconditionFailed, "PreconditionFailed", 412),
        (S3Code::NotModified, "NotModified", 304),
        (S3Code::InvalidRange, "InvalidRange", 416),
        (S3Code::BucketAlreadyOwnedByYou, "BucketAlreadyOwnedByYou", 409),
        (S3Code::ConditionalRequestConflict, "ConditionalRequestConflict", 409),
        (S3Code::SlowDown, "SlowDown", 503),
        (S3Code::ServiceUnavailable, "ServiceUnavailable", 503),
        (S3Code::InsufficientStorage, "InsufficientStorage", 507),
        (S3Code::NotImplemented, "NotImplemented", 501),
        (S3Code::MissingContentLength, "MissingContentLength", 411),
        (S3Code::RequestTimeout, "RequestTimeout", 400),
        (S3Code::NoSuchTagSet, "NoSuchTagSet", 404),
    ];
    for (code, name, status) in cases {
        assert_eq!((code.name(), code.status().as_u16()), (name, status));
    }
}

#[test]
fn every_code_has_a_status_and_a_message() {
    let mut names: Vec<_> = S3Code::ALL.iter().map(|code| code.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), S3Code::ALL.len());
    for code in S3Code::ALL {
        let status = code.status();
        assert!(status == StatusCode::NOT_MODIFIED || status.as_u16() >= 400, "{code:?}");
        assert!(!code.message().is_empty(), "{code:?}");
    }
}

#[test]
fn the_limit_of_downloads_is_the_one_that_is_named() {
    let named = format!("({} blocks of 1 MiB)", model::SENDING_MAX_BLOCKS);
    assert!(S3Error::from(Limit::DownloadMemory).message.contains(&named));
}

#[test]
fn a_body_names_its_request() {
    let error = S3Error::new(S3Code::NoSuchBucket).field("BucketName", "b");
    let body = error.body(&Method::GET, PLACE).map(|body| String::from_utf8(body).unwrap());
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchBucket</Code>\
                    <Message>The specified bucket does not exist</Message><BucketName>b</BucketName>\
                    <Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>H1</HostId></Error>";
    assert_eq!(body.as_deref(), Some(expected));
}

#[test]
fn head_and_not_modified_have_no_body() {
    assert_eq!(S3Error::new(S3Code::NoSuchKey).body(&Method::HEAD, PLACE), None);
    assert_eq!(S3Error::new(S3Code::NotModified).body(&Method::GET, PLACE), None);
    assert!(S3Error::new(S3Code::PreconditionFailed).body(&Method::GET, PLACE).is_some());
}

#[test]
fn an_argument_error_names_the_argument() {
    let error = S3Error::invalid_argument("max-keys", "x", "not an integer");
    let fields = [("ArgumentName", "max-keys".to_owned()), ("ArgumentValue", "x".to_owned())];
    assert_eq!((error.code, error.fields.as_slice()), (S3Code::InvalidArgument, fields.as_slice()));
}

fn signature_errors() -> Vec<SignatureError> {
    let mismatch = SignatureMismatch {
        access_key_id: "GK1".into(),
        signature_provided: "00".into(),
        string_to_sign: "s".into(),
        canonical_request: "c".into(),
    };
    vec![
        SignatureError::MechanismNotSupported,
        SignatureError::UnknownAuthorizationType,
        SignatureError::SeveralMechanisms,
        SignatureError::MissingContentSha256,
        SignatureError::InvalidContentSha256,
        SignatureError::InvalidDate,
        SignatureError::AuthorizationHeaderMalformed(Malformed::Region { expected: "eu".into() }),
        SignatureError::AuthorizationQueryParametersError(Malformed::Service),
        SignatureError::HeadersNotSigned(vec!["host".into()]),
        SignatureError::RequestTimeTooSkewed { request_unix_s: -5, server_unix_s: 0 },
        SignatureError::PresignedLifetimeOutOfRange,
        SignatureError::PresignedExpired { expires_unix_s: 0, server_unix_s: 1 },
        SignatureError::PresignedNotYetValid,
        SignatureError::InvalidAccessKeyId("GK1".into()),
        SignatureError::SignatureDoesNotMatch(Box::new(mismatch)),
    ]
}

#[test]
fn signature_errors_keep_their_code_and_status() {
    for error in signature_errors() {
        let (code, status, message) = (error.code(), error.status(), error.to_string());
        let told = S3Error::from(error);
        assert_eq!(
            (told.code.name(), told.status(), told.message.as_ref()),
            (code, status, message.as_str())
        );
    }
}

#[test]
fn signature_errors_tell_what_helps() {
    let fields: Vec<Vec<_>> = signature_errors()
        .into_iter()
        .map(|error| S3Error::from(error).fields.into_iter().map(|(name, _)| name).collect())
        .collect();
    assert_eq!(fields[6], ["Region"]);
    assert_eq!(fields[9], ["RequestTime", "ServerTime", "MaxAllowedSkewMilliseconds"]);
    assert_eq!(fields[13], ["AWSAccessKeyId"]);
    assert_eq!(fields[14], ["AWSAccessKeyId", "StringToSign", "SignatureProvided", "CanonicalRequest"]);
    let wrong_region =
        SignatureError::AuthorizationHeaderMalformed(Malformed::Region { expected: "eu".into() });
    let headers = S3Error::from(wrong_region).headers;
    assert_eq!((headers[0].0.as_str(), headers[0].1.as_bytes()), ("x-amz-bucket-region", b"eu".as_slice()));
}

#[test]
fn body_and_checksum_errors_keep_their_code_and_status() {
    for error in [
        BodyError::IncompleteBody,
        BodyError::MissingDecodedLength,
        BodyError::InvalidLength,
        BodyError::InvalidContentSha256,
        BodyError::SignatureRequired,
        BodyError::MalformedChunk,
        BodyError::ChunkTooLarge,
        BodyError::ChunkSignatureMismatch,
        BodyError::MalformedTrailer,
        BodyError::ContentSha256Mismatch { announced: [0; 32], computed: [0; 32] },
    ] {
        let told = S3Error::from(error);
        assert_eq!((told.code.name(), told.status()), (error.code(), error.status()), "{error:?}");
    }
    for error in [
        ChecksumError::InvalidContentMd5,
        ChecksumError::InvalidValue(ChecksumAlgorithm::Crc32),
        ChecksumError::SeveralValues,
        ChecksumError::UnknownAlgorithm,
        ChecksumError::UnsupportedTrailer,
        ChecksumError::AnnouncedButAbsent,
        ChecksumError::AnnouncedOther,
        ChecksumError::UnknownType,
        ChecksumError::TypeNotSupported(ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
        ChecksumError::ContentMd5Mismatch,
        ChecksumError::Mismatch(ChecksumAlgorithm::Crc32),
    ] {
        let told = S3Error::from(error);
        assert_eq!((told.code.name(), told.status().as_u16()), (error.code(), 400), "{error:?}");
    }
}

#[test]
fn xml_errors_have_their_codes() {
    let cases = [
        (XmlError::TooLarge { limit_bytes: 1 }, S3Code::MaxMessageLengthExceeded),
        (XmlError::Malformed(XmlFault::DocumentType), S3Code::MalformedXML),
        (XmlError::PartNumberOutOfRange, S3Code::InvalidArgument),
        (XmlError::NotImplemented { element: "Tags" }, S3Code::NotImplemented),
    ];
    for (error, code) in cases {
        assert_eq!(S3Error::from(error).code, code);
    }
}
