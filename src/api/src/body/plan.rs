//! Reads from a request's headers how its body has to be decoded.
//!
//! A body is framed as `aws-chunked` when its mode is a streaming one, when
//! `x-amz-decoded-content-length` is given, or when an unsigned body is labelled so in
//! `Content-Encoding`. The label alone does not make a body framed whose hash as a whole was signed:
//! clients send it with plain bodies as mere metadata.
//!
//! Units: lengths are bytes.

use std::collections::BTreeSet;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use super::decoder::Decoder;
use super::error::BodyError;
use super::mode::PayloadMode;
use crate::decimal::is_decimal;
use crate::signature::{ChunkVerifier, Verified};

const FRAMING_TOKEN: &str = "aws-chunked";

/// How one request's body has to be decoded.
#[derive(Debug, Clone)]
pub struct BodyPlan {
    pub(super) mode: PayloadMode,
    pub(super) framed: bool,
    pub(super) length: Option<u64>,
    pub(super) declared_trailers: BTreeSet<String>,
    pub(super) chunk_verifier: Option<ChunkVerifier>,
}

impl BodyPlan {
    /// Reads the plan; `verified` is `None` for an anonymous request.
    pub fn from_request(headers: &HeaderMap, verified: Option<&Verified>) -> Result<Self, BodyError> {
        let mode = match verified {
            Some(verified) => verified.payload().clone(),
            None => anonymous_mode(headers)?,
        };
        let decoded_length = length_header(headers, "x-amz-decoded-content-length")?;
        let labelled = content_encodings(headers).any(is_framing_token);
        if mode.is_streaming() && decoded_length.is_none() {
            return Err(BodyError::MissingDecodedLength);
        }
        let framed =
            mode.is_streaming() || decoded_length.is_some() || (labelled && mode == PayloadMode::Unsigned);
        let length = if framed { decoded_length } else { length_header(headers, CONTENT_LENGTH.as_str())? };
        let chunk_verifier = match (mode.has_signed_chunks(), verified) {
            (false, _) => None,
            (true, Some(verified)) => Some(verified.chunk_verifier()),
            (true, None) => return Err(BodyError::SignatureRequired),
        };
        Ok(Self { mode, framed, length, declared_trailers: declared_trailers(headers), chunk_verifier })
    }

    /// The mode of the body's signature.
    pub fn mode(&self) -> &PayloadMode {
        &self.mode
    }

    /// Whether the body comes in `aws-chunked` framing.
    pub fn is_framed(&self) -> bool {
        self.framed
    }

    /// The announced length of the object's bytes, framing not counted.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The names announced in `x-amz-trailer`, in lower case.
    pub fn declared_trailers(&self) -> impl Iterator<Item = &str> {
        self.declared_trailers.iter().map(String::as_str)
    }

    /// The decoder for this body.
    pub fn into_decoder(self) -> Decoder {
        Decoder::new(self)
    }
}

/// The `Content-Encoding` to store with the object: what was sent without `aws-chunked`, or `None` when
/// nothing else is left.
pub fn stored_content_encoding(headers: &HeaderMap) -> Option<String> {
    let kept: Vec<&str> = content_encodings(headers).filter(|token| !is_framing_token(token)).collect();
    if kept.is_empty() { None } else { Some(kept.join(", ")) }
}

fn content_encodings(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

fn is_framing_token(token: &str) -> bool {
    token.eq_ignore_ascii_case(FRAMING_TOKEN)
}

fn declared_trailers(headers: &HeaderMap) -> BTreeSet<String> {
    let values = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
    let names = values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

fn anonymous_mode(headers: &HeaderMap) -> Result<PayloadMode, BodyError> {
    let Some(value) = headers.get("x-amz-content-sha256") else { return Ok(PayloadMode::Unsigned) };
    let text = value.to_str().ok();
    text.and_then(|text| PayloadMode::parse(text.trim())).ok_or(BodyError::InvalidContentSha256)
}

/// A length header; given twice with different values it is refused, as HTTP demands.
fn length_header(headers: &HeaderMap, name: &str) -> Result<Option<u64>, BodyError> {
    let mut length = None;
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| BodyError::InvalidLength)?.trim();
        let digits = is_decimal(text);
        let number: u64 = text.parse().ok().filter(|_| digits).ok_or(BodyError::InvalidLength)?;
        if length.is_some_and(|previous| previous != number) {
            return Err(BodyError::InvalidLength);
        }
        length = Some(number);
    }
    Ok(length)
}
