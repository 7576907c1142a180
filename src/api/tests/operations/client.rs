//! A small client of its own: it signs by the published rules, sends exactly the bytes it is told to,
//! and so can send what no library would.

use super::home::{HOST, REGION};
use api::signature::{Scope, Secret, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// An access key.
#[derive(Debug, Clone)]
pub struct Identity {
    pub id: String,
    pub secret: String,
}

/// A request in the making.
#[derive(Debug, Clone)]
pub struct Req {
    pub method: String,
    /// As it goes over the wire.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Percent-encodes everything but unreserved characters.
pub fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
        encoded
    })
}

impl Req {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Replaces a query parameter or header of that name, if there is one.
    pub fn without(mut self, name: &str) -> Self {
        self.query.retain(|(other, _)| other != name);
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self
    }

    pub fn content_md5(self) -> Self {
        let md5 = STANDARD.encode(Md5::digest(&self.body));
        self.header("content-md5", md5)
    }

    pub fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(other, _)| other == name)
    }

    fn raw_query(&self) -> String {
        let pairs: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        pairs.join("&")
    }

    /// With an `Authorization` header over host, every `x-amz-*` header and the query.
    pub fn signed(&self, identity: &Identity, now_unix_s: i64) -> Self {
        let mut signed = self.clone();
        let date = date_of(now_unix_s);
        if !signed.has_header("x-amz-content-sha256") {
            signed = signed.header("x-amz-content-sha256", hex(&Sha256::digest(&self.body)));
        }
        signed = signed.header("x-amz-date", &date);
        if !signed.has_header("host") {
            signed = signed.header("host", HOST);
        }
        let (list, canonical) = signed.canonical();
        let credential = format!("{}/{}/{REGION}/s3/aws4_request", identity.id, &date[..8]);
        let (_, scope) = Scope::parse_credential(&credential).unwrap();
        let signature = sign(identity, &scope, &date, &canonical);
        let value =
            format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={list}, Signature={signature}");
        signed.header("authorization", value)
    }

    /// With the signature in the query, over host and every `x-amz-*` header; the body is not signed.
    pub fn presigned(&self, identity: &Identity, now_unix_s: i64, expires: &str) -> Self {
        let date = date_of(now_unix_s);
        let credential = format!("{}/{}/{REGION}/s3/aws4_request", identity.id, &date[..8]);
        let unsigned = self.clone().without("host").header("host", HOST);
        let (list, _) = unsigned.canonical();
        let unsigned = unsigned
            .query("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
            .query("X-Amz-Credential", &credential)
            .query("X-Amz-Date", &date)
            .query("X-Amz-Expires", expires)
            .query("X-Amz-SignedHeaders", &list);
        let (_, canonical) = unsigned.canonical();
        let (_, scope) = Scope::parse_credential(&credential).unwrap();
        let signature = sign(identity, &scope, &date, &canonical);
        unsigned.query("X-Amz-Signature", &signature)
    }

    /// The list of signed headers and the canonical request.
    fn canonical(&self) -> (String, Vec<u8>) {
        let mut pairs: Vec<(String, String)> =
            self.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
        pairs.sort();
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.retain(|name| *name == "host" || name.starts_with("x-amz-"));
        names.sort_unstable();
        names.dedup();
        let mut canonical = format!("{}\n{}\n{}\n", self.method, self.path, query.join("&")).into_bytes();
        for name in &names {
            let values = self.headers.iter().filter(|(other, _)| other == name);
            let values: Vec<Vec<u8>> = values.map(|(_, value)| collapse(value)).collect();
            canonical.extend_from_slice(format!("{name}:").as_bytes());
            canonical.extend_from_slice(&values.join(&b','));
            canonical.push(b'\n');
        }
        let hash = self.headers.iter().find(|(name, _)| name == "x-amz-content-sha256");
        let list = names.join(";");
        canonical.extend_from_slice(format!("\n{list}\n").as_bytes());
        canonical.extend_from_slice(hash.map_or(b"UNSIGNED-PAYLOAD", |(_, value)| value.as_slice()));
        (list, canonical)
    }

    /// The request on the wire. The connection ends with the answer.
    pub fn to_bytes(&self) -> Vec<u8> {
        let query = self.raw_query();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut bytes = format!("{} {}{mark}{query} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        for (name, value) in &self.headers {
            line(name, value);
        }
        if !self.has_header("host") {
            line("host", HOST.as_bytes());
        }
        if !self.has_header("content-length") && !self.has_header("transfer-encoding") {
            line("content-length", self.body.len().to_string().as_bytes());
        }
        line("connection", b"close");
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn sign(identity: &Identity, scope: &Scope, date: &str, canonical: &[u8]) -> String {
    let hash = hex(&Sha256::digest(canonical));
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{hash}", scope.text());
    let key = SigningKey::derive(&Secret::new(identity.secret.as_str()), scope);
    hex(&key.sign(to_sign.as_bytes()))
}

/// Trims, and makes one space of several.
fn collapse(value: &[u8]) -> Vec<u8> {
    let words = value.trim_ascii().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(&b' ')
}

fn date_of(unix_s: i64) -> String {
    let millis = u64::try_from(unix_s).unwrap() * 1000;
    // 2026-01-01T00:00:00.000Z → 20260101T000000Z
    let text = api::dates::iso8601_ms(millis);
    let seconds = text.split('.').next().unwrap().replace(['-', ':'], "");
    format!("{seconds}Z")
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer that ends with its connection.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.map(|line| line.split_once(':').map(header_of)).collect::<Option<_>>()?;
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content of the first element of this name; panics if there is none.
    pub fn xml(&self, element: &str) -> String {
        let found = self.maybe_xml(element);
        found.unwrap_or_else(|| panic!("no <{element}> in {}", self.text()))
    }

    pub fn maybe_xml(&self, element: &str) -> Option<String> {
        let text = self.text();
        let start = text.find(&format!("<{element}>"))? + element.len() + 2;
        let end = text[start..].find(&format!("</{element}>"))?;
        Some(text[start..start + end].to_owned())
    }

    /// The error's code; empty when there is no body.
    pub fn code(&self) -> String {
        self.maybe_xml("Code").unwrap_or_default()
    }

    /// Answers to HEAD have no body to say which code it was.
    pub fn is_refusal(&self, method: &str, status: u16, code: &str) -> bool {
        self.status == status && (method == "HEAD" || self.code() == code)
    }
}

fn header_of((name, value): (&str, &str)) -> (String, String) {
    (name.to_ascii_lowercase(), value.trim().to_owned())
}
