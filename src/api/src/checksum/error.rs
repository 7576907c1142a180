//! Why a checksum was refused. Each variant is one answer a client can be given.

use super::algorithm::{ChecksumAlgorithm, ChecksumType};

/// A checksum that cannot be read, is not allowed or does not match. All are answered with status 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// `Content-MD5` is not the base64 form of 16 bytes.
    #[error("The Content-MD5 you specified is not valid.")]
    InvalidContentMd5,
    /// The value of an algorithm's header or trailer is not the base64 form of a value.
    #[error("Value for {} header is invalid.", .0.header_name())]
    InvalidValue(ChecksumAlgorithm),
    /// More than one checksum.
    #[error("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")]
    SeveralValues,
    /// An algorithm's name, or the name in a checksum header, is not one of ours.
    #[error(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, \
         CRC64NVME, SHA1, SHA256, SHA512, MD5, XXHASH64, XXHASH3, XXHASH128]"
    )]
    UnknownAlgorithm,
    /// `x-amz-trailer` announces something that is no checksum, or more than one.
    #[error("The value specified in the x-amz-trailer header is not supported")]
    UnsupportedTrailer,
    /// `x-amz-sdk-checksum-algorithm` names an algorithm of which there is no value.
    #[error(
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers \
         were found."
    )]
    AnnouncedButAbsent,
    /// `x-amz-sdk-checksum-algorithm` names another algorithm than the value's.
    #[error("Value for x-amz-sdk-checksum-algorithm header is invalid.")]
    AnnouncedOther,
    /// `x-amz-checksum-type` is neither `COMPOSITE` nor `FULL_OBJECT`.
    #[error("Value for x-amz-checksum-type header is invalid.")]
    UnknownType,
    /// The algorithm has no checksum of this type.
    #[error("The {} checksum type cannot be used with the {} checksum algorithm.", .1.name(), .0.name())]
    TypeNotSupported(ChecksumAlgorithm, ChecksumType),
    /// The body's `Content-MD5` is another one.
    #[error("The Content-MD5 you specified did not match what we received.")]
    ContentMd5Mismatch,
    /// The body's checksum is another one.
    #[error("The {} you specified did not match the calculated checksum.", .0.name())]
    Mismatch(ChecksumAlgorithm),
}

impl ChecksumError {
    /// The S3 error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidContentMd5 => "InvalidDigest",
            Self::ContentMd5Mismatch | Self::Mismatch(_) => "BadDigest",
            Self::InvalidValue(_)
            | Self::SeveralValues
            | Self::UnknownAlgorithm
            | Self::UnsupportedTrailer
            | Self::AnnouncedButAbsent
            | Self::AnnouncedOther
            | Self::UnknownType
            | Self::TypeNotSupported(..) => "InvalidRequest",
        }
    }
}
