//! The checksum of a whole object, and how a multipart object's follows from its parts'.
//!
//! Always holds: the algorithm supports the type (`ChecksumAlgorithm::supports`) where parts were joined.
//!
//! Units: part lengths are bytes.

use std::fmt;

use http::HeaderMap;

use super::algorithm::{ChecksumAlgorithm, ChecksumType};
use super::error::ChecksumError;
use super::hasher::{Hasher, crc_algorithm, integer_value};
use super::value::ChecksumValue;

/// An object's checksum as clients see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectChecksum {
    /// Over the object's bytes.
    FullObject(ChecksumValue),
    /// Over the checksums of so many parts.
    Composite(ChecksumValue, u32),
}

impl ObjectChecksum {
    /// The composite of the parts' checksums: the algorithm over their bytes one after another. Refused
    /// when there is no part, the parts' algorithms differ, or the algorithm has no composites.
    pub fn composite(
        algorithm: ChecksumAlgorithm,
        parts: impl IntoIterator<Item = ChecksumValue>,
    ) -> Result<Self, ChecksumError> {
        if !algorithm.supports(ChecksumType::Composite) {
            return Err(ChecksumError::TypeNotSupported(algorithm, ChecksumType::Composite));
        }
        let mut hasher = Hasher::new(algorithm);
        let mut count = 0;
        for part in parts {
            if part.algorithm() != algorithm {
                return Err(ChecksumError::AnnouncedOther);
            }
            hasher.update(part.as_bytes());
            count += 1;
        }
        if count == 0 {
            return Err(ChecksumError::AnnouncedButAbsent);
        }
        Ok(Self::Composite(hasher.finish(), count))
    }

    /// The checksum of the joined bytes, from each part's checksum and length. Only for CRCs.
    pub fn full_object(
        algorithm: ChecksumAlgorithm,
        parts: impl IntoIterator<Item = (ChecksumValue, u64)>,
    ) -> Result<Self, ChecksumError> {
        let crc = crc_algorithm(algorithm)
            .ok_or(ChecksumError::TypeNotSupported(algorithm, ChecksumType::FullObject))?;
        let mut joined = None;
        for (part, size_bytes) in parts {
            if part.algorithm() != algorithm {
                return Err(ChecksumError::AnnouncedOther);
            }
            let number = part.as_bytes().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            joined = Some(match joined {
                None => number,
                Some(before) => crc_fast::checksum_combine(crc, before, number, size_bytes),
            });
        }
        let number = joined.ok_or(ChecksumError::AnnouncedButAbsent)?;
        Ok(Self::FullObject(integer_value(algorithm, number)))
    }

    /// Reads `base64` or, for a composite, `base64-N`.
    pub fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Option<Self> {
        let Some((value, count)) = text.split_once('-') else {
            return ChecksumValue::parse_base64(algorithm, text).map(Self::FullObject);
        };
        let digits = count.bytes().all(|byte| byte.is_ascii_digit());
        let count: u32 = count.parse().ok().filter(|count| digits && *count > 0)?;
        ChecksumValue::parse_base64(algorithm, value).map(|value| Self::Composite(value, count))
    }

    /// The object's checksum a CompleteMultipartUpload expects, from its headers. There it speaks of the
    /// object, not of the request's body, so `RequestChecksums` is not for that operation.
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, ChecksumError> {
        let mut found = None;
        for (name, value) in headers {
            let Some(algorithm) = ChecksumAlgorithm::from_header_name(name.as_str()) else { continue };
            let text = value.to_str().ok().map(str::trim);
            let checksum = text.and_then(|text| Self::parse(algorithm, text));
            if found.replace(checksum.ok_or(ChecksumError::InvalidValue(algorithm))?).is_some() {
                return Err(ChecksumError::SeveralValues);
            }
        }
        Ok(found)
    }

    /// The value without the number of parts.
    pub fn value(&self) -> &ChecksumValue {
        match self {
            Self::FullObject(value) | Self::Composite(value, _) => value,
        }
    }

    /// The type.
    pub fn kind(&self) -> ChecksumType {
        match self {
            Self::FullObject(_) => ChecksumType::FullObject,
            Self::Composite(..) => ChecksumType::Composite,
        }
    }
}

impl fmt::Display for ObjectChecksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FullObject(value) => formatter.write_str(&value.to_base64()),
            Self::Composite(value, count) => write!(formatter, "{}-{count}", value.to_base64()),
        }
    }
}
