//! Every error an S3 client can be given: code, status and message, in one table.
//!
//! Why one enum: SDKs decide by code and status whether to retry, to create or to give up, so both belong to
//! the protocol and are stated once. Layers keep their own errors; each is turned into an [`S3Error`] by one
//! exhaustive match (those of this crate in `error/request.rs`). Always holds: the body's code, the status and
//! the `x-amz-request-id` agree; an answer to HEAD and a 304 have no body.
//!
//! A full disk is `InsufficientStorage` with status 507, a choice of ours since AWS has no such code: SDKs
//! retry 500, 502, 503 and 504 with growing pauses, which would only delay a failure that a person must
//! repair, while 507 is reported at once.

mod request;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::xml::ErrorBody;

/// `Content-Type` of every error body.
pub const ERROR_CONTENT_TYPE: &str = "application/xml";

macro_rules! codes {
    // The name on the wire, where it is not one in Rust.
    (@name $name:ident $text:literal) => { $text };
    (@name $name:ident) => { stringify!($name) };
    ($($name:ident $(as $text:literal)? $status:literal $message:literal,)+) => {
        /// An S3 error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum S3Code {
            $(#[doc = concat!("Status ", stringify!($status), ": ", $message)] $name,)+
        }

        impl S3Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name that stands in `<Code>`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => codes!(@name $name $($text)?),)+ }
            }

            const fn status_number(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// What a person reads when the error brings no text of its own.
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)+ }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported 400 "The bucket does not allow ACLs",
    AccessDenied 403 "Access Denied",
    AccessForbidden 403 "CORSResponse: This CORS request is not allowed.",
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid.",
    AuthorizationQueryParametersError 400 "Error parsing the X-Amz-Credential parameter.",
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what the server received.",
    BadRequest 400 "Bad Request",
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.",
    BucketAlreadyOwnedByYou 409 "Your previous request to create the named bucket succeeded and you already own it.",
    BucketNotEmpty 409 "The bucket you tried to delete is not empty",
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource.",
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed size",
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed size",
    IllegalLocationConstraintException 400 "The specified location constraint is incompatible for the region specific endpoint this request was sent to.",
    IllegalVersioningConfigurationException 400 "The Versioning element must be specified",
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header",
    InsufficientStorage 507 "There is not enough free space to store this. Reading and deleting still work.",
    InternalError 500 "We encountered an internal error. Please try again.",
    InvalidAccessKeyId 403 "The AWS Access Key Id you provided does not exist in our records.",
    InvalidArgument 400 "Invalid Argument",
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
    InvalidBucketName 400 "The specified bucket is not valid.",
    InvalidBucketState 409 "The request is not valid with the current state of the bucket.",
    InvalidChunkSizeError 400 "Only the last chunk is allowed to have a size less than 8192 bytes",
    InvalidDigest 400 "The Content-MD5 or checksum value that you specified is not valid.",
    InvalidEncryptionAlgorithmError 400 "The encryption request you specified is not valid. The valid value is AES256.",
    InvalidLocationConstraint 400 "The specified location-constraint is not valid",
    InvalidPart 400 "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
    InvalidPartNumber 416 "The requested partnumber is not satisfiable",
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number.",
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document.",
    InvalidRange 416 "The requested range is not satisfiable",
    InvalidRedirectLocation 400 "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.",
    InvalidRequest 400 "Invalid Request",
    InvalidRetentionPeriod 400 "The retention period specified is invalid",
    InvalidStorageClass 400 "The storage class you specified is not valid",
    InvalidTag 400 "The tag provided was not a valid tag.",
    InvalidTargetBucketForLogging 400 "The target bucket for logging does not exist or is not owned by you.",
    InvalidToken 400 "The provided token is malformed or otherwise invalid.",
    InvalidURI 400 "Couldn't parse the specified URI.",
    KeyTooLongError 400 "Your key is too long",
    KmsNotFoundException as "KMS.NotFoundException" 400 "Invalid keyId: there is no encryption key of that name.",
    MalformedACLError 400 "The XML you provided was not well-formed or did not validate against our published schema",
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data.",
    MalformedPolicy 400 "The policy is not in the valid JSON format.",
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema.",
    MalformedXML 400 "The XML you provided was not well-formed or did not validate against our published schema",
    MaxMessageLengthExceeded 400 "Your request was too big.",
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large.",
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size",
    MethodNotAllowed 405 "The specified method is not allowed against this resource.",
    MissingContentLength 411 "You must provide the Content-Length HTTP header.",
    MissingSecurityHeader 400 "Your request was missing a required header",
    NoSuchBucket 404 "The specified bucket does not exist",
    NoSuchBucketPolicy 404 "The bucket policy does not exist",
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist",
    NoSuchConfiguration 404 "The specified configuration does not exist.",
    NoSuchKey 404 "The specified key does not exist.",
    NoSuchLifecycleConfiguration 404 "The lifecycle configuration does not exist",
    NoSuchObjectLockConfiguration 404 "The specified object does not have a ObjectLock configuration",
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found",
    NoSuchTagSet 404 "The TagSet does not exist",
    NoSuchUpload 404 "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
    NoSuchVersion 404 "The specified version does not exist.",
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration",
    NotImplemented 501 "A header or query you provided implies functionality that is not implemented.",
    NotModified 304 "Not Modified",
    ObjectLockConfigurationNotFoundError 404 "Object Lock configuration does not exist for this bucket",
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again.",
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found",
    PreconditionFailed 412 "At least one of the pre-conditions you specified did not hold",
    QuotaExceeded 403 "The quota of this bucket does not allow this write.",
    ReplicationConfigurationNotFoundError 404 "The replication configuration was not found",
    RequestHeaderSectionTooLarge 400 "Your request header section exceeds the maximum allowed request header section size.",
    RequestTimeTooSkewed 403 "The difference between the request time and the current time is too large.",
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period.",
    ServerSideEncryptionConfigurationNotFoundError 404 "The server side encryption configuration was not found",
    ServiceUnavailable 503 "Service is unable to handle request.",
    SignatureDoesNotMatch 403 "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
    SlowDown 503 "Please reduce your request rate.",
    TooManyBuckets 400 "You have attempted to create more buckets than allowed",
    UnexpectedContent 400 "This request contains unsupported content.",
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed.",
}

impl S3Code {
    /// HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.status_number()).expect("every number in the table is an HTTP status")
    }
}

/// A limit at which clients are told to slow down (503 `SlowDown`, with `Retry-After`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The memory of all uploads together: `block_ram_buffer_max`.
    UploadMemory,
    /// The memory of all bodies on their way to clients: [`model::SENDING_MAX_BLOCKS`].
    DownloadMemory,
}

impl Limit {
    /// What a person reads.
    const fn message(self) -> &'static str {
        match self {
            Self::UploadMemory => {
                "Please reduce your request rate: all memory for bodies that are being uploaded is in use (block_ram_buffer_max)."
            }
            Self::DownloadMemory => {
                "Please reduce your request rate: all memory for bodies on their way to clients is in use (256 blocks of 1 MiB)."
            }
        }
    }
}

impl From<Limit> for S3Error {
    fn from(limit: Limit) -> Self {
        Self::with_message(S3Code::SlowDown, limit.message())
    }
}

/// What a failed request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Error {
    /// Decides status and `<Code>`.
    pub code: S3Code,
    /// For people.
    pub message: Cow<'static, str>,
    /// Further elements of the body, such as `BucketName` or `Region`, in this order.
    pub fields: Vec<(&'static str, String)>,
    /// What is behind it, for the log alone.
    pub cause: Option<Box<str>>,
    /// Headers that belong to this error, such as `Content-Range` of a 416 or `ETag` of a 304.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Which request an error body speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorPlace<'a> {
    /// The request's path.
    pub resource: &'a str,
    /// The same as in the `x-amz-request-id` header and in the log.
    pub request_id: &'a str,
    /// The same as in the `x-amz-id-2` header.
    pub host_id: &'a str,
}

impl S3Error {
    /// The code with its own message.
    pub const fn new(code: S3Code) -> Self {
        let message = Cow::Borrowed(code.message());
        Self { code, message, fields: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// The code with a message for this case.
    pub fn with_message(code: S3Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..Self::new(code) }
    }

    /// `InvalidArgument`, naming the argument and repeating what was sent.
    pub fn invalid_argument(
        name: &str,
        value: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_message(S3Code::InvalidArgument, message)
            .field("ArgumentName", name)
            .field("ArgumentValue", value)
    }

    /// Adds an element to the body.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// The body; `None` where HTTP allows none.
    pub fn body(&self, method: &Method, place: ErrorPlace<'_>) -> Option<Vec<u8>> {
        if *method == Method::HEAD || self.code == S3Code::NotModified {
            return None;
        }
        let body = ErrorBody {
            code: self.code.name(),
            message: &self.message,
            resource: Some(place.resource),
            fields: &self.fields,
            request_id: place.request_id,
            host_id: place.host_id,
        };
        Some(body.render())
    }
}

impl From<S3Code> for S3Error {
    fn from(code: S3Code) -> Self {
        Self::new(code)
    }
}

impl std::fmt::Display for S3Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.code.name(), self.message)
    }
}

impl std::error::Error for S3Error {}
