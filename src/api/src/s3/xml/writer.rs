//! Writes XML straight into one byte buffer: names are literals, text is escaped while it is copied.
//!
//! Why not a serializer: element order, self-closing and character references are part of what S3 clients
//! depend on, and a page of a thousand keys is rendered per request. Always holds: the output is UTF-8, every
//! element that was opened is closed by [`XmlWriter::finish`], and `& < > "` never appear raw in text.

use super::Checksum;
use crate::dates;

/// The namespace of every S3 body except `<Error>`.
pub const S3_NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";
/// First line of every body; AWS ends it with a line feed.
pub const XML_DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Whether keys and prefixes are written as they are or URL-encoded (`encoding-type=url`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyEncoding {
    /// As they are; characters that XML cannot carry become character references.
    #[default]
    Raw,
    /// Percent-encoded except for unreserved characters and `/`.
    Url,
}

/// A body under construction.
#[derive(Debug)]
pub struct XmlWriter {
    out: Vec<u8>,
    open: Vec<&'static str>,
}

impl XmlWriter {
    /// Starts a body whose root is in the S3 namespace.
    pub fn new(root: &'static str, capacity_bytes: usize) -> Self {
        let mut writer = Self::with_declaration(capacity_bytes);
        writer.raw("<");
        writer.raw(root);
        writer.raw(" xmlns=\"");
        writer.raw(S3_NAMESPACE);
        writer.raw("\">");
        writer.open.push(root);
        writer
    }

    /// Starts a body whose root has no namespace: `<Error>`.
    pub fn without_namespace(root: &'static str, capacity_bytes: usize) -> Self {
        let mut writer = Self::with_declaration(capacity_bytes);
        writer.open(root);
        writer
    }

    fn with_declaration(capacity_bytes: usize) -> Self {
        let mut out = Vec::with_capacity(capacity_bytes);
        out.extend_from_slice(XML_DECLARATION.as_bytes());
        Self { out, open: Vec::with_capacity(4) }
    }

    /// Opens an element that holds elements.
    pub fn open(&mut self, name: &'static str) {
        self.start_tag(name);
        self.open.push(name);
    }

    /// [`XmlWriter::open`] with attributes, which are written as they are: ` name="value"`.
    pub fn open_with_attributes(&mut self, name: &'static str, attributes: &'static str) {
        self.raw("<");
        self.raw(name);
        self.raw(attributes);
        self.raw(">");
        self.open.push(name);
    }

    /// Text straight inside the element opened last.
    pub fn content(&mut self, text: &str) {
        push_escaped(&mut self.out, text);
    }

    /// Closes the element opened last.
    pub fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.end_tag(name);
        }
    }

    /// An element with text; `<Name></Name>` when the text is empty, as AWS writes it.
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.start_tag(name);
        push_escaped(&mut self.out, text);
        self.end_tag(name);
    }

    /// [`XmlWriter::text`] when there is a text.
    pub fn optional_text(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// An element with a key, prefix or delimiter.
    pub fn key(&mut self, name: &'static str, key: &str, encoding: KeyEncoding) {
        self.start_tag(name);
        match encoding {
            KeyEncoding::Raw => push_escaped(&mut self.out, key),
            KeyEncoding::Url => push_url_encoded(&mut self.out, key),
        }
        self.end_tag(name);
    }

    /// [`XmlWriter::key`] when there is a key.
    pub fn optional_key(&mut self, name: &'static str, key: Option<&str>, encoding: KeyEncoding) {
        if let Some(key) = key {
            self.key(name, key, encoding);
        }
    }

    /// An element with a number.
    pub fn number(&mut self, name: &'static str, number: u64) {
        self.start_tag(name);
        push_number(&mut self.out, number);
        self.end_tag(name);
    }

    /// An element with `true` or `false`.
    pub fn flag(&mut self, name: &'static str, flag: bool) {
        self.start_tag(name);
        self.raw(if flag { "true" } else { "false" });
        self.end_tag(name);
    }

    /// An element with a time, `2026-11-22T23:00:00.000Z`.
    pub fn time_ms(&mut self, name: &'static str, unix_ms: u64) {
        self.start_tag(name);
        dates::push_iso8601_ms(&mut self.out, unix_ms);
        self.end_tag(name);
    }

    /// `<ETag>`: `etag` comes without quotes and is written with them.
    pub fn etag(&mut self, etag: &str) {
        self.raw("<ETag>&quot;");
        push_escaped(&mut self.out, etag);
        self.raw("&quot;</ETag>");
    }

    /// `<Checksum{algorithm}>` for each, for example `<ChecksumCRC32>`.
    pub fn checksums(&mut self, checksums: &[Checksum]) {
        for checksum in checksums {
            self.raw("<Checksum");
            self.raw(checksum.algorithm);
            self.raw(">");
            push_escaped(&mut self.out, &checksum.value_base64);
            self.raw("</Checksum");
            self.raw(checksum.algorithm);
            self.raw(">");
        }
    }

    /// Closes what is open and hands out the body.
    pub fn finish(mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn start_tag(&mut self, name: &str) {
        self.raw("<");
        self.raw(name);
        self.raw(">");
    }

    fn end_tag(&mut self, name: &str) {
        self.raw("</");
        self.raw(name);
        self.raw(">");
    }

    fn raw(&mut self, literal: &str) {
        self.out.extend_from_slice(literal.as_bytes());
    }
}

/// Copies `text`, runs at a time, replacing what XML text cannot hold. Control characters, carriage return
/// (which a parser would turn into a line feed) and the two noncharacters become character references.
fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        if PLAIN[usize::from(byte)] {
            continue;
        }
        let replacement: &[u8] = match byte {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            b'"' => b"&quot;",
            0xEF => match &bytes[index..] {
                [_, 0xBF, 0xBE, ..] => b"&#xfffe;",
                [_, 0xBF, 0xBF, ..] => b"&#xffff;",
                _ => continue,
            },
            control => {
                out.extend_from_slice(&bytes[copied..index]);
                copied = index + 1;
                push_control_reference(out, control);
                continue;
            }
        };
        out.extend_from_slice(&bytes[copied..index]);
        out.extend_from_slice(replacement);
        copied = index + if byte == 0xEF { 3 } else { 1 };
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Bytes that are copied as they are: all but `& < > "`, control characters other than tab and line feed, and
/// the byte that begins the two noncharacters.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut control = 0;
    while control < 0x20 {
        plain[control] = control == b'\t' as usize || control == b'\n' as usize;
        control += 1;
    }
    plain[b'&' as usize] = false;
    plain[b'<' as usize] = false;
    plain[b'>' as usize] = false;
    plain[b'"' as usize] = false;
    plain[0xEF] = false;
    plain
};

/// `&#x1;`, the spelling AWS uses, without leading zeros.
fn push_control_reference(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(b"&#x");
    if byte >= 0x10 {
        out.push(DIGITS[usize::from(byte >> 4)]);
    }
    out.push(DIGITS[usize::from(byte & 15)]);
    out.push(b';');
}

/// Percent-encodes all but `A-Z a-z 0-9 - _ . ~ /`. A blank becomes `%20` and not `+`: every client decodes
/// the first, not every client the second.
fn push_url_encoded(out: &mut Vec<u8>, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text.as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => out.push(byte),
            _ => {
                out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
            }
        }
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    // 20 digits hold u64::MAX.
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}
