//! The canonical form of a request: the bytes both sides hash and sign.
//!
//! The path is never normalised (no `..`, no `//`): it is percent-decoded once and encoded once. Some
//! clients sign the path or the query exactly as they send it (a `+`, a `@` or a `;` left as it is), so
//! those raw forms are tried as well. A raw form admits no tampering, since it is the received bytes.
//!
//! Always holds: the forms tried are at most `2 paths * 2 queries * MAX_HOSTS`, and the first one is the
//! request as the specification has it.

use std::collections::BTreeSet;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};
use sha2::{Digest, Sha256};

use super::RequestHead;
use super::error::Malformed;

/// Host values tried: as received, without a port, with the port, and the one a proxy was asked for.
pub const MAX_HOSTS: usize = 4;

/// Everything is encoded but the characters RFC 3986 calls unreserved.
const QUERY_ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a path, whose slashes stay.
const PATH_ENCODED: &AsciiSet = &QUERY_ENCODED.remove(b'/');

/// Headers that belong to one connection, so that a proxy may take them away, with the only value each can
/// have had. A client may have signed them all the same.
const LOST_ON_THE_WAY: [(&str, &str); 2] = [("expect", "100-continue"), ("transfer-encoding", "chunked")];

/// The query parameter that carries a presigned request's signature, and so cannot be part of it.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// The headers a request says it signed: lower case, in the order given, none twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    names: Vec<String>,
}

impl SignedHeaders {
    /// Reads a list such as `host;range;x-amz-date`.
    pub fn parse(list: &str) -> Result<Self, Malformed> {
        let mut seen = BTreeSet::new();
        for name in list.split(';') {
            let valid = name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase());
            if name.is_empty() || !valid || !seen.insert(name) {
                return Err(Malformed::Invalid("SignedHeaders"));
            }
        }
        Ok(Self { names: list.split(';').map(str::to_owned).collect() })
    }

    /// The headers of the request that must be signed and are not: `host` and every `x-amz-*`.
    pub fn unsigned_in(&self, head: &RequestHead<'_>) -> Vec<String> {
        let signed: BTreeSet<&str> = self.names.iter().map(String::as_str).collect();
        let present = head.headers.keys().map(|name| name.as_str()).filter(|name| name.starts_with("x-amz-"));
        std::iter::once("host")
            .chain(present)
            .filter(|name| !signed.contains(name))
            .map(str::to_owned)
            .collect()
    }

    /// Whether every signed header but `host` is in the request, or known though a proxy took it.
    fn all_in(&self, head: &RequestHead<'_>) -> bool {
        self.names.iter().all(|name| {
            name == "host"
                || head.headers.contains_key(name.as_str())
                || value_lost_on_the_way(name).is_some()
        })
    }
}

/// The canonical requests to try, most likely first.
pub(super) struct CanonicalForms<'r> {
    head: RequestHead<'r>,
    signed: &'r SignedHeaders,
    payload_hash: &'r str,
    paths: Vec<String>,
    queries: Vec<String>,
    hosts: Vec<&'r str>,
}

impl<'r> CanonicalForms<'r> {
    pub(super) fn new(head: RequestHead<'r>, signed: &'r SignedHeaders, payload_hash: &'r str) -> Self {
        let received_path = if head.raw_path.is_empty() { "/" } else { head.raw_path };
        Self {
            head,
            signed,
            payload_hash,
            paths: distinct(encode_path(received_path), received_path.to_owned()),
            queries: distinct(encode_query(head.raw_query), sort_raw_query(head.raw_query)),
            hosts: plausible_hosts(&head),
        }
    }

    /// The request as received and canonicalised by the book; what an error shows.
    pub(super) fn first(&self) -> Vec<u8> {
        self.build(&self.paths[0], &self.queries[0], self.hosts.first().copied().unwrap_or(""))
    }

    /// Whether `accept` takes one of the forms.
    pub(super) fn any(&self, accept: impl Fn(&[u8]) -> bool) -> bool {
        // A signed header that never arrived must not count as an empty one.
        if !self.signed.all_in(&self.head) {
            return false;
        }
        self.paths.iter().any(|path| {
            self.queries
                .iter()
                .any(|query| self.hosts.iter().any(|host| accept(&self.build(path, query, host))))
        })
    }

    fn build(&self, path: &str, query: &str, host: &str) -> Vec<u8> {
        let mut canonical = Vec::with_capacity(512 + path.len() + query.len());
        for line in [self.head.method.as_str(), path, query] {
            canonical.extend_from_slice(line.as_bytes());
            canonical.push(b'\n');
        }
        for name in &self.signed.names {
            canonical.extend_from_slice(name.as_bytes());
            canonical.push(b':');
            match value_lost_on_the_way(name).filter(|_| !self.head.headers.contains_key(name.as_str())) {
                _ if name == "host" => canonical.extend_from_slice(host.as_bytes()),
                Some(lost) => canonical.extend_from_slice(lost.as_bytes()),
                None => append_header_values(&mut canonical, &self.head, name),
            }
            canonical.push(b'\n');
        }
        canonical.push(b'\n');
        canonical.extend_from_slice(self.signed.names.join(";").as_bytes());
        canonical.push(b'\n');
        canonical.extend_from_slice(self.payload_hash.as_bytes());
        canonical
    }
}

/// The string whose HMAC is the request's signature.
pub(super) fn string_to_sign(timestamp: &str, scope: &str, canonical_request: &[u8]) -> String {
    let hash = hex(&Sha256::digest(canonical_request));
    format!("AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hash}")
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// The hash in 64 lower-case hexadecimal digits. Upper case is refused: signatures have one spelling.
pub(crate) fn parse_hash_hex(text: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(hash)
}

/// One query parameter value or name, decoded: `+` is a space, `%XX` a byte, the rest itself.
pub(super) fn decode_query_component(component: &str) -> Vec<u8> {
    let spaced: Vec<u8> = component.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced).collect()
}

/// The parameters of a raw query, still encoded; a name without `=` has an empty value.
pub(super) fn query_pairs(raw_query: &str) -> impl Iterator<Item = (&str, &str)> {
    raw_query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn distinct(first: String, second: String) -> Vec<String> {
    if first == second { vec![first] } else { vec![first, second] }
}

fn encode_path(raw_path: &str) -> String {
    let decoded: Vec<u8> = percent_decode(raw_path.as_bytes()).collect();
    percent_encode(&decoded, PATH_ENCODED).to_string()
}

fn encode_query(raw_query: &str) -> String {
    let encode = |component| percent_encode(&decode_query_component(component), QUERY_ENCODED).to_string();
    join_sorted(query_pairs(raw_query).map(|(name, value)| (encode(name), encode(value))).collect())
}

fn sort_raw_query(raw_query: &str) -> String {
    join_sorted(query_pairs(raw_query).map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn join_sorted(mut pairs: Vec<(String, String)>) -> String {
    pairs.retain(|(name, _)| name != SIGNATURE_PARAMETER);
    pairs.sort_unstable();
    let joined: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    joined.join("&")
}

fn value_lost_on_the_way(name: &str) -> Option<&'static str> {
    LOST_ON_THE_WAY.into_iter().find(|(lost, _)| *lost == name).map(|(_, value)| value)
}

fn plausible_hosts<'r>(head: &RequestHead<'r>) -> Vec<&'r str> {
    let received = head.headers.get("host").and_then(|value| value.to_str().ok());
    let mut hosts: Vec<&str> = Vec::with_capacity(MAX_HOSTS);
    for host in received.into_iter().chain(head.hosts.iter().copied()) {
        if hosts.len() < MAX_HOSTS && !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// Values of a repeated header are joined by commas; runs of white space inside a value become one space.
fn append_header_values(canonical: &mut Vec<u8>, head: &RequestHead<'_>, name: &str) {
    for (index, value) in head.headers.get_all(name).iter().enumerate() {
        if index > 0 {
            canonical.push(b',');
        }
        let words = value.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        for (position, word) in words.enumerate() {
            if position > 0 {
                canonical.push(b' ');
            }
            canonical.extend_from_slice(word);
        }
    }
}
