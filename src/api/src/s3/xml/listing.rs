//! Answers of ListObjects, version 1 and 2.
//!
//! What clients rely on: V1 always has `<Marker>`, and `<NextMarker>` only with a delimiter (the operation
//! decides); V2 echoes the token it was given, even an empty one. With `encoding-type=url` these are encoded:
//! keys, common prefixes, delimiter, V1's markers, V2's prefix and start-after. V1's own prefix is not,
//! since no client decodes it there.

use super::writer::{KeyEncoding, XmlWriter};

/// An owner or initiator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// Canonical id.
    pub id: String,
    /// Name for people.
    pub display_name: String,
}

pub(super) fn push_owner(xml: &mut XmlWriter, element: &'static str, owner: &Owner) {
    xml.open(element);
    xml.text("ID", &owner.id);
    xml.text("DisplayName", &owner.display_name);
    xml.close();
}

/// One object of a page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectEntry {
    /// Its key.
    pub key: String,
    /// When it was written.
    pub last_modified_ms: u64,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Algorithm of its checksum, when it has one.
    pub checksum_algorithm: Option<String>,
    /// `COMPOSITE` or `FULL_OBJECT`, when it has one.
    pub checksum_type: Option<String>,
    /// Its size.
    pub size_bytes: u64,
    /// V1 always names the owner, V2 with `fetch-owner=true`.
    pub owner: Option<Owner>,
    /// `STANDARD` for all of ours.
    pub storage_class: String,
}

/// Answer of ListObjects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListObjectsV1 {
    /// Bucket.
    pub name: String,
    /// As asked; empty when not.
    pub prefix: String,
    /// As asked; empty when not.
    pub marker: String,
    /// Where the next page begins; only with a delimiter and when truncated.
    pub next_marker: Option<String>,
    /// As asked, or 1,000.
    pub max_keys: u64,
    /// As asked.
    pub delimiter: Option<String>,
    /// As asked.
    pub encoding: KeyEncoding,
    /// Whether more follows.
    pub is_truncated: bool,
    /// Objects, in byte order of keys.
    pub contents: Vec<ObjectEntry>,
    /// Common prefixes, in byte order.
    pub common_prefixes: Vec<String>,
}

/// Answer of ListObjectsV2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListObjectsV2 {
    /// Bucket.
    pub name: String,
    /// As asked; empty when not.
    pub prefix: String,
    /// The token that was given, even when empty.
    pub continuation_token: Option<String>,
    /// Where the next page begins; exactly when truncated.
    pub next_continuation_token: Option<String>,
    /// As asked.
    pub start_after: Option<String>,
    /// As asked, or 1,000.
    pub max_keys: u64,
    /// As asked.
    pub delimiter: Option<String>,
    /// As asked.
    pub encoding: KeyEncoding,
    /// Whether more follows.
    pub is_truncated: bool,
    /// Objects, in byte order of keys.
    pub contents: Vec<ObjectEntry>,
    /// Common prefixes, in byte order.
    pub common_prefixes: Vec<String>,
}

impl ListObjectsV1 {
    /// The body.
    pub fn render(&self) -> Vec<u8> {
        let capacity = page_capacity_bytes(&self.contents, &self.common_prefixes);
        let mut xml = XmlWriter::new("ListBucketResult", capacity);
        xml.text("Name", &self.name);
        xml.text("Prefix", &self.prefix);
        xml.key("Marker", &self.marker, self.encoding);
        xml.optional_key("NextMarker", self.next_marker.as_deref(), self.encoding);
        xml.number("MaxKeys", self.max_keys);
        xml.optional_key("Delimiter", self.delimiter.as_deref(), self.encoding);
        push_encoding_type(&mut xml, self.encoding);
        xml.flag("IsTruncated", self.is_truncated);
        push_contents(&mut xml, &self.contents, self.encoding);
        push_common_prefixes(&mut xml, &self.common_prefixes, self.encoding);
        xml.finish()
    }
}

impl ListObjectsV2 {
    /// The body. `<KeyCount>` counts objects and common prefixes.
    pub fn render(&self) -> Vec<u8> {
        let capacity = page_capacity_bytes(&self.contents, &self.common_prefixes);
        let mut xml = XmlWriter::new("ListBucketResult", capacity);
        xml.text("Name", &self.name);
        xml.key("Prefix", &self.prefix, self.encoding);
        xml.optional_key("StartAfter", self.start_after.as_deref(), self.encoding);
        xml.optional_text("ContinuationToken", self.continuation_token.as_deref());
        xml.optional_text("NextContinuationToken", self.next_continuation_token.as_deref());
        xml.number("KeyCount", (self.contents.len() + self.common_prefixes.len()) as u64);
        xml.number("MaxKeys", self.max_keys);
        xml.optional_key("Delimiter", self.delimiter.as_deref(), self.encoding);
        push_encoding_type(&mut xml, self.encoding);
        xml.flag("IsTruncated", self.is_truncated);
        push_contents(&mut xml, &self.contents, self.encoding);
        push_common_prefixes(&mut xml, &self.common_prefixes, self.encoding);
        xml.finish()
    }
}

/// A guess that avoids growing the buffer for ordinary keys: an entry's tags, date, ETag and size are about
/// 250 bytes, an owner 160.
fn page_capacity_bytes(contents: &[ObjectEntry], common_prefixes: &[String]) -> usize {
    let per_entry = if contents.first().is_some_and(|entry| entry.owner.is_some()) { 480 } else { 320 };
    512 + contents.len() * per_entry + common_prefixes.len() * 128
}

fn push_contents(xml: &mut XmlWriter, contents: &[ObjectEntry], encoding: KeyEncoding) {
    for entry in contents {
        xml.open("Contents");
        xml.key("Key", &entry.key, encoding);
        push_object(xml, entry);
        xml.close();
    }
}

/// What is shown of an object behind its key.
pub(super) fn push_object(xml: &mut XmlWriter, entry: &ObjectEntry) {
    xml.time_ms("LastModified", entry.last_modified_ms);
    xml.etag(&entry.etag);
    xml.optional_text("ChecksumAlgorithm", entry.checksum_algorithm.as_deref());
    xml.optional_text("ChecksumType", entry.checksum_type.as_deref());
    xml.number("Size", entry.size_bytes);
    if let Some(owner) = &entry.owner {
        push_owner(xml, "Owner", owner);
    }
    xml.text("StorageClass", &entry.storage_class);
}

pub(super) fn push_common_prefixes(xml: &mut XmlWriter, prefixes: &[String], encoding: KeyEncoding) {
    for prefix in prefixes {
        xml.open("CommonPrefixes");
        xml.key("Prefix", prefix, encoding);
        xml.close();
    }
}

pub(super) fn push_encoding_type(xml: &mut XmlWriter, encoding: KeyEncoding) {
    if encoding == KeyEncoding::Url {
        xml.text("EncodingType", "url");
    }
}
