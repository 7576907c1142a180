//! A request's head, decoded once: which bucket and key it speaks of, its query, its headers.
//!
//! Keys are opaque: the path is percent-decoded exactly once and never normalised, so `..`, `//` and
//! `%2F` are content. The raw path and query are kept for the signature.

use super::error::{S3Code, S3Error};
use crate::decimal::is_decimal;
use crate::server::{PeerAddress, Secured};
use http::header::{
    AUTHORIZATION, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE,
};
use http::{HeaderMap, Method, request::Parts};
use percent_encoding::percent_decode_str;
use std::net::IpAddr;

/// Longest raw query (the longest legal one is a presigned URL with a session token).
pub const QUERY_MAX_BYTES: usize = 16 << 10;
/// Most bytes of all headers together: twice AWS's 8 KiB, since clients behind proxies bring more.
pub const HEADERS_MAX_BYTES: usize = 16 << 10;
/// Most parameters in a query.
pub const QUERY_MAX_PARAMETERS: usize = 128;

/// What a request is about, before anything is looked up.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: Method,
    /// The path as received.
    pub raw_path: String,
    /// The query as received, without `?`.
    pub raw_query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The bucket's name, if one is named.
    pub bucket: Option<String>,
    /// The object's key, if one is named.
    pub key: Option<String>,
    /// Query parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// Where it comes from: the other end of the connection, or of that of a proxy that is believed.
    pub source: Option<IpAddr>,
    /// Whether it came over TLS, and over which one.
    pub secured: Option<Secured>,
    /// The id of this request: in the answer's header, in an error's body and in the log.
    pub request_id: String,
}

impl Head {
    /// Decodes a head. `root_domains` are the domains whose subdomains are bucket names.
    pub fn parse(parts: Parts, root_domains: &[String], request_id: String) -> Result<Self, S3Error> {
        check_headers(&parts.headers)?;
        let (bucket, key, query) = decode(&parts, root_domains)?;
        Ok(Self {
            raw_path: parts.uri.path().to_owned(),
            raw_query: parts.uri.query().unwrap_or_default().to_owned(),
            source: parts.extensions.get::<PeerAddress>().map(|peer| peer.0),
            secured: parts.extensions.get::<Secured>().copied(),
            method: parts.method,
            headers: parts.headers,
            bucket,
            key,
            query,
            request_id,
        })
    }

    /// Decodes a head that a browser sent to the web site of a bucket: the whole path is the key, the query means
    /// nothing, and nothing else that is S3's does.
    pub fn of_site(mut parts: Parts, bucket: &str, request_id: String) -> Result<Self, S3Error> {
        let strange = |name: &HeaderName| name.as_str().starts_with("x-amz-") || *name == AUTHORIZATION;
        let names: Vec<HeaderName> = parts.headers.keys().filter(|name| strange(name)).cloned().collect();
        for name in names {
            parts.headers.remove(name);
        }
        check_headers(&parts.headers)?;
        let raw_path = parts.uri.path().to_owned();
        let key = decode_key(raw_path.strip_prefix('/').ok_or(S3Code::InvalidURI)?)?;
        Ok(Self {
            raw_path,
            raw_query: parts.uri.query().unwrap_or_default().to_owned(),
            source: parts.extensions.get::<PeerAddress>().map(|peer| peer.0),
            secured: parts.extensions.get::<Secured>().copied(),
            method: parts.method,
            headers: parts.headers,
            bucket: Some(bucket.to_owned()),
            key: Some(key),
            query: Vec::new(),
            request_id,
        })
    }

    /// The same request for another key.
    pub fn for_key(&self, key: String) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    /// The same request for the whole object, whatever the client has of it.
    pub fn without_conditions(mut self) -> Self {
        for name in [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
            self.headers.remove(name);
        }
        self
    }

    /// The first value of a query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a query parameter is there, with or without a value.
    pub fn has_parameter(&self, name: &str) -> bool {
        self.parameter(name).is_some()
    }

    /// A header as text: UTF-8 if it is, else its bytes as Latin-1.
    pub fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(header_text)
    }

    /// A query parameter that must be a number, between the bounds.
    pub fn number(&self, name: &str, max: u64) -> Result<Option<u64>, S3Error> {
        let Some(text) = self.parameter(name) else { return Ok(None) };
        let plain = is_decimal(text);
        let number = text.parse::<u64>().ok().filter(|number| plain && *number <= max);
        let message = format!("Argument {name} must be an integer between 0 and {max}");
        number.map(Some).ok_or_else(|| S3Error::invalid_argument(name, text, message))
    }

    /// The key, which the route guarantees.
    pub fn object_key(&self) -> Result<&str, S3Error> {
        self.key.as_deref().ok_or_else(|| S3Code::InvalidURI.into())
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), S3Error> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > HEADERS_MAX_BYTES {
        let error = S3Error::new(S3Code::RequestHeaderSectionTooLarge);
        return Err(error.field("MaxSizeAllowed", HEADERS_MAX_BYTES.to_string()));
    }
    Ok(())
}

/// A header's value as text.
pub fn header_text(value: &http::HeaderValue) -> String {
    let bytes = value.as_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect::<String>().trim().to_owned(),
    }
}

type Decoded = (Option<String>, Option<String>, Vec<(String, String)>);

fn decode(parts: &Parts, root_domains: &[String]) -> Result<Decoded, S3Error> {
    let query = decode_query(parts.uri.query().unwrap_or_default())?;
    let path = parts.uri.path();
    let rest = path.strip_prefix('/').ok_or(S3Code::InvalidURI)?;
    let (bucket, raw_key) = match virtual_host_bucket(parts, root_domains) {
        Some(bucket) => (Some(bucket), rest),
        None => {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(decode_text(bucket)?).filter(|bucket| !bucket.is_empty()), key)
        }
    };
    let key = decode_key(raw_key)?;
    if bucket.is_none() && !key.is_empty() {
        return Err(S3Code::InvalidBucketName.into());
    }
    Ok((bucket, Some(key).filter(|key| !key.is_empty()), query))
}

fn decode_key(raw: &str) -> Result<String, S3Error> {
    let key = decode_text(raw)?;
    if key.len() > base::limits::OBJECT_KEY_MAX_BYTES {
        let size = key.len().to_string();
        let limit = base::limits::OBJECT_KEY_MAX_BYTES.to_string();
        return Err(S3Error::new(S3Code::KeyTooLongError).field("Size", size).field("MaxSizeAllowed", limit));
    }
    Ok(key)
}

fn decode_text(text: &str) -> Result<String, S3Error> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let escape = rest.get(at + 1..at + 3).ok_or(S3Code::InvalidURI)?;
        if !escape.iter().all(u8::is_ascii_hexdigit) {
            return Err(S3Code::InvalidURI.into());
        }
        rest = &rest[at + 3..];
    }
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| S3Code::InvalidURI.into())
}

/// The pairs of a query, decoded, in order.
pub(super) fn decode_query(query: &str) -> Result<Vec<(String, String)>, S3Error> {
    if query.len() > QUERY_MAX_BYTES {
        return Err(S3Code::InvalidURI.into());
    }
    let mut parameters = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if parameters.len() == QUERY_MAX_PARAMETERS {
            return Err(S3Code::InvalidURI.into());
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        // In a query, `+` is a space.
        let decoded = |text: &str| decode_text(&text.replace('+', " "));
        parameters.push((decoded(name)?, decoded(value)?));
    }
    Ok(parameters)
}

fn virtual_host_bucket(parts: &Parts, root_domains: &[String]) -> Option<String> {
    let host = match parts.uri.host() {
        Some(host) => host.to_owned(),
        None => header_text(parts.headers.get(http::header::HOST)?),
    };
    let host = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_ascii_lowercase();
    root_domains.iter().find_map(|root| {
        let bucket = host.strip_suffix(root.as_str())?.strip_suffix('.')?;
        Some(bucket.to_owned()).filter(|bucket| !bucket.is_empty())
    })
}
