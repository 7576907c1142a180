//! Why a body was refused. Each variant is one answer a client can be given.

use http::StatusCode;

/// A body that is not what its request announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body ended early, or holds fewer or more bytes than announced.
    #[error("The request body terminated unexpectedly")]
    IncompleteBody,
    /// A streaming mode without `x-amz-decoded-content-length`.
    #[error("You must provide the x-amz-decoded-content-length HTTP header.")]
    MissingDecodedLength,
    /// A length header is not a number.
    #[error("The length of the body is not a valid number")]
    InvalidLength,
    /// The content hash header of an unsigned request cannot be read.
    #[error("x-amz-content-sha256 is not valid")]
    InvalidContentSha256,
    /// Signed chunks in a request that carries no signature.
    #[error("A body of signed chunks needs a signed request")]
    SignatureRequired,
    /// The framing of the chunks cannot be read.
    #[error("The aws-chunked framing of the request body is malformed")]
    MalformedChunk,
    /// A chunk longer than `MAX_CHUNK_SIZE_BYTES`.
    #[error("A chunk of the request body is too large")]
    ChunkTooLarge,
    /// A chunk's signature, or the trailer's, is not the one computed.
    #[error("The chunk signature we calculated does not match the signature you provided.")]
    ChunkSignatureMismatch,
    /// The trailer is unreadable, too long, or not the one announced in `x-amz-trailer`.
    #[error(
        "The request contained trailing data that was not well-formed or did not conform to our published schema."
    )]
    MalformedTrailer,
    /// The whole body has another SHA-256 than the signed one.
    #[error("The provided 'x-amz-content-sha256' header does not match what was computed.")]
    ContentSha256Mismatch {
        /// What the header says.
        announced: [u8; 32],
        /// What was received.
        computed: [u8; 32],
    },
}

impl BodyError {
    /// The S3 error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::IncompleteBody => "IncompleteBody",
            Self::MissingDecodedLength => "MissingContentLength",
            Self::InvalidLength | Self::InvalidContentSha256 => "InvalidArgument",
            Self::SignatureRequired | Self::MalformedChunk => "InvalidRequest",
            Self::ChunkTooLarge => "InvalidChunkSizeError",
            Self::ChunkSignatureMismatch => "SignatureDoesNotMatch",
            Self::MalformedTrailer => "MalformedTrailerError",
            Self::ContentSha256Mismatch { .. } => "XAmzContentSHA256Mismatch",
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingDecodedLength => StatusCode::LENGTH_REQUIRED,
            Self::ChunkSignatureMismatch => StatusCode::FORBIDDEN,
            Self::IncompleteBody
            | Self::InvalidLength
            | Self::InvalidContentSha256
            | Self::SignatureRequired
            | Self::MalformedChunk
            | Self::ChunkTooLarge
            | Self::MalformedTrailer
            | Self::ContentSha256Mismatch { .. } => StatusCode::BAD_REQUEST,
        }
    }
}
