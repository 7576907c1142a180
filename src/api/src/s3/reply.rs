//! What an operation answers: a status, headers, and a body in memory or as a stream.

use super::error::{S3Code, S3Error};
use super::versions;
use bytes::Bytes;
use futures_util::Stream;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};
use model::{BodyReader, ModelError};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// An operation's output.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: ReplyBody,
}

/// A response body.
pub enum ReplyBody {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// Block by block, of known length.
    Stream(Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>, u64),
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReplyBody::Whole(bytes) => write!(f, "Whole({:?} bytes)", bytes.as_ref().map(Bytes::len)),
            ReplyBody::Stream(_, length) => write!(f, "Stream({length} bytes)"),
        }
    }
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: ReplyBody::Whole(None) }
    }

    /// An XML answer.
    pub fn xml(body: Vec<u8>) -> Self {
        let mut reply = Self::empty(StatusCode::OK);
        reply.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
        reply.body = ReplyBody::Whole(Some(body.into()));
        reply
    }

    /// Sets a header whose value is made of safe characters, or of text that was checked when it
    /// came in.
    #[must_use]
    pub fn with(mut self, name: impl Into<HeaderName>, value: &str) -> Self {
        self.set(name.into(), value);
        self
    }

    /// Sets a header; a value that HTTP cannot carry is left out.
    pub fn set(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            self.headers.insert(name, value);
        }
    }

    /// Sends what `reader` reads, `length` bytes. The id is for the log, if that ends early.
    #[must_use]
    pub fn streaming(mut self, reader: BodyReader, length: u64, request_id: &str) -> Self {
        self.headers.insert(CONTENT_LENGTH, length.into());
        let reading = Some((reader, Box::<str>::from(request_id)));
        let stream = futures_util::stream::unfold(reading, |reading| async move {
            let (mut reader, request_id) = reading?;
            match reader.next().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some((reader, request_id)))),
                Ok(None) => None,
                Err(error) => {
                    tracing::error!(%request_id, %error, "an object could not be read to its end");
                    Some((Err(io::Error::other(error)), None))
                }
            }
        });
        self.body = ReplyBody::Stream(Box::pin(stream), length);
        self
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            ReplyBody::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            ReplyBody::Stream(stream, left) => match stream.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    *left = left.saturating_sub(bytes.len() as u64);
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            ReplyBody::Whole(bytes) => bytes.is_none(),
            ReplyBody::Stream(_, left) => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            ReplyBody::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            ReplyBody::Stream(_, left) => SizeHint::with_exact(*left),
        }
    }
}

/// The one place where the model's errors become S3 codes.
impl From<ModelError> for S3Error {
    fn from(error: ModelError) -> Self {
        let code = match &error {
            ModelError::NoSuchBucket => S3Code::NoSuchBucket,
            ModelError::NoSuchKey | ModelError::ConditionOnMissing => S3Code::NoSuchKey,
            ModelError::NoSuchVersion => S3Code::NoSuchVersion,
            ModelError::DeleteMarker => S3Code::MethodNotAllowed,
            ModelError::NoSuchUpload => S3Code::NoSuchUpload,
            ModelError::NoSuchAccessKey => S3Code::InvalidAccessKeyId,
            ModelError::AccessKeyExists => S3Code::InvalidRequest,
            ModelError::BucketNameTaken => S3Code::BucketAlreadyExists,
            ModelError::BucketAlreadyYours => S3Code::BucketAlreadyOwnedByYou,
            ModelError::BucketNotEmpty => S3Code::BucketNotEmpty,
            ModelError::ConditionFailed => S3Code::PreconditionFailed,
            ModelError::NotOwner => S3Code::AccessDenied,
            ModelError::ChangedMeanwhile => S3Code::ConditionalRequestConflict,
            ModelError::InvalidPart(_) => S3Code::InvalidPart,
            ModelError::InvalidPartOrder => S3Code::InvalidPartOrder,
            ModelError::PartTooSmall(_) => S3Code::EntityTooSmall,
            ModelError::ChecksumMismatch => S3Code::BadDigest,
            ModelError::RangeNotSatisfiable => S3Code::InvalidRange,
            ModelError::QuotaExceeded => S3Code::QuotaExceeded,
            ModelError::Unavailable
            | ModelError::InDoubt(_)
            | ModelError::Fenced
            | ModelError::BucketBusy
            | ModelError::NoLayout => S3Code::ServiceUnavailable,
            ModelError::Locked => S3Code::AccessDenied,
            ModelError::NoObjectLock => S3Code::InvalidRequest,
            ModelError::NeedsVersions | ModelError::KeepsVersions => S3Code::InvalidBucketState,
            ModelError::NewerSetting => S3Code::ServiceUnavailable,
            ModelError::CustomerKeyNeeded => S3Code::InvalidRequest,
            ModelError::WrongCustomerKey => S3Code::AccessDenied,
            ModelError::NoEncryptionSecret => S3Code::NotImplemented,
            ModelError::EncryptionSecretMissing | ModelError::UnreadRingKey => S3Code::ServiceUnavailable,
            ModelError::NoSuchEncryptionKey => S3Code::KmsNotFoundException,
            ModelError::EncryptionKeyExists => S3Code::InvalidRequest,
            ModelError::Damaged => S3Code::InternalError,
            ModelError::Store(error) => store_code(error),
            ModelError::Block(error) => block_code(error),
        };
        let cause = code.status().is_server_error().then(|| error.to_string().into_boxed_str());
        let told = |message| S3Error::with_message(code, message);
        let answer = match error {
            ModelError::Locked => told("Access Denied because object protected by object lock."),
            ModelError::NoObjectLock => told("Bucket is missing Object Lock Configuration"),
            ModelError::NeedsVersions => {
                told("Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration")
            }
            ModelError::KeepsVersions => told(
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.",
            ),
            ModelError::DeleteMarker => versions::is_marker(),
            ModelError::CustomerKeyNeeded => {
                let message = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.";
                S3Error::with_message(code, message)
            }
            ModelError::NoEncryptionSecret
            | ModelError::EncryptionSecretMissing
            | ModelError::UnreadRingKey
            | ModelError::Store(store::StoreError::Unreadable { .. }) => {
                S3Error::with_message(code, error.to_string())
            }
            ModelError::InvalidPart(number) => S3Error::new(code).field("PartNumber", number.to_string()),
            ModelError::PartTooSmall(number) => S3Error::new(code)
                .field("PartNumber", number.to_string())
                .field("MinSizeAllowed", base::limits::PART_SIZE_MIN_BYTES.to_string()),
            _ => S3Error::new(code),
        };
        S3Error { cause, ..answer }
    }
}

impl From<store::StoreError> for S3Error {
    fn from(error: store::StoreError) -> Self {
        ModelError::from(error).into()
    }
}

fn store_code(error: &store::StoreError) -> S3Code {
    use store::StoreError;
    match error {
        StoreError::Full => S3Code::InsufficientStorage,
        // The outcome is unknown: never a 4xx.
        StoreError::Failed | StoreError::Closed | StoreError::AheadOfClock(_) => S3Code::ServiceUnavailable,
        // Until it is mended.
        StoreError::Unreadable { .. } => S3Code::ServiceUnavailable,
        StoreError::Read(_) | StoreError::Panicked => S3Code::InternalError,
    }
}

fn block_code(error: &block::BlockError) -> S3Code {
    use block::BlockError;
    match error {
        BlockError::Full => S3Code::InsufficientStorage,
        BlockError::Store(error) => store_code(error),
        BlockError::DiskFailed { .. } | BlockError::NoFolder => S3Code::ServiceUnavailable,
        BlockError::Missing { .. }
        | BlockError::Damaged { .. }
        | BlockError::WrongHash { .. }
        | BlockError::TooLarge { .. }
        | BlockError::Unusable { .. } => S3Code::InternalError,
    }
}
