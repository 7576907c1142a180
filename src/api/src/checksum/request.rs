//! The checksums a request announces or carries, and their check against its body.
//!
//! Always holds: a body passes only if every value the client sent, in a header or in the trailer, is the
//! one computed; and an announced trailer must arrive.

use http::HeaderMap;

use super::algorithm::{ChecksumAlgorithm, ChecksumType};
use super::error::ChecksumError;
use super::hasher::Hasher;
use super::value::ChecksumValue;
use crate::body::Trailers;

const PREFIX: &str = "x-amz-checksum-";
/// Headers with that prefix that carry no value.
const NO_VALUES: [&str; 3] = ["x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"];

/// The checksum a request carries besides `Content-MD5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestedChecksum {
    /// None.
    None,
    /// In a header.
    Value(ChecksumValue),
    /// In the trailer to come.
    Trailer(ChecksumAlgorithm),
}

/// All a request's headers say about checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestChecksums {
    /// `Content-MD5`.
    pub content_md5: Option<ChecksumValue>,
    /// The value's header or the announced trailer.
    pub checksum: RequestedChecksum,
    /// `x-amz-checksum-algorithm`: the algorithm an upload or a copy is to have.
    pub wanted_algorithm: Option<ChecksumAlgorithm>,
    /// `x-amz-checksum-type`.
    pub wanted_type: Option<ChecksumType>,
}

impl RequestChecksums {
    /// Of a request that says nothing about checksums of its body.
    pub const NONE: Self = Self {
        content_md5: None,
        checksum: RequestedChecksum::None,
        wanted_algorithm: None,
        wanted_type: None,
    };

    /// Reads and checks the headers.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, ChecksumError> {
        let checksum = match (value_header(headers)?, trailer_header(headers)?) {
            (None, None) => RequestedChecksum::None,
            (Some(value), None) => RequestedChecksum::Value(value),
            (None, Some(algorithm)) => RequestedChecksum::Trailer(algorithm),
            (Some(_), Some(_)) => return Err(ChecksumError::SeveralValues),
        };
        if let Some(announced) = algorithm_header(headers, "x-amz-sdk-checksum-algorithm")? {
            match checksum.algorithm() {
                None => return Err(ChecksumError::AnnouncedButAbsent),
                Some(algorithm) if algorithm != announced => return Err(ChecksumError::AnnouncedOther),
                Some(_) => {}
            }
        }
        let wanted_type = match text_header(headers, "x-amz-checksum-type") {
            None => None,
            Some(text) => {
                let kind = text.and_then(ChecksumType::from_name);
                Some(kind.ok_or(ChecksumError::UnknownType)?)
            }
        };
        Ok(Self {
            content_md5: content_md5(headers)?,
            checksum,
            wanted_algorithm: algorithm_header(headers, "x-amz-checksum-algorithm")?,
            wanted_type,
        })
    }

    /// Whether the body is protected at all, as DeleteObjects and the bucket settings demand.
    pub fn protects_body(&self) -> bool {
        self.content_md5.is_some() || self.checksum != RequestedChecksum::None
    }
}

impl RequestedChecksum {
    /// The algorithm, if there is a checksum.
    pub fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        match self {
            Self::None => None,
            Self::Value(value) => Some(value.algorithm()),
            Self::Trailer(algorithm) => Some(*algorithm),
        }
    }
}

/// Computes over one body all checksums that are needed, each once.
#[derive(Debug)]
pub struct BodyChecksums {
    requested: RequestChecksums,
    hashers: Vec<Hasher>,
}

impl BodyChecksums {
    /// For the checksums the request carries, and further ones wanted for other reasons (an ETag's MD5,
    /// the algorithm of the upload).
    pub fn new(requested: RequestChecksums, further: &[ChecksumAlgorithm]) -> Self {
        let md5 = requested.content_md5.map(|value| value.algorithm());
        let wanted = md5.into_iter().chain(requested.checksum.algorithm()).chain(further.iter().copied());
        let mut hashers: Vec<Hasher> = Vec::new();
        for algorithm in wanted {
            if hashers.iter().all(|hasher| hasher.algorithm() != algorithm) {
                hashers.push(Hasher::new(algorithm));
            }
        }
        Self { requested, hashers }
    }

    /// Takes the next bytes of the object.
    pub fn update(&mut self, bytes: &[u8]) {
        for hasher in &mut self.hashers {
            hasher.update(bytes);
        }
    }

    /// Compares with what the client sent; hands out one value for each algorithm.
    pub fn finish(self, trailers: &Trailers) -> Result<Vec<ChecksumValue>, ChecksumError> {
        let computed: Vec<ChecksumValue> = self.hashers.into_iter().map(Hasher::finish).collect();
        if self.requested.content_md5.is_some_and(|md5| !computed.contains(&md5)) {
            return Err(ChecksumError::ContentMd5Mismatch);
        }
        let expected = match self.requested.checksum {
            RequestedChecksum::None => None,
            RequestedChecksum::Value(value) => Some(value),
            RequestedChecksum::Trailer(algorithm) => {
                let text = trailers.get(algorithm.header_name()).ok_or(ChecksumError::AnnouncedButAbsent)?;
                let value = ChecksumValue::parse_base64(algorithm, text);
                Some(value.ok_or(ChecksumError::InvalidValue(algorithm))?)
            }
        };
        match expected.filter(|value| !computed.contains(value)) {
            Some(value) => Err(ChecksumError::Mismatch(value.algorithm())),
            None => Ok(computed),
        }
    }
}

/// The first value of a header; `Some(None)` if it is not text.
fn text_header<'h>(headers: &'h HeaderMap, name: &str) -> Option<Option<&'h str>> {
    headers.get(name).map(|value| value.to_str().ok().map(str::trim))
}

fn content_md5(headers: &HeaderMap) -> Result<Option<ChecksumValue>, ChecksumError> {
    let Some(text) = text_header(headers, "content-md5") else { return Ok(None) };
    let value = text.and_then(|text| ChecksumValue::parse_base64(ChecksumAlgorithm::Md5, text));
    value.map(Some).ok_or(ChecksumError::InvalidContentMd5)
}

fn value_header(headers: &HeaderMap) -> Result<Option<ChecksumValue>, ChecksumError> {
    let mut found = None;
    for (name, value) in headers {
        let name = name.as_str();
        if !name.starts_with(PREFIX) || NO_VALUES.contains(&name) {
            continue;
        }
        let algorithm = ChecksumAlgorithm::from_header_name(name).ok_or(ChecksumError::UnknownAlgorithm)?;
        let text = value.to_str().ok().map(str::trim);
        let value = text.and_then(|text| ChecksumValue::parse_base64(algorithm, text));
        if found.replace(value.ok_or(ChecksumError::InvalidValue(algorithm))?).is_some() {
            return Err(ChecksumError::SeveralValues);
        }
    }
    Ok(found)
}

fn trailer_header(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, ChecksumError> {
    let mut found = None;
    for value in headers.get_all("x-amz-trailer") {
        let text = value.to_str().map_err(|_| ChecksumError::UnsupportedTrailer)?;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let algorithm =
                ChecksumAlgorithm::from_header_name(name).ok_or(ChecksumError::UnsupportedTrailer)?;
            if found.replace(algorithm).is_some() {
                return Err(ChecksumError::UnsupportedTrailer);
            }
        }
    }
    Ok(found)
}

fn algorithm_header(headers: &HeaderMap, name: &str) -> Result<Option<ChecksumAlgorithm>, ChecksumError> {
    let Some(text) = text_header(headers, name) else { return Ok(None) };
    let algorithm = text.and_then(ChecksumAlgorithm::from_name);
    algorithm.map(Some).ok_or(ChecksumError::UnknownAlgorithm)
}
