//! Signs requests by the published rules of Signature Version 4, independently of the code under test.
//!
//! Always holds: nothing here is taken from `api`; what both sides agree on, they agree on by the rules.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, Method};
use sha2::{Digest, Sha256};

/// Key, secret and time of the recorded requests that the corpus began with.
pub const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
/// See [`KEY_ID`].
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2026-01-02T03:04:05Z.
pub const NOW_UNIX_S: i64 = 1_767_323_045;
/// The same in the form that is signed.
pub const NOW: &str = "20260102T030405Z";
/// Day, region, service and the end mark.
pub const SCOPE: &str = "20260102/garage/s3/aws4_request";

/// HMAC-SHA-256.
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 in hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The key of [`SCOPE`].
pub fn signing_key() -> [u8; 32] {
    let day = hmac(format!("AWS4{SECRET}").as_bytes(), b"20260102");
    hmac(&hmac(&hmac(&day, b"garage"), b"s3"), b"aws4_request")
}

/// Percent-decoding once; what is no escape stands for itself.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Percent-encodes all but the unreserved characters, and slashes if `keep_slash`.
pub fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::new();
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slash && byte == b'/');
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Name and value of each parameter of a raw query, decoded.
pub fn parameters(raw_query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let component = |text: &str| decode(text.replace('+', " ").as_bytes());
    let pairs = raw_query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| (component(n), component(v)))
        .collect()
}

/// What is signed of a request.
pub struct Signable<'r> {
    pub method: &'r Method,
    pub raw_path: &'r str,
    pub raw_query: &'r str,
    pub headers: &'r HeaderMap,
    /// Names of the signed headers, sorted.
    pub signed: Vec<&'r str>,
    pub payload_hash: &'r str,
}

impl Signable<'_> {
    /// `name;name;…`
    pub fn signed_list(&self) -> String {
        self.signed.join(";")
    }

    fn canonical(&self) -> Vec<u8> {
        let path = if self.raw_path.is_empty() { "/" } else { self.raw_path };
        let encoded = |(name, value): (Vec<u8>, Vec<u8>)| (encode(&name, false), encode(&value, false));
        let mut query: Vec<(String, String)> = parameters(self.raw_query).into_iter().map(encoded).collect();
        query.sort();
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = encode(&decode(path.as_bytes()), true);
        let mut out = format!("{}\n{path}\n{}\n", self.method, query.join("&")).into_bytes();
        for name in &self.signed {
            let name: HeaderName = name.parse().expect("the name of a header that is there");
            let values: Vec<Vec<u8>> =
                self.headers.get_all(&name).iter().map(|value| single_spaced(value.as_bytes())).collect();
            out.extend_from_slice(format!("{name}:").as_bytes());
            out.extend_from_slice(&values.join(&b","[..]));
            out.push(b'\n');
        }
        out.extend_from_slice(format!("\n{}\n{}", self.signed_list(), self.payload_hash).as_bytes());
        out
    }

    /// The signature, at [`NOW`].
    pub fn signature(&self) -> [u8; 32] {
        let hash = sha256_hex(&self.canonical());
        let text = format!("AWS4-HMAC-SHA256\n{NOW}\n{SCOPE}\n{hash}");
        hmac(&signing_key(), text.as_bytes())
    }
}

fn single_spaced(value: &[u8]) -> Vec<u8> {
    let words = value.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b" "[..])
}

/// The chain of signatures over the chunks of a streamed body.
pub struct Chain {
    key: [u8; 32],
    previous: String,
}

impl Chain {
    /// A chain that begins with the signature of the request.
    pub fn new(seed_signature: &[u8; 32]) -> Self {
        Self { key: signing_key(), previous: hex(seed_signature) }
    }

    /// The signature of the next chunk.
    pub fn chunk(&mut self, bytes: &[u8]) -> String {
        let rest = format!("{}\n{}", sha256_hex(b""), sha256_hex(bytes));
        self.next("AWS4-HMAC-SHA256-PAYLOAD", &rest)
    }

    /// The signature of the trailer's lines, each ended by one line feed.
    pub fn trailer(&mut self, lines: &[u8]) -> String {
        self.next("AWS4-HMAC-SHA256-TRAILER", &sha256_hex(lines))
    }

    fn next(&mut self, algorithm: &str, rest: &str) -> String {
        let text = format!("{algorithm}\n{NOW}\n{SCOPE}\n{}\n{rest}", self.previous);
        self.previous = hex(&hmac(&self.key, text.as_bytes()));
        self.previous.clone()
    }
}
