//! Why a request's signature was refused. Each variant is one answer a client can be given; `code`
//! and `status` hold the S3 error code and the HTTP status, so that the one error map needs no guess.
//!
//! Always holds: nothing here contains a secret key or a signing key. `SignatureMismatch` repeats only
//! what the client itself sent, in canonical form, so that the client can find its own mistake.
//!
//! Units: `*_unix_s` are seconds since 1970-01-01 UTC.

use http::StatusCode;

/// A refused signature, or a request whose credentials cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Signature version 2 (`Authorization: AWS key:signature`, or `AWSAccessKeyId=` in the query)
    /// or the asymmetric version 4 (`AWS4-ECDSA-P256-SHA256`).
    #[error("The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")]
    MechanismNotSupported,
    /// An `Authorization` header of another kind, such as `Basic` or `Bearer`.
    #[error("Unsupported Authorization Type")]
    UnknownAuthorizationType,
    /// Credentials in the header and in the query, or more than one `Authorization` header.
    #[error(
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string \
         parameter or the Authorization header should be specified"
    )]
    SeveralMechanisms,
    /// Header authentication without the `x-amz-content-sha256` header.
    #[error("Missing required header for this request: x-amz-content-sha256")]
    MissingContentSha256,
    /// `x-amz-content-sha256` is neither a known mode nor 64 hexadecimal digits.
    #[error(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
    )]
    InvalidContentSha256,
    /// Neither `X-Amz-Date` nor `Date` holds a time that can be read.
    #[error("AWS authentication requires a valid Date or x-amz-date header")]
    InvalidDate,
    /// The `Authorization` header cannot be used as it stands.
    #[error("The authorization header is malformed; {0}")]
    AuthorizationHeaderMalformed(Malformed),
    /// The `X-Amz-*` query parameters cannot be used as they stand.
    #[error("Error parsing the X-Amz query parameters; {0}")]
    AuthorizationQueryParametersError(Malformed),
    /// The credentials of an upload form cannot be used as they stand.
    #[error("The credentials of the form are malformed; {0}")]
    FormMalformed(Malformed),
    /// `host` or an `x-amz-*` header is in the request but not in its list of signed headers.
    #[error("There were headers present in the request which were not signed: {}", .0.join(", "))]
    HeadersNotSigned(Vec<String>),
    /// The request's clock and ours differ by more than 15 minutes.
    #[error("The difference between the request time and the current time is too large.")]
    RequestTimeTooSkewed {
        /// When the request says it was signed.
        request_unix_s: i64,
        /// Our clock.
        server_unix_s: i64,
    },
    /// `X-Amz-Expires` is not a number from 1 to 604800.
    #[error("X-Amz-Expires must be a number of seconds from 1 to 604800")]
    PresignedLifetimeOutOfRange,
    /// The presigned request's lifetime is over.
    #[error("Request has expired")]
    PresignedExpired {
        /// The last second at which it was valid.
        expires_unix_s: i64,
        /// Our clock.
        server_unix_s: i64,
    },
    /// The presigned request's date lies more than 15 minutes ahead.
    #[error("Request is not valid yet")]
    PresignedNotYetValid,
    /// No key with this id.
    #[error("The AWS Access Key Id you provided does not exist in our records.")]
    InvalidAccessKeyId(String),
    /// The signature is not the one computed with the key's secret.
    #[error(
        "The request signature we calculated does not match the signature you provided. Check your key and \
         signing method."
    )]
    SignatureDoesNotMatch(Box<SignatureMismatch>),
}

/// What we computed for a request whose signature did not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureMismatch {
    /// The key id named in the request.
    pub access_key_id: String,
    /// The signature the request carried, as sent.
    pub signature_provided: String,
    /// Our string to sign, for the request as received.
    pub string_to_sign: String,
    /// Our canonical request, for the request as received; bytes that are no UTF-8 are replaced.
    pub canonical_request: String,
}

/// What is wrong with an `Authorization` header or with the `X-Amz-*` query parameters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A component (`Credential`, `X-Amz-Date`, …) is absent.
    #[error("the component {0} is missing")]
    Missing(&'static str),
    /// A component occurs twice.
    #[error("the component {0} is given more than once")]
    Repeated(&'static str),
    /// A component cannot be read.
    #[error("the component {0} is not valid")]
    Invalid(&'static str),
    /// The header holds something that is no component at all.
    #[error("it holds an unknown component")]
    UnknownComponent,
    /// The credential is not `key/date/region/service/aws4_request`.
    #[error("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")]
    Credential,
    /// The credential's service is not `s3`.
    #[error("incorrect service. This endpoint belongs to \"s3\".")]
    Service,
    /// The credential's date is not the day of the request's time.
    #[error("invalid credential date. This date is not the same as X-Amz-Date.")]
    ScopeDate,
    /// A region is required here, and the credential names another one.
    #[error("the region is wrong; expecting '{expected}'")]
    Region {
        /// The region to sign for; the answer carries it as `<Region>`.
        expected: String,
    },
}

impl SignatureError {
    /// The S3 error code of this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MechanismNotSupported | Self::MissingContentSha256 => "InvalidRequest",
            Self::UnknownAuthorizationType
            | Self::SeveralMechanisms
            | Self::FormMalformed(_)
            | Self::InvalidContentSha256 => "InvalidArgument",
            Self::AuthorizationHeaderMalformed(_) => "AuthorizationHeaderMalformed",
            Self::AuthorizationQueryParametersError(_) | Self::PresignedLifetimeOutOfRange => {
                "AuthorizationQueryParametersError"
            }
            Self::InvalidDate
            | Self::HeadersNotSigned(_)
            | Self::PresignedExpired { .. }
            | Self::PresignedNotYetValid => "AccessDenied",
            Self::RequestTimeTooSkewed { .. } => "RequestTimeTooSkewed",
            Self::InvalidAccessKeyId(_) => "InvalidAccessKeyId",
            Self::SignatureDoesNotMatch(_) => "SignatureDoesNotMatch",
        }
    }

    /// The HTTP status of this refusal.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MechanismNotSupported
            | Self::UnknownAuthorizationType
            | Self::SeveralMechanisms
            | Self::MissingContentSha256
            | Self::InvalidContentSha256
            | Self::AuthorizationHeaderMalformed(_)
            | Self::FormMalformed(_)
            | Self::AuthorizationQueryParametersError(_)
            | Self::PresignedLifetimeOutOfRange => StatusCode::BAD_REQUEST,
            Self::InvalidDate
            | Self::HeadersNotSigned(_)
            | Self::RequestTimeTooSkewed { .. }
            | Self::PresignedExpired { .. }
            | Self::PresignedNotYetValid
            | Self::InvalidAccessKeyId(_)
            | Self::SignatureDoesNotMatch(_) => StatusCode::FORBIDDEN,
        }
    }

    /// The region to sign for, where the wrong one was the reason.
    pub fn expected_region(&self) -> Option<&str> {
        match self {
            Self::AuthorizationHeaderMalformed(Malformed::Region { expected })
            | Self::FormMalformed(Malformed::Region { expected })
            | Self::AuthorizationQueryParametersError(Malformed::Region { expected }) => Some(expected),
            _ => None,
        }
    }
}
