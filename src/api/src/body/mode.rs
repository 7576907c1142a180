//! What a request says about its body in `x-amz-content-sha256`.

/// How the body is signed, and whether it is framed in signed or unsigned chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadMode {
    /// `UNSIGNED-PAYLOAD`: nothing is known about the bytes.
    Unsigned,
    /// The SHA-256 of the whole body.
    Signed([u8; 32]),
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD`: each chunk is signed.
    StreamingSigned,
    /// `STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER`: each chunk and the trailer are signed.
    StreamingSignedTrailer,
    /// `STREAMING-UNSIGNED-PAYLOAD-TRAILER`: unsigned chunks and an unsigned trailer.
    StreamingUnsignedTrailer,
}

impl PayloadMode {
    /// Reads the value of `x-amz-content-sha256`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "UNSIGNED-PAYLOAD" => Some(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Some(Self::StreamingSigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Some(Self::StreamingSignedTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(Self::StreamingUnsignedTrailer),
            hash => crate::signature::parse_hash_hex(hash.to_ascii_lowercase().as_bytes()).map(Self::Signed),
        }
    }

    /// Whether this mode is framed in chunks by its very name. Such a body may be sent only to the
    /// operations that store one: PutObject and UploadPart.
    pub fn is_streaming(&self) -> bool {
        match self {
            Self::Unsigned | Self::Signed(_) => false,
            Self::StreamingSigned | Self::StreamingSignedTrailer | Self::StreamingUnsignedTrailer => true,
        }
    }

    /// Whether each chunk carries a signature.
    pub fn has_signed_chunks(&self) -> bool {
        match self {
            Self::Unsigned | Self::Signed(_) | Self::StreamingUnsignedTrailer => false,
            Self::StreamingSigned | Self::StreamingSignedTrailer => true,
        }
    }
}
