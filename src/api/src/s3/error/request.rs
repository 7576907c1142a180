//! What is wrong with a request, as a client is told: signature, body, checksum and XML errors.
//!
//! Always holds: no wildcard, so that a new variant must be given its answer here.

use http::header::{HeaderName, HeaderValue};

use super::{S3Code, S3Error};
use crate::body::BodyError;
use crate::checksum::ChecksumError;
use crate::dates;
use crate::s3::xml::XmlError;
use crate::signature::{SignatureError, SignatureMismatch};
use base::id::encode_hex;

/// AWS's and our allowance for a client's clock: 15 minutes.
const SKEW_MAX_MS: &str = "900000";

impl From<XmlError> for S3Error {
    fn from(error: XmlError) -> Self {
        let code = match error {
            XmlError::TooLarge { .. } => S3Code::MaxMessageLengthExceeded,
            XmlError::Malformed(_) => S3Code::MalformedXML,
            XmlError::PartNumberOutOfRange => S3Code::InvalidArgument,
            XmlError::NotImplemented { .. } => S3Code::NotImplemented,
        };
        Self::with_message(code, error.to_string())
    }
}

impl S3Error {
    /// What is wrong with the document of an access control list, for which AWS has a code of its own.
    pub fn of_acl(error: XmlError) -> Self {
        match Self::from(error) {
            told if told.code == S3Code::MalformedXML => Self { code: S3Code::MalformedACLError, ..told },
            told => told,
        }
    }
}

impl From<BodyError> for S3Error {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::IncompleteBody => S3Code::IncompleteBody,
            BodyError::MissingDecodedLength => S3Code::MissingContentLength,
            BodyError::InvalidLength | BodyError::InvalidContentSha256 => S3Code::InvalidArgument,
            BodyError::SignatureRequired | BodyError::MalformedChunk => S3Code::InvalidRequest,
            BodyError::ChunkTooLarge => S3Code::InvalidChunkSizeError,
            BodyError::ChunkSignatureMismatch => S3Code::SignatureDoesNotMatch,
            BodyError::MalformedTrailer => S3Code::MalformedTrailerError,
            BodyError::ContentSha256Mismatch { .. } => S3Code::XAmzContentSHA256Mismatch,
        };
        let told = Self::with_message(code, error.to_string());
        match error {
            BodyError::ContentSha256Mismatch { announced, computed } => told
                .field("ClientComputedContentSHA256", encode_hex(&announced))
                .field("S3ComputedContentSHA256", encode_hex(&computed)),
            _ => told,
        }
    }
}

impl From<ChecksumError> for S3Error {
    fn from(error: ChecksumError) -> Self {
        let code = match error {
            ChecksumError::InvalidContentMd5 => S3Code::InvalidDigest,
            ChecksumError::ContentMd5Mismatch | ChecksumError::Mismatch(_) => S3Code::BadDigest,
            ChecksumError::InvalidValue(_)
            | ChecksumError::SeveralValues
            | ChecksumError::UnknownAlgorithm
            | ChecksumError::UnsupportedTrailer
            | ChecksumError::AnnouncedButAbsent
            | ChecksumError::AnnouncedOther
            | ChecksumError::UnknownType
            | ChecksumError::TypeNotSupported(..) => S3Code::InvalidRequest,
        };
        Self::with_message(code, error.to_string())
    }
}

impl From<SignatureError> for S3Error {
    fn from(error: SignatureError) -> Self {
        let told = Self::with_message(signature_code(&error), error.to_string());
        let told = match error.expected_region() {
            Some(region) => with_region(told, region),
            None => told,
        };
        match error {
            SignatureError::RequestTimeTooSkewed { request_unix_s, server_unix_s } => told
                .field("RequestTime", iso8601(request_unix_s))
                .field("ServerTime", iso8601(server_unix_s))
                .field("MaxAllowedSkewMilliseconds", SKEW_MAX_MS),
            SignatureError::PresignedExpired { expires_unix_s, server_unix_s } => {
                told.field("Expires", iso8601(expires_unix_s)).field("ServerTime", iso8601(server_unix_s))
            }
            SignatureError::HeadersNotSigned(names) => told.field("HeadersNotSigned", names.join(", ")),
            SignatureError::InvalidAccessKeyId(id) => told.field("AWSAccessKeyId", id),
            SignatureError::SignatureDoesNotMatch(mismatch) => with_mismatch(told, *mismatch),
            SignatureError::MechanismNotSupported
            | SignatureError::UnknownAuthorizationType
            | SignatureError::SeveralMechanisms
            | SignatureError::MissingContentSha256
            | SignatureError::InvalidContentSha256
            | SignatureError::InvalidDate
            | SignatureError::AuthorizationHeaderMalformed(_)
            | SignatureError::FormMalformed(_)
            | SignatureError::AuthorizationQueryParametersError(_)
            | SignatureError::PresignedLifetimeOutOfRange
            | SignatureError::PresignedNotYetValid => told,
        }
    }
}

fn signature_code(error: &SignatureError) -> S3Code {
    match error {
        SignatureError::MechanismNotSupported | SignatureError::MissingContentSha256 => {
            S3Code::InvalidRequest
        }
        SignatureError::UnknownAuthorizationType
        | SignatureError::SeveralMechanisms
        | SignatureError::FormMalformed(_)
        | SignatureError::InvalidContentSha256 => S3Code::InvalidArgument,
        SignatureError::AuthorizationHeaderMalformed(_) => S3Code::AuthorizationHeaderMalformed,
        SignatureError::AuthorizationQueryParametersError(_)
        | SignatureError::PresignedLifetimeOutOfRange => S3Code::AuthorizationQueryParametersError,
        SignatureError::InvalidDate
        | SignatureError::HeadersNotSigned(_)
        | SignatureError::PresignedExpired { .. }
        | SignatureError::PresignedNotYetValid => S3Code::AccessDenied,
        SignatureError::RequestTimeTooSkewed { .. } => S3Code::RequestTimeTooSkewed,
        SignatureError::InvalidAccessKeyId(_) => S3Code::InvalidAccessKeyId,
        SignatureError::SignatureDoesNotMatch(_) => S3Code::SignatureDoesNotMatch,
    }
}

/// SDKs read the right region from `<Region>`, and from the header when HEAD has no body.
fn with_region(told: S3Error, region: &str) -> S3Error {
    let told = told.field("Region", region);
    match HeaderValue::from_str(region) {
        Ok(value) => told.header(HeaderName::from_static("x-amz-bucket-region"), value),
        Err(_) => told,
    }
}

fn with_mismatch(told: S3Error, mismatch: SignatureMismatch) -> S3Error {
    told.field("AWSAccessKeyId", mismatch.access_key_id)
        .field("StringToSign", mismatch.string_to_sign)
        .field("SignatureProvided", mismatch.signature_provided)
        .field("CanonicalRequest", mismatch.canonical_request)
}

/// Times before 1970 are shown as 1970.
fn iso8601(unix_s: i64) -> String {
    dates::iso8601_ms(u64::try_from(unix_s).unwrap_or(0).saturating_mul(1000))
}
